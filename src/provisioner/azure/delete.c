/* The end of a pool, a step per call, and the two ways to look at pools. */
#include "base/log.h"
#include "base/mem.h"
#include "provisioner/azure/priv.h"

#define LOOK_BUSY_MS 20000              /* while another operation runs: at most; at first */
#define LOOK_BUSY_FIRST_MS 2000
#define AFTER_YOU_MS  500               /* when ARM lets us ask again, those go first who wait for a machine */

/* From its beginning on; elapsed_ms 0: also when it is not known. */
static int64_t deletion_look_ms(int64_t elapsed_ms, int64_t asked_ms)
{
    int64_t patience = 3 * elapsed_ms / 2;

    return azure_look_ms(patience > AZURE_DELETION_MS ? patience : AZURE_DELETION_MS, asked_ms);
}

bool azure_pool_is_ours(const json_t *pool, struct cloud_instance *out)
{
    if (streq(json_str_at(pool, "properties", "mode", NULL), "System"))
        return false;
    return !pool_instance(pool, out, NULL);
}

static bool is_gone(const struct arm_refusal *why)
{
    return why->error.status == 404 && arm_error_fault(&why->error) != FAULT_AUTH && !streq(why->error.inner, "SubscriptionNotFound");
}

errc azure_delete_pool(struct azure *a, const char *name, const json_t *seen, struct pool_writes *w, bool *gone, struct arm_refusal *why, struct err *e)
{
    AUTO_MEM char *url = azure_pool_url(a, name);
    AUTO_REPLY r = { 0 };
    const char *etag = json_str_at(seen, "properties", "eTag", NULL);
    errc rc = arm_send(a->arm, &(struct arm_request){ .class = BUDGET_DELETE, .method = "DELETE", .url = url, .if_match = etag }, &r, why, e);

    *gone = rc ? is_gone(why) : r.status == 204;
    if (!rc || why->sent)
        w->delete_ms = arm_now_ms(a->arm);
    if (why->error.status == 412)
        pools_forget(a->pools);
    if (rc)
        return *gone ? ERR_OK : rc;
    arm_operation_done(&w->deletion);
    if (!*gone && arm_operation_of(a->arm, &r, &w->deletion, e))
        w->deletion = (struct arm_operation){ 0 };      /* the pool tells how it goes */
    return ERR_OK;
}

/* Why a deletion that was accepted did not end: OK when it goes on or says nothing. */
static errc deletion_failed(struct azure *a, const char *name, struct pool_writes *w, struct err *e)
{
    struct arm_progress p = { 0 };
    struct arm_refusal why;
    int64_t now = arm_now_ms(a->arm);

    if (now < w->look_ms)
        return ERR_OK;
    errc rc = arm_poll(a->arm, &w->deletion, &p, &why, NULL);

    if (rc || p.state == ARM_RUNNING) {
        azure_look_later(w, arm_now_ms(a->arm), deletion_look_ms(now - w->delete_ms, p.wait_ms), p.wait_ms);
        return ERR_OK;
    }
    arm_operation_done(&w->deletion);
    w->delete_ms = 0;                   /* the next call asks again */
    if (p.state != ARM_FAILED)
        return ERR_OK;
    (void)arm_error_set(e, ERR_UNAVAILABLE, &p.error);
    return err_wrap(e, "agent pool %s: its deletion failed", name);
}

/* As long again as it has been busy: one that ends in a moment costs a moment. */
static int64_t busy_look_ms(const struct azure *a, struct pool_writes *w)
{
    int64_t now = arm_now_ms(a->arm), lasts;

    w->busy_ms = w->busy_ms ? w->busy_ms : now;
    lasts = now - w->busy_ms;
    return lasts < LOOK_BUSY_FIRST_MS ? LOOK_BUSY_FIRST_MS : lasts > LOOK_BUSY_MS ? LOOK_BUSY_MS : lasts;
}

/* Our own patience and another operation's turn are no failures: come back. */
static errc later_or(errc rc, const struct azure *a, struct pool_writes *w, const struct arm_refusal *why, int64_t *look_ms)
{
    bool busy = why->failure.fault == FAULT_BUSY, throttled = why->failure.fault == FAULT_THROTTLED;

    if (!busy && !throttled)
        return rc;
    if (why->failure.retry_ms > 0)
        *look_ms = why->failure.retry_ms + (throttled ? AFTER_YOU_MS : 0);
    else
        *look_ms = busy ? busy_look_ms(a, w) : LOOK_BUSY_MS;
    return ERR_OK;
}

static errc ask_for_end(struct azure *a, const char *name, const json_t *pool, struct pool_writes *w, int64_t *look_ms, struct err *e)
{
    struct arm_refusal why;
    bool gone = false;
    errc rc = azure_delete_pool(a, name, pool, w, &gone, &why, e);

    if (rc)
        return later_or(rc, a, w, &why, look_ms);
    w->busy_ms = 0;
    if (!gone) {
        *look_ms = deletion_look_ms(0, w->deletion.wait_ms);
        azure_look_later(w, w->delete_ms, *look_ms, w->deletion.wait_ms);
    }
    return ERR_OK;
}

/* A deletion from before the pool was made (anew) says nothing about it. */
bool azure_is_asked_to_end(const struct pool_writes *w)
{
    return w->delete_ms && w->delete_ms >= w->put_ms;
}

bool azure_ends(void *self, const char *claim_name)
{
    const struct pool_writes *w = azure_writes(self, claim_name);

    return azure_is_asked_to_end(w) && w->deletion.style != ARM_NO_OPERATION;
}

/*
 * A pool that is to go, as a look saw it. One that was asked to go and does not: its operation says why, once that may be looked at; before, and where no
 * operation is known (an answer was lost), what a look by name saw is asked to go again.
 */
static errc seen_step(struct azure *a, const char *name, const json_t *pool, bool by_name, struct pool_writes *w, int64_t *look_ms, struct err *e)
{
    AUTO(cloud_instance_done) struct cloud_instance i = { 0 };
    int64_t now = arm_now_ms(a->arm);

    if (!azure_pool_is_ours(pool, &i)) {
        log_info("provisioner", "a pool that is not of our making is left alone", KV("pool", name));
        return ERR_OK;
    }
    if (i.state == CLOUD_DELETING) {
        *look_ms = deletion_look_ms(w->delete_ms ? now - w->delete_ms : 0, 0);
        return ERR_OK;
    }
    if (!azure_is_asked_to_end(w) || (by_name && (now < w->look_ms || w->deletion.style == ARM_NO_OPERATION)))
        return ask_for_end(a, name, pool, w, look_ms, e);
    *look_ms = deletion_look_ms(now - w->delete_ms, 0);
    return deletion_failed(a, name, w, e);
}

errc azure_pool_by_name(struct azure *a, const char *name, json_t **out, struct arm_refusal *why, struct err *e)
{
    AUTO_MEM char *url = azure_pool_url(a, name);
    AUTO_REPLY r = { 0 };
    errc rc = arm_send(a->arm, &(struct arm_request){ .class = BUDGET_READ, .method = "GET", .url = url }, &r, why, e);

    *out = NULL;
    if (rc)
        return is_gone(why) ? ERR_OK : rc;
    if (!r.body)
        return err_set(e, ERR_CORRUPT, "agent pool %s: ARM's answer is no JSON", name);
    *out = json_incref(r.body);
    return ERR_OK;
}

static errc look_by_name(struct azure *a, const char *name, struct pool_writes *w, int64_t *look_ms, struct err *e)
{
    AUTO_JSON pool = NULL;
    struct arm_refusal why;
    errc rc = azure_pool_by_name(a, name, &pool, &why, e);

    if (rc)
        return later_or(rc, a, w, &why, look_ms);
    if (!pool)
        return ERR_OK;
    w->seen_ms = arm_now_ms(a->arm);
    return seen_step(a, name, pool, true, w, look_ms, e);
}

/*
 * A pool that is in a list, which may be older than what was asked of the pool: where the answer to its deletion was lost, the pool itself says whether it
 * goes.
 */
static errc listed_step(struct azure *a, const char *name, const json_t *pool, struct pool_writes *w, int64_t *look_ms, struct err *e)
{
    bool goes = streq(json_str_at(pool, "properties", "provisioningState", NULL), "Deleting");

    if (azure_is_asked_to_end(w) && w->deletion.style == ARM_NO_OPERATION && !goes)
        return look_by_name(a, name, w, look_ms, e);
    return seen_step(a, name, pool, false, w, look_ms, e);
}

/*
 * A list does not prove that a pool is gone which was made, or seen, so short ago: it may not know it yet, even if its deletion was asked for meanwhile (that
 * may have failed). So where a deletion's end is looked for, and no list is at hand that shows the pool, it is asked for by name at once.
 */
bool azure_is_young(const struct azure *a, const struct pool_writes *w)
{
    int64_t there_ms = w->put_ms > w->seen_ms ? w->put_ms : w->seen_ms;

    return there_ms && arm_now_ms(a->arm) - there_ms < AZURE_LAG_MS;
}

static errc young_step(struct azure *a, const char *name, struct pool_writes *w, int64_t *look_ms, struct err *e)
{
    AUTO_JSON pools = pools_known(a->pools, pools_after(w, arm_now_ms(a->arm)));
    const json_t *pool = json_object_get(pools, name);

    return pool ? listed_step(a, name, pool, w, look_ms, e) : look_by_name(a, name, w, look_ms, e);
}

/* Accepted so short ago that a list may lack the pool because it is older than another one that showed it. */
static bool is_just_asked_to_end(const struct azure *a, const struct pool_writes *w)
{
    return azure_is_asked_to_end(w) && arm_now_ms(a->arm) - w->delete_ms < AZURE_LAG_MS;
}

/*
 * Not in the list: gone, but for what we made a moment ago, for what may not have had the time to go, and for a process that knows nothing of the pool (it
 * was started a moment ago).
 */
static errc absent(struct azure *a, const char *name, struct pool_writes *w, int64_t *look_ms, struct err *e)
{
    if (azure_is_young(a, w) && !azure_is_asked_to_end(w))
        return ask_for_end(a, name, NULL, w, look_ms, e);
    bool doubtful = is_just_asked_to_end(a, w) || (!w->put_ms && !w->delete_ms);

    return doubtful ? look_by_name(a, name, w, look_ms, e) : ERR_OK;
}

static errc delete_step(struct azure *a, const char *name, struct pool_writes *w, int64_t *look_ms, struct err *e)
{
    AUTO_JSON pools = NULL;
    struct arm_refusal why;

    if (azure_is_young(a, w) && azure_is_asked_to_end(w))
        return young_step(a, name, w, look_ms, e);
    errc rc = pools_look(a->pools, pools_after(w, arm_now_ms(a->arm)), &pools, &why, e);

    if (rc)
        return is_gone(&why) ? ERR_OK : later_or(rc, a, w, &why, look_ms);    /* the whole cluster is gone */
    const json_t *pool = json_object_get(pools, name);

    return pool ? listed_step(a, name, pool, w, look_ms, e) : absent(a, name, w, look_ms, e);
}

errc azure_delete(void *self, const char *claim_name, int64_t *out_look_ms, struct err *e)
{
    struct azure *a = self;

    *out_look_ms = 0;
    TRY(delete_step(a, claim_name, azure_writes(a, claim_name), out_look_ms, e));
    if (*out_look_ms == 0)
        azure_writes_forget(a, claim_name);
    return ERR_OK;
}

errc azure_get(void *self, const char *claim_name, struct cloud_instance *out, struct err *e)
{
    struct azure *a = self;
    AUTO_JSON pools = NULL;
    struct arm_refusal why;

    TRY(pools_look(a->pools, 0, &pools, &why, e));
    const json_t *pool = json_object_get(pools, claim_name);

    return pool ? pool_instance(pool, out, e) : err_set(e, ERR_NOT_FOUND, "agent pool %s: there is none", claim_name);
}

errc azure_list(void *self, struct cloud_instances *out, struct err *e)
{
    struct azure *a = self;
    AUTO_JSON pools = NULL;
    struct arm_refusal why;
    const char *name;
    json_t *pool;

    TRY(pools_look(a->pools, 0, &pools, &why, e));
    json_object_foreach(pools, name, pool) {
        struct cloud_instance i = { 0 };

        if (azure_pool_is_ours(pool, &i))
            *cloud_instances_add(out) = i;
    }
    return ERR_OK;
}
