/*
 * The manager on our own API server: what it asks and writes once everything is settled (nothing, counted by request), and whom it looks
 * after when it is given namespaces. The nodes are the users' own; this test is the StatefulSet controller.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "kube/kube.h"
#include "kube/meta.h"
#include "workspace/workspace.h"
#include "../test_api.h"

#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)
#define NODES KUBE_GVR("", "v1", "nodes")
#define NAMESPACES KUBE_GVR("", "v1", "namespaces")
#define WORKSPACES KUBE_GVR("kaito.sh", "v1beta1", "workspaces")
#define SETS KUBE_GVR("apps", "v1", "statefulsets")
#define WAIT_MS 10000
#define QUIET_MS 1000
#define MANY 5

struct world {
    struct test_api api;
    struct kube_client *test, *client;  /* the manager's own, whose requests are counted */
    struct cancel *cancel;
    struct workspace_manager *manager;
};

static void start_manager(struct world *w, const char *const *namespaces)
{
    const struct workspace_manager_opts o = { .install_crds = true, .settings = { .byo = true, .namespaces = namespaces } };
    struct err e;

    OK(workspace_manager_start(w->client, &o, w->cancel, &w->manager, &e));
}

static int start(void **state)
{
    struct world *w = xzalloc(sizeof *w);
    AUTO_FREE(kube_config) cfg = NULL;
    struct err e;

    *state = w;
    OK(test_api_start(&w->api, &e));
    OK(kube_config_load(w->api.kubeconfig, NULL, &cfg, &e));
    OK(kube_client_new(cfg, NULL, NULL, &w->test, &e));
    w->cancel = cancel_new();
    OK(kube_client_new(cfg, NULL, w->cancel, &w->client, &e));
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;

    cancel_now(w->cancel);
    workspace_manager_join(w->manager);
    kube_client_free(w->client);
    kube_client_free(w->test);
    test_api_stop(&w->api);
    cancel_free(w->cancel);
    free(w);
    return 0;
}

static void create(struct world *w, const struct kube_gvr *r, const char *sub, const char *yaml)
{
    json_t *object = NULL;
    struct err e;

    OK(yaml_parse(str_of(yaml), &object, &e));
    AUTO_JSON o = object;
    OK(kube_create(w->test, r, sub, o, NULL, &e));
}

static void patch_status(struct world *w, const struct kube_gvr *r, const char *ns, const char *name, const char *yaml)
{
    json_t *patch = NULL;
    struct err e;

    OK(yaml_parse(str_of(yaml), &patch, &e));
    AUTO_JSON p = patch;
    OK(kube_patch(w->test, r, ns, name, "status", KUBE_PATCH_MERGE, p, NULL, &e));
}

/* A node with a GPU, and a Workspace that may use no other. */
static void create_workspace(struct world *w, const char *ns, const char *name)
{
    AUTO_MEM char *node = xasprintf("{apiVersion: v1, kind: Node, metadata: {name: node-%s, labels: {for: %s}}}", name, name);
    AUTO_MEM char *node_name = xasprintf("node-%s", name);
    AUTO_MEM char *ws = xasprintf("{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {namespace: %s, name: %s}, "
                                  "resource: {labelSelector: {matchLabels: {for: %s}}}, inference: {preset: {name: phi-4-mini-instruct}}}", ns, name, name);

    create(w, NODES, NULL, node);
    patch_status(w, NODES, NULL, node_name, "{status: {capacity: {nvidia.com/gpu: \"1\"}, allocatable: {nvidia.com/gpu: \"1\"}, "
                                            "conditions: [{type: Ready, status: \"True\", reason: KubeletReady}]}}");
    create(w, WORKSPACES, NULL, ws);
}

static bool set_exists(struct world *w, const char *ns, const char *name, int64_t wait_ms)
{
    struct err e;

    for (int64_t until = clock_mono_ms() + wait_ms;;) {
        AUTO_JSON set = NULL;

        if (kube_get(w->test, SETS, ns, name, &set, &e) == ERR_OK)
            return true;
        if (clock_mono_ms() >= until)
            return false;
        poll(NULL, 0, 5);
    }
}

static void becomes_ready(struct world *w, const char *ns, const char *name)
{
    struct err e;
    const char *state = NULL;

    assert_true(set_exists(w, ns, name, WAIT_MS));
    patch_status(w, SETS, ns, name, "{status: {observedGeneration: 1, replicas: 1, readyReplicas: 1, currentReplicas: 1, updatedReplicas: 1}}");
    for (int64_t until = clock_mono_ms() + WAIT_MS; !streq(state, "Ready"); poll(NULL, 0, 5)) {
        AUTO_JSON ws = NULL;

        OK(kube_get(w->test, WORKSPACES, ns, name, &ws, &e));
        state = streq(json_str_at(ws, "status", "state", NULL), "Ready") ? "Ready" : NULL;
        if (clock_mono_ms() > until)
            fail_msg("%s/%s does not become Ready", ns, name);
    }
}

static long requests_of(struct world *w)
{
    AUTO_BUF text = { 0 };
    struct str rest, line, head, value;
    int64_t n, sum = 0;

    kube_client_metrics(w->client, &text);
    for (rest = buf_str(&text); str_next(&rest, '\n', &line);)
        if (str_has_prefix(line, STR("rest_client_requests_total{")) && str_rcut(line, ' ', &head, &value) && str_to_i64(value, &n))
            sum += n;
    return (long)sum;
}

static uint64_t events_of(struct world *w, const char *resource)
{
    AUTO_JSON state = workspace_manager_state(w->manager);
    const json_t *cache;
    size_t i;

    json_array_foreach(json_object_get(state, "caches"), i, cache)
        if (streq(json_cstr(cache, "resource"), resource))
            return (uint64_t)json_int(cache, "events", 0);
    return 0;
}

/* Nothing is asked for QUIET_MS; false when it does not come to rest. */
static bool comes_to_rest(struct world *w)
{
    long before = requests_of(w);

    for (int64_t quiet_since = clock_mono_ms(), until = quiet_since + WAIT_MS; clock_mono_ms() < until; poll(NULL, 0, 20)) {
        long now = requests_of(w);

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
    struct world *w = *state;

    start_manager(w, NULL);
    for (int i = 0; i < MANY; i++) {
        AUTO_MEM char *name = xasprintf("ws-%d", i);

        create_workspace(w, "default", name);
        becomes_ready(w, "default", name);
    }
    assert_true(comes_to_rest(w));

    long asked = requests_of(w);
    uint64_t reconciles = workspace_manager_reconciles(w->manager), heartbeats = events_of(w, "nodes"), secrets = events_of(w, "secrets");

    for (int i = 0; i < 20; i++) {      /* what a quiet cluster goes on doing: heartbeats of nodes, other people's Secrets */
        AUTO_MEM char *node = xasprintf("node-ws-%d", i % MANY);
        AUTO_MEM char *beat = xasprintf("{status: {conditions: [{type: Ready, status: \"True\", reason: KubeletReady, "
                                        "lastHeartbeatTime: \"2026-01-01T00:00:%02dZ\"}]}}", i);
        AUTO_MEM char *secret = xasprintf("{apiVersion: v1, kind: Secret, metadata: {namespace: default, name: other-%d}, stringData: {a: b}}", i);

        patch_status(w, NODES, NULL, node, beat);
        create(w, KUBE_GVR("", "v1", "secrets"), NULL, secret);
    }
    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until && (events_of(w, "nodes") < heartbeats + 20 || events_of(w, "secrets") < secrets + 20);)
        poll(NULL, 0, 10);
    assert_int_equal(events_of(w, "nodes"), heartbeats + 20);   /* they have arrived */
    assert_true(comes_to_rest(w));
    assert_int_equal(requests_of(w), asked);
    assert_int_equal(workspace_manager_reconciles(w->manager), reconciles);
}

static void only_the_given_namespaces_are_looked_after(void **state)
{
    static const char *const namespaces[] = { "a", "b", NULL };
    struct world *w = *state;

    for (const char *const *ns = (const char *const[]){ "a", "b", "c", NULL }; *ns; ns++) {
        AUTO_MEM char *yaml = xasprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", *ns);

        create(w, NAMESPACES, NULL, yaml);
    }
    start_manager(w, namespaces);
    create_workspace(w, "c", "foreign");
    create_workspace(w, "a", "first");
    create_workspace(w, "b", "second");
    becomes_ready(w, "a", "first");
    becomes_ready(w, "b", "second");
    assert_false(set_exists(w, "c", "foreign", 200));

    AUTO_JSON look = workspace_manager_state(w->manager);
    const json_t *cache;
    size_t i;

    json_array_foreach(json_object_get(look, "caches"), i, cache)
        if (streq(json_cstr(cache, "resource"), "workspaces"))
            assert_int_equal(json_int(cache, "objects", 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settled_workspaces_cost_no_request, start, stop),
        cmocka_unit_test_setup_teardown(only_the_given_namespaces_are_looked_after, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
