/* Filters of lists and dicts. */
#include "template/filters.h"

errc f_list(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct list *l;

    (void)a;
    TRY(val_items(r, v, &l));
    *out = list_val(l);
    return ERR_OK;
}

errc f_first(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct list *l;

    (void)a;
    TRY(val_items(r, v, &l));
    *out = l->n ? l->v[0] : val_undefined(STR("No first item, sequence was empty."));
    return ERR_OK;
}

errc f_last(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct list *l;

    (void)a;
    TRY(val_items(r, v, &l));
    *out = l->n ? l->v[l->n - 1] : val_undefined(STR("No last item, sequence was empty."));
    return ERR_OK;
}

errc attribute_of(struct render *r, struct val v, const struct val *attribute, struct val *out)
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

errc f_join(struct render *r, struct val v, const struct args *args, struct val *out)
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

errc f_reverse(struct render *r, struct val v, const struct args *a, struct val *out)
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

/* The key of one item: its attribute, or a list of several. Text is compared without case unless asked. */
static errc sort_key(struct render *r, struct val item, const struct val *attribute, const struct val *fallback, bool sensitive, struct val *out)
{
    struct str rest = attribute && attribute->kind == VAL_STR ? attribute->s : (struct str){ 0 }, part;
    struct val key;
    struct val list = val_list(r->arena);

    if (!rest.p) {
        TRY(attribute_of(r, item, attribute, &key));
        *out = key;
        return key.kind == VAL_STR && !sensitive ? text_case(r, key.s, 'l', out) : ERR_OK;
    }
    while (str_next(&rest, ',', &part)) {
        struct val name = val_str(part);
        TRY(attribute_of(r, item, &name, &key));
        if (key.kind == VAL_UNDEFINED && fallback)
            key = *fallback;
        if (key.kind == VAL_STR && !sensitive)
            TRY(text_case(r, key.s, 'l', &key));
        list_add(r->arena, list.list, key);
    }
    *out = list;
    return ERR_OK;
}

errc sorted(struct render *r, struct list *l, const struct val *attribute, const struct val *fallback, bool sensitive, bool descending, struct val *out)
{
    struct val *keys = arena_calloc(r->arena, l->n, sizeof *keys);
    size_t *at = arena_calloc(r->arena, l->n, sizeof *at), *tmp = arena_calloc(r->arena, l->n, sizeof *tmp);

    for (size_t i = 0; i < l->n; i++) {
        at[i] = i;
        TRY(sort_key(r, l->v[i], attribute, fallback, sensitive, &keys[i]));
    }
    TRY(sort_keys(r, keys, at, tmp, l->n, descending));
    *out = val_list(r->arena);
    for (size_t i = 0; i < l->n; i++)
        list_add(r->arena, out->list, l->v[at[i]]);
    return ERR_OK;
}

errc f_sort(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct list *l;
    TRY(val_items(r, v, &l));
    return sorted(r, l, arg(args, 2, "attribute"), NULL, arg_bool(args, 1, "case_sensitive", false), arg_bool(args, 0, "reverse", false), out);
}

errc f_items(struct render *r, struct val v, const struct args *a, struct val *out)
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

errc f_dictsort(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct val pairs, by = val_int(str_is(arg_str(args, 1, "by", "key"), "value"));

    TRY(f_items(r, v, &(struct args){ 0 }, &pairs));
    return sorted(r, pairs.list, &by, NULL, arg_bool(args, 0, "case_sensitive", false), arg_bool(args, 2, "reverse", false), out);
}

errc f_unique(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct list *l;

    TRY(val_items(r, v, &l));
    struct val keys = val_list(r->arena);
    *out = val_list(r->arena);
    for (size_t i = 0; i < l->n; i++) {
        struct val key;
        bool seen;
        TRY(attribute_of(r, l->v[i], arg(args, 1, "attribute"), &key));
        TRY(val_hashable(r, key));
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
    *out = val_undefined(STR("No aggregated item, sequence was empty."));
    for (size_t i = 0; i < l->n; i++) {
        struct val a, b;
        int order = 1;
        bool sensitive = arg_bool(args, 0, "case_sensitive", false);
        TRY(sort_key(r, l->v[i], arg(args, 1, "attribute"), NULL, sensitive, &a));
        if (i) {
            TRY(sort_key(r, *out, arg(args, 1, "attribute"), NULL, sensitive, &b));
            TRY(val_compare(r, a, b, &order));
            order *= sign;
        }
        if (order > 0)
            *out = l->v[i];
    }
    return tick(r, l->n);
}

errc f_max(struct render *r, struct val v, const struct args *a, struct val *out) { return extreme(r, v, a, 1, out); }
errc f_min(struct render *r, struct val v, const struct args *a, struct val *out) { return extreme(r, v, a, -1, out); }

errc f_sum(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *start = arg(args, 1, "start");
    struct list *l;

    TRY(val_items(r, v, &l));
    *out = start ? *start : val_int(0);
    for (size_t i = 0; i < l->n; i++) {
        struct val x, total = *out;
        TRY(attribute_of(r, l->v[i], arg(args, 0, "attribute"), &x));
        if (total.kind == VAL_STR)
            return fail(r, "sum() can't sum strings");
        TRY(binary_op(r, OP_ADD, total, x, out));
        TRY(tick(r, 1));
    }
    return ERR_OK;
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
    *out = val_list(r->arena);
    if (!val_true(v))                   /* jinja asks "if seq" first: none and 0 are empty here */
        return ERR_OK;
    TRY(val_items(r, v, &l));
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

errc f_select(struct render *r, struct val v, const struct args *a, struct val *out) { return picked(r, v, a, false, true, out); }
errc f_reject(struct render *r, struct val v, const struct args *a, struct val *out) { return picked(r, v, a, false, false, out); }
errc f_selectattr(struct render *r, struct val v, const struct args *a, struct val *out) { return picked(r, v, a, true, true, out); }
errc f_rejectattr(struct render *r, struct val v, const struct args *a, struct val *out) { return picked(r, v, a, true, false, out); }

errc f_map(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *attribute = arg(args, SIZE_MAX, "attribute"), *fallback = arg(args, SIZE_MAX, "default");
    const struct filter *filter = args->n && args->v[0].kind == VAL_STR ? filter_find(args->v[0].s) : NULL;
    struct args rest = rest_of(args, 1);
    struct list *l;

    if (!attribute && !filter)
        return fail(r, "map needs attribute= or the name of a filter");
    *out = val_list(r->arena);
    if (!val_true(v))
        return ERR_OK;
    TRY(val_items(r, v, &l));
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
