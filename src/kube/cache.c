/* The objects of an informer and their index by owner. */
#include "base/map.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "kube/priv.h"

struct cache {
    struct map *objects;                /* id -> json_t, a reference each */
    struct map *owners;                 /* uid -> map of id -> json_t (borrowed from objects) */
};

static void unref(void *p) { json_decref(p); }
static void free_owned(void *p) { map_free(p); }

struct cache *cache_new(void)
{
    struct cache *c = xzalloc(sizeof *c);
    c->objects = map_new(unref);
    c->owners = map_new(free_owned);
    return c;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    map_free(c->owners);
    map_free(c->objects);
    free(c);
}

char *cache_id(const char *ns, const char *name) { return xasprintf("%s/%s", ns ? ns : "", name ? name : ""); }

static void owners_add(struct cache *c, const char *id, json_t *obj)
{
    size_t i;
    json_t *ref;
    json_array_foreach(json_at(obj, "metadata", "ownerReferences", NULL), i, ref) {
        struct str uid = str_of(json_cstr(ref, "uid"));
        if (!uid.n)
            continue;
        struct map *owned = map_get(c->owners, uid);
        if (!owned) {
            owned = map_new(NULL);
            map_put(c->owners, uid, owned);
        }
        map_put(owned, str_of(id), obj);
    }
}

static void owners_del(struct cache *c, const char *id, const json_t *obj)
{
    size_t i;
    json_t *ref;
    json_array_foreach(json_at(obj, "metadata", "ownerReferences", NULL), i, ref) {
        struct str uid = str_of(json_cstr(ref, "uid"));
        struct map *owned = uid.n ? map_get(c->owners, uid) : NULL;
        if (!owned)
            continue;
        map_del(owned, str_of(id));
        if (!map_len(owned))
            map_del(c->owners, uid);
    }
}

json_t *cache_get(const struct cache *c, const char *id) { return map_get(c->objects, str_of(id)); }

json_t *cache_take(struct cache *c, const char *id)
{
    json_t *obj = map_take(c->objects, str_of(id));
    if (obj)
        owners_del(c, id, obj);
    return obj;
}

bool cache_put(struct cache *c, json_t *obj, json_t **out_old)
{
    AUTO_MEM char *id = cache_id(kube_namespace(obj), kube_name(obj));
    const json_t *now = cache_get(c, id);
    if (now && streq(kube_resource_version(now), kube_resource_version(obj))) {
        json_decref(obj);
        return false;
    }
    *out_old = cache_take(c, id);
    map_put(c->objects, str_of(id), obj);
    owners_add(c, id, obj);
    return true;
}

bool cache_next(const struct cache *c, size_t *at, struct str *id, json_t **obj)
{
    void *value;
    if (!map_next(c->objects, at, id, &value))
        return false;
    *obj = value;
    return true;
}

json_t *cache_owned_by(const struct cache *c, const char *uid)
{
    json_t *out = json_array();
    struct map *owned = uid ? map_get(c->owners, str_of(uid)) : NULL;
    struct str id;
    void *obj;
    for (size_t at = 0; owned && map_next(owned, &at, &id, &obj);)
        json_array_append(out, obj);
    return out;
}

size_t cache_len(const struct cache *c) { return map_len(c->objects); }
