/* A claim and an Azure cloud before a scripted ARM (script.h), with a clock of the test's own. */
#ifndef TESTS_PROVISIONER_AZURE_WORLD_H
#define TESTS_PROVISIONER_AZURE_WORLD_H

#include "base/clock.h"
#include "base/yaml.h"
#include "provisioner/azure/cloud_azure.h"
#include "script.h"

#define P "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c/agentPools"
#define V "?api-version=2024-01-01"
#define LABELS(created) "\"nodeLabels\":{\"karpenter.sh/nodepool\":\"kaito\",\"kaito.sh/machine-type\":\"gpu\",\"kaito.sh/creation-timestamp\":\"" created "\"}"
#define POOL_NAMED(name, state, mode, created) "{\"name\":\"" name "\",\"properties\":{\"provisioningState\":\"" state "\",\"mode\":\"" mode "\",\"vmSize\":\"Standard_NC24ads_A100_v4\",\"eTag\":\"e1\"," LABELS(created) "}}"
#define POOL_OF(state, mode, created) POOL_NAMED("ws1", state, mode, created)
#define POOL(state) POOL_OF(state, "User", "2026-01-02T03-04-05Z")
#define FOREIGN "{\"name\":\"ws1\",\"properties\":{\"provisioningState\":\"Succeeded\",\"mode\":\"User\",\"nodeLabels\":{\"team\":\"x\"}}}"
#define PAGE(pools) "{\"value\":[" pools "]}"
#define LIST(pools) { "GET " P V, 200, { NULL }, PAGE(pools) }
#define NAMED(state) { "GET " P "/ws1" V, 200, { NULL }, POOL(state) }
#define GONE { "GET " P "/ws1" V, 404, { NULL }, "{\"error\":{\"code\":\"NotFound\",\"message\":\"Agent Pool not found.\"}}" }
#define OPERATION "SELF/subscriptions/s/providers/Microsoft.ContainerService/locations/l/operations/o1?t=1&s=signed"
#define POLL "GET /subscriptions/s/providers/Microsoft.ContainerService/locations/l/operations/o1?t=1&s=signed"
#define FAILED(code) "{\"status\":\"Failed\",\"error\":{\"code\":\"" code "\",\"message\":\"m\"}}"
#define WALL 1767323045000

struct world {
    struct script script;
    struct cloud *cloud;
    struct arena *arena;
    struct node_claim claim;
    struct cloud_instance made;
    struct cloud_failure why;
    struct err err;
};

static UNUSED void claim_named(struct world *w, const char *name, const char *operation)
{
    AUTO_MEM char *text = xasprintf("{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: %s, uid: u, creationTimestamp: \"2026-01-02T03:04:05Z\", "
                                    "annotations: {%s%s%s}}, spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}, requirements: ["
                                    "{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4]}]}}", name,
                                    operation ? CLOUD_OPERATION_ANNOTATION ": \"" : "", operation ? operation : "", operation ? "\"" : "");
    json_t *j = NULL;

    assert_int_equal(yaml_parse(str_of(text), &j, NULL), ERR_OK);
    json_arena_own(w->arena, j);
    assert_int_equal(schema_decode(&node_claim_type, j, w->arena, &w->claim, NULL), ERR_OK);
}

static UNUSED void claim_is(struct world *w, const char *operation)
{
    claim_named(w, "ws1", operation);
}

static UNUSED struct azure_settings settings(struct world *w)
{
    return (struct azure_settings){ .subscription = "s", .resource_group = "g", .cluster = "c", .endpoint = w->script.self, .authority_host = w->script.self,
                                    .tenant = "t", .client_id = "c", .secret = "planted-secret", .now_ms = script_now, .now_self = &w->script };
}

static UNUSED void restart(struct world *w)
{
    struct azure_settings s = settings(w);

    cloud_free(w->cloud);
    if (azure_cloud_new(&s, NULL, &w->cloud, &w->err))
        fail_msg("%s", w->err.text);
}

static UNUSED int start(void **state)
{
    struct world *w = xzalloc(sizeof *w);

    script_start(&w->script);
    clock_fake_wall(WALL);
    w->arena = arena_new();
    restart(w);
    claim_is(w, NULL);
    w->cloud->taken(w->cloud->self, "ws1");
    *state = w;
    return 0;
}

static UNUSED int stop(void **state)
{
    struct world *w = *state;

    cloud_instance_done(&w->made);
    cloud_free(w->cloud);
    arena_free(w->arena);
    script_stop(&w->script);
    clock_fake_wall(-1);
    free(w);
    return 0;
}

static UNUSED void pass(struct world *w, int64_t ms)
{
    w->script.now_ms += ms;
    clock_fake_wall(clock_wall_ms() + ms);
}

static UNUSED errc create(struct world *w)
{
    AUTO_MEM char *operation = xstrdup(w->made.operation);

    cloud_instance_done(&w->made);
    w->err.text[0] = '\0';
    errc rc = w->cloud->create(w->cloud->self, &w->claim, &w->made, &w->why, &w->err);

    if (rc) {
        cloud_instance_done(&w->made);
        w->made.operation = TAKE(operation);    /* the claim keeps it */
        if (strstr(w->err.text, "planted-secret") || strstr(w->err.text, "token-") || strstr(w->err.text, "signed"))
            fail_msg("a secret: %s", w->err.text);
    }
    return rc;
}

static UNUSED void expect_waiting(struct world *w, enum cloud_state state, int64_t look_ms)
{
    if (create(w))
        fail_msg("%s", w->err.text);
    assert_int_equal(w->made.state, state);
    assert_int_equal(w->made.look_ms, look_ms);
}

static UNUSED void expect_pending(struct world *w, int64_t look_ms)
{
    expect_waiting(w, CLOUD_PENDING, look_ms);
    assert_false(w->made.unseen);
}

/* Nothing is made yet. */
static UNUSED void expect_leaving(struct world *w, int64_t look_ms)
{
    expect_waiting(w, CLOUD_DELETING, look_ms);
}

static UNUSED void expect_running(struct world *w)
{
    if (create(w))
        fail_msg("%s", w->err.text);
    assert_int_equal(w->made.state, CLOUD_RUNNING);
    assert_string_equal(w->made.claim, "ws1");
    assert_string_equal(w->made.instance_type, "Standard_NC24ads_A100_v4");
    assert_null(w->made.provider_id);
    assert_null(w->made.operation);
}

static UNUSED void expect_fault(struct world *w, enum cloud_fault fault)
{
    assert_int_not_equal(create(w), ERR_OK);
    if (w->why.fault != fault)
        fail_msg("%s: %s", cloud_fault_row(w->why.fault)->reason, w->err.text);
}

static UNUSED void keep_operation(struct world *w)
{
    assert_non_null(w->made.operation);
    AUTO_MEM char *text = xstrdup(w->made.operation);

    claim_is(w, text);
}

static UNUSED int64_t delete_look(struct world *w)
{
    int64_t look = -1;

    if (w->cloud->delete(w->cloud->self, "ws1", &look, &w->err))
        fail_msg("%s", w->err.text);
    return look;
}

#endif
