#include "workspace/review.h"

#include "api/k8s/k8s.h"
#include "workspace/priv.h"

#define POD_TEMPLATE  "io.k8s.api.core.v1.PodTemplateSpec"
#define VOLUME_SOURCE "io.k8s.api.core.v1.VolumeSource"

/* ---- Go's decoder: unknown fields and wrong types in the parts that the schema leaves open ---------------------------- */

/* io.k8s.api.core.v1.PodSpec is v1.PodSpec in Go. */
static const char *go_type_name(const char *name)
{
    const char *last = strrchr(name, '.'), *p = last;

    while (p && p > name && p[-1] != '.')
        p--;
    return last && strncmp(name, "io.k8s.", 7) == 0 ? p : name;
}

/* "json: cannot unmarshal T into Go struct field PodSpec.spec.x of ..." names the path from the part on: put the part's own before it. */
static void with_path(const char *text, const char *owner, const char *path, struct buf *out)
{
    static const char mark[] = "Go struct field ";
    const char *at = strstr(text, mark), *dot = at ? strchr(at, '.') : NULL;
    const char *value = strstr(text, "into Go value of type ");

    if (at && dot)
        buf_addf(out, "%.*s.%s%s", (int)(dot - text), text, path, dot);
    else if (value)
        buf_addf(out, "%.*sinto Go struct field %s.%s of type %s", (int)(value - text), text, owner, path, go_type_name(value + strlen("into Go value of type ")));
    else
        buf_adds(out, text);
}

static errc decode_part(const char *type_name, const json_t *part, const char *owner, const char *path, struct buf *refusal)
{
    const struct type *t = k8s_type(type_name);
    struct path_list unknown = { 0 };
    AUTO_JSON copy = NULL;
    struct err e;

    if (!part || json_is_null(part))
        return ERR_OK;
    copy = json_clone(part);
    buf_adds(refusal, "decoding request failed: cannot decode incoming new object: ");
    size_t before = refusal->n;

    if (json_is_object(copy))
        schema_prune(t, copy, &unknown);
    if (unknown.n > 0) {
        const char *dot = strrchr(unknown.items[0], '.');

        buf_addf(refusal, "json: unknown field \"%s\"", dot ? dot + 1 : unknown.items[0]);
    } else if (schema_coerce(t, copy, &e)) {
        with_path(e.text, owner, path, refusal);
    }
    path_list_done(&unknown);
    if (refusal->n > before)
        return ERR_INVALID;
    buf_clear(refusal);
    return ERR_OK;
}

static errc decode_open_parts(const json_t *object, struct buf *refusal)
{
    const json_t *inference = json_object_get(object, "inference"), *tuning = json_object_get(object, "tuning"), *adapter;
    size_t i;

    json_array_foreach(json_object_get(inference, "adapters"), i, adapter)
        TRY(decode_part(VOLUME_SOURCE, json_at(adapter, "source", "volumeSource", NULL), "DataSource", "inference.adapters.source.volumeSource", refusal));
    TRY(decode_part(POD_TEMPLATE, json_object_get(inference, "template"), "InferenceSpec", "inference.template", refusal));
    TRY(decode_part(VOLUME_SOURCE, json_at(tuning, "input", "volumeSource", NULL), "DataSource", "tuning.input.volumeSource", refusal));
    return decode_part(VOLUME_SOURCE, json_at(tuning, "output", "volumeSource", NULL), "DataDestination", "tuning.output.volumeSource", refusal);
}

/* ---- what the rules must know ------------------------------------------------------------------------------------------- */

static json_t *look_up(const struct ws_cluster *c, struct arena *a, const char *kind, struct str ns, struct str name)
{
    json_t *j = c->get(c->self, kind, arena_strndup(a, ns.p ? ns.p : "", ns.n), arena_strndup(a, name.p ? name.p : "", name.n));

    if (j)
        json_arena_own(a, j);
    return j;
}

/* The Secret's HF_TOKEN in plain text, in the arena; NULL when there is none. */
static const char *ws_access_token(const struct ws_cluster *c, const struct workspace *ws, struct arena *a)
{
    struct str name = ws->inference && ws->inference->preset ? ws->inference->preset->options.model_access_secret : (struct str){ 0 };
    const json_t *secret = name.n > 0 ? look_up(c, a, "Secret", ws->meta.namespace, name) : NULL;

    return secret_value(secret, "HF_TOKEN", a);
}

static void find_model(const struct ws_cluster *c, const struct workspace *ws, struct arena *a, struct ws_validate_env *env)
{
    struct str name = ws->inference && ws->inference->preset ? ws->inference->preset->name : (struct str){ 0 };
    struct err e;

    if (c->model && name.n > 0 && preset_check(name) == PRESET_VALID) {
        c->model(c->self, ws, a, &env->model, &env->model_problem);
        return;
    }
    /* without a hub, ids that the catalogue lacks are let through: whoever serves them tells more */
    if (name.n > 0 && preset_check(name) == PRESET_VALID && (c->hub || preset_find(name)) && model_find(c->hub, name, ws_access_token(c, ws, a), a, &env->model, &e))
        env->model_problem = arena_strdup(a, e.text);
}

/*
 * Why the token of a Secret that the user names cannot be had; NULL: it can, or none is named. Of a model in the catalogue nobody asks the
 * hub, so it may still come.
 */
static const char *missing_token(const struct ws_cluster *c, const struct workspace *ws, struct arena *a)
{
    struct str secret = ws->inference ? ws->inference->preset->options.model_access_secret : (struct str){ 0 }, ns = ws->meta.namespace;
    const char *why;

    if (secret.n == 0 || preset_find(ws_preset_name(ws)))
        return NULL;
    const json_t *found = look_up(c, a, "Secret", ns, secret);

    if (secret_value(found, "HF_TOKEN", a))
        return NULL;
    if (found)
        why = arena_printf(a, "HF_TOKEN not found in secret: %.*s in namespace: %.*s", STR_ARG(secret), STR_ARG(ns));
    else
        why = arena_printf(a, "failed to get secret: %.*s in namespace: %.*s, error: secrets \"%.*s\" not found", STR_ARG(secret), STR_ARG(ns), STR_ARG(secret));
    return arena_printf(a, "failed to build node estimate request: failed to resolve access token for model \"%.*s\": %s", STR_ARG(ws_preset_name(ws)), why);
}

void ws_model_look_up(const struct ws_cluster *c, const struct workspace *ws, struct arena *a, const struct preset **out, const char **problem)
{
    struct str name = ws_preset_name(ws);
    struct err e;

    *out = NULL;
    *problem = NULL;
    if (name.n == 0)
        return;
    *problem = missing_token(c, ws, a);
    if (*problem || model_find(c->hub, name, ws_access_token(c, ws, a), a, out, &e) == ERR_OK)
        return;
    *problem = ws->tuning ? arena_strdup(a, e.text)
                          : arena_printf(a, "failed to update Workspace status targetNodeCount: failed to calculate target node count: failed to get model by name: %s", e.text);
}

static json_t *matching_nodes(const struct ws_cluster *c, const struct workspace_settings *s, const struct workspace *ws, struct arena *a)
{
    AUTO_JSON labels = ws_node_labels(s, ws);
    json_t *all = c->nodes(c->self, labels), *list = json_array(), *node;
    size_t i;

    json_arena_own(a, all);
    json_arena_own(a, list);
    json_array_foreach(all, i, node)
        if (ws_node_matches(s, ws, node))
            json_array_append(list, node);
    return list;
}

static void look_around(const struct ws_cluster *c, const struct workspace *ws, struct arena *a, struct ws_validate_env *env)
{
    const struct workspace_settings *s = env->settings;
    const char *template_name = ws_template_name(ws);
    bool older = str_is(ws->api_version, "kaito.sh/v1alpha1");

    if (template_name)
        env->tuning_template = look_up(c, a, "ConfigMap", str_of(s->release_namespace), str_of(template_name));
    else if (ws->tuning && ws->tuning->config.n > 0)        /* without a name an API answers with the list of all */
        env->tuning_config = look_up(c, a, "ConfigMap", ws->meta.namespace, ws->tuning->config);
    if (ws->inference && ws->inference->config.n > 0)
        env->inference_config = look_up(c, a, "ConfigMap", ws->meta.namespace, ws->inference->config);
    else if (ws->inference && older)
        env->inference_config = look_up(c, a, "ConfigMap", str_of(s->release_namespace), STR("inference-params-template"));
    if (s->byo && ws->inference)
        env->nodes = matching_nodes(c, s, ws, a);
    if (ws_streams_model(s, ws))
        env->blob_driver = look_up(c, a, "CSIDriver", STR(""), STR("blob.csi.azure.com")) != NULL;
    find_model(c, ws, a, env);
}

errc workspace_review(enum ws_operation op, const json_t *object, const json_t *old, const struct workspace_settings *s,
                     const struct ws_cluster *cluster, struct buf *refusal)
{
    AUTO_FREE(arena) a = arena_new();
    struct ws_validate_env env = { .settings = s };
    struct workspace ws, before;
    AUTO_BUF errors = { 0 };
    struct err e;

    TRY(decode_open_parts(object, refusal));
    if (schema_decode(&workspace_v1beta1, object, a, &ws, &e) || (old && schema_decode(&workspace_v1beta1, old, a, &before, &e))) {
        buf_addf(refusal, "decoding request failed: cannot decode incoming new object: %s", e.text);
        return ERR_INVALID;
    }
    if (op == WS_CREATE)
        look_around(cluster, &ws, a, &env);
    if (workspace_validate(op, op == WS_UPDATE ? &before : NULL, &ws, &env, &errors) == ERR_OK)
        return ERR_OK;
    buf_addf(refusal, "validation failed: %s", buf_cstr(&errors));
    return ERR_INVALID;
}
