#include "schema/names.h"
#include "workspace/rehearse.h"
#include "workspace/rehearse/stage.h"

static json_t *refusal(const char *stage, struct str message)
{
    return json_pack("{s:b, s:s, s:o}", "allowed", 0, "stage", stage, "message", json_strn(message));
}

static void check_metadata(const json_t *object, bool created, struct field_errors *out)
{
    const json_t *meta = json_object_get(object, "metadata");
    AUTO_BUF why = { 0 }, quoted = { 0 };
    const char *name = kube_name(object);

    if (created && name_problem(NAME_SUBDOMAIN, name, false, &why)) {
        buf_addf(&quoted, "\"%s\"", name);
        field_error_add(out, FIELD_INVALID_VALUE, "metadata.name", buf_cstr(&quoted), "%s", buf_cstr(&why));
    }
    labels_check(json_object_get(meta, "labels"), "metadata.labels", out);
    annotations_check(json_object_get(meta, "annotations"), "metadata.annotations", out);
}

/* The API server's own answer, in its frame; NULL: it has no objection. */
static json_t *schema_refusal(const json_t *object, const json_t *old)
{
    const struct type *t = streq(json_cstr(object, "apiVersion"), "kaito.sh/v1alpha1") ? &workspace_v1alpha1 : &workspace_v1beta1;
    AUTO_FIELD_ERRORS problems = { 0 };
    AUTO_BUF text = { 0 };

    check_metadata(object, !old, &problems);
    schema_validate(t, object, old, &problems);
    if (problems.n == 0)
        return NULL;
    buf_addf(&text, "Workspace.kaito.sh \"%s\" is invalid: ", kube_name(object));
    field_errors_text(&problems, &text);
    return refusal("schema", buf_str(&text));
}

static void answer(struct stage *st, const json_t *old, json_t **out)
{
    struct model_hub hub = stage_hub(st);
    struct ws_cluster cluster = stage_cluster(st, &hub);
    AUTO_BUF text = { 0 };

    *out = schema_refusal(st->ws, old);
    if (*out)
        return;
    if (workspace_review(old ? WS_UPDATE : WS_CREATE, st->ws, old, &st->settings, &cluster, &text))
        *out = refusal("webhook", buf_str(&text));
    else
        *out = json_pack("{s:b, s:O}", "allowed", 1, "defaulted", st->ws);
}

/* Both versions of an update come in the one that is written. New reference. */
static json_t *as_read(const json_t *stored, const char *version)
{
    AUTO_JSON o = json_clone(stored);

    if (version)
        json_put_str(o, "apiVersion", version);
    return as_stored(o);
}

errc workspace_check(const json_t *in, json_t **out, struct err *e)
{
    const json_t *given = json_object_get(in, "oldObject");
    struct stage st;

    TRY(stage_init(&st, in, e));
    AUTO_JSON stored = given ? as_stored(given) : NULL;
    AUTO_JSON old = stored ? as_read(stored, json_cstr(st.ws, "apiVersion")) : NULL;

    answer(&st, old, out);
    stage_done(&st);
    return ERR_OK;
}
