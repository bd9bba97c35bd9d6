/* How a creation goes, seen from outside: the pool in a list or by its name, the operation by a poll or a list that tells of many; and when to look next. */
#include "base/clock.h"
#include "base/mem.h"
#include "provisioner/azure/making.h"

#define LOOK_FIRST_MS 4000
#define LOOK_CLOSE_MS 7500              /* what has lasted for less is looked at closely: most failures come early */
#define LOOK_MAX_MS   120000
#define LOOK_AGAIN_MS 1000              /* after a look that said nothing; doubles after the third, to LOOK_POOL_MS */
#define LOOK_SOON_MS  2000              /* at a pool that goes, or whose Node is ready, at first; and at lists, at least */
#define CLOCK_MS      5                 /* ARM's clock and ours count what it asked for differently */
#define TOGETHER      3                 /* so many creations for each page of a LIST are looked at by one LIST instead of a poll each */

/* ---- when -------------------------------------------------------------------------------------------------------------------- */

int64_t azure_look_ms(int64_t patience_ms, int64_t asked_ms)
{
    int64_t look = patience_ms < LOOK_FIRST_MS ? LOOK_FIRST_MS : patience_ms > LOOK_MAX_MS ? LOOK_MAX_MS : patience_ms;

    return asked_ms > 0 ? asked_ms : look;
}

int64_t azure_patience_ms(int64_t elapsed_ms)
{
    return elapsed_ms < LOOK_CLOSE_MS ? elapsed_ms : 2 * elapsed_ms;
}

/* Where a list told: it serves many, and may be a little old. */
static int64_t list_look_ms(int64_t lasts_ms)
{
    int64_t look = lasts_ms / 2;

    return look < LOOK_SOON_MS ? LOOK_SOON_MS : look > LOOK_MAX_MS ? LOOK_MAX_MS : look;
}

void azure_look_later(struct pool_writes *w, int64_t now_ms, int64_t look_ms, int64_t asked_ms)
{
    int64_t slack = asked_ms > 0 ? CLOCK_MS : 0;

    w->look_ms = now_ms + look_ms + slack;
    w->soonest_ms = now_ms + (asked_ms > 0 ? asked_ms : LOOK_GAP_MS) + slack;
    w->asked = asked_ms > 0;
    w->hurried = false;
}

void azure_hurry(void *self, const char *claim_name)
{
    struct pool_writes *w = azure_writes(self, claim_name);

    w->hurried = true;
    w->near_ms = w->near_ms ? w->near_ms : arm_now_ms(((struct azure *)self)->arm);
    if (w->look_ms > w->soonest_ms)
        w->look_ms = w->soonest_ms;
}

/* ---- at the pool --------------------------------------------------------------------------------------------------------------- */

void sight_done(struct sight *s)
{
    json_decref(s->from);
    cloud_instance_done(&s->i);
    *s = (struct sight){ 0 };
}

bool making_has_operation(const struct making *m)
{
    return str_map_get(&m->claim->meta.annotations, CLOUD_OPERATION_ANNOTATION).n > 0;
}

static errc check_owner(struct making *m, struct sight *s, struct err *e)
{
    if (!s->pool)
        return ERR_OK;
    if (!azure_pool_is_ours(s->pool, &s->i))
        return making_fault(m, FAULT_NOT_OURS, ERR_CONFLICT, e, "it exists and is not of our making; it is left alone");
    if (!pool_is_of(s->pool, m->claim) && s->i.state != CLOUD_DELETING)
        return making_fault(m, FAULT_BUSY, ERR_CONFLICT, e, "it was made for an earlier claim of this name and is still there");
    return ERR_OK;
}

errc making_find_listed(struct making *m, int64_t after_ms, struct sight *out, struct err *e)
{
    TRY(pools_look(m->a->pools, after_ms, &out->from, &m->why, e));
    out->pool = json_object_get(out->from, m->name);
    return check_owner(m, out, e);
}

errc making_find_named(struct making *m, struct sight *out, struct err *e)
{
    TRY(azure_pool_by_name(m->a, m->name, &out->from, &m->why, e));
    out->pool = out->from;
    return check_owner(m, out, e);
}

/*
 * A list may be a little old: it lacks a pool that was begun, maybe by another process; shows one that goes, or is made, although its Node is ready; or one
 * that runs, although it has gone, by our hand (which is forgotten then) or another's.
 */
static bool is_doubtful(const struct making *m, const struct sight *s)
{
    bool begun = azure_is_young(m->a, m->w) || making_has_operation(m) || m->w->inherited;

    if (!s->pool)
        return begun;
    return s->i.state == CLOUD_DELETING || (s->i.state == CLOUD_PENDING && m->w->near_ms) || (s->i.state == CLOUD_RUNNING && !m->w->put_ms);
}

/* What the list said stands where there is no answer, until one can be had. */
static errc ask_by_name(struct making *m, struct sight *s, struct err *e)
{
    struct arm_refusal why;
    json_t *named;

    if (azure_pool_by_name(m->a, m->name, &named, &why, NULL)) {
        m->again_ms = why.failure.retry_ms > 0 ? why.failure.retry_ms : LOOK_AGAIN_MS;
        return ERR_OK;
    }
    sight_done(s);
    *s = (struct sight){ .from = named, .pool = named };
    m->w->inherited = false;
    return check_owner(m, s, e);
}

errc making_find(struct making *m, struct sight *out, struct err *e)
{
    TRY(making_find_listed(m, pools_after(m->w, arm_now_ms(m->a->arm)), out, e));
    return is_doubtful(m, out) ? ask_by_name(m, out, e) : ERR_OK;
}

/* Since when a pool has been on its way to where it was found; 0: not known. */
static int64_t found_since_ms(const struct pool_writes *w, enum cloud_state state)
{
    if (state != CLOUD_PENDING)
        return w->delete_ms ? w->delete_ms : w->going_ms;
    return w->near_ms ? w->near_ms : w->put_ms;
}

/*
 * A pool whose operation is not known: of this process's making it is looked at like an operation, else now and then. Soon, and then as long again, one whose
 * Node is ready, and one that goes, because nothing is made before it is gone.
 */
int64_t making_find_again_ms(const struct making *m, enum cloud_state state)
{
    const struct pool_writes *w = m->w;
    bool making = state == CLOUD_PENDING;
    int64_t since = found_since_ms(w, state), patience = since ? azure_patience_ms(arm_now_ms(m->a->arm) - since) : LOOK_POOL_MS;
    int64_t look = making && !w->near_ms ? azure_look_ms(patience, 0) : patience > LOOK_SOON_MS ? patience : LOOK_SOON_MS;

    if (m->again_ms && m->again_ms < look)
        look = m->again_ms;
    return look < LOOK_POOL_MS ? look : LOOK_POOL_MS;
}

void making_note(struct making *m, const json_t *pool)
{
    const char *image = json_str_at(pool, "properties", "nodeImageVersion", NULL);

    if (!str_set(image))
        return;
    free(m->w->image);
    m->w->image = xstrdup(image);
}

/* ---- at the operation ------------------------------------------------------------------------------------------------------------ */

/* One that said nothing is repeated soon, because the operation may have ended long ago; one that had to wait for its turn, when that comes. */
static int64_t repeat_ms(struct making *m)
{
    if (m->why.failure.fault == FAULT_THROTTLED)
        return m->again_ms > 0 && m->again_ms < m->why.failure.retry_ms ? m->again_ms : m->why.failure.retry_ms;
    unsigned had = m->w->unanswered++, doublings = had < 2 ? 0 : had - 1;
    int64_t again = (int64_t)LOOK_AGAIN_MS << (doublings < 3 ? doublings : 3);

    return again < LOOK_POOL_MS ? again : LOOK_POOL_MS;
}

/* One that found the end needs no other, unless what follows fails. */
static int64_t next_look_ms(struct making *m, errc rc, const struct arm_progress *p, int64_t lasts_ms)
{
    if (rc)
        return repeat_ms(m);
    m->w->unanswered = 0;
    return p->state == ARM_RUNNING ? azure_look_ms(azure_patience_ms(lasts_ms), p->wait_ms) : LOOK_GAP_MS;
}

/* One that is there, or a new one where that costs less than their polls. New reference; NULL: neither. */
static json_t *list_for_many(const struct making *m, int64_t after_ms)
{
    json_t *pools = pools_known(m->a->pools, after_ms);
    size_t pages = pools_pages(m->a->pools), making = (size_t)atomic_load(&m->a->making);
    struct arm_refusal ignored;

    if (!pools && pages > 0 && making >= TOGETHER * pages && pools_look(m->a->pools, after_ms, &pools, &ignored, NULL))
        pools = NULL;
    return pools;
}

/* What a list says of a pool that this process made, for the first time under this name; "": nothing to be believed. */
static const char *listed_state(const struct making *m, const json_t *pools)
{
    const struct pool_writes *w = m->w;
    const json_t *pool = json_object_get(pools, m->name);
    const char *state = json_str_at(pool, "properties", "provisioningState", NULL);

    return state && w->put_ms && !w->delete_ms && !w->spent && pool_is_of(pool, m->claim) ? state : "";
}

/*
 * Several creations are looked at together, by a LIST. It is believed only that a creation goes on or is done; all else the operation itself must say. So it
 * does where ARM said when to look, and when a Node says that the end is near, unless a list at hand shows the end: it may be a little old.
 */
static bool list_tells(struct making *m, struct arm_progress *out)
{
    const struct pool_writes *w = m->w;
    int64_t after = pools_after(w, arm_now_ms(m->a->arm));
    AUTO_JSON pools = w->asked || w->hurried ? pools_known(m->a->pools, after) : list_for_many(m, after);
    const char *state = listed_state(m, pools);
    bool done = streq(state, "Succeeded");

    if (done)
        making_note(m, json_object_get(pools, m->name));
    *out = (struct arm_progress){ .state = done ? ARM_SUCCEEDED : ARM_RUNNING };
    return done || (streq(state, "Creating") && !w->asked && !w->hurried);
}

/* Of a pool that another process began: an earlier one of this claim is gone, or going, before the next is begun, which a list may not know. */
static errc made_by_name(struct making *m, bool *out, struct arm_refusal *why)
{
    AUTO_JSON pool = NULL;

    TRY(azure_pool_by_name(m->a, m->name, &pool, why, NULL));
    *out = pool && pool_is_of(pool, m->claim) && streq(json_str_at(pool, "properties", "provisioningState", NULL), "Succeeded");
    if (*out)
        making_note(m, pool);
    return ERR_OK;
}

static errc made_by_list(struct making *m, bool *out, struct arm_refusal *why)
{
    AUTO_JSON pools = NULL;

    TRY(pools_look(m->a->pools, arm_now_ms(m->a->arm) - LOOK_GAP_MS, &pools, why, NULL));
    *out = streq(listed_state(m, pools), "Succeeded");
    return ERR_OK;
}

/* The way to operations is closed, or an answer was lost, while a Node says that the end is near: there is another way to look. */
static bool pool_shows_the_end(struct making *m)
{
    struct arm_refusal why = { 0 };
    bool made = false;

    if (m->w->near_ms && (m->w->put_ms ? made_by_list(m, &made, &why) : made_by_name(m, &made, &why)))
        m->again_ms = why.failure.retry_ms;
    return made;
}

static errc ask_operation(struct making *m, struct arm_operation *op, struct arm_progress *out, struct err *e)
{
    errc rc = arm_poll(m->a->arm, op, out, &m->why, e);

    if (!rc || !pool_shows_the_end(m))
        return rc;
    *out = (struct arm_progress){ .state = ARM_SUCCEEDED };
    m->why = (struct arm_refusal){ 0 };
    return ERR_OK;
}

/*
 * How long it has lasted, as far as that tells when to look next. Who took it over from another process looked first at a time of nobody's choice: it may
 * have ended just after.
 */
static int64_t watched_ms(struct making *m, int64_t since_ms)
{
    struct pool_writes *w = m->w;
    int64_t now = arm_now_ms(m->a->arm), lasts = clock_wall_ms() - since_ms;

    if (w->put_ms)
        return lasts;
    w->followed_ms = w->followed_ms ? w->followed_ms : now;
    return now - w->followed_ms < lasts ? now - w->followed_ms : lasts;
}

errc making_look(struct making *m, struct arm_operation *op, int64_t since_ms, struct arm_progress *out, int64_t *look_ms, struct err *e)
{
    int64_t lasts_ms = watched_ms(m, since_ms);

    if (list_tells(m, out)) {
        *look_ms = out->state == ARM_RUNNING ? list_look_ms(lasts_ms) : LOOK_GAP_MS;
        return ERR_OK;
    }
    errc rc = ask_operation(m, op, out, e);

    *look_ms = next_look_ms(m, rc, out, lasts_ms);
    return rc;
}
