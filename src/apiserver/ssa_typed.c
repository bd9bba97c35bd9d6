/*
 * Walks over values with their types: what a config names, how two objects differ, merging, removing. A value without a type (below
 * x-kubernetes-preserve-unknown-fields) is deduced: objects are maps, lists are atomic.
 */
#include "apiserver/ssa_priv.h"

#include "base/mem.h"

enum shape { LEAF, MAP, LIST };         /* MAP: structs too. LIST: associative only */

static enum shape shape_of(const struct field *f, const json_t *v)
{
    if (!f || (f->kind == FIELD_ANY && f->flags & FIELD_PRESERVE))
        return json_is_object(v) ? MAP : LEAF;
    switch ((enum field_kind)f->kind) {
    case FIELD_OBJECT:
        if (f->flags & FIELD_ATOMIC || f->type->flags & TYPE_ATOMIC)
            return LEAF;
        return json_is_object(v) ? MAP : LEAF;
    case FIELD_MAP:
        return !(f->flags & FIELD_ATOMIC) && json_is_object(v) ? MAP : LEAF;
    case FIELD_LIST:
        return f->flags & (FIELD_LIST_SET | FIELD_LIST_MAP) && json_is_array(v) ? LIST : LEAF;
    default:
        return LEAF;
    }
}

static size_t count_of(const json_t *v) { return json_is_object(v) ? json_object_size(v) : json_is_array(v) ? json_array_size(v) : 0; }

/* The type below: NULL when it must be deduced. */
static const struct field *child_of(const struct field *f, const char *name)
{
    if (!f)
        return NULL;
    if (f->kind == FIELD_OBJECT)
        return type_field(f->type, name);
    return f->kind == FIELD_MAP ? f->item : NULL;
}

static json_t *key_default(const struct field *item, const char *key)
{
    const struct field *k = item->kind == FIELD_OBJECT ? type_field(item->type, key) : NULL;

    if (k && k->rules && k->rules->def_json)
        return json_deep_copy(k->rules->def_json);
    return k && k->rules && k->rules->def ? json_loads(k->rules->def, JSON_DECODE_ANY, NULL) : NULL;
}

/* k:{"containerPort":80,"protocol":"TCP"} or v:"x"; malloc'd. NULL: *missing names the key that is not there. */
static char *element_of(const struct field *list, const json_t *item, const char **missing)
{
    AUTO_BUF text = { 0 };

    *missing = NULL;
    if (list->flags & FIELD_LIST_SET) {
        buf_adds(&text, "v:");
        json_write_sorted(item, &text);
        return buf_take(&text);
    }
    AUTO_JSON keys = json_object();
    struct str rest = str_of(list->rules->keys), name;
    while (str_next(&rest, ',', &name)) {
        AUTO_MEM char *key = xstrndup(name.p, name.n);
        json_t *v = json_object_get(item, key);
        v = v && !json_is_null(v) ? json_incref(v) : key_default(list->item, key);
        if (!v) {
            *missing = name.p;
            return NULL;
        }
        json_put(keys, key, v);
    }
    buf_adds(&text, "k:");
    json_write_sorted(keys, &text);
    return buf_take(&text);
}

/* ---- the fields a config names ------------------------------------------------------------------------------------ */

struct namer {
    struct buf errors;
    size_t n_errors;
};

static void complain(struct namer *n, const struct buf *path, const char *what)
{
    buf_addf(&n->errors, "\n  %s: %s", buf_cstr(path), what);
    n->n_errors++;
}

static void name_value(struct namer *n, const struct field *f, const json_t *v, struct buf *path, json_t *node);

static void name_child(struct namer *n, const struct field *f, const json_t *v, struct buf *path, json_t *node, const char *key, bool member)
{
    json_t *sub = json_object();

    name_value(n, f, v, path, sub);
    if (member)
        json_put(sub, ".", json_object());
    if (json_object_size(sub))
        json_put(node, key, sub);
    else
        json_decref(sub);
}

static bool declared(const struct field *f, const char *name)
{
    if (!f || f->kind != FIELD_OBJECT || type_field(f->type, name))
        return true;
    bool root = f->type->flags & TYPE_ROOT && (streq(name, "apiVersion") || streq(name, "kind"));
    return root || f->type->flags & TYPE_PRESERVE || f->flags & FIELD_PRESERVE;
}

static void name_map(struct namer *n, const struct field *f, const json_t *v, struct buf *path, json_t *node)
{
    json_t *value, *from = (json_t *)(uintptr_t)v;
    const char *name;
    size_t stem = path->n;

    json_object_foreach(from, name, value) {
        AUTO_MEM char *key = xasprintf("f:%s", name);
        buf_addf(path, ".%s", name);
        bool struct_field = f && f->kind == FIELD_OBJECT && type_field(f->type, name);      /* keys of maps are members themselves */
        if (declared(f, name))
            name_child(n, child_of(f, name), value, path, node, key, !struct_field);
        else
            complain(n, path, "field not declared in schema");
        buf_truncate(path, stem);
    }
}

/* k:{"name":"x"} as errors print it: [name="x"] */
static char *element_text(const char *element)
{
    struct buf out = { 0 };

    if (element[0] == 'v') {
        buf_addf(&out, "[=%s]", element + 2);
        return buf_take(&out);
    }
    AUTO_JSON keys = json_loads(element + 2, 0, NULL);
    const char *name, *sep = "[";
    json_t *v;
    json_object_foreach(keys, name, v) {
        AUTO_MEM char *text = json_text(v);
        buf_addf(&out, "%s%s=%s", sep, name, text);
        sep = ",";
    }
    buf_addc(&out, ']');
    return buf_take(&out);
}

static void name_list(struct namer *n, const struct field *f, const json_t *v, struct buf *path, json_t *node)
{
    const json_t *item;
    const char *missing;
    size_t i, stem = path->n;

    json_array_foreach(v, i, item) {
        AUTO_MEM char *element = element_of(f, item, &missing);
        if (!element) {
            AUTO_MEM char *what = xasprintf("element %zu: associative list with keys has an element that omits key field \"%.*s\" (and doesn't have default value)",
                                            i, (int)strcspn(missing, ","), missing);
            complain(n, path, what);
            continue;
        }
        AUTO_MEM char *shown = element_text(element);
        if (json_object_get(node, element)) {
            AUTO_MEM char *what = xasprintf("duplicate entries for key %s", shown);
            complain(n, path, what);
            continue;
        }
        buf_adds(path, shown);
        name_child(n, f->flags & FIELD_LIST_MAP ? f->item : NULL, item, path, node, element, true);
        buf_truncate(path, stem);
    }
}

static const char *wanted(const struct field *f)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_STR: return "string";
    case FIELD_BOOL: return "boolean";
    case FIELD_INT: case FIELD_NUM: return "numeric (int or float)";
    case FIELD_OBJECT: case FIELD_MAP: return "map";
    case FIELD_LIST: return "list";
    default: return NULL;
    }
}

static bool fits(const struct field *f, const json_t *v)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_STR: return json_is_string(v);
    case FIELD_BOOL: return json_is_boolean(v);
    case FIELD_INT: case FIELD_NUM: return json_is_number(v);
    case FIELD_OBJECT: case FIELD_MAP: return json_is_object(v);
    case FIELD_LIST: return json_is_array(v);
    default: return true;
    }
}

static void name_value(struct namer *n, const struct field *f, const json_t *v, struct buf *path, json_t *node)
{
    enum shape shape = shape_of(f, v);

    if (f && !json_is_null(v) && !fits(f, v)) {
        AUTO_MEM char *text = json_text(v);
        AUTO_MEM char *what = xasprintf("expected %s, got %s", wanted(f), text);
        complain(n, path, what);
        return;
    }
    if (shape == LEAF || (shape == MAP && !count_of(v)))        /* an empty associative list names nothing */
        json_put(node, ".", json_object());
    else if (shape == MAP)
        name_map(n, f, v, path, node);
    else
        name_list(n, f, v, path, node);
}

errc typed_set(const struct type *t, const json_t *object, json_t **out, struct err *e)
{
    struct field root = { .kind = FIELD_OBJECT, .type = t };
    struct namer n = { 0 };
    AUTO_BUF path = { 0 };
    AUTO_JSON set = json_object();

    name_value(&n, &root, object, &path, set);
    AUTO_BUF errors = n.errors;
    if (n.n_errors > 1)
        return err_set(e, ERR_INTERNAL, "errors:%s", buf_cstr(&errors));
    if (n.n_errors)
        return err_set(e, ERR_INTERNAL, "%s", buf_cstr(&errors) + 3);
    *out = TAKE(set);
    return ERR_OK;
}

/* ---- comparing ---------------------------------------------------------------------------------------------------- */

static void compare(const struct field *f, const json_t *l, const json_t *r, struct comparison *at);

static void attach(json_t *node, const char *key, json_t *sub)
{
    if (json_object_size(sub))
        json_put(node, key, sub);
    else
        json_decref(sub);
}

static void compare_child(const struct field *f, const json_t *l, const json_t *r, const char *key, struct comparison *at)
{
    if (l && r && json_equal(l, r))     /* most of an object stays as it is */
        return;
    struct comparison sub = { json_object(), json_object(), json_object() };

    compare(f, l, r, &sub);
    attach(at->added, key, sub.added);
    attach(at->removed, key, sub.removed);
    attach(at->modified, key, sub.modified);
}

static void compare_maps(const struct field *f, const json_t *l, const json_t *r, struct comparison *at)
{
    json_t *v, *lm = (json_t *)(uintptr_t)l, *rm = (json_t *)(uintptr_t)r;
    const char *name;

    json_object_foreach(lm, name, v) {
        AUTO_MEM char *key = xasprintf("f:%s", name);
        compare_child(child_of(f, name), v, json_object_get(r, name), key, at);
    }
    json_object_foreach(rm, name, v) {
        AUTO_MEM char *key = xasprintf("f:%s", name);
        if (!json_object_get(l, name))
            compare_child(child_of(f, name), NULL, v, key, at);
    }
}

/* Elements by their keys; items without keys (a live object may have them) are left out, doubled ones keep the first. */
static json_t *index_list(const struct field *f, const json_t *list)
{
    json_t *out = json_object(), *item;
    const char *missing;
    size_t i;

    json_array_foreach(list, i, item) {
        AUTO_MEM char *key = element_of(f, item, &missing);
        if (key && !json_object_get(out, key))
            json_put(out, key, json_incref(item));
    }
    return out;
}

static void compare_lists(const struct field *f, const json_t *l, const json_t *r, struct comparison *at)
{
    AUTO_JSON li = index_list(f, l);
    AUTO_JSON ri = index_list(f, r);
    const struct field *item = f->flags & FIELD_LIST_MAP ? f->item : NULL;
    const char *key;
    json_t *v;

    json_object_foreach(li, key, v)
        compare_child(item, v, json_object_get(ri, key), key, at);
    json_object_foreach(ri, key, v)
        if (!json_object_get(li, key))
            compare_child(item, NULL, v, key, at);
}

static void mark(json_t *node) { json_put(node, ".", json_object()); }

static void compare(const struct field *f, const json_t *l, const json_t *r, struct comparison *at)
{
    enum shape ls = l ? shape_of(f, l) : LEAF, rs = r ? shape_of(f, r) : LEAF, shape = l && !json_is_null(l) ? ls : rs;
    bool leaf = shape == LEAF || (!count_of(l) && !count_of(r)) || (l && r && !json_is_null(l) && !json_is_null(r) && ls != rs);

    if (!leaf && shape == MAP)
        compare_maps(f, l, r, at);
    else if (!leaf)
        compare_lists(f, l, r, at);
    if (!l)
        mark(at->added);
    else if (!r)
        mark(at->removed);
    else if (leaf && !json_equal(l, r))
        mark(at->modified);
}

void typed_compare(const struct type *t, const json_t *lhs, const json_t *rhs, struct comparison *out)
{
    struct field root = { .kind = FIELD_OBJECT, .type = t };

    *out = (struct comparison){ json_object(), json_object(), json_object() };
    compare(&root, lhs, rhs, out);
}

void comparison_done(struct comparison *c)
{
    json_decref(c->added);
    json_decref(c->removed);
    json_decref(c->modified);
    *c = (struct comparison){ 0 };
}

/* ---- merging ------------------------------------------------------------------------------------------------------ */

static json_t *merge(const struct field *f, const json_t *l, const json_t *r);

static json_t *merge_maps(const struct field *f, const json_t *l, const json_t *r)
{
    json_t *out = json_object(), *v, *lm = (json_t *)(uintptr_t)l, *rm = (json_t *)(uintptr_t)r;
    const char *name;

    json_object_foreach(lm, name, v)
        json_put(out, name, merge(child_of(f, name), v, json_object_get(r, name)));
    json_object_foreach(rm, name, v)
        if (!json_object_get(l, name))
            json_put(out, name, merge(child_of(f, name), NULL, v));
    return out;
}

struct merging {
    const struct field *list;
    json_t *left, *right;       /* element -> item, in order */
    json_t *done;               /* elements of the right that are out */
    json_t *out;
};

static void take(struct merging *m, const char *element)
{
    const struct field *item = m->list->flags & FIELD_LIST_MAP ? m->list->item : NULL;

    json_push(m->out, merge(item, json_object_get(m->left, element), json_object_get(m->right, element)));
    json_put(m->done, element, json_true());
}

/* The next element at or after `it` that both sides have: the order that the right side wants. */
static const char *next_shared(const struct merging *m, void *it)
{
    for (; it; it = json_object_iter_next(m->right, it))
        if (json_object_get(m->left, json_object_iter_key(it)))
            return json_object_iter_key(it);
    return NULL;
}

/*
 * Shared items come in the right side's order; items of one side only stay next to their neighbours, the left's first.
 */
static json_t *merge_lists(const struct field *f, const json_t *l, const json_t *r)
{
    struct merging m = { f, index_list(f, l), index_list(f, r), json_object(), json_array() };
    void *li = json_object_iter(m.left), *ri = json_object_iter(m.right);
    const char *shared = next_shared(&m, ri);

    while (li || ri) {
        const char *lk = li ? json_object_iter_key(li) : NULL, *rk = ri ? json_object_iter_key(ri) : NULL;
        bool in_right = lk && json_object_get(m.right, lk);
        if (lk && (!in_right || json_object_get(m.done, lk) || (rk && !streq(lk, rk) && shared && !streq(lk, shared)))) {
            if (!in_right)
                take(&m, lk);
            li = json_object_iter_next(m.left, li);
            continue;
        }
        if (!rk)
            break;
        take(&m, rk);
        bool advance = streq(shared, rk);
        ri = json_object_iter_next(m.right, ri);
        if (advance)
            shared = next_shared(&m, ri);
    }
    json_decref(m.left);
    json_decref(m.right);
    json_decref(m.done);
    return m.out;
}

static json_t *merge(const struct field *f, const json_t *l, const json_t *r)
{
    if (!r)
        return json_deep_copy(l);
    if (!l || shape_of(f, l) != shape_of(f, r) || shape_of(f, r) == LEAF)
        return json_deep_copy(r);
    return shape_of(f, r) == MAP ? merge_maps(f, l, r) : merge_lists(f, l, r);
}

json_t *typed_merge(const struct type *t, const json_t *lhs, const json_t *rhs)
{
    struct field root = { .kind = FIELD_OBJECT, .type = t };

    return merge(&root, lhs, rhs);
}

/* ---- removing ----------------------------------------------------------------------------------------------------- */

static void remove_from(const struct field *f, json_t *v, const json_t *set);

static void remove_from_list(const struct field *f, json_t *v, const json_t *set)
{
    const char *missing;

    for (size_t i = 0; i < json_array_size(v);) {
        AUTO_MEM char *key = element_of(f, json_array_get(v, i), &missing);
        const json_t *sub = key ? json_object_get(set, key) : NULL;
        if (sub && json_object_get(sub, ".")) {
            json_array_remove(v, i);
            continue;
        }
        if (sub)
            remove_from(f->flags & FIELD_LIST_MAP ? f->item : NULL, json_array_get(v, i), sub);
        i++;
    }
}

static void remove_from(const struct field *f, json_t *v, const json_t *set)
{
    json_t *child;
    const char *name;
    void *next;

    if (shape_of(f, v) == LIST) {
        remove_from_list(f, v, set);
    } else if (shape_of(f, v) == MAP) {
        json_object_foreach_safe(v, next, name, child) {
            AUTO_MEM char *key = xasprintf("f:%s", name);
            const json_t *sub = json_object_get(set, key);
            if (sub && json_object_get(sub, "."))
                json_object_del(v, name);
            else if (sub)
                remove_from(child_of(f, name), child, sub);
        }
    }
}

void typed_remove(const struct type *t, json_t *object, const json_t *set)
{
    struct field root = { .kind = FIELD_OBJECT, .type = t };

    remove_from(&root, object, set);
}
