/* The files beside tokenizer.json: which token is which, when a generation ends, and the chat template. */
#include "base/file.h"
#include "tensor/gguf.h"
#include "tokenizer/gguf.h"
#include "tokenizer/lists.h"
#include "tokenizer/priv.h"

#define TOKENIZER_JSON_MAX ((size_t)256 << 20)
#define CONFIG_JSON_MAX ((size_t)16 << 20)
#define TEMPLATE_MAX ((size_t)1 << 20)

/* A token of tokenizer_config.json: a string, or an object with content. */
static const char *token_text(struct tokenizer *t, const json_t *config, const char *key)
{
    const json_t *j = json_object_get(config, key);
    const char *s = json_is_object(j) ? json_cstr(j, "content") : json_string_value(j);
    return arena_strdup(t->arena, s);
}

static int32_t role_id(const struct tokenizer *t, const char *token)
{
    return token ? tokenizer_id(t, str_of(token)) : -1;
}

static void apply_bos_eos_flags(struct tokenizer *t, const json_t *config)
{
    const json_t *bos = json_object_get(config, "add_bos_token"), *eos = json_object_get(config, "add_eos_token");

    if (json_is_boolean(bos) && t->info.bos_id >= 0) {
        t->prefix.n = 0;
        if (json_is_true(bos))
            token_ids_add(&t->prefix, t->info.bos_id);
    }
    if (json_is_boolean(eos) && t->info.eos_id >= 0) {
        t->suffix.n = 0;
        if (json_is_true(eos))
            token_ids_add(&t->suffix, t->info.eos_id);
    }
}

static errc tokenizer_apply_roles(struct tokenizer *t, const json_t *config, struct err *e)
{
    struct tokenizer_info *i = &t->info;
    double max = json_num(config, "model_max_length", 0);

    (void)e;
    if (!i->bos_token)
        i->bos_token = token_text(t, config, "bos_token");
    if (!i->eos_token)
        i->eos_token = token_text(t, config, "eos_token");
    if (!i->pad_token)
        i->pad_token = token_text(t, config, "pad_token");
    if (!i->unk_token)
        i->unk_token = token_text(t, config, "unk_token");
    i->bos_id = role_id(t, i->bos_token);
    i->eos_id = role_id(t, i->eos_token);
    i->pad_id = role_id(t, i->pad_token);
    i->unk_id = role_id(t, i->unk_token);
    if (max >= 1 && max < 1e9)
        i->model_max_length = (size_t)max;
    if (streq(json_cstr(config, "padding_side"), "left"))
        i->pad_left = true;
    return ERR_OK;
}

void tokenizer_add_stop(struct tokenizer *t, int64_t id)
{
    if (id >= 0 && id < ID_LIMIT && !tokenizer_is_stop(t, (int32_t)id))
        token_ids_add(&t->stop_ids, (int32_t)id);
}

static void add_stops(struct tokenizer *t, const json_t *eos)
{
    if (json_is_integer(eos))
        tokenizer_add_stop(t, json_integer_value(eos));
    for (size_t i = 0; i < json_array_size(eos); i++)
        if (json_is_integer(json_array_get(eos, i)))
            tokenizer_add_stop(t, json_integer_value(json_array_get(eos, i)));
}

/* An optional JSON file of the model folder; *out stays NULL when it is absent. */
static errc optional_json(const char *dir, const char *name, json_t **out, struct err *e)
{
    AUTO_MEM char *path = path_join(dir, name);

    return file_exists(path) ? json_parse_file(path, CONFIG_JSON_MAX, out, e) : ERR_OK;
}

/* chat_template of a JSON file: a string, or a list of {name, template} of which "default" is taken. */
static const char *template_of(const json_t *config)
{
    const json_t *j = json_object_get(config, "chat_template");

    for (size_t i = 0; i < json_array_size(j); i++)
        if (streq(json_cstr(json_array_get(j, i), "name"), "default"))
            return json_cstr(json_array_get(j, i), "template");
    return json_string_value(j);
}

errc tokenizer_set_template(struct tokenizer *t, struct str source, const char *name, struct err *e)
{
    t->info.chat_template_source = arena_strndup(t->arena, source.p, source.n);
    TRY(template_compile(source, name, &t->chat_template, e));
    t->info.chat_template = t->chat_template;
    return ERR_OK;
}

static errc load_template(struct tokenizer *t, const char *dir, const json_t *config, struct err *e)
{
    AUTO_MEM char *jinja = path_join(dir, "chat_template.jinja");
    AUTO_JSON own = NULL;
    AUTO_BUF source = { 0 };
    const char *name = "chat_template.jinja";

    TRY(optional_json(dir, "chat_template.json", &own, e));
    if (file_exists(jinja)) {
        TRY(file_read(jinja, TEMPLATE_MAX, &source, e));
    } else {
        const char *text = template_of(own);
        name = text ? "chat_template.json" : "tokenizer_config.json: chat_template";
        buf_adds(&source, text ? text : template_of(config));
    }
    if (!source.p)
        return ERR_OK;
    return tokenizer_set_template(t, buf_str(&source), name, e);
}

static errc load_roles(struct tokenizer *t, const char *dir, struct err *e)
{
    AUTO_JSON config = NULL;
    AUTO_JSON special = NULL;
    AUTO_JSON model = NULL;

    TRY(optional_json(dir, "tokenizer_config.json", &config, e));
    TRY(optional_json(dir, "special_tokens_map.json", &special, e));
    TRY(optional_json(dir, "generation_config.json", &t->generation_config, e));
    TRY(optional_json(dir, "config.json", &model, e));
    TRY(tokenizer_apply_roles(t, config, e));
    TRY(tokenizer_apply_roles(t, special, e));
    apply_bos_eos_flags(t, config);
    add_stops(t, json_object_get(t->generation_config, "eos_token_id"));
    if (!t->stop_ids.n)
        add_stops(t, json_object_get(model, "eos_token_id"));
    tokenizer_add_stop(t, t->info.eos_id);
    t->info.generation_config = t->generation_config;
    return load_template(t, dir, config, e);
}

struct tokenizer *tokenizer_new(void)
{
    struct tokenizer *t = xzalloc(sizeof *t);

    t->arena = arena_new();
    t->model.unk_id = -1;
    t->info = (struct tokenizer_info){ .bos_id = -1, .eos_id = -1, .unk_id = -1, .pad_id = -1 };
    return t;
}

/* Step arrays were grown with realloc; from here on they live in the arena's company. */
void tokenizer_publish(struct tokenizer *t)
{
    arena_defer(t->arena, free, t->norm);
    arena_defer(t->arena, free, t->pre);
    arena_defer(t->arena, free, t->dec);
    t->info.stop_ids = t->stop_ids.v;
    t->info.n_stop_ids = t->stop_ids.n;
    t->info.vocab_size = t->n_ids;
}

/* The tree of tokenizer.json without its large lists; where that fails the whole text is read, and says what is wrong. */
static errc parse_text_of(struct str text, json_t **root, struct lists *lists, struct err *e)
{
    AUTO_BUF rest = { 0 };

    if (lists_cut(text, &rest, lists) && json_parse(buf_str(&rest), root, e) == ERR_OK)
        return ERR_OK;
    *lists = (struct lists){ 0 };
    return json_parse(text, root, e);
}

errc tokenizer_parse(struct str json, const char *name, struct tokenizer **out, struct err *e)
{
    AUTO_FREE(tokenizer) t = tokenizer_new();
    AUTO_JSON root = NULL;
    struct lists lists = { 0 };

    errc rc = parse_text_of(json, &root, &lists, e);
    t->lists = &lists;
    if (!rc)
        rc = tokenizer_build(t, root, e);
    t->lists = NULL;
    tokenizer_publish(t);
    if (rc)
        return err_wrap(e, "%s", name);
    *out = TAKE(t);
    return ERR_OK;
}

errc tokenizer_load(const char *model_dir, struct tokenizer **out, struct err *e)
{
    AUTO_MEM char *path = path_join(model_dir, "tokenizer.json"), *gguf = NULL;
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_BUF text = { 0 };

    TRY(gguf_locate(model_dir, &gguf, e));
    if (gguf)
        return tokenizer_load_gguf(gguf, out, e);
    TRY(file_read(path, TOKENIZER_JSON_MAX, &text, e));
    TRY(tokenizer_parse(buf_str(&text), path, &t, e));
    TRY(load_roles(t, model_dir, e));
    t->info.stop_ids = t->stop_ids.v;
    t->info.n_stop_ids = t->stop_ids.n;
    *out = TAKE(t);
    return ERR_OK;
}
