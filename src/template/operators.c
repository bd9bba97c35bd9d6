/* Python's operators on values. */
#include <math.h>

#include "template/priv.h"

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
        TRY(val_hashable(r, item));
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

/* Python's // and %: the quotient is rounded down, the rest has the divisor's sign. b is not 0; answers whether it overflows. */
static bool floor_div(int64_t a, int64_t b, int64_t *quotient, int64_t *rest)
{
    if (b == -1) {              /* INT64_MIN / -1 traps */
        *rest = 0;
        return __builtin_sub_overflow((int64_t)0, a, quotient);
    }
    *quotient = a / b;
    *rest = a % b;
    if (*rest && (*rest < 0) != (b < 0)) {
        *quotient -= 1;
        *rest += b;
    }
    return false;
}

/* a to the power b, b not negative; answers whether it overflows. Any |a| above 1 does after 62 products at the most. */
static bool int_power(int64_t a, int64_t b, int64_t *out)
{
    bool over = false;

    *out = 1;
    if (a == 0 || a == 1 || a == -1)
        b = b ? 2 - b % 2 : 0;          /* the same power of it */
    for (; b && !over; b--)
        over = __builtin_mul_overflow(*out, a, out);
    return over;
}

errc int_op(struct render *r, enum op op, int64_t a, int64_t b, struct val *out)
{
    int64_t x = 0, unused;
    bool over = false;

    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
        return fail(r, "division by zero");
    if (op == OP_POW && b < 0 && a == 0)
        return fail(r, "0.0 cannot be raised to a negative power");
    if (op == OP_DIV || (op == OP_POW && b < 0)) {
        *out = val_float(op == OP_DIV ? (double)a / (double)b : pow((double)a, (double)b));
        return ERR_OK;
    }
    switch (op) {
    case OP_ADD: over = __builtin_add_overflow(a, b, &x); break;
    case OP_SUB: over = __builtin_sub_overflow(a, b, &x); break;
    case OP_MUL: over = __builtin_mul_overflow(a, b, &x); break;
    case OP_FLOORDIV: over = floor_div(a, b, &x, &unused); break;
    case OP_MOD: (void)floor_div(a, b, &unused, &x); break;       /* the rest always fits */
    case OP_POW: over = int_power(a, b, &x); break;
    default: break;
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
    if (op == OP_POW && a == 0 && b < 0)
        return fail(r, "0.0 cannot be raised to a negative power");
    double m = op == OP_MOD ? fmod(a, b) : 0;
    if (m != 0 && (m < 0) != (b < 0))
        m += b;
    else if (m == 0)
        m = copysign(0, b);
    *out = val_float(op == OP_ADD ? a + b : op == OP_SUB ? a - b : op == OP_MUL ? a * b : op == OP_DIV ? a / b :
                     op == OP_FLOORDIV ? floor(a / b) : op == OP_MOD ? m : pow(a, b));
    return ERR_OK;
}

errc box_check(struct render *r, struct val v)
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
        for (size_t i = 0; v.list->n && i < n; i++)
            for (size_t k = 0; k < v.list->n; k++)
                list_add(r->arena, made_list.list, v.list->v[k]);
        *out = made_list;
        return box_check(r, made_list);
    }
    if (!size_mul(n, v.s.n, &bytes) || bytes > r->made_max - r->made)
        return made(r, r->made_max - r->made + 1);
    for (size_t i = 0; v.s.n && i < n; i++)
        buf_addstr(&b, v.s);
    return str_val(r, &b, out);
}

static errc join_texts(struct render *r, struct str a, struct str b, struct val *out)
{
    AUTO_BUF text = { 0 };

    TRY(made(r, 0));
    buf_addstr(&text, a);
    buf_addstr(&text, b);
    return str_val(r, &text, out);
}

static errc join_lists(struct render *r, struct val a, struct val b, struct val *out)
{
    const struct list *parts[] = { a.list, b.list };
    struct val sum = val_list(r->arena);

    sum.kind = a.kind;
    TRY(tick(r, a.list->n + b.list->n));
    for (size_t k = 0; k < ARRAY_LEN(parts); k++)
        for (size_t i = 0; i < parts[k]->n; i++)
            list_add(r->arena, sum.list, parts[k]->v[i]);
    *out = sum;
    return box_check(r, sum);
}

static bool is_whole(struct val v) { return v.kind == VAL_INT || v.kind == VAL_BOOL; }
static int64_t whole(struct val v) { return v.kind == VAL_BOOL ? v.b : v.i; }
static bool is_repeatable(struct val v) { return v.kind == VAL_STR || val_is_sequence(v); }

errc binary_op(struct render *r, enum op op, struct val a, struct val b, struct val *out)
{
    static const char *const signs[] = { "+", "-", "*", "/", "//", "%", "**" };

    if (a.kind == VAL_UNDEFINED || b.kind == VAL_UNDEFINED)
        return undefined_used(r, a.kind == VAL_UNDEFINED ? a : b);
    if (is_whole(a) && is_whole(b))
        return int_op(r, op, whole(a), whole(b), out);
    if (val_is_number(a) && val_is_number(b))
        return float_op(r, op, val_number(a), val_number(b), out);
    if (op == OP_ADD && a.kind == VAL_STR && b.kind == VAL_STR)
        return join_texts(r, a.s, b.s, out);
    if (op == OP_ADD && val_is_sequence(a) && a.kind == b.kind)
        return join_lists(r, a, b, out);
    if (op == OP_MUL && is_repeatable(a) && is_whole(b))
        return repeat(r, a, whole(b), out);
    if (op == OP_MUL && is_repeatable(b) && is_whole(a))
        return repeat(r, b, whole(a), out);
    if (op == OP_MOD && a.kind == VAL_STR) {
        struct args args = { .v = b.kind == VAL_TUPLE ? b.list->v : &b, .n = b.kind == VAL_TUPLE ? b.list->n : 1, .mapping = b.kind == VAL_DICT ? b.dict : NULL };
        return text_percent(r, a.s, &args, out);
    }
    return fail(r, "%s %s %s is not possible", val_type(a), signs[op], val_type(b));
}

errc compare_once(struct render *r, enum op op, struct val a, struct val b, bool *out)
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
