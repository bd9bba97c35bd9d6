/* The shared snapshot of a cluster's pools. */
#include "base/mem.h"
#include "provisioner/azure/priv.h"

#define LIST_GAP_MS 1000                /* between two LISTs, whatever is asked for */
#define FRESH_MS    4000

struct pools {
    struct arm *arm;
    char *url;
    struct mutex listing;               /* held during a LIST, which the others wait for; before mu */
    struct mutex mu;                    /* a leaf; guards the rest */
    json_t *seen;                       /* name -> pool; never changed once it is here */
    int64_t taken_ms, asked_ms;         /* when the LIST of `seen` began; when the last one began */
    size_t pages;                       /* of `seen`: what a LIST costs */
};

struct pools *pools_new(struct arm *arm, const char *url)
{
    struct pools *p = xmalloc(sizeof *p);

    *p = (struct pools){ .arm = arm, .url = xstrdup(url) };
    mutex_init(&p->listing);
    mutex_init(&p->mu);
    return p;
}

void pools_free(struct pools *p)
{
    if (!p)
        return;
    json_decref(p->seen);
    free(p->url);
    mutex_done(&p->mu);
    mutex_done(&p->listing);
    free(p);
}

json_t *pools_known(struct pools *p, int64_t after_ms)
{
    LOCK_SCOPE(&p->mu);
    bool good = p->seen && p->taken_ms > after_ms && arm_now_ms(p->arm) - p->taken_ms <= POOLS_AGE_MS;

    return good ? json_incref(p->seen) : NULL;
}

/* Of a pool that somebody may look at for hours; ARM says four times as much. */
static json_t *slim(const json_t *pool)
{
    static const char *const kept[] = { "provisioningState", "mode", "vmSize", "nodeLabels", "powerState", "nodeImageVersion", "eTag" };
    const json_t *had = json_object_get(pool, "properties");
    json_t *out = json_object(), *properties = json_sub(out, "properties");

    json_put_str(out, "name", json_cstr(pool, "name"));
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (json_object_get(had, kept[i]))
            json_put(properties, kept[i], json_clone(json_object_get(had, kept[i])));
    return out;
}

/* ARM compares names without case; ours are lower case. */
static json_t *by_name(const json_t *items)
{
    json_t *out = json_object();
    const json_t *pool;
    size_t i;

    json_array_foreach(items, i, pool) {
        const char *name = json_cstr(pool, "name");

        if (name)
            json_object_set_new(out, name, slim(pool));
    }
    return out;
}

static errc list(struct pools *p, json_t **out, struct arm_refusal *why, struct err *e)
{
    int64_t now = arm_now_ms(p->arm), since;
    AUTO_JSON items = NULL;
    size_t pages = 0;

    {
        LOCK_SCOPE(&p->mu);
        since = p->asked_ms ? now - p->asked_ms : LIST_GAP_MS;
        if (since >= LIST_GAP_MS)
            p->asked_ms = now;
    }
    if (since < LIST_GAP_MS) {
        why->failure = (struct cloud_failure){ FAULT_THROTTLED, LIST_GAP_MS - since };
        return err_set(e, ERR_THROTTLED, "the pools were listed a moment ago, the next look is in a second");
    }
    TRY(arm_list(p->arm, p->url, &items, &pages, why, e));
    json_t *seen = by_name(items);
    LOCK_SCOPE(&p->mu);

    json_decref(p->seen);
    p->seen = seen;
    p->taken_ms = now;
    p->pages = pages;
    *out = json_incref(seen);
    return ERR_OK;
}

errc pools_look(struct pools *p, int64_t after_ms, json_t **out, struct arm_refusal *why, struct err *e)
{
    *why = (struct arm_refusal){ 0 };
    *out = pools_known(p, after_ms);
    if (*out)
        return ERR_OK;
    LOCK_SCOPE(&p->listing);
    *out = pools_known(p, after_ms);          /* somebody else was faster */
    return *out ? ERR_OK : list(p, out, why, e);
}

json_t *pools_last(struct pools *p)
{
    LOCK_SCOPE(&p->mu);
    return json_incref(p->seen);
}

size_t pools_pages(struct pools *p)
{
    LOCK_SCOPE(&p->mu);
    return p->pages;
}

void pools_forget(struct pools *p)
{
    LOCK_SCOPE(&p->mu);
    json_decref(p->seen);
    p->seen = NULL;
}

int64_t pools_after(const struct pool_writes *w, int64_t now_ms)
{
    int64_t after = w->put_ms > w->delete_ms ? w->put_ms : w->delete_ms;

    after = w->unfinished_ms > after ? w->unfinished_ms : after;
    return after && after < now_ms - FRESH_MS ? now_ms - FRESH_MS : after;
}
