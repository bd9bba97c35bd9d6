/* The functions and methods of expressions: one row each, by name and number of arguments. */
#include "schema/cel_priv.h"

#include <math.h>

#include "base/mem.h"
#include "schema/priv.h"

static errc f_size(json_t *const *a, json_t **out, struct err *e)
{
    size_t n = 0;

    if (json_is_string(a[0]))
        for (size_t i = 0; i < json_string_length(a[0]); i++)
            n += (json_string_value(a[0])[i] & 0xC0) != 0x80;
    else if (json_is_array(a[0]) || json_is_object(a[0]))
        n = json_is_array(a[0]) ? json_array_size(a[0]) : json_object_size(a[0]);
    else
        return cel_fail(e, "no such overload", "size");
    *out = json_integer((json_int_t)n);
    return ERR_OK;
}

static errc strings(json_t *const *a, struct err *e)
{
    return json_is_string(a[0]) && json_is_string(a[1]) ? ERR_OK : cel_fail(e, "no such overload", "a string function");
}

static errc f_starts(json_t *const *a, json_t **out, struct err *e)
{
    TRY(strings(a, e));
    *out = json_boolean(str_has_prefix(json_to_str(a[0]), json_to_str(a[1])));
    return ERR_OK;
}

static errc f_ends(json_t *const *a, json_t **out, struct err *e)
{
    TRY(strings(a, e));
    *out = json_boolean(str_has_suffix(json_to_str(a[0]), json_to_str(a[1])));
    return ERR_OK;
}

static errc f_contains(json_t *const *a, json_t **out, struct err *e)
{
    size_t at;

    TRY(strings(a, e));
    *out = json_boolean(str_find(json_to_str(a[0]), json_to_str(a[1]), &at));
    return ERR_OK;
}

static errc f_matches(json_t *const *a, json_t **out, struct err *e)
{
    TRY(strings(a, e));
    *out = json_boolean(regex_matches(json_string_value(a[1]), json_to_str(a[0])));
    return ERR_OK;
}

/* The first match, "" where there is none. */
static errc f_find(json_t *const *a, json_t **out, struct err *e)
{
    struct str found = { 0 };

    TRY(strings(a, e));
    *out = json_strn(regex_find(json_string_value(a[1]), json_to_str(a[0]), &found) ? found : STR(""));
    return ERR_OK;
}

static errc f_split(json_t *const *a, json_t **out, struct err *e)
{
    struct str rest = json_to_str(a[0]), sep = json_to_str(a[1]);
    size_t at;

    TRY(strings(a, e));
    *out = json_array();
    while (sep.n && str_find(rest, sep, &at)) {
        json_push(*out, json_strn(str_n(rest.p, at)));
        rest = str_from(rest, at + sep.n);
    }
    json_push(*out, json_strn(rest));
    return ERR_OK;
}

static errc change_case(const json_t *v, char from, json_t **out, struct err *e)
{
    if (!json_is_string(v))
        return cel_fail(e, "no such overload", "a string function");
    AUTO_MEM char *copy = xstrdup(json_string_value(v));
    for (char *p = copy; *p; p++)
        if (*p >= from && *p <= from + 25)
            *p ^= 0x20;
    *out = json_strn(str_of(copy));
    return ERR_OK;
}

static errc f_lower(json_t *const *a, json_t **out, struct err *e) { return change_case(a[0], 'A', out, e); }
static errc f_upper(json_t *const *a, json_t **out, struct err *e) { return change_case(a[0], 'a', out, e); }

static errc f_trim(json_t *const *a, json_t **out, struct err *e)
{
    if (!json_is_string(a[0]))
        return cel_fail(e, "no such overload", "trim");
    *out = json_strn(str_trim(json_to_str(a[0])));
    return ERR_OK;
}

static errc f_int(json_t *const *a, json_t **out, struct err *e)
{
    int64_t v;

    if (json_is_integer(a[0]))
        v = json_integer_value(a[0]);
    else if (json_is_real(a[0]) && fabs(json_real_value(a[0])) < 9e18)
        v = (int64_t)json_real_value(a[0]);
    else if (!json_is_string(a[0]) || !str_to_i64(json_to_str(a[0]), &v))
        return cel_fail(e, "type conversion error to int", NULL);
    *out = json_integer(v);
    return ERR_OK;
}

static errc f_double(json_t *const *a, json_t **out, struct err *e)
{
    double v;

    if (json_is_number(a[0]))
        v = json_number_value(a[0]);
    else if (!json_is_string(a[0]) || !str_to_f64(json_to_str(a[0]), &v))
        return cel_fail(e, "type conversion error to double", NULL);
    *out = json_real(v);
    return ERR_OK;
}

static errc f_string(json_t *const *a, json_t **out, struct err *e)
{
    if (json_is_string(a[0]))
        *out = json_incref(a[0]);
    else if (json_is_number(a[0]) || json_is_boolean(a[0])) {
        AUTO_MEM char *text = json_text(a[0]);
        *out = json_strn(str_of(text));
    } else
        return cel_fail(e, "type conversion error to string", NULL);
    return ERR_OK;
}

static errc f_sorted(json_t *const *a, json_t **out, struct err *e)
{
    if (!json_is_array(a[0]))
        return cel_fail(e, "no such overload", "isSorted");
    size_t n = json_array_size(a[0]);
    for (size_t i = 1; i < n; i++) {
        AUTO_JSON less = NULL;
        TRY(cel_compare(CEL_GT, json_array_get(a[0], i - 1), json_array_get(a[0], i), &less, e));
        if (json_is_true(less)) {
            *out = json_false();
            return ERR_OK;
        }
    }
    *out = json_true();
    return ERR_OK;
}

static errc f_sum(json_t *const *a, json_t **out, struct err *e)
{
    AUTO_JSON total = json_integer(0);
    json_t *item;
    size_t i;

    json_array_foreach(a[0], i, item) {
        json_t *more = NULL;
        TRY(cel_math(CEL_ADD, total, item, &more, e));
        json_decref(total);
        total = more;
    }
    *out = TAKE(total);
    return ERR_OK;
}

static errc f_index_of(json_t *const *a, json_t **out, struct err *e)
{
    size_t at;
    const json_t *item;

    if (json_is_array(a[0])) {
        json_array_foreach(a[0], at, item)
            if (cel_equal(item, a[1])) {
                *out = json_integer((json_int_t)at);
                return ERR_OK;
            }
        *out = json_integer(-1);
        return ERR_OK;
    }
    TRY(strings(a, e));
    *out = json_integer(str_find(json_to_str(a[0]), json_to_str(a[1]), &at) ? (json_int_t)at : -1);
    return ERR_OK;
}

static const struct { const char *name; size_t args; errc (*run)(json_t *const *, json_t **, struct err *); } functions[] = {
    { "size", 1, f_size }, { "startsWith", 2, f_starts }, { "endsWith", 2, f_ends }, { "contains", 2, f_contains },
    { "matches", 2, f_matches }, { "split", 2, f_split }, { "lowerAscii", 1, f_lower }, { "upperAscii", 1, f_upper }, { "trim", 1, f_trim },
    { "int", 1, f_int }, { "uint", 1, f_int }, { "double", 1, f_double }, { "string", 1, f_string }, { "isSorted", 1, f_sorted },
    { "sum", 1, f_sum }, { "indexOf", 2, f_index_of }, { "find", 2, f_find },
};

int cel_function(const char *name, size_t n_args)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        if (streq(functions[i].name, name) && functions[i].args == n_args)
            return (int)i;
    return -1;
}

errc cel_call(int function, json_t *const *args, json_t **out, struct err *e) { return functions[function].run(args, out, e); }
