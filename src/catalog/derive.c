#include "catalog/derive.h"

#include <stdio.h>
#include <stdlib.h>

#define GIB 1073741824.0
#define DISK_BESIDE_WEIGHTS_GIB 80
#define DEFAULT_CONTEXT 2048

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* As upstream looks for them: anywhere in the path. An index beside the weights counts, too. */
static bool is_weights(struct str path, int format)
{
    size_t at;

    if (format == 0)
        return str_find(path, STR("consolidated"), &at) && str_find(str_from(path, at), STR(".safetensors"), &at);
    return str_find(path, format == 1 ? STR(".safetensors") : STR(".bin"), &at);
}

errc model_files_read(const json_t *files, struct model_files *out, struct err *e)
{
    const json_t *f;
    size_t i;

    for (int format = 0; format < 3; format++) {
        int64_t bytes = 0, n = 0;

        json_array_foreach(files, i, f) {
            const char *path = json_cstr(f, "path");

            if (!path || !is_weights(str_of(path), format))
                continue;
            bytes += json_int(f, "size", 0);
            n++;
        }
        if (n > 0) {
            *out = (struct model_files){ bytes, format == 0 };
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "no .safetensors or .bin files found");
}

/* ---- config ------------------------------------------------------------------------------------------------------ */

static const char *const hidden_keys[] = { "hidden_size", "n_embd", "d_model", "dim", NULL };
static const char *const layer_keys[] = { "num_hidden_layers", "n_layer", "n_layers", NULL };
static const char *const head_keys[] = { "num_attention_heads", "n_head", "n_heads", NULL };
static const char *const kv_keys[] = { "num_key_value_heads", "n_head_kv", "n_kv_heads", NULL };
static const char *const head_dim_keys[] = { "head_dim", "attention_head_dim", NULL };
static const char *const context_keys[] = {
    "max_position_embeddings", "n_ctx", "seq_length", "max_seq_len", "max_sequence_length", "model_max_length", NULL };
static const char *const kv_lora_keys[] = { "kv_lora_rank", NULL };
static const char *const rope_dim_keys[] = { "qk_rope_head_dim", NULL };

/* Multimodal configs nest the language model's: what the outer one lacks is taken from there. New reference. */
static json_t *merged_config(const json_t *config)
{
    json_t *all = json_is_object(config) ? json_clone(config) : json_object(), *nested = json_object_get(config, "text_config");

    if (!json_is_object(nested))
        nested = json_object_get(config, "llm_config");
    if (json_is_object(nested))
        json_object_update_missing(all, nested);
    return all;
}

/* The first of the keys that is a number, or a text that is one. */
static int64_t number_of(const json_t *config, const char *const *keys, int64_t otherwise)
{
    for (size_t i = 0; keys[i]; i++) {
        const json_t *v = json_object_get(config, keys[i]);
        int64_t n;

        if (json_is_number(v))
            return (int64_t)json_number_value(v);
        if (json_is_string(v) && str_to_i64(json_to_str(v), &n))
            return n;
    }
    return otherwise;
}

static int64_t kv_bytes_per_token(const json_t *config)
{
    int64_t layers = number_of(config, layer_keys, 0), heads = number_of(config, head_keys, 0), kv = number_of(config, kv_keys, 0);
    int64_t dim = number_of(config, head_dim_keys, 0), latent = number_of(config, kv_lora_keys, -1);

    if (latent != -1)
        return (latent + number_of(config, rope_dim_keys, 0)) * layers * 2;
    if (dim == 0 && heads > 0)
        dim = number_of(config, hidden_keys, 0) / heads;
    if (kv == 0 && heads > 0)
        kv = json_is_true(json_object_get(config, "multi_query")) ? 1 : heads;
    return heads > 0 && kv > 0 && dim > 0 ? 2 * kv * dim * layers * 2 : 0;
}

/* Those that config lists, else what the name tells. *out lives in the arena. */
static size_t architectures_of(struct arena *a, const json_t *config, const char *name, const char ***out)
{
    const json_t *list = json_object_get(config, "architectures"), *item;
    const char *assumed = model_assumed_architecture(name);
    size_t i, n = 0;

    *out = arena_calloc(a, json_array_size(list) + 1, sizeof **out);
    json_array_foreach(list, i, item)
        if (json_is_string(item))
            (*out)[n++] = arena_strdup(a, json_string_value(item));
    if (n == 0 && assumed)
        (*out)[n++] = assumed;
    return n;
}

static errc check_architectures(const char *id, const char *const *archs, size_t n, struct err *e)
{
    AUTO_BUF list = { 0 };

    for (size_t i = 0; i < n; i++) {
        if (architecture_is_known(archs[i]))
            return ERR_OK;
        buf_addf(&list, "%s%s", i ? ", " : "", archs[i]);
    }
    return n == 0 ? ERR_OK : err_set(e, ERR_INVALID, "unsupported model architecture for %s: %s", id, buf_cstr(&list));
}

static double two_decimals(double gib)
{
    char text[32];

    snprintf(text, sizeof text, "%.2f", gib);
    return strtod(text, NULL);
}

errc model_derive(struct arena *a, const char *id, struct model_files files, const json_t *given, const struct preset **out, struct err *e)
{
    AUTO_JSON config = merged_config(given);
    const char *quantization = json_str_at(config, "quantization_config", "quant_method", NULL);
    struct preset *p = arena_new_of(a, struct preset);
    struct str owner, name;
    const char **archs;

    if (!str_rcut(str_of(id), '/', &owner, &name))
        name = str_of(id);
    p->name = arena_strndup(a, name.p, name.n);
    p->repo = arena_strdup(a, id);
    p->revision = "main";
    size_t n = architectures_of(a, config, p->name, &archs);

    TRY(check_architectures(id, archs, n, e));
    p->architecture = n > 0 ? archs[0] : "";
    p->weights_gib = two_decimals((double)files.weight_bytes / GIB);
    p->disk_gib = (int)(p->weights_gib + DISK_BESIDE_WEIGHTS_GIB);
    p->kv_bytes_per_token = kv_bytes_per_token(config);
    p->context = number_of(config, context_keys, DEFAULT_CONTEXT);
    p->vllm.format = p->vllm.tokenizer_mode = files.mistral_format ? "mistral" : "auto";
    if (str_set(quantization))
        p->vllm.quantization = arena_strdup(a, quantization);
    model_traits(p, archs, n);
    *out = p;
    return ERR_OK;
}
