/*
 * config.json to struct model_config. Every key is either read (the table of numbers and the functions below), known to
 * leave the result alone (`ignored`), or null/false/empty, or it is refused by name.
 */
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/config.h"

#define CONFIG_MAX_BYTES (4u << 20)
#define LAYERS_MAX      1024
#define WIDTH_MAX       (1 << 20)       /* hidden, inter, heads, head_dim */
#define VOCAB_MAX       (1 << 24)
#define POSITIONS_MAX   (1 << 27)
#define EXPERTS_MAX     1024

/* Numbers read as they stand: one row each. fallback: the family's column for a silent config; 0: the key is required. */
struct number_row {
    const char *key, *alias;
    size_t offset;
    int64_t max;
    size_t fallback;
    bool optional;              /* 0 when neither config nor family says */
};
#define NUMBER(name, member, most, ...) { .key = name, .offset = offsetof(struct model_config, member), .max = most, __VA_ARGS__ }
#define FALLBACK(member) .fallback = offsetof(struct model_family, member)

static const struct number_row numbers[] = {
    NUMBER("hidden_size", hidden, WIDTH_MAX),
    NUMBER("intermediate_size", inter, WIDTH_MAX, .alias = "ffn_hidden_size", .optional = true),
    NUMBER("num_hidden_layers", layers, LAYERS_MAX),
    NUMBER("num_attention_heads", heads, WIDTH_MAX),
    NUMBER("num_key_value_heads", kv_heads, WIDTH_MAX, .alias = "num_kv_heads", FALLBACK(kv_heads), .optional = true),
    NUMBER("head_dim", head_dim, WIDTH_MAX, FALLBACK(head_dim), .optional = true),
    NUMBER("vocab_size", vocab, VOCAB_MAX),
    NUMBER("max_position_embeddings", max_positions, POSITIONS_MAX, FALLBACK(max_positions)),
    NUMBER("num_local_experts", experts, EXPERTS_MAX, FALLBACK(experts), .optional = true),
    NUMBER("num_experts_per_tok", experts_used, EXPERTS_MAX, FALLBACK(experts_used), .optional = true),
};

static const char *const read_elsewhere[] = {
    "model_type", "architectures", "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "activation", "bias", "qk_layernorm",
    "multi_query", "new_decoder_architecture", "parallel_attn", "num_ln_in_parallel_attn", "alibi", "rope_theta", "rope_scaling", "rope_parameters", "rope_local_base_freq",
    "partial_rotary_factor", "original_max_position_embeddings", "sliding_window", "use_sliding_window", "max_window_layers",
    "layer_types", "sliding_window_pattern", "_sliding_window_pattern", "attention_bias", "mlp_bias", "tie_word_embeddings",
    "attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "hidden_act", "hidden_activation",
    "bos_token_id", "eos_token_id", "pad_token_id", "torch_dtype", "dtype", "quantization_config",
};

/* Training, generation or bookkeeping: the forward pass does not depend on them. */
static const char *const ignored[] = {
    "attention_dropout", "embd_pdrop", "resid_pdrop", "hidden_dropout", "initializer_range", "use_cache", "transformers_version",
    "auto_map", "_name_or_path", "pretraining_tp", "_attn_implementation", "_attn_implementation_autoset", "attn_implementation",
    "cache_implementation", "output_attentions", "output_hidden_states", "return_dict", "task_specific_params", "id2label",
    "label2id", "num_labels", "torchscript", "use_return_dict", "is_decoder", "model_name", "unsloth_version", "unsloth_fixed",
    "interpolate_factor", "full_attn_mod", "lm_head_bias", "chunk_size_feed_forward", "problem_type", "finetuning_task",
    "output_router_logits", "router_aux_loss_coef", "router_jitter_noise", "ff_factor",
    "temperature", "top_p", "top_k", "max_length", "do_sample", "num_beams", "max_new_tokens", "repetition_penalty", "diversity_penalty",
    "num_beam_groups", "num_return_sequences", "length_penalty", "typical_p", "min_length", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "early_stopping", "tokenizer_class", "prefix", "sep_token_id", "decoder_start_token_id",
};

bool config_listed(const char *key, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (streq(key, list[i]))
            return true;
    return false;
}

/* null, false, and nothing at all change nothing, whatever the key means. */
bool config_inert(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) || (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) || (json_is_object(v) && json_object_size(v) == 0);
}

static errc check_keys(const json_t *j, struct err *e)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)j, key, value) {
        bool number = false;

        for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
            number = number || streq(key, numbers[i].key) || streq(key, numbers[i].alias);
        if (!number && !config_inert(value) && !config_listed(key, read_elsewhere, ARRAY_LEN(read_elsewhere)) &&
            !config_listed(key, ignored, ARRAY_LEN(ignored)))
            return err_set(e, ERR_UNSUPPORTED, "config.json: key %.80s is not known and might change what the model computes; "
                           "remove it if it does not", key);
    }
    return ERR_OK;
}

const json_t *config_value(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);

    return json_is_null(v) ? NULL : v;
}

static errc read_number(const json_t *j, const struct number_row *row, struct model_config *c, struct err *e)
{
    const char *key = row->alias && !config_value(j, row->key) && config_value(j, row->alias) ? row->alias : row->key;
    const json_t *v = config_value(j, key);
    size_t *member = (size_t *)(void *)((char *)c + row->offset);

    if (!v && row->fallback)
        *member = *(const size_t *)(const void *)((const char *)c->family + row->fallback);
    if (!v && (*member || row->optional))
        return ERR_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > row->max)
        return err_set(e, ERR_INVALID, "config.json: %s must be a whole number from 1 to %lld", key, (long long)row->max);
    *member = (size_t)json_integer_value(v);
    return ERR_OK;
}

/* Falcon: multi_query means one key/value head, whatever num_kv_heads says; its new decoder reads num_kv_heads only. */
static void read_kv_heads(const json_t *j, struct model_config *c)
{
    if (c->family->multi_query && json_flag(j, "multi_query", true) && !json_flag(j, "new_decoder_architecture", false))
        c->kv_heads = 1;
    if (!c->kv_heads)
        c->kv_heads = c->heads;
}

static errc read_numbers(const json_t *j, struct model_config *c, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        TRY(read_number(j, &numbers[i], c, e));
    read_kv_heads(j, c);
    if (!c->inter)
        c->inter = c->hidden * c->family->inter_per_hidden;
    if (!c->inter)
        return err_set(e, ERR_INVALID, "config.json: intermediate_size must be a whole number from 1 to %d", WIDTH_MAX);
    if (!c->head_dim) {
        if (c->hidden % c->heads)
            return err_set(e, ERR_INVALID, "config.json: hidden_size %zu is no multiple of num_attention_heads %zu", c->hidden, c->heads);
        c->head_dim = c->hidden / c->heads;
    }
    if (c->heads % c->kv_heads)
        return err_set(e, ERR_INVALID, "config.json: num_attention_heads %zu is no multiple of num_key_value_heads %zu", c->heads, c->kv_heads);
    if (c->family->mlp != MLP_EXPERTS)
        c->experts = c->experts_used = 0;
    if (c->experts_used > c->experts)
        return err_set(e, ERR_INVALID, "config.json: num_experts_per_tok %zu is above num_local_experts %zu", c->experts_used, c->experts);
    return ERR_OK;
}

errc config_real(const json_t *j, const char *key, double low, double high, double fallback, double *out, struct err *e)
{
    const json_t *v = config_value(j, key);

    *out = v ? json_number_value(v) : fallback;
    if (v && (!json_is_number(v) || !(*out >= low && *out <= high)))
        return err_set(e, ERR_INVALID, "config.json: %s must be a number from %g to %g", key, low, high);
    return ERR_OK;
}

static errc read_reals(const json_t *j, struct model_config *c, struct err *e)
{
    double eps, attn, last, query;

    TRY(config_real(j, c->family->eps_key, 0, 1, c->family->norm_eps, &eps, e));
    TRY(config_real(j, "attn_logit_softcapping", 1e-6, 1e9, 0, &attn, e));
    TRY(config_real(j, "final_logit_softcapping", 1e-6, 1e9, 0, &last, e));
    TRY(config_real(j, "query_pre_attn_scalar", 1e-6, 1e9, 256, &query, e));
    c->norm_eps = (float)eps;
    c->attn_softcap = (float)attn;
    c->final_softcap = (float)last;
    c->attn_scale = (float)(1 / sqrt(c->family->query_scalar ? query : (double)c->head_dim));
    c->norm_plus = c->family->norm_plus_one ? 1 : 0;
    c->embed_scale = c->family->scaled_embed ? (float)sqrt((double)c->hidden) : 1;
    return ERR_OK;
}

static errc read_activation(const json_t *j, struct model_config *c, struct err *e)
{
    static const struct { const char *name; enum activation act; } names[] = {
        { "silu", ACT_SILU }, { "swish", ACT_SILU }, { "gelu_pytorch_tanh", ACT_GELU_TANH }, { "gelu_new", ACT_GELU_TANH },
        { "gelu_fast", ACT_GELU_TANH }, { "gelu", ACT_GELU_ERF }, { "gelu_python", ACT_GELU_ERF }, { "relu", ACT_RELU },
        { "quick_gelu", ACT_GELU_QUICK },
    };
    const char *name = json_cstr(j, c->family->act_key);    /* Gemma's hidden_act says gelu and its code does not read it */

    c->act = c->family->act;
    if (!name)
        return ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (streq(name, names[i].name)) {
            c->act = names[i].act;
            return ERR_OK;
        }
    return err_set(e, ERR_UNSUPPORTED, "config.json: %s %.40s is not known", c->family->act_key, name);
}

/* ── which layers slide ── */

static errc slides_by_list(const json_t *types, struct model_config *c, struct err *e)
{
    if (json_array_size(types) != c->layers)
        return err_set(e, ERR_INVALID, "config.json: layer_types has %zu entries for %zu layers", json_array_size(types), c->layers);
    for (size_t i = 0; i < c->layers; i++) {
        const char *type = json_string_value(json_array_get(types, i));

        c->sliding[i] = streq(type, "sliding_attention");
        if (!c->sliding[i] && !streq(type, "full_attention"))
            return err_set(e, ERR_UNSUPPORTED, "config.json: layer_types[%zu] %.40s is not known", i, type ? type : "(no text)");
    }
    return ERR_OK;
}

static bool slides_by_rule(const json_t *j, const struct model_config *c, size_t layer)
{
    int64_t pattern = json_int(j, "sliding_window_pattern", json_int(j, "_sliding_window_pattern", 6));

    switch (c->family->slides) {
    case SLIDE_NONE:    return false;
    case SLIDE_ALL:     return true;
    case SLIDE_QWEN:    return json_flag(j, "use_sliding_window", false) && (int64_t)layer >= json_int(j, "max_window_layers", 28);
    case SLIDE_EVEN:    return layer % 2 == 0;
    case SLIDE_PATTERN: return pattern <= 0 || ((int64_t)layer + 1) % pattern != 0;
    }
    return false;
}

static errc read_window(const json_t *j, struct model_config *c, struct err *e)
{
    const json_t *window = config_value(j, "sliding_window"), *types = config_value(j, "layer_types");
    bool any = false;

    c->sliding = xcalloc(c->layers, sizeof *c->sliding);
    if (types)
        TRY(slides_by_list(types, c, e));
    for (size_t i = 0; i < c->layers; i++) {
        if (!types)
            c->sliding[i] = slides_by_rule(j, c, i);
        any = any || c->sliding[i];
    }
    if (!window) {
        c->window = any && !json_object_get(j, "sliding_window") ? c->family->window : 0;
        return ERR_OK;
    }
    if (!json_is_integer(window) || json_integer_value(window) < 1)
        return err_set(e, ERR_INVALID, "config.json: sliding_window must be a whole number above 0, or null");
    c->window = any ? (size_t)json_integer_value(window) : 0;
    return ERR_OK;
}

/* ── the rest ── */

static errc read_family(const json_t *j, struct model_config *c, struct err *e)
{
    const char *type = json_cstr(j, "model_type"), *architecture = json_string_value(json_array_get(json_object_get(j, "architectures"), 0));

    c->family = family_find(j);
    if (!c->family) {
        AUTO_BUF names = { 0 };

        family_names(&names);
        return err_set(e, ERR_UNSUPPORTED, "config.json: model_type %.60s is not known; known are %s", type ? type : "(absent)", buf_cstr(&names));
    }
    if (architecture && !streq(architecture, c->family->architecture))
        return err_set(e, ERR_UNSUPPORTED, "config.json: architecture %.80s is not known for model_type %s; %s is", architecture, type,
                       c->family->architecture);
    c->model_type = xstrdup(type);
    c->architecture = xstrdup(c->family->architecture);
    return ERR_OK;
}

static errc read_formats(const json_t *j, struct model_config *c, struct err *e)
{
    const char *dtype = json_cstr(j, "dtype");
    const json_t *q = config_value(j, "quantization_config");

    if (!dtype)
        dtype = json_cstr(j, "torch_dtype");
    c->dtype = DTYPE_F32;
    if (dtype && !dtype_parse_torch(str_of(dtype), &c->dtype))
        return err_set(e, ERR_UNSUPPORTED, "config.json: dtype %.40s is not known", dtype);
    if (!q)
        return ERR_OK;
    const char *method = json_cstr(q, "quant_method");
    if (!(method ? streq(method, "bitsandbytes") : json_flag(q, "load_in_4bit", false)) || !json_flag(q, "load_in_4bit", false))
        return err_set(e, ERR_UNSUPPORTED, "config.json: quantization_config.quant_method %.40s is not read; bitsandbytes with load_in_4bit is",
                       method ? method : "(absent)");
    c->prequantized = true;
    return ERR_OK;
}

static void add_eos(struct model_config *c, const json_t *v)
{
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++)
            add_eos(c, json_array_get(v, i));
        return;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return;
    for (size_t i = 0; i < c->n_eos; i++)
        if (c->eos[i] == json_integer_value(v))
            return;
    if (c->n_eos < ARRAY_LEN(c->eos))
        c->eos[c->n_eos++] = json_integer_value(v);
}

static void read_tokens(const json_t *j, const json_t *generation, struct model_config *c)
{
    c->bos = json_int(j, "bos_token_id", json_int(generation, "bos_token_id", -1));
    c->pad = json_int(j, "pad_token_id", json_int(generation, "pad_token_id", -1));
    add_eos(c, json_object_get(generation, "eos_token_id"));
    add_eos(c, json_object_get(j, "eos_token_id"));
}

static void read_biases(const json_t *j, struct model_config *c)
{
    const struct model_family *f = c->family;
    bool attention = f->bias_key && json_flag(j, f->bias_key, false);

    c->qkv_bias = f->qkv_bias || attention;
    c->o_bias = f->o_bias || attention;
    c->mlp_bias = f->mlp_bias || (f->mlp_bias_key && json_flag(j, f->mlp_bias_key, false));
    c->head_bias = f->head_bias;
}

static void copy_structure(struct model_config *c)
{
    const struct model_family *f = c->family;

    c->parallel = f->parallel;
    c->layernorm = f->layernorm;
    c->gated = f->mlp != MLP_PLAIN;
    c->qkv_grouped = f->qkv == QKV_GROUPED;
}

/*
 * Slopes fall geometrically over the largest power of two of heads; the rest take every second one of twice as many.
 * Rounded to bf16, as transformers' Falcon does. Source: Press et al. 2022.
 */
static void make_alibi(struct model_config *c)
{
    size_t power = 1;

    while (power * 2 <= c->heads)
        power *= 2;
    c->alibi = xcalloc(c->heads, sizeof *c->alibi);
    for (size_t i = 0; i < c->heads; i++) {
        size_t of = i < power ? power : 2 * power, k = i < power ? i + 1 : 2 * (i - power) + 1;

        c->alibi[i] = f32_round_bf16(powf((float)exp2(-8.0 / (double)of), (float)k));
    }
}

static errc read_all(const json_t *j, const json_t *generation, struct model_config *c, struct err *e)
{
    if (!json_is_object(j))
        return err_set(e, ERR_INVALID, "config.json: must be an object");
    TRY(read_family(j, c, e));
    TRY(check_keys(j, e));
    TRY(read_numbers(j, c, e));
    TRY(read_reals(j, c, e));
    TRY(read_activation(j, c, e));
    TRY(config_read_ropes(j, c, e));
    TRY(read_window(j, c, e));
    TRY(read_formats(j, c, e));
    c->tied = json_flag(j, "tie_word_embeddings", c->family->tied);
    copy_structure(c);
    read_biases(j, c);
    c->qk_norm = c->family->qk_norm == QK_NORM_BY_KEY ? json_flag(j, "qk_layernorm", false) : c->family->qk_norm != QK_NORM_NONE;
    read_tokens(j, generation, c);
    if (c->family->has_alibi && json_flag(j, "alibi", false))
        make_alibi(c);
    return ERR_OK;
}

errc model_config_parse(struct str config_json, struct str generation_json, struct model_config *out, struct err *e)
{
    AUTO_JSON j = NULL;
    AUTO_JSON generation = NULL;
    struct model_config c = { 0 };

    if (json_parse(config_json, &j, e))
        return err_wrap(e, "config.json");
    if (generation_json.n && json_parse(generation_json, &generation, e))
        return err_wrap(e, "generation_config.json");
    errc rc = read_all(j, generation, &c, e);
    if (rc) {
        model_config_done(&c);
        return rc;
    }
    *out = c;
    return ERR_OK;
}

errc model_config_load(const char *dir, struct model_config *out, struct err *e)
{
    AUTO_MEM char *config_path = path_join(dir, "config.json"), *generation_path = path_join(dir, "generation_config.json");
    AUTO_BUF config = { 0 };
    AUTO_BUF generation = { 0 };

    TRY(file_read(config_path, CONFIG_MAX_BYTES, &config, e));
    if (file_exists(generation_path))
        TRY(file_read(generation_path, CONFIG_MAX_BYTES, &generation, e));
    return model_config_parse(buf_str(&config), buf_str(&generation), out, e) ? err_wrap(e, "%s", dir) : ERR_OK;
}

void model_config_done(struct model_config *c)
{
    config_rope_done(&c->rope);
    config_rope_done(&c->rope_local);
    free(c->sliding);
    free(c->alibi);
    free(c->model_type);
    free(c->architecture);
    *c = (struct model_config){ 0 };
}
