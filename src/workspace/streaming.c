/* Names and objects of model streaming (dossier, Workspace, 6.9): ModelMirror -> PersistentVolumeClaim -> volume -> blob container. */
#include "workspace/render.h"

#include "base/hash.h"

#define NAME_DIGITS 6

void stream_mirror_name(const struct preset *model, struct buf *out)
{
    AUTO_BUF id = { 0 };
    char hex[SHA256_HEX];

    lower_add(&id, str_of(model->repo));
    sha256_hex(id.p, id.n, hex);
    buf_add(out, hex, NAME_DIGITS);
}

static struct str asked_or(const struct ws_view *v, const char *annotation, const char *fallback)
{
    struct str asked = ws_annotation(v->ws, annotation);

    return asked.n > 0 ? asked : fallback ? str_of(fallback) : STR("");
}

struct str stream_class_name(const struct ws_view *v)
{
    return asked_or(v, MIRROR_CLASS_ANNOTATION, v->settings->mirror_class);
}

struct str stream_account_name(const struct ws_view *v)
{
    return asked_or(v, STREAM_ACCOUNT_ANNOTATION, v->settings->streaming_account);
}

/* The blob driver's handle: GROUP#ACCOUNT#CONTAINER#... */
bool stream_source_of(const struct ws_view *v, struct stream_source *out)
{
    struct str rest = str_of(json_str_at(v->mirror_volume, "spec", "csi", "volumeHandle", NULL)), group;

    *out = (struct stream_source){ .service_account = stream_account_name(v) };
    return rest.p && str_next(&rest, '#', &group) && str_next(&rest, '#', &out->account) && str_next(&rest, '#', &out->container) &&
           out->account.n > 0 && out->container.n > 0;
}

json_t *render_model_mirror(const struct ws_view *v)
{
    AUTO_BUF name = { 0 }, id = { 0 };
    struct str secret = v->ws->inference->preset->options.model_access_secret;
    json_t *source;

    stream_mirror_name(v->model, &name);
    lower_add(&id, str_of(v->model->repo));
    source = PACK("{s:s, s:s}", "registry", "huggingface", "modelID", buf_cstr(&id));
    if (secret.n > 0)
        json_put(source, "accessSecret", PACK("{s:o, s:o}", "name", str_json(secret), "namespace", str_json(v->ws->meta.namespace)));
    return PACK("{s:s, s:s, s:{s:s}, s:{s:s, s:o, s:{s:o, s:o}, s:o, s:o}}", "apiVersion", "kaito.sh/v1alpha1", "kind", "ModelMirror", "metadata", "name", buf_cstr(&name),
                "spec", "mode", "Managed", "source", source, "storage", "size", json_strf("%dGi", v->model->disk_gib), "storageClassName", str_json(stream_class_name(v)),
                "jobNamespace", str_json(v->ws->meta.namespace), "serviceAccountName", str_json(stream_account_name(v)));
}
