/* Filters that cut a list into rows or groups. */
#include "template/filters.h"

static errc new_row(struct render *r, struct list *rows, struct list **out)
{
    struct val row = val_list(r->arena);

    list_add(r->arena, rows, row);
    *out = row.list;
    return tick(r, 1);
}

errc f_batch(struct render *r, struct val v, const struct args *args, struct val *out)
{
    int64_t size = arg_int(args, 0, "linecount", 0);
    const struct val *fill = arg(args, 1, "fill_with");
    struct list *items, *row = NULL;

    if (size < 1)
        return fail(r, "batch needs a size of at least 1");
    TRY(val_items(r, v, &items));
    struct val rows = val_list(r->arena);
    for (size_t i = 0; i < items->n; i++) {
        if (i % (size_t)size == 0)
            TRY(new_row(r, rows.list, &row));
        list_add(r->arena, row, items->v[i]);
    }
    while (row && fill && fill->kind != VAL_NONE && row->n < (size_t)size) {
        TRY(tick(r, 1));
        list_add(r->arena, row, *fill);
    }
    *out = val_list(r->arena);          /* again, so that depth and weight of the rows count */
    for (size_t i = 0; i < rows.list->n; i++)
        list_add(r->arena, out->list, rows.list->v[i]);
    return box_check(r, *out);
}

errc f_slice(struct render *r, struct val v, const struct args *args, struct val *out)
{
    int64_t slices = arg_int(args, 0, "slices", 0);
    const struct val *fill = arg(args, 1, "fill_with");
    struct list *items;

    if (slices < 1 || slices > 100000)
        return fail(r, "slice needs a number of slices between 1 and 100000");
    TRY(val_items(r, v, &items));
    size_t n = (size_t)slices, each = items->n / n, longer = items->n % n, at = 0;
    *out = val_list(r->arena);
    for (size_t i = 0; i < n; i++) {
        struct val row = val_list(r->arena);
        for (size_t k = 0; k < each + (i < longer); k++)
            list_add(r->arena, row.list, items->v[at++]);
        if (fill && fill->kind != VAL_NONE && i >= longer)
            list_add(r->arena, row.list, *fill);
        list_add(r->arena, out->list, row);
        TRY(tick(r, 1 + row.list->n));
    }
    return box_check(r, *out);
}

/* Text compares without case, as sort does it. */
static errc group_key(struct render *r, struct val item, const struct args *args, struct val *key)
{
    const struct val *fallback = arg(args, 1, "default");

    TRY(attribute_of(r, item, arg(args, 0, "attribute"), key));
    if (key->kind == VAL_UNDEFINED && fallback)
        *key = *fallback;
    return ERR_OK;
}

static errc folded(struct render *r, struct val key, bool sensitive, struct val *out)
{
    *out = key;
    return key.kind == VAL_STR && !sensitive ? text_case(r, key.s, 'l', out) : ERR_OK;
}

errc f_groupby(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct val attribute, sorted_items, last = val_none(), key, fold;
    bool sensitive = arg_bool(args, 2, "case_sensitive", false);
    struct list *items;
    struct dict *group = NULL;

    if (!arg(args, 0, "attribute"))
        return fail(r, "groupby needs an attribute");
    attribute = *arg(args, 0, "attribute");
    TRY(val_items(r, v, &items));
    TRY(sorted(r, items, &attribute, arg(args, 1, "default"), sensitive, false, &sorted_items));
    *out = val_list(r->arena);
    for (size_t i = 0; i < sorted_items.list->n; i++) {
        TRY(group_key(r, sorted_items.list->v[i], args, &key));
        TRY(folded(r, key, sensitive, &fold));
        if (!group || !val_equal(fold, last)) {
            struct val pair = val_list(r->arena), members = val_list(r->arena);
            pair.kind = VAL_TUPLE;
            list_add(r->arena, pair.list, key);
            list_add(r->arena, pair.list, members);
            pair.list->named = group = arena_new_of(r->arena, struct dict);
            dict_put(r->arena, group, val_str(STR("grouper")), key);
            dict_put(r->arena, group, val_str(STR("list")), members);
            list_add(r->arena, out->list, pair);
            last = fold;
        }
        list_add(r->arena, group->v[1].list, sorted_items.list->v[i]);
        TRY(tick(r, 1));
    }
    return ERR_OK;
}
