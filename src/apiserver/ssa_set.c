#include "apiserver/ssa_priv.h"

#include "base/mem.h"

static bool is_member(const json_t *node) { return json_object_get(node, ".") != NULL; }

json_t *set_decode(const json_t *fields_v1)
{
    json_t *out, *child, *from = (json_t *)(uintptr_t)fields_v1;
    const char *key;

    if (!json_is_object(fields_v1))
        return NULL;
    out = json_object();
    json_object_foreach(from, key, child) {
        if (streq(key, ".")) {
            json_put(out, ".", json_object());
            continue;
        }
        json_t *sub = set_decode(child);
        if (!sub)
            continue;
        if (!json_object_size(sub))
            json_put(sub, ".", json_object());
        json_put(out, key, sub);
    }
    return out;
}

json_t *set_encode(const json_t *set)
{
    json_t *out = json_object(), *child, *from = (json_t *)(uintptr_t)set;
    const char *key;

    json_object_foreach(from, key, child) {
        if (streq(key, ".")) {
            if (json_object_size(set) > 1)
                json_put(out, ".", json_object());
        } else {
            json_put(out, key, set_encode(child));
        }
    }
    return out;
}

bool set_empty(const json_t *set) { return !json_object_size(set); }

static void unite(json_t *out, const json_t *b)
{
    json_t *child, *from = (json_t *)(uintptr_t)b;
    const char *key;

    json_object_foreach(from, key, child) {
        json_t *mine = json_object_get(out, key);
        if (mine)
            unite(mine, child);
        else
            json_put(out, key, json_deep_copy(child));
    }
}

json_t *set_union(const json_t *a, const json_t *b)
{
    json_t *out = json_deep_copy(a);

    unite(out, b);
    return out;
}

/* Members of a; those that are members of b too when `both`, else those that are not. What b does not touch is shared, not copied. */
static json_t *filter(const json_t *a, const json_t *b, bool both)
{
    json_t *child, *from = (json_t *)(uintptr_t)a;
    const char *key;

    if (set_empty(b))
        return both ? json_object() : json_incref(from);
    json_t *out = json_object();
    json_object_foreach(from, key, child) {
        if (streq(key, ".")) {
            if (is_member(b) == both)
                json_put(out, ".", json_object());
            continue;
        }
        json_t *sub = filter(child, json_object_get(b, key), both);
        if (json_object_size(sub))
            json_put(out, key, sub);
        else
            json_decref(sub);
    }
    return out;
}

json_t *set_minus(const json_t *a, const json_t *b) { return filter(a, b, false); }
json_t *set_both(const json_t *a, const json_t *b) { return filter(a, b, true); }

void set_drop_below(json_t *set, const char *dotted)
{
    struct str rest = str_of(dotted), name;
    bool more = str_cut(rest, '.', &name, &rest);
    AUTO_MEM char *key = xasprintf("f:%.*s", STR_ARG(name));
    json_t *child = json_object_get(set, key);

    if (!child)
        return;
    if (more) {
        AUTO_MEM char *tail = xstrndup(rest.p, rest.n);
        set_drop_below(child, tail);
        if (json_object_size(child))
            return;
    }
    json_object_del(set, key);
}

json_t *set_of_paths(const char *const *dotted)
{
    json_t *set = json_object();

    for (size_t i = 0; dotted[i]; i++) {
        struct str rest = str_of(dotted[i]), name;
        json_t *node = set;
        while (str_next(&rest, '.', &name)) {
            AUTO_MEM char *key = xasprintf("f:%.*s", STR_ARG(name));
            node = json_sub(node, key);
        }
        json_put(node, ".", json_object());
    }
    return set;
}

static json_t *with_named(const json_t *set, const struct field *f)
{
    json_t *out = json_object(), *child, *from = (json_t *)(uintptr_t)set;
    const char *key;

    json_object_foreach(from, key, child) {
        const struct field *sub = NULL;
        bool named = false;
        if (streq(key, ".")) {
            json_put(out, ".", json_object());
            continue;
        }
        if (f && f->kind == FIELD_OBJECT && key[0] == 'f') {
            sub = type_field(f->type, key + 2);
            named = sub != NULL;
        } else if (f && (f->kind == FIELD_MAP || f->kind == FIELD_LIST)) {
            sub = f->item;
        }
        json_t *copy = with_named(child, sub);
        if (named)
            json_put(copy, ".", json_object());
        json_put(out, key, copy);
    }
    return out;
}

json_t *set_with_named(const json_t *set, const struct type *t)
{
    struct field root = { .kind = FIELD_OBJECT, .type = t };

    return with_named(set, &root);
}

/* f:name -> .name   k:{"name":"one"} -> [name="one"]   v:"t" -> [="t"]   i:3 -> [3] */
static void add_element(const char *key, struct buf *out)
{
    AUTO_JSON keys = NULL;
    json_t *v;
    const char *name, *sep = "[";

    if (key[0] == 'f') {
        buf_addf(out, ".%s", key + 2);
        return;
    }
    if (key[0] != 'k') {
        buf_addf(out, key[0] == 'v' ? "[=%s]" : "[%s]", key + 2);
        return;
    }
    keys = json_loads(key + 2, 0, NULL);
    json_object_foreach(keys, name, v) {
        AUTO_MEM char *text = json_text(v);
        buf_addf(out, "%s%s=%s", sep, name, text);
        sep = ",";
    }
    buf_addc(out, ']');
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Members of a level come before what lies below any of them. */
static void each(const json_t *set, struct buf *path, void (*fn)(void *self, const char *path), void *self)
{
    const char **keys = xcalloc(json_object_size(set) + 1, sizeof *keys), *key;
    json_t *child, *from = (json_t *)(uintptr_t)set;
    size_t n = 0, stem = path->n;

    json_object_foreach(from, key, child)
        if (!streq(key, "."))
            keys[n++] = key;
    qsort(keys, n, sizeof *keys, by_text);
    for (int below = 0; below < 2; below++)
        for (size_t i = 0; i < n; i++) {
            add_element(keys[i], path);
            if (below)
                each(json_object_get(set, keys[i]), path, fn, self);
            else if (is_member(json_object_get(set, keys[i])))
                fn(self, buf_cstr(path));
            buf_truncate(path, stem);
        }
    free(keys);
}

void set_each(const json_t *set, void (*fn)(void *self, const char *path), void *self)
{
    AUTO_BUF path = { 0 };

    each(set, &path, fn, self);
}
