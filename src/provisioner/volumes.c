#include "provisioner/volumes.h"

#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/drain.h"

static errc volume_of(struct kube_client *c, const char *ns, const char *claim, json_t *names, struct err *e)
{
    AUTO_JSON pvc = NULL;
    errc rc = kube_get(c, KUBE_GVR("", "v1", "persistentvolumeclaims"), ns, claim, &pvc, e);
    const char *volume = rc ? NULL : json_str_at(pvc, "spec", "volumeName", NULL);

    if (volume)
        json_put_bool(names, volume, true);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* names: an object whose keys are the PersistentVolumes of pods that stay. */
static errc volumes_that_stay(struct kube_client *c, const json_t *pods, int64_t now_ms, json_t *names, struct err *e)
{
    const json_t *pod, *v;
    size_t i, j;

    json_array_foreach(pods, i, pod) {
        if (!drain_ignores(pod, now_ms))
            continue;
        json_array_foreach(json_at(pod, "spec", "volumes", NULL), j, v) {
            const char *claim = json_str_at(v, "persistentVolumeClaim", "claimName", NULL);

            if (claim)
                TRY(volume_of(c, kube_namespace(pod), claim, names, e));
        }
    }
    return ERR_OK;
}

errc volume_still_attached(struct kube_client *c, const char *node, const json_t *pods, int64_t now_ms, char **out_volume, struct err *e)
{
    AUTO_JSON all = NULL;
    AUTO_JSON stay = json_object();
    const json_t *a;
    bool known = false;
    size_t i;

    *out_volume = NULL;
    errc rc = kube_list_all(c, KUBE_GVR("storage.k8s.io", "v1", "volumeattachments"), NULL, &(struct kube_list_opts){ 0 }, &all, e);

    if (rc)
        return rc == ERR_NOT_FOUND ? ERR_OK : err_wrap(e, "list volumeattachments");
    json_array_foreach(all, i, a) {
        const char *volume = json_str_at(a, "spec", "source", "persistentVolumeName", NULL);

        if (!volume || !streq(json_str_at(a, "spec", "nodeName", NULL), node))
            continue;
        if (!known)
            TRY(volumes_that_stay(c, pods, now_ms, stay, e));
        known = true;
        if (json_object_get(stay, volume))
            continue;
        *out_volume = xstrdup(volume);
        return ERR_OK;
    }
    return ERR_OK;
}
