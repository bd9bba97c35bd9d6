/* From fields that were written plainly to fields that are applied: as client-go's csaupgrade does it. */
#include "kube/meta.h"
#include "kube/priv.h"

static bool is_entry(const json_t *entry, const char *manager, const char *operation)
{
    return manager && streq(json_cstr(entry, "manager"), manager) && streq(json_cstr(entry, "operation"), operation) && !json_object_get(entry, "subresource");
}

/* The union of two sets of fields: a set is a tree of objects. */
static void add_fields(json_t *to, const json_t *from)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)from, key, v)
        if (json_object_get(to, key))
            add_fields(json_object_get(to, key), v);
        else
            json_put(to, key, json_clone(v));
}

/* NULL: there is nothing to change. */
static json_t *applied_entries(const json_t *entries, const char *manager, const char *former)
{
    AUTO_JSON out = json_array();
    AUTO_JSON fields = json_object();
    json_t *entry, *applied = NULL;
    bool written = false;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)entries, i, entry) {
        if (is_entry(entry, manager, "Update") || is_entry(entry, former, "Update")) {
            written = true;
            add_fields(fields, json_object_get(entry, "fieldsV1"));
        } else if (is_entry(entry, manager, "Apply")) {
            add_fields(fields, json_object_get(entry, "fieldsV1"));
        } else {
            json_push(out, json_clone(entry));
            continue;
        }
        if (!applied)
            json_push(out, applied = json_clone(entry));
    }
    if (!written)
        return NULL;
    json_put_str(applied, "manager", manager);
    json_put_str(applied, "operation", "Apply");
    json_put(applied, "fieldsV1", TAKE(fields));
    return TAKE(out);
}

static errc get_with_fields(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *name, json_t **out, struct err *e)
{
    AUTO_BUF path = { 0 }, body = { 0 };

    kube_path(&path, r, ns, name, NULL);
    TRY(kube_do(c, &(struct kube_call){ .method = "GET", .path = path.p }, &body, e));
    return json_parse(buf_str(&body), out, e);
}

errc kube_own_as_applied(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *name, const char *manager, const char *former, struct err *e)
{
    AUTO_JSON object = NULL;
    errc rc = get_with_fields(c, r, ns, name, &object, e);

    if (rc)
        return rc == ERR_NOT_FOUND ? ERR_OK : rc;
    json_t *entries = applied_entries(json_at(object, "metadata", "managedFields", NULL), manager, former);

    if (!entries)
        return ERR_OK;
    AUTO_JSON patch = json_pack("[{s:s, s:s, s:o}, {s:s, s:s, s:s}]", "op", "replace", "path", "/metadata/managedFields", "value", entries,
                                "op", "replace", "path", "/metadata/resourceVersion", "value", kube_resource_version(object));
    rc = kube_patch(c, r, ns, name, NULL, KUBE_PATCH_JSON, patch, NULL, e);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}
