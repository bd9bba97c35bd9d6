/*
 * Long-running operations as AKS shows them: a signed URL of more than 3 KB that must come back exactly, a body whose name is not the
 * URL's, failure with status 200, and the pool that follows when the time has come.
 */
#include "sim.h"

#include "base/clock.h"
#include "base/mem.h"

#define ABSENT INT64_MAX
enum { SIGNATURE_CHARS = 3072 };

void sim_operation_free(void *op)
{
    struct sim_operation *o = op;

    free(o->query);
    free(o);
}

static char *signed_query(struct sim *s, const char *api_version)
{
    AUTO_BUF q = { 0 };
    char part[SIGNATURE_CHARS + 1];

    random_suffix(part, SIGNATURE_CHARS);
    buf_addf(&q, "api-version=%s&t=%lld&c=%s", api_version, (long long)sim_now(s), part);
    random_suffix(part, 64);
    buf_addf(&q, "&s=%s&h=%.20s", part, part);
    return buf_take(&q);
}

static int64_t spread(struct sim *s, int64_t ms, const char *pool)
{
    double by = (sim_draw(s, pool) * 2 - 1) * (double)s->set.spread_percent / 100;

    return ms + (int64_t)((double)ms * by);
}

static void plan_node(struct sim *s, struct sim_pool *p, int64_t end)
{
    int64_t join = end + s->set.join_ms, now = sim_now(s);

    p->join_at = join < now ? now : join;
    p->ready_at = p->join_at + s->set.ready_ms;
    p->gpu_at = p->ready_at + s->set.gpu_ms;
    p->node_done = NODE_NONE;
    p->node_lost = p->node_late_id = false;
    p->number = ++s->next_pool_number;
    p->node_twice = false;
    sim_fault_node(s, p);
}

struct sim_operation *sim_operation_start(struct sim *s, enum op_kind kind, struct sim_pool *p, const char *api_version)
{
    static const char *const states[] = { [OP_CREATE] = "Creating", [OP_UPDATE] = "Updating", [OP_DELETE] = "Deleting" };
    const int64_t took[] = { [OP_CREATE] = s->set.create_ms, [OP_UPDATE] = s->set.update_ms, [OP_DELETE] = s->set.delete_ms };
    struct sim_operation *o = xzalloc(sizeof *o);
    int64_t now = sim_now(s);

    *o = (struct sim_operation){ .kind = kind, .start = now, .end = now + spread(s, took[kind], p->name), .status = "InProgress",
                                 .query = signed_query(s, api_version) };
    random_uuid(o->id);
    random_uuid(o->name);
    snprintf(o->pool, sizeof o->pool, "%s", p->name);
    map_put(s->operations, str_of(o->id), o);
    vec_grow(s->running, s->n_running, s->cap_running);
    s->running[s->n_running++] = o;
    p->op = o;
    p->state = states[kind];
    sim_pool_touch(p);
    sim_fault_operation(s, o);
    if (kind == OP_CREATE) {
        p->has_machine = true;
        plan_node(s, p, o->end);
    }
    sim_history(s, p, NULL, NULL);
    return o;
}

void sim_operation_headers(struct sim *s, const struct sim_operation *o, bool async, bool location, struct sim_answer *a)
{
    const char *const forms[][2] = { { async ? "Azure-AsyncOperation" : NULL, "operations" }, { location ? "Location" : NULL, "operationresults" } };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (forms[i][0])
            sim_answer_header(a, forms[i][0], "%s/subscriptions/%s/providers/Microsoft.ContainerService/locations/%s/%s/%s?%s", s->base_url,
                              s->who.subscription, s->who.location, forms[i][1], o->id, o->query);
    if (s->set.retry_after_s >= 0)
        sim_answer_retry_after(s, a, s->set.retry_after_s);
}

/* ---- the end of an operation ---------------------------------------------------------------------------------------------- */

static void pool_failed(struct sim *s, struct sim_pool *p, const struct sim_operation *o)
{
    struct sim_past *past = sim_past_last(s, p->name);

    p->state = "Failed";
    if (o->kind == OP_CREATE) {
        p->has_machine = false;
        p->join_at = p->ready_at = p->gpu_at = ABSENT;
    }
    if (past)
        past->broken = true;
    sim_history(s, p, NULL, o->fails);
}

/* LIST may show it for a while yet. */
static void pool_gone(struct sim *s, struct sim_pool *p, int64_t now)
{
    struct sim_past *past = sim_past_last(s, p->name);
    AUTO_MEM char *name = xstrdup(p->name);

    if (past && !past->ended) {
        past->ended = now;
        past->how = "deleted";
    }
    p->op = NULL;
    sim_history(s, p, "Gone", NULL);
    p->created = now + s->set.list_lag_ms;
    struct sim_pool *ghost = map_take(s->pools, str_of(name));

    if (s->set.list_lag_ms > 0)
        map_put(s->ghosts, str_of(name), ghost);
    else
        sim_pool_free(ghost);
    map_del(s->put_bodies, str_of(name));
}

static void finish(struct sim *s, struct sim_operation *o, int64_t now)
{
    struct sim_pool *p = map_get(s->pools, str_of(o->pool));
    struct sim_past *past = sim_past_last(s, o->pool);

    o->status = o->fails ? (streq(o->fails->name, "canceled") ? "Canceled" : "Failed") : "Succeeded";
    if (!p || p->op != o)
        return;
    p->op = NULL;
    sim_pool_touch(p);
    if (o->fails) {
        pool_failed(s, p, o);
    } else if (o->kind == OP_DELETE) {
        pool_gone(s, p, now);
    } else {
        p->state = "Succeeded";
        if (past)
            past->succeeded = true;
        sim_history(s, p, NULL, NULL);
    }
}

void sim_operations_settle(struct sim *s, int64_t now)
{
    size_t kept = 0, n = s->n_running;

    for (size_t i = 0; i < n; i++) {
        struct sim_operation *o = s->running[i];

        if (streq(o->status, "InProgress") && now >= o->end)
            finish(s, o, now);
        if (streq(o->status, "InProgress"))
            s->running[kept++] = o;
    }
    s->n_running = kept;
}

void sim_operation_cancel(struct sim *s, struct sim_operation *o)
{
    (void)s;
    o->status = "Canceled";
    o->fails = sim_error_named("canceled");
    o->end = sim_now(s);
}

/* ---- polling -------------------------------------------------------------------------------------------------------------- */

/* Who gets no answer does not hear how long to wait. */
static void check_poll(struct sim *s, struct sim_request *q, struct sim_operation *o)
{
    bool asks = s->set.retry_after_s >= 0 && !q->lose_reply;

    if (o->told_client == q->client && q->now < o->not_before)
        sim_violation(s, q, "poll", "operation of %s polled %lld ms too early", o->pool, (long long)(o->not_before - q->now));
    o->told_client = q->client;
    o->not_before = q->now + (asks ? s->set.retry_after_s * 1000 : s->set.min_poll_ms);
}

static json_t *operation_json(const struct sim_operation *o)
{
    char start[TIME_TEXT_MAX], end[TIME_TEXT_MAX];
    json_t *j;

    time_rfc3339(o->start, start);
    j = json_pack("{s:s,s:s,s:s}", "name", o->name, "status", o->status, "startTime", start);
    if (!streq(o->status, "InProgress")) {
        time_rfc3339(o->end, end);
        json_put_str(j, "endTime", end);
    }
    if (o->fails)
        json_put(j, "error", streq(o->status, "InProgress") ? json_null() : sim_error_json(o->fails));
    return j;
}

/* The Location form: 202 until the end, then the resource's own answer. */
static void answer_result(struct sim *s, const struct sim_operation *o, struct sim_request *q, struct sim_answer *a)
{
    const struct sim_pool *p = map_get(s->pools, str_of(o->pool));

    if (streq(o->status, "InProgress")) {
        a->status = 202;
        sim_operation_headers(s, o, false, true, a);
    } else if (!streq(o->status, "Succeeded")) {
        sim_answer_json(a, 409, json_pack("{s:o}", "error", sim_error_json(o->fails)));
    } else if (o->kind == OP_DELETE || !p) {
        a->status = 204;
    } else {
        sim_answer_json(a, 200, sim_pool_json(s, p, q->api_version));
    }
}

void sim_operation_poll(struct sim *s, struct sim_request *q, struct sim_answer *a)
{
    struct sim_operation *o = map_get(s->operations, str_of(q->operation));

    if (!o || o->lost) {
        sim_answer_error(a, 404, "NotFound", "The entity was not found.");
        return;
    }
    if (!streq(q->x->raw_query, o->query)) {
        sim_violation(s, q, "operation-url", "the operation's query came back changed");
        sim_answer_error(a, 403, "AuthorizationFailed", "The signature of the operation URL is not valid.");
        return;
    }
    if (streq(o->status, "InProgress"))
        check_poll(s, q, o);
    if (q->result_path) {
        answer_result(s, o, q, a);
        return;
    }
    if (streq(o->status, "InProgress") && s->set.retry_after_s >= 0)
        sim_answer_retry_after(s, a, s->set.retry_after_s);
    sim_answer_json(a, 200, operation_json(o));
}
