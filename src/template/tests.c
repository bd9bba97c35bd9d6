/* Tests (x is ...) by name: a new one is a function and a row. */
#include "template/priv.h"

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
KIND_TEST(t_escaped, false)
KIND_TEST(t_filter, v.kind == VAL_STR && filter_find(v.s))
KIND_TEST(t_test, v.kind == VAL_STR && test_find(v.s))

/* value % by == equal, for any number */
static errc remainder_is(struct render *r, struct val v, struct val by, int64_t equal, bool *out)
{
    struct val left;

    TRY(v.kind == VAL_STR || val_is_sequence(v) ? fail(r, "a number is required, not %s", val_type(v)) : binary_op(r, OP_MOD, v, by, &left));
    *out = val_equal(left, val_int(equal));
    return ERR_OK;
}

static errc t_odd(struct render *r, struct val v, const struct args *a, bool *out) { (void)a; return remainder_is(r, v, val_int(2), 1, out); }
static errc t_even(struct render *r, struct val v, const struct args *a, bool *out) { (void)a; return remainder_is(r, v, val_int(2), 0, out); }

/* "is": the very same object; for values that have no identity here, the same type and value */
static errc t_sameas(struct render *r, struct val v, const struct args *args, bool *out)
{
    const struct val *other = arg(args, 0, NULL);

    if (!other)
        return fail(r, "a test needs something to compare with");
    bool box = val_is_sequence(v) || v.kind == VAL_DICT;
    *out = v.kind == other->kind && (box ? v.list == other->list : val_equal(v, *other));
    return ERR_OK;
}

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
    const struct val *by = arg(args, 0, "num");
    return by ? remainder_is(r, v, *by, 0, out) : fail(r, "test \"divisibleby\" needs a number");
}

/* str(value).isupper(): something has that case and nothing the other one */
static errc same_as_case(struct render *r, struct val v, char how, bool *out)
{
    struct val same, other, text;
    AUTO_BUF b = { 0 };

    val_print(v, &b);
    TRY(str_val(r, &b, &text));
    TRY(text_case(r, text.s, how, &same));
    TRY(text_case(r, text.s, how == 'u' ? 'l' : 'u', &other));
    *out = val_equal(text, same) && !val_equal(same, other);
    return ERR_OK;
}

static errc t_upper(struct render *r, struct val v, const struct args *a, bool *out) { (void)a; return same_as_case(r, v, 'u', out); }
static errc t_lower(struct render *r, struct val v, const struct args *a, bool *out) { (void)a; return same_as_case(r, v, 'l', out); }

static const struct test tests[] = {
    { "boolean", t_boolean }, { "callable", t_callable }, { "defined", t_defined }, { "divisibleby", t_divisible }, { "eq", t_eq },
    { "equalto", t_eq }, { "even", t_even }, { "escaped", t_escaped }, { "false", t_false }, { "filter", t_filter }, { "float", t_float }, { "ge", t_ge }, { "greaterthan", t_gt }, { "gt", t_gt },
    { "in", t_in }, { "integer", t_integer }, { "iterable", t_iterable }, { "le", t_le }, { "lessthan", t_lt }, { "lower", t_lower },
    { "lt", t_lt }, { "==", t_eq }, { "!=", t_ne }, { "<", t_lt }, { "<=", t_le }, { ">", t_gt }, { ">=", t_ge }, { "mapping", t_mapping }, { "ne", t_ne }, { "none", t_none }, { "number", t_number }, { "odd", t_odd }, { "sameas", t_sameas },
    { "sequence", t_sequence }, { "string", t_string }, { "test", t_test }, { "true", t_true }, { "undefined", t_undefined }, { "upper", t_upper },
};

const struct test *test_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        if (str_is(name, tests[i].name))
            return &tests[i];
    return NULL;
}
