/* The objects of an informer and their index by owner, which is made when somebody asks for it first: most never do. */
#include "base/flat.h"
#include "base/map.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "kube/priv.h"

/* A kept object is a reference to its tree, or a struct flat where the cache is compact. */
struct objcache {
    bool compact;
    struct map *objects;                /* id -> kept, owned */
    struct map *owners;                 /* uid -> map of id -> kept (borrowed from objects); NULL: not asked for yet */
};

static void unref(void *p) { json_decref(p); }
static void free_flat(void *p) { flat_free(p); }
static void free_owned(void *p) { map_free(p); }

struct objcache *objcache_new(bool compact)
{
    struct objcache *c = xzalloc(sizeof *c);
    c->compact = compact;
    c->objects = map_new(compact ? free_flat : unref);
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

/* ---- kept objects ------------------------------------------------------------------------------------------------------ */

static void *keep(const struct objcache *c, json_t *obj)
{
    return c->compact ? (void *)flat_new(obj) : json_incref(obj);
}

static void drop(const struct objcache *c, void *kept)
{
    c->compact ? flat_free(kept) : json_decref(kept);
}

/* A reference of the caller's own. */
static json_t *tree_of(const struct objcache *c, void *kept)
{
    return c->compact ? flat_tree(kept) : json_incref(kept);
}

static const char *meta_of(const struct objcache *c, const void *kept, const char *key)
{
    return c->compact ? flat_str_at(kept, "metadata", key, NULL) : json_str_at(kept, "metadata", key, NULL);
}

static const char *label_of(const struct objcache *c, const void *kept, const char *key)
{
    return c->compact ? flat_str_at(kept, "metadata", "labels", key, NULL) : kube_label(kept, key);
}

/* A transform may leave the version out: then only what is kept counts. */
static bool is_unchanged(const struct objcache *c, const void *before, const void *after)
{
    return streq(meta_of(c, before, "resourceVersion"), meta_of(c, after, "resourceVersion")) || (c->compact && flat_same(before, after));
}

/* ---- by owner ----------------------------------------------------------------------------------------------------------- */

static void owners_add(struct objcache *c, const char *id, const json_t *obj, void *kept)
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
        map_put(owned, str_of(id), kept);
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

static void owners_index(struct objcache *c)
{
    struct str id;
    void *kept;
    c->owners = map_new(free_owned);
    for (size_t at = 0; map_next(c->objects, &at, &id, &kept);) {
        AUTO_JSON obj = tree_of(c, kept);
        owners_add(c, id.p, obj, kept);
    }
}

json_t *objcache_owned_by(struct objcache *c, const char *uid)
{
    json_t *out = json_array();
    if (!c->owners)
        owners_index(c);
    struct map *owned = uid ? map_get(c->owners, str_of(uid)) : NULL;
    struct str id;
    void *kept;
    for (size_t at = 0; owned && map_next(owned, &at, &id, &kept);)
        json_push(out, tree_of(c, kept));
    return out;
}

/* ---- by name ------------------------------------------------------------------------------------------------------------ */

json_t *objcache_get(const struct objcache *c, const char *id)
{
    void *kept = map_get(c->objects, str_of(id));
    return kept ? tree_of(c, kept) : NULL;
}

json_t *objcache_take(struct objcache *c, const char *id)
{
    void *kept = map_take(c->objects, str_of(id));
    if (!kept)
        return NULL;
    json_t *obj = tree_of(c, kept);
    drop(c, kept);
    owners_del(c, id, obj);
    return obj;
}

bool objcache_put(struct objcache *c, const json_t *obj, json_t **out_old)
{
    AUTO_MEM char *id = objcache_id(kube_namespace(obj), kube_name(obj));
    void *kept = keep(c, (json_t *)(uintptr_t)obj);
    const void *now = map_get(c->objects, str_of(id));
    if (now && is_unchanged(c, now, kept)) {
        drop(c, kept);
        return false;
    }
    *out_old = objcache_take(c, id);
    map_put(c->objects, str_of(id), kept);
    owners_add(c, id, obj, kept);
    return true;
}

bool objcache_next_id(const struct objcache *c, size_t *at, struct str *id)
{
    void *kept;
    return map_next(c->objects, at, id, &kept);
}

/* ---- lists -------------------------------------------------------------------------------------------------------------- */

static bool is_in_namespace(struct str id, const char *ns)
{
    struct str of, name;
    return !ns || (str_cut(id, '/', &of, &name) && str_is(of, ns));
}

static bool has_labels(const struct objcache *c, const void *kept, const json_t *labels)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)labels, key, value)
        if (!streq(json_string_value(value), label_of(c, kept, key)))
            return false;
    return json_object_size(labels) > 0;
}

json_t *objcache_list(const struct objcache *c, const struct objcache_filter *f)
{
    json_t *out = json_array();
    struct str id;
    void *kept;
    for (size_t at = 0; map_next(c->objects, &at, &id, &kept);) {
        if (!is_in_namespace(id, f->ns) || (f->labels && !has_labels(c, kept, f->labels)))
            continue;
        AUTO_JSON obj = tree_of(c, kept);
        if (!f->selector || kube_selector_matches(f->selector, json_at(obj, "metadata", "labels", NULL)))
            json_array_append(out, obj);
    }
    return out;
}

size_t objcache_len(const struct objcache *c) { return map_len(c->objects); }
