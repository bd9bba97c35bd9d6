/* Filters of one value: defaults, numbers, lengths. */
#include <math.h>

#include "template/filters.h"

errc f_length(struct render *r, struct val v, const struct args *a, struct val *out)
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

errc f_same(struct render *r, struct val v, const struct args *a, struct val *out)
{
    (void)r, (void)a;
    *out = v;
    return ERR_OK;
}

errc f_default(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *fallback = arg(args, 0, "default_value");

    (void)r;
    bool use = v.kind == VAL_UNDEFINED || (arg_bool(args, 1, "boolean", false) && !val_true(v));
    *out = !use ? v : fallback ? *fallback : val_str(STR(""));
    return ERR_OK;
}

errc f_int(struct render *r, struct val v, const struct args *args, struct val *out)
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

errc f_float(struct render *r, struct val v, const struct args *args, struct val *out)
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

errc f_abs(struct render *r, struct val v, const struct args *a, struct val *out)
{
    (void)a;
    if (!val_is_number(v) || (v.kind == VAL_INT && v.i == INT64_MIN))
        return fail(r, "abs of %s is not possible", val_type(v));
    *out = v.kind == VAL_FLOAT ? val_float(fabs(v.f)) : val_int(v.kind == VAL_BOOL ? v.b : v.i < 0 ? -v.i : v.i);
    return ERR_OK;
}

errc f_round(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str how = arg_str(args, 1, "method", "common");

    if (!val_is_number(v))
        return fail(r, "round of %s is not possible", val_type(v));
    double scale = pow(10, (double)arg_int(args, 0, "precision", 0)), x = val_number(v) * scale;
    x = str_is(how, "ceil") ? ceil(x) : str_is(how, "floor") ? floor(x) : nearbyint(x);
    *out = val_float(x / scale);
    return ERR_OK;
}
