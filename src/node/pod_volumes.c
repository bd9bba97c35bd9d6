/* The volumes of a pod as folders on this machine. */
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "node/priv.h"

enum { HOST_PATH_MODE = 0755 };

static const struct pod_volume *find_volume(const struct pod *pod, struct str name)
{
    for (size_t i = 0; i < pod->spec.n_volumes; i++)
        if (str_eq(pod->spec.volumes[i].name, name))
            return &pod->spec.volumes[i];
    return NULL;
}

static const char *volume_folder(const struct plan_input *in, struct arena *a, const struct pod_volume *v)
{
    if (v->host_path)
        return arena_strndup(a, v->host_path->path.p, v->host_path->path.n);
    if (v->claim)
        return arena_printf(a, "%s/%.*s/%.*s", in->claims_dir, STR_ARG(in->pod->meta.namespace), STR_ARG(v->claim->claim));
    return arena_printf(a, "%s/volumes/%.*s", in->folder, STR_ARG(v->name));
}

const char *pod_volume_path(const struct plan_input *in, struct arena *a, struct str volume)
{
    const struct pod_volume *v = find_volume(in->pod, volume);

    return v ? volume_folder(in, a, v) : NULL;
}

/* A key of a ConfigMap or Secret is a file name: the API server has checked its form, the node checks again. */
static bool is_safe_path(struct str path)
{
    struct str piece;

    if (!path.n || path.p[0] == '/')
        return false;
    while (str_next(&path, '/', &piece))
        if (!piece.n || str_is(piece, ".") || str_is(piece, ".."))
            return false;
    return true;
}

static errc write_key(const char *folder, struct str file, struct str bytes, struct err *e)
{
    struct str parent, base;
    AUTO_MEM char *path = xasprintf("%s/%.*s", folder, STR_ARG(file));

    if (!is_safe_path(file))
        return err_set(e, ERR_INVALID, "file name \"%.*s\" leaves its volume", STR_ARG(file));
    if (str_rcut(str_of(path), '/', &parent, &base)) {
        AUTO_MEM char *dir = xstrndup(parent.p, parent.n);
        TRY(dir_make(dir, 0700, e));
    }
    return file_write_atomic(path, bytes, 0600, e);
}

/* The value of a key: ConfigMap data is text, binaryData and Secret data are base64. False when the key is absent. */
static bool object_value(const json_t *object, const char *key, struct buf *out)
{
    bool is_secret = streq(kube_kind(object), "Secret");
    struct str text = json_to_str(json_object_get(json_object_get(object, "data"), key));
    struct str binary = json_to_str(json_object_get(json_object_get(object, "binaryData"), key));

    if (text.p && !is_secret) {
        buf_addstr(out, text);
        return true;
    }
    return (text.p && base64_decode(text, out)) || (binary.p && base64_decode(binary, out));
}

static errc write_all_keys(const json_t *object, const char *folder, struct err *e)
{
    static const char *const sections[] = { "data", "binaryData" };
    const char *key;
    json_t *value;

    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        json_object_foreach(json_object_get(object, sections[i]), key, value) {
            AUTO_BUF bytes = { 0 };
            if (object_value(object, key, &bytes))
                TRY(write_key(folder, str_of(key), buf_str(&bytes), e));
        }
    return ERR_OK;
}

static errc write_items(const json_t *object, const char *folder, const struct key_to_path *items, size_t n, bool optional, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_MEM char *key = xstrndup(items[i].key.p, items[i].key.n);
        AUTO_BUF bytes = { 0 };
        if (object_value(object, key, &bytes))
            TRY(write_key(folder, items[i].path, buf_str(&bytes), e));
        else if (!optional)
            return err_set(e, ERR_NOT_FOUND, "references non-existent %s key: %s", streq(kube_kind(object), "Secret") ? "secret" : "config", key);
    }
    return ERR_OK;
}

struct object_files { const char *resource; struct str name; const struct key_to_path *items; size_t n_items; bool optional; };

static errc make_object_files(const struct plan_input *in, const struct object_files *f, const char *folder, struct err *e)
{
    AUTO_MEM char *name = xstrndup(f->name.p, f->name.n), *ns = xstrndup(in->pod->meta.namespace.p, in->pod->meta.namespace.n);
    AUTO_JSON object = NULL;

    TRY(dir_make(folder, 0700, e));
    errc rc = in->lookup->get(in->lookup->self, f->resource, ns, name, &object, e);
    if (rc == ERR_NOT_FOUND && f->optional)
        return ERR_OK;
    if (rc)
        return rc;
    return f->n_items ? write_items(object, folder, f->items, f->n_items, f->optional, e) : write_all_keys(object, folder, e);
}

static errc make_host_path(const struct host_path_volume *v, const char *folder, struct err *e)
{
    if (str_is(v->type, "DirectoryOrCreate"))
        return dir_make(folder, HOST_PATH_MODE, e);
    if (str_is(v->type, "Directory") && !dir_exists(folder))
        return err_set(e, ERR_NOT_FOUND, "hostPath type check failed: %s is not a directory", folder);
    return ERR_OK;
}

static errc make_volume(const struct plan_input *in, struct arena *a, const struct pod_volume *v, struct err *e)
{
    const char *folder = volume_folder(in, a, v);

    if (v->host_path)
        return make_host_path(v->host_path, folder, e);
    if (v->empty_dir || v->claim)
        return dir_make(folder, 0700, e);
    if (v->config_map)
        return make_object_files(in, &(struct object_files){ "configmaps", v->config_map->name, v->config_map->items,
                                                             v->config_map->n_items, v->config_map->optional }, folder, e);
    if (v->secret)
        return make_object_files(in, &(struct object_files){ "secrets", v->secret->secret_name, v->secret->items, v->secret->n_items,
                                                             v->secret->optional }, folder, e);
    return err_set(e, ERR_UNBUILT, "this node mounts emptyDir, hostPath, configMap, secret and persistentVolumeClaim volumes only");
}

errc pod_volumes_make(const struct plan_input *in, struct arena *a, struct err *e)
{
    for (size_t i = 0; i < in->pod->spec.n_volumes; i++) {
        const struct pod_volume *v = &in->pod->spec.volumes[i];
        if (make_volume(in, a, v, e))
            return err_wrap(e, "MountVolume.SetUp failed for volume \"%.*s\"", STR_ARG(v->name));
    }
    return ERR_OK;
}
