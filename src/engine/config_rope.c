/* The rotary part of config.json: rope_theta, rope_scaling, and transformers 5's rope_parameters. */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/config.h"

static errc read_factors(const json_t *j, const char *key, size_t n, float **out, struct err *e)
{
    const json_t *list = json_object_get(j, key);

    if (json_array_size(list) != n)
        return err_set(e, ERR_INVALID, "config.json: rope_scaling.%s must be a list of %zu numbers, it has %zu", key, n, json_array_size(list));
    *out = xcalloc(n, sizeof **out);
    for (size_t i = 0; i < n; i++) {
        (*out)[i] = (float)json_number_value(json_array_get(list, i));
        if (!((*out)[i] > 0))
            return err_set(e, ERR_INVALID, "config.json: rope_scaling.%s[%zu] must be a number above 0", key, i);
    }
    return ERR_OK;
}

static bool parse_rope_kind(const char *name, enum rope_kind *out)
{
    static const struct { const char *name; enum rope_kind kind; } kinds[] = {
        { "default", ROPE_DEFAULT }, { "linear", ROPE_LINEAR }, { "llama3", ROPE_LLAMA3 }, { "longrope", ROPE_LONGROPE },
        { "su", ROPE_LONGROPE }, { "yarn", ROPE_YARN }, { "dynamic", ROPE_DYNAMIC },
    };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (streq(name, kinds[i].name)) {
            *out = kinds[i].kind;
            return true;
        }
    return false;
}

static errc check_rope_keys(const json_t *scaling, struct err *e)
{
    static const char *const known[] = {
        "type", "rope_type", "rope_theta", "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
        "short_factor", "long_factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim",
        "partial_rotary_factor", "truncate",
    };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)scaling, key, value)
        if (!config_inert(value) && !config_listed(key, known, ARRAY_LEN(known)))
            return err_set(e, ERR_UNSUPPORTED, "config.json: rope_scaling.%.60s is not known", key);
    return ERR_OK;
}

/* scaling: rope_scaling, or (one layer type of) rope_parameters; NULL for none. theta: when scaling does not say. */
static errc read_rope(const json_t *j, const json_t *scaling, double theta, struct model_config *c, struct rope_config *r, struct err *e)
{
    const char *kind = json_cstr(scaling, "rope_type");
    int64_t original = json_int(j, "original_max_position_embeddings", json_int(scaling, "original_max_position_embeddings", 0));

    if (!kind)
        kind = json_cstr(scaling, "type");
    if (!parse_rope_kind(kind ? kind : "default", &r->kind))
        return err_set(e, ERR_UNSUPPORTED, "config.json: rope_scaling type %.40s is not known", kind);
    TRY(check_rope_keys(scaling, e));
    if (r->kind == ROPE_YARN && json_object_get(scaling, "short_factor"))
        return err_set(e, ERR_UNSUPPORTED, "config.json: rope_scaling type yarn with short_factor (an early Phi-3 form) is not known");
    r->theta = json_num(scaling, "rope_theta", theta);
    r->factor = json_num(scaling, "factor", 0);
    r->low_freq_factor = json_num(scaling, "low_freq_factor", 1);
    r->high_freq_factor = json_num(scaling, "high_freq_factor", 4);
    r->beta_fast = json_num(scaling, "beta_fast", 32);
    r->beta_slow = json_num(scaling, "beta_slow", 1);
    r->attention_factor = json_num(scaling, "attention_factor", 0);
    r->mscale = json_num(scaling, "mscale", 0);
    r->mscale_all_dim = json_num(scaling, "mscale_all_dim", 0);
    r->round_range = json_flag(scaling, "truncate", true);
    r->original_positions = original > 0 ? (size_t)original : c->max_positions;
    if (r->kind == ROPE_YARN && !config_value(scaling, "factor"))
        r->factor = (double)c->max_positions / (double)r->original_positions;
    if (!(r->theta > 1))
        return err_set(e, ERR_INVALID, "config.json: rope_theta must be above 1");
    if (r->kind == ROPE_LONGROPE) {
        TRY(read_factors(scaling, "short_factor", c->rotary / 2, &r->short_factor, e));
        TRY(read_factors(scaling, "long_factor", c->rotary / 2, &r->long_factor, e));
    } else if (r->kind != ROPE_DEFAULT && !(r->factor >= 1))
        return err_set(e, ERR_INVALID, "config.json: rope_scaling.factor must be at least 1");
    return ERR_OK;
}

errc config_read_ropes(const json_t *j, struct model_config *c, struct err *e)
{
    const json_t *both = config_value(j, "rope_parameters"), *one = both ? both : config_value(j, "rope_scaling"), *local = NULL;
    const json_t *per_type = config_value(both, "full_attention");
    double theta, local_theta, partial, default_partial = c->family->partial_rotary > 0 ? c->family->partial_rotary : 1;

    if (per_type) {
        one = per_type;
        local = config_value(both, "sliding_attention");
    }
    TRY(config_real(j, "rope_theta", 1, 1e15, c->family->theta, &theta, e));
    TRY(config_real(j, "rope_local_base_freq", 1, 1e15, c->family->local_theta, &local_theta, e));
    TRY(config_real(j, "partial_rotary_factor", 0.01, 1, json_num(one, "partial_rotary_factor", default_partial), &partial, e));
    c->rotary = (size_t)((double)c->head_dim * partial);
    if (c->rotary < 2 || c->rotary % 2 || c->rotary > c->head_dim)
        return err_set(e, ERR_INVALID, "config.json: %zu rotary dimensions of head_dim %zu must be even", c->rotary, c->head_dim);
    TRY(read_rope(j, one, theta, c, &c->rope, e));
    if (local && !(c->family->local_theta > 0))
        return err_set(e, ERR_UNSUPPORTED, "config.json: rope_parameters.sliding_attention is not known for model_type %s", c->model_type);
    if (c->family->local_theta > 0)
        TRY(read_rope(j, local, local_theta, c, &c->rope_local, e));
    return ERR_OK;
}

void config_rope_done(struct rope_config *r)
{
    free(r->short_factor);
    free(r->long_factor);
}
