/* The objects of an informer and their index by owner, which is made when somebody asks for it first: most never do. */
#include "base/map.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "kube/priv.h"

struct objcache {
    struct map *objects;                /* id -> json_t, a reference each */
    struct map *owners;                 /* uid -> map of id -> json_t (borrowed from objects); NULL: not asked for yet */
};

static void unref(void *p) { json_decref(p); }
static void free_owned(void *p) { map_free(p); }

struct objcache *objcache_new(void)
{
    struct objcache *c = xzalloc(sizeof *c);
    c->objects = map_new(unref);
    return c;
}

void objcache_free(struct objcache *c)
{
    if (!c)
        return;
    map_free(c->owners);
    map_free(c->objects);
    free(c);
}

char *objcache_id(const char *ns, const char *name) { return xasprintf("%s/%s", ns ? ns : "", name ? name : ""); }

static void owners_add(struct objcache *c, const char *id, json_t *obj)
{
    size_t i;
    json_t *ref;
    if (!c->owners)
        return;
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

static void owners_del(struct objcache *c, const char *id, const json_t *obj)
{
    size_t i;
    json_t *ref;
    if (!c->owners)
        return;
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

json_t *objcache_get(const struct objcache *c, const char *id) { return map_get(c->objects, str_of(id)); }

json_t *objcache_take(struct objcache *c, const char *id)
{
    json_t *obj = map_take(c->objects, str_of(id));
    if (obj)
        owners_del(c, id, obj);
    return obj;
}

bool objcache_put(struct objcache *c, json_t *obj, json_t **out_old)
{
    AUTO_MEM char *id = objcache_id(kube_namespace(obj), kube_name(obj));
    const json_t *now = objcache_get(c, id);
    if (now && streq(kube_resource_version(now), kube_resource_version(obj))) {
        json_decref(obj);
        return false;
    }
    *out_old = objcache_take(c, id);
    map_put(c->objects, str_of(id), obj);
    owners_add(c, id, obj);
    return true;
}

bool objcache_next(const struct objcache *c, size_t *at, struct str *id, json_t **obj)
{
    void *value;
    if (!map_next(c->objects, at, id, &value))
        return false;
    *obj = value;
    return true;
}

static void owners_index(struct objcache *c)
{
    struct str id;
    void *obj;
    c->owners = map_new(free_owned);
    for (size_t at = 0; map_next(c->objects, &at, &id, &obj);)
        owners_add(c, id.p, obj);
}

json_t *objcache_owned_by(struct objcache *c, const char *uid)
{
    json_t *out = json_array();
    if (!c->owners)
        owners_index(c);
    struct map *owned = uid ? map_get(c->owners, str_of(uid)) : NULL;
    struct str id;
    void *obj;
    for (size_t at = 0; owned && map_next(owned, &at, &id, &obj);)
        json_array_append(out, obj);
    return out;
}

size_t objcache_len(const struct objcache *c) { return map_len(c->objects); }
