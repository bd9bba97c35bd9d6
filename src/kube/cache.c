/* The objects of an informer and their indexes by owner, label and field, each made when somebody asks for it first: most never are. */
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
    struct map *texts;                  /* label key, or ".spec.nodeName" -> map of folded value -> struct group; only what was asked for */
};

#define TEXT_KEYS_MAX 8                 /* users choose keys, too: beyond these all objects are looked through */
struct group { void **kept; size_t n, cap; };           /* borrowed from objects */

static void unref(void *p) { json_decref(p); }
static void free_flat(void *p) { flat_free(p); }
static void free_owned(void *p) { map_free(p); }
static void free_group(void *p)
{
    struct group *g = p;
    free(g->kept);
    free(g);
}

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
    map_free(c->texts);
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

/* Of a field such as ".spec.nodeName", else of a label. */
static const char *text_of(const struct objcache *c, const void *kept, const char *key)
{
    struct str section, field;

    if (*key != '.')
        return label_of(c, kept, key);
    (void)str_cut(str_of(key + 1), '.', &section, &field);
    AUTO_MEM char *in = xstrndup(section.p, section.n);
    return c->compact ? flat_str_at(kept, in, field.p, NULL) : json_str_at(kept, in, field.p, NULL);
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

/* ---- by text: of a label or a field ------------------------------------------------------------------------------------- */

/* Groups are of what differs in case only: providerIDs do. Who looks for labels compares once more. */
static char *folded(const char *value)
{
    char *text = xstrdup(value);

    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p |= 0x20;
    return text;
}

static struct group *group_of(const struct map *values, const char *value)
{
    AUTO_MEM char *text = folded(value);
    return map_get(values, str_of(text));
}

static void group_add(struct map *values, const char *value, void *kept)
{
    struct group *g = group_of(values, value);
    if (!g) {
        AUTO_MEM char *text = folded(value);
        g = xzalloc(sizeof *g);
        map_put(values, str_of(text), g);
    }
    vec_grow(g->kept, g->n, g->cap);
    g->kept[g->n++] = kept;
}

static void group_del(struct map *values, const char *value, const void *kept)
{
    struct group *g = group_of(values, value);
    for (size_t i = 0; g && i < g->n; i++)
        if (g->kept[i] == kept) {
            memmove(&g->kept[i], &g->kept[i + 1], (g->n - i - 1) * sizeof *g->kept);
            g->n--;
            break;
        }
    if (g && g->n == 0) {
        AUTO_MEM char *text = folded(value);
        map_del(values, str_of(text));
    }
}

/* A new object, or one that goes: before it is freed. */
static void texts_change(struct objcache *c, void *kept, bool present)
{
    struct str key;
    void *values;
    for (size_t at = 0; c->texts && map_next(c->texts, &at, &key, &values);) {
        const char *value = text_of(c, kept, key.p);
        if (value)
            present ? group_add(values, value, kept) : group_del(values, value, kept);
    }
}

/* NULL: too many keys have an index. */
static struct map *texts_index(struct objcache *c, const char *key)
{
    struct map *values = c->texts ? map_get(c->texts, str_of(key)) : NULL;
    struct str id;
    void *kept;
    if (values || (c->texts && map_len(c->texts) >= TEXT_KEYS_MAX))
        return values;
    if (!c->texts)
        c->texts = map_new(free_owned);
    values = map_new(free_group);
    map_put(c->texts, str_of(key), values);
    for (size_t at = 0; map_next(c->objects, &at, &id, &kept);) {
        const char *value = text_of(c, kept, key);
        if (value)
            group_add(values, value, kept);
    }
    return values;
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
    texts_change(c, kept, false);
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
    texts_change(c, kept, true);
    return true;
}

bool objcache_next_id(const struct objcache *c, size_t *at, struct str *id)
{
    void *kept;
    return map_next(c->objects, at, id, &kept);
}

/* ---- lists -------------------------------------------------------------------------------------------------------------- */

static bool has_labels(const struct objcache *c, const void *kept, const json_t *labels)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)labels, key, value)
        if (!streq(json_string_value(value), label_of(c, kept, key)))
            return false;
    return json_object_size(labels) > 0;
}

static void add_if_wanted(const struct objcache *c, const struct objcache_filter *f, void *kept, json_t *out)
{
    const char *ns = meta_of(c, kept, "namespace");
    if ((f->ns && !streq(f->ns, ns ? ns : "")) || (f->labels && !has_labels(c, kept, f->labels)))
        return;
    if (f->field && (!str_set(f->value) || !str_ieq(str_of(text_of(c, kept, f->field)), str_of(f->value))))
        return;
    AUTO_JSON obj = tree_of(c, kept);
    if (!f->selector || kube_selector_matches(f->selector, json_at(obj, "metadata", "labels", NULL)))
        json_array_append(out, obj);
}

/* Those among which all that the filter wants are; NULL: any may be. *none: an index says that there are none. */
static const struct group *candidates(struct objcache *c, const struct objcache_filter *f, bool *none)
{
    void *first = json_object_iter((json_t *)(uintptr_t)f->labels);
    const char *key = f->field ? f->field : first ? json_object_iter_key(first) : NULL;
    const char *value = f->field ? f->value : first ? json_string_value(json_object_iter_value(first)) : NULL;
    const struct map *values = key ? texts_index(c, key) : NULL;
    const struct group *g = values && value ? group_of(values, value) : NULL;

    *none = values && !g;
    return g;
}

json_t *objcache_list(struct objcache *c, const struct objcache_filter *f)
{
    json_t *out = json_array();
    bool none;
    const struct group *g = candidates(c, f, &none);
    struct str id;
    void *kept;
    for (size_t i = 0; g && i < g->n; i++)
        add_if_wanted(c, f, g->kept[i], out);
    for (size_t at = 0; !g && !none && map_next(c->objects, &at, &id, &kept);)
        add_if_wanted(c, f, kept, out);
    return out;
}

size_t objcache_len(const struct objcache *c) { return map_len(c->objects); }
