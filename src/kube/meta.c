/* Metadata, owner references, finalizers. */
#include "kube/meta.h"

#include "base/clock.h"
#include "base/mem.h"

static const char *meta_str(const json_t *obj, const char *key)
{
    return json_cstr(json_object_get(obj, "metadata"), key);
}

const char *kube_name(const json_t *obj) { return meta_str(obj, "name"); }
const char *kube_uid(const json_t *obj) { return meta_str(obj, "uid"); }
const char *kube_resource_version(const json_t *obj) { return meta_str(obj, "resourceVersion"); }
const char *kube_kind(const json_t *obj) { return json_cstr(obj, "kind"); }
const char *kube_api_version(const json_t *obj) { return json_cstr(obj, "apiVersion"); }
int64_t kube_generation(const json_t *obj) { return json_int(json_object_get(obj, "metadata"), "generation", 0); }
bool kube_deleting(const json_t *obj) { return meta_str(obj, "deletionTimestamp") != NULL; }
int64_t kube_created_ms(const json_t *obj) { return kube_time_ms(meta_str(obj, "creationTimestamp")); }

const char *kube_namespace(const json_t *obj)
{
    const char *ns = meta_str(obj, "namespace");
    return ns ? ns : "";
}

const char *kube_label(const json_t *obj, const char *key) { return json_str_at(obj, "metadata", "labels", key, NULL); }
const char *kube_annotation(const json_t *obj, const char *key) { return json_str_at(obj, "metadata", "annotations", key, NULL); }

int64_t kube_time_ms(const char *rfc3339)
{
    int64_t us;
    return rfc3339 && time_parse(str_of(rfc3339), &us) ? us / 1000 : 0;
}

static bool array_holds(const json_t *array, const char *text, size_t *at)
{
    size_t i;
    json_t *v;
    json_array_foreach(array, i, v)
        if (streq(json_string_value(v), text)) {
            *at = i;
            return true;
        }
    return false;
}

bool kube_has_finalizer(const json_t *obj, const char *finalizer)
{
    size_t at;
    return array_holds(json_at(obj, "metadata", "finalizers", NULL), finalizer, &at);
}

static void set_in(json_t *obj, const char *map, const char *key, const char *value)
{
    json_t *meta = json_sub(obj, "metadata");
    if (value)
        json_put_str(json_sub(meta, map), key, value);
    else
        json_object_del(json_object_get(meta, map), key);
}

void kube_set_label(json_t *obj, const char *key, const char *value) { set_in(obj, "labels", key, value); }
void kube_set_annotation(json_t *obj, const char *key, const char *value) { set_in(obj, "annotations", key, value); }

bool kube_add_finalizer(json_t *obj, const char *finalizer)
{
    if (kube_has_finalizer(obj, finalizer))
        return false;
    json_t *meta = json_sub(obj, "metadata"), *list = json_object_get(meta, "finalizers");
    if (!json_is_array(list)) {
        list = json_array();
        json_put(meta, "finalizers", list);
    }
    json_push(list, json_string(finalizer));
    return true;
}

bool kube_del_finalizer(json_t *obj, const char *finalizer)
{
    json_t *list = json_at(obj, "metadata", "finalizers", NULL);
    size_t at;
    if (!array_holds(list, finalizer, &at))
        return false;
    json_array_remove(list, at);
    return true;
}

json_t *kube_object(const char *api_version, const char *kind, const char *ns, const char *name)
{
    json_t *o = json_object(), *meta = json_object();
    json_put_str(o, "apiVersion", api_version);
    json_put_str(o, "kind", kind);
    json_put(o, "metadata", meta);
    json_put_str(meta, "name", name);
    if (str_set(ns))
        json_put_str(meta, "namespace", ns);
    return o;
}

json_t *kube_owner_ref(const json_t *owner, bool controller, bool block_deletion)
{
    json_t *r = json_object();
    json_put_str(r, "apiVersion", kube_api_version(owner));
    json_put_str(r, "kind", kube_kind(owner));
    json_put_str(r, "name", kube_name(owner));
    json_put_str(r, "uid", kube_uid(owner));
    if (controller)
        json_put_bool(r, "controller", true);
    if (block_deletion)
        json_put_bool(r, "blockOwnerDeletion", true);
    return r;
}

void kube_set_owner(json_t *obj, const json_t *owner)
{
    json_t *meta = json_sub(obj, "metadata"), *refs = json_object_get(meta, "ownerReferences"), *ref;
    size_t i;
    if (!json_is_array(refs)) {
        refs = json_array();
        json_put(meta, "ownerReferences", refs);
    }
    json_array_foreach(refs, i, ref)
        if (streq(json_cstr(ref, "uid"), kube_uid(owner))) {
            json_array_set_new(refs, i, kube_owner_ref(owner, true, true));
            return;
        }
    json_push(refs, kube_owner_ref(owner, true, true));
}

const json_t *kube_controller_of(const json_t *obj)
{
    size_t i;
    json_t *ref;
    json_array_foreach(json_at(obj, "metadata", "ownerReferences", NULL), i, ref)
        if (json_flag(ref, "controller", false))
            return ref;
    return NULL;
}

bool kube_is_owned_by(const json_t *obj, const char *uid)
{
    size_t i;
    json_t *ref;
    json_array_foreach(json_at(obj, "metadata", "ownerReferences", NULL), i, ref)
        if (streq(json_cstr(ref, "uid"), uid))
            return true;
    return false;
}
