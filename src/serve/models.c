/* /v1/models: the base model first, then its adapters. */
#include "base/clock.h"
#include "base/file.h"
#include "serve/openai.h"

static json_t *permission(const struct server *s)
{
    AUTO_MEM char *id = xasprintf("modelperm-%016llx%016llx", (unsigned long long)random_u64(), (unsigned long long)random_u64());

    return json_pack("{s:s, s:s, s:I, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:n, s:b}", "id", id, "object", "model_permission", "created", (json_int_t)s->created,
                     "allow_create_engine", 0, "allow_sampling", 1, "allow_logprobs", 1, "allow_search_indices", 0, "allow_view", 1, "allow_fine_tuning", 0,
                     "organization", "*", "group", "is_blocking", 0);
}

static json_t *model_card(const struct server *s, const char *id, const char *root, const char *parent)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s?, s:I, s:[o]}", "id", id, "object", "model", "created", (json_int_t)s->created, "owned_by", "kaito", "root",
                     root, "parent", parent, "max_model_len", (json_int_t)engine_max_len(s->engine), "permission", permission(s));
}

static json_t *cards(const struct server *s)
{
    json_t *data = json_pack("[o]", model_card(s, s->name, s->model_dir, NULL));
    char **names = NULL;
    size_t n = 0;

    adapters_names(engine_adapters(s->engine), &names, &n);
    for (size_t i = 0; i < s->aliases.n; i++)
        json_push(data, model_card(s, s->aliases.v[i], s->model_dir, NULL));
    for (size_t i = 0; i < n; i++) {
        AUTO_FREE(adapter) a = server_adapter(s, names[i]);
        if (a)                          /* else it was unloaded just now */
            json_push(data, model_card(s, a->name, a->dir, s->name));
    }
    strv_free(names, n);
    return data;
}

void openai_models(struct server *s, struct http_exchange *x)
{
    AUTO_JSON j = json_pack("{s:s, s:o}", "object", "list", "data", cards(s));
    reply_json(x, 200, j);
}

/* /v1/models/NAME; names may hold slashes. */
void openai_model(struct server *s, struct http_exchange *x)
{
    const char *name = x->path + strlen("/v1/models/");
    AUTO_JSON data = cards(s);

    for (size_t i = 0; i < json_array_size(data); i++)
        if (streq(json_cstr(json_array_get(data, i), "id"), name)) {
            reply_json(x, 200, json_array_get(data, i));
            return;
        }
    struct err e;
    (void)err_set(&e, ERR_NOT_FOUND, "The model `%s` does not exist.", name);
    reply_openai_err(x, &e);
}
