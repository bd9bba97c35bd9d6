/* What an API serves. */
#include "base/mem.h"
#include "kube/priv.h"

typedef void each_fn(void *self, const struct kube_gvr *r, const char *kind, bool namespaced, const json_t *verbs);

static errc resource_list(struct kube_client *c, const char *group, const char *version, json_t **out, struct err *e)
{
    AUTO_MEM char *path = str_set(group) ? xasprintf("/apis/%s/%s", group, version) : xasprintf("/api/%s", version);
    return kube_do_json(c, &(struct kube_call){ .method = "GET", .path = path }, out, e);
}

errc kube_has_resource(struct kube_client *c, const struct kube_gvr *r, bool *out, struct err *e)
{
    AUTO_JSON list = NULL;
    errc rc = resource_list(c, r->group, r->version, &list, e);
    if (rc && rc != ERR_NOT_FOUND)
        return rc;
    bool found = false;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(list, "resources"), i, entry)
        found = found || streq(json_cstr(entry, "name"), r->resource);
    *out = found;
    return ERR_OK;
}

static errc each_of(struct kube_client *c, const char *group, const char *version, each_fn *each, void *self, struct err *e)
{
    AUTO_JSON list = NULL;
    errc rc = resource_list(c, group, version, &list, e);
    if (rc == ERR_NOT_FOUND || rc == ERR_UNAVAILABLE)
        return ERR_OK;          /* a CRD that just left, an aggregated API that is down: the others still count */
    if (rc)
        return rc;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(list, "resources"), i, entry) {
        const char *name = json_cstr(entry, "name");
        if (!name || strchr(name, '/'))
            continue;
        struct kube_gvr r = { group, version, name };
        each(self, &r, json_cstr(entry, "kind"), json_flag(entry, "namespaced", false), json_object_get(entry, "verbs"));
    }
    return ERR_OK;
}

errc kube_each_resource(struct kube_client *c, each_fn *each, void *self, struct err *e)
{
    AUTO_JSON groups = NULL;
    TRY(each_of(c, "", "v1", each, self, e));
    TRY(kube_do_json(c, &(struct kube_call){ .method = "GET", .path = "/apis" }, &groups, e));
    size_t i;
    json_t *group;
    json_array_foreach(json_object_get(groups, "groups"), i, group) {
        const char *name = json_cstr(group, "name"), *version = json_str_at(group, "preferredVersion", "version", NULL);
        if (name && version)
            TRY(each_of(c, name, version, each, self, e));
    }
    return ERR_OK;
}
