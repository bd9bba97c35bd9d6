/* Names and objects of model streaming (dossier, Workspace, 6.9): ModelMirror -> PersistentVolumeClaim -> volume -> blob container. */
#include "workspace/render.h"

#include "base/hash.h"

#define NAME_DIGITS 6

/* As upstream: what the user wrote, unless it is one of the short names. */
void stream_model_id(struct str preset_name, struct buf *out)
{
    const struct preset *p = preset_find(preset_name);
    size_t at;

    if (!p || str_find(preset_name, STR("/"), &at))
        buf_addstr(out, preset_name);
    else
        lower_add(out, str_of(p->repo));
}

void stream_mirror_name(struct str preset_name, struct buf *out)
{
    AUTO_BUF id = { 0 };
    char hex[SHA256_HEX];

    stream_model_id(preset_name, &id);
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

/* The claim's volume, which the mirror's weights are in. */
static errc volume_handle(const struct ws_view *v, const char **out, struct err *e)
{
    const char *ns = json_str_at(v->mirror, "spec", "jobNamespace", NULL), *volume = json_str_at(v->mirror_claim, "spec", "volumeName", NULL);
    const char *driver = json_str_at(v->mirror_volume, "spec", "csi", "driver", NULL);

    if (!v->mirror_claim)
        return err_set(e, ERR_NOT_FOUND, "failed to get PVC %s/%s: PersistentVolumeClaim \"%s\" not found", ns ? ns : "", kube_name(v->mirror), kube_name(v->mirror));
    if (!str_set(volume))
        return err_set(e, ERR_NOT_FOUND, "PVC %s/%s has no bound PV (spec.volumeName is empty)", kube_namespace(v->mirror_claim), kube_name(v->mirror_claim));
    if (!v->mirror_volume)
        return err_set(e, ERR_NOT_FOUND, "failed to get PV %s: PersistentVolume \"%s\" not found", volume, volume);
    if (!json_at(v->mirror_volume, "spec", "csi", NULL))
        return err_set(e, ERR_INVALID, "PV %s has no CSI spec", volume);
    if (!streq(driver, BLOB_DRIVER))
        return err_set(e, ERR_INVALID, "PV %s has CSI driver \"%s\", expected \"" BLOB_DRIVER "\"", volume, driver ? driver : "");
    *out = json_str_at(v->mirror_volume, "spec", "csi", "volumeHandle", NULL);
    return ERR_OK;
}

/* The blob driver's handle: GROUP#ACCOUNT#CONTAINER#... */
errc stream_source_of(const struct ws_view *v, struct stream_source *out, struct err *e)
{
    const char *handle = NULL;
    struct str group;

    *out = (struct stream_source){ .service_account = stream_account_name(v) };
    TRY(volume_handle(v, &handle, e));
    struct str rest = str_of(handle ? handle : "");

    if (!str_next(&rest, '#', &group) || !str_next(&rest, '#', &out->account) || !str_next(&rest, '#', &out->container))
        return err_set(e, ERR_INVALID, "unexpected Azure Blob volumeHandle format \"%s\" (expected resourceGroup#accountName#containerName...)", handle ? handle : "");
    if (out->account.n == 0 || out->container.n == 0)
        return err_set(e, ERR_INVALID, "Azure Blob volumeHandle \"%s\" has empty %s", handle, out->account.n == 0 ? "accountName" : "containerName");
    return ERR_OK;
}

json_t *render_model_mirror(const struct ws_view *v)
{
    AUTO_BUF name = { 0 }, id = { 0 };
    struct str secret = v->ws->inference->preset->options.model_access_secret;
    json_t *source;

    stream_mirror_name(ws_preset_name(v->ws), &name);
    stream_model_id(ws_preset_name(v->ws), &id);
    source = PACK("{s:s, s:s}", "registry", "huggingface", "modelID", buf_cstr(&id));
    if (secret.n > 0)
        json_put(source, "accessSecret", PACK("{s:o, s:o}", "name", str_json(secret), "namespace", str_json(v->ws->meta.namespace)));
    return PACK("{s:s, s:s, s:{s:s}, s:{s:s, s:o, s:{s:o, s:o}, s:o, s:o}}", "apiVersion", "kaito.sh/v1alpha1", "kind", "ModelMirror", "metadata", "name", buf_cstr(&name),
                "spec", "mode", "Managed", "source", source, "storage", "size", json_strf("%dGi", v->model->disk_gib), "storageClassName", str_json(stream_class_name(v)),
                "jobNamespace", str_json(v->ws->meta.namespace), "serviceAccountName", str_json(stream_account_name(v)));
}
