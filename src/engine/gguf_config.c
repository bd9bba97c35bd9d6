/*
 * Metadata of a GGUF file to struct model_config, by way of the config.json it was made from: so the file is held to the same
 * rules. What the file's layout decides (biases, tying, norms, order of rows) is then read off its tensors.
 */
#include <math.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/gguf.h"

#define LAYERS_MAX 1024

/* ── architectures ── */

#define RMS .eps = "attention.layer_norm_rms_epsilon", .eps_key = "rms_norm_eps"
#define LAYERNORM .eps = "attention.layer_norm_epsilon"

static const struct gguf_architecture architectures[] = {
    { .name = "llama", .model_type = "llama", RMS, .post_attention = "ffn_norm", .pairs = true, .slides = GGUF_SLIDES_ALL },
    { .name = "qwen2", .model_type = "qwen2", RMS, .post_attention = "ffn_norm" },
    { .name = "qwen3", .model_type = "qwen3", RMS, .post_attention = "ffn_norm" },
    { .name = "phi3", .model_type = "phi3", RMS, .post_attention = "ffn_norm", .slides = GGUF_SLIDES_ALL },
    { .name = "phi2", .model_type = "phi", LAYERNORM, .eps_key = "layer_norm_eps" },
    { .name = "gemma2", .model_type = "gemma2", RMS, .post_attention = "post_attention_norm", .query_scalar = true, .wide_layers = 46,
      .slides = GGUF_SLIDES_EVEN, .window = 4096 },
    { .name = "gemma3", .model_type = "gemma3_text", RMS, .post_attention = "post_attention_norm", .query_scalar = true, .wide_layers = 62,
      .slides = GGUF_SLIDES_SIX },
    { .name = "falcon", .model_type = "falcon", LAYERNORM, .eps_key = "layer_norm_epsilon" },
    { .name = "olmo2", .model_type = "olmo2", RMS, .post_attention = "post_attention_norm" },
};

errc gguf_find_architecture(const struct gguf *g, const struct gguf_architecture **out, struct err *e)
{
    struct str name = { 0 };
    AUTO_BUF known = { 0 };
    AUTO_MEM char *shown = NULL;

    TRY(gguf_text(g, "general.architecture", &name, e));
    for (size_t i = 0; i < ARRAY_LEN(architectures); i++) {
        if (str_is(name, architectures[i].name)) {
            *out = &architectures[i];
            return ERR_OK;
        }
        buf_addf(&known, "%s%s", i ? ", " : "", architectures[i].name);
    }
    shown = name.p ? xstrndup(name.p, name.n) : xstrdup("(absent)");
    return err_set(e, ERR_UNSUPPORTED, "%s: general.architecture \"%.60s\" is not known; known are %s", gguf_path(g),
                   shown, buf_cstr(&known));
}

/* ── keys ── */

struct reader {
    const struct gguf *g;
    const struct gguf_architecture *a;
    json_t *config;
    struct err *e;
};

/* Numbers that keep their meaning. */
static const struct { const char *key, *config; bool real, required; } keys[] = {
    { "embedding_length", "hidden_size", .required = true }, { "block_count", "num_hidden_layers", .required = true },
    { "attention.head_count", "num_attention_heads", .required = true }, { "context_length", "max_position_embeddings", .required = true },
    { "feed_forward_length", "intermediate_size", .required = true }, { "expert_count", "num_local_experts" },
    { "expert_used_count", "num_experts_per_tok" }, { "rope.freq_base_swa", "rope_local_base_freq", .real = true },
    { "attn_logit_softcapping", "attn_logit_softcapping", .real = true }, { "final_logit_softcapping", "final_logit_softcapping", .real = true },
};

/* Read by functions of their own below. */
static const char *const read_elsewhere[] = {
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon", "attention.sliding_window", "attention.sliding_window_pattern", "attention.causal", "attention.scale",
    "rope.freq_base", "rope.dimension_count", "rope.scaling.type", "rope.scaling.factor", "rope.scale_linear",
    "rope.scaling.original_context_length", "rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
};

/* The tensors say the same, or nothing follows from it. */
static const char *const ignored[] = { "vocab_size", "rope.scaling.finetuned", "tensor_data_layout", "use_parallel_residual" };

static char *full_key(const struct reader *r, const char *key) { return xasprintf("%s.%s", r->a->name, key); }

static errc read_int(const struct reader *r, const char *key, int64_t max, int64_t *out)
{
    AUTO_MEM char *full = full_key(r, key);

    return gguf_int(r->g, full, 0, max, out, r->e);
}

static errc read_real(const struct reader *r, const char *key, double *out)
{
    AUTO_MEM char *full = full_key(r, key);

    return gguf_real(r->g, full, out, r->e);
}

static bool listed(struct str key, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(key, list[i]))
            return true;
    return false;
}

static bool in_table(struct str key)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_is(key, keys[i].key))
            return true;
    return false;
}

/* false, 0 and "" change nothing, whatever the key means. */
static bool inert(const struct gguf_value *v)
{
    double number;
    bool flag;

    return (gguf_as_real(v, &number) && number == 0) || (gguf_as_bool(v, &flag) && !flag) ||
           ((v->type == GGUF_STRING || v->type == GGUF_ARRAY) && v->n == 0);
}

/* A key of this architecture that we do not know might change what the model computes. */
static errc check_keys(const struct reader *r)
{
    AUTO_MEM char *prefix = full_key(r, "");

    for (size_t i = 0; i < gguf_key_count(r->g); i++) {
        struct str key = str_of(gguf_key(r->g, i)), rest = str_from(key, strlen(prefix));

        if (str_has_prefix(key, str_of(prefix)) && !in_table(rest) && !listed(rest, read_elsewhere, ARRAY_LEN(read_elsewhere)) &&
            !listed(rest, ignored, ARRAY_LEN(ignored)) && !inert(gguf_value_at(r->g, i)))
            return err_set(r->e, ERR_UNSUPPORTED, "%s: key %.80s is not known and might change what the model computes", gguf_path(r->g), key.p);
    }
    return ERR_OK;
}

static errc put_key(const struct reader *r, size_t i)
{
    AUTO_MEM char *full = full_key(r, keys[i].key);
    int64_t whole = 0;
    double real = 0;

    if (keys[i].required && !gguf_find(r->g, full))
        return err_set(r->e, ERR_INVALID, "%s: key %s is missing", gguf_path(r->g), full);
    if (keys[i].real) {
        TRY(gguf_real(r->g, full, &real, r->e));
        if (real != 0)
            json_put(r->config, keys[i].config, json_real(real));
        return ERR_OK;
    }
    TRY(gguf_int(r->g, full, keys[i].required, INT32_MAX, &whole, r->e));
    if (whole)
        json_put_int(r->config, keys[i].config, whole);
    return ERR_OK;
}

static int64_t got(const struct reader *r, const char *key) { return json_int(r->config, key, 0); }

/* Heads: their width is key_length, else an even share of the hidden size. */
static errc put_heads(const struct reader *r)
{
    int64_t kv = got(r, "num_attention_heads"), width = got(r, "hidden_size") / kv, values, rotary;

    TRY(read_int(r, "attention.head_count_kv", INT32_MAX, &kv));
    TRY(read_int(r, "attention.key_length", INT32_MAX, &width));
    values = rotary = width;
    TRY(read_int(r, "attention.value_length", INT32_MAX, &values));
    TRY(read_int(r, "rope.dimension_count", INT32_MAX, &rotary));
    if (width < 1 || values != width || rotary > width)
        return err_set(r->e, ERR_UNSUPPORTED, "%s: heads of %lld elements with values of %lld and %lld rotated ones are not computed", gguf_path(r->g),
                       (long long)width, (long long)values, (long long)rotary);
    json_put_int(r->config, "num_key_value_heads", kv);
    json_put_int(r->config, "head_dim", width);
    /* config.json's factor is cut to a whole number of elements: half an element keeps rounding away from the border */
    json_put(r->config, "partial_rotary_factor", json_real(rotary == width ? 1 : ((double)rotary + 0.5) / (double)width));
    return ERR_OK;
}

static errc put_norms(const struct reader *r)
{
    double eps = -1, scale = 0;
    int64_t layers = got(r, "num_hidden_layers");

    TRY(read_real(r, r->a->eps, &eps));
    if (eps < 0)
        return err_set(r->e, ERR_INVALID, "%s: key %s.%s is missing", gguf_path(r->g), r->a->name, r->a->eps);
    json_put(r->config, r->a->eps_key, json_real(eps));
    TRY(read_real(r, "attention.scale", &scale));
    if (!r->a->query_scalar)
        return scale != 0 ? err_set(r->e, ERR_UNSUPPORTED, "%s: key %s.attention.scale is not known for this architecture", gguf_path(r->g), r->a->name) : ERR_OK;
    double scalar = layers == (int64_t)r->a->wide_layers ? (double)got(r, "hidden_size") / (double)got(r, "num_attention_heads") : (double)got(r, "head_dim");
    if (scale > 0)
        scalar = 1 / (scale * scale);
    if (!isfinite(scalar))
        return err_set(r->e, ERR_INVALID, "%s: key %s.attention.scale: %g is too small", gguf_path(r->g), r->a->name, scale);
    json_put(r->config, "query_pre_attn_scalar", json_real(scalar));
    return ERR_OK;
}

/* ── rope ── */

/* *out NULL when the file has no such tensor. */
static errc factors(const struct reader *r, const char *tensor, json_t **out)
{
    const struct gguf_tensor *t = gguf_tensor(r->g, tensor);
    float value;

    *out = NULL;
    if (!t)
        return ERR_OK;
    if (t->format->elements != 1 || t->len > 65536)
        return err_set(r->e, ERR_UNSUPPORTED, "%s: tensor %s: %zu factors in %s are not read", gguf_path(r->g), tensor, t->len, t->format->name);
    *out = json_array();
    for (size_t i = 0; i < t->len; i++) {
        t->format->dequantize(&value, t->data + i * t->format->bytes, 1);
        json_push(*out, json_real(isfinite(value) ? (double)value : 0));        /* 0 is refused with the rest of the configuration */
    }
    return ERR_OK;
}

/* Llama 3.1 files hold the factors its formula gives: LongRoPE with one set of factors and no scaling says the same. */
static errc put_factors(const struct reader *r, json_t *scaling, const char *short_name, const char *long_name)
{
    json_t *few, *many;

    TRY(factors(r, short_name, &few));
    TRY(factors(r, long_name, &many));
    if (!few != !many) {
        json_decref(few);
        json_decref(many);
        return err_set(r->e, ERR_INVALID, "%s: tensors %s and %s must both be there", gguf_path(r->g), short_name, long_name);
    }
    if (!few)
        return ERR_OK;
    json_put_str(scaling, "type", "longrope");
    json_put(scaling, "short_factor", few);
    json_put(scaling, "long_factor", many);
    return ERR_OK;
}

static errc put_longrope(const struct reader *r, json_t *scaling)
{
    double attention = 0;

    TRY(put_factors(r, scaling, "rope_factors_short.weight", "rope_factors_long.weight"));
    if (json_object_size(scaling)) {
        TRY(read_real(r, "rope.scaling.attn_factor", &attention));
        if (attention > 0)
            json_put(scaling, "attention_factor", json_real(attention));
        return ERR_OK;
    }
    TRY(put_factors(r, scaling, "rope_freqs.weight", "rope_freqs.weight"));
    if (json_object_size(scaling)) {
        json_put(scaling, "attention_factor", json_real(1));
        json_put_int(scaling, "original_max_position_embeddings", got(r, "max_position_embeddings"));
    }
    return ERR_OK;
}

static errc put_scaling_real(const struct reader *r, json_t *scaling, const char *key, const char *name)
{
    double value = 0;

    TRY(read_real(r, key, &value));
    if (value != 0)
        json_put(scaling, name, json_real(value));
    return ERR_OK;
}

static errc put_scaling(const struct reader *r, json_t *scaling, struct str type)
{
    double factor = 0;

    TRY(read_real(r, "rope.scale_linear", &factor));
    TRY(read_real(r, "rope.scaling.factor", &factor));
    if (str_is(type, "yarn")) {
        json_put_str(scaling, "type", "yarn");
        json_put(scaling, "factor", json_real(factor));
        TRY(put_scaling_real(r, scaling, "rope.scaling.yarn_attn_factor", "attention_factor"));
        TRY(put_scaling_real(r, scaling, "rope.scaling.yarn_beta_fast", "beta_fast"));
        return put_scaling_real(r, scaling, "rope.scaling.yarn_beta_slow", "beta_slow");
    }
    if (str_is(type, "linear") || (!type.p && factor != 0 && factor != 1)) {
        json_put_str(scaling, "type", "linear");
        json_put(scaling, "factor", json_real(factor));
        return ERR_OK;
    }
    return !type.p || str_is(type, "none") || str_is(type, "longrope")
        ? ERR_OK : err_set(r->e, ERR_UNSUPPORTED, "%s: key %s.rope.scaling.type: \"%.*s\" is not known", gguf_path(r->g), r->a->name,
                           (int)(type.n < 40 ? type.n : 40), type.p);
}

static errc put_rope(const struct reader *r)
{
    AUTO_MEM char *type_key = full_key(r, "rope.scaling.type");
    json_t *scaling = json_object();
    double theta = 10000;
    int64_t original = 0;
    struct str type = { 0 };

    json_put(r->config, "rope_scaling", scaling);
    TRY(read_real(r, "rope.freq_base", &theta));
    TRY(read_int(r, "rope.scaling.original_context_length", INT32_MAX, &original));
    TRY(gguf_text(r->g, type_key, &type, r->e));
    json_put(r->config, "rope_theta", json_real(theta));
    TRY(put_longrope(r, scaling));
    if (!json_object_size(scaling))
        TRY(put_scaling(r, scaling, type));
    if (original && json_object_size(scaling) && !json_object_get(scaling, "original_max_position_embeddings"))
        json_put_int(scaling, "original_max_position_embeddings", original);
    return ERR_OK;
}

/* ── which layers slide ── */

/* By attention.sliding_window_pattern (a period, or a flag for each layer), else as the architecture does. */
static errc slides(const struct reader *r, int64_t layers, bool *out)
{
    AUTO_MEM char *key = full_key(r, "attention.sliding_window_pattern");
    const struct gguf_value *v = gguf_find(r->g, key);
    enum gguf_slides rule = r->a->slides;
    struct gguf_value item;
    int64_t period = 6;

    if (v && v->type == GGUF_ARRAY) {
        if (v->of != GGUF_BOOL || v->n != (size_t)layers)
            return err_set(r->e, ERR_INVALID, "%s: key %s: expected %lld bools, found %zu %s", gguf_path(r->g), key, (long long)layers, v->n, gguf_type_name(v->of));
        struct gguf_items it = gguf_items(v);
        for (size_t i = 0; gguf_next(&it, &item); i++)
            (void)gguf_as_bool(&item, &out[i]);         /* checked: all are */
        return ERR_OK;
    }
    TRY(gguf_int(r->g, key, 0, INT32_MAX, &period, r->e));
    if (v)
        rule = GGUF_SLIDES_SIX;
    for (int64_t i = 0; i < layers; i++)
        out[i] = rule == GGUF_SLIDES_ALL || (rule == GGUF_SLIDES_EVEN && i % 2 == 0) ||
                 (rule == GGUF_SLIDES_SIX && (period == 0 || (i + 1) % period != 0));
    return ERR_OK;
}

static errc put_window(const struct reader *r)
{
    int64_t layers = got(r, "num_hidden_layers"), window = (int64_t)r->a->window;
    AUTO_MEM bool *sliding = xcalloc((size_t)layers, sizeof *sliding);
    json_t *types = json_array();
    bool any = false;

    json_put(r->config, "layer_types", types);
    TRY(read_int(r, "attention.sliding_window", INT32_MAX, &window));
    if (window)
        TRY(slides(r, layers, sliding));
    for (int64_t i = 0; i < layers; i++) {
        json_push(types, json_string(sliding[i] ? "sliding_attention" : "full_attention"));
        any = any || sliding[i];
    }
    if (window && !any)
        return err_set(r->e, ERR_UNSUPPORTED, "%s: key %s.attention.sliding_window: which layers of this architecture slide is not known",
                       gguf_path(r->g), r->a->name);
    json_put(r->config, "sliding_window", any ? json_integer(window) : json_null());
    return ERR_OK;
}

/* ── the family ── */

static bool has(const struct gguf *g, const char *tensor) { return gguf_tensor(g, tensor) != NULL; }

/* Rows of one architecture that are several families to us. */
static void put_family(const struct reader *r)
{
    const char *type = r->a->model_type;

    if (streq(type, "llama") && got(r, "num_local_experts"))
        type = "mixtral";
    json_put_str(r->config, "model_type", type);
    if (!streq(type, "falcon"))
        return;
    bool two_norms = has(r->g, "blk.0.attn_norm_2.weight"), newer = two_norms || got(r, "num_key_value_heads") > 1;
    json_put_bool(r->config, "new_decoder_architecture", newer);
    json_put_bool(r->config, "multi_query", !newer);
    json_put_bool(r->config, "parallel_attn", true);
    json_put_int(r->config, "num_ln_in_parallel_attn", two_norms ? 2 : 1);
}

static errc put_tokens(const struct reader *r, json_t *generation)
{
    static const struct { const char *key, *config; } rows[] = {
        { "bos_token_id", "bos_token_id" }, { "padding_token_id", "pad_token_id" }, { "eos_token_id", NULL }, { "eot_token_id", NULL },
        { "eom_token_id", NULL },
    };
    json_t *eos = json_array();

    json_put(generation, "eos_token_id", eos);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *key = xasprintf("tokenizer.ggml.%s", rows[i].key);
        int64_t id = -1;

        TRY(gguf_int(r->g, key, -1, INT32_MAX, &id, r->e));
        if (id >= 0 && rows[i].config)
            json_put_int(generation, rows[i].config, id);
        else if (id >= 0)
            json_push(eos, json_integer(id));
    }
    return ERR_OK;
}

static errc put_shape(const struct reader *r)
{
    const struct gguf_tensor *embed = gguf_tensor(r->g, "token_embd.weight");
    AUTO_MEM char *causal_key = full_key(r, "attention.causal");
    bool causal = true;
    int64_t split = 0;

    TRY(gguf_int(r->g, "split.count", 0, INT32_MAX, &split, r->e));
    if (split > 1)
        return err_set(r->e, ERR_UNSUPPORTED, "%s: is one of %lld parts; join them first (llama-gguf-split --merge)", gguf_path(r->g), (long long)split);
    TRY(gguf_flag(r->g, causal_key, &causal, r->e));
    if (!causal)
        return err_set(r->e, ERR_UNSUPPORTED, "%s: key %s is false: encoders are not read from GGUF files", gguf_path(r->g), causal_key);
    if (!embed || embed->ndim != 2)
        return err_set(r->e, ERR_INVALID, "%s: tensor token_embd.weight [vocabulary, hidden] is missing", gguf_path(r->g));
    json_put_int(r->config, "vocab_size", (int64_t)embed->shape[0]);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        TRY(put_key(r, i));
    if (got(r, "num_hidden_layers") > LAYERS_MAX)
        return err_set(r->e, ERR_INVALID, "%s: key %s.block_count: expected 1 to %d, found %lld", gguf_path(r->g), r->a->name, LAYERS_MAX,
                       (long long)got(r, "num_hidden_layers"));
    return ERR_OK;
}

static errc put_all(const struct reader *r, json_t *generation)
{
    TRY(put_shape(r));
    TRY(put_heads(r));
    TRY(put_norms(r));
    TRY(put_rope(r));
    TRY(put_window(r));
    put_family(r);
    TRY(check_keys(r));
    return put_tokens(r, generation);
}

/* What the tensors say. Norm weights are whole in GGUF files, and fused q, k, v lie one after the other. */
static void read_layout(const struct reader *r, struct model_config *c)
{
    c->tied = !has(r->g, "output.weight");
    c->qkv_bias = has(r->g, "blk.0.attn_q.bias") || has(r->g, "blk.0.attn_qkv.bias");
    c->o_bias = has(r->g, "blk.0.attn_output.bias");
    c->mlp_bias = has(r->g, "blk.0.ffn_up.bias");
    c->head_bias = has(r->g, "output.bias");
    c->norm_plus = 0;
    c->qkv_grouped = false;
    c->rope_pairs = r->a->pairs;
}

errc gguf_model_config(const struct gguf *g, struct model_config *out, struct err *e)
{
    AUTO_JSON config = json_object();
    AUTO_JSON generation = json_object();
    struct reader r = { .g = g, .config = config, .e = e };

    TRY(gguf_find_architecture(g, &r.a, e));
    TRY(put_all(&r, generation));
    AUTO_MEM char *config_text = json_text(config), *generation_text = json_text(generation);
    if (model_config_parse(str_of(config_text), str_of(generation_text), out, e))
        return err_wrap(e, "%s: its metadata in the words of", gguf_path(g));
    read_layout(&r, out);
    return ERR_OK;
}
