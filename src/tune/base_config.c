#include "tune/base_config.h"

#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define CONFIG_BYTES_MAX (4u << 20)
#define BALANCE_DEFAULT 0.001           /* transformers' MixtralConfig.router_aux_loss_coef */

#define MOST "llama|mistral|mixtral|qwen2|qwen3|phi|phi3|gemma2|gemma3_text|olmo2"
#define AT(member) offsetof(struct dropouts, member)

/* Which families follow which key, as their classes in transformers do; Falcon's are below. */
static const struct { const char *families, *key; size_t at[2]; size_t n; } rates[] = {
    { MOST, "attention_dropout", { AT(probabilities) }, 1 },
    { "phi|phi3", "resid_pdrop", { AT(attn_block), AT(mlp_block) }, 2 },
    { "phi", "embd_pdrop", { AT(embed) }, 1 },
    { "mixtral", "router_jitter_noise", { AT(jitter) }, 1 },
};

/* Keys that families have and do not follow; elsewhere they are told. */
static const struct { const char *families, *key, *say; } known[] = {
    { MOST "|falcon", "attention_dropout", "it drops nothing here" },
    { "phi|phi3", "resid_pdrop", "it drops nothing here" },
    { "phi|phi3", "embd_pdrop", "it drops nothing here" },
    { "falcon", "hidden_dropout", "it drops nothing here" },
    { "mixtral", "router_jitter_noise", "this family has no routers" },
    { "mixtral", "output_router_logits", "this family has no routers" },
};

static bool is_of(const json_t *j, const char *families)
{
    struct str rest = str_of(families), family;

    while (str_next(&rest, '|', &family))
        if (str_is(family, json_cstr(j, "model_type")))
            return true;
    return false;
}

static errc read_rate(const json_t *j, const char *key, float *out, struct err *e)
{
    const json_t *v = json_object_get(j, key);

    if (!v || json_is_null(v))
        return ERR_OK;
    *out = (float)json_number_value(v);
    return json_is_number(v) && *out >= 0 && *out < 1 ? ERR_OK : err_set(e, ERR_INVALID, "config.json: %s must be a number from 0 to below 1", key);
}

/*
 * Falcon's attention_dropout is that of probabilities with ALiBi alone, and of what attention gives where the MLP comes behind it; side by side
 * the sum of both is dropped by hidden_dropout.
 */
static errc read_falcon(const json_t *j, struct dropouts *d, struct err *e)
{
    bool side_by_side = json_flag(j, "parallel_attn", true) || json_flag(j, "new_decoder_architecture", false);
    float attention = 0;

    TRY(read_rate(j, "attention_dropout", &attention, e));
    TRY(read_rate(j, "hidden_dropout", &d->mlp_block, e));
    d->probabilities = json_flag(j, "alibi", false) ? attention : 0;
    d->attn_block = side_by_side ? d->mlp_block : attention;
    d->one_mask = side_by_side;
    return ERR_OK;
}

static errc read_dropouts(const json_t *j, struct dropouts *d, struct err *e)
{
    if (is_of(j, "falcon"))
        return read_falcon(j, d, e);
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        for (size_t k = 0; k < rates[i].n && is_of(j, rates[i].families); k++)
            TRY(read_rate(j, rates[i].key, (float *)(void *)((char *)d + rates[i].at[k]), e));
    return ERR_OK;
}

static errc read_balance(const json_t *j, double *out, struct err *e)
{
    const json_t *v = json_object_get(j, "router_aux_loss_coef");

    if (!streq(json_cstr(j, "model_type"), "mixtral") || !json_flag(j, "output_router_logits", false))
        return ERR_OK;
    *out = json_is_number(v) ? json_number_value(v) : BALANCE_DEFAULT;
    return (!v || json_is_number(v)) && *out >= 0 && isfinite(*out) ? ERR_OK : err_set(e, ERR_INVALID, "config.json: router_aux_loss_coef must be a number from 0 on");
}

static void tell_strangers(const json_t *j, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const json_t *v = json_object_get(j, known[i].key);
        if (is_of(j, known[i].families) || (!json_is_true(v) && json_number_value(v) == 0))
            continue;
        AUTO_MEM char *text = json_is_number(v) ? xasprintf("%g", json_number_value(v)) : json_text(v);
        buf_addf(out, "config.json: %s %s has no effect: %s\n", known[i].key, text, known[i].say);
    }
}

errc base_config_read(const char *model_dir, struct base_config *out, struct err *e)
{
    AUTO_MEM char *path = path_join(model_dir, "config.json");
    AUTO_JSON j = NULL;

    *out = (struct base_config){ 0 };
    TRY(json_parse_file(path, CONFIG_BYTES_MAX, &j, e));
    if (read_dropouts(j, &out->drops, e) || read_balance(j, &out->balance, e))
        return err_wrap(e, "%s", model_dir);
    tell_strangers(j, &out->without_effect);
    return ERR_OK;
}

void base_config_done(struct base_config *c)
{
    buf_done(&c->without_effect);
    *c = (struct base_config){ 0 };
}
