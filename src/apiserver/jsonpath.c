#include "apiserver/jsonpath.h"

#include "base/mem.h"

#define PATH_MAX_BYTES 1024     /* filters nest: this bounds the stack */

/* Every step maps the values so far to the next ones. */
static json_t *map_values(json_t *from, void (*step)(const json_t *v, struct str arg, json_t *out), struct str arg)
{
    json_t *out = json_array(), *v;
    size_t i;

    json_array_foreach(from, i, v)
        step(v, arg, out);
    json_decref(from);
    return out;
}

static void step_key(const json_t *v, struct str key, json_t *out)
{
    AUTO_BUF name = { 0 };

    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] != '\\' || i + 1 == key.n)
            buf_addc(&name, key.p[i]);
    json_t *found = json_object_get(v, buf_cstr(&name));
    if (found)
        json_push(out, json_incref(found));
}

static void step_all(const json_t *v, struct str arg, json_t *out)
{
    size_t i;
    json_t *item;
    const char *key;

    (void)arg;
    if (json_is_array(v)) {
        json_array_foreach(v, i, item)
            json_push(out, json_incref(item));
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, item)
        json_push(out, json_incref(item));
}

static void step_index(const json_t *v, struct str arg, json_t *out)
{
    int64_t at = 0;

    if (!json_is_array(v) || !str_to_i64(arg, &at))
        return;
    if (at < 0)
        at += (int64_t)json_array_size(v);
    json_t *item = at < 0 ? NULL : json_array_get(v, (size_t)at);
    if (item)
        json_push(out, json_incref(item));
}

static struct str unquote(struct str s)
{
    s = str_trim(s);
    if (s.n >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0])
        return str_n(s.p + 1, s.n - 2);
    return s;
}

/* ?(@.key=="value"), ?(@.key!="value"), ?(@.key) */
struct filter { struct str key, value; enum { IS_THERE, IS_EQUAL, DIFFERS } how; };

static bool read_filter(struct str text, struct filter *out)
{
    size_t at;

    if (text.n < 5 || !str_has_prefix(text, STR("?(@.")) || text.p[text.n - 1] != ')')
        return false;
    text = str_n(text.p + 4, text.n - 5);
    out->how = str_find(text, STR("=="), &at) ? IS_EQUAL : str_find(text, STR("!="), &at) ? DIFFERS : IS_THERE;
    out->key = str_trim(out->how == IS_THERE ? text : str_n(text.p, at));
    out->value = out->how == IS_THERE ? STR("") : unquote(str_from(text, at + 2));
    return true;
}

/* What is not there differs from nothing. */
static bool filter_keeps(const struct filter *f, const json_t *item)
{
    AUTO_MEM char *path = xasprintf(".%.*s", STR_ARG(f->key));
    AUTO_JSON found = jsonpath_find(item, path);
    const json_t *first = json_array_get(found, 0);

    if (f->how == IS_THERE || !first)
        return f->how == DIFFERS || first;
    AUTO_MEM char *text = json_is_string(first) ? NULL : json_text(first);
    return str_is(f->value, text ? text : json_string_value(first)) == (f->how == IS_EQUAL);
}

static void step_filter(const json_t *v, struct str arg, json_t *out)
{
    struct filter f;
    size_t i;
    json_t *item;

    if (!read_filter(arg, &f))
        return;
    json_array_foreach(v, i, item)
        if (filter_keeps(&f, item))
            json_push(out, json_incref(item));
}

static json_t *step_bracket(json_t *values, struct str inner)
{
    inner = str_trim(inner);
    if (str_is(inner, "*"))
        return map_values(values, step_all, inner);
    if (inner.n && inner.p[0] == '?')
        return map_values(values, step_filter, inner);
    if (inner.n && (inner.p[0] == '\'' || inner.p[0] == '"'))
        return map_values(values, step_key, unquote(inner));
    return map_values(values, step_index, inner);
}

/* The "]" that belongs to the "[" at p, or the end. */
static const char *bracket_end(const char *p)
{
    for (int depth = 0; *p; p++) {
        depth += *p == '[' ? 1 : *p == ']' ? -1 : 0;
        if (!depth)
            break;
    }
    return p;
}

/* Where the key at p ends; a backslash takes the next character with it. */
static const char *key_end(const char *p)
{
    while (*p && *p != '.' && *p != '[')
        p += *p == '\\' && p[1] ? 2 : 1;
    return p;
}

json_t *jsonpath_find(const json_t *root, const char *path)
{
    json_t *values = json_array();

    if (strlen(path) > PATH_MAX_BYTES)
        return values;
    json_push(values, json_incref((json_t *)(uintptr_t)root));
    for (const char *p = path + (*path == '$'), *end; *p; p = end) {
        if (*p == '[') {
            end = bracket_end(p);
            values = step_bracket(values, str_n(p + 1, (size_t)(end - p - 1)));
            end += *end == ']';
            continue;
        }
        p += *p == '.';
        end = key_end(p);
        struct str key = str_n(p, (size_t)(end - p));
        if (key.n)
            values = map_values(values, str_is(key, "*") ? step_all : step_key, key);
    }
    return values;
}
