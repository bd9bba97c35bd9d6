/*
 * What goes wrong, by rules that a test sets (`POST /control/faults`) and by a seeded schedule. A rule:
 *   {"call": "put", "pool": "ws*", "skip": 0, "times": 1, "do": "error", "error": "busy"}
 * call, pool, skip and times narrow it; `do` is a row of the table below. The schedule draws one of the rows that heal by themselves.
 */
#include "sim.h"

#include <fnmatch.h>

#include "base/mem.h"

enum deed {
    DO_ERROR, DO_RESET, DO_LOSE, DO_STALL,                              /* a request */
    DO_OPERATION_FAILS, DO_OPERATION_SLOW, DO_OPERATION_NEVER, DO_OPERATION_LOST,
    DO_NODE_NEVER, DO_NODE_NOT_READY, DO_NODE_NO_GPU, DO_NODE_LATE_ID, DO_NODE_TWICE,
};
static const struct { const char *name; enum deed deed; } deeds[] = {
    { "error", DO_ERROR }, { "reset", DO_RESET }, { "lose-reply", DO_LOSE }, { "stall", DO_STALL },
    { "operation-fails", DO_OPERATION_FAILS }, { "operation-slow", DO_OPERATION_SLOW }, { "operation-never-ends", DO_OPERATION_NEVER },
    { "operation-lost", DO_OPERATION_LOST }, { "node-never-joins", DO_NODE_NEVER }, { "node-never-ready", DO_NODE_NOT_READY },
    { "node-without-gpu", DO_NODE_NO_GPU }, { "node-late-provider-id", DO_NODE_LATE_ID }, { "node-twice", DO_NODE_TWICE },
};

struct sim_fault {
    int64_t id;
    enum sim_call call;                 /* 0: any */
    char pool[64];                      /* a pattern; "" any */
    int64_t skip, times;                /* times -1: for ever */
    enum deed deed;
    const struct sim_error *error;
    int64_t ms;
};

void sim_faults_done(struct sim_faults *f)
{
    free(f->items);
    *f = (struct sim_faults){ 0 };
}

void sim_faults_clear(struct sim *s)
{
    s->faults.n = 0;
    s->faults.rate = s->faults.call_rate = 0;
}

static errc read_call(const json_t *rule, enum sim_call *out, struct err *e)
{
    const char *name = json_cstr(rule, "call");

    for (int c = CALL_GET; name && c < CALL_COUNT; c++)
        if (streq(name, sim_call_name((enum sim_call)c))) {
            *out = (enum sim_call)c;
            return ERR_OK;
        }
    return name && !streq(name, "any") ? err_set(e, ERR_BAD_REQUEST, "fault.call: %s is none of get, list, put, delete, operation, cluster, token, any", name) : ERR_OK;
}

static errc read_deed(const json_t *rule, struct sim_fault *f, struct err *e)
{
    const char *name = json_cstr(rule, "do"), *error = json_cstr(rule, "error");

    for (size_t i = 0; i < ARRAY_LEN(deeds); i++)
        if (streq(deeds[i].name, name)) {
            f->deed = deeds[i].deed;
            f->error = error ? sim_error_named(error) : NULL;
            if ((f->deed == DO_ERROR || f->deed == DO_OPERATION_FAILS) && !f->error)
                return err_set(e, ERR_BAD_REQUEST, "fault.error: there is no %s; GET /control/errors shows all", error ? error : "(none)");
            return ERR_OK;
        }
    return err_set(e, ERR_BAD_REQUEST, "fault.do: there is no %s", name ? name : "(none)");
}

errc sim_fault_add(struct sim *s, const json_t *rule, int64_t *out_id, struct err *e)
{
    struct sim_fault f = { .skip = json_int(rule, "skip", 0), .times = json_int(rule, "times", 1), .ms = json_int(rule, "ms", 30000) };
    const char *pool = json_cstr(rule, "pool");

    TRY(read_call(rule, &f.call, e));
    TRY(read_deed(rule, &f, e));
    snprintf(f.pool, sizeof f.pool, "%s", pool ? pool : "");
    f.id = *out_id = ++s->faults.next_id;
    vec_grow(s->faults.items, s->faults.n, s->faults.cap);
    s->faults.items[s->faults.n++] = f;
    return ERR_OK;
}

json_t *sim_faults_json(const struct sim *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->faults.n; i++) {
        const struct sim_fault *f = &s->faults.items[i];
        json_t *row = json_pack("{s:I,s:s,s:s,s:I,s:I}", "id", (json_int_t)f->id, "call", f->call ? sim_call_name(f->call) : "any",
                                "pool", f->pool, "skip", (json_int_t)f->skip, "times", (json_int_t)f->times);

        for (size_t d = 0; d < ARRAY_LEN(deeds); d++)
            if (deeds[d].deed == f->deed)
                json_put_str(row, "do", deeds[d].name);
        if (f->error)
            json_put_str(row, "error", f->error->name);
        json_push(list, row);
    }
    return list;
}

/* The first rule that fits, used up by one. */
static const struct sim_fault *take(struct sim *s, enum sim_call call, const char *pool, enum deed first, enum deed last)
{
    for (size_t i = 0; i < s->faults.n; i++) {
        struct sim_fault *f = &s->faults.items[i];

        if (f->times == 0 || f->deed < first || f->deed > last || (f->call && call && f->call != call) || (*f->pool && fnmatch(f->pool, pool, 0)))
            continue;
        if (f->skip > 0) {
            f->skip--;
            continue;
        }
        f->times -= f->times > 0;
        return f;
    }
    return NULL;
}

/* ---- the seeded schedule ---------------------------------------------------------------------------------------------------- */

struct chance { enum deed deed; const char *error; int64_t ms; };
struct chances { const struct chance *items; size_t n; };
#define CHANCES(a) { (a), ARRAY_LEN(a) }

static const struct chance write_chances[] = {
    { DO_ERROR, "timeout" }, { DO_ERROR, "internal" }, { DO_ERROR, "bad-gateway" }, { DO_ERROR, "unavailable" }, { DO_ERROR, "unavailable-empty" },
    { DO_ERROR, "gateway-timeout" }, { DO_ERROR, "throttled" }, { DO_ERROR, "throttled-silent" }, { DO_ERROR, "busy" }, { DO_ERROR, "busy-400" },
    { DO_ERROR, "conflict" }, { DO_RESET }, { DO_LOSE }, { DO_LOSE }, { DO_LOSE }, { DO_STALL, .ms = 2000 },
};
static const struct chance read_chances[] = {
    { DO_ERROR, "internal" }, { DO_ERROR, "bad-gateway" }, { DO_ERROR, "unavailable" }, { DO_ERROR, "throttled-subscription" },
    { DO_RESET }, { DO_LOSE }, { DO_STALL, .ms = 1000 },
};
static const struct chance token_chances[] = { { DO_ERROR, "aad-unavailable" }, { DO_ERROR, "internal" }, { DO_RESET }, { DO_LOSE } };
static const struct chance create_chances[] = {
    { DO_OPERATION_FAILS, "capacity" }, { DO_OPERATION_FAILS, "capacity-zone" }, { DO_OPERATION_FAILS, "nodes-not-ready" },
    { DO_OPERATION_FAILS, "extension" }, { DO_OPERATION_FAILS, "canceled" }, { DO_OPERATION_SLOW }, { DO_OPERATION_SLOW }, { DO_OPERATION_LOST },
};
static const struct chance delete_chances[] = {
    { DO_OPERATION_FAILS, "drain" }, { DO_OPERATION_FAILS, "canceled" }, { DO_OPERATION_SLOW }, { DO_OPERATION_LOST },
};
static const struct chance node_chances[] = { { DO_NODE_NEVER }, { DO_NODE_LATE_ID }, { DO_NODE_LATE_ID } };

static const struct chances of_call[CALL_COUNT] = {
    [CALL_GET] = CHANCES(read_chances), [CALL_LIST] = CHANCES(read_chances), [CALL_PUT] = CHANCES(write_chances), [CALL_DELETE] = CHANCES(write_chances),
    [CALL_OPERATION] = CHANCES(read_chances), [CALL_CLUSTER] = CHANCES(read_chances), [CALL_TOKEN] = CHANCES(token_chances),
};
static const struct chances creating = CHANCES(create_chances), deleting = CHANCES(delete_chances), nodes = CHANCES(node_chances);

static bool draw(struct sim *s, double rate, const char *kind, const char *pool, const struct chances *from, struct sim_fault *out)
{
    AUTO_MEM char *key = xasprintf("%s/%s", kind, pool);
    double x = rate > 0 ? sim_draw(s, key) : 1;

    if (x >= rate || !from->n)
        return false;
    const struct chance *c = &from->items[(size_t)(x / rate * (double)from->n) % from->n];

    *out = (struct sim_fault){ .deed = c->deed, .error = c->error ? sim_error_named(c->error) : NULL, .ms = c->ms };
    return true;
}

/* ---- where it hits ---------------------------------------------------------------------------------------------------------- */

static bool hit_request(struct sim *s, struct sim_request *q, const struct sim_fault *f, struct sim_answer *a)
{
    int64_t wait_s;

    switch (f->deed) {
    case DO_ERROR:
        sim_answer_row(a, f->error);
        if (!str_to_i64(str_of(f->error->retry_after), &wait_s))
            return true;
        sim_answer_retry_after(s, a, wait_s);
        if (a->status == 429)
            sim_hold(s, q, wait_s * 1000);
        return true;
    case DO_RESET:
        a->cut = true;
        return true;
    case DO_LOSE:
        q->lose_reply = true;
        return false;
    case DO_STALL:
        a->stall_ms = f->ms;
        return false;
    default:
        return false;
    }
}

bool sim_fault_before(struct sim *s, struct sim_request *q, struct sim_answer *a)
{
    const struct sim_fault *rule = take(s, q->call, q->pool, DO_ERROR, DO_STALL);
    struct sim_fault drawn;

    if (!rule && draw(s, s->faults.call_rate, sim_call_name(q->call), q->pool, &of_call[q->call], &drawn))
        rule = &drawn;
    return rule && hit_request(s, q, rule, a);
}

void sim_fault_after(struct sim *s, struct sim_request *q, struct sim_answer *a)
{
    (void)s;
    a->cut |= q->lose_reply;
}

void sim_fault_operation(struct sim *s, struct sim_operation *o)
{
    const struct sim_fault *rule = take(s, o->kind == OP_DELETE ? CALL_DELETE : CALL_PUT, o->pool, DO_OPERATION_FAILS, DO_OPERATION_LOST);
    struct sim_fault drawn;

    if (!rule && o->kind != OP_UPDATE &&
        draw(s, s->faults.rate, o->kind == OP_DELETE ? "deleting" : "creating", o->pool, o->kind == OP_DELETE ? &deleting : &creating, &drawn))
        rule = &drawn;
    if (!rule)
        return;
    if (rule->deed == DO_OPERATION_FAILS)
        o->fails = rule->error;
    else if (rule->deed == DO_OPERATION_LOST)
        o->lost = true;
    else
        o->end = rule->deed == DO_OPERATION_NEVER ? INT64_MAX : o->end + (rule->ms ? rule->ms : 4 * (o->end - o->start));
}

void sim_fault_node(struct sim *s, struct sim_pool *p)
{
    const struct sim_fault *rule = take(s, 0, p->name, DO_NODE_NEVER, DO_NODE_TWICE);
    struct sim_past *past = sim_past_last(s, p->name);
    struct sim_fault drawn;

    if (!rule && draw(s, s->faults.rate, "node", p->name, &nodes, &drawn))
        rule = &drawn;
    if (!rule)
        return;
    if (rule->deed == DO_NODE_NEVER)
        p->join_at = p->ready_at = p->gpu_at = INT64_MAX;
    else if (rule->deed == DO_NODE_NOT_READY)
        p->ready_at = p->gpu_at = INT64_MAX;
    else if (rule->deed == DO_NODE_NO_GPU)
        p->gpu_at = INT64_MAX;
    p->node_late_id = rule->deed == DO_NODE_LATE_ID;
    p->node_twice = rule->deed == DO_NODE_TWICE;
    if (past && (rule->deed == DO_NODE_NEVER || rule->deed == DO_NODE_NOT_READY || rule->deed == DO_NODE_NO_GPU))
        past->broken = true;
}
