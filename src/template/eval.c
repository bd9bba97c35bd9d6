/* The tree -> text. Every evaluation counts a step; every text made counts its bytes; nesting is limited. */
#include <math.h>

#include "template/priv.h"

errc fail(struct render *r, const char *fmt, ...)
{
    char what[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(r->e, ERR_BAD_REQUEST, "%s line %d: %s", r->t->name, r->line, what);
}

errc tick(struct render *r, size_t work)
{
    r->steps += 1 + work;
    if (r->steps > r->steps_max)
        return err_set(r->e, ERR_TOO_LARGE, "%s line %d: the template took more than %llu steps", r->t->name, r->line, (unsigned long long)r->steps_max);
    return ERR_OK;
}

errc made(struct render *r, size_t bytes)
{
    r->made += bytes;
    if (r->made > r->made_max)
        return err_set(r->e, ERR_TOO_LARGE, "%s line %d: the template made more than %zu bytes of text", r->t->name, r->line, r->made_max);
    return ERR_OK;
}

errc str_val(struct render *r, struct buf *take, struct val *out)
{
    TRY(made(r, take->n));
    *out = val_str(arena_str(r->arena, buf_str(take)));
    return ERR_OK;
}

/* ---- scopes ---- */

static struct scope *scope_new(struct render *r, struct scope *parent)
{
    struct scope *s = arena_new_of(r->arena, struct scope);
    s->parent = parent;
    return s;
}

static struct val *scope_own(struct scope *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->names[i], name))
            return &s->vals[i];
    return NULL;
}

static void scope_set(struct render *r, struct scope *s, struct str name, struct val v)
{
    struct val *old = scope_own(s, name);

    if (old) {
        *old = v;
        return;
    }
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 8;
        struct str *names = arena_calloc(r->arena, cap, sizeof *names);
        struct val *vals = arena_calloc(r->arena, cap, sizeof *vals);
        for (size_t i = 0; i < s->n; i++)
            names[i] = s->names[i], vals[i] = s->vals[i];
        s->names = names, s->vals = vals, s->cap = cap;
    }
    s->names[s->n] = name;
    s->vals[s->n++] = v;
}

static struct val lookup(const struct scope *s, struct str name)
{
    for (; s; s = s->parent)
        for (size_t i = 0; i < s->n; i++)
            if (str_eq(s->names[i], name))
                return s->vals[i];
    const struct function *f = function_find(name);
    return f ? (struct val){ VAL_FUNCTION, { .function = f } } : val_undefined(name);
}

/* ---- arguments ---- */

const struct val *arg(const struct args *args, size_t at, const char *name)
{
    if (at < args->n)
        return &args->v[at];
    for (size_t i = 0; name && i < args->n_named; i++)
        if (str_is(args->names[i], name))
            return &args->named[i];
    return NULL;
}

int64_t arg_int(const struct args *args, size_t at, const char *name, int64_t fallback)
{
    const struct val *v = arg(args, at, name);
    return !v ? fallback : v->kind == VAL_INT ? v->i : v->kind == VAL_BOOL ? v->b : fallback;
}

bool arg_bool(const struct args *args, size_t at, const char *name, bool fallback)
{
    const struct val *v = arg(args, at, name);
    return v ? val_true(*v) : fallback;
}

struct str arg_str(const struct args *args, size_t at, const char *name, const char *fallback)
{
    const struct val *v = arg(args, at, name);
    return v && v->kind == VAL_STR ? v->s : str_of(fallback);
}

static errc eval_args(struct render *r, struct scope *s, const struct node *first, struct args *out)
{
    size_t n = 0;

    for (const struct node *a = first; a; a = a->next)
        n++;
    *out = (struct args){ .v = arena_calloc(r->arena, n, sizeof *out->v), .names = arena_calloc(r->arena, n, sizeof *out->names),
                          .named = arena_calloc(r->arena, n, sizeof *out->named) };
    for (const struct node *a = first; a; a = a->next)
        if (a->name.p) {
            out->names[out->n_named] = a->name;
            TRY(eval(r, s, a->a, &out->named[out->n_named++]));
        } else {
            TRY(eval(r, s, a->a, &out->v[out->n++]));
        }
    return ERR_OK;
}

/* ---- attributes and items ---- */

static errc loop_attr(struct render *r, struct loop *l, struct str name, struct val *out)
{
    size_t i = l->index0;
    struct val none = val_undefined(name);
    const struct { const char *name; struct val v; } attrs[] = {
        { "index", val_int((int64_t)i + 1) }, { "index0", val_int((int64_t)i) }, { "first", val_bool(i == 0) }, { "last", val_bool(i + 1 == l->n) },
        { "length", val_int((int64_t)l->n) }, { "revindex", val_int((int64_t)(l->n - i)) }, { "revindex0", val_int((int64_t)(l->n - i) - 1) },
        { "depth", val_int((int64_t)l->depth) }, { "depth0", val_int((int64_t)l->depth - 1) },
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

static errc undefined_used(struct render *r, struct val v, const char *how)
{
    return fail(r, "\"%.*s\" is undefined and cannot be %s", STR_ARG(v.s), how);
}

errc get_attr(struct render *r, struct val v, struct str name, struct val *out)
{
    if (v.kind == VAL_UNDEFINED)
        return undefined_used(r, v, "looked into");
    if (v.kind == VAL_LOOP)
        return loop_attr(r, v.loop, name, out);
    if (v.kind != VAL_NAMESPACE && method_find(r, v, name, out))
        return ERR_OK;
    const struct val *found = v.kind == VAL_DICT || v.kind == VAL_NAMESPACE ? dict_find(v.dict, val_str(name)) : NULL;
    *out = found ? *found : val_undefined(name);
    return ERR_OK;
}

static errc sequence_item(struct render *r, struct val v, int64_t i, struct val *out)
{
    int64_t n = v.kind == VAL_STR ? (int64_t)str_chars(v.s) : (int64_t)v.list->n;

    if (i < 0)
        i += n;
    *out = val_undefined(STR("item"));
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
        return undefined_used(r, v, "looked into");
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
    *out = val_undefined(STR("item"));
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

static errc eval_slice(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    int64_t a, b, c, from, to;
    const int64_t *start, *stop, *step;
    struct val v;

    TRY(eval(r, s, n->a, &v));
    TRY(slice_index(r, s, n->b, &a, &start));
    TRY(slice_index(r, s, n->c, &b, &stop));
    TRY(slice_index(r, s, n->args, &c, &step));
    if (v.kind == VAL_UNDEFINED)
        return undefined_used(r, v, "sliced");
    if (step && *step == 0)
        return fail(r, "slice step cannot be zero");
    if (!val_is_sequence(v) && v.kind != VAL_STR) {
        *out = val_undefined(STR("slice"));
        return ERR_OK;
    }
    int64_t by = step ? *step : 1, count = v.kind == VAL_STR ? (int64_t)str_chars(v.s) : (int64_t)v.list->n;
    slice_bounds(start, stop, by, count, &from, &to);
    TRY(tick(r, (size_t)count / 16));
    if (v.kind == VAL_STR && by == 1) {
        size_t at = str_char_at(v.s, (size_t)from), end = from < to ? str_char_at(v.s, (size_t)to) : at;
        *out = val_str(str_n(v.s.p + at, end - at));
        return ERR_OK;
    }
    struct list *items;
    TRY(val_items(r, v, &items));
    struct val made_list = val_list(r->arena);
    AUTO_BUF text = { 0 };
    for (int64_t i = from; by > 0 ? i < to : i > to; i += by)
        if (v.kind == VAL_STR)
            buf_addstr(&text, items->v[i].s);
        else
            list_add(r->arena, made_list.list, items->v[i]);
    if (v.kind == VAL_STR)
        return str_val(r, &text, out);
    made_list.kind = v.kind;
    *out = made_list;
    return ERR_OK;
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

/* ---- operators ---- */

errc val_compare(struct render *r, struct val a, struct val b, int *out)
{
    if (val_is_number(a) && val_is_number(b)) {
        double x = val_number(a), y = val_number(b);
        *out = a.kind == VAL_INT && b.kind == VAL_INT ? (a.i > b.i) - (a.i < b.i) : (x > y) - (x < y);
        return ERR_OK;
    }
    if (a.kind == VAL_STR && b.kind == VAL_STR) {
        *out = str_cmp(a.s, b.s);
        return ERR_OK;
    }
    if (val_is_sequence(a) && a.kind == b.kind) {
        for (size_t i = 0; i < a.list->n && i < b.list->n; i++)
            if (!val_equal(a.list->v[i], b.list->v[i]))
                return val_compare(r, a.list->v[i], b.list->v[i], out);
        *out = (a.list->n > b.list->n) - (a.list->n < b.list->n);
        return ERR_OK;
    }
    return fail(r, "cannot order %s and %s", val_type(a), val_type(b));
}

errc val_contains(struct render *r, struct val box, struct val item, bool *out)
{
    size_t at;

    *out = false;
    if (box.kind == VAL_STR) {
        if (item.kind != VAL_STR)
            return fail(r, "\"in\" of a string needs a string, not %s", val_type(item));
        TRY(tick(r, box.s.n / 64));
        *out = !item.s.n || str_find(box.s, item.s, &at);
        return ERR_OK;
    }
    if (box.kind == VAL_DICT || box.kind == VAL_NAMESPACE) {
        *out = dict_find(box.dict, item) != NULL;
        return tick(r, box.dict->n / 16);
    }
    if (box.kind == VAL_UNDEFINED)
        return ERR_OK;
    if (!val_is_sequence(box))
        return fail(r, "%s cannot be searched with \"in\"", val_type(box));
    for (size_t i = 0; i < box.list->n && !*out; i++)
        *out = val_equal(box.list->v[i], item);
    return tick(r, box.list->n / 8);
}

static errc int_op(struct render *r, enum op op, int64_t a, int64_t b, struct val *out)
{
    int64_t x = 0;
    bool over = false;

    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
        return fail(r, "division by zero");
    switch (op) {
    case OP_ADD:
        over = __builtin_add_overflow(a, b, &x);
        break;
    case OP_SUB:
        over = __builtin_sub_overflow(a, b, &x);
        break;
    case OP_MUL:
        over = __builtin_mul_overflow(a, b, &x);
        break;
    case OP_DIV:
        *out = val_float((double)a / (double)b);
        return ERR_OK;
    case OP_FLOORDIV:
    case OP_MOD:
        if (b == -1) {
            over = op == OP_FLOORDIV && __builtin_sub_overflow((int64_t)0, a, &x);
        } else {
            int64_t q = a / b, m = a % b;
            if (m && (m < 0) != (b < 0))
                q--, m += b;
            x = op == OP_MOD ? m : q;
        }
        break;
    case OP_POW:
        if (b < 0) {
            *out = val_float(pow((double)a, (double)b));
            return ERR_OK;
        }
        for (x = 1; b && !over; b--) {
            over = __builtin_mul_overflow(x, a, &x);
            if (a == 0 || a == 1 || a == -1)
                b = b % 2 ? 1 : b == 0 ? 1 : 2;
        }
        break;
    default:
        break;
    }
    if (over)
        return fail(r, "a number is out of range");
    *out = val_int(x);
    return ERR_OK;
}

static errc float_op(struct render *r, enum op op, double a, double b, struct val *out)
{
    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
        return fail(r, "division by zero");
    double m = op == OP_MOD ? fmod(a, b) : 0;
    if (m != 0 && (m < 0) != (b < 0))
        m += b;
    *out = val_float(op == OP_ADD ? a + b : op == OP_SUB ? a - b : op == OP_MUL ? a * b : op == OP_DIV ? a / b :
                     op == OP_FLOORDIV ? floor(a / b) : op == OP_MOD ? m : pow(a, b));
    return ERR_OK;
}

static errc too_deep(struct render *r, struct val v)
{
    if ((v.kind == VAL_DICT ? v.dict->weight : v.list->weight) > VAL_WEIGHT_MAX)
        return err_set(r->e, ERR_TOO_LARGE, "%s line %d: a list or dict holds more than %zu values", r->t->name, r->line, VAL_WEIGHT_MAX);
    return val_depth(v) > VAL_DEPTH_MAX ? fail(r, "lists and dicts are nested more than %d deep", VAL_DEPTH_MAX) : ERR_OK;
}

static errc repeat(struct render *r, struct val v, int64_t times, struct val *out)
{
    AUTO_BUF b = { 0 };
    size_t bytes, n = times > 0 ? (size_t)times : 0;

    if (val_is_sequence(v)) {
        struct val made_list = val_list(r->arena);
        made_list.kind = v.kind;
        if (!size_mul(n, v.list->n, &bytes))
            return fail(r, "a list is too long");
        TRY(tick(r, bytes));
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < v.list->n; k++)
                list_add(r->arena, made_list.list, v.list->v[k]);
        *out = made_list;
        return too_deep(r, made_list);
    }
    if (!size_mul(n, v.s.n, &bytes) || bytes > r->made_max - r->made)
        return made(r, r->made_max - r->made + 1);
    for (size_t i = 0; v.s.n && i < n; i++)
        buf_addstr(&b, v.s);
    return str_val(r, &b, out);
}

static errc binary_op(struct render *r, enum op op, struct val a, struct val b, struct val *out)
{
    if (a.kind == VAL_UNDEFINED || b.kind == VAL_UNDEFINED)
        return undefined_used(r, a.kind == VAL_UNDEFINED ? a : b, "computed with");
    if (val_is_number(a) && val_is_number(b)) {
        if (a.kind == VAL_FLOAT || b.kind == VAL_FLOAT)
            return float_op(r, op, val_number(a), val_number(b), out);
        return int_op(r, op, a.kind == VAL_BOOL ? a.b : a.i, b.kind == VAL_BOOL ? b.b : b.i, out);
    }
    if (op == OP_ADD && a.kind == VAL_STR && b.kind == VAL_STR) {
        AUTO_BUF text = { 0 };
        TRY(made(r, 0));
        buf_addstr(&text, a.s);
        buf_addstr(&text, b.s);
        return str_val(r, &text, out);
    }
    if (op == OP_ADD && val_is_sequence(a) && a.kind == b.kind) {
        struct val sum = val_list(r->arena);
        sum.kind = a.kind;
        TRY(tick(r, a.list->n + b.list->n));
        for (size_t i = 0; i < a.list->n; i++)
            list_add(r->arena, sum.list, a.list->v[i]);
        for (size_t i = 0; i < b.list->n; i++)
            list_add(r->arena, sum.list, b.list->v[i]);
        *out = sum;
        return too_deep(r, sum);
    }
    if (op == OP_MUL && (a.kind == VAL_STR || val_is_sequence(a)) && b.kind == VAL_INT)
        return repeat(r, a, b.i, out);
    if (op == OP_MUL && (b.kind == VAL_STR || val_is_sequence(b)) && a.kind == VAL_INT)
        return repeat(r, b, a.i, out);
    static const char *const signs[] = { "+", "-", "*", "/", "//", "%", "**" };
    return fail(r, "%s %s %s is not possible", val_type(a), signs[op], val_type(b));
}

static errc eval_binary(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val a, b;

    TRY(eval(r, s, n->a, &a));
    TRY(eval(r, s, n->b, &b));
    r->line = n->line;
    return binary_op(r, n->op, a, b, out);
}

static errc compare_once(struct render *r, enum op op, struct val a, struct val b, bool *out)
{
    int order = 0;

    switch (op) {
    case OP_EQ:
    case OP_NE:
        TRY(tick(r, val_is_sequence(a) ? a.list->n : 0));
        *out = val_equal(a, b) == (op == OP_EQ);
        return ERR_OK;
    case OP_IN:
    case OP_NOT_IN:
        TRY(val_contains(r, b, a, out));
        *out ^= op == OP_NOT_IN;
        return ERR_OK;
    default:
        TRY(val_compare(r, a, b, &order));
        *out = op == OP_LT ? order < 0 : op == OP_LE ? order <= 0 : op == OP_GT ? order > 0 : order >= 0;
        return ERR_OK;
    }
}

static errc eval_compare(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val left, right;
    bool yes = true;

    TRY(eval(r, s, n->a, &left));
    for (const struct node *link = n->args; link && yes; link = link->next) {
        TRY(eval(r, s, link->a, &right));
        r->line = n->line;
        TRY(compare_once(r, link->op, left, right, &yes));
        left = right;
    }
    *out = val_bool(yes);
    return ERR_OK;
}

static errc eval_sign(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val v;

    TRY(eval(r, s, n->a, &v));
    if (!val_is_number(v))
        return fail(r, "a sign before %s is not possible", val_type(v));
    if (n->kind == N_POS) {
        *out = v;
        return ERR_OK;
    }
    return v.kind == VAL_FLOAT ? (*out = val_float(-v.f), ERR_OK) : int_op(r, OP_SUB, 0, v.kind == VAL_BOOL ? v.b : v.i, out);
}

/* ---- boxes, calls ---- */

static errc eval_list(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val made_list = val_list(r->arena), item;

    made_list.kind = n->kind == N_TUPLE ? VAL_TUPLE : VAL_LIST;
    for (const struct node *i = n->args; i; i = i->next) {
        TRY(eval(r, s, i, &item));
        list_add(r->arena, made_list.list, item);
    }
    *out = made_list;
    return too_deep(r, made_list);
}

static errc eval_dict(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val d = val_dict(r->arena), k, v;

    for (const struct node *i = n->args; i; i = i->next) {
        TRY(eval(r, s, i->a, &k));
        TRY(eval(r, s, i->b, &v));
        if (k.kind == VAL_LIST || k.kind == VAL_DICT)
            return fail(r, "%s cannot be a key", val_type(k));
        dict_put(r->arena, d.dict, k, v);
    }
    *out = d;
    return too_deep(r, d);
}

static errc exec(struct render *r, struct scope *s, const struct node *first);

static errc captured(struct render *r, struct scope *s, const struct node *body, struct val *out)
{
    AUTO_BUF text = { 0 };
    struct buf *before = r->out;

    r->out = &text;
    errc rc = exec(r, s, body);
    r->out = before;
    return rc ? rc : str_val(r, &text, out);
}

static errc call_macro(struct render *r, const struct macro *m, const struct args *args, struct val *out)
{
    struct scope *s = scope_new(r, m->home);
    size_t at = 0;

    for (const struct node *p = m->node->args; p; p = p->next, at++) {
        const struct val *given = NULL;
        struct val v = val_undefined(p->name);
        if (at < args->n)
            given = &args->v[at];
        for (size_t i = 0; !given && i < args->n_named; i++)
            if (str_eq(args->names[i], p->name))
                given = &args->named[i];
        if (given)
            v = *given;
        else if (p->a)
            TRY(eval(r, s, p->a, &v));
        scope_set(r, s, p->name, v);
    }
    if (args->n > at)
        return fail(r, "macro %.*s takes %zu arguments, not %zu", STR_ARG(m->node->name), at, args->n);
    for (size_t i = 0; i < args->n_named; i++)
        if (str_is(args->names[i], "caller"))
            scope_set(r, s, args->names[i], args->named[i]);
        else if (!scope_own(s, args->names[i]))
            return fail(r, "macro %.*s has no parameter %.*s", STR_ARG(m->node->name), STR_ARG(args->names[i]));
    return captured(r, s, m->node->body, out);
}

errc call_value(struct render *r, struct val f, const struct args *args, struct val *out)
{
    switch (f.kind) {
    case VAL_MACRO:
        return call_macro(r, f.macro, args, out);
    case VAL_FUNCTION:
        return f.function->call(r, args, out);
    case VAL_METHOD:
        return f.method->call(r, f.method->self, args, out);
    case VAL_UNDEFINED:
        return undefined_used(r, f, "called");
    default:
        return fail(r, "%s cannot be called", val_type(f));
    }
}

static errc eval_call(struct render *r, struct scope *s, const struct node *n, struct val *caller, struct val *out)
{
    struct args args;
    struct val f;

    TRY(eval(r, s, n->a, &f));
    TRY(eval_args(r, s, n->args, &args));
    if (caller) {
        struct str *names = arena_calloc(r->arena, args.n_named + 1, sizeof *names);
        struct val *named = arena_calloc(r->arena, args.n_named + 1, sizeof *named);
        for (size_t i = 0; i < args.n_named; i++)
            names[i] = args.names[i], named[i] = args.named[i];
        names[args.n_named] = STR("caller");
        named[args.n_named++] = *caller;
        args.names = names, args.named = named;
    }
    r->line = n->line;
    return call_value(r, f, &args, out);
}

static errc eval_filter(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct args args;
    struct val v;

    TRY(eval(r, s, n->a, &v));
    TRY(eval_args(r, s, n->args, &args));
    r->line = n->line;
    return n->filter->apply(r, v, &args, out);
}

static errc eval_test(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct args args;
    struct val v;
    bool yes = false;

    TRY(eval(r, s, n->a, &v));
    TRY(eval_args(r, s, n->args, &args));
    r->line = n->line;
    TRY(n->test->apply(r, v, &args, &yes));
    *out = val_bool(yes);
    return ERR_OK;
}

static errc eval_cond(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val c;

    TRY(eval(r, s, n->b, &c));
    if (val_true(c))
        return eval(r, s, n->a, out);
    if (n->c)
        return eval(r, s, n->c, out);
    *out = val_undefined(STR("the inline if-expression without else"));
    return ERR_OK;
}

static errc eval_logic(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    TRY(eval(r, s, n->a, out));
    if (n->kind == N_NOT)
        *out = val_bool(!val_true(*out));
    else if (val_true(*out) == (n->kind == N_AND))
        return eval(r, s, n->b, out);
    return ERR_OK;
}

static errc eval_concat(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    AUTO_BUF text = { 0 };
    struct val v;

    for (const struct node *i = n->args; i; i = i->next) {
        TRY(eval(r, s, i, &v));
        val_print(v, &text);
    }
    return str_val(r, &text, out);
}

static errc eval_kind(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val a, b = val_none();

    switch (n->kind) {
    case N_CONST:
        *out = n->value;
        return ERR_OK;
    case N_NAME:
        *out = n->name.p ? lookup(s, n->name) : n->value;
        return ERR_OK;
    case N_LIST:
    case N_TUPLE:
        return eval_list(r, s, n, out);
    case N_DICT:
        return eval_dict(r, s, n, out);
    case N_ATTR:
        TRY(eval(r, s, n->a, &a));
        r->line = n->line;
        return get_attr(r, a, n->name, out);
    case N_ITEM:
        TRY(eval(r, s, n->a, &a));
        TRY(eval(r, s, n->b, &b));
        r->line = n->line;
        return get_item(r, a, b, out);
    case N_SLICE:
        return eval_slice(r, s, n, out);
    case N_CALL:
        return eval_call(r, s, n, NULL, out);
    case N_FILTER:
        return eval_filter(r, s, n, out);
    case N_TEST:
        return eval_test(r, s, n, out);
    case N_NOT:
    case N_AND:
    case N_OR:
        return eval_logic(r, s, n, out);
    case N_NEG:
    case N_POS:
        return eval_sign(r, s, n, out);
    case N_BINARY:
        return eval_binary(r, s, n, out);
    case N_COMPARE:
        return eval_compare(r, s, n, out);
    case N_COND:
        return eval_cond(r, s, n, out);
    case N_CONCAT:
        return eval_concat(r, s, n, out);
    default:
        return fail(r, "not an expression");
    }
}

errc eval(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    r->line = n->line;
    TRY(tick(r, 0));
    if (r->depth >= EVAL_DEPTH_MAX)
        return fail(r, "expressions and calls are nested more than %d deep", EVAL_DEPTH_MAX);
    r->depth++;
    errc rc = eval_kind(r, s, n, out);
    r->depth--;
    return rc;
}

/* ---- statements ---- */

static errc print(struct render *r, struct scope *s, const struct node *n)
{
    struct val v;
    size_t before = r->out->n;

    TRY(eval(r, s, n->a, &v));
    val_print(v, r->out);
    return made(r, r->out->n - before);
}

static errc bind(struct render *r, struct scope *s, const struct node *targets, struct val v)
{
    struct list *items;
    size_t i = 0, n = 0;

    if (!targets->next) {
        scope_set(r, s, targets->name, v);
        return ERR_OK;
    }
    TRY(val_items(r, v, &items));
    for (const struct node *t = targets; t; t = t->next)
        n++;
    if (items->n != n)
        return fail(r, "%zu values cannot be unpacked into %zu names", items->n, n);
    for (const struct node *t = targets; t; t = t->next)
        scope_set(r, s, t->name, items->v[i++]);
    return ERR_OK;
}

static errc loop_items(struct render *r, struct scope *s, const struct node *n, struct list **out)
{
    struct val v, c;
    struct list *all;

    TRY(eval(r, s, n->a, &v));
    TRY(val_items(r, v, &all));
    *out = all;
    if (!n->b)
        return ERR_OK;
    *out = val_list(r->arena).list;
    for (size_t i = 0; i < all->n; i++) {
        struct scope *inner = scope_new(r, s);
        TRY(bind(r, inner, n->args, all->v[i]));
        TRY(eval(r, inner, n->b, &c));
        if (val_true(c))
            list_add(r->arena, *out, all->v[i]);
    }
    return ERR_OK;
}

static errc exec_for(struct render *r, struct scope *s, const struct node *n)
{
    struct list *items;

    TRY(loop_items(r, s, n, &items));
    if (!items->n)
        return exec(r, scope_new(r, s), n->other);
    struct loop *l = arena_new_of(r->arena, struct loop);
    *l = (struct loop){ .n = items->n, .items = items, .depth = ++r->loop_depth };
    for (size_t i = 0; i < l->n; i++) {
        struct scope *inner = scope_new(r, s);
        l->index0 = i;
        TRY(tick(r, 0));
        TRY(bind(r, inner, n->args, items->v[i]));
        scope_set(r, inner, STR("loop"), (struct val){ VAL_LOOP, { .loop = l } });
        TRY(exec(r, inner, n->body));
        bool stop = r->flow == FLOW_BREAK;
        r->flow = FLOW_NONE;
        if (stop)
            break;
    }
    r->loop_depth--;
    return ERR_OK;
}

static errc exec_if(struct render *r, struct scope *s, const struct node *n)
{
    struct val c;

    for (const struct node *b = n->args; b; b = b->next) {
        TRY(eval(r, s, b->a, &c));
        if (val_true(c))
            return exec(r, s, b->body);
    }
    return exec(r, s, n->other);
}

static errc assign(struct render *r, struct scope *s, const struct node *n, struct val v)
{
    if (!n->name.p)
        return bind(r, s, n->args, v);
    struct val ns = lookup(s, n->args->name);
    if (ns.kind != VAL_NAMESPACE)
        return fail(r, "cannot assign attribute on non-namespace object \"%.*s\"", STR_ARG(n->args->name));
    dict_put(r->arena, ns.dict, val_str(n->name), v);
    return ERR_OK;
}

/* Puts a value under the filters that a block names: their innermost operand is a nameless N_NAME. */
static errc filtered(struct render *r, struct scope *s, const struct node *chain, struct val v, struct val *out)
{
    if (chain->kind != N_FILTER) {
        *out = v;
        return ERR_OK;
    }
    struct args args;
    struct val inner;
    TRY(filtered(r, s, chain->a, v, &inner));
    TRY(eval_args(r, s, chain->args, &args));
    return chain->filter->apply(r, inner, &args, out);
}

static errc exec_one(struct render *r, struct scope *s, const struct node *n)
{
    struct val v, made_val;

    switch (n->kind) {
    case N_DATA:
        buf_addstr(r->out, n->name);
        return made(r, n->name.n);
    case N_OUTPUT:
        return print(r, s, n);
    case N_IF:
        return exec_if(r, s, n);
    case N_FOR:
        return exec_for(r, s, n);
    case N_SET:
        TRY(eval(r, s, n->a, &v));
        return assign(r, s, n, v);
    case N_SET_BLOCK:
        TRY(captured(r, scope_new(r, s), n->body, &v));
        TRY(filtered(r, s, n->a, v, &made_val));
        return assign(r, s, n, made_val);
    case N_FILTER_BLOCK:
        TRY(captured(r, scope_new(r, s), n->body, &v));
        TRY(filtered(r, s, n->a, v, &made_val));
        val_print(made_val, r->out);
        return ERR_OK;
    case N_MACRO: {
        struct macro *m = arena_new_of(r->arena, struct macro);
        *m = (struct macro){ n, s };
        scope_set(r, s, n->name, (struct val){ VAL_MACRO, { .macro = m } });
        return ERR_OK;
    }
    case N_CALL_BLOCK: {
        struct macro *m = arena_new_of(r->arena, struct macro);
        *m = (struct macro){ n->b, s };
        v = (struct val){ VAL_MACRO, { .macro = m } };
        TRY(eval_call(r, s, n->a, &v, &made_val));
        val_print(made_val, r->out);
        return ERR_OK;
    }
    case N_WITH: {
        struct scope *inner = scope_new(r, s);
        for (const struct node *t = n->args; t; t = t->next) {
            TRY(eval(r, s, t->a, &v));
            scope_set(r, inner, t->name, v);
        }
        return exec(r, inner, n->body);
    }
    case N_GROUP:
        return exec(r, s, n->body);
    case N_BREAK:
    case N_CONTINUE:
        if (!r->loop_depth)
            return fail(r, "break and continue belong into a loop");
        r->flow = n->kind == N_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
        return ERR_OK;
    default:
        return fail(r, "not a statement");
    }
}

static errc exec(struct render *r, struct scope *s, const struct node *first)
{
    if (r->depth >= EVAL_DEPTH_MAX)
        return fail(r, "blocks and calls are nested more than %d deep", EVAL_DEPTH_MAX);
    r->depth++;
    for (const struct node *n = first; n && r->flow == FLOW_NONE; n = n->next) {
        r->line = n->line;
        TRY(tick(r, 0));
        TRY(exec_one(r, s, n));
    }
    r->depth--;
    return ERR_OK;
}

errc template_render(const struct template *t, const json_t *vars, const struct template_limits *limits, struct buf *out, struct err *e)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_BUF text = { 0 };
    struct err own;
    struct render r = {
        .t = t, .arena = a, .out = &text, .e = e ? e : &own, .today = limits ? limits->today : NULL,
        .steps_max = limits && limits->steps ? limits->steps : STEPS_DEFAULT,
        .made_max = limits && limits->output_bytes ? limits->output_bytes : OUTPUT_DEFAULT,
    };
    struct scope *globals = scope_new(&r, NULL);

    for (void *it = json_object_iter((json_t *)(uintptr_t)vars); it; it = json_object_iter_next((json_t *)(uintptr_t)vars, it))
        scope_set(&r, globals, str_n(json_object_iter_key(it), json_object_iter_key_len(it)), val_from_json(a, json_object_iter_value(it)));
    TRY(exec(&r, scope_new(&r, globals), t->body));
    buf_addstr(out, buf_str(&text));
    return ERR_OK;
}

errc template_compile(struct str source, const char *name, struct template **out, struct err *e)
{
    AUTO_FREE(template) t = xzalloc(sizeof *t);
    struct tokens tokens = { 0 };

    if (source.n > SOURCE_MAX)
        return err_set(e, ERR_TOO_LARGE, "%s: %zu bytes of template are more than %zu", name, source.n, SOURCE_MAX);
    t->arena = arena_new();
    t->name = xstrdup(name);
    errc rc = template_lex(t->arena, source, t->name, &tokens, e);
    if (!rc)
        rc = template_parse(t, &tokens, e);
    free(tokens.v);
    if (rc)
        return rc;
    *out = TAKE(t);
    return ERR_OK;
}

void template_free(struct template *t)
{
    if (!t)
        return;
    arena_free(t->arena);
    free(t->name);
    free(t);
}
