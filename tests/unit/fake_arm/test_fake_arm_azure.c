/* cloud/azure against the simulator: what a provisioner that was killed leaves to the next one. */
#include <poll.h>

#include "arm_world.h"
#include "base/yaml.h"
#include "provisioner/azure/cloud_azure.h"

struct scene { struct world w; struct arena *a; struct node_claim claim; struct cancel *stop; };

static int setup(void **state)
{
    struct scene *s = xzalloc(sizeof *s);
    json_t *j = NULL;
    struct err e;

    *state = s;
    world_start(&s->w, &(struct sim_opts){ .seed = 7 });
    s->stop = cancel_new();
    s->a = arena_new();
    if (yaml_parse(STR("{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: ws1, uid: u, creationTimestamp: \"2026-01-02T03:04:05Z\"}, "
                       "spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}, requirements: ["
                       "{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4]}]}}"), &j, &e))
        fail_msg("%s", e.text);
    json_arena_own(s->a, j);
    assert_int_equal(schema_decode(&node_claim_type, j, s->a, &s->claim, NULL), ERR_OK);
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    world_stop(&s->w);
    arena_free(s->a);
    cancel_free(s->stop);
    free(s);
    return 0;
}

/* A provisioner that has just been started. */
static struct cloud *new_cloud(struct scene *s)
{
    struct cloud *c = NULL;
    struct err e;
    struct azure_settings a = { .subscription = "sub", .resource_group = "group", .cluster = "aks", .endpoint = s->w.sim->base_url,
                                .authority_host = s->w.sim->base_url, .audience = s->w.sim->base_url, .auth = "secret", .tenant = "tenant",
                                .client_id = "client", .secret = SECRET, .budget_scale = 1000 };

    if (azure_cloud_new(&a, s->stop, &c, &e))
        fail_msg("%s", e.text);
    return c;
}

static void create(struct scene *s)
{
    struct cloud *c = new_cloud(s);
    AUTO(cloud_instance_done) struct cloud_instance made = { 0 };
    struct cloud_failure why;
    struct err e;

    if (c->create(c->self, &s->claim, &made, &why, &e))
        fail_msg("%s", e.text);
    assert_int_equal(made.state, CLOUD_PENDING);
    cloud_free(c);
}

static int64_t delete(struct scene *s)
{
    struct cloud *c = new_cloud(s);
    int64_t look_ms = 0;
    struct err e;

    if (c->delete(c->self, "ws1", &look_ms, &e))
        fail_msg("%s", e.text);
    cloud_free(c);
    return look_ms;
}

/* The list does not know the pool yet, and who asks does not either: its end would be lost if that were believed. */
static void a_pool_that_no_list_shows_is_not_forgotten(void **state)
{
    struct scene *s = *state;

    control(&s->w, "PUT", "settings", "{\"list_lag_ms\": 60000}");
    create(s);
    assert_true(delete(s) > 0);         /* it is being made: 409, later */
    advance(&s->w, 20000);
    assert_true(delete(s) > 0);
    arm_call(&s->w, "GET", "/agentPools/ws1", NULL);
    assert_string_equal(json_str_at(s->w.body, "properties", "provisioningState", NULL), "Deleting");
    assert_true(delete(s) > 0);         /* and again nobody knows */
    advance(&s->w, 10000);
    assert_true(delete(s) > 0);         /* the list still shows it */
    advance(&s->w, 60000);
    assert_int_equal(delete(s), 0);
    assert_int_equal(violations(&s->w), 0);
}

/* A deletion that was accepted and then failed, of a pool that no list shows yet: its end would be believed, and the machine stay. */
static void a_deletion_that_failed_is_noticed_though_no_list_shows_the_pool(void **state)
{
    struct scene *s = *state;
    AUTO(cloud_instance_done) struct cloud_instance made = { 0 };
    struct cloud *c = new_cloud(s);
    struct cloud_failure why;
    int64_t look_ms = 0;
    struct err e;

    control(&s->w, "PUT", "settings", "{\"list_lag_ms\": 60000}");
    assert_int_equal(c->create(c->self, &s->claim, &made, &why, &e), ERR_OK);
    advance(&s->w, 20000);
    control(&s->w, "POST", "faults", "{\"call\": \"delete\", \"do\": \"operation-fails\", \"error\": \"canceled\"}");
    poll(NULL, 0, 1100);                /* LISTs are a second apart */
    assert_int_equal(c->delete(c->self, "ws1", &look_ms, &e), ERR_OK);
    assert_true(look_ms > 0);
    advance(&s->w, 10000);
    arm_call(&s->w, "GET", "/agentPools/ws1", NULL);
    assert_string_equal(json_str_at(s->w.body, "properties", "provisioningState", NULL), "Failed");
    poll(NULL, 0, 1100);
    assert_int_equal(c->delete(c->self, "ws1", &look_ms, &e), ERR_OK);
    assert_true(look_ms > 0);           /* it is asked for again */
    arm_call(&s->w, "GET", "/agentPools/ws1", NULL);
    assert_string_equal(json_str_at(s->w.body, "properties", "provisioningState", NULL), "Deleting");
    cloud_free(c);
}

/* While the pool is made ARM refuses, and who gave it up must know that it may still come. */
static void a_deletion_begins_when_the_creation_has_ended(void **state)
{
    struct scene *s = *state;
    AUTO(cloud_instance_done) struct cloud_instance made = { 0 };
    struct cloud *c = new_cloud(s);
    struct cloud_failure why;
    int64_t look_ms = 0;
    struct err e;

    assert_int_equal(c->create(c->self, &s->claim, &made, &why, &e), ERR_OK);
    poll(NULL, 0, 1100);                /* LISTs are a second apart */
    assert_int_equal(c->delete(c->self, "ws1", &look_ms, &e), ERR_OK);
    assert_true(look_ms > 0);
    assert_false(c->ends(c->self, "ws1"));
    advance(&s->w, 30000);
    poll(NULL, 0, 1100);
    assert_int_equal(c->delete(c->self, "ws1", &look_ms, &e), ERR_OK);
    assert_true(look_ms > 0);
    assert_true(c->ends(c->self, "ws1"));
    cloud_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(a_pool_that_no_list_shows_is_not_forgotten, setup, teardown),
                                        cmocka_unit_test_setup_teardown(a_deletion_begins_when_the_creation_has_ended, setup, teardown),
                                        cmocka_unit_test_setup_teardown(a_deletion_that_failed_is_noticed_though_no_list_shows_the_pool, setup, teardown) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
