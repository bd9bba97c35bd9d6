/* The four calls on agent pools, and what is kept of each pool. */
#include "sim.h"

#include <strings.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#define NEVER INT64_MAX
#define IN_PROGRESS "Operation is not allowed because there's an in progress %s node pool operation on managed cluster. Please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details"

void sim_pool_free(void *pool)
{
    struct sim_pool *p = pool;

    json_decref(p->properties);
    free(p->etag);
    free(p);
}

struct sim_pool *sim_pool(const struct sim *s, const char *name)
{
    return map_get(s->pools, str_of(name));
}

void sim_pool_touch(struct sim_pool *p)
{
    char id[37];

    random_uuid(id);
    free(p->etag);
    p->etag = xasprintf("\"%s\"", id);
}

struct sim_past *sim_past_last(struct sim *s, const char *name)
{
    for (size_t i = s->n_past; i > 0; i--)
        if (streq(s->past[i - 1].name, name))
            return &s->past[i - 1];
    return NULL;
}

/* What the service adds to what was sent. */
static void add_defaults(json_t *p)
{
    static const struct { const char *key, *value; } texts[] = {
        { "mode", "User" }, { "osType", "Linux" }, { "osSKU", "Ubuntu" }, { "osDiskType", "Managed" }, { "kubeletDiskType", "OS" },
        { "type", "VirtualMachineScaleSets" }, { "scaleDownMode", "Delete" }, { "orchestratorVersion", "1.30.3" },
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (!json_object_get(p, texts[i].key))
            json_put_str(p, texts[i].key, texts[i].value);
    if (!json_object_get(p, "maxPods"))
        json_put_int(p, "maxPods", 110);
    if (!json_object_get(p, "count"))
        json_put_int(p, "count", 1);
    if (json_int(p, "osDiskSizeGB", 0) == 0)
        json_put_int(p, "osDiskSizeGB", 128);
}

struct sim_pool *sim_pool_add(struct sim *s, const char *name, json_t *properties)
{
    struct sim_pool *p = xzalloc(sizeof *p);
    int64_t now = sim_now(s);

    add_defaults(properties);
    *p = (struct sim_pool){ .properties = properties, .state = "Succeeded", .created = now, .join_at = NEVER, .ready_at = NEVER, .gpu_at = NEVER };
    snprintf(p->name, sizeof p->name, "%s", name);
    sim_pool_touch(p);
    map_put(s->pools, str_of(name), p);
    vec_grow(s->past, s->n_past, s->cap_past);
    struct sim_past *past = &s->past[s->n_past++];

    *past = (struct sim_past){ .created = now };
    snprintf(past->name, sizeof past->name, "%s", name);
    return p;
}

json_t *sim_pool_json(const struct sim *s, const struct sim_pool *p, const char *api_version)
{
    json_t *props = json_clone(p->properties);

    json_put_str(props, "provisioningState", p->state);
    json_put(props, "powerState", json_pack("{s:s}", "code", "Running"));
    json_put_str(props, "currentOrchestratorVersion", "1.30.3");
    json_put_str(props, "nodeImageVersion", "AKSUbuntu-2204gen2containerd-202501.05.0");
    json_put_bool(props, "enableNodePublicIP", false);
    json_put_bool(props, "enableAutoScaling", false);
    json_put_bool(props, "enableFIPS", false);
    json_put(props, "upgradeSettings", json_pack("{s:s}", "maxSurge", "10%"));
    json_put(props, "securityProfile", json_pack("{s:b,s:b}", "enableVTPM", 0, "enableSecureBoot", 0));
    if (api_version && strcmp(api_version, "2024-09-01") >= 0)
        json_put_str(props, "eTag", p->etag);
    return json_pack("{s:o,s:s,s:s,s:o}", "id",
                     json_strf("/subscriptions/%s/resourcegroups/%s/providers/Microsoft.ContainerService/managedClusters/%s/agentPools/%s",
                               s->who.subscription, s->who.group, s->who.cluster, p->name),
                     "name", p->name, "type", "Microsoft.ContainerService/managedClusters/agentPools", "properties", props);
}

static void answer_pool(struct sim *s, struct sim_request *q, const struct sim_pool *p, int status, struct sim_answer *a)
{
    sim_answer_header(a, "ETag", "%s", p->etag);
    sim_answer_json(a, status, sim_pool_json(s, p, q->api_version));
}

void sim_pool_get(struct sim *s, struct sim_request *q, struct sim_answer *a)
{
    const struct sim_pool *p = sim_pool(s, q->pool);

    if (!p || (p->lags && q->now < p->created + s->set.get_lag_ms))
        sim_answer_error(a, 404, "NotFound", "Agent Pool not found.");
    else
        answer_pool(s, q, p, 200, a);
}

/* ---- list ----------------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct sim_pool *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static size_t visible(struct sim *s, int64_t now, const struct sim_pool **out)
{
    struct str name;
    void *value;
    size_t n = 0;

    for (size_t i = 0; map_next(s->pools, &i, &name, &value);)
        if (!((struct sim_pool *)value)->lags || now >= ((struct sim_pool *)value)->created + s->set.list_lag_ms)
            out[n++] = value;
    for (size_t i = 0; map_next(s->ghosts, &i, &name, &value);)
        if (!sim_pool(s, ((struct sim_pool *)value)->name))
            out[n++] = value;
    qsort(out, n, sizeof *out, by_name);
    return n;
}

static void drop_ghosts(struct sim *s, int64_t now)
{
    struct str name;
    void *value;

    for (size_t i = 0; map_next(s->ghosts, &i, &name, &value);)
        if (now >= ((struct sim_pool *)value)->created) {
            AUTO_MEM char *copy = xstrndup(name.p, name.n);

            map_del(s->ghosts, str_of(copy));
            i = 0;
        }
}

/* The last name of the page before; false: no token of ours. "" is the page before the first. */
static bool token_read(const char *token, struct buf *out)
{
    return base64_decode(str_of(token), out) && str_has_prefix(buf_str(out), STR("after:"));
}

static json_t *next_link(const char *base_url, struct sim_request *q, const char *last)
{
    AUTO_BUF token = { 0 };
    AUTO_MEM char *text = xasprintf("after:%s", last);

    base64url_add(&token, text, strlen(text));
    return json_strf("%s%s?api-version=%s&%%24skipToken=%s", base_url, q->x->raw_path, q->api_version, buf_cstr(&token));
}

/* After the last page, where a link has no business: in a circle, or to a host that is not ARM (localhost, which is us as well: we hear of it). */
static void mislead(struct sim *s, struct sim_request *q, json_t *body)
{
    AUTO_MEM char *elsewhere = xasprintf("http://localhost:%u", http_server_port(s->server));

    if (s->set.next_link)
        json_put(body, "nextLink", next_link(s->set.next_link == 1 ? s->base_url : elsewhere, q, ""));
}

void sim_pool_list(struct sim *s, struct sim_request *q, struct sim_answer *a)
{
    const char *token = http_pairs_get(&q->x->query, "$skipToken"), *last = NULL;
    AUTO_BUF after = { 0 };
    json_t *page = json_array(), *body = json_pack("{s:o}", "value", page);

    drop_ghosts(s, q->now);
    AUTO_MEM const struct sim_pool **pools = xcalloc(map_len(s->pools) + map_len(s->ghosts) + 1, sizeof(*pools));
    size_t n = visible(s, q->now, pools), i = 0;

    if (token && !token_read(token, &after)) {
        json_decref(body);
        sim_violation(s, q, "next-link", "a skipToken that no nextLink held");
        sim_answer_error(a, 400, "InvalidParameter", "The skip token is invalid.");
        return;
    }
    if (!token && s->set.empty_first_page) {
        json_put(body, "nextLink", next_link(s->base_url, q, ""));
        sim_answer_json(a, 200, body);
        return;
    }
    const char *from = token ? buf_cstr(&after) + strlen("after:") : "";

    for (; i < n && json_array_size(page) < (size_t)s->set.page_size; i++)
        if (strcmp(pools[i]->name, from) > 0) {
            json_push(page, sim_pool_json(s, pools[i], q->api_version));
            last = pools[i]->name;
        }
    if (last && i < n)
        json_put(body, "nextLink", next_link(s->base_url, q, last));
    else
        mislead(s, q, body);
    sim_answer_json(a, 200, body);
}

/* ---- writes --------------------------------------------------------------------------------------------------------------- */

static bool preconditions_hold(struct sim_request *q, const struct sim_pool *p, struct sim_answer *a)
{
    const char *match = http_header_get(&q->x->headers, "If-Match"), *none = http_header_get(&q->x->headers, "If-None-Match");

    if ((match && (!p || (!streq(match, "*") && !streq(match, p->etag)))) || (streq(none, "*") && p)) {
        sim_answer_error(a, 412, "ConditionNotMet", "The condition '%s' evaluated to false.", match ? match : none);
        return false;
    }
    return true;
}

static const char *kind_word(enum op_kind k)
{
    return k == OP_CREATE ? "create" : k == OP_DELETE ? "delete" : "update";
}

static bool is_idle(struct sim *s, const struct sim_pool *p, struct sim_answer *a)
{
    if (p && p->op) {
        sim_answer_error(a, 409, "OperationNotAllowed", IN_PROGRESS, kind_word(p->op->kind));
        return false;
    }
    if (s->set.max_operations > 0 && s->n_running >= (size_t)s->set.max_operations) {
        sim_answer_error(a, 409, "OperationNotAllowed", "Another agentpool operation (other - Creating) is in progress, please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details");
        return false;
    }
    return true;
}

/* The same claim must always send the same bytes. */
static void check_body(struct sim *s, struct sim_request *q)
{
    const char *before = map_get(s->put_bodies, str_of(q->pool));
    AUTO_MEM char *now = xstrndup(q->x->body.p, q->x->body.n);

    if (before && !streq(before, now))
        sim_violation(s, q, "body", "PUT of %s with another body than before", q->pool);
    map_put(s->put_bodies, str_of(q->pool), TAKE(now));
}

static void put_new(struct sim *s, struct sim_request *q, json_t *properties, struct sim_answer *a)
{
    if (s->set.max_pools > 0 && map_len(s->pools) >= (size_t)s->set.max_pools) {
        sim_answer_error(a, 400, "QuotaExceeded", "The number of agent pools exceeds the limit %lld of the managed cluster; this is a quota.", (long long)s->set.max_pools);
        return;
    }
    if (!sim_quota_check(s, properties, a))
        return;
    struct sim_pool *p = sim_pool_add(s, q->pool, json_clone(properties));

    p->lags = true;
    struct sim_operation *o = sim_operation_start(s, OP_CREATE, p, q->api_version);
    sim_operation_headers(s, o, true, false, a);
    answer_pool(s, q, p, 201, a);
}

static bool changes(const struct sim_pool *p, const json_t *want)
{
    AUTO_JSON next = json_clone(p->properties);

    json_object_update(next, (json_t *)(uintptr_t)want);
    if (json_int(want, "osDiskSizeGB", 0) == 0)
        json_put_int(next, "osDiskSizeGB", json_int(p->properties, "osDiskSizeGB", 0));
    return !json_equal(next, p->properties);
}

static void put_existing(struct sim *s, struct sim_request *q, struct sim_pool *p, json_t *properties, struct sim_answer *a)
{
    bool healthy = streq(p->state, "Succeeded");

    if (p->foreign)
        sim_violation(s, q, "foreign", "PUT over %s, which is somebody else's", p->name);
    if (!sim_pool_same_fixed(p->properties, properties, a))
        return;
    if (healthy && !changes(p, properties)) {
        answer_pool(s, q, p, 200, a);
        return;
    }
    if (!healthy && !p->has_machine && !sim_quota_check(s, properties, a))
        return;
    json_object_update(p->properties, properties);
    add_defaults(p->properties);
    struct sim_operation *o = sim_operation_start(s, healthy || p->has_machine ? OP_UPDATE : OP_CREATE, p, q->api_version);

    sim_operation_headers(s, o, true, false, a);
    answer_pool(s, q, p, 200, a);
}

void sim_pool_put(struct sim *s, struct sim_request *q, struct sim_answer *a)
{
    struct sim_pool *p = sim_pool(s, q->pool);
    AUTO_JSON body = NULL;
    struct err e;

    if (!sim_pool_name_ok(str_of(q->pool))) {
        sim_answer_error(a, 400, "InvalidParameter", "The value of parameter agentPoolProfile.name is invalid: %s", q->pool);
        return;
    }
    if (json_parse(q->x->body, &body, &e)) {
        sim_answer_error(a, 400, "InvalidRequestContent", "The request content was invalid and could not be deserialized: %s", e.text);
        return;
    }
    json_t *properties = json_object_get(body, "properties");

    if (!sim_pool_check(s, properties, a) || !preconditions_hold(q, p, a) || !is_idle(s, p, a))
        return;
    if (!p || !p->foreign)
        check_body(s, q);
    if (p)
        put_existing(s, q, p, properties, a);
    else
        put_new(s, q, properties, a);
}

void sim_pool_delete(struct sim *s, struct sim_request *q, struct sim_answer *a)
{
    struct sim_pool *p = sim_pool(s, q->pool);

    if (!preconditions_hold(q, p, a))
        return;
    if (!p) {
        a->status = (int)s->set.delete_absent_status;
        if (a->status == 404)
            sim_answer_error(a, 404, "NotFound", "Agent Pool not found.");
        return;
    }
    if (p->foreign)
        sim_violation(s, q, "foreign", "DELETE of %s, which is somebody else's", p->name);
    if (strcasecmp(json_cstr(p->properties, "mode"), "System") == 0) {
        sim_answer_error(a, 400, "OperationNotAllowed", "There has to be at least one system agent pool.");
        return;
    }
    if (p->op && p->op->kind == OP_CREATE && s->set.delete_while_creating) {
        sim_operation_cancel(s, p->op);
        p->op = NULL;
    }
    if (!is_idle(s, p, a))
        return;
    struct sim_operation *o = sim_operation_start(s, OP_DELETE, p, q->api_version);

    sim_operation_headers(s, o, !s->set.delete_location_only, true, a);
    a->status = 202;
}
