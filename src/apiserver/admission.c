/* The two rounds of webhooks around a write. */
#include "apiserver/admission.h"
#include "apiserver/patch.h"
#include "api/k8s/k8s.h"

/* What a webhook made of the object is an object of the kind again: unknown fields gone, defaults filled in. */
static errc become(const struct admission *a, json_t *made)
{
    const struct type *t = a->res->type;

    object_head(made, a->res);
    if (t) {
        schema_prune(t, made, NULL);
        if (schema_coerce(t, made, &a->r->e))
            return fail_internal(a->r, "Internal error occurred: %s", arena_strdup(a->r->a, a->r->e.text));
        schema_default(t, made);
        k8s_default(t, made);
    }
    json_object_clear(a->obj);
    json_object_update(a->obj, made);
    return ERR_OK;
}

static errc apply_patch(const struct admission *a, const struct admission_hook *h, const struct admission_view *v, const json_t *patch)
{
    json_t *made = NULL;

    if (!a->obj || !patch)
        return ERR_OK;
    if (patch_json(v->obj, patch, &made, &a->r->e))
        return fail_internal(a->r, "Internal error occurred: failed calling webhook \"%s\": the patch cannot be applied: %s", h->name,
                             arena_strdup(a->r->a, a->r->e.text));
    json_arena_own(a->r->a, made);
    return become(a, made);
}

static errc ask(const struct admission *a, const struct admission_hook *h)
{
    struct admission_view v;
    json_t *patch = NULL;
    bool matches;

    TRY(admission_matches(a, h, &matches, &v));
    if (!matches)
        return ERR_OK;
    TRY(admission_call(a, h, &v, &patch));
    return apply_patch(a, h, &v, patch);
}

/* The second round asks those again who want to see what others did after them. */
static errc mutate_round(const struct admission *a, json_t **seen, bool again)
{
    const struct registry *g = a->r->registry;

    for (size_t i = 0; i < g->n_hooks; i++) {
        if (!g->hooks[i].mutating || (again && (!g->hooks[i].reinvoke || json_equal(seen[i], a->obj))))
            continue;
        TRY(ask(a, &g->hooks[i]));
        seen[i] = a->obj ? json_deep_copy(a->obj) : NULL;
        if (seen[i])
            json_arena_own(a->r->a, seen[i]);
    }
    return ERR_OK;
}

static bool nobody_asks(const struct admission *a, bool mutating)
{
    static const char *const silent[] = { "binding", "eviction", "token" };
    const struct registry *g = a->r->registry;
    bool any = false;

    if (mutating && streq(a->sub, "scale"))
        return true;                    /* what a webhook made of a Scale has no way back into the object */
    for (size_t i = 0; i < g->n_hooks; i++)
        any = any || g->hooks[i].mutating == mutating;
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        any = any && !streq(a->sub, silent[i]);
    return !any;
}

errc admission_mutate(const struct admission *a)
{
    if (nobody_asks(a, true))
        return ERR_OK;
    json_t **seen = arena_calloc(a->r->a, a->r->registry->n_hooks, sizeof *seen);

    TRY(mutate_round(a, seen, false));
    return a->obj ? mutate_round(a, seen, true) : ERR_OK;
}

errc admission_validate(const struct admission *a)
{
    const struct registry *g = a->r->registry;
    size_t n = 0;

    if (nobody_asks(a, false))
        return ERR_OK;
    struct admission_ask *asks = arena_calloc(a->r->a, g->n_hooks, sizeof *asks);

    for (size_t i = 0; i < g->n_hooks; i++) {
        bool matches = false;

        if (!g->hooks[i].mutating)
            TRY(admission_matches(a, &g->hooks[i], &matches, &asks[n].v));
        if (matches)
            asks[n++].h = &g->hooks[i];
    }
    return admission_call_all(a, asks, n);
}
