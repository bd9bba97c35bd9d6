/* The functions that every template sees. */
#include "base/clock.h"
#include "template/priv.h"

static errc f_raise(struct render *r, const struct args *args, struct val *out)
{
    AUTO_BUF b = { 0 };

    (void)out;
    if (args->n)
        val_print(args->v[0], &b);
    return err_set(r->e, ERR_INVALID, "%s", buf_cstr(&b));
}

static errc f_range(struct render *r, const struct args *args, struct val *out)
{
    int64_t a = arg_int(args, 0, NULL, 0), b = arg_int(args, 1, NULL, 0), step = arg_int(args, 2, NULL, 1);

    for (size_t i = 0; i < args->n; i++)
        if (args->v[i].kind != VAL_INT && args->v[i].kind != VAL_BOOL)
            return fail(r, "range() needs integers, not %s", val_type(args->v[i]));
    if (!args->n || step == 0)
        return fail(r, "range() needs an end, and a step that is not 0");
    if (args->n == 1)
        b = a, a = 0;
    int64_t limit = 100000;             /* Jinja's sandbox has this one too */
    *out = val_list(r->arena);
    for (int64_t i = a; step > 0 ? i < b : i > b;) {
        if (limit-- == 0)
            return fail(r, "range() is longer than 100000");
        list_add(r->arena, out->list, val_int(i));
        if (__builtin_add_overflow(i, step, &i))
            break;
    }
    return tick(r, out->list->n);
}

/* dict([(k, v), ...]) */
static errc put_pairs(struct render *r, struct dict *d, struct val pairs)
{
    struct list *items, *pair;

    TRY(val_items(r, pairs, &items));
    for (size_t i = 0; i < items->n; i++) {
        TRY(val_items(r, items->v[i], &pair));
        if (pair->n != 2)
            return fail(r, "dictionary update sequence element #%zu has length %zu; 2 is required", i, pair->n);
        TRY(val_hashable(r, pair->v[0]));
        TRY(tick(r, d->n / 16));
        dict_put(r->arena, d, pair->v[0], pair->v[1]);
    }
    return ERR_OK;
}

static errc f_dict(struct render *r, const struct args *args, struct val *out)
{
    *out = val_dict(r->arena);
    if (args->n && args->v[0].kind == VAL_DICT)
        for (size_t i = 0; i < args->v[0].dict->n; i++)
            dict_put(r->arena, out->dict, args->v[0].dict->k[i], args->v[0].dict->v[i]);
    else if (args->n)
        TRY(put_pairs(r, out->dict, args->v[0]));
    for (size_t i = 0; i < args->n_named; i++)
        dict_put(r->arena, out->dict, val_str(args->names[i]), args->named[i]);
    if (val_depth(*out) > VAL_DEPTH_MAX || out->dict->weight > VAL_WEIGHT_MAX)
        return fail(r, "a dict is too large or too deep");
    return tick(r, out->dict->n);
}

static errc f_namespace(struct render *r, const struct args *args, struct val *out)
{
    TRY(f_dict(r, args, out));
    out->kind = VAL_NAMESPACE;
    return ERR_OK;
}

static errc f_strftime(struct render *r, const struct args *args, struct val *out)
{
    struct tm tm = { 0 };
    char text[256];
    struct str format = arg_str(args, 0, "format", NULL);
    time_t now = (time_t)(clock_wall_ms() / 1000);

    if (!format.p || format.n > 100)
        return fail(r, "strftime_now() needs a short format");
    (void)gmtime_r(&now, &tm);
    if (r->today) {
        struct tm day = { 0 };
        if (!strptime(r->today, "%Y-%m-%d", &day))
            return fail(r, "today is \"%s\", not YYYY-MM-DD", r->today);
        tm = day;
    }
    AUTO_BUF f = { 0 };
    buf_addstr(&f, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = format.n ? strftime(text, sizeof text, buf_cstr(&f), &tm) : 0;
#pragma GCC diagnostic pop
    *out = val_str(arena_str(r->arena, str_n(text, n)));
    return ERR_OK;
}

static const struct function functions[] = {
    { "raise_exception", f_raise }, { "range", f_range }, { "dict", f_dict }, { "namespace", f_namespace }, { "strftime_now", f_strftime },
};

const struct function *function_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        if (str_is(name, functions[i].name))
            return &functions[i];
    return NULL;
}
