/* Memory: caches keep what the planners read. A cluster has thousands of nodes, Secrets and Services; a cache holds all of them. */
#include "kube/meta.h"
#include "workspace/manager.h"

#define KEEP(...) (const char *const[]){ __VA_ARGS__, NULL }

static bool is_in(const char *const *list, const char *key)
{
    for (; *list; list++)
        if (streq(*list, key))
            return true;
    return false;
}

/* NULL is fine. */
static void keep_only(json_t *obj, const char *const *keys)
{
    const char *key;
    json_t *v;
    void *next;

    json_object_foreach_safe(obj, next, key, v)
        if (!is_in(keys, key))
            json_object_del(obj, key);
}

/* kubectl's copy of the whole object. */
static void slim_metadata(json_t *obj)
{
    json_object_del(json_at(obj, "metadata", "annotations", NULL), "kubectl.kubernetes.io/last-applied-configuration");
}

/* What is found by name and belongs to a Workspace. */
static void slim_owned(json_t *obj)
{
    json_t *meta = json_object_get(obj, "metadata"), *ref;
    size_t i;

    keep_only(meta, KEEP("name", "namespace", "uid", "resourceVersion", "generation", "labels", "annotations", "ownerReferences", "deletionTimestamp"));
    json_array_foreach(json_object_get(meta, "ownerReferences"), i, ref)
        keep_only(ref, KEEP("kind", "name", "uid", "controller"));
}

static json_t *slim_to(json_t *obj, const char *const *keys)
{
    keep_only(obj, keys);
    slim_metadata(obj);
    return obj;
}

json_t *slim_workspace(json_t *obj)
{
    slim_metadata(obj);
    return obj;
}

json_t *slim_claim(json_t *obj)
{
    json_t *status = json_object_get(obj, "status"), *c;
    size_t i;

    keep_only(status, KEEP("conditions", "nodeName"));
    json_array_foreach(json_object_get(status, "conditions"), i, c)
        if (streq(json_cstr(c, "status"), "True"))      /* why and since when is asked of what is not well */
            keep_only(c, KEEP("type", "status"));
    return slim_to(obj, KEEP("apiVersion", "kind", "metadata", "status"));
}

json_t *slim_machine(json_t *obj) { return slim_claim(machine_read(obj)); }

/*
 * Which conditions are true, not how long and why; images and addresses are the largest part of a node. Without its version a heartbeat
 * changes nothing.
 */
json_t *slim_node(json_t *obj)
{
    json_t *status = json_object_get(obj, "status"), *c;
    size_t i;

    keep_only(status, KEEP("conditions", "capacity", "allocatable"));
    keep_only(json_object_get(status, "capacity"), KEEP("nvidia.com/gpu"));
    keep_only(json_object_get(status, "allocatable"), KEEP("nvidia.com/gpu"));
    json_array_foreach(json_object_get(status, "conditions"), i, c)
        keep_only(c, KEEP("type", "status"));
    keep_only(json_object_get(obj, "metadata"), KEEP("name", "labels", "uid", "creationTimestamp", "deletionTimestamp"));
    return slim_to(obj, KEEP("apiVersion", "kind", "metadata", "status"));
}

json_t *slim_node_class(json_t *obj)
{
    keep_only(json_object_get(obj, "status"), KEEP("conditions"));
    return slim_to(obj, KEEP("apiVersion", "kind", "metadata", "status"));
}

json_t *slim_pod(json_t *obj)
{
    return slim_to(obj, KEEP("apiVersion", "kind", "metadata", "status"));
}

json_t *slim_service(json_t *obj)
{
    keep_only(json_object_get(obj, "spec"), KEEP("type", "clusterIP", "ports", "selector"));
    slim_owned(obj);
    return slim_to(obj, KEEP("apiVersion", "kind", "metadata", "spec"));
}

static json_t *slim_workload(json_t *obj, const char *const *of_spec)
{
    keep_only(json_object_get(obj, "spec"), of_spec);
    slim_owned(obj);
    slim_metadata(obj);
    return obj;
}

json_t *slim_job(json_t *obj) { return slim_workload(obj, KEEP("suspend", "backoffLimit")); }

/* Of its pods only what an update leaves as it is (render_gpu_update), and whether they measure (benchmark.c). */
json_t *slim_statefulset(json_t *obj)
{
    json_t *template = json_at(obj, "spec", "template", NULL), *pod = json_object_get(template, "spec"), *containers = json_object_get(pod, "containers");

    keep_only(template, KEEP("spec"));
    keep_only(pod, KEEP("affinity", "tolerations", "containers"));
    while (json_array_size(containers) > 1)
        json_array_remove(containers, 1);
    keep_only(json_array_get(containers, 0), KEEP("image", "resources", "ports", "startupProbe"));
    keep_only(json_object_get(json_array_get(containers, 0), "startupProbe"), KEEP("exec"));
    return slim_workload(obj, KEEP("replicas", "template"));
}

json_t *slim_config(json_t *obj)
{
    const json_t *data = json_object_get(obj, "data");
    bool ours = json_object_get(data, "training_config.yaml") || json_object_get(data, "inference_config.yaml");

    return slim_to(obj, ours ? KEEP("apiVersion", "kind", "metadata", "data") : KEEP("apiVersion", "kind", "metadata"));
}

/* Secret values never enter the cache: only which keys there are. */
json_t *slim_secret(json_t *obj)
{
    json_t *data = json_object_get(obj, "data"), *v;
    const char *key;
    void *next;

    json_object_foreach_safe(data, next, key, v)
        json_object_set_new(data, key, json_string(""));
    return slim_to(obj, KEEP("apiVersion", "kind", "metadata", "type", "data"));
}

json_t *slim_volume_claim(json_t *obj)
{
    keep_only(json_object_get(obj, "spec"), KEEP("resources"));
    keep_only(json_object_get(obj, "status"), KEEP("capacity"));
    keep_only(json_object_get(obj, "metadata"), KEEP("name", "namespace", "labels"));
    return slim_to(obj, KEEP("metadata", "spec", "status"));
}
