/* The admission rules as a webhook: the same that the reconciler asks, at the moment somebody writes. */
#include "webhook/admission.h"
#include "workspace/manager.h"
#include "workspace/priv.h"
#include "workspace/validate.h"

static errc refuse(struct buf *why, const char *fmt, ...) PRINTF(2, 3);
static errc refuse(struct buf *why, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(why, fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

static const json_t *config_of(struct workspace_manager *m, struct arena *a, const char *ns, const char *name)
{
    json_t *config = informer_get(m->configs, ns, name);

    if (config)
        json_arena_own(a, config);
    return config;
}

static void find_configs(struct workspace_manager *m, struct arena *a, const struct workspace *ws, struct ws_validate_env *env)
{
    const char *template_name = ws_template_name(ws);

    if (template_name)
        env->tuning_template = config_of(m, a, m->settings.release_namespace, template_name);
    else if (ws->tuning)
        env->tuning_config = config_of(m, a, arena_strndup(a, ws->meta.namespace.p ? ws->meta.namespace.p : "", ws->meta.namespace.n),
                                       arena_strndup(a, ws->tuning->config.p ? ws->tuning->config.p : "", ws->tuning->config.n));
}

/* Deleted objects must lose their finalizer and status is ours: neither is held back by a rule that came later. */
static bool is_free(const struct admission_request *q)
{
    bool is_write = streq(q->operation, "CREATE") || streq(q->operation, "UPDATE");

    return !is_write || str_set(q->subresource) || json_at(q->object, "metadata", "deletionTimestamp", NULL) != NULL;
}

errc workspace_admit(void *self, const struct admission_request *q, struct buf *why)
{
    struct workspace_manager *m = self;
    struct ws_validate_env env = { .settings = &m->settings };
    struct workspace ws, old;
    AUTO_BUF errors = { 0 };
    struct err e = { 0 };

    if (is_free(q))
        return ERR_OK;
    if (!streq(q->kind, "Workspace") || (!streq(q->version, "v1alpha1") && !streq(q->version, "v1beta1")))
        return refuse(why, "decoding request failed: unhandled kind: %s.%s", q->kind, q->version);
    if (!q->object)
        return refuse(why, "decoding request failed: the request has no object");
    if (schema_decode(&workspace_v1beta1, q->object, q->arena, &ws, &e))
        return refuse(why, "decoding request failed: cannot decode incoming new object: %s", e.text);
    bool update = streq(q->operation, "UPDATE") && q->old_object;

    if (update && schema_decode(&workspace_v1beta1, q->old_object, q->arena, &old, &e))
        return refuse(why, "decoding request failed: cannot decode incoming old object: %s", e.text);
    find_configs(m, q->arena, &ws, &env);
    if (workspace_validate(update ? WS_UPDATE : WS_CREATE, update ? &old : NULL, &ws, &env, &errors))
        return refuse(why, "validation failed: %s", buf_cstr(&errors));
    return ERR_OK;
}
