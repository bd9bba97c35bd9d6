/*
 * The manager on our own API server: what it asks and writes once everything is settled (nothing, counted by request), and whom it looks
 * after when it is given namespaces. The nodes are the users' own; this test is the StatefulSet controller.
 */
#include "test_manager.h"

#include "base/mem.h"
#include "kube/meta.h"
#include "webhook/admission.h"
#include "../patience.h"

#define NAMESPACES KUBE_GVR("", "v1", "namespaces")
#define WAIT_MS patience_ms(3500)
#define QUIET_MS 1000
#define MANY 5

static void start_manager(struct test_manager *t, const char *const *namespaces)
{
    const struct workspace_manager_opts o = { .install_crds = true, .settings = { .byo = true, .namespaces = namespaces } };
    struct err e;

    OK(test_manager_start(t, &o, &e));
}

static int start(void **state)
{
    *state = xzalloc(sizeof(struct test_manager));
    test_manager_open(*state);
    return 0;
}

static int stop(void **state)
{
    test_manager_close(*state);
    free(*state);
    return 0;
}

static void create(struct test_manager *t, const struct kube_gvr *r, const char *sub, const char *yaml)
{
    AUTO_JSON o = test_yaml(yaml);
    struct err e;

    OK(kube_create(t->user, r, sub, o, NULL, &e));
}

static void patch_status(struct test_manager *t, const struct kube_gvr *r, const char *ns, const char *name, const char *yaml)
{
    AUTO_JSON p = test_yaml(yaml);
    struct err e;

    OK(kube_patch(t->user, r, ns, name, "status", KUBE_PATCH_MERGE, p, NULL, &e));
}

/* A node with a GPU, and a Workspace that may use no other; without a benchmark, because there is no pod whose log would hold one. */
static void create_workspace(struct test_manager *t, const char *ns, const char *name)
{
    AUTO_MEM char *node = xasprintf("{apiVersion: v1, kind: Node, metadata: {name: node-%s, labels: {for: %s}}}", name, name);
    AUTO_MEM char *node_name = xasprintf("node-%s", name);
    AUTO_MEM char *ws = xasprintf("{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {namespace: %s, name: %s, annotations: {kaito.sh/disable-benchmark: \"true\"}}, "
                                  "resource: {labelSelector: {matchLabels: {for: %s}}}, inference: {preset: {name: phi-4-mini-instruct}}}", ns, name, name);

    create(t, NODES, NULL, node);
    patch_status(t, NODES, NULL, node_name, "{status: {capacity: {nvidia.com/gpu: \"1\"}, allocatable: {nvidia.com/gpu: \"1\"}, "
                                            "conditions: [{type: Ready, status: \"True\", reason: KubeletReady}]}}");
    create(t, WORKSPACES, NULL, ws);
}

static bool set_exists(struct test_manager *t, const char *ns, const char *name, int64_t wait_ms)
{
    struct err e;

    for (int64_t until = clock_mono_ms() + wait_ms;;) {
        AUTO_JSON set = NULL;

        if (kube_get(t->user, SETS, ns, name, &set, &e) == ERR_OK)
            return true;
        if (clock_mono_ms() >= until)
            return false;
        poll(NULL, 0, 5);
    }
}

static void becomes_ready(struct test_manager *t, const char *ns, const char *name)
{
    struct err e;
    const char *state = NULL;

    assert_true(set_exists(t, ns, name, WAIT_MS));
    patch_status(t, SETS, ns, name, "{status: {observedGeneration: 1, replicas: 1, readyReplicas: 1, currentReplicas: 1, updatedReplicas: 1}}");
    for (int64_t until = clock_mono_ms() + WAIT_MS; !streq(state, "Ready"); poll(NULL, 0, 5)) {
        AUTO_JSON ws = NULL;

        OK(kube_get(t->user, WORKSPACES, ns, name, &ws, &e));
        state = streq(json_str_at(ws, "status", "state", NULL), "Ready") ? "Ready" : NULL;
        if (clock_mono_ms() > until)
            fail_msg("%s/%s does not become Ready", ns, name);
    }
}

static long requests_of(struct test_manager *t)
{
    AUTO_BUF text = { 0 };
    struct str rest, line, head, value;
    int64_t n, sum = 0;

    kube_client_metrics(t->client, &text);
    for (rest = buf_str(&text); str_next(&rest, '\n', &line);)
        if (str_has_prefix(line, STR("rest_client_requests_total{")) && str_rcut(line, ' ', &head, &value) && str_to_i64(value, &n))
            sum += n;
    return (long)sum;
}

/* Nothing is asked for QUIET_MS; false when it does not come to rest. */
static bool comes_to_rest(struct test_manager *t)
{
    long before = requests_of(t);

    for (int64_t quiet_since = clock_mono_ms(), until = quiet_since + WAIT_MS; clock_mono_ms() < until; poll(NULL, 0, 20)) {
        long now = requests_of(t);

        if (now != before)
            quiet_since = clock_mono_ms();
        else if (clock_mono_ms() - quiet_since >= QUIET_MS)
            return true;
        before = now;
    }
    return false;
}

static void settled_workspaces_cost_no_request(void **state)
{
    struct test_manager *t = *state;

    start_manager(t, NULL);
    for (int i = 0; i < MANY; i++) {
        AUTO_MEM char *name = xasprintf("ws-%d", i);

        create_workspace(t, "default", name);
        becomes_ready(t, "default", name);
    }
    assert_true(comes_to_rest(t));

    long asked = requests_of(t);
    uint64_t reconciles = workspace_manager_reconciles(t->manager), heartbeats = test_manager_events(t, "nodes"), secrets = test_manager_events(t, "secrets");

    for (int i = 0; i < 20; i++) {      /* what a quiet cluster goes on doing: heartbeats of nodes, other people's Secrets */
        AUTO_MEM char *node = xasprintf("node-ws-%d", i % MANY);
        AUTO_MEM char *beat = xasprintf("{status: {conditions: [{type: Ready, status: \"True\", reason: KubeletReady, "
                                        "lastHeartbeatTime: \"2026-01-01T00:00:%02dZ\"}]}}", i);
        AUTO_MEM char *secret = xasprintf("{apiVersion: v1, kind: Secret, metadata: {namespace: default, name: other-%d}, stringData: {a: b}}", i);

        patch_status(t, NODES, NULL, node, beat);
        create(t, KUBE_GVR("", "v1", "secrets"), NULL, secret);
    }
    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until && (test_manager_events(t, "nodes") < heartbeats + 20 || test_manager_events(t, "secrets") < secrets + 20);)
        poll(NULL, 0, 10);
    assert_int_equal(test_manager_events(t, "nodes"), heartbeats + 20);   /* they have arrived */
    assert_true(comes_to_rest(t));
    assert_int_equal(requests_of(t), asked);
    assert_int_equal(workspace_manager_reconciles(t->manager), reconciles);
}

static void only_the_given_namespaces_are_looked_after(void **state)
{
    static const char *const namespaces[] = { "a", "b", NULL };
    struct test_manager *t = *state;

    for (const char *const *ns = (const char *const[]){ "a", "b", "c", NULL }; *ns; ns++) {
        AUTO_MEM char *yaml = xasprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", *ns);

        create(t, NAMESPACES, NULL, yaml);
    }
    start_manager(t, namespaces);
    create_workspace(t, "c", "foreign");
    create_workspace(t, "a", "first");
    create_workspace(t, "b", "second");
    becomes_ready(t, "a", "first");
    becomes_ready(t, "b", "second");
    assert_false(set_exists(t, "c", "foreign", 200));

    AUTO_JSON look = workspace_manager_state(t->manager);
    const json_t *cache;
    size_t i;

    json_array_foreach(json_object_get(look, "caches"), i, cache)
        if (streq(json_cstr(cache, "resource"), "workspaces"))
            assert_int_equal(json_int(cache, "objects", 0), 2);
}

static int64_t n_cached(struct test_manager *t, const char *resource)
{
    AUTO_JSON look = workspace_manager_state(t->manager);
    const json_t *cache;
    size_t i;

    json_array_foreach(json_object_get(look, "caches"), i, cache)
        if (streq(json_cstr(cache, "resource"), resource))
            return json_int(cache, "objects", 0);
    fail_msg("no cache of %s", resource);
    return 0;
}

static void becomes_cached(struct test_manager *t, const char *resource, int64_t want)
{
    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until && n_cached(t, resource) != want; poll(NULL, 0, 10))
        ;
    assert_int_equal(n_cached(t, resource), want);
}

static void machines_of_others_are_not_watched(void **state)
{
    static const char *const namespaces[] = { "a", "b", NULL };
    struct test_manager *t = *state;
    const struct workspace_manager_opts o = { .install_crds = true, .settings = { .namespaces = namespaces } };
    struct err e;

    OK(test_manager_start(t, &o, &e));
    test_manager_wait_ready(t, WAIT_MS);
    for (int i = 0; i < 3; i++) {
        AUTO_MEM char *node = xasprintf("{apiVersion: v1, kind: Node, metadata: {name: n-%c, labels: {kaito.sh/workspace: w, kaito.sh/workspacenamespace: %c}}}", 'a' + i, 'a' + i);
        AUTO_MEM char *claim = xasprintf("{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: c-%c, labels: {kaito.sh/workspace: w, kaito.sh/workspacenamespace: %c}}, "
            "spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}, requirements: [{key: kubernetes.io/os, operator: In, values: [linux]}]}}", 'a' + i, 'a' + i);

        create(t, NODES, NULL, node);
        create(t, CLAIMS, NULL, claim);
    }
    create(t, NODES, NULL, "{apiVersion: v1, kind: Node, metadata: {name: plain}}");
    becomes_cached(t, "nodes", 2);
    becomes_cached(t, "nodeclaims", 2);
    AUTO_JSON label = test_yaml("{metadata: {labels: {kaito.sh/workspace: w, kaito.sh/workspacenamespace: b}}}");
    AUTO_JSON unlabel = test_yaml("{metadata: {labels: {kaito.sh/workspace: null}}}");

    OK(kube_patch(t->user, NODES, NULL, "plain", NULL, KUBE_PATCH_MERGE, label, NULL, &e));
    becomes_cached(t, "nodes", 3);      /* so those of c would have come by now */
    OK(kube_patch(t->user, NODES, NULL, "plain", NULL, KUBE_PATCH_MERGE, unlabel, NULL, &e));
    becomes_cached(t, "nodes", 2);
}

/* The rules of whoever looks after a namespace hold there, not ours. */
static void others_are_not_reviewed(void **state)
{
    static const char *const namespaces[] = { "a", NULL };
    struct test_manager *t = *state;
    AUTO_FREE(arena) arena = arena_new();

    start_manager(t, namespaces);
    test_manager_wait_ready(t, WAIT_MS);
    for (int i = 0; i < 2; i++) {
        AUTO_MEM char *yaml = xasprintf("{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {namespace: %c, name: w}, resource: {labelSelector: {matchLabels: {a: b}}}}", 'a' + i);
        AUTO_JSON ws = test_yaml(yaml);
        const struct admission_request q = { .operation = "CREATE", .subresource = "", .version = "v1beta1", .kind = "Workspace", .object = ws, .arena = arena };
        AUTO_BUF why = { 0 };

        assert_int_equal(workspace_admit(t->manager, &q, &why), i ? ERR_OK : ERR_INVALID);
        if (i == 0)
            assert_non_null(strstr(buf_cstr(&why), "Either Inference or Tuning must be specified, not neither"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settled_workspaces_cost_no_request, start, stop),
        cmocka_unit_test_setup_teardown(only_the_given_namespaces_are_looked_after, start, stop),
        cmocka_unit_test_setup_teardown(machines_of_others_are_not_watched, start, stop),
        cmocka_unit_test_setup_teardown(others_are_not_reviewed, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
