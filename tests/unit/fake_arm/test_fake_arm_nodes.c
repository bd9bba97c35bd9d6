/* Simulated machines join a cluster as AKS nodes do, fare as they are told, and leave with their pools. */
#include <errno.h>

#include "arm_world.h"
#include "../patience.h"
#include "../test_api.h"
#include "kube/kube.h"
#include "kube/meta.h"

#define POOL "{\"properties\": {\"count\": 1, \"vmSize\": \"Standard_NC24ads_A100_v4\", \"nodeLabels\": {\"kaito.sh/workspace\": \"w\"}, \"nodeTaints\": [\"sku=gpu:NoSchedule\"]}}"

#define WAIT_MS patience_ms(7000)

struct cluster { struct world w; struct test_api api; struct cancel *stop; struct kube_client *client; };

static int setup(void **state)
{
    struct cluster *c = xzalloc(sizeof *c);
    AUTO_FREE(kube_config) config = NULL;
    struct err e;

    *state = c;
    if (test_api_start(&c->api, &e) || kube_config_load(c->api.kubeconfig, NULL, &config, &e))
        fail_msg("%s", e.text);
    c->stop = cancel_new();
    if (kube_client_new(config, "test", c->stop, &c->client, &e))
        fail_msg("%s", e.text);
    world_start(&c->w, &(struct sim_opts){ .seed = 7 });
    if (kubelets_start(c->w.sim, &(struct kubelet_opts){ .kubeconfig = c->api.kubeconfig, .gpus = true }, &e))
        fail_msg("%s", e.text);
    return 0;
}

static int teardown(void **state)
{
    struct cluster *c = *state;

    world_stop(&c->w);
    kube_client_free(c->client);
    cancel_free(c->stop);
    test_api_stop(&c->api);
    free(c);
    return 0;
}

static json_t *nodes(struct cluster *c)
{
    json_t *items = NULL;
    struct err e;

    if (kube_list_all(c->client, KUBE_GVR("", "v1", "nodes"), NULL, &(struct kube_list_opts){ .label_selector = "agentpool=ws1" }, &items, &e))
        fail_msg("%s", e.text);
    return items;
}

static bool none_left(const json_t *list) { return json_array_size(list) == 0; }
static bool two_joined(const json_t *list) { return json_array_size(list) == 2; }
static bool joined(const json_t *list) { return json_array_size(list) == 1 && json_at(json_array_get(list, 0), "status", "capacity", NULL); }
static bool ready(const json_t *list) { return joined(list) && kube_condition_is(json_array_get(list, 0), "Ready", "True"); }
static bool lost(const json_t *list) { return joined(list) && kube_condition_is(json_array_get(list, 0), "Ready", "Unknown"); }
static bool has_gpu(const json_t *list) { return joined(list) && json_str_at(json_array_get(list, 0), "status", "allocatable", "nvidia.com/gpu", NULL); }

static json_t *wait_for(struct cluster *c, bool (*fits)(const json_t *))
{
    for (int waited = 0; waited < WAIT_MS; waited += 50) {
        json_t *list = nodes(c);

        if (fits(list))
            return list;
        json_decref(list);
        (void)cancel_wait_ms(c->stop, 50);
    }
    fail_msg("the Nodes of ws1 did not become so within %lld ms", (long long)WAIT_MS);
    return NULL;
}

static void put(struct cluster *c)
{
    arm_call(&c->w, "PUT", "/agentPools/ws1", POOL);
    assert_int_equal(c->w.r.status, 201);
}

static void a_node_joins_gets_ready_shows_its_gpu_and_leaves(void **state)
{
    struct cluster *c = *state;

    put(c);
    advance(&c->w, 18000);
    AUTO_JSON first = wait_for(c, joined);
    const json_t *n = json_array_get(first, 0);
    assert_true(str_has_prefix(str_of(kube_name(n)), STR("aks-ws1-")));
    assert_string_equal(kube_label(n, "kubernetes.azure.com/agentpool"), "ws1");
    assert_string_equal(kube_label(n, "kaito.sh/workspace"), "w");
    assert_string_equal(kube_label(n, "node.kubernetes.io/instance-type"), "Standard_NC24ads_A100_v4");
    assert_true(str_has_prefix(str_of(json_str_at(n, "spec", "providerID", NULL)), STR("azure:///subscriptions/sub/")));
    assert_string_equal(json_cstr(json_array_get(json_at(n, "spec", "taints", NULL), 0), "key"), "sku");
    assert_false(ready(first));
    advance(&c->w, 3000);
    AUTO_JSON second = wait_for(c, ready);
    assert_int_equal(json_array_size(json_at(json_array_get(second, 0), "spec", "taints", NULL)), 1);
    assert_false(has_gpu(second));
    advance(&c->w, 2000);
    AUTO_JSON third = wait_for(c, has_gpu);
    assert_string_equal(json_str_at(json_array_get(third, 0), "status", "allocatable", "nvidia.com/gpu", NULL), "1");
    arm_call(&c->w, "DELETE", "/agentPools/ws1", NULL);
    assert_int_equal(c->w.r.status, 202);
    advance(&c->w, 10000);
    json_decref(wait_for(c, none_left));
}

static void a_node_is_lost_and_comes_back(void **state)
{
    struct cluster *c = *state;

    put(c);
    advance(&c->w, 18000);
    json_decref(wait_for(c, joined));
    advance(&c->w, 30000);
    json_decref(wait_for(c, has_gpu));
    control(&c->w, "POST", "nodes/ws1/lose", "{}");
    json_decref(wait_for(c, lost));
    control(&c->w, "POST", "nodes/ws1/return", "{}");
    json_decref(wait_for(c, ready));
}

static void nodes_fare_as_they_are_told(void **state)
{
    struct cluster *c = *state;

    control(&c->w, "POST", "faults", "{\"pool\": \"ws1\", \"do\": \"node-twice\"}");
    put(c);
    advance(&c->w, 20000);
    json_decref(wait_for(c, two_joined));
    arm_call(&c->w, "DELETE", "/agentPools/ws1", NULL);
    advance(&c->w, 10000);
    json_decref(wait_for(c, none_left));
    control(&c->w, "POST", "faults", "{\"pool\": \"ws1\", \"do\": \"node-late-provider-id\"}");
    put(c);
    advance(&c->w, 18000);
    AUTO_JSON without = wait_for(c, joined);
    assert_null(json_str_at(json_array_get(without, 0), "spec", "providerID", NULL));
    advance(&c->w, 3000);
    AUTO_JSON with = wait_for(c, ready);
    assert_non_null(json_str_at(json_array_get(with, 0), "spec", "providerID", NULL));
    arm_call(&c->w, "DELETE", "/agentPools/ws1", NULL);
    advance(&c->w, 10000);
    json_decref(wait_for(c, none_left));
    control(&c->w, "POST", "faults", "{\"pool\": \"ws1\", \"do\": \"node-never-joins\"}");
    put(c);
    advance(&c->w, 600000);
    (void)cancel_wait_ms(c->stop, 500);
    AUTO_JSON none = nodes(c);
    assert_int_equal(json_array_size(none), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_node_joins_gets_ready_shows_its_gpu_and_leaves), TEST(a_node_is_lost_and_comes_back), TEST(nodes_fare_as_they_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
