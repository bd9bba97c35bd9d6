#include "apiserver/jsonpath.h"

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

/* ?(@.key=="value"), also != and no comparison at all */
static void step_filter(const json_t *v, struct str arg, json_t *out)
{
    struct str inner = arg;
    size_t at = 0, i;
    json_t *item;
    bool equal = true, compare = true;

    if (inner.n < 5 || !str_has_prefix(inner, STR("?(@.")) || inner.p[inner.n - 1] != ')')
        return;
    inner = str_n(inner.p + 4, inner.n - 5);
    if (!str_find(inner, STR("=="), &at)) {
        equal = false;
        if (!str_find(inner, STR("!="), &at)) {
            compare = false;
            at = inner.n;
        }
    }
    struct str key = str_trim(str_n(inner.p, at)), value = compare ? unquote(str_from(inner, at + 2)) : str_n("", 0);
    AUTO_BUF path = { 0 };
    buf_addf(&path, ".%.*s", STR_ARG(key));
    json_array_foreach(v, i, item) {
        AUTO_JSON found = jsonpath_find(item, buf_cstr(&path));
        const json_t *first = json_array_get(found, 0);
        AUTO_MEM char *text = json_is_string(first) ? NULL : first ? json_text(first) : NULL;
        const char *have = json_is_string(first) ? json_string_value(first) : text;
        bool keep = compare ? (have && str_is(value, have)) == equal : first != NULL;
        if (keep)
            json_push(out, json_incref(item));
    }
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

json_t *jsonpath_find(const json_t *root, const char *path)
{
    json_t *values = json_array();
    const char *p = path;

    if (strlen(path) > PATH_MAX_BYTES)
        return values;
    json_push(values, json_incref((json_t *)(uintptr_t)root));
    if (*p == '$')
        p++;
    while (*p) {
        if (*p == '[') {
            int depth = 0;
            const char *end = p;
            for (; *end; end++) {
                depth += *end == '[' ? 1 : *end == ']' ? -1 : 0;
                if (!depth)
                    break;
            }
            values = step_bracket(values, str_n(p + 1, (size_t)(end - p - 1)));
            p = *end ? end + 1 : end;
            continue;
        }
        if (*p == '.')
            p++;
        const char *start = p;
        while (*p && *p != '.' && *p != '[')
            p += *p == '\\' && p[1] ? 2 : 1;
        struct str key = str_n(start, (size_t)(p - start));
        if (str_is(key, "*"))
            values = map_values(values, step_all, key);
        else if (key.n)
            values = map_values(values, step_key, key);
    }
    return values;
}
