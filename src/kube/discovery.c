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

/* The versions of a group, one after the other; a resource is told of once, however many of them serve it. */
struct walk { struct kube_client *c; each_fn *each; void *self; json_t *told; };

static void tell(struct walk *w, const struct kube_gvr *r, const json_t *entry)
{
    if (json_object_get(w->told, r->resource))
        return;
    json_put(w->told, r->resource, json_true());
    w->each(w->self, r, json_cstr(entry, "kind"), json_flag(entry, "namespaced", false), json_object_get(entry, "verbs"));
}

static errc each_of(struct walk *w, const char *group, const char *version, struct err *e)
{
    AUTO_JSON list = NULL;
    errc rc = resource_list(w->c, group, version, &list, e);
    if (rc == ERR_NOT_FOUND || rc == ERR_UNAVAILABLE)
        return ERR_OK;          /* a CRD that just left, an aggregated API that is down: the others still count */
    if (rc)
        return rc;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(list, "resources"), i, entry) {
        const char *name = json_cstr(entry, "name");
        if (name && !strchr(name, '/'))
            tell(w, &(struct kube_gvr){ group, version, name }, entry);
    }
    return ERR_OK;
}

/* The preferred version first. */
static errc each_of_group(struct walk *w, const json_t *group, struct err *e)
{
    const char *name = json_cstr(group, "name"), *preferred = json_str_at(group, "preferredVersion", "version", NULL);
    size_t i;
    json_t *v;
    if (!name || !preferred)
        return ERR_OK;
    AUTO_JSON told = json_object();
    w->told = told;
    TRY(each_of(w, name, preferred, e));
    json_array_foreach(json_object_get(group, "versions"), i, v) {
        const char *version = json_cstr(v, "version");
        if (version && !streq(version, preferred))
            TRY(each_of(w, name, version, e));
    }
    return ERR_OK;
}

errc kube_each_resource(struct kube_client *c, each_fn *each, void *self, struct err *e)
{
    AUTO_JSON groups = NULL;
    AUTO_JSON core = json_object();
    struct walk w = { c, each, self, core };
    size_t i;
    json_t *group;
    TRY(each_of(&w, "", "v1", e));
    TRY(kube_do_json(c, &(struct kube_call){ .method = "GET", .path = "/apis" }, &groups, e));
    json_array_foreach(json_object_get(groups, "groups"), i, group)
        TRY(each_of_group(&w, group, e));
    return ERR_OK;
}
