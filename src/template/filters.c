/* Filters and tests by name: a new one is a function and a row. */
#include <math.h>

#include "template/priv.h"

typedef errc filter_fn(struct render *r, struct val v, const struct args *args, struct val *out);

/* Filters of text take any value's str(). */
static errc as_text(struct render *r, struct val v, struct str *out)
{
    AUTO_BUF b = { 0 };
    struct val made_text;

    if (v.kind == VAL_STR) {
        *out = v.s;
        return ERR_OK;
    }
    val_print(v, &b);
    TRY(str_val(r, &b, &made_text));
    *out = made_text.s;
    return ERR_OK;
}

static errc f_trim(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s;
    const struct val *chars = arg(args, 0, "chars");

    TRY(as_text(r, v, &s));
    return text_strip(r, s, chars && chars->kind == VAL_STR ? chars->s : (struct str){ 0 }, true, true, out);
}

static errc cased(struct render *r, struct val v, char how, struct val *out)
{
    struct str s;
    TRY(as_text(r, v, &s));
    return text_case(r, s, how, out);
}

static errc f_upper(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return cased(r, v, 'u', out); }
static errc f_lower(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return cased(r, v, 'l', out); }
static errc f_title(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return cased(r, v, 't', out); }
static errc f_capitalize(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return cased(r, v, 'c', out); }

static errc f_length(struct render *r, struct val v, const struct args *a, struct val *out)
{
    (void)a;
    if (v.kind == VAL_STR)
        *out = val_int((int64_t)str_chars(v.s));
    else if (val_is_sequence(v))
        *out = val_int((int64_t)v.list->n);
    else if (v.kind == VAL_DICT)
        *out = val_int((int64_t)v.dict->n);
    else if (v.kind == VAL_UNDEFINED)
        *out = val_int(0);
    else
        return fail(r, "%s has no length", val_type(v));
    return ERR_OK;
}

static errc f_string(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct str s;

    (void)a;
    TRY(as_text(r, v, &s));
    *out = val_str(s);
    return ERR_OK;
}

static errc f_same(struct render *r, struct val v, const struct args *a, struct val *out)
{
    (void)r, (void)a;
    *out = v;
    return ERR_OK;
}

static errc f_default(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *fallback = arg(args, 0, "default_value");

    (void)r;
    bool use = v.kind == VAL_UNDEFINED || (arg_bool(args, 1, "boolean", false) && !val_true(v));
    *out = !use ? v : fallback ? *fallback : val_str(STR(""));
    return ERR_OK;
}

static errc f_int(struct render *r, struct val v, const struct args *args, struct val *out)
{
    int64_t i;
    double f;

    (void)r;
    *out = val_int(arg_int(args, 0, "default", 0));
    if (v.kind == VAL_STR && str_to_i64(str_trim(v.s), &i))
        *out = val_int(i);
    else if (v.kind == VAL_STR && str_to_f64(str_trim(v.s), &f) && fabs(f) < 9e18)
        *out = val_int((int64_t)f);
    else if (v.kind == VAL_FLOAT && fabs(v.f) < 9e18)
        *out = val_int((int64_t)v.f);
    else if (v.kind == VAL_INT || v.kind == VAL_BOOL)
        *out = val_int(v.kind == VAL_INT ? v.i : v.b);
    return ERR_OK;
}

static errc f_float(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *fallback = arg(args, 0, "default");
    double f;

    (void)r;
    *out = fallback ? *fallback : val_float(0);
    if (v.kind == VAL_STR && str_to_f64(str_trim(v.s), &f))
        *out = val_float(f);
    else if (val_is_number(v))
        *out = val_float(val_number(v));
    return ERR_OK;
}

static errc f_abs(struct render *r, struct val v, const struct args *a, struct val *out)
{
    (void)a;
    if (!val_is_number(v) || (v.kind == VAL_INT && v.i == INT64_MIN))
        return fail(r, "abs of %s is not possible", val_type(v));
    *out = v.kind == VAL_FLOAT ? val_float(fabs(v.f)) : val_int(v.kind == VAL_BOOL ? v.b : v.i < 0 ? -v.i : v.i);
    return ERR_OK;
}

static errc f_round(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str how = arg_str(args, 1, "method", "common");

    if (!val_is_number(v))
        return fail(r, "round of %s is not possible", val_type(v));
    double scale = pow(10, (double)arg_int(args, 0, "precision", 0)), x = val_number(v) * scale;
    x = str_is(how, "ceil") ? ceil(x) : str_is(how, "floor") ? floor(x) : nearbyint(x);
    *out = val_float(x / scale);
    return ERR_OK;
}

/* ---- lists ---- */

static errc f_list(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct list *l;

    (void)a;
    TRY(val_items(r, v, &l));
    *out = list_val(l);
    return ERR_OK;
}

static errc f_first(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct list *l;

    (void)a;
    TRY(val_items(r, v, &l));
    *out = l->n ? l->v[0] : val_undefined(STR("the first item of an empty list"));
    return ERR_OK;
}

static errc f_last(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct list *l;

    (void)a;
    TRY(val_items(r, v, &l));
    *out = l->n ? l->v[l->n - 1] : val_undefined(STR("the last item of an empty list"));
    return ERR_OK;
}

/* attribute="a.b" or an index, as map, join, sort, sum take it */
static errc attribute_of(struct render *r, struct val v, const struct val *attribute, struct val *out)
{
    *out = v;
    if (!attribute || attribute->kind == VAL_NONE)
        return ERR_OK;
    if (attribute->kind != VAL_STR)
        return get_item(r, v, *attribute, out);
    struct str rest = attribute->s, part;
    while (str_next(&rest, '.', &part)) {
        int64_t i;
        struct val next;
        TRY(get_item(r, *out, str_to_i64(part, &i) ? val_int(i) : val_str(part), &next));
        *out = next;
    }
    return ERR_OK;
}

static errc f_join(struct render *r, struct val v, const struct args *args, struct val *out)
{
    AUTO_BUF b = { 0 };
    struct list *l;
    struct str sep = arg_str(args, 0, "d", "");

    TRY(val_items(r, v, &l));
    for (size_t i = 0; i < l->n; i++) {
        struct val item;
        TRY(attribute_of(r, l->v[i], arg(args, 1, "attribute"), &item));
        if (i)
            buf_addstr(&b, sep);
        val_print(item, &b);
        if (b.n > r->made_max)
            break;
    }
    return str_val(r, &b, out);
}

static errc f_reverse(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct list *l;
    AUTO_BUF b = { 0 };

    (void)a;
    TRY(val_items(r, v, &l));
    TRY(tick(r, l->n));
    *out = val_list(r->arena);
    for (size_t i = l->n; i-- > 0;) {
        list_add(r->arena, out->list, l->v[i]);
        if (v.kind == VAL_STR)
            buf_addstr(&b, l->v[i].s);
    }
    return v.kind == VAL_STR ? str_val(r, &b, out) : ERR_OK;
}

/* Merge sort over an index: stable, and it can pass an error up. */
static errc sort_keys(struct render *r, const struct val *keys, size_t *at, size_t *tmp, size_t n, bool descending)
{
    if (n < 2)
        return ERR_OK;
    size_t half = n / 2, i = 0, k = half;
    TRY(tick(r, n));
    TRY(sort_keys(r, keys, at, tmp, half, descending));
    TRY(sort_keys(r, keys, at + half, tmp, n - half, descending));
    for (size_t o = 0; o < n; o++) {
        int order = 0;
        if (i < half && k < n)
            TRY(val_compare(r, keys[at[i]], keys[at[k]], &order));
        bool left = k >= n || (i < half && (descending ? order >= 0 : order <= 0));
        tmp[o] = left ? at[i++] : at[k++];
    }
    memcpy(at, tmp, n * sizeof *at);
    return ERR_OK;
}

static errc sorted(struct render *r, struct list *l, const struct val *attribute, bool sensitive, bool descending, struct val *out)
{
    struct val *keys = arena_calloc(r->arena, l->n, sizeof *keys);
    size_t *at = arena_calloc(r->arena, l->n, sizeof *at), *tmp = arena_calloc(r->arena, l->n, sizeof *tmp);

    for (size_t i = 0; i < l->n; i++) {
        at[i] = i;
        TRY(attribute_of(r, l->v[i], attribute, &keys[i]));
        if (!sensitive && keys[i].kind == VAL_STR)
            TRY(text_case(r, keys[i].s, 'l', &keys[i]));
    }
    TRY(sort_keys(r, keys, at, tmp, l->n, descending));
    *out = val_list(r->arena);
    for (size_t i = 0; i < l->n; i++)
        list_add(r->arena, out->list, l->v[at[i]]);
    return ERR_OK;
}

static errc f_sort(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct list *l;
    TRY(val_items(r, v, &l));
    return sorted(r, l, arg(args, 2, "attribute"), arg_bool(args, 1, "case_sensitive", false), arg_bool(args, 0, "reverse", false), out);
}

static errc f_items(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct val method;

    if (v.kind == VAL_UNDEFINED) {
        *out = val_list(r->arena);
        return ERR_OK;
    }
    if (v.kind != VAL_DICT || !method_find(r, v, STR("items"), &method))
        return fail(r, "items needs a dict, not %s", val_type(v));
    return call_value(r, method, a, out);
}

static errc f_dictsort(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct val pairs, by = val_int(str_is(arg_str(args, 1, "by", "key"), "value"));

    TRY(f_items(r, v, &(struct args){ 0 }, &pairs));
    return sorted(r, pairs.list, &by, arg_bool(args, 0, "case_sensitive", false), arg_bool(args, 2, "reverse", false), out);
}

static errc f_unique(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct list *l;

    TRY(val_items(r, v, &l));
    struct val keys = val_list(r->arena);
    *out = val_list(r->arena);
    for (size_t i = 0; i < l->n; i++) {
        struct val key;
        bool seen;
        TRY(attribute_of(r, l->v[i], arg(args, 1, "attribute"), &key));
        if (key.kind == VAL_STR && !arg_bool(args, 0, "case_sensitive", false))
            TRY(text_case(r, key.s, 'l', &key));
        TRY(val_contains(r, keys, key, &seen));
        if (seen)
            continue;
        list_add(r->arena, keys.list, key);
        list_add(r->arena, out->list, l->v[i]);
    }
    return ERR_OK;
}

static errc extreme(struct render *r, struct val v, const struct args *args, int sign, struct val *out)
{
    struct list *l;

    TRY(val_items(r, v, &l));
    *out = val_undefined(STR("the extreme of an empty list"));
    for (size_t i = 0; i < l->n; i++) {
        struct val a, b;
        int order = 1;
        TRY(attribute_of(r, l->v[i], arg(args, 1, "attribute"), &a));
        if (i) {
            TRY(attribute_of(r, *out, arg(args, 1, "attribute"), &b));
            TRY(val_compare(r, a, b, &order));
            order *= sign;
        }
        if (order > 0)
            *out = l->v[i];
    }
    return tick(r, l->n);
}

static errc f_max(struct render *r, struct val v, const struct args *a, struct val *out) { return extreme(r, v, a, 1, out); }
static errc f_min(struct render *r, struct val v, const struct args *a, struct val *out) { return extreme(r, v, a, -1, out); }

static errc f_sum(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct list *l;
    double total = 0;
    int64_t whole = 0;
    bool real = false;

    TRY(val_items(r, v, &l));
    for (size_t i = 0; i < l->n; i++) {
        struct val x;
        TRY(attribute_of(r, l->v[i], arg(args, 0, "attribute"), &x));
        if (!val_is_number(x))
            return fail(r, "sum of %s is not possible", val_type(x));
        real |= x.kind == VAL_FLOAT;
        total += val_number(x);
        if (x.kind != VAL_FLOAT && __builtin_add_overflow(whole, x.kind == VAL_BOOL ? x.b : x.i, &whole))
            return fail(r, "a number is out of range");
    }
    *out = real ? val_float(total) : val_int(whole);
    return tick(r, l->n);
}

/* The arguments after the first `skip`, for filters that take another one's name. */
static struct args rest_of(const struct args *args, size_t skip)
{
    struct args rest = *args;
    size_t n = skip < args->n ? skip : args->n;

    rest.v += n;
    rest.n -= n;
    return rest;
}

static errc picked(struct render *r, struct val v, const struct args *args, bool by_attribute, bool wanted, struct val *out)
{
    size_t skip = by_attribute ? 1 : 0;
    const struct test *test = NULL;
    struct args rest = rest_of(args, skip + 1);
    struct list *l;

    if (by_attribute && !args->n)
        return fail(r, "the name of an attribute is missing");
    if (args->n > skip) {
        test = args->v[skip].kind == VAL_STR ? test_find(args->v[skip].s) : NULL;
        if (!test)
            return fail(r, "there is no such test");
    }
    TRY(val_items(r, v, &l));
    *out = val_list(r->arena);
    for (size_t i = 0; i < l->n; i++) {
        struct val x;
        TRY(attribute_of(r, l->v[i], by_attribute ? &args->v[0] : NULL, &x));
        bool yes = val_true(x);
        if (test)
            TRY(test->apply(r, x, &rest, &yes));
        if (yes == wanted)
            list_add(r->arena, out->list, l->v[i]);
    }
    return tick(r, l->n);
}

static errc f_select(struct render *r, struct val v, const struct args *a, struct val *out) { return picked(r, v, a, false, true, out); }
static errc f_reject(struct render *r, struct val v, const struct args *a, struct val *out) { return picked(r, v, a, false, false, out); }
static errc f_selectattr(struct render *r, struct val v, const struct args *a, struct val *out) { return picked(r, v, a, true, true, out); }
static errc f_rejectattr(struct render *r, struct val v, const struct args *a, struct val *out) { return picked(r, v, a, true, false, out); }

static errc f_map(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *attribute = arg(args, SIZE_MAX, "attribute"), *fallback = arg(args, SIZE_MAX, "default");
    const struct filter *filter = args->n && args->v[0].kind == VAL_STR ? filter_find(args->v[0].s) : NULL;
    struct args rest = rest_of(args, 1);
    struct list *l;

    if (!attribute && !filter)
        return fail(r, "map needs attribute= or the name of a filter");
    TRY(val_items(r, v, &l));
    *out = val_list(r->arena);
    for (size_t i = 0; i < l->n; i++) {
        struct val x;
        if (attribute) {
            TRY(attribute_of(r, l->v[i], attribute, &x));
            if (x.kind == VAL_UNDEFINED && fallback)
                x = *fallback;
        } else {
            TRY(filter->apply(r, l->v[i], &rest, &x));
        }
        list_add(r->arena, out->list, x);
    }
    if (out->list->weight > VAL_WEIGHT_MAX)
        return fail(r, "a list holds too many values");
    return tick(r, l->n);
}

/* ---- text ---- */

static errc f_replace(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s, from, to;

    if (args->n < 2)
        return fail(r, "replace needs two strings");
    TRY(as_text(r, v, &s));
    TRY(as_text(r, args->v[0], &from));
    TRY(as_text(r, args->v[1], &to));
    return text_replace(r, s, from, to, arg_int(args, 2, "count", -1), out);
}

static errc f_indent(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *width = arg(args, 0, "width");
    bool first = arg_bool(args, 1, "first", false), blank = arg_bool(args, 2, "blank", false);
    struct str s, line;
    AUTO_BUF b = { 0 }, pad = { 0 };

    TRY(as_text(r, v, &s));
    if (width && width->kind == VAL_STR)
        buf_addstr(&pad, width->s);
    else
        for (int64_t i = arg_int(args, 0, "width", 4); i > 0 && pad.n < 1000; i--)
            buf_addc(&pad, ' ');
    struct str rest = s;
    for (bool more = true, start = true; more; start = false) {
        more = str_cut(rest, '\n', &line, &rest);
        if ((start && first) || (!start && (blank || line.n)))
            buf_addstr(&b, buf_str(&pad));
        buf_addstr(&b, line);
        if (more)
            buf_addc(&b, '\n');
        if (b.n > r->made_max)
            break;
    }
    return str_val(r, &b, out);
}

static errc f_escape(struct render *r, struct val v, const struct args *a, struct val *out)
{
    static const char *const names[] = { ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&#34;", ['\''] = "&#39;" };
    struct str s;
    AUTO_BUF b = { 0 };

    (void)a;
    TRY(as_text(r, v, &s));
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ARRAY_LEN(names) && names[c])
            buf_adds(&b, names[c]);
        else
            buf_addc(&b, (char)c);
    }
    return str_val(r, &b, out);
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

static errc f_tojson(struct render *r, struct val v, const struct args *args, struct val *out)
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

static const struct filter filters[] = {
    { "abs", f_abs }, { "capitalize", f_capitalize }, { "count", f_length }, { "d", f_default }, { "default", f_default },
    { "dictsort", f_dictsort }, { "e", f_escape }, { "escape", f_escape }, { "first", f_first }, { "float", f_float }, { "indent", f_indent },
    { "int", f_int }, { "items", f_items }, { "join", f_join }, { "last", f_last }, { "length", f_length }, { "list", f_list },
    { "lower", f_lower }, { "map", f_map }, { "max", f_max }, { "min", f_min }, { "reject", f_reject }, { "rejectattr", f_rejectattr },
    { "replace", f_replace }, { "reverse", f_reverse }, { "round", f_round }, { "safe", f_same }, { "select", f_select },
    { "selectattr", f_selectattr }, { "sort", f_sort }, { "string", f_string }, { "sum", f_sum }, { "title", f_title },
    { "tojson", f_tojson }, { "trim", f_trim }, { "unique", f_unique }, { "upper", f_upper },
};

const struct filter *filter_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (str_is(name, filters[i].name))
            return &filters[i];
    return NULL;
}

/* ---- tests ---- */

#define KIND_TEST(name, condition)                                                                      \
    static errc name(struct render *r, struct val v, const struct args *args, bool *out)                \
    {                                                                                                   \
        (void)r, (void)args;                                                                            \
        *out = (condition);                                                                             \
        return ERR_OK;                                                                                  \
    }

KIND_TEST(t_defined, v.kind != VAL_UNDEFINED)
KIND_TEST(t_undefined, v.kind == VAL_UNDEFINED)
KIND_TEST(t_none, v.kind == VAL_NONE)
KIND_TEST(t_string, v.kind == VAL_STR)
KIND_TEST(t_number, val_is_number(v))
KIND_TEST(t_integer, v.kind == VAL_INT)
KIND_TEST(t_float, v.kind == VAL_FLOAT)
KIND_TEST(t_boolean, v.kind == VAL_BOOL)
KIND_TEST(t_true, v.kind == VAL_BOOL && v.b)
KIND_TEST(t_false, v.kind == VAL_BOOL && !v.b)
KIND_TEST(t_mapping, v.kind == VAL_DICT)
KIND_TEST(t_sequence, val_is_sequence(v) || v.kind == VAL_STR || v.kind == VAL_DICT || v.kind == VAL_UNDEFINED)
KIND_TEST(t_iterable, val_is_sequence(v) || v.kind == VAL_STR || v.kind == VAL_DICT || v.kind == VAL_UNDEFINED)
KIND_TEST(t_callable, v.kind == VAL_MACRO || v.kind == VAL_FUNCTION || v.kind == VAL_METHOD)
KIND_TEST(t_odd, v.kind == VAL_INT && v.i % 2 != 0)
KIND_TEST(t_even, v.kind == VAL_INT && v.i % 2 == 0)

static errc ordered(struct render *r, struct val v, const struct args *args, int *out)
{
    const struct val *other = arg(args, 0, NULL);
    return other ? val_compare(r, v, *other, out) : fail(r, "a test needs something to compare with");
}

#define ORDER_TEST(name, condition)                                                                     \
    static errc name(struct render *r, struct val v, const struct args *args, bool *out)                \
    {                                                                                                   \
        int order;                                                                                      \
        TRY(ordered(r, v, args, &order));                                                               \
        *out = (condition);                                                                             \
        return ERR_OK;                                                                                  \
    }

ORDER_TEST(t_lt, order < 0)
ORDER_TEST(t_le, order <= 0)
ORDER_TEST(t_gt, order > 0)
ORDER_TEST(t_ge, order >= 0)

static errc t_eq(struct render *r, struct val v, const struct args *args, bool *out)
{
    const struct val *other = arg(args, 0, NULL);

    if (!other)
        return fail(r, "a test needs something to compare with");
    *out = val_equal(v, *other);
    return ERR_OK;
}

static errc t_ne(struct render *r, struct val v, const struct args *args, bool *out)
{
    TRY(t_eq(r, v, args, out));
    *out = !*out;
    return ERR_OK;
}

static errc t_in(struct render *r, struct val v, const struct args *args, bool *out)
{
    const struct val *box = arg(args, 0, NULL);
    return box ? val_contains(r, *box, v, out) : fail(r, "test \"in\" needs a list");
}

static errc t_divisible(struct render *r, struct val v, const struct args *args, bool *out)
{
    int64_t by = arg_int(args, 0, NULL, 0);

    if (v.kind != VAL_INT || by == 0 || by == -1)
        return fail(r, "test \"divisibleby\" needs integers");
    *out = v.i % by == 0;
    return ERR_OK;
}

static errc same_as_case(struct render *r, struct val v, char how, bool *out)
{
    struct val other;

    *out = false;
    if (v.kind != VAL_STR)
        return ERR_OK;
    TRY(text_case(r, v.s, how, &other));
    *out = val_equal(v, other);
    return ERR_OK;
}

static errc t_upper(struct render *r, struct val v, const struct args *a, bool *out) { (void)a; return same_as_case(r, v, 'u', out); }
static errc t_lower(struct render *r, struct val v, const struct args *a, bool *out) { (void)a; return same_as_case(r, v, 'l', out); }

static const struct test tests[] = {
    { "boolean", t_boolean }, { "callable", t_callable }, { "defined", t_defined }, { "divisibleby", t_divisible }, { "eq", t_eq },
    { "equalto", t_eq }, { "even", t_even }, { "false", t_false }, { "float", t_float }, { "ge", t_ge }, { "greaterthan", t_gt }, { "gt", t_gt },
    { "in", t_in }, { "integer", t_integer }, { "iterable", t_iterable }, { "le", t_le }, { "lessthan", t_lt }, { "lower", t_lower },
    { "lt", t_lt }, { "mapping", t_mapping }, { "ne", t_ne }, { "none", t_none }, { "number", t_number }, { "odd", t_odd }, { "sameas", t_eq },
    { "sequence", t_sequence }, { "string", t_string }, { "true", t_true }, { "undefined", t_undefined }, { "upper", t_upper },
};

const struct test *test_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        if (str_is(name, tests[i].name))
            return &tests[i];
    return NULL;
}
