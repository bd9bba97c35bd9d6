/* Values and how Python prints and compares them. */
#include <math.h>
#include <utf8proc.h>

#include "template/priv.h"

struct val val_list(struct arena *a) { return (struct val){ VAL_LIST, { .list = arena_new_of(a, struct list) } }; }
struct val val_dict(struct arena *a) { return (struct val){ VAL_DICT, { .dict = arena_new_of(a, struct dict) } }; }
struct val list_val(struct list *l) { return (struct val){ VAL_LIST, { .list = l } }; }

static void *grown(struct arena *a, const void *old, size_t n, size_t *cap, size_t size)
{
    *cap = *cap ? *cap * 2 : 4;
    void *p = arena_calloc(a, *cap, size);
    if (n)
        memcpy(p, old, n * size);
    return p;
}

size_t val_depth(struct val v)
{
    return val_is_sequence(v) ? v.list->depth + 1 : v.kind == VAL_DICT ? v.dict->depth + 1 : 0;
}

static void deepen(size_t *depth, size_t *weight, struct val v)
{
    size_t inside = val_is_sequence(v) ? v.list->weight : v.kind == VAL_DICT ? v.dict->weight : 0;

    if (val_depth(v) > *depth)
        *depth = val_depth(v);
    if (*weight <= VAL_WEIGHT_MAX)
        *weight += 1 + (inside > VAL_WEIGHT_MAX ? VAL_WEIGHT_MAX : inside);
}

void list_add(struct arena *a, struct list *l, struct val v)
{
    deepen(&l->depth, &l->weight, v);
    if (l->n == l->cap)
        l->v = grown(a, l->v, l->n, &l->cap, sizeof *l->v);
    l->v[l->n++] = v;
}

struct val *dict_find(const struct dict *d, struct val key)
{
    for (size_t i = 0; i < d->n; i++)
        if (val_equal(d->k[i], key))
            return &d->v[i];
    return NULL;
}

static void dict_append(struct arena *a, struct dict *d, struct val key, struct val v)
{
    deepen(&d->depth, &d->weight, v);
    if (d->n == d->cap) {
        size_t cap = d->cap;
        d->k = grown(a, d->k, d->n, &cap, sizeof *d->k);
        d->v = grown(a, d->v, d->n, &d->cap, sizeof *d->v);
    }
    d->k[d->n] = key;
    d->v[d->n++] = v;
}

void dict_put(struct arena *a, struct dict *d, struct val key, struct val v)
{
    struct val *old = dict_find(d, key);

    if (old)
        deepen(&d->depth, &d->weight, v);
    if (old)
        *old = v;
    else
        dict_append(a, d, key, v);
}

struct val val_from_json(struct arena *a, const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_NULL:
        return val_none();
    case JSON_TRUE:
    case JSON_FALSE:
        return val_bool(json_is_true(j));
    case JSON_INTEGER:
        return val_int(json_integer_value(j));
    case JSON_REAL:
        return val_float(json_real_value(j));
    case JSON_STRING:
        return val_str(json_to_str(j));
    case JSON_ARRAY: {
        struct val v = val_list(a);
        for (size_t i = 0; i < json_array_size(j); i++)
            list_add(a, v.list, val_from_json(a, json_array_get(j, i)));
        return v;
    }
    case JSON_OBJECT: {
        struct val v = val_dict(a);
        for (void *it = json_object_iter((json_t *)(uintptr_t)j); it; it = json_object_iter_next((json_t *)(uintptr_t)j, it))
            dict_append(a, v.dict, val_str(str_n(json_object_iter_key(it), json_object_iter_key_len(it))), val_from_json(a, json_object_iter_value(it)));
        return v;
    }
    }
    return val_none();
}

errc val_hashable(struct render *r, struct val v)
{
    if (v.kind == VAL_LIST || v.kind == VAL_DICT)
        return fail(r, "unhashable type: '%s'", val_type(v));
    for (size_t i = 0; v.kind == VAL_TUPLE && i < v.list->n; i++)
        TRY(val_hashable(r, v.list->v[i]));
    return ERR_OK;
}

bool val_is_number(struct val v) { return v.kind == VAL_BOOL || v.kind == VAL_INT || v.kind == VAL_FLOAT; }
bool val_is_sequence(struct val v) { return v.kind == VAL_LIST || v.kind == VAL_TUPLE; }
double val_number(struct val v) { return v.kind == VAL_FLOAT ? v.f : v.kind == VAL_BOOL ? (double)v.b : (double)v.i; }

bool val_true(struct val v)
{
    switch (v.kind) {
    case VAL_UNDEFINED:
    case VAL_NONE:
        return false;
    case VAL_BOOL:
        return v.b;
    case VAL_INT:
        return v.i != 0;
    case VAL_FLOAT:
        return v.f != 0;
    case VAL_STR:
        return v.s.n > 0;
    case VAL_LIST:
    case VAL_TUPLE:
        return v.list->n > 0;
    case VAL_DICT:
        return v.dict->n > 0;
    default:
        return true;
    }
}

static bool lists_equal(const struct list *a, const struct list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!val_equal(a->v[i], b->v[i]))
            return false;
    return true;
}

static bool dicts_equal(const struct dict *a, const struct dict *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct val *other = dict_find(b, a->k[i]);
        if (!other || !val_equal(a->v[i], *other))
            return false;
    }
    return true;
}

bool val_equal(struct val a, struct val b)
{
    if (val_is_number(a) && val_is_number(b)) {
        if (a.kind != VAL_FLOAT && b.kind != VAL_FLOAT)
            return (a.kind == VAL_BOOL ? a.b : a.i) == (b.kind == VAL_BOOL ? b.b : b.i);
        return val_number(a) == val_number(b);
    }
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case VAL_UNDEFINED:
    case VAL_NONE:
        return true;
    case VAL_STR:
        return str_eq(a.s, b.s);
    case VAL_LIST:
    case VAL_TUPLE:
        return a.list == b.list || lists_equal(a.list, b.list);
    case VAL_DICT:
        return a.dict == b.dict || dicts_equal(a.dict, b.dict);
    default:
        return a.dict == b.dict;
    }
}

const char *val_type(struct val v)
{
    static const char *const names[] = {
        [VAL_UNDEFINED] = "Undefined", [VAL_NONE] = "NoneType", [VAL_BOOL] = "bool", [VAL_INT] = "int", [VAL_FLOAT] = "float",
        [VAL_STR] = "str", [VAL_LIST] = "list", [VAL_TUPLE] = "tuple", [VAL_DICT] = "dict", [VAL_NAMESPACE] = "Namespace",
        [VAL_LOOP] = "LoopContext", [VAL_MACRO] = "Macro", [VAL_FUNCTION] = "function", [VAL_METHOD] = "method",
    };
    return names[v.kind];
}

/* Shortest text that reads back as the same double, in Python's notation. */
static void float_repr(double f, struct buf *out)
{
    char digits[40];

    if (isnan(f) || isinf(f)) {
        buf_adds(out, isnan(f) ? "nan" : f > 0 ? "inf" : "-inf");
        return;
    }
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision - 1, f);
        if (strtod(digits, NULL) == f)
            break;
    }
    char *mark = strchr(digits, 'e');
    long exponent = strtol(mark + 1, NULL, 10);
    int significant = (int)(mark - digits) - (digits[0] == '-') - (strchr(digits, '.') ? 1 : 0);
    if (exponent < -4 || exponent >= 16) {
        buf_add(out, digits, (size_t)(mark - digits));
        buf_addf(out, "e%c%02ld", exponent < 0 ? '-' : '+', labs(exponent));
        return;
    }
    int decimals = significant - 1 - (int)exponent;
    buf_addf(out, "%.*f", decimals > 0 ? decimals : 0, f);
    if (decimals <= 0)
        buf_adds(out, ".0");
}

static bool printable(int32_t cp)
{
    utf8proc_category_t c = utf8proc_category(cp);

    return cp == ' ' || !(c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CS || c == UTF8PROC_CATEGORY_CO ||
                          c == UTF8PROC_CATEGORY_CN || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP || c == UTF8PROC_CATEGORY_ZS);
}

static void str_repr(struct str s, struct buf *out)
{
    bool single = s.n && memchr(s.p, '\'', s.n), twice = s.n && memchr(s.p, '"', s.n);
    char quote = single && !twice ? '"' : '\'';

    buf_addc(out, quote);
    for (size_t at = 0; at < s.n;) {
        utf8proc_int32_t cp;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.p + at, (utf8proc_ssize_t)(s.n - at), &cp);
        if (n < 1)
            cp = 0xFFFD, n = 1;
        if (cp == quote || cp == '\\')
            buf_addf(out, "\\%c", (char)cp);
        else if (cp == '\n' || cp == '\r' || cp == '\t')
            buf_adds(out, cp == '\n' ? "\\n" : cp == '\r' ? "\\r" : "\\t");
        else if (printable(cp))
            buf_add(out, s.p + at, (size_t)n);
        else
            buf_addf(out, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)cp);
        at += (size_t)n;
    }
    buf_addc(out, quote);
}

static void list_repr(const struct list *l, bool tuple, struct buf *out)
{
    buf_addc(out, tuple ? '(' : '[');
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            buf_adds(out, ", ");
        val_repr(l->v[i], out);
    }
    if (tuple && l->n == 1)
        buf_addc(out, ',');
    buf_addc(out, tuple ? ')' : ']');
}

static void dict_repr(const struct dict *d, struct buf *out)
{
    buf_addc(out, '{');
    for (size_t i = 0; i < d->n; i++) {
        if (i)
            buf_adds(out, ", ");
        val_repr(d->k[i], out);
        buf_adds(out, ": ");
        val_repr(d->v[i], out);
    }
    buf_addc(out, '}');
}

void val_repr(struct val v, struct buf *out)
{
    if (out->n > OUTPUT_DEFAULT)        /* the caller's limit is about to say so */
        return;
    switch (v.kind) {
    case VAL_UNDEFINED:
        buf_adds(out, "Undefined");
        return;
    case VAL_NONE:
        buf_adds(out, "None");
        return;
    case VAL_BOOL:
        buf_adds(out, v.b ? "True" : "False");
        return;
    case VAL_INT:
        buf_addf(out, "%lld", (long long)v.i);
        return;
    case VAL_FLOAT:
        float_repr(v.f, out);
        return;
    case VAL_STR:
        str_repr(v.s, out);
        return;
    case VAL_LIST:
    case VAL_TUPLE:
        list_repr(v.list, v.kind == VAL_TUPLE, out);
        return;
    case VAL_DICT:
        dict_repr(v.dict, out);
        return;
    default:
        buf_addf(out, "<%s>", val_type(v));
    }
}

void val_print(struct val v, struct buf *out)
{
    if (v.kind == VAL_STR)
        buf_addstr(out, v.s);
    else if (v.kind != VAL_UNDEFINED)
        val_repr(v, out);
}

size_t str_chars(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

size_t str_char_at(struct str s, size_t chars)
{
    size_t i = 0;

    for (; i < s.n; i++)
        if (((unsigned char)s.p[i] & 0xC0) != 0x80 && chars-- == 0)
            return i;
    return s.n;
}
