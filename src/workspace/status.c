/* Puts the status together: conditions in upstream's order, times that move only with the status, events on news. */
#include "workspace/priv.h"
#include "workspace/reasons.h"

#include "base/clock.h"

void plan_event(json_t *events, const char *type, const char *reason, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    json_t *e = json_object();

    json_put_str(e, "type", type);
    json_put_str(e, "reason", reason);
    json_put(e, "message", json_strn(buf_str(&text)));
    json_push(events, e);
}

static const struct condition *old_condition(const struct status_builder *b, const char *type)
{
    return condition_find(b->v->ws->status.conditions, b->v->ws->status.n_conditions, type);
}

static void add(struct status_builder *b, const char *type, bool is_true, const char *reason, struct str message)
{
    const struct condition *old = old_condition(b, type);
    const char *status = is_true ? "True" : "False";
    bool same = old && str_is(old->status, status) && old->transition_us > 0;
    char when[TIME_TEXT_MAX];
    json_t *c = json_object();

    time_rfc3339(same ? old->transition_us / 1000 : b->now_ms, when);
    json_put_str(c, "type", type);
    json_put_str(c, "status", status);
    json_put_str(c, "reason", reason);
    json_put(c, "message", json_strn(message));
    json_put_str(c, "lastTransitionTime", when);
    json_put_int(c, "observedGeneration", b->v->ws->meta.generation);
    json_push(b->conditions, c);
}

void status_set(struct status_builder *b, const char *type, bool is_true, const char *reason, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    add(b, type, is_true, reason, buf_str(&text));
}

void status_fail(struct status_builder *b, const char *type, const char *reason, const char *fmt, ...)
{
    const struct condition *old = old_condition(b, type);
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    if (!old || !str_is(old->reason, reason) || !str_eq(old->message, buf_str(&text)))
        plan_event(b->events, "Warning", reason, "%s", buf_cstr(&text));
    add(b, type, false, reason, buf_str(&text));
}

static bool same_status(const struct workspace *ws, const json_t *status)
{
    AUTO_JSON whole = json_object();
    AUTO_FREE(arena) a = arena_new();
    struct workspace fresh;

    json_put(whole, "status", json_clone(status));
    if (schema_decode(&workspace_v1beta1, whole, a, &fresh, NULL))
        return false;
    fresh.api_version = ws->api_version;
    fresh.kind = ws->kind;
    fresh.meta = ws->meta;
    fresh.resource = ws->resource;
    fresh.inference = ws->inference;
    fresh.tuning = ws->tuning;
    return schema_equal(&workspace_v1beta1, &fresh, ws);
}

void status_keep(struct status_builder *b, const char *but)
{
    const struct ws_status *was = &b->v->ws->status;

    for (size_t i = 0; i < was->n_conditions; i++)
        if (!str_is(was->conditions[i].type, but))
            json_push(b->conditions, schema_encode(&condition_type, &was->conditions[i]));
    b->kept = json_array_size(b->conditions);
}

/* A message that was cut says it, too, when it is how the error begins. */
static bool says(struct str message, struct str error)
{
    size_t at;

    return str_find(message, error, &at) || (str_has_suffix(message, STR("...")) && str_has_prefix(error, str_n(message.p, message.n - 3)));
}

static void add_error(struct status_builder *b)
{
    const char *error = b->v->failed ? b->v->failed : b->error->code ? b->error->text : NULL;
    json_t *c;
    size_t i;

    if (!error)
        return;
    json_array_foreach(b->conditions, i, c)
        if (i >= b->kept && !says(json_to_str(json_object_get(c, "message")), str_of(error)))
            json_put(c, "message", json_strf("%s (last reconcile error: %s)", json_cstr(c, "message"), error));
}

static bool is_told(const json_t *conditions, struct str type)
{
    const json_t *c;
    size_t i;

    json_array_foreach(conditions, i, c)
        if (str_eq(json_to_str(json_object_get(c, "type")), type))
            return true;
    return false;
}

/* Whether a condition that is not told any more goes: of ours all do, but for what was measured once. */
static bool is_ours(struct str type)
{
    for (size_t i = 0; i < n_ws_conditions; i++)
        if (str_is(type, ws_conditions[i].type))
            return !str_is(type, "BenchmarkCompleted");
    return false;
}

/* Others' conditions stay, and so does a result: it holds for later versions of the Workspace, too. */
static void keep_others(struct status_builder *b)
{
    const struct workspace *ws = b->v->ws;

    for (size_t i = 0; i < ws->status.n_conditions; i++) {
        struct condition c = ws->status.conditions[i];

        if (is_ours(c.type) || is_told(b->conditions, c.type) || (b->measured_anew && str_is(c.type, "BenchmarkCompleted")))
            continue;
        if (str_is(c.type, "BenchmarkCompleted") && str_is(c.status, "True"))
            c.observed_generation = ws->meta.generation;
        json_push(b->conditions, schema_encode(&condition_type, &c));
    }
}

json_t *status_finish(struct status_builder *b, const char *state, int64_t target, json_t *worker_nodes)
{
    json_t *s = json_object();

    add_error(b);
    keep_others(b);
    if (json_array_size(worker_nodes) > 0)
        json_put(s, "workerNodes", json_incref(worker_nodes));
    json_put(s, "conditions", json_incref(b->conditions));
    json_put_str(s, "state", state);
    if (b->performance)
        json_put(s, "performance", json_clone(b->performance));
    else if (b->measured_anew)
        json_put(s, "performance", json_null());
    if (target > 0)
        json_put_int(s, "targetNodeCount", target);
    if (!same_status(b->v->ws, s))
        return s;
    json_decref(s);
    return NULL;
}
