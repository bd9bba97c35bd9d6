/* Filters of one value: defaults, numbers, lengths. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

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

/* int(text, base) with Python's prefixes; false when it is no such number. */
static bool based(struct str s, int64_t base, int64_t *out)
{
    char copy[80], *end = NULL;
    struct str t = str_trim(s);
    size_t sign = t.n && (t.p[0] == '-' || t.p[0] == '+');

    if (base == 10)
        return str_to_i64(t.n && t.p[0] == '+' ? str_from(t, 1) : t, out);
    if (t.n <= sign || t.n >= sizeof copy || base < 2 || base > 36)
        return false;
    struct str body = str_from(t, sign);
    bool prefix = body.n > 2 && body.p[0] == '0' && (body.p[1] | 32) == (base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : 0);
    if (prefix)
        body = str_from(body, 2);
    snprintf(copy, sizeof copy, "%s%.*s", sign && t.p[0] == '-' ? "-" : "", STR_ARG(body));
    errno = 0;
    *out = strtoll(copy, &end, (int)base);
    return !*end && errno == 0;
}

errc f_int(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *fallback = arg(args, 0, "default");
    int64_t i;
    double f = 0;

    *out = fallback ? *fallback : val_int(0);
    if (v.kind == VAL_STR && based(v.s, arg_int(args, 1, "base", 10), &i))
        *out = val_int(i);
    else if (v.kind == VAL_INT || v.kind == VAL_BOOL)
        *out = val_int(v.kind == VAL_INT ? v.i : v.b);
    else if (v.kind == VAL_FLOAT || (v.kind == VAL_STR && str_to_f64(str_trim(v.s), &f))) {
        f = v.kind == VAL_FLOAT ? v.f : f;
        if (isnan(f) || isinf(f))
            return ERR_OK;
        if (fabs(f) >= 9.2e18)
            return fail(r, "%g is out of range for an integer here", f);
        *out = val_int((int64_t)f);
    }
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
    int64_t precision = arg_int(args, 0, "precision", 0);
    char text[400];

    if (!val_is_number(v))
        return fail(r, "type %s doesn't define __round__ method", val_type(v));
    if (!str_is(how, "common") && !str_is(how, "ceil") && !str_is(how, "floor"))
        return fail(r, "method must be common, ceil or floor");
    if (str_is(how, "common") && v.kind != VAL_FLOAT && precision >= 0) {
        *out = val_int(v.kind == VAL_BOOL ? v.b : v.i);
        return ERR_OK;
    }
    if (str_is(how, "common") && precision >= 0 && precision <= 20) {
        snprintf(text, sizeof text, "%.*f", (int)precision, v.f);       /* the decimal nearest to what the double really is */
        *out = val_float(strtod(text, NULL));
        return ERR_OK;
    }
    double scale = pow(10, (double)precision), x = val_number(v) * scale;
    x = str_is(how, "ceil") ? ceil(x) : str_is(how, "floor") ? floor(x) : nearbyint(x);
    *out = val_float((x == 0 ? 0 : x) / scale);
    return ERR_OK;
}

/* An attribute, never an item: of a dict, only its methods. */
errc f_attr(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str name = arg_str(args, 0, "name", "");

    if (v.kind == VAL_UNDEFINED)
        return undefined_used(r, v);
    if (v.kind == VAL_DICT) {
        if (!method_find(r, v, name, out))
            *out = undefined_as(r, "'dict object' has no attribute '%.*s'", STR_ARG(name));
        return ERR_OK;
    }
    return get_attr(r, v, name, out);
}
