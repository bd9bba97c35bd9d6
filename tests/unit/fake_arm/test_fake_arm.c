/* The simulator of ARM held to the dossier (provisioner, 3 and 8.3): what it accepts, refuses, promises and breaks. */
#include <unistd.h>

#include "arm_world.h"
#include "base/file.h"
#include "../patience.h"

#define POOL(size) "{\"properties\": {\"count\": 1, \"vmSize\": \"" size "\", \"osType\": \"Linux\", \"osDiskSizeGB\": 0, \"type\": \"VirtualMachineScaleSets\"," \
                   " \"nodeLabels\": {\"kaito.sh/workspace\": \"w\"}, \"nodeTaints\": [\"sku=gpu:NoSchedule\"]}}"
#define GPU "Standard_NC24ads_A100_v4"
#define FORM "application/x-www-form-urlencoded"

static int setup(void **state)
{
    struct world *w = xzalloc(sizeof *w);

    *state = w;
    return world_start(w, &(struct sim_opts){ .seed = 7 });
}

static int teardown(void **state)
{
    world_stop(*state);
    free(*state);
    return 0;
}

static const char *header(const struct world *w, const char *name)
{
    return http_header_get(&w->r.headers, name);
}

/* PUT and the end of it; returns nothing: the pool stands. */
static void make_pool(struct world *w, const char *name)
{
    AUTO_MEM char *path = xasprintf("/agentPools/%s", name);

    arm_call(w, "PUT", path, POOL(GPU));
    if (w->r.status != 201)
        fail_msg("PUT %s: %d %s", name, w->r.status, buf_cstr(&w->r.body));
    advance(w, 20000);
}

static void tokens_only_for_the_right_credential(void **state)
{
    static const struct { const char *form; int status; const char *text; } rows[] = {
        { "grant_type=password&client_id=client&scope=x%2F.default&client_secret=" SECRET, 400, "AADSTS70003" },
        { "grant_type=client_credentials&client_id=client&scope=x&client_secret=" SECRET, 400, "AADSTS1002012" },
        { "grant_type=client_credentials&client_id=other&scope=x%2F.default&client_secret=" SECRET, 400, "AADSTS700016" },
        { "grant_type=client_credentials&client_id=client&scope=x%2F.default&client_secret=wrong", 401, "AADSTS7000215" },
        { "grant_type=client_credentials&client_id=client&scope=x%2F.default", 400, "AADSTS7000218" },
        { "grant_type=client_credentials&client_id=client&scope=x%2F.default&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=nojwt", 401, "AADSTS50027" },
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(w, &(struct ask){ "POST", "/tenant/oauth2/v2.0/token", rows[i].form, FORM });
        assert_int_equal(w->r.status, rows[i].status);
        assert_non_null(strstr(json_cstr(w->body, "error_description"), rows[i].text));
    }
    ask(w, &(struct ask){ "GET", "/tenant/v2.0/.well-known/openid-configuration" });
    assert_non_null(strstr(json_cstr(w->body, "token_endpoint"), "/tenant/oauth2/v2.0/token"));
}

static void instance_metadata_wants_its_header_and_no_proxy(void **state)
{
    const char *url = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id=client";
    struct world *w = *state;

    ask(w, &(struct ask){ "GET", url });
    assert_int_equal(w->r.status, 400);
    ask(w, &(struct ask){ "GET", url, .extra = { { "Metadata", "true" }, { "X-Forwarded-For", "10.0.0.1" } } });
    assert_int_equal(w->r.status, 400);
    ask(w, &(struct ask){ "GET", url, .extra = { { "Metadata", "true" } } });
    assert_int_equal(w->r.status, 200);
    assert_string_equal(json_cstr(w->body, "expires_in"), "3600");
    ask(w, &(struct ask){ "GET", "/metadata/endpoints?api-version=2022-09-01" });
    assert_string_equal(json_cstr(w->body, "resourceManager"), w->sim->base_url);
    assert_string_equal(json_str_at(w->body, "authentication", "loginEndpoint", NULL), w->sim->base_url);
}

static void requests_need_a_token_that_lives(void **state)
{
    struct world *w = *state;
    size_t before = violations(w);

    ask(w, &(struct ask){ "GET", CLUSTER "/agentPools" VERSION, .anonymous = true });
    assert_int_equal(w->r.status, 401);
    assert_non_null(header(w, "WWW-Authenticate"));
    assert_int_equal(violations(w), before + 1);
    assert_string_equal(last_violation(w), "authorization");
    arm_call(w, "GET", "/agentPools", NULL);
    assert_int_equal(w->r.status, 200);
    advance(w, 3600001);
    arm_call(w, "GET", "/agentPools", NULL);
    assert_int_equal(w->r.status, 401);
    assert_string_equal(error_code(w), "ExpiredAuthenticationToken");
    get_token(w);
    control(w, "POST", "tokens/expire", "{}");
    arm_call(w, "GET", "/agentPools", NULL);
    assert_int_equal(w->r.status, 401);
}

static void scopes_and_versions_are_checked(void **state)
{
    static const struct { const char *url; int status; const char *code; } rows[] = {
        { CLUSTER "/agentPools", 400, "MissingApiVersionParameter" },
        { CLUSTER "/agentPools?api-version=2019-13-01", 400, "InvalidApiVersionParameter" },
        { "/subscriptions/none/resourceGroups/group/providers/Microsoft.ContainerService/managedClusters/aks/agentPools" VERSION, 404, "SubscriptionNotFound" },
        { "/subscriptions/sub/resourceGroups/none/providers/Microsoft.ContainerService/managedClusters/aks/agentPools" VERSION, 404, "ResourceGroupNotFound" },
        { "/subscriptions/sub/resourceGroups/group/providers/Microsoft.ContainerService/managedClusters/none/agentPools/a" VERSION, 404, "ResourceNotFound" },
        { "/Subscriptions/SUB/resourcegroups/Group/providers/microsoft.containerservice/managedclusters/AKS/agentpools/a" VERSION, 404, "NotFound" },
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(w, &(struct ask){ "GET", rows[i].url });
        assert_int_equal(w->r.status, rows[i].status);
        assert_string_equal(error_code(w), rows[i].code);
    }
}

static void create_is_an_operation_that_ends(void **state)
{
    struct world *w = *state;

    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    assert_int_equal(w->r.status, 201);
    assert_string_equal(json_str_at(w->body, "properties", "provisioningState", NULL), "Creating");
    assert_non_null(strstr(json_cstr(w->body, "id"), "/resourcegroups/"));
    assert_null(header(w, "Location"));
    assert_null(header(w, "Retry-After"));
    AUTO_MEM char *operation = xstrdup(header(w, "Azure-AsyncOperation"));
    assert_true(strlen(operation) > 3000);
    ask(w, &(struct ask){ "GET", operation });
    assert_string_equal(json_cstr(w->body, "status"), "InProgress");
    assert_null(strstr(operation, json_cstr(w->body, "name")));
    advance(w, 19999);
    ask(w, &(struct ask){ "GET", operation });
    assert_string_equal(json_cstr(w->body, "status"), "InProgress");
    advance(w, 1);
    ask(w, &(struct ask){ "GET", operation });
    assert_string_equal(json_cstr(w->body, "status"), "Succeeded");
    arm_call(w, "GET", "/agentPools/ws1", NULL);
    assert_string_equal(json_str_at(w->body, "properties", "provisioningState", NULL), "Succeeded");
    assert_int_equal(json_int(json_object_get(w->body, "properties"), "osDiskSizeGB", 0), 128);
    assert_int_equal(violations(w), 0);
    AUTO_MEM char *changed = xasprintf("%sx", operation);
    ask(w, &(struct ask){ "GET", changed });
    assert_int_equal(w->r.status, 403);
    assert_string_equal(last_violation(w), "operation-url");
}

/* What the pool's history says of it, as one text: "Creating Succeeded ". */
static void history_of(struct world *w, const char *pool, char out[200])
{
    const json_t *row;
    size_t i, n = 0;

    *out = '\0';
    control(w, "GET", "history", NULL);
    json_array_foreach(w->body, i, row)
        if (streq(json_cstr(row, "pool"), pool))
            n += (size_t)snprintf(out + n, 200 - n, "%s%s%s ", json_cstr(row, "state"), json_cstr(row, "error") ? ":" : "", json_cstr(row, "error") ? json_cstr(row, "error") : "");
}

static void what_became_of_a_pool_is_written_down(void **state)
{
    struct world *w = *state;
    char told[200];

    make_pool(w, "ws1");
    arm_call(w, "DELETE", "/agentPools/ws1", NULL);
    advance(w, 10000);
    history_of(w, "ws1", told);
    assert_string_equal(told, "Creating Succeeded Deleting Gone ");
    control(w, "POST", "faults", "{\"call\": \"put\", \"do\": \"operation-fails\", \"error\": \"capacity\"}");
    make_pool(w, "ws2");
    history_of(w, "ws2", told);
    assert_string_equal(told, "Creating Failed:AllocationFailed ");
    control(w, "GET", "history?since=1", NULL);
    assert_int_equal(json_array_size(w->body), 5);
    assert_int_equal(json_int(json_array_get(w->body, 0), "at", 0) > 0, 1);
    arm_call(w, "PUT", "/agentPools/Upper", POOL(GPU));
    control(w, "GET", "journal?since=0", NULL);
    assert_string_equal(json_cstr(json_array_get(w->body, json_array_size(w->body) - 1), "code"), "InvalidParameter");
}

static void polling_has_manners(void **state)
{
    struct world *w = *state;

    control(w, "PUT", "settings", "{\"retry_after_s\": 5}");
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    AUTO_MEM char *operation = xstrdup(header(w, "Azure-AsyncOperation"));
    assert_string_equal(header(w, "Retry-After"), "5");
    ask(w, &(struct ask){ "GET", operation });
    advance(w, 4999);
    assert_int_equal(violations(w), 0);
    ask(w, &(struct ask){ "GET", operation });
    assert_string_equal(last_violation(w), "poll");
    advance(w, 5000);
    ask(w, &(struct ask){ "GET", operation });
    assert_int_equal(violations(w), 1);
    control(w, "POST", "faults", "{\"call\": \"operation\", \"do\": \"lose-reply\"}");
    advance(w, 5000);
    ask(w, &(struct ask){ "GET", operation });
    assert_int_equal(w->r.status, 0);
    advance(w, 1000);                   /* nobody was told to wait for longer */
    ask(w, &(struct ask){ "GET", operation });
    assert_int_equal(w->r.status, 200);
    assert_int_equal(violations(w), 1);
}

static void a_pool_that_is_busy_is_left_alone(void **state)
{
    struct world *w = *state;

    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    AUTO_MEM char *operation = xstrdup(header(w, "Azure-AsyncOperation"));
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    assert_int_equal(w->r.status, 409);
    assert_string_equal(error_code(w), "OperationNotAllowed");
    arm_call(w, "DELETE", "/agentPools/ws1", NULL);
    assert_int_equal(w->r.status, 409);
    control(w, "PUT", "settings", "{\"delete_while_creating\": 1}");
    arm_call(w, "DELETE", "/agentPools/ws1", NULL);
    assert_int_equal(w->r.status, 202);
    ask(w, &(struct ask){ "GET", operation });
    assert_string_equal(json_cstr(w->body, "status"), "Canceled");
    control(w, "PUT", "settings", "{\"max_operations\": 1}");
    arm_call(w, "PUT", "/agentPools/ws2", POOL(GPU));
    assert_int_equal(w->r.status, 409);
}

static void put_is_idempotent_and_what_is_fixed_stays(void **state)
{
    struct world *w = *state;

    make_pool(w, "ws1");
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    assert_int_equal(w->r.status, 200);
    assert_null(header(w, "Azure-AsyncOperation"));
    assert_int_equal(violations(w), 0);
    arm_call(w, "PUT", "/agentPools/ws1", POOL("Standard_D4s_v5"));
    assert_int_equal(w->r.status, 400);
    assert_string_equal(error_code(w), "PropertyChangeNotAllowed");
    assert_string_equal(last_violation(w), "body");
}

static void bad_pools_are_refused(void **state)
{
    static const struct { const char *name, *body, *code; } rows[] = {
        { "Upper", POOL(GPU), "InvalidParameter" },
        { "thirteenchars", POOL(GPU), "InvalidParameter" },
        { "ok", "{", "InvalidRequestContent" },
        { "ok", "{}", "InvalidRequestContent" },
        { "ok", POOL("Standard_Nothing"), "BadRequest" },
        { "ok", POOL("Huge"), "BadRequest" },
        { "ok", "{\"properties\": {\"vmSize\": \"" GPU "\", \"osDiskSizeGB\": 29}}", "InvalidParameter" },
        { "ok", "{\"properties\": {\"vmSize\": \"" GPU "\", \"osDiskSizeGb\": 30}}", "InvalidRequestContent" },
        { "ok", "{\"properties\": {\"vmSize\": \"" GPU "\", \"nodeLabels\": {\"kubernetes.azure.com/x\": \"y\"}}}", "InvalidParameter" },
        { "ok", "{\"properties\": {\"vmSize\": \"" GPU "\", \"nodeLabels\": {\"node.kubernetes.io/instance-type\": \"y\"}}}", "InvalidParameter" },
        { "ok", "{\"properties\": {\"vmSize\": \"" GPU "\", \"nodeLabels\": {\"a\": \"12:30\"}}}", "InvalidParameter" },
        { "ok", "{\"properties\": {\"vmSize\": \"" GPU "\", \"nodeTaints\": [\"sku=gpu:Never\"]}}", "InvalidParameter" },
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *path = xasprintf("/agentPools/%s", rows[i].name);

        arm_call(w, "PUT", path, rows[i].body);
        assert_int_equal(w->r.status, 400);
        assert_string_equal(error_code(w), rows[i].code);
    }
}

static void delete_ends_in_nothing(void **state)
{
    struct world *w = *state;

    make_pool(w, "ws1");
    arm_call(w, "DELETE", "/agentPools/ws1", NULL);
    assert_int_equal(w->r.status, 202);
    assert_non_null(header(w, "Azure-AsyncOperation"));
    AUTO_MEM char *location = xstrdup(header(w, "Location"));
    ask(w, &(struct ask){ "GET", location });
    assert_int_equal(w->r.status, 202);
    arm_call(w, "GET", "/agentPools/ws1", NULL);
    assert_string_equal(json_str_at(w->body, "properties", "provisioningState", NULL), "Deleting");
    advance(w, 10000);
    ask(w, &(struct ask){ "GET", location });
    assert_int_equal(w->r.status, 204);
    arm_call(w, "GET", "/agentPools/ws1", NULL);
    assert_int_equal(w->r.status, 404);
    arm_call(w, "DELETE", "/agentPools/ws1", NULL);
    assert_int_equal(w->r.status, 204);
    control(w, "PUT", "settings", "{\"delete_absent_status\": 404}");
    arm_call(w, "DELETE", "/agentPools/ws1", NULL);
    assert_int_equal(w->r.status, 404);
    assert_int_equal(violations(w), 0);
}

static void lists_come_in_pages(void **state)
{
    struct world *w = *state;
    size_t seen = 0, pages = 0;
    AUTO_MEM char *url = xstrdup(CLUSTER "/agentPools" VERSION);

    for (char name[] = "a"; *name <= 'e'; ++*name)
        make_pool(w, name);
    control(w, "PUT", "settings", "{\"page_size\": 2, \"empty_first_page\": 1}");
    while (url) {
        ask(w, &(struct ask){ "GET", url });
        assert_int_equal(w->r.status, 200);
        seen += json_array_size(json_object_get(w->body, "value"));
        pages++;
        free(url);
        url = xstrdup(json_cstr(w->body, "nextLink"));
    }
    assert_int_equal(seen, 5);
    assert_int_equal(pages, 4);
    assert_int_equal(violations(w), 0);
    ask(w, &(struct ask){ "GET", CLUSTER "/agentPools" VERSION "&%24skipToken=mine" });
    assert_string_equal(last_violation(w), "next-link");
}

static void lists_and_gets_lag(void **state)
{
    struct world *w = *state;

    control(w, "PUT", "settings", "{\"list_lag_ms\": 60000, \"get_lag_ms\": 5000}");
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    arm_call(w, "GET", "/agentPools/ws1", NULL);
    assert_int_equal(w->r.status, 404);
    advance(w, 20000);
    arm_call(w, "GET", "/agentPools/ws1", NULL);
    assert_int_equal(w->r.status, 200);
    arm_call(w, "GET", "/agentPools", NULL);
    assert_int_equal(json_array_size(json_object_get(w->body, "value")), 0);
    advance(w, 40000);
    arm_call(w, "GET", "/agentPools", NULL);
    assert_int_equal(json_array_size(json_object_get(w->body, "value")), 1);
    arm_call(w, "DELETE", "/agentPools/ws1", NULL);
    advance(w, 10000);
    arm_call(w, "GET", "/agentPools", NULL);
    assert_int_equal(json_array_size(json_object_get(w->body, "value")), 1);
    advance(w, 60000);
    arm_call(w, "GET", "/agentPools", NULL);
    assert_int_equal(json_array_size(json_object_get(w->body, "value")), 0);
}

static void quota_is_a_ledger_of_cores(void **state)
{
    struct world *w = *state;

    control(w, "POST", "quota", "{\"standardNCADSA100v4Family\": 47}");
    make_pool(w, "ws1");
    arm_call(w, "PUT", "/agentPools/ws2", POOL(GPU));
    assert_int_equal(w->r.status, 400);
    assert_string_equal(error_code(w), "ErrCode_InsufficientVCPUQuota");
    assert_non_null(strstr(json_str_at(w->body, "error", "message", NULL), "requested 24, remaining 23 for family standardNCADSA100v4Family"));
    arm_call(w, "DELETE", "/agentPools/ws1", NULL);
    advance(w, 10000);
    make_pool(w, "ws2");
    control(w, "PUT", "settings", "{\"max_pools\": 1}");
    control(w, "POST", "quota", "{\"standardNCADSA100v4Family\": 1000}");
    arm_call(w, "PUT", "/agentPools/ws3", POOL(GPU));
    assert_int_equal(w->r.status, 400);
    assert_string_equal(error_code(w), "QuotaExceeded");
}

static void buckets_run_dry_and_waits_are_kept(void **state)
{
    struct world *w = *state;
    int refused = 0;

    for (int i = 0; i < 21 && !refused; i++) {
        arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
        refused = w->r.status == 429 ? i : 0;
    }
    assert_int_equal(refused, 20);
    assert_string_equal(header(w, "Retry-After"), "61");
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));   /* it was on its way */
    assert_int_equal(violations(w), 0);
    advance(w, 60000);
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    assert_string_equal(last_violation(w), "throttle");
    advance(w, 61000);
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    assert_int_equal(w->r.status, 200);
    assert_int_equal(violations(w), 1);
    assert_non_null(header(w, "x-ms-ratelimit-remaining-subscription-writes"));
}

static void get_after(struct world *w, const char *refusal)
{
    ask(w, &(struct ask){ "GET", CLUSTER "/agentPools/ws1" VERSION, .extra = { { "x-kaito-after-refusal", refusal } } });
}

/* Who says that it knew of a 429 is held to it from the first millisecond, and only to those that it knew of. */
static void a_request_is_judged_by_what_its_client_knew(void **state)
{
    struct world *w = *state;

    control(w, "POST", "faults", "{\"call\": \"get\", \"times\": 2, \"do\": \"error\", \"error\": \"throttled\"}");
    get_after(w, "0");
    assert_int_equal(w->r.status, 429);
    AUTO_MEM char *first = xstrdup(header(w, "x-ms-request-id"));
    int64_t wait_ms;

    assert_true(str_to_i64(str_of(header(w, "Retry-After")), &wait_ms));
    wait_ms *= 1000;
    advance(w, 400);
    get_after(w, "0");                  /* on its way when the first came, and refused as well: that one lasts longer */
    assert_int_equal(w->r.status, 429);
    assert_int_equal(violations(w), 0);
    AUTO_MEM char *second = xstrdup(header(w, "x-ms-request-id"));

    get_after(w, first);
    assert_int_equal(violations(w), 1);
    assert_string_equal(last_violation(w), "throttle");
    advance(w, wait_ms - 400);
    get_after(w, second);
    assert_int_equal(violations(w), 2);
    advance(w, 400);
    get_after(w, second);
    assert_int_equal(w->r.status, 404);
    assert_int_equal(violations(w), 2);
}

static void faults_hit_what_they_name_and_then_stop(void **state)
{
    struct world *w = *state;

    control(w, "POST", "faults", "{\"call\": \"put\", \"pool\": \"ws*\", \"skip\": 1, \"do\": \"error\", \"error\": \"capacity\"}");
    arm_call(w, "PUT", "/agentPools/other", POOL(GPU));
    assert_int_equal(w->r.status, 201);
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    assert_int_equal(w->r.status, 201);
    arm_call(w, "PUT", "/agentPools/ws2", POOL(GPU));
    assert_int_equal(w->r.status, 400);
    assert_string_equal(json_cstr(json_array_get(json_at(w->body, "error", "details", NULL), 0), "code"), "AllocationFailed");
    arm_call(w, "PUT", "/agentPools/ws2", POOL(GPU));
    assert_int_equal(w->r.status, 201);
}

static void replies_are_lost_before_or_after(void **state)
{
    struct world *w = *state;

    control(w, "POST", "faults", "{\"call\": \"put\", \"do\": \"reset\"}");
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    assert_int_equal(w->r.status, 0);
    arm_call(w, "GET", "/agentPools/ws1", NULL);
    assert_int_equal(w->r.status, 404);
    control(w, "POST", "faults", "{\"call\": \"put\", \"do\": \"lose-reply\"}");
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    assert_int_equal(w->r.status, 0);
    arm_call(w, "GET", "/agentPools/ws1", NULL);
    assert_int_equal(w->r.status, 200);
    control(w, "POST", "faults", "{\"call\": \"get\", \"do\": \"stall\", \"ms\": 20000}");
    ask(w, &(struct ask){ "GET", CLUSTER "/agentPools/ws1" VERSION, .timeout_ms = 100 });
    assert_int_equal(w->r.status, 0);
}

static void operations_fail_with_status_200(void **state)
{
    struct world *w = *state;

    control(w, "POST", "faults", "{\"call\": \"put\", \"do\": \"operation-fails\", \"error\": \"extension\"}");
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    AUTO_MEM char *operation = xstrdup(header(w, "Azure-AsyncOperation"));
    advance(w, 20000);
    ask(w, &(struct ask){ "GET", operation });
    assert_int_equal(w->r.status, 200);
    assert_string_equal(json_cstr(w->body, "status"), "Failed");
    assert_string_equal(error_code(w), "VMExtensionProvisioningError");
    arm_call(w, "GET", "/agentPools/ws1", NULL);
    assert_string_equal(json_str_at(w->body, "properties", "provisioningState", NULL), "Failed");
    arm_call(w, "PUT", "/agentPools/ws1", POOL(GPU));
    assert_int_equal(w->r.status, 200);
    assert_non_null(header(w, "Azure-AsyncOperation"));
    control(w, "POST", "faults", "{\"call\": \"put\", \"do\": \"operation-lost\"}");
    arm_call(w, "PUT", "/agentPools/ws2", POOL(GPU));
    AUTO_MEM char *lost = xstrdup(header(w, "Azure-AsyncOperation"));
    ask(w, &(struct ask){ "GET", lost });
    assert_int_equal(w->r.status, 404);
    control(w, "POST", "faults", "{\"call\": \"put\", \"do\": \"operation-never-ends\"}");
    arm_call(w, "PUT", "/agentPools/ws3", POOL(GPU));
    AUTO_MEM char *stuck = xstrdup(header(w, "Azure-AsyncOperation"));
    advance(w, 3000000);
    ask(w, &(struct ask){ "GET", stuck });
    assert_string_equal(json_cstr(w->body, "status"), "InProgress");
}

static void bad_manners_are_written_down(void **state)
{
    struct world *w = *state;

    ask(w, &(struct ask){ "PUT", CLUSTER "/agentPools/ws1" VERSION, POOL(GPU), .type = "text/plain" });
    assert_string_equal(last_violation(w), "content-type");
    ask(w, &(struct ask){ "GET", CLUSTER "/agentPools/ws1" VERSION, .accept = "text/html" });
    assert_string_equal(last_violation(w), "accept");
    control(w, "GET", "violations", NULL);
    assert_int_equal(json_array_size(w->body), 2);
    assert_null(strstr(buf_cstr(&w->r.body), w->token));
}

static void other_peoples_pools_are_theirs(void **state)
{
    struct world *w = *state;

    control(w, "POST", "pools/nodepool1", "{\"vmSize\": \"Standard_D4s_v5\", \"mode\": \"System\"}");
    arm_call(w, "PUT", "/agentPools/nodepool1", POOL("Standard_D4s_v5"));
    assert_string_equal(last_violation(w), "foreign");
    arm_call(w, "DELETE", "/agentPools/nodepool1", NULL);
    assert_int_equal(w->r.status, 400);
    assert_int_equal(violations(w), 2);
}

static void writes_heed_etags(void **state)
{
    struct world *w = *state;
    const char *url = CLUSTER "/agentPools/ws1" VERSION;

    ask(w, &(struct ask){ "PUT", url, POOL(GPU), .extra = { { "If-None-Match", "*" } } });
    assert_int_equal(w->r.status, 201);
    advance(w, 20000);
    ask(w, &(struct ask){ "PUT", url, POOL(GPU), .extra = { { "If-None-Match", "*" } } });
    assert_int_equal(w->r.status, 412);
    arm_call(w, "GET", "/agentPools/ws1", NULL);
    AUTO_MEM char *etag = xstrdup(header(w, "ETag"));
    control(w, "POST", "pools/ws1/edit", "{\"count\": 2}");
    ask(w, &(struct ask){ "DELETE", url, .extra = { { "If-Match", etag } } });
    assert_int_equal(w->r.status, 412);
    arm_call(w, "GET", "/agentPools/ws1", NULL);
    AUTO_MEM char *now = xstrdup(header(w, "ETag"));
    ask(w, &(struct ask){ "DELETE", url, .extra = { { "If-Match", now } } });
    assert_int_equal(w->r.status, 202);
}

/* Which of 200 GETs fare badly is the seed's. */
static size_t written_down(struct world *w)
{
    LOCK_SCOPE(&w->sim->mu);
    return json_array_size(w->sim->journal);
}

/* What became of 200 requests as the journal has it: a client that is slow itself must not look like a fault. */
static void outcome(struct world *w, int64_t seed, char out[201])
{
    AUTO_MEM char *text = xasprintf("{\"seed\": %lld, \"rate\": 0.2}", (long long)seed);

    control(w, "PUT", "settings", "{\"throttle\": 0}");
    control(w, "POST", "schedule", text);
    {
        LOCK_SCOPE(&w->sim->mu);
        map_clear(w->sim->turns);
    }
    size_t before = written_down(w);
    for (int64_t end = patience_end(20000); written_down(w) < before + 200 && clock_mono_ms() < end;)
        ask(w, &(struct ask){ "GET", CLUSTER "/agentPools/ws1" VERSION, .timeout_ms = 50 });
    LOCK_SCOPE(&w->sim->mu);
    for (size_t i = 0; i < 200; i++) {
        const json_t *row = json_array_get(w->sim->journal, before + i);
        out[i] = json_int(row, "status", 0) == 404 && !json_object_get(row, "stallMs") ? '.' : 'x';
    }
    out[200] = '\0';
}

static void the_schedule_is_the_seeds(void **state)
{
    char first[201], again[201], other[201];
    size_t bad = 0;

    outcome(*state, 1, first);
    outcome(*state, 1, again);
    outcome(*state, 2, other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    for (int i = 0; i < 200; i++)
        bad += first[i] == 'x';
    assert_in_range(bad, 15, 70);
}

static void the_federated_token_may_rotate(void **state)
{
    char dir[] = "/tmp/kaito-fake-arm-XXXXXX";
    const char *form = "grant_type=client_credentials&client_id=client&scope=x%2F.default&client_assertion_type="
                       "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c";
    struct world w;
    struct err e;

    (void)state;
    assert_non_null(mkdtemp(dir));
    AUTO_MEM char *file = path_join(dir, "token");
    assert_int_equal(file_write_atomic(file, STR("a.b.c\n"), 0600, &e), ERR_OK);
    world_start(&w, &(struct sim_opts){ .tls = true, .who.assertion_file = file });
    assert_true(str_has_prefix(str_of(w.sim->base_url), STR("https://")));
    ask(&w, &(struct ask){ "POST", "/tenant/oauth2/v2.0/token", form, FORM });
    assert_int_equal(w.r.status, 200);
    assert_int_equal(file_write_atomic(file, STR("d.e.f"), 0600, &e), ERR_OK);
    ask(&w, &(struct ask){ "POST", "/tenant/oauth2/v2.0/token", form, FORM });
    assert_int_equal(w.r.status, 401);
    assert_non_null(strstr(json_cstr(w.body, "error_description"), "AADSTS700024"));
    world_stop(&w);
    assert_int_equal(dir_remove(dir, &e), ERR_OK);
}

static void pools_outlive_the_process(void **state)
{
    char dir[] = "/tmp/kaito-fake-arm-XXXXXX";
    struct world w;
    struct err e;

    (void)state;
    assert_non_null(mkdtemp(dir));
    AUTO_MEM char *file = path_join(dir, "state");
    world_start(&w, &(struct sim_opts){ .seed = 1 });
    assert_int_equal(sim_keep_read(w.sim, file, &e), ERR_OK);
    make_pool(&w, "ws1");
    arm_call(&w, "PUT", "/agentPools/ws2", POOL(GPU));
    world_stop(&w);
    world_start(&w, &(struct sim_opts){ .seed = 1 });
    assert_int_equal(sim_keep_read(w.sim, file, &e), ERR_OK);
    arm_call(&w, "GET", "/agentPools/ws1", NULL);
    assert_string_equal(json_str_at(w.body, "properties", "provisioningState", NULL), "Succeeded");
    arm_call(&w, "GET", "/agentPools/ws2", NULL);
    assert_string_equal(json_str_at(w.body, "properties", "provisioningState", NULL), "Creating");
    advance(&w, 20000);
    arm_call(&w, "GET", "/agentPools/ws2", NULL);
    assert_string_equal(json_str_at(w.body, "properties", "provisioningState", NULL), "Succeeded");
    world_stop(&w);
    assert_int_equal(dir_remove(dir, &e), ERR_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(tokens_only_for_the_right_credential), TEST(instance_metadata_wants_its_header_and_no_proxy), TEST(requests_need_a_token_that_lives),
        TEST(scopes_and_versions_are_checked), TEST(create_is_an_operation_that_ends), TEST(what_became_of_a_pool_is_written_down), TEST(polling_has_manners),
        TEST(a_pool_that_is_busy_is_left_alone), TEST(put_is_idempotent_and_what_is_fixed_stays), TEST(bad_pools_are_refused),
        TEST(delete_ends_in_nothing), TEST(lists_come_in_pages), TEST(lists_and_gets_lag), TEST(quota_is_a_ledger_of_cores),
        TEST(buckets_run_dry_and_waits_are_kept), TEST(a_request_is_judged_by_what_its_client_knew), TEST(faults_hit_what_they_name_and_then_stop), TEST(replies_are_lost_before_or_after),
        TEST(operations_fail_with_status_200), TEST(bad_manners_are_written_down), TEST(other_peoples_pools_are_theirs), TEST(writes_heed_etags),
        TEST(the_schedule_is_the_seeds), cmocka_unit_test(the_federated_token_may_rotate), cmocka_unit_test(pools_outlive_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
