/*
 * Strategic merge patch: lists merge by the keys that the type names. Directives and order rules:
 * k8s.io/apimachinery/pkg/util/strategicpatch and the design proposal "preserve order in strategic merge patch".
 *
 * Order of a merged list: items that the patch names come in the patch's order, the others in the server's; where the two meet, the
 * server's order decides, and an item new to the server goes first.
 */
#include "apiserver/patch.h"

#include "base/mem.h"

#define DIRECTIVE       "$patch"
#define RETAIN_KEYS     "$retainKeys"
#define SET_ORDER       "$setElementOrder/"
#define DELETE_FROM     "$deleteFromPrimitiveList/"

struct merger { struct err *err; };

static errc merge_object(const struct merger *m, const struct type *t, json_t *object, const json_t *patch, json_t **replaced);

static errc bad(const struct merger *m, const char *what) { return err_set(m->err, ERR_BAD_REQUEST, "%s", what); }

static errc no_merge_key(const struct merger *m, const json_t *item, const char *key)
{
    AUTO_BUF text = { 0 };

    patch_go_text(item, &text);
    return err_set(m->err, ERR_INTERNAL, "map: %s does not contain declared merge key: %s", buf_cstr(&text), key);
}

static errc unknown_directive(const struct merger *m, const json_t *item)
{
    AUTO_BUF directive = { 0 };
    AUTO_BUF text = { 0 };

    patch_go_text(json_object_get(item, DIRECTIVE), &directive);
    patch_go_text(item, &text);
    return err_set(m->err, ERR_INTERNAL, "unknown patch type: %s in map: %s", buf_cstr(&directive), buf_cstr(&text));
}

/* A copy without directives and without nulls; NULL when the value is itself a directive. New reference. */
static json_t *plain(const json_t *j)
{
    if (json_is_object(j)) {
        json_t *out, *value, *from = (json_t *)(uintptr_t)j;
        const char *key;
        if (json_object_get(j, DIRECTIVE))
            return NULL;
        out = json_object();
        json_object_foreach(from, key, value) {
            json_t *v = json_is_null(value) ? NULL : plain(value);
            if (v)
                json_put(out, key, v);
        }
        return out;
    }
    if (json_is_array(j)) {
        json_t *out = json_array();
        const json_t *item;
        size_t i;
        json_array_foreach(j, i, item) {
            json_t *v = plain(item);
            if (v)
                json_push(out, v);
        }
        return out;
    }
    return json_deep_copy(j);
}

/* Merge keys are compared as Go prints them: 80 equals "80". */
static bool same_key(const json_t *a, const json_t *b)
{
    AUTO_BUF ta = { 0 };
    AUTO_BUF tb = { 0 };

    patch_go_text(a, &ta);
    patch_go_text(b, &tb);
    return str_eq(buf_str(&ta), buf_str(&tb));
}

/* Position of the item that is v (or, with a key, has v's key); -1. */
static int position(const json_t *list, const json_t *v, const char *key)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item) {
        if (key ? json_object_get(item, key) && same_key(json_object_get(item, key), json_object_get(v, key)) : same_key(item, v))
            return (int)i;
    }
    return -1;
}

static errc need_keys(const struct merger *m, const json_t *list, const char *key)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
        if (!json_is_object(item) || !json_object_get(item, key))
            return no_merge_key(m, item, key);
    return ERR_OK;
}

struct ranked { json_t *item; int rank; size_t at; };

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1) : (x->at < y->at ? -1 : x->at > y->at);
}

/* Stable: by the position in `order`. */
static json_t *sorted_by(const json_t *list, const json_t *order, const char *key)
{
    struct ranked *r = xcalloc(json_array_size(list) + 1, sizeof *r);
    json_t *out = json_array();

    for (size_t i = 0; i < json_array_size(list); i++)
        r[i] = (struct ranked){ json_array_get(list, i), position(order, json_array_get(list, i), key), i };
    qsort(r, json_array_size(list), sizeof *r, by_rank);
    for (size_t i = 0; i < json_array_size(list); i++)
        json_array_append(out, r[i].item);
    free(r);
    return out;
}

/* Puts `merged` in order: `patch_order` for what it names, `server` for the rest. New reference. */
static json_t *ordered(const json_t *merged, const json_t *patch_order, const json_t *server, const char *key)
{
    AUTO_JSON named = json_array();
    AUTO_JSON others = json_array();
    json_t *out = json_array(), *item;
    size_t i, k = 0;

    json_array_foreach(merged, i, item)
        json_array_append(position(patch_order, item, key) >= 0 ? named : others, item);
    AUTO_JSON right = sorted_by(named, patch_order, key);
    AUTO_JSON left = sorted_by(others, server, key);
    for (i = 0; i < json_array_size(left) || k < json_array_size(right);) {
        json_t *l = json_array_get(left, i), *r = json_array_get(right, k);
        int li = l ? position(server, l, key) : -1, ri = r ? position(server, r, key) : -1;
        bool take_left = !r || (l && li >= 0 && ri >= 0 && li < ri);
        json_array_append(out, take_left ? l : r);
        i += take_left;
        k += !take_left;
    }
    return out;
}

static json_t *without(const json_t *list, const json_t *gone, const char *key)
{
    json_t *out = json_array(), *item;
    size_t i;

    json_array_foreach(list, i, item)
        if (position(gone, item, key) < 0)
            json_array_append(out, item);
    return out;
}

/* Splits a patch list: what to merge, what to delete; *replace when an item says so. */
static errc read_directives(const struct merger *m, const json_t *patch, const char *key, json_t *items, json_t *deletes, bool *replace)
{
    json_t *item;
    size_t i;

    json_array_foreach(patch, i, item) {
        const char *d = json_cstr(item, DIRECTIVE);
        if (!json_object_get(item, DIRECTIVE)) {
            json_array_append(items, item);
        } else if (streq(d, "delete")) {
            if (!json_object_get(item, key))
                return no_merge_key(m, item, key);
            json_array_append(deletes, item);
        } else if (streq(d, "replace")) {
            *replace = true;
        } else if (streq(d, "merge")) {
            return err_set(m->err, ERR_INTERNAL, "merging lists cannot yet be specified in the patch");
        } else {
            return unknown_directive(m, item);
        }
    }
    return ERR_OK;
}

static errc merge_item(const struct merger *m, const struct type *t, json_t *list, const json_t *item, const char *key)
{
    if (!json_is_object(item) || !json_object_get(item, key))
        return no_merge_key(m, item, key);
    int at = position(list, item, key);
    if (at < 0) {                       /* as it is: upstream does not look for directives inside a new item either */
        json_push(list, json_deep_copy(item));
        return ERR_OK;
    }
    AUTO_JSON target = json_deep_copy(json_array_get(list, (size_t)at));
    json_t *replaced = NULL;
    TRY(merge_object(m, t, target, item, &replaced));
    json_array_set_new(list, (size_t)at, replaced ? replaced : TAKE(target));
    return ERR_OK;
}

static errc merge_objects_list(const struct merger *m, const struct field *f, const json_t *list, const json_t *patch, const char *key,
                               const json_t *order, json_t **out)
{
    AUTO_JSON items = json_array();
    AUTO_JSON deletes = json_array();
    bool replace = false;
    json_t *item;
    size_t i;

    TRY(read_directives(m, patch, key, items, deletes, &replace));
    if (replace) {
        *out = plain(items);
        return ERR_OK;
    }
    AUTO_JSON server = without(list, deletes, key);
    AUTO_JSON merged = json_copy(server);
    json_array_foreach(items, i, item)
        TRY(merge_item(m, f->item->type, merged, item, key));
    if (order)
        TRY(need_keys(m, order, key));
    *out = ordered(merged, order ? order : items, order ? list : server, key);
    return ERR_OK;
}

static json_t *merge_scalars(const json_t *list, const json_t *patch, const json_t *order)
{
    AUTO_JSON merged = json_array();
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
        if (position(merged, item, NULL) < 0)
            json_array_append(merged, item);
    json_array_foreach(patch, i, item)
        if (position(merged, item, NULL) < 0)
            json_array_append(merged, item);
    return ordered(merged, order ? order : patch, list, NULL);
}

/* patch may be NULL (only an order is given); list may be NULL. */
static errc merge_list(const struct merger *m, const struct field *f, const json_t *list, const json_t *patch, const json_t *order, json_t **out)
{
    const char *key = f->rules ? f->rules->merge_key : NULL;
    AUTO_JSON empty = json_array();

    if (!(f->flags & FIELD_PATCH_MERGE)) {
        *out = patch ? json_deep_copy(patch) : json_deep_copy(list);
        return ERR_OK;
    }
    if (f->item->kind != FIELD_OBJECT) {
        *out = merge_scalars(list ? list : empty, patch ? patch : empty, order);
        return ERR_OK;
    }
    if (!key)
        return err_set(m->err, ERR_INTERNAL, "cannot merge lists without merge key for %s", f->json);
    return merge_objects_list(m, f, list ? list : empty, patch ? patch : empty, key, order, out);
}

/* The field that a directive such as $setElementOrder/containers is about; NULL: none. */
static const char *directive_target(const char *key, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(key, prefix, n) == 0 ? key + n : NULL;
}

static errc find_field(const struct merger *m, const struct type *t, const char *key, const struct field **out)
{
    *out = t ? type_field(t, key) : NULL;
    if (t && !*out && !(t->flags & TYPE_PRESERVE))
        return err_set(m->err, ERR_INTERNAL, "unable to find api field in struct %s for the json field \"%s\"",
                       strrchr(t->name, '.') ? strrchr(t->name, '.') + 1 : t->name, key);
    return ERR_OK;
}

static bool in_list(const json_t *list, const char *s)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
        if (streq(json_string_value(item), s))
            return true;
    return false;
}

static errc retain_keys(const struct merger *m, json_t *object, json_t *patch)
{
    json_t *keep = json_object_get(patch, RETAIN_KEYS), *value;
    const char *key;
    void *next;

    if (!keep)
        return ERR_OK;
    if (!json_is_array(keep))
        return bad(m, "invalid patch format of retainKeys");
    json_object_foreach(patch, key, value)
        if (*key != '$' && !json_is_null(value) && !in_list(keep, key))
            return bad(m, "invalid patch format of retainKeys");
    json_object_foreach_safe(object, next, key, value)
        if (!in_list(keep, key))
            json_object_del(object, key);
    return ERR_OK;
}

static errc set_order(const struct merger *m, const struct type *t, json_t *object, const json_t *patch, const char *name, const json_t *order)
{
    json_t *list = json_object_get(object, name), *part = json_object_get(patch, name), *out = NULL;
    const struct field *f;

    if (!json_is_array(order) || (part && !json_is_array(part) && !json_is_null(part)))
        return bad(m, "invalid patch format of setElementOrder list");
    TRY(find_field(m, t, name, &f));
    if (!f || f->kind != FIELD_LIST || (!list && !part) || json_is_null(part))
        return ERR_OK;
    if (!list && part)
        list = NULL;
    TRY(merge_list(m, f, list, part, order, &out));
    json_put(object, name, out);
    return ERR_OK;
}

static errc delete_from(const struct merger *m, json_t *object, const char *name, const json_t *gone)
{
    json_t *list = json_object_get(object, name);

    if (!json_is_array(gone))
        return bad(m, "invalid patch format of primitive list");
    if (json_is_array(list))
        json_put(object, name, without(list, gone, NULL));
    return ERR_OK;
}

/* Which shape a Go converter refuses before anything else. */
static errc check_shape(const struct merger *m, const struct field *f, const json_t *value)
{
    if (f->kind == FIELD_LIST && json_is_object(value))
        return err_set(m->err, ERR_INVALID, "cannot restore slice from map");
    if ((f->kind == FIELD_OBJECT || f->kind == FIELD_MAP) && (json_is_array(value) || json_is_string(value) || json_is_number(value) || json_is_boolean(value)))
        return err_set(m->err, ERR_INVALID, "cannot restore %s from %s", f->kind == FIELD_MAP ? "map" : "struct",
                       json_is_array(value) ? "slice" : json_is_string(value) ? "string" : json_is_boolean(value) ? "bool" : "int64");
    return ERR_OK;
}

static errc merge_member(const struct merger *m, const struct type *t, json_t *object, const char *key, const json_t *value)
{
    json_t *have = json_object_get(object, key), *out = NULL;
    const struct field *f = t ? type_field(t, key) : NULL;

    if (json_is_null(value)) {
        json_object_del(object, key);
        return ERR_OK;
    }
    if (f)
        TRY(check_shape(m, f, value));
    if (json_is_object(have) && json_is_object(value)) {
        TRY(find_field(m, t, key, &f));
        AUTO_JSON target = json_deep_copy(have);
        TRY(merge_object(m, f && f->kind == FIELD_OBJECT ? f->type : NULL, target, value, &out));
        json_put(object, key, out ? out : TAKE(target));
        return ERR_OK;
    }
    if (json_is_array(have) && json_is_array(value)) {
        TRY(find_field(m, t, key, &f));
        if (f && f->kind == FIELD_LIST)
            TRY(merge_list(m, f, have, value, NULL, &out));
        json_put(object, key, out ? out : json_deep_copy(value));
        return ERR_OK;
    }
    out = plain(value);
    if (out)
        json_put(object, key, out);
    else
        json_object_del(object, key);
    return ERR_OK;
}

static errc merge_members(const struct merger *m, const struct type *t, json_t *object, json_t *patch)
{
    const char *key, *name;
    json_t *value;

    json_object_foreach(patch, key, value)
        if ((name = directive_target(key, SET_ORDER)))
            TRY(set_order(m, t, object, patch, name, value));
    json_object_foreach(patch, key, value) {
        AUTO_BUF order = { 0 };
        buf_addf(&order, SET_ORDER "%s", key);
        if (streq(key, RETAIN_KEYS) || directive_target(key, SET_ORDER))
            continue;
        if ((name = directive_target(key, DELETE_FROM)))
            TRY(delete_from(m, object, name, value));
        else if (json_is_null(value) || !json_object_get(patch, buf_cstr(&order)))
            TRY(merge_member(m, t, object, key, value));
    }
    return ERR_OK;
}

/* Changes object; *replaced is set instead when a directive gives a whole new one. t NULL: a map or unknown. */
static errc merge_object(const struct merger *m, const struct type *t, json_t *object, const json_t *patch, json_t **replaced)
{
    AUTO_JSON copy = json_copy((json_t *)(uintptr_t)patch);
    const char *directive = json_cstr(patch, DIRECTIVE);

    if (json_object_get(patch, DIRECTIVE)) {
        if (!streq(directive, "replace") && !streq(directive, "delete"))
            return unknown_directive(m, patch);
        json_object_del(copy, DIRECTIVE);
        *replaced = streq(directive, "delete") ? json_object() : json_deep_copy(copy);
        return ERR_OK;
    }
    TRY(retain_keys(m, object, copy));
    return merge_members(m, t, object, copy);
}

errc patch_strategic(const struct type *t, const json_t *object, const json_t *patch, json_t **out, struct err *e)
{
    struct merger m = { e };
    json_t *replaced = NULL;

    if (!json_is_object(patch))
        return err_set(e, ERR_BAD_REQUEST, "error decoding patch: json: cannot unmarshal %s into Go value of type map[string]interface {}",
                       json_is_array(patch) ? "array" : json_is_string(patch) ? "string" : json_is_boolean(patch) ? "bool" : "number");
    AUTO_JSON target = json_deep_copy(object);
    TRY(merge_object(&m, t, target, patch, &replaced));
    *out = replaced ? replaced : TAKE(target);
    return ERR_OK;
}
