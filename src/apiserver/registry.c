/*
 * The picture of what is served: built-in resources, those of stored definitions, and the webhooks that are asked. It is rebuilt as a whole and
 * swapped; requests hold a reference to the one they began with.
 */
#include "apiserver/admission.h"
#include "api/k8s/k8s.h"
#include "base/mem.h"

const char *verb_name(enum verb v)
{
    static const char *const names[VERB_COUNT_] = {
        [VERB_CREATE] = "create", [VERB_DELETE] = "delete", [VERB_DELETECOLLECTION] = "deletecollection", [VERB_GET] = "get",
        [VERB_LIST] = "list", [VERB_PATCH] = "patch", [VERB_UPDATE] = "update", [VERB_WATCH] = "watch",
    };
    return names[v];
}

struct registry *registry_ref(struct registry *g)
{
    __atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
    return g;
}

void registry_free(struct registry *g)
{
    if (!g || __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    admission_done(g);
    free(g->rows);
    arena_free(g->arena);
    free(g);
}

struct registry *registry_now(struct apiserver *s)
{
    LOCK_SCOPE(&s->registry_mu);
    return registry_ref(s->registry);
}

struct resource *registry_add(struct registry *g, const struct resource *row)
{
    static const struct strategy plain;

    vec_grow(g->rows, g->n, g->cap);
    struct resource *x = &g->rows[g->n++];
    *x = *row;
    bool core = !str_set(x->group);
    if (!x->verbs)
        x->verbs = VERBS_ALL;
    if (!x->key)
        x->key = core ? x->plural : arena_printf(g->arena, "%s/%s", x->group, x->plural);
    x->qualified = core ? x->plural : arena_printf(g->arena, "%s.%s", x->plural, x->group);
    x->gv = core ? x->version : arena_printf(g->arena, "%s/%s", x->group, x->version);
    if (!x->type && !x->custom)
        x->type = k8s_kind(x->group, x->version, x->kind);
    if (!x->strategy)
        x->strategy = &plain;
    return x;
}

struct build { struct registry *g; struct apiserver *s; struct err e; };

static bool add_definition(void *arg, const struct store_row *row)
{
    struct build *b = arg;
    json_t *definition = NULL;

    if (json_parse(row->text, &definition, &b->e))
        return true;
    json_arena_own(b->g->arena, definition);    /* its schema is referenced by the type */
    (void)registry_add_custom(b->g, definition, &b->e);         /* one bad definition must not hide the others */
    return true;
}

errc registry_rebuild(struct apiserver *s, struct err *e)
{
    struct registry *g = xzalloc(sizeof *g), *dropped = g;
    struct build b = { .g = g, .s = s };

    g->refs = 1;
    g->arena = arena_new();
    registry_add_builtin(g);
    errc rc = store_list(s->store, &(struct store_list){ .resource = "apiextensions.k8s.io/customresourcedefinitions" },
                         add_definition, &b, &g->rv, e);
    rc = rc ? rc : admission_load(g, s->store, e);
    if (rc) {
        registry_free(g);
        return rc;
    }
    {
        LOCK_SCOPE(&s->registry_mu);
        if (!s->registry || g->rv >= s->registry->rv) {
            dropped = s->registry;
            s->registry = g;
        }
    }
    registry_free(dropped);
    return ERR_OK;
}

bool registry_has_group(const struct registry *g, const char *group, const char *version)
{
    for (size_t i = 0; i < g->n; i++)
        if (streq(g->rows[i].group, group) && (!version || streq(g->rows[i].version, version)))
            return true;
    return false;
}

const struct resource *registry_find(const struct registry *g, const char *group, const char *version, const char *plural)
{
    for (size_t i = 0; i < g->n; i++)
        if (streq(g->rows[i].plural, plural) && streq(g->rows[i].group, group) && (!version || streq(g->rows[i].version, version)))
            return &g->rows[i];
    return NULL;
}

const struct subresource *resource_sub(const struct resource *res, const char *name)
{
    for (size_t i = 0; i < res->n_subs; i++)
        if (streq(res->subs[i].name, name))
            return &res->subs[i];
    return NULL;
}
