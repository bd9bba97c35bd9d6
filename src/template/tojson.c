/* The tojson filter, as transformers defines it: json.dumps without escapes for HTML. */
#include <math.h>

#include "template/filters.h"

/* The code point at s[i] in hexadecimal, in two halves where it is above U+FFFF; answers where its last byte is. */
static size_t escape_wide(struct str s, size_t i, struct buf *out)
{
    unsigned char c = (unsigned char)s.p[i];
    uint32_t cp = c >= 0xF0 ? c & 7 : c >= 0xE0 ? c & 15 : c & 31;

    for (size_t n = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1; n && i + 1 < s.n; n--)
        cp = cp << 6 | ((unsigned char)s.p[++i] & 63);
    if (cp >= 0x10000)
        buf_addf(out, "\\u%04x\\u%04x", 0xD800 + ((cp - 0x10000) >> 10), 0xDC00 + ((cp - 0x10000) & 0x3FF));
    else
        buf_addf(out, "\\u%04x", cp);
    return i;
}

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
            i = escape_wide(s, i, out);
        }
    }
    buf_addc(out, '"');
}

/* json.dumps' options. */
struct form {
    bool ascii, sort;
    int indent;                 /* below 0: everything in one line */
    struct str item, key;       /* what separates items, and a key from its value */
};

static void new_line(const struct form *f, int depth, struct buf *out)
{
    if (f->indent < 0)
        return;
    buf_addc(out, '\n');
    for (int i = 0; i < f->indent * depth; i++)
        buf_addc(out, ' ');
}

/* What stands before item i of a box whose insides are `depth` deep. */
static void begin_item(const struct form *f, size_t i, int depth, struct buf *out)
{
    if (i)
        buf_addstr(out, f->item);
    new_line(f, depth, out);
}

static void end_box(const struct form *f, size_t items, int depth, char bracket, struct buf *out)
{
    if (items)
        new_line(f, depth, out);
    buf_addc(out, bracket);
}

static void put(struct val v, const struct form *f, int depth, struct buf *out);

static void put_list(const struct list *l, const struct form *f, int depth, struct buf *out)
{
    buf_addc(out, '[');
    for (size_t i = 0; i < l->n; i++) {
        begin_item(f, i, depth + 1, out);
        put(l->v[i], f, depth + 1, out);
    }
    end_box(f, l->n, depth, ']', out);
}

/* JSON knows only texts as keys: others are quoted as they would print. */
static void put_key(struct val key, const struct form *f, struct buf *out)
{
    AUTO_BUF text = { 0 };

    if (key.kind != VAL_STR)
        put(key, &(struct form){ .ascii = f->ascii, .indent = -1, .item = f->item, .key = f->key }, 0, &text);
    quoted(key.kind == VAL_STR ? key.s : buf_str(&text), f->ascii, out);
    buf_addstr(out, f->key);
}

static int by_key(const void *a, const void *b)
{
    const struct val *const *x = a, *const *y = b;
    return (*x)->kind == VAL_STR && (*y)->kind == VAL_STR ? str_cmp((*x)->s, (*y)->s) : 0;
}

static void put_dict(const struct dict *d, const struct form *f, int depth, struct buf *out)
{
    AUTO_MEM const struct val **keys = xcalloc(d->n + 1, sizeof *keys);

    for (size_t i = 0; i < d->n; i++)
        keys[i] = &d->k[i];
    if (f->sort)
        qsort(keys, d->n, sizeof *keys, by_key);
    buf_addc(out, '{');
    for (size_t i = 0; i < d->n; i++) {
        begin_item(f, i, depth + 1, out);
        put_key(*keys[i], f, out);
        put(d->v[keys[i] - d->k], f, depth + 1, out);
    }
    end_box(f, d->n, depth, '}', out);
}

static void put(struct val v, const struct form *f, int depth, struct buf *out)
{
    if (out->n > OUTPUT_DEFAULT)
        return;
    if (v.kind == VAL_STR)
        quoted(v.s, f->ascii, out);
    else if (v.kind == VAL_NONE || v.kind == VAL_BOOL)
        buf_adds(out, v.kind == VAL_NONE ? "null" : v.b ? "true" : "false");
    else if (v.kind == VAL_FLOAT && !isfinite(v.f))
        buf_adds(out, isnan(v.f) ? "NaN" : v.f > 0 ? "Infinity" : "-Infinity");
    else if (val_is_sequence(v))
        put_list(v.list, f, depth, out);
    else if (v.kind == VAL_DICT)
        put_dict(v.dict, f, depth, out);
    else
        val_repr(v, out);
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

/* separators=(item, key); anything else leaves f as it is. */
static void take_separators(const struct val *given, struct form *f)
{
    if (!given || !val_is_sequence(*given) || given->list->n != 2)
        return;
    const struct val *pair = given->list->v;
    if (pair[0].kind == VAL_STR && pair[1].kind == VAL_STR)
        f->item = pair[0].s, f->key = pair[1].s;
}

#define INDENT_MAX 100

errc f_tojson(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *indent = arg(args, 1, "indent");
    struct form f = { .ascii = arg_bool(args, 0, "ensure_ascii", false), .sort = arg_bool(args, 3, "sort_keys", false),
                      .indent = -1, .item = STR(", "), .key = STR(": ") };
    AUTO_BUF b = { 0 };

    if (indent && indent->kind == VAL_STR)
        return fail(r, "tojson: indent must be a number");
    if (indent && (indent->kind == VAL_INT || indent->kind == VAL_BOOL)) {
        int64_t n = arg_int(args, 1, "indent", 0);
        f.indent = (int)(n < 0 ? 0 : n > INDENT_MAX ? INDENT_MAX : n);
        f.item = STR(",");
    }
    if (not_json(v))
        return fail(r, "an object of type %s has no JSON form", not_json(v));
    take_separators(arg(args, 2, "separators"), &f);
    put(v, &f, 0, &b);
    return str_val(r, &b, out);
}
