/*
 * What tests and rehearsals may do to the simulator, below /control on the same port: look, turn the clock, break things.
 *   GET  state, settings, faults, errors, journal?since=N, history?since=N, violations
 *   PUT  settings {name: number}        POST clock {"advanceMs": N} or {"speedPercent": N}, 0 freezes it
 *   POST faults {rule}, DELETE faults   POST schedule {"seed": N, "rate": 0..1}
 *   POST quota {family: cores}          POST tokens/expire
 *   POST pools/NAME {properties}        somebody else's pool; POST pools/NAME/edit {properties} changes one behind everybody's back
 *   POST nodes/POOL/lose, nodes/POOL/return
 */
#include "sim.h"

#include "base/clock.h"
#include "base/mem.h"

static json_t *pool_row(const struct sim *s, const struct sim_pool *p)
{
    AUTO_BUF id = { 0 };
    char node[64];

    sim_provider_id(s, p, &id);
    sim_node_name(p, node);
    return json_pack("{s:s,s:s,s:b,s:b,s:I,s:i,s:b,s:s,s:s,s:s}", "name", p->name, "state", p->state, "foreign", p->foreign, "busy", p->op != NULL,
                     "created", (json_int_t)p->created, "node", (int)p->node_done, "lost", p->node_lost, "nodeName", node, "providerID", buf_cstr(&id),
                     "eTag", p->etag);
}

static json_t *past_row(const struct sim_past *p)
{
    return json_pack("{s:s,s:I,s:I,s:b,s:b,s:b}", "name", p->name, "created", (json_int_t)p->created, "ended", (json_int_t)p->ended,
                     "succeeded", p->succeeded, "joined", p->joined, "broken", p->broken);
}

static errc get_state(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    json_t *pools = json_array(), *past = json_array();
    struct str name;
    void *value;

    (void)in;
    (void)e;
    for (size_t i = 0; map_next(s->pools, &i, &name, &value);)
        json_push(pools, pool_row(s, value));
    for (size_t i = 0; i < s->n_past; i++)
        json_push(past, past_row(&s->past[i]));
    *out = json_pack("{s:I,s:o,s:o,s:I,s:I,s:I}", "now", (json_int_t)sim_now(s), "pools", pools, "past", past, "running", (json_int_t)s->n_running,
                     "requests", (json_int_t)json_array_size(s->journal), "violations", (json_int_t)json_array_size(s->violations));
    return ERR_OK;
}

static errc get_settings(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    (void)in;
    (void)e;
    *out = sim_settings_json(&s->set);
    return ERR_OK;
}

static errc put_settings(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    TRY(sim_settings_read(&s->set, in, e));
    *out = sim_settings_json(&s->set);
    return ERR_OK;
}

static errc get_faults(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    (void)in;
    (void)e;
    *out = sim_faults_json(s);
    return ERR_OK;
}

static errc post_fault(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    int64_t id = 0;

    TRY(sim_fault_add(s, in, &id, e));
    *out = json_pack("{s:I}", "id", (json_int_t)id);
    return ERR_OK;
}

static errc delete_faults(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    (void)in;
    (void)e;
    sim_faults_clear(s);
    *out = json_object();
    return ERR_OK;
}

static errc get_errors(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    (void)s;
    (void)in;
    (void)e;
    *out = json_array();
    for (size_t i = 0; i < sim_errors_n; i++)
        json_push(*out, json_pack("{s:s,s:i,s:s*}", "name", sim_errors[i].name, "status", sim_errors[i].status, "code", sim_errors[i].code));
    return ERR_OK;
}

/* `since` counts entries. */
static errc rows_since(const json_t *rows, const json_t *in, json_t **out, struct err *e)
{
    const char *since = json_cstr(in, "since");
    int64_t from = 0;

    if (since && (!str_to_i64(str_of(since), &from) || from < 0))
        return err_set(e, ERR_BAD_REQUEST, "since: %s is no count", since);
    *out = json_array();
    for (size_t i = (size_t)from; i < json_array_size(rows); i++)
        json_push(*out, json_incref(json_array_get(rows, i)));
    return ERR_OK;
}

static errc get_journal(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    return rows_since(s->journal, in, out, e);
}

static errc get_history(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    return rows_since(s->history, in, out, e);
}

static errc get_violations(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    (void)in;
    (void)e;
    *out = json_clone(s->violations);
    return ERR_OK;
}

static errc post_clock(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    int64_t speed = json_int(in, "speedPercent", s->speed_percent), advance = json_int(in, "advanceMs", 0);

    if (speed < 0 || speed > 10000000 || advance < 0)
        return err_set(e, ERR_BAD_REQUEST, "clock: it goes forward, at 0 to 10000000 per cent");
    s->base_wall = sim_now(s) + advance;
    s->base_mono = clock_mono_ms();
    s->speed_percent = speed;
    sim_settle(s);
    *out = json_pack("{s:I}", "now", (json_int_t)sim_now(s));
    return ERR_OK;
}

static errc post_schedule(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    double rate = json_num(in, "rate", 0), calls = json_num(in, "callRate", rate);

    if (rate < 0 || rate > 1 || calls < 0 || calls > 1)
        return err_set(e, ERR_BAD_REQUEST, "schedule.rate, callRate: are not within 0 to 1");
    s->seed = (uint64_t)json_int(in, "seed", (int64_t)s->seed);
    s->faults.rate = rate;
    s->faults.call_rate = calls;
    *out = json_pack("{s:I,s:f,s:f}", "seed", (json_int_t)s->seed, "rate", rate, "callRate", calls);
    return ERR_OK;
}

static errc post_quota(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    const char *family;
    json_t *cores;

    json_object_foreach((json_t *)(uintptr_t)in, family, cores) {
        int64_t *limit = xmalloc(sizeof *limit);

        *limit = json_integer_value(cores);
        map_put(s->quota, str_of(family), limit);
    }
    (void)e;
    *out = json_object();
    return ERR_OK;
}

static errc expire_tokens(struct sim *s, const json_t *in, json_t **out, struct err *e)
{
    (void)in;
    (void)e;
    sim_tokens_expire(s);
    *out = json_object();
    return ERR_OK;
}

static const struct route { const char *method, *path; errc (*act)(struct sim *s, const json_t *in, json_t **out, struct err *e); } routes[] = {
    { "GET", "state", get_state }, { "GET", "settings", get_settings }, { "PUT", "settings", put_settings }, { "GET", "faults", get_faults },
    { "POST", "faults", post_fault }, { "DELETE", "faults", delete_faults }, { "GET", "errors", get_errors }, { "GET", "journal", get_journal },
    { "GET", "history", get_history }, { "GET", "violations", get_violations }, { "POST", "clock", post_clock }, { "POST", "schedule", post_schedule }, { "POST", "quota", post_quota },
    { "POST", "tokens/expire", expire_tokens },
};

/* ---- one pool or Node by name ------------------------------------------------------------------------------------------------ */

static errc add_foreign(struct sim *s, const char *name, const json_t *in, struct err *e)
{
    if (!sim_pool_name_ok(str_of(name)) || sim_pool(s, name))
        return err_set(e, ERR_CONFLICT, "pool %s: is taken or no name", name);
    struct sim_pool *p = sim_pool_add(s, name, json_clone(in));

    p->foreign = true;
    p->has_machine = true;
    sim_history(s, p, NULL, NULL);
    return ERR_OK;
}

static errc edit_pool(struct sim *s, const char *name, const json_t *in, struct err *e)
{
    struct sim_pool *p = sim_pool(s, name);

    if (!p)
        return err_set(e, ERR_NOT_FOUND, "pool %s: there is none", name);
    json_object_update(p->properties, (json_t *)(uintptr_t)in);
    sim_pool_touch(p);
    return ERR_OK;
}

static errc lose_node(struct sim *s, const char *name, bool lost, struct err *e)
{
    struct sim_pool *p = sim_pool(s, name);
    struct sim_past *past = sim_past_last(s, name);

    if (!p)
        return err_set(e, ERR_NOT_FOUND, "pool %s: there is none", name);
    p->node_lost = lost;
    if (past && lost)
        past->broken = true;
    sim_history(s, p, NULL, NULL);
    return ERR_OK;
}

static errc named(struct sim *s, const char *path, const json_t *in, struct err *e)
{
    struct str rest = str_of(path), kind, name, verb = { 0 };

    (void)str_cut(rest, '/', &kind, &rest);
    if (!str_cut(rest, '/', &name, &verb))
        name = rest;
    AUTO_MEM char *n = xstrndup(name.p ? name.p : "", name.n);

    if (str_is(kind, "pools") && !verb.n)
        return add_foreign(s, n, in, e);
    if (str_is(kind, "pools") && str_is(verb, "edit"))
        return edit_pool(s, n, in, e);
    if (str_is(kind, "nodes") && (str_is(verb, "lose") || str_is(verb, "return")))
        return lose_node(s, n, str_is(verb, "lose"), e);
    return err_set(e, ERR_NOT_FOUND, "/control/%s: there is no such thing", path);
}

/* ------------------------------------------------------------------------------------------------------------------------------- */

static errc input_of(struct http_exchange *x, json_t **out, struct err *e)
{
    if (x->body.n > 0)
        return json_parse(x->body, out, e);
    *out = json_object();
    for (size_t i = 0; i < x->query.n; i++)
        json_put_str(*out, x->query.items[i].name, x->query.items[i].value);
    return ERR_OK;
}

static errc act(struct sim *s, struct http_exchange *x, const char *path, json_t **out, struct err *e)
{
    AUTO_JSON in = NULL;

    TRY(input_of(x, &in, e));
    LOCK_SCOPE(&s->mu);
    sim_settle(s);
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (streq(routes[i].path, path) && streq(routes[i].method, x->method))
            return routes[i].act(s, in, out, e);
    if (streq(x->method, "POST")) {
        TRY(named(s, path, in, e));
        *out = json_object();
        return ERR_OK;
    }
    return err_set(e, ERR_NOT_FOUND, "%s /control/%s: there is no such thing", x->method, path);
}

bool sim_control(struct sim *s, struct http_exchange *x)
{
    struct str prefix = STR("/control/");
    AUTO_JSON out = NULL;
    AUTO_BUF text = { 0 };
    struct err e;

    if (!str_has_prefix(str_of(x->path), prefix))
        return false;
    errc rc = act(s, x, x->path + prefix.n, &out, &e);

    if (rc) {
        http_replyf(x, err_http(rc), "%s\n", e.text);
        return true;
    }
    json_write(out, &text);
    http_reply_take(x, 200, "application/json", &text);
    return true;
}
