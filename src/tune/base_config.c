#include "tune/base_config.h"

#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define CONFIG_BYTES_MAX (4u << 20)
#define NOTHING_DROPS "it drops nothing here"
#define BALANCE_DEFAULT 0.001           /* transformers' MixtralConfig.router_aux_loss_coef */

static const struct { const char *key, *say; } without_effect[] = {
    { "attention_dropout", NOTHING_DROPS }, { "embd_pdrop", NOTHING_DROPS }, { "resid_pdrop", NOTHING_DROPS }, { "hidden_dropout", NOTHING_DROPS },
    { "output_router_logits", "this family has no routers" },
    { "router_jitter_noise", "routers see no noise here" },
};

static void add_without_effect(const json_t *j, const char *key, const char *say, struct buf *out)
{
    const json_t *v = json_object_get(j, key);

    if (!json_is_true(v) && json_number_value(v) == 0)
        return;
    AUTO_MEM char *text = json_is_number(v) ? xasprintf("%g", json_number_value(v)) : json_text(v);
    buf_addf(out, "config.json: %s %s has no effect: %s\n", key, text, say);
}

static errc read_rate(const json_t *j, const char *key, double *out, struct err *e)
{
    const json_t *v = json_object_get(j, key);

    if (!v || json_is_null(v))
        return ERR_OK;
    *out = json_number_value(v);
    return json_is_number(v) && *out >= 0 && *out < 1 ? ERR_OK : err_set(e, ERR_INVALID, "config.json: %s must be a number from 0 to below 1", key);
}

/* Of the families whose blocks, or embedding, end in a dropout. */
static errc read_dropouts(const json_t *j, struct base_config *out, struct err *e)
{
    const char *type = json_cstr(j, "model_type");

    if (streq(type, "phi") || streq(type, "phi3"))
        TRY(read_rate(j, "resid_pdrop", &out->resid_dropout, e));
    return streq(type, "phi") ? read_rate(j, "embd_pdrop", &out->embed_dropout, e) : ERR_OK;
}

static errc read_balance(const json_t *j, double *out, struct err *e)
{
    const json_t *v = json_object_get(j, "router_aux_loss_coef");

    if (!streq(json_cstr(j, "model_type"), "mixtral") || !json_flag(j, "output_router_logits", false))
        return ERR_OK;
    *out = json_is_number(v) ? json_number_value(v) : BALANCE_DEFAULT;
    return (!v || json_is_number(v)) && *out >= 0 && isfinite(*out) ? ERR_OK : err_set(e, ERR_INVALID, "config.json: router_aux_loss_coef must be a number from 0 on");
}

/* What is done, as the fields say, or left undone by transformers, too. */
static bool is_done(const json_t *j, const struct base_config *c, const char *key)
{
    const char *type = json_cstr(j, "model_type");
    bool embeds = streq(type, "phi") || streq(type, "phi3");

    return (c->resid_dropout > 0 && streq(key, "resid_pdrop")) || (embeds && streq(key, "embd_pdrop")) || (c->balance > 0 && streq(key, "output_router_logits"));
}

errc base_config_read(const char *model_dir, struct base_config *out, struct err *e)
{
    AUTO_MEM char *path = path_join(model_dir, "config.json");
    AUTO_JSON j = NULL;

    *out = (struct base_config){ 0 };
    TRY(json_parse_file(path, CONFIG_BYTES_MAX, &j, e));
    if (read_dropouts(j, out, e) || read_balance(j, &out->balance, e))
        return err_wrap(e, "%s", model_dir);
    for (size_t i = 0; i < ARRAY_LEN(without_effect); i++)
        if (!is_done(j, out, without_effect[i].key))
            add_without_effect(j, without_effect[i].key, without_effect[i].say, &out->without_effect);
    return ERR_OK;
}

void base_config_done(struct base_config *c)
{
    buf_done(&c->without_effect);
    *c = (struct base_config){ 0 };
}
