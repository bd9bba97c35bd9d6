/* Methods of dicts, lists and loops. Nothing here changes a value: the sandbox of transformers forbids it too. */
#include "template/methods.h"

errc m_get(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *fallback = arg(args, 1, "default");

    if (!args->n)
        return fail(r, "get() needs a key");
    const struct val *found = dict_find(v.dict, args->v[0]);
    *out = found ? *found : fallback ? *fallback : val_none();
    return tick(r, v.dict->n / 16);
}

static errc dict_view(struct render *r, struct val v, int which, struct val *out)
{
    *out = val_list(r->arena);
    for (size_t i = 0; i < v.dict->n; i++) {
        struct val item = which == 0 ? v.dict->k[i] : v.dict->v[i];
        if (which == 2) {
            struct val pair = val_list(r->arena);
            pair.kind = VAL_TUPLE;
            list_add(r->arena, pair.list, v.dict->k[i]);
            list_add(r->arena, pair.list, v.dict->v[i]);
            item = pair;
        }
        list_add(r->arena, out->list, item);
    }
    return tick(r, v.dict->n);
}

errc m_keys(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return dict_view(r, v, 0, out); }
errc m_values(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return dict_view(r, v, 1, out); }
errc m_items(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return dict_view(r, v, 2, out); }

errc m_copy(struct render *r, struct val v, const struct args *a, struct val *out)
{
    (void)r, (void)a;
    *out = v;                           /* nothing can change it, so it is its own copy */
    return ERR_OK;
}

errc m_index(struct render *r, struct val v, const struct args *args, struct val *out)
{
    for (size_t i = 0; args->n && i < v.list->n; i++)
        if (val_equal(v.list->v[i], args->v[0])) {
            *out = val_int((int64_t)i);
            return tick(r, i);
        }
    return fail(r, "index(): the value is not in the list");
}

errc m_forbidden(struct render *r, struct val v, const struct args *a, struct val *out)
{
    (void)a, (void)out;
    return fail(r, "templates may not change a %s", val_type(v));
}

errc m_cycle(struct render *r, struct val v, const struct args *args, struct val *out)
{
    if (!args->n)
        return fail(r, "loop.cycle() needs values");
    *out = args->v[v.loop->index0 % args->n];
    return ERR_OK;
}

errc m_changed(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct val now = val_list(r->arena);

    for (size_t i = 0; i < args->n; i++)
        list_add(r->arena, now.list, args->v[i]);
    *out = val_bool(!v.loop->changed_once || !val_equal(v.loop->last_changed, now));
    v.loop->changed_once = true;
    v.loop->last_changed = now;
    return ERR_OK;
}
