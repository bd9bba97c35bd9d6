/* config.json of an encoder, and what sentence-transformers puts beside it: modules.json, the pooling's config, the longest text. */
#include "base/file.h"
#include "engine/encoder_priv.h"

#define CONFIG_MAX ((size_t)4 << 20)

static const char *const known[] = {
    "model_type", "architectures", "vocab_size", "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id", "bos_token_id",
    "eos_token_id", "position_embedding_type", "attention_probs_dropout_prob", "hidden_dropout_prob", "classifier_dropout", "initializer_range",
    "gradient_checkpointing", "use_cache", "transformers_version", "torch_dtype", "dtype", "_name_or_path", "id2label", "label2id", "output_past",
    "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type", "pad_token",
    "dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout", "sinusoidal_pos_embds", "tie_weights_", "tie_word_embeddings", "num_labels", "cls_token_id",
    "sep_token_id", "unk_token_id", "mask_token_id", "return_dict", "output_hidden_states", "output_attentions", "torchscript", "use_return_dict",
    "finetuning_task", "summary_type", "problem_type", "do_sample", "chunk_size_feed_forward", "_attn_implementation_autoset", "attn_implementation",
    "tokenizer_class", "prefix", "task_specific_params", "sentence_transformers", "attention_dropout_prob",
};

static bool is_known(const struct encoder_family *f, const char *key)
{
    const char *const own[] = { f->hidden_key, f->inter_key, f->layers_key, f->heads_key, f->act_key };

    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (streq(key, own[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (streq(key, known[i]))
            return true;
    return false;
}

static bool says_nothing(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) || (json_is_string(v) && !json_string_length(v)) || (json_is_array(v) && !json_array_size(v)) ||
           (json_is_object(v) && !json_object_size(v));
}

static errc check_keys(const struct encoder_family *f, const json_t *j, struct err *e)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)j, key, value)
        if (!is_known(f, key) && !says_nothing(value))
            return err_set(e, ERR_UNSUPPORTED, "config.json: key %.80s is not known and might change the vectors; remove it if it does not", key);
    return ERR_OK;
}

static errc number(const json_t *j, const char *key, int64_t most, size_t *out, struct err *e)
{
    const json_t *v = json_object_get(j, key);

    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > most)
        return err_set(e, ERR_INVALID, "config.json: %s must be a whole number from 1 to %lld", key, (long long)most);
    *out = (size_t)json_integer_value(v);
    return ERR_OK;
}

static errc activation(const json_t *j, const char *key, enum activation *out, struct err *e)
{
    static const struct { const char *name; enum activation act; } rows[] = {
        { "gelu", ACT_GELU_ERF }, { "gelu_python", ACT_GELU_ERF }, { "gelu_new", ACT_GELU_TANH }, { "gelu_pytorch_tanh", ACT_GELU_TANH }, { "relu", ACT_RELU }, { "silu", ACT_SILU },
    };
    const char *name = json_cstr(j, key);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(rows[i].name, name ? name : "gelu")) {
            *out = rows[i].act;
            return ERR_OK;
        }
    return err_set(e, ERR_UNSUPPORTED, "config.json: %s %.40s is not known", key, name);
}

static errc read_config(const json_t *j, struct encoder_config *c, struct err *e)
{
    const struct encoder_family *f = c->family = encoder_family_find(json_cstr(j, "model_type"));
    const char *kind = json_cstr(j, "position_embedding_type");

    if (!f)
        return err_set(e, ERR_UNSUPPORTED, "config.json: model_type %.60s is no encoder that is known here", json_cstr(j, "model_type"));
    TRY(check_keys(f, j, e));
    TRY(number(j, f->hidden_key, 1 << 16, &c->hidden, e));
    TRY(number(j, f->inter_key, 1 << 20, &c->inter, e));
    TRY(number(j, f->layers_key, 1024, &c->layers, e));
    TRY(number(j, f->heads_key, 1 << 16, &c->heads, e));
    TRY(number(j, "vocab_size", 1 << 24, &c->vocab, e));
    TRY(number(j, "max_position_embeddings", 1 << 20, &c->positions, e));
    TRY(activation(j, f->act_key, &c->act, e));
    c->norm_eps = (float)json_num(j, "layer_norm_eps", f->norm_eps);
    if (kind && !streq(kind, "absolute"))
        return err_set(e, ERR_UNSUPPORTED, "config.json: position_embedding_type %.40s is not known (absolute is)", kind);
    if (json_flag(j, "sinusoidal_pos_embds", false) && !json_object_get(j, "max_position_embeddings"))
        return err_set(e, ERR_UNSUPPORTED, "config.json: sinusoidal_pos_embds without stored positions");
    if (c->hidden % c->heads)
        return err_set(e, ERR_INVALID, "config.json: %s %zu is no multiple of %s %zu", f->hidden_key, c->hidden, f->heads_key, c->heads);
    c->first_position = f->positions_after_padding ? (size_t)json_int(j, "pad_token_id", 1) + 1 : 0;
    if (c->first_position >= c->positions)
        return err_set(e, ERR_INVALID, "config.json: pad_token_id leaves none of %zu positions", c->positions);
    c->max_tokens = c->positions - c->first_position;
    return ERR_OK;
}

/* ---- sentence-transformers ---- */

static errc optional(const char *dir, const char *name, json_t **out, struct err *e)
{
    AUTO_MEM char *path = path_join(dir, name);

    return file_exists(path) ? json_parse_file(path, CONFIG_MAX, out, e) : ERR_OK;
}

static const struct { const char *key, *mode; enum pooling pooling; } poolings[] = {
    { "pooling_mode_mean_tokens", "mean", POOL_MEAN }, { "pooling_mode_cls_token", "cls", POOL_CLS }, { "pooling_mode_max_tokens", "max", POOL_MAX },
    { "pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", POOL_MEAN_SQRT }, { "pooling_mode_lasttoken", "lasttoken", POOL_LAST },
};

static errc read_pooling(const char *dir, const char *path, struct encoder_config *c, struct err *e)
{
    AUTO_MEM char *name = xasprintf("%s/config.json", str_set(path) ? path : ".");
    AUTO_JSON j = NULL;
    size_t chosen = 0;
    const char *key;
    json_t *value;

    TRY(optional(dir, name, &j, e));
    const char *mode = json_cstr(j, "pooling_mode");
    for (size_t i = 0; i < ARRAY_LEN(poolings); i++)
        if (json_flag(j, poolings[i].key, false) || streq(mode, poolings[i].mode)) {
            c->pooling = poolings[i].pooling;
            chosen++;
        }
    json_object_foreach(j, key, value)
        if (str_has_prefix(str_of(key), STR("pooling_mode_")) && json_is_true(value))
            chosen += 100;
    if (chosen % 100 != 1 || chosen > 101)
        return err_set(e, ERR_UNSUPPORTED, "%s: exactly one pooling of mean, cls, max, mean_sqrt_len and lasttoken is supported", name);
    return ERR_OK;
}

static errc read_modules(const char *dir, struct encoder_config *c, struct err *e)
{
    AUTO_JSON modules = NULL;

    TRY(optional(dir, "modules.json", &modules, e));
    for (size_t i = 0; i < json_array_size(modules); i++) {
        const json_t *m = json_array_get(modules, i);
        const char *type = json_cstr(m, "type"), *dot = type ? strrchr(type, '.') : NULL;
        if (streq(dot, ".Pooling"))
            TRY(read_pooling(dir, json_cstr(m, "path"), c, e));
        else if (streq(dot, ".Normalize"))
            c->normalize = true;
        else if (!streq(dot, ".Transformer"))
            return err_set(e, ERR_UNSUPPORTED, "modules.json: module %.80s is not supported (Transformer, Pooling and Normalize are)", type ? type : "without a type");
    }
    return ERR_OK;
}

static errc read_sentence_config(const char *dir, struct encoder_config *c, struct err *e)
{
    AUTO_JSON j = NULL;

    TRY(optional(dir, "sentence_bert_config.json", &j, e));
    int64_t longest = json_int(j, "max_seq_length", 0);
    if (longest > 0 && (size_t)longest < c->max_tokens)
        c->max_tokens = (size_t)longest;
    c->lowercase = json_flag(j, "do_lower_case", false);
    return ERR_OK;
}

errc encoder_config_load(const char *dir, struct encoder_config *out, struct err *e)
{
    AUTO_MEM char *path = path_join(dir, "config.json");
    AUTO_JSON j = NULL;
    struct encoder_config c = { .pooling = POOL_MEAN };

    TRY(json_parse_file(path, CONFIG_MAX, &j, e));
    errc rc = read_config(j, &c, e);
    if (!rc)
        rc = read_modules(dir, &c, e);
    if (!rc)
        rc = read_sentence_config(dir, &c, e);
    if (rc)
        return err_wrap(e, "%s", dir);
    *out = c;
    return ERR_OK;
}

bool encoder_is(const char *model_dir)
{
    AUTO_MEM char *path = path_join(model_dir, "config.json");
    AUTO_JSON j = NULL;
    struct err e;

    return !json_parse_file(path, CONFIG_MAX, &j, &e) && encoder_family_find(json_cstr(j, "model_type"));
}
