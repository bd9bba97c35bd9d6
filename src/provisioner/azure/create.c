/*
 * A claim becomes a pool, a step per call. What there is to know comes from three places, in this order: the operation that the
 * claim's annotation keeps, the pool as a LIST saw it, and what this process did to it a moment ago.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/azure/priv.h"

#define LOOK_FIRST_MS 4000
#define LOOK_MAX_MS   120000
#define LOOK_POOL_MS  7500
#define LOOK_GAP_MS   1000              /* between two looks where ARM asked for nothing */
#define LOOK_AGAIN_MS 1000              /* after a look that was answered by an error; doubles after the third, to LOOK_POOL_MS */
#define LOOK_LOST_MS  2000              /* after one without an answer: that may have asked for some time */
#define LOOK_SOON_MS  2000              /* at a pool that goes, or whose Node is ready, at first */
#define CLOCK_MS      5                 /* ARM's clock and ours count what it asked for differently */
#define EXISTS_MS     1000
#define TOGETHER      3                 /* so many creations for each page of a LIST are looked at by one LIST instead of a poll each */

int64_t azure_look_ms(int64_t patience_ms, int64_t asked_ms)
{
    int64_t look = patience_ms < LOOK_FIRST_MS ? LOOK_FIRST_MS : patience_ms > LOOK_MAX_MS ? LOOK_MAX_MS : patience_ms;

    return asked_ms > 0 ? asked_ms : look;
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

struct making {                         /* one call of azure_create */
    struct azure *a;
    const struct node_claim *claim;
    char *name;
    json_t *body;
    struct pool_writes *w;
    struct cloud_instance *out;
    struct arm_refusal why;
};

static void making_done(struct making *m)
{
    free(m->name);
    json_decref(m->body);
}

static errc fault(struct making *m, enum cloud_fault f, errc code, struct err *e, const char *text)
{
    m->why.failure = (struct cloud_failure){ .fault = f };
    return err_set(e, code, "agent pool %s: %s", m->name, text);
}

static errc pending(struct making *m, const char *operation, int64_t look_ms)
{
    *m->out = (struct cloud_instance){ .claim = xstrdup(m->name), .state = CLOUD_PENDING, .look_ms = look_ms > 0 ? look_ms : LOOK_POOL_MS,
                                       .operation = xstrdup(operation) };
    return ERR_OK;
}

/* ---- the operation in the claim's annotation: "create <since, ms of 1970> async|location <URL>" --------------------------------- */

static char *operation_text(const struct arm_operation *op, int64_t since_ms)
{
    return xasprintf("create %lld %s %s", (long long)since_ms, op->style == ARM_ASYNC ? "async" : "location", op->url);
}

/* False: none, or not of our making. */
static bool operation_parse(struct str text, int64_t *since_ms, struct arm_operation *out)
{
    struct str word, rest, style, url;

    if (!str_cut(text, ' ', &word, &rest) || !str_is(word, "create") || !str_cut(rest, ' ', &word, &rest) || !str_to_i64(word, since_ms) ||
        !str_cut(rest, ' ', &style, &url) || url.n == 0 || !(str_is(style, "async") || str_is(style, "location")))
        return false;
    *out = (struct arm_operation){ .style = str_is(style, "async") ? ARM_ASYNC : ARM_LOCATION, .url = xstrndup(url.p, url.n) };
    return true;
}

/* ---- steps --------------------------------------------------------------------------------------------------------------- */

/* What was asked for is what runs: the pool itself need not be read. */
static errc running(struct making *m, struct err *e)
{
    json_put_str(m->body, "name", m->name);
    json_put_str(json_sub(m->body, "properties"), "provisioningState", "Succeeded");
    return pool_instance(m->body, m->out, e);
}

static errc put(struct making *m, struct err *e)
{
    AUTO_MEM char *url = azure_pool_url(m->a, m->name);
    AUTO_REPLY r = { 0 };
    AUTO(arm_operation_done) struct arm_operation op = { 0 };
    struct arm_request q = { .class = BUDGET_WRITE, .method = "PUT", .url = url, .body = m->body, .if_none_match = "*" };
    errc rc = arm_send(m->a->arm, &q, &r, &m->why, e);

    m->w->near_ms = 0;
    if (!rc || m->why.sent || arm_error_is_busy(&m->why.error))
        m->w->put_ms = arm_now_ms(m->a->arm);   /* looks older than this say nothing */
    if (m->why.error.status == 412)
        m->why.failure.retry_ms = EXISTS_MS;    /* it exists, and the next look says whose it is */
    if (rc)
        return err_wrap(e, "agent pool %s", m->name);
    if (json_at(r.body, "properties", "nodeLabels", NULL) && !pool_is_of(r.body, m->claim))
        return fault(m, FAULT_NOT_OURS, ERR_CONFLICT, e, "ARM answered the creation with another pool");
    TRY(arm_operation_of(m->a->arm, &r, &op, e));
    const char *state = json_str_at(r.body, "properties", "provisioningState", NULL);

    if (op.style == ARM_NO_OPERATION)
        return str_ieq(str_of(state), STR("Succeeded")) ? running(m, e) : pending(m, NULL, arm_retry_after_ms(&r.headers));
    AUTO_MEM char *text = operation_text(&op, clock_wall_ms());
    int64_t look = azure_look_ms(0, op.wait_ms);

    azure_look_later(m->w, m->w->put_ms, look, op.wait_ms);
    return pending(m, text, look);
}

/* Something of ours that is no use: away with it, then it is made anew. */
static errc clear_away(struct making *m, const json_t *pool, struct err *e)
{
    bool gone = false;

    if (azure_delete_pool(m->a, m->name, pool, m->w, &gone, &m->why, e))
        return err_wrap(e, "what was left of agent pool %s cannot be deleted", m->name);
    return ERR_OK;
}

/* FAULT_NOT_OURS and FAULT_BUSY: it is not this claim's. */
static errc check_owner(struct making *m, const json_t *pool, struct cloud_instance *i, struct err *e)
{
    if (!azure_pool_is_ours(pool, i))
        return fault(m, FAULT_NOT_OURS, ERR_CONFLICT, e, "it exists and is not of our making; it is left alone");
    if (!pool_is_of(pool, m->claim) && i->state != CLOUD_DELETING)
        return fault(m, FAULT_BUSY, ERR_CONFLICT, e, "it was made for an earlier claim of this name and is still there");
    return ERR_OK;
}

/* *pool lives in *pools; NULL: there is none. As check_owner. */
static errc find_pool(struct making *m, int64_t after_ms, json_t **pools, const json_t **pool, struct cloud_instance *i, struct err *e)
{
    TRY(pools_look(m->a->pools, after_ms, pools, &m->why, e));
    *pool = json_object_get(*pools, m->name);
    return *pool ? check_owner(m, *pool, i, e) : ERR_OK;
}

/* A list may be a little old: it lacks a pool that was begun, shows one that goes, or is made, although its Node is ready. */
static bool is_doubtful(const struct making *m, const json_t *pool, enum cloud_state state)
{
    bool begun = azure_is_young(m->a, m->w) || str_map_get(&m->claim->meta.annotations, CLOUD_OPERATION_ANNOTATION).n > 0;

    return pool ? state == CLOUD_DELETING || (state == CLOUD_PENDING && m->w->near_ms) : begun;
}

/* Asks for the pool itself, which is never old. What the list said stands where there is no answer. *pool lives in *named. */
static errc ask_by_name(struct making *m, json_t **named, const json_t **pool, struct cloud_instance *i, struct err *e)
{
    struct arm_refusal ignored;

    if (azure_pool_by_name(m->a, m->name, named, &ignored, NULL))
        return ERR_OK;
    *pool = *named;
    cloud_instance_done(i);
    return *pool ? check_owner(m, *pool, i, e) : ERR_OK;
}

/* Our own patience (no answer of ARM's): nothing has failed. */
static bool is_patience(const struct arm_refusal *why)
{
    return why->failure.fault == FAULT_THROTTLED && why->error.status == 0;
}

/*
 * A pool whose operation is not known: of this process's making it is looked at like an operation, else now and then. Soon, and then as long again, one whose
 * Node is ready, and one that goes, because nothing is made before it is gone.
 */
static int64_t look_of(const struct making *m, enum cloud_state state)
{
    const struct pool_writes *w = m->w;
    bool making = state == CLOUD_PENDING;
    int64_t since = !making ? w->delete_ms : w->near_ms ? w->near_ms : w->put_ms, patience = since ? AZURE_PATIENCE_MS(arm_now_ms(m->a->arm) - since) : LOOK_POOL_MS;
    int64_t look = making && !w->near_ms ? azure_look_ms(patience, 0) : patience > LOOK_SOON_MS ? patience : LOOK_SOON_MS;

    return look < LOOK_POOL_MS ? look : LOOK_POOL_MS;
}

static errc look_at_pool(struct making *m, struct err *e)
{
    AUTO_JSON pools = NULL;
    AUTO_JSON named = NULL;
    AUTO(cloud_instance_done) struct cloud_instance i = { 0 };
    const json_t *pool = NULL;
    errc rc = find_pool(m, pools_after(m->w, arm_now_ms(m->a->arm)), &pools, &pool, &i, e);

    if (rc)
        return is_patience(&m->why) ? pending(m, NULL, m->why.failure.retry_ms) : rc;
    if (is_doubtful(m, pool, i.state))
        TRY(ask_by_name(m, &named, &pool, &i, e));
    if (!pool)
        return put(m, e);
    if (i.state == CLOUD_RUNNING) {
        *m->out = i;
        i = (struct cloud_instance){ 0 };
        return ERR_OK;
    }
    if (i.state == CLOUD_BROKEN)
        TRY(clear_away(m, pool, e));
    m->w->unfinished_ms = arm_now_ms(m->a->arm);
    return pending(m, NULL, look_of(m, i.state));
}

static void spend(struct making *m, const char *operation)
{
    free(m->w->spent);
    m->w->spent = xstrdup(operation);
}

/* Nothing is made any more, and what is left cannot be cleared away at the moment: the operation stays noted, so that it is tried again. */
static errc leftover_waits(struct making *m, const struct arm_progress *p, struct err *e)
{
    m->why.failure.fault = FAULT_TRANSIENT;
    (void)arm_error_set(e, ERR_UNAVAILABLE, &p->error);
    return err_wrap(e, "the creation has failed, and what is left of it is deleted as soon as ARM may be asked");
}

/* The pool that a failed operation left is deleted first; a claim whose fault is final would not come back to do it. */
static errc operation_failed(struct making *m, const char *text, const struct arm_progress *p, struct err *e)
{
    AUTO_JSON pools = NULL;
    AUTO(cloud_instance_done) struct cloud_instance i = { 0 };
    const json_t *pool = NULL;
    enum cloud_fault f = arm_error_fault(&p->error);

    if (f == FAULT_BUSY || p->state == ARM_CANCELED) {          /* another operation took over, or nothing did: the pool tells */
        spend(m, text);
        m->w->put_ms = arm_now_ms(m->a->arm);
        return pending(m, NULL, LOOK_GAP_MS);
    }
    errc rc = find_pool(m, m->w->put_ms, &pools, &pool, &i, e);

    if (!rc && (pool ? i.state != CLOUD_DELETING : azure_is_young(m->a, m->w)))
        rc = clear_away(m, pool, e);
    if (rc)
        return is_patience(&m->why) ? leftover_waits(m, p, e) : rc;
    spend(m, text);
    m->why = (struct arm_refusal){ .failure = { .fault = f }, .error = p->error };
    return arm_error_set(e, ERR_UNAVAILABLE, &p->error);
}

/* One that said nothing is repeated soon, because the operation may have ended long ago; one that had to wait for its turn, when that comes. */
static int64_t repeat_ms(struct making *m)
{
    bool answered = m->why.error.status != 0;
    int64_t first = answered ? LOOK_AGAIN_MS : LOOK_LOST_MS;

    if (m->why.failure.fault == FAULT_THROTTLED)
        return m->why.failure.retry_ms;
    unsigned had = m->w->unanswered++, doublings = had < 2 ? 0 : had - 1;
    int64_t again = first << (doublings < 3 ? doublings : 3);

    return again < LOOK_POOL_MS ? again : LOOK_POOL_MS;
}

/* One that found the end needs no other, unless what follows fails. */
static int64_t next_look_ms(struct making *m, errc rc, const struct arm_progress *p, int64_t lasts_ms)
{
    if (rc)
        return repeat_ms(m);
    m->w->unanswered = 0;
    return p->state == ARM_RUNNING ? azure_look_ms(AZURE_PATIENCE_MS(lasts_ms), p->wait_ms) : LOOK_GAP_MS;
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

    *out = (struct arm_progress){ .state = done ? ARM_SUCCEEDED : ARM_RUNNING };
    return done || (streq(state, "Creating") && !w->asked && !w->hurried);
}

/* The way to operations is closed, or an answer was lost, while a Node says that the end is near: a list goes another way. */
static bool list_shows_the_end(struct making *m)
{
    struct arm_refusal ignored;
    AUTO_JSON pools = NULL;

    return m->w->near_ms && !pools_look(m->a->pools, arm_now_ms(m->a->arm) - LOOK_GAP_MS, &pools, &ignored, NULL) && streq(listed_state(m, pools), "Succeeded");
}

static errc look(struct making *m, struct arm_operation *op, int64_t since_ms, struct arm_progress *out, int64_t *look_ms, struct err *e)
{
    int64_t lasts_ms = clock_wall_ms() - since_ms;

    if (list_tells(m, out)) {           /* costs little: it is asked more often than a poll, because it may be a little old */
        *look_ms = out->state == ARM_RUNNING ? azure_look_ms(lasts_ms / 2, 0) : LOOK_GAP_MS;
        return ERR_OK;
    }
    errc rc = arm_poll(m->a->arm, op, out, &m->why, e);

    if (rc && list_shows_the_end(m)) {
        *out = (struct arm_progress){ .state = ARM_SUCCEEDED };
        m->why = (struct arm_refusal){ 0 };
        rc = ERR_OK;
    }
    *look_ms = next_look_ms(m, rc, out, lasts_ms);
    return rc;
}

static errc follow(struct making *m, const char *text, struct arm_operation *op, int64_t since_ms, struct err *e)
{
    struct arm_progress p = { 0 };
    int64_t early = m->w->look_ms - arm_now_ms(m->a->arm), look_ms;

    if (early > 0)
        return pending(m, text, early);
    errc rc = look(m, op, since_ms, &p, &look_ms, e);

    azure_look_later(m->w, arm_now_ms(m->a->arm), look_ms, p.wait_ms);
    AUTO_MEM char *moved = operation_text(op, since_ms);

    if (rc == ERR_FORBIDDEN)            /* somebody wrote a foreign URL into the annotation */
        return look_at_pool(m, e);
    if (rc && m->why.failure.fault != FAULT_AUTH)
        return pending(m, text, m->why.failure.retry_ms > 0 ? m->why.failure.retry_ms : look_ms);       /* it goes on without our looking */
    if (rc)
        return rc;
    if (p.state == ARM_RUNNING)
        return pending(m, moved, look_ms);
    if (p.state == ARM_SUCCEEDED)
        return running(m, e);
    return p.state == ARM_LOST ? look_at_pool(m, e) : operation_failed(m, text, &p, e);
}

static errc make(struct making *m, struct err *e)
{
    struct str text = str_map_get(&m->claim->meta.annotations, CLOUD_OPERATION_ANNOTATION);
    AUTO(arm_operation_done) struct arm_operation op = { 0 };
    AUTO_MEM char *kept = text.n ? xstrndup(text.p, text.n) : NULL;
    int64_t since_ms = 0;

    if (kept && !streq(kept, m->w->spent) && operation_parse(text, &since_ms, &op))
        return follow(m, kept, &op, since_ms, e);
    return look_at_pool(m, e);
}

errc azure_create(void *self, const struct node_claim *claim, struct cloud_instance *out, struct cloud_failure *why, struct err *e)
{
    AUTO(making_done) struct making m = { .a = self, .claim = claim, .out = out, .name = xstrndup(claim->meta.name.p, claim->meta.name.n) };

    *why = (struct cloud_failure){ 0 };
    if (pool_of_claim(claim, &m.a->settings, &m.body, e)) {
        why->fault = FAULT_SPEC;
        return e->code;
    }
    m.w = azure_writes(m.a, m.name);
    errc rc = make(&m, e);

    azure_making(m.a, m.w, !rc && out->state == CLOUD_PENDING);
    if (rc)
        *why = m.why.failure;
    return rc;
}
