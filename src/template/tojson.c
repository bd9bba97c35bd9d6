/* The tojson filter, as transformers defines it: json.dumps without escapes for HTML. */
#include <math.h>

#include "template/filters.h"

/* json.dumps: its escapes, its separators, insertion order */
static void quoted(struct str s, bool ascii, struct buf *out)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        const char *at = c ? strchr("\"\\\b\f\n\r\t", c) : NULL;
        if (at) {
            buf_addc(out, '\\');
            buf_addc(out, "\"\\bfnrt"[at - "\"\\\b\f\n\r\t"]);
        } else if (c < 0x20) {
            buf_addf(out, "\\u%04x", c);
        } else if (c < 0x80 || !ascii) {
            buf_addc(out, (char)c);
        } else {
            uint32_t cp = c >= 0xF0 ? c & 7 : c >= 0xE0 ? c & 15 : c & 31;
            for (size_t n = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1; n && i + 1 < s.n; n--)
                cp = cp << 6 | ((unsigned char)s.p[++i] & 63);
            if (cp >= 0x10000)
                buf_addf(out, "\\u%04x\\u%04x", 0xD800 + ((cp - 0x10000) >> 10), 0xDC00 + ((cp - 0x10000) & 0x3FF));
            else
                buf_addf(out, "\\u%04x", cp);
        }
    }
    buf_addc(out, '"');
}

static void new_line(int indent, int depth, struct buf *out)
{
    if (indent < 0)
        return;
    buf_addc(out, '\n');
    for (int i = 0; i < indent * depth; i++)
        buf_addc(out, ' ');
}

static int by_key(const void *a, const void *b)
{
    const struct val *const *x = a, *const *y = b;
    return (*x)->kind == VAL_STR && (*y)->kind == VAL_STR ? str_cmp((*x)->s, (*y)->s) : 0;
}

void tojson(struct val v, bool ascii, int indent, bool sort, struct str item_sep, struct str key_sep, int depth, struct buf *out)
{
    if (out->n > OUTPUT_DEFAULT)
        return;
    if (v.kind == VAL_STR) {
        quoted(v.s, ascii, out);
    } else if (v.kind == VAL_NONE || v.kind == VAL_BOOL) {
        buf_adds(out, v.kind == VAL_NONE ? "null" : v.b ? "true" : "false");
    } else if (v.kind == VAL_FLOAT && !isfinite(v.f)) {
        buf_adds(out, isnan(v.f) ? "NaN" : v.f > 0 ? "Infinity" : "-Infinity");
    } else if (val_is_sequence(v)) {
        buf_addc(out, '[');
        for (size_t i = 0; i < v.list->n; i++) {
            if (i)
                buf_addstr(out, item_sep);
            new_line(indent, depth + 1, out);
            tojson(v.list->v[i], ascii, indent, sort, item_sep, key_sep, depth + 1, out);
        }
        if (v.list->n)
            new_line(indent, depth, out);
        buf_addc(out, ']');
    } else if (v.kind == VAL_DICT) {
        const struct val **keys = xcalloc(v.dict->n + 1, sizeof *keys);
        for (size_t i = 0; i < v.dict->n; i++)
            keys[i] = &v.dict->k[i];
        if (sort)
            qsort(keys, v.dict->n, sizeof *keys, by_key);
        buf_addc(out, '{');
        for (size_t i = 0; i < v.dict->n; i++) {
            AUTO_BUF key = { 0 };
            if (i)
                buf_addstr(out, item_sep);
            new_line(indent, depth + 1, out);
            if (keys[i]->kind != VAL_STR)
                tojson(*keys[i], ascii, -1, false, item_sep, key_sep, 0, &key);
            quoted(keys[i]->kind == VAL_STR ? keys[i]->s : buf_str(&key), ascii, out);
            buf_addstr(out, key_sep);
            tojson(v.dict->v[keys[i] - v.dict->k], ascii, indent, sort, item_sep, key_sep, depth + 1, out);
        }
        if (v.dict->n)
            new_line(indent, depth, out);
        buf_addc(out, '}');
        free(keys);
    } else {
        val_repr(v, out);
    }
}

/* A value that JSON has no word for, anywhere inside; NULL: none. */
static const char *not_json(struct val v)
{
    if (v.kind == VAL_UNDEFINED || v.kind >= VAL_NAMESPACE)
        return val_type(v);
    for (size_t i = 0; val_is_sequence(v) && i < v.list->n; i++)
        if (not_json(v.list->v[i]))
            return not_json(v.list->v[i]);
    for (size_t i = 0; v.kind == VAL_DICT && i < v.dict->n; i++)
        if (not_json(v.dict->v[i]))
            return not_json(v.dict->v[i]);
    return NULL;
}

errc f_tojson(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *separators = arg(args, 2, "separators"), *indented = arg(args, 1, "indent");
    bool indents = indented && (indented->kind == VAL_INT || indented->kind == VAL_BOOL);
    int64_t indent = indents ? arg_int(args, 1, "indent", 0) : -1;
    struct str item = indents ? STR(",") : STR(", "), key = STR(": ");
    AUTO_BUF b = { 0 };

    if (indented && indented->kind == VAL_STR)
        return fail(r, "tojson: indent must be a number");
    if (indents && indent < 0)
        indent = 0;
    if (not_json(v))
        return fail(r, "an object of type %s has no JSON form", not_json(v));
    if (separators && val_is_sequence(*separators) && separators->list->n == 2 && separators->list->v[0].kind == VAL_STR && separators->list->v[1].kind == VAL_STR)
        item = separators->list->v[0].s, key = separators->list->v[1].s;
    tojson(v, arg_bool(args, 0, "ensure_ascii", false), (int)(indent > 100 ? 100 : indent), arg_bool(args, 3, "sort_keys", false), item, key, 0, &b);
    return str_val(r, &b, out);
}
