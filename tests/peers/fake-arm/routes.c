/* From a path to a call: ARM compares paths without case. Order of the checks: token, api-version, throttling, scope, call. */
#include "sim.h"

#include <strings.h>

#include "base/mem.h"

static const char *const call_names[CALL_COUNT] = {
    [CALL_GET] = "get", [CALL_LIST] = "list", [CALL_PUT] = "put", [CALL_DELETE] = "delete", [CALL_OPERATION] = "operation",
    [CALL_CLUSTER] = "cluster", [CALL_TOKEN] = "token",
};

const char *sim_call_name(enum sim_call c)
{
    return call_names[c] ? call_names[c] : "unknown";
}

static const char *const api_versions[] = { "2023-11-01", "2024-01-01", "2024-02-01", "2024-05-01", "2024-07-01", "2024-08-01", "2024-09-01", "2024-10-01",
                                            "2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01", "2025-05-01" };

enum { SEGMENTS_MAX = 12 };

static size_t split(const char *path, struct str out[SEGMENTS_MAX])
{
    struct str rest = str_from(str_of(path), 1), piece;
    size_t n = 0;

    while (n < SEGMENTS_MAX && str_next(&rest, '/', &piece))
        out[n++] = piece;
    return n;
}

static bool words(const struct str *segments, size_t from, const char *a, const char *b, const char *c)
{
    return str_ieq(segments[from], str_of(a)) && (!b || str_ieq(segments[from + 1], str_of(b))) && (!c || str_ieq(segments[from + 2], str_of(c)));
}

static enum sim_call call_of(const char *method, bool named)
{
    if (streq(method, "GET"))
        return named ? CALL_GET : CALL_LIST;
    return !named ? 0 : streq(method, "PUT") ? CALL_PUT : streq(method, "DELETE") ? CALL_DELETE : 0;
}

/* *out_wrong: whose name is not the one we know; NULL: all are. False: no path of ARM's. */
static bool parse(const struct sim *s, struct http_exchange *x, struct sim_request *q, const char **out_wrong)
{
    struct str g[SEGMENTS_MAX];
    size_t n = split(x->path, g);

    *out_wrong = NULL;
    if (n < 4 || !str_ieq(g[0], STR("subscriptions")))
        return false;
    if (!str_ieq(g[1], str_of(s->who.subscription)))
        *out_wrong = "SubscriptionNotFound";
    if (n == 8 && words(g, 2, "providers", "Microsoft.ContainerService", "locations") && streq(x->method, "GET")) {
        q->call = CALL_OPERATION;
        q->result_path = str_ieq(g[6], STR("operationresults"));
        snprintf(q->operation, sizeof q->operation, "%.*s", STR_ARG(g[7]));
        return q->result_path || str_ieq(g[6], STR("operations"));
    }
    if (n < 8 || !str_ieq(g[2], STR("resourceGroups")) || !words(g, 4, "providers", "Microsoft.ContainerService", "managedClusters"))
        return false;
    if (!*out_wrong && !str_ieq(g[3], str_of(s->who.group)))
        *out_wrong = "ResourceGroupNotFound";
    if (!*out_wrong && !str_ieq(g[7], str_of(s->who.cluster)))
        *out_wrong = "ResourceNotFound";
    if (n == 8)
        q->call = streq(x->method, "GET") ? CALL_CLUSTER : 0;
    else if (n <= 10 && str_ieq(g[8], STR("agentPools")))
        q->call = call_of(x->method, n == 10);
    if (n == 10)
        snprintf(q->pool, sizeof q->pool, "%.*s", STR_ARG(g[9]));
    return q->call != 0;
}

static bool version_known(const char *v)
{
    for (size_t i = 0; i < ARRAY_LEN(api_versions); i++)
        if (streq(v, api_versions[i]))
            return true;
    return false;
}

static void get_cluster(struct sim *s, struct sim_answer *a)
{
    sim_answer_json(a, 200, json_pack("{s:o,s:s,s:s,s:s,s:{s:s,s:o,s:s}}", "id",
                                      json_strf("/subscriptions/%s/resourcegroups/%s/providers/Microsoft.ContainerService/managedClusters/%s",
                                                s->who.subscription, s->who.group, s->who.cluster),
                                      "name", s->who.cluster, "type", "Microsoft.ContainerService/ManagedClusters", "location", s->who.location,
                                      "properties", "provisioningState", "Succeeded",
                                      "nodeResourceGroup", json_strf("MC_%s_%s_%s", s->who.group, s->who.cluster, s->who.location),
                                      "kubernetesVersion", "1.30.3"));
}

static void call(struct sim *s, struct sim_request *q, struct sim_answer *a)
{
    switch (q->call) {
    case CALL_GET: sim_pool_get(s, q, a); break;
    case CALL_LIST: sim_pool_list(s, q, a); break;
    case CALL_PUT: sim_pool_put(s, q, a); break;
    case CALL_DELETE: sim_pool_delete(s, q, a); break;
    case CALL_OPERATION: sim_operation_poll(s, q, a); break;
    default: get_cluster(s, a); break;
    }
}

static void answer(struct sim *s, struct sim_request *q, const char *wrong, struct sim_answer *a)
{
    sim_check_manners(s, q);
    if (!sim_authorize(s, q, a))
        return;
    sim_check_hold(s, q);
    if (!str_set(q->api_version))
        sim_answer_error(a, 400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.");
    else if (!version_known(q->api_version)) {
        sim_violation(s, q, "api-version", "%s is no version that AKS has", q->api_version);
        sim_answer_error(a, 400, "InvalidApiVersionParameter", "The api-version '%s' is invalid.", q->api_version);
    } else if (sim_throttle(s, q, a) && !sim_fault_before(s, q, a)) {
        if (wrong)
            sim_answer_error(a, 404, wrong, "The resource of %s could not be found.", q->x->path);
        else
            call(s, q, a);
        sim_fault_after(s, q, a);
    }
}

static void token_call(struct sim *s, struct http_exchange *x, struct sim_answer *a)
{
    struct sim_request q = { .x = x, .call = CALL_TOKEN, .now = sim_now(s) };

    if (!sim_fault_before(s, &q, a)) {
        if (!sim_token_route(s, x, a))
            sim_answer_error(a, 404, "InvalidResourceType", "There is nothing at %s %s.", x->method, x->path);
        sim_fault_after(s, &q, a);
    }
    sim_journal(s, &q, a);
}

static enum http_more nothing(void *self, struct cancel *gone, struct buf *out)
{
    (void)self;
    (void)gone;
    (void)out;
    return HTTP_ABORT;
}

static void send_answer(struct http_exchange *x, struct sim_answer *a)
{
    if (a->stall_ms)
        (void)cancel_wait_ms(http_gone(x), a->stall_ms);
    if (a->cut) {
        http_reply_stream(x, 200, "application/json", &(struct http_source){ .next = nothing });
        return;
    }
    for (size_t i = 0; i < a->headers.n; i++)
        http_reply_header(x, a->headers.items[i].name, a->headers.items[i].value);
    http_reply(x, a->status, a->content_type, buf_str(&a->body));
}

void sim_handle(void *self, struct http_exchange *x)
{
    struct sim *s = self;
    struct sim_answer a = { .status = 500 };
    struct sim_request q = { .x = x };
    const char *wrong;

    if (sim_control(s, x))
        return;
    mutex_lock(&s->mu);
    sim_settle(s);
    q.now = sim_now(s);
    q.api_version = http_pairs_get(&x->query, "api-version");
    if (parse(s, x, &q, &wrong)) {
        q.number = ++s->requests;
        sim_answer_header(&a, "x-ms-request-id", "%016llx", (unsigned long long)q.number);
        answer(s, &q, wrong, &a);
        sim_journal(s, &q, &a);
    } else {
        token_call(s, x, &a);
    }
    if (s->keep_path)
        sim_keep(s);
    mutex_unlock(&s->mu);
    send_answer(x, &a);
    buf_done(&a.body);
    http_pairs_done(&a.headers);
}
