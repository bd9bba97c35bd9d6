/* JSON patch (RFC 6902) and JSON merge patch (RFC 7396). */
#include "apiserver/patch.h"

#include "base/mem.h"

#define OPS_MAX 10000

static errc cannot_apply(struct err *e, const char *why, const char *path)
{
    return err_set(e, ERR_INVALID, "json patch: %s: %s", why, path);
}

/* ~1 is "/", ~0 is "~". */
static char *unescape(struct str token)
{
    struct buf b = { 0 };

    for (size_t i = 0; i < token.n; i++) {
        if (token.p[i] == '~' && i + 1 < token.n && (token.p[i + 1] == '0' || token.p[i + 1] == '1'))
            buf_addc(&b, token.p[++i] == '0' ? '~' : '/');
        else
            buf_addc(&b, token.p[i]);
    }
    return buf_take(&b);
}

static bool array_index(const json_t *array, const char *token, bool may_end, size_t *out)
{
    size_t n = json_array_size(array);
    int64_t i;

    if (may_end && streq(token, "-")) {
        *out = n;
        return true;
    }
    if (!str_to_i64(str_of(token), &i))
        return false;
    if (i < 0)
        i += (int64_t)n;                /* json-patch counts negative ones from the end */
    *out = (size_t)i;
    return i >= 0 && (size_t)i < n + may_end;
}

static json_t *child(const json_t *j, const char *token)
{
    size_t i;

    if (json_is_object(j))
        return json_object_get(j, token);
    return json_is_array(j) && array_index(j, token, false, &i) ? json_array_get(j, i) : NULL;
}

/* The container that the last token of the path is in, and that token (malloc'd). The root itself has no container. */
static errc find_parent(json_t *doc, const char *path, json_t **parent, char **last, struct err *e)
{
    struct str rest = str_of(path), token;

    if (*path != '/')
        return cannot_apply(e, "no such place", path);
    rest = str_from(rest, 1);
    *parent = doc;
    while (str_cut(rest, '/', &token, &rest)) {
        AUTO_MEM char *name = unescape(token);
        *parent = child(*parent, name);
        if (!*parent)
            return cannot_apply(e, "no such place", path);
    }
    *last = unescape(token);
    return ERR_OK;
}

static errc get_at(json_t *doc, const char *path, json_t **out, struct err *e)
{
    AUTO_MEM char *last = NULL;
    json_t *parent;

    *out = doc;
    if (!*path)
        return ERR_OK;
    TRY(find_parent(doc, path, &parent, &last, e));
    *out = child(parent, last);
    return *out ? ERR_OK : cannot_apply(e, "no such place", path);
}

/* Takes value. insert: array items move up; else the item is replaced. */
static errc put_at(json_t **doc, const char *path, json_t *value, bool insert, struct err *e)
{
    AUTO_MEM char *last = NULL;
    AUTO_JSON owned = value;
    json_t *parent;
    size_t i;

    if (!*path) {
        json_decref(*doc);
        *doc = TAKE(owned);
        return ERR_OK;
    }
    TRY(find_parent(*doc, path, &parent, &last, e));
    if (json_is_object(parent)) {
        json_put(parent, last, TAKE(owned));
        return ERR_OK;
    }
    if (!json_is_array(parent) || !array_index(parent, last, insert, &i))
        return cannot_apply(e, "no such place", path);
    if (insert)
        json_array_insert_new(parent, i, TAKE(owned));
    else
        json_array_set_new(parent, i, TAKE(owned));
    return ERR_OK;
}

static errc remove_at(json_t *doc, const char *path, struct err *e)
{
    AUTO_MEM char *last = NULL;
    json_t *parent;
    size_t i;

    TRY(find_parent(doc, path, &parent, &last, e));
    if (json_is_object(parent) && json_object_get(parent, last)) {
        json_object_del(parent, last);
        return ERR_OK;
    }
    if (!json_is_array(parent) || !array_index(parent, last, false, &i))
        return cannot_apply(e, "no such place", path);
    json_array_remove(parent, i);
    return ERR_OK;
}

static errc op_add(json_t **doc, const char *path, const char *from, const json_t *value, struct err *e)
{
    return put_at(doc, path, json_deep_copy(value), true, e);
}

static errc op_remove(json_t **doc, const char *path, const char *from, const json_t *value, struct err *e)
{
    return remove_at(*doc, path, e);
}

/* A member that is not there is added: what the server's library does. */
static errc op_replace(json_t **doc, const char *path, const char *from, const json_t *value, struct err *e)
{
    return put_at(doc, path, json_deep_copy(value), false, e);
}

static errc op_copy(json_t **doc, const char *path, const char *from, const json_t *value, struct err *e)
{
    json_t *source;

    TRY(get_at(*doc, from, &source, e));
    return put_at(doc, path, json_deep_copy(source), true, e);
}

static errc op_move(json_t **doc, const char *path, const char *from, const json_t *value, struct err *e)
{
    json_t *source;

    TRY(get_at(*doc, from, &source, e));
    AUTO_JSON held = json_incref(source);
    TRY(remove_at(*doc, from, e));
    return put_at(doc, path, TAKE(held), true, e);
}

static errc op_test(json_t **doc, const char *path, const char *from, const json_t *value, struct err *e)
{
    struct err missing;
    json_t *found = NULL;

    if (get_at(*doc, path, &found, &missing))
        return json_is_null(value) ? ERR_OK : err_set(e, missing.code, "%s", missing.text);
    return json_equal(found, value) ? ERR_OK : cannot_apply(e, "test failed", path);
}

static const struct { const char *name; errc (*run)(json_t **, const char *, const char *, const json_t *, struct err *); bool value, from; } ops_table[] = {
    { "add", op_add, true, false }, { "remove", op_remove, false, false }, { "replace", op_replace, true, false },
    { "copy", op_copy, false, true }, { "move", op_move, false, true }, { "test", op_test, false, false },
};

static errc run_op(json_t **doc, const json_t *op, struct err *e)
{
    const char *name = json_cstr(op, "op"), *path = json_cstr(op, "path"), *from = json_cstr(op, "from");
    AUTO_JSON null = json_null();
    json_t *value = json_object_get(op, "value");

    for (size_t i = 0; i < ARRAY_LEN(ops_table); i++) {
        if (!streq(ops_table[i].name, name))
            continue;
        if (!path || (ops_table[i].from && !from) || (ops_table[i].value && !value))
            return cannot_apply(e, "an operation lacks a member", name);
        return ops_table[i].run(doc, path, from, value ? value : null, e);
    }
    return cannot_apply(e, "unknown operation", name ? name : "");
}

errc patch_json(const json_t *object, const json_t *ops, json_t **out, struct err *e)
{
    const json_t *op;
    size_t i;

    if (!json_is_array(ops))
        return err_set(e, ERR_BAD_REQUEST, "error decoding patch: json: cannot unmarshal %s into Go value of type []handlers.jsonPatchOp",
                       json_is_object(ops) ? "object" : json_is_string(ops) ? "string" : json_is_boolean(ops) ? "bool" : "number");
    if (json_array_size(ops) > OPS_MAX)
        return err_set(e, ERR_TOO_LARGE, "The allowed maximum operations in a JSON patch is %d, got %zu", OPS_MAX, json_array_size(ops));
    AUTO_JSON doc = json_deep_copy(object);
    json_array_foreach(ops, i, op)
        TRY(run_op(&doc, op, e));
    if (!json_is_object(doc))
        return cannot_apply(e, "the object was replaced", "");
    *out = TAKE(doc);
    return ERR_OK;
}

/* Changes target, an object. */
static void merge_into(json_t *target, json_t *patch)
{
    const char *key;
    json_t *value;

    json_object_foreach(patch, key, value) {
        if (json_is_null(value)) {
            json_object_del(target, key);
        } else if (json_is_object(value)) {
            json_t *sub = json_object_get(target, key);
            if (!json_is_object(sub))
                json_put(target, key, json_object());
            merge_into(json_object_get(target, key), value);
        } else {
            json_put(target, key, json_deep_copy(value));
        }
    }
}

errc patch_merge(const json_t *object, const json_t *patch, json_t **out, struct err *e)
{
    AUTO_JSON copy = json_deep_copy(patch);

    if (!json_is_object(patch))
        return err_set(e, ERR_BAD_REQUEST, "error decoding patch: json: cannot unmarshal %s into Go value of type map[string]interface {}",
                       json_is_array(patch) ? "array" : json_is_string(patch) ? "string" : json_is_boolean(patch) ? "bool" : "number");
    *out = json_deep_copy(object);
    merge_into(*out, copy);
    return ERR_OK;
}

/* ---- Go's %v ----------------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void go_map(json_t *j, struct buf *out)
{
    const char **keys = xcalloc(json_object_size(j) + 1, sizeof *keys), *key;
    json_t *value;
    size_t n = 0;

    json_object_foreach(j, key, value)
        keys[n++] = key;
    qsort(keys, n, sizeof *keys, by_text);
    buf_adds(out, "map[");
    for (size_t i = 0; i < n; i++) {
        buf_addf(out, "%s%s:", i ? " " : "", keys[i]);
        patch_go_text(json_object_get(j, keys[i]), out);
    }
    buf_addc(out, ']');
    free(keys);
}

void patch_go_text(const json_t *j, struct buf *out)
{
    const json_t *item;
    size_t i;

    switch (j ? json_typeof(j) : JSON_NULL) {
    case JSON_OBJECT:
        go_map((json_t *)(uintptr_t)j, out);
        return;
    case JSON_ARRAY:
        buf_addc(out, '[');
        json_array_foreach(j, i, item) {
            buf_adds(out, i ? " " : "");
            patch_go_text(item, out);
        }
        buf_addc(out, ']');
        return;
    case JSON_STRING:
        buf_addstr(out, json_to_str(j));
        return;
    case JSON_NULL:
        buf_adds(out, "<nil>");
        return;
    default:
        json_write(j, out);
    }
}
