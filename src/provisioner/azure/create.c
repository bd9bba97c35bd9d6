/*
 * A claim becomes a pool, a step per call. What there is to know comes from three places, in this order: the operation that the
 * claim's annotation keeps, the pool as a LIST saw it, and what this process did to it a moment ago.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/azure/making.h"

#define EXISTS_MS     1000
#define FORGOTTEN_MS  1

static void making_done(struct making *m)
{
    free(m->name);
    json_decref(m->body);
}

errc making_fault(struct making *m, enum cloud_fault f, errc code, struct err *e, const char *text)
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

static uint64_t operation_id(const char *text)
{
    return hash_bytes(text, strlen(text));
}

/* ---- steps --------------------------------------------------------------------------------------------------------------- */

/* What was asked for is what runs: the pool itself need not be read. Its image is what an answer said on the way; after a restart none may have. */
static errc running(struct making *m, struct err *e)
{
    json_t *properties = json_sub(m->body, "properties");

    json_put_str(m->body, "name", m->name);
    json_put_str(properties, "provisioningState", "Succeeded");
    json_put_str(properties, "nodeImageVersion", m->w->image);
    return pool_instance(m->body, m->out, e);
}

/* What ARM answered to a creation. */
static errc begun(struct making *m, const struct arm_reply *r, struct err *e)
{
    AUTO(arm_operation_done) struct arm_operation op = { 0 };
    const char *state = json_str_at(r->body, "properties", "provisioningState", NULL);

    if (json_at(r->body, "properties", "nodeLabels", NULL) && !pool_is_of(r->body, m->claim))
        return making_fault(m, FAULT_NOT_OURS, ERR_CONFLICT, e, "ARM answered the creation with another pool");
    making_note(m, r->body);
    TRY(arm_operation_of(m->a->arm, r, &op, e));
    if (op.style == ARM_NO_OPERATION)
        return str_ieq(str_of(state), STR("Succeeded")) ? running(m, e) : pending(m, NULL, arm_retry_after_ms(&r->headers));
    AUTO_MEM char *text = operation_text(&op, clock_wall_ms());
    int64_t look = azure_look_ms(0, op.wait_ms);

    azure_look_later(m->w, m->w->put_ms, look, op.wait_ms);
    return pending(m, text, look);
}

static errc put(struct making *m, struct err *e)
{
    AUTO_MEM char *url = azure_pool_url(m->a, m->name);
    AUTO_REPLY r = { 0 };
    struct arm_request q = { .class = BUDGET_WRITE, .method = "PUT", .url = url, .body = m->body, .if_none_match = "*" };
    errc rc = arm_send(m->a->arm, &q, &r, &m->why, e);

    m->w->near_ms = m->w->going_ms = 0;
    if (!rc || m->why.sent || arm_error_is_busy(&m->why.error))
        m->w->put_ms = arm_now_ms(m->a->arm);   /* looks older than this say nothing */
    if (m->why.error.status == 412)
        m->why.failure.retry_ms = EXISTS_MS;    /* it exists, and the next look says whose it is */
    return rc ? err_wrap(e, "agent pool %s", m->name) : begun(m, &r, e);
}

/* Something of ours that is no use: away with it, then it is made anew. */
static errc clear_away(struct making *m, const json_t *pool, struct err *e)
{
    bool gone = false;

    if (azure_delete_pool(m->a, m->name, pool, m->w, &gone, &m->why, e))
        return err_wrap(e, "what was left of agent pool %s cannot be deleted", m->name);
    return ERR_OK;
}

/* Our own patience (no answer of ARM's): nothing has failed. */
static bool is_patience(const struct arm_refusal *why)
{
    return why->failure.fault == FAULT_THROTTLED && why->error.status == 0;
}

/* What the claim's operation was to make is gone. So may be the claim (a cache that lags shows it): it loses its operation first, and what has none was asked. */
static errc forgotten(struct making *m)
{
    return pending(m, NULL, FORGOTTEN_MS);
}

static errc go_on_from(struct making *m, struct sight *s, struct err *e)
{
    if (!s->pool)
        return making_has_operation(m) ? forgotten(m) : put(m, e);
    if (s->i.state == CLOUD_RUNNING && !m->again_ms) {
        *m->out = s->i;
        s->i = (struct cloud_instance){ 0 };
        return ERR_OK;
    }
    if (s->i.state == CLOUD_BROKEN)
        TRY(clear_away(m, s->pool, e));
    m->w->unfinished_ms = arm_now_ms(m->a->arm);
    if (s->i.state == CLOUD_DELETING && !m->w->going_ms)
        m->w->going_ms = m->w->unfinished_ms;
    TRY(pending(m, NULL, making_find_again_ms(m, s->i.state)));
    if (s->i.state == CLOUD_BROKEN || s->i.state == CLOUD_DELETING)
        m->out->state = CLOUD_DELETING;
    return ERR_OK;
}

/* Our operation makes nothing any more, so to say that a machine is on its way would be untrue. */
static errc ended_waits(struct making *m, struct err *e)
{
    m->why.failure.fault = FAULT_TRANSIENT;
    return err_set(e, ERR_UNAVAILABLE, "the creation was canceled, and what is left of it is looked for as soon as ARM may be asked");
}

/* What this process did last is what is known. */
static errc not_seen(struct making *m, struct err *e)
{
    if (m->ended)
        return ended_waits(m, e);
    TRY(pending(m, NULL, m->why.failure.retry_ms));
    if (azure_is_asked_to_end(m->w))
        m->out->state = CLOUD_DELETING;
    else
        m->out->unseen = !m->w->put_ms;
    return ERR_OK;
}

static errc look_at_pool(struct making *m, struct err *e)
{
    AUTO(sight_done) struct sight s = { 0 };
    errc rc = making_find(m, &s, e);

    if (rc && !is_patience(&m->why))
        return rc;
    return rc ? not_seen(m, e) : go_on_from(m, &s, e);
}

/* The operation has ended, and how the pool is now only the pool tells: no list that was begun before knows, and the next one may have to wait. */
static errc pool_tells(struct making *m, struct err *e)
{
    AUTO(sight_done) struct sight s = { 0 };

    m->ended = true;
    m->w->put_ms = arm_now_ms(m->a->arm);
    return making_find_named(m, &s, NULL) ? look_at_pool(m, e) : go_on_from(m, &s, e);
}

/* Nothing is made any more, and what is left cannot be cleared away at the moment: the operation stays noted, so that it is tried again. */
static errc leftover_waits(struct making *m, const struct arm_progress *p, struct err *e)
{
    m->why.failure.fault = FAULT_TRANSIENT;
    (void)arm_error_set(e, ERR_UNAVAILABLE, &p->error);
    return err_wrap(e, "the creation has failed, and what is left of it is deleted as soon as ARM may be asked");
}

/*
 * What a failed operation left is deleted first; a claim whose fault is final would not come back to do it. A list may be too old to show what another process
 * began.
 */
static errc clear_leftover(struct making *m, struct err *e)
{
    AUTO(sight_done) struct sight s = { 0 };

    TRY(making_find_listed(m, m->w->put_ms, &s, e));
    if (!s.pool && m->w->inherited) {
        sight_done(&s);
        TRY(making_find_named(m, &s, e));
    }
    bool there = s.pool ? s.i.state != CLOUD_DELETING : azure_is_young(m->a, m->w);

    return there ? clear_away(m, s.pool, e) : ERR_OK;
}

static errc operation_failed(struct making *m, const char *text, const struct arm_progress *p, struct err *e)
{
    enum cloud_fault f = arm_error_fault(&p->error);

    if (f == FAULT_BUSY || p->state == ARM_CANCELED) {          /* another operation took over, or nothing did */
        m->w->spent = operation_id(text);
        return pool_tells(m, e);
    }
    errc rc = clear_leftover(m, e);

    if (rc)
        return is_patience(&m->why) ? leftover_waits(m, p, e) : rc;
    m->w->spent = operation_id(text);
    m->why = (struct arm_refusal){ .failure = { .fault = f }, .error = p->error };
    return arm_error_set(e, ERR_UNAVAILABLE, &p->error);
}

/* It goes on without our looking, unless nobody may look. */
static errc look_failed(struct making *m, const char *text, int64_t look_ms, errc rc, struct err *e)
{
    if (rc == ERR_FORBIDDEN)            /* somebody wrote a foreign URL into the annotation */
        return look_at_pool(m, e);
    bool asked = m->why.failure.retry_ms > 0 && m->why.failure.fault != FAULT_THROTTLED;

    return m->why.failure.fault == FAULT_AUTH ? rc : pending(m, text, asked ? m->why.failure.retry_ms : look_ms);
}

static errc follow(struct making *m, const char *text, struct arm_operation *op, int64_t since_ms, struct err *e)
{
    struct arm_progress p = { 0 };
    int64_t early = m->w->look_ms - arm_now_ms(m->a->arm), look_ms;

    if (m->w->done == operation_id(text))
        return running(m, e);           /* what was found could not be written */
    if (early > 0)
        return pending(m, text, early);
    errc rc = making_look(m, op, since_ms, &p, &look_ms, e);

    azure_look_later(m->w, arm_now_ms(m->a->arm), look_ms, p.wait_ms);
    AUTO_MEM char *moved = operation_text(op, since_ms);

    if (rc)
        return look_failed(m, text, look_ms, rc, e);
    if (p.state == ARM_RUNNING)
        return pending(m, moved, look_ms);
    if (p.state == ARM_SUCCEEDED) {
        m->w->done = operation_id(text);
        return running(m, e);
    }
    return p.state == ARM_LOST ? look_at_pool(m, e) : operation_failed(m, text, &p, e);
}

static errc make(struct making *m, struct err *e)
{
    struct str text = str_map_get(&m->claim->meta.annotations, CLOUD_OPERATION_ANNOTATION);
    AUTO(arm_operation_done) struct arm_operation op = { 0 };
    AUTO_MEM char *kept = text.n ? xstrndup(text.p, text.n) : NULL;
    int64_t since_ms = 0;

    m->ended = kept && m->w->spent == operation_id(kept);
    if (kept && !m->ended && operation_parse(text, &since_ms, &op))
        return follow(m, kept, &op, since_ms, e);
    return look_at_pool(m, e);
}

void azure_taken(void *self, const char *claim_name)
{
    azure_writes(self, claim_name)->met = true;
}

/* A claim that another process had taken: it may have begun a pool, and left before that was written down. */
static void meet(struct pool_writes *w)
{
    w->inherited = w->inherited || !w->met;
    w->met = true;
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
    meet(m.w);
    errc rc = make(&m, e);

    azure_making(m.a, m.w, !rc && out->state == CLOUD_PENDING);
    if (rc)
        *why = m.why.failure;
    return rc;
}
