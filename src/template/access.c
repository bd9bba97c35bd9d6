/* What is inside a value: attributes, items, slices, and iteration. */
#include "template/priv.h"

static errc loop_attr(struct render *r, struct loop *l, struct str name, struct val *out)
{
    size_t i = l->index0;
    struct val none = val_undefined(name);
    const struct { const char *name; struct val v; } attrs[] = {
        { "index", val_int((int64_t)i + 1) }, { "index0", val_int((int64_t)i) }, { "first", val_bool(i == 0) }, { "last", val_bool(i + 1 == l->n) },
        { "length", val_int((int64_t)l->n) }, { "revindex", val_int((int64_t)(l->n - i)) }, { "revindex0", val_int((int64_t)(l->n - i) - 1) },
        { "depth", val_int(1) }, { "depth0", val_int(0) },       /* of recursion, which there is not */
        { "previtem", i ? l->items->v[i - 1] : none }, { "nextitem", i + 1 < l->n ? l->items->v[i + 1] : none },
    };
    *out = none;
    for (size_t k = 0; k < ARRAY_LEN(attrs); k++)
        if (str_is(name, attrs[k].name))
            *out = attrs[k].v;
    if (out->kind == VAL_UNDEFINED)
        (void)method_find(r, (struct val){ VAL_LOOP, { .loop = l } }, name, out);
    return ERR_OK;
}

errc undefined_used(struct render *r, struct val v)
{
    bool sentence = v.s.n && memchr(v.s.p, ' ', v.s.n);
    return sentence ? fail(r, "%.*s", STR_ARG(v.s)) : fail(r, "'%.*s' is undefined", STR_ARG(v.s));
}

struct val undefined_as(struct render *r, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    return val_undefined(arena_str(r->arena, buf_str(&text)));
}

static errc macro_attr(struct render *r, const struct macro *m, struct str name, struct val *out)
{
    *out = undefined_as(r, "'jinja2.runtime.Macro object' has no attribute '%.*s'", STR_ARG(name));
    if (str_is(name, "name"))
        *out = val_str(m->node->name);
    if (str_is(name, "arguments")) {
        *out = val_list(r->arena);
        out->kind = VAL_TUPLE;
        for (const struct node *p = m->node->args; p; p = p->next)
            list_add(r->arena, out->list, val_str(p->name));
    }
    return ERR_OK;
}

errc get_attr(struct render *r, struct val v, struct str name, struct val *out)
{
    if (v.kind == VAL_UNDEFINED)
        return undefined_used(r, v);
    if (v.kind == VAL_MACRO)
        return macro_attr(r, v.macro, name, out);
    if (v.kind == VAL_LOOP)
        return loop_attr(r, v.loop, name, out);
    if (v.kind != VAL_NAMESPACE && method_find(r, v, name, out))
        return ERR_OK;
    if (v.kind == VAL_TUPLE && v.list->named && dict_find(v.list->named, val_str(name))) {
        *out = *dict_find(v.list->named, val_str(name));
        return ERR_OK;
    }
    const struct val *found = v.kind == VAL_DICT || v.kind == VAL_NAMESPACE ? dict_find(v.dict, val_str(name)) : NULL;
    *out = found ? *found : undefined_as(r, "'%s object' has no attribute '%.*s'", val_type(v), STR_ARG(name));
    return ERR_OK;
}

static errc sequence_item(struct render *r, struct val v, int64_t i, struct val *out)
{
    int64_t n = v.kind == VAL_STR ? (int64_t)str_chars(v.s) : (int64_t)v.list->n;

    if (i < 0)
        i += n;
    *out = undefined_as(r, "%s object has no element %lld", val_type(v), (long long)(i < 0 ? i - n : i));
    if (i < 0 || i >= n)
        return ERR_OK;
    if (v.kind != VAL_STR) {
        *out = v.list->v[i];
        return ERR_OK;
    }
    TRY(tick(r, v.s.n / 64));
    size_t at = str_char_at(v.s, (size_t)i), end = str_char_at(v.s, (size_t)i + 1);
    *out = val_str(str_n(v.s.p + at, end - at));
    return ERR_OK;
}

errc get_item(struct render *r, struct val v, struct val key, struct val *out)
{
    if (v.kind == VAL_UNDEFINED)
        return undefined_used(r, v);
    if (v.kind == VAL_DICT || v.kind == VAL_NAMESPACE) {
        const struct val *found = dict_find(v.dict, key);
        if (found) {
            *out = *found;
            return ERR_OK;
        }
    }
    if ((val_is_sequence(v) || v.kind == VAL_STR) && (key.kind == VAL_INT || key.kind == VAL_BOOL))
        return sequence_item(r, v, key.kind == VAL_INT ? key.i : key.b, out);
    if (key.kind == VAL_STR)
        return get_attr(r, v, key.s, out);
    *out = undefined_as(r, "%s object has no such element", val_type(v));
    return ERR_OK;
}

/* Python's slice.indices */
static void slice_bounds(const int64_t *start, const int64_t *stop, int64_t step, int64_t n, int64_t *from, int64_t *to)
{
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;

    *from = start ? (*start < 0 ? *start + n : *start) : step < 0 ? high : low;
    *to = stop ? (*stop < 0 ? *stop + n : *stop) : step < 0 ? low : high;
    *from = *from < low ? low : *from > high ? high : *from;
    *to = *to < low ? low : *to > high ? high : *to;
}

static errc slice_index(struct render *r, struct scope *s, const struct node *n, int64_t *box, const int64_t **out)
{
    struct val v;

    *out = NULL;
    if (!n)
        return ERR_OK;
    TRY(eval(r, s, n, &v));
    if (v.kind == VAL_NONE)
        return ERR_OK;
    if (v.kind != VAL_INT || v.i > INT32_MAX || v.i < -INT32_MAX)
        return fail(r, "slice indices must be small integers or none, not %s", val_type(v));
    *box = v.i;
    *out = box;
    return ERR_OK;
}

/* What lies between two code points. */
static struct val text_between(struct str s, int64_t from, int64_t to)
{
    size_t at = str_char_at(s, (size_t)from), end = from < to ? str_char_at(s, (size_t)to) : at;

    return val_str(str_n(s.p + at, end - at));
}

static errc text_in_steps(struct render *r, const struct list *chars, int64_t from, int64_t to, int64_t by, struct val *out)
{
    AUTO_BUF text = { 0 };

    for (int64_t i = from; by > 0 ? i < to : i > to; i += by)
        buf_addstr(&text, chars->v[i].s);
    return str_val(r, &text, out);
}

static struct val list_in_steps(struct render *r, struct val of, int64_t from, int64_t to, int64_t by)
{
    struct val made_list = val_list(r->arena);

    for (int64_t i = from; by > 0 ? i < to : i > to; i += by)
        list_add(r->arena, made_list.list, of.list->v[i]);
    made_list.kind = of.kind;
    return made_list;
}

static errc slice(struct render *r, struct val v, const int64_t *start, const int64_t *stop, int64_t by, struct val *out)
{
    int64_t from, to, count = v.kind == VAL_STR ? (int64_t)str_chars(v.s) : (int64_t)v.list->n;
    struct list *chars;

    slice_bounds(start, stop, by, count, &from, &to);
    TRY(tick(r, (size_t)count / 16));
    if (v.kind != VAL_STR) {
        *out = list_in_steps(r, v, from, to, by);
        return ERR_OK;
    }
    if (by == 1) {
        *out = text_between(v.s, from, to);
        return ERR_OK;
    }
    TRY(val_items(r, v, &chars));
    return text_in_steps(r, chars, from, to, by, out);
}

errc eval_slice(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    int64_t a, b, c;
    const int64_t *start, *stop, *step;
    struct val v;

    TRY(eval(r, s, n->a, &v));
    TRY(slice_index(r, s, n->b, &a, &start));
    TRY(slice_index(r, s, n->c, &b, &stop));
    TRY(slice_index(r, s, n->args, &c, &step));
    if (v.kind == VAL_UNDEFINED)
        return undefined_used(r, v);
    if (step && *step == 0)
        return fail(r, "slice step cannot be zero");
    if (!val_is_sequence(v) && v.kind != VAL_STR)
        return fail(r, "'%s' object is not subscriptable", val_type(v));
    return slice(r, v, start, stop, step ? *step : 1, out);
}

errc val_items(struct render *r, struct val v, struct list **out)
{
    if (val_is_sequence(v)) {
        *out = v.list;
        return ERR_OK;
    }
    struct list *l = *out = val_list(r->arena).list;
    if (v.kind == VAL_DICT) {
        for (size_t i = 0; i < v.dict->n; i++)
            list_add(r->arena, l, v.dict->k[i]);
        return ERR_OK;
    }
    if (v.kind == VAL_STR) {
        TRY(tick(r, v.s.n));
        for (size_t at = 0; at < v.s.n;) {
            size_t n = 1;
            while (at + n < v.s.n && ((unsigned char)v.s.p[at + n] & 0xC0) == 0x80)
                n++;
            list_add(r->arena, l, val_str(str_n(v.s.p + at, n)));
            at += n;
        }
        return ERR_OK;
    }
    return v.kind == VAL_UNDEFINED ? ERR_OK : fail(r, "%s is not iterable", val_type(v));
}
