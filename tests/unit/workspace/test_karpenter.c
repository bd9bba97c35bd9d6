/*
 * Karpenter mode: the flag, and the manager on our own API server with Karpenter's kinds defined here. This test is Karpenter and its
 * cloud provider: it says when NodeClasses are Ready and turns NodePools into claims and nodes.
 */
#include "test_manager.h"

#include "kube/meta.h"
#include "workspace/node_classes.h"
#include "../patience.h"

#define CRDS KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")
#define CLASSES KUBE_GVR("karpenter.azure.com", "v1beta1", "aksnodeclasses")
#define POOLS KUBE_GVR("karpenter.sh", "v1", "nodepools")
#define POOL "default-ws-k"
#define WAIT_MS patience_ms(3500)

/* ---- the flag -------------------------------------------------------------------------------------------------------------- */

static void the_flag_is_read(void **state)
{
    struct node_classes c;
    struct err e;
    (void)state;

    OK(node_classes_parse("[{\"name\":\"a\",\"spec\":{\"x\":1}},{\"name\":\"b\",\"default\":true}]", &c, &e));
    assert_string_equal(c.names[0], "a");
    assert_string_equal(c.names[1], "b");
    assert_null(c.names[2]);
    assert_string_equal(c.default_name, "b");
    node_classes_done(&c);
}

static void what_is_wrong_with_the_flag_is_said(void **state)
{
    static const struct { const char *text, *says; } rows[] = {
        { NULL, "--node-provisioner karpenter needs it" },
        { "[{", "--karpenter-node-classes: " },
        { "{}", "is no JSON array" },
        { "[]", "is no JSON array of at least one" },
        { "[{\"default\":true}]", "entry 0 has no name" },
        { "[{\"name\":\"A_b\",\"default\":true}]", "name A_b: a lowercase RFC 1123 subdomain" },
        { "[{\"name\":\"a\",\"default\":true},{\"name\":\"a\"}]", "name a: given twice" },
        { "[{\"name\":\"a\"}]", "0 entries are the default" },
        { "[{\"name\":\"a\",\"default\":true},{\"name\":\"b\",\"default\":true}]", "2 entries are the default" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct node_classes c;
        struct err e = { 0 };
        size_t at;

        assert_int_equal(node_classes_parse(rows[i].text, &c, &e), ERR_BAD_REQUEST);
        if (!str_find(str_of(e.text), str_of(rows[i].says), &at))
            fail_msg("%s: says %s", rows[i].text, e.text);
    }
}

/* ---- a cluster with Karpenter ------------------------------------------------------------------------------------------------ */

struct world {
    struct test_manager t;
    struct node_classes classes;
};

static int start(void **state)
{
    struct world *w = xzalloc(sizeof *w);
    struct err e;

    *state = w;
    test_manager_open(&w->t);
    OK(node_classes_parse("[{\"name\":\"ubuntu\",\"default\":true,\"spec\":{\"imageFamily\":\"Ubuntu2204\"}},{\"name\":\"azl\",\"spec\":{}}]", &w->classes, &e));
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;

    test_manager_close(&w->t);
    node_classes_done(&w->classes);
    free(w);
    return 0;
}

static void define_kind(struct world *w, const struct kube_gvr *r, const char *kind)
{
    struct err e;
    bool served = false;
    AUTO_MEM char *yaml = xasprintf(
        "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: %s.%s}, spec: {group: %s, scope: Cluster, "
        "names: {plural: %s, kind: %s}, versions: [{name: %s, served: true, storage: true, subresources: {status: {}}, "
        "schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}",
        r->resource, r->group, r->group, r->resource, kind, r->version);
    AUTO_JSON crd = test_yaml(yaml);

    OK(kube_create(w->t.user, CRDS, NULL, crd, NULL, &e));
    for (int64_t until = clock_mono_ms() + WAIT_MS; !served && clock_mono_ms() < until; poll(NULL, 0, 5))
        OK(kube_has_resource(w->t.user, r, &served, &e));
    assert_true(served);
}

static errc start_manager(struct world *w, struct err *e)
{
    struct workspace_manager_opts o = { .install_crds = true, .settings = { .karpenter = true, .node_classes = w->classes.names,
                                        .default_node_class = w->classes.default_name, .node_class_list = w->classes.list } };

    return test_manager_start(&w->t, &o, e);
}

static void make_class_ready(struct world *w, const char *name)
{
    struct err e;
    AUTO_JSON status = test_yaml("{status: {conditions: [{type: Ready, status: \"True\", reason: Ready}]}}");

    OK(kube_patch(w->t.user, CLASSES, NULL, name, "status", KUBE_PATCH_MERGE, status, NULL, &e));
}

/* The provider makes what it is given ready, as soon as it is there. */
static void provide(void *self)
{
    struct world *w = self;
    AUTO_JSON class = NULL;
    struct err e;

    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until && kube_get(w->t.user, CLASSES, NULL, "ubuntu", &class, &e); poll(NULL, 0, 5))
        ;
    make_class_ready(w, "ubuntu");
}

static json_t *wait_for(struct world *w, const struct kube_gvr *r, const char *ns, const char *name)
{
    struct err e;
    json_t *o = NULL;

    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until; poll(NULL, 0, 5))
        if (kube_get(w->t.user, r, ns, name, &o, &e) == ERR_OK)
            return o;
    fail_msg("%s %s does not come", r->resource, name);
    return NULL;
}

static json_t *condition(struct world *w, const char *name, const char *type, const char *reason)
{
    struct err e;

    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until; poll(NULL, 0, 5)) {
        AUTO_JSON ws = NULL;

        OK(kube_get(w->t.user, WORKSPACES, "default", name, &ws, &e));
        if (streq(json_cstr(kube_condition(ws, type), "reason"), reason))
            return json_clone(kube_condition(ws, type));
    }
    fail_msg("%s: %s never has the reason %s", name, type, reason);
    return NULL;
}

static void create_workspace(struct world *w, const char *name, const char *class)
{
    struct err e;
    AUTO_MEM char *yaml = xasprintf("{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: %s, namespace: default, annotations: {%s%s}}, "
                                    "resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {apps: demo}}}, "
                                    "inference: {preset: {name: phi-4-mini-instruct}}}", name, class ? "kaito.sh/node-class-name: " : "", class ? class : "");
    AUTO_JSON ws = test_yaml(yaml);

    OK(kube_create(w->t.user, WORKSPACES, NULL, ws, NULL, &e));
}

/* What Karpenter makes of a NodePool with one replica. */
static void make_node_of(struct world *w, const json_t *pool)
{
    struct err e;
    AUTO_JSON labels = json_clone(json_at(pool, "spec", "template", "metadata", "labels", NULL));
    AUTO_JSON spec = json_clone(json_at(pool, "spec", "template", "spec", NULL));

    json_put_str(labels, "karpenter.sh/nodepool", POOL);
    AUTO_JSON claim = json_pack("{s:s, s:s, s:{s:s, s:O}, s:O}", "apiVersion", "karpenter.sh/v1", "kind", "NodeClaim", "metadata", "name", "pool-x", "labels",
                                labels, "spec", spec);
    OK(kube_create(w->t.user, CLAIMS, NULL, claim, NULL, &e));
    json_put_str(labels, "node.kubernetes.io/instance-type", "Standard_NC24ads_A100_v4");
    AUTO_JSON node = json_pack("{s:s, s:s, s:{s:s, s:O}}", "apiVersion", "v1", "kind", "Node", "metadata", "name", "node-x", "labels", labels);
    AUTO_JSON ready = test_yaml("{status: {capacity: {nvidia.com/gpu: \"1\"}, conditions: [{type: Ready, status: \"True\", reason: KubeletReady}]}}");
    AUTO_JSON done = test_yaml("{status: {nodeName: node-x, conditions: [{type: Ready, status: \"True\", reason: Ready, message: \"\", lastTransitionTime: \"2026-01-01T00:00:00Z\"}]}}");

    OK(kube_create(w->t.user, NODES, NULL, node, NULL, &e));
    OK(kube_patch(w->t.user, NODES, NULL, "node-x", "status", KUBE_PATCH_MERGE, ready, NULL, &e));
    OK(kube_patch(w->t.user, CLAIMS, NULL, "pool-x", "status", KUBE_PATCH_MERGE, done, NULL, &e));
}

static void without_karpenter_the_start_says_what_is_missing(void **state)
{
    struct world *w = *state;
    struct err e = { 0 };
    size_t at;

    assert_int_equal(start_manager(w, &e), ERR_NOT_FOUND);
    assert_true(str_find(str_of(e.text), STR("nodepools.karpenter.sh (v1) is not served; install Karpenter first"), &at));
}

static void define_karpenter(struct world *w)
{
    define_kind(w, POOLS, "NodePool");
    define_kind(w, CLASSES, "AKSNodeClass");
    define_kind(w, CLAIMS, "NodeClaim");
}

static void a_workspace_lives_on_a_node_pool(void **state)
{
    struct world *w = *state;
    struct thread provider = { 0 };
    struct err e;

    define_karpenter(w);
    thread_start(&provider, "provider", provide, w);
    OK(start_manager(w, &e));
    thread_join(&provider);

    AUTO_JSON class = wait_for(w, CLASSES, NULL, "ubuntu");
    AUTO_JSON other = wait_for(w, CLASSES, NULL, "azl");
    assert_string_equal(kube_label(class, "karpenter.kaito.sh/managed-by"), "kaito");
    assert_string_equal(kube_label(class, "karpenter.kaito.sh/default"), "true");
    assert_null(kube_label(other, "karpenter.kaito.sh/default"));
    assert_string_equal(json_str_at(class, "spec", "imageFamily", NULL), "Ubuntu2204");

    create_workspace(w, "ws-k", NULL);
    AUTO_JSON pool = wait_for(w, POOLS, NULL, POOL);
    assert_int_equal(json_int(json_object_get(pool, "spec"), "replicas", 0), 1);
    assert_string_equal(json_str_at(pool, "spec", "template", "spec", "nodeClassRef", "name", NULL), "ubuntu");
    make_node_of(w, pool);
    AUTO_JSON set = wait_for(w, SETS, "default", "ws-k");
    AUTO_JSON nodes = condition(w, "ws-k", "NodesReady", "NodesReady");
    assert_string_equal(json_cstr(nodes, "message"), "Enough Nodes are ready with GPU resources");

    OK(kube_delete(w->t.user, WORKSPACES, "default", "ws-k", NULL, &e));
    errc rc = ERR_OK;
    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until && rc != ERR_NOT_FOUND; poll(NULL, 0, 5))
        rc = kube_get(w->t.user, POOLS, NULL, POOL, NULL, &e);
    assert_int_equal(rc, ERR_NOT_FOUND);
}

static void a_class_that_is_not_ready_holds_its_pools(void **state)
{
    struct world *w = *state;
    struct thread provider = { 0 };
    struct err e;
    size_t at;

    define_karpenter(w);
    thread_start(&provider, "provider", provide, w);
    OK(start_manager(w, &e));
    thread_join(&provider);
    create_workspace(w, "ws-k", "azl");
    AUTO_JSON waits = condition(w, "ws-k", "NodesReady", "NodeNotReady");
    if (!str_find(json_to_str(json_object_get(waits, "message")), STR("NodeClass \"azl\" is not ready: it has no condition Ready yet"), &at))
        fail_msg("%s", json_cstr(waits, "message"));
    assert_int_equal(kube_get(w->t.user, POOLS, NULL, POOL, NULL, &e), ERR_NOT_FOUND);
    make_class_ready(w, "azl");
    AUTO_JSON pool = wait_for(w, POOLS, NULL, POOL);
    assert_string_equal(json_str_at(pool, "spec", "template", "spec", "nodeClassRef", "name", NULL), "azl");
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_flag_is_read), cmocka_unit_test(what_is_wrong_with_the_flag_is_said),
        T(without_karpenter_the_start_says_what_is_missing), T(a_workspace_lives_on_a_node_pool), T(a_class_that_is_not_ready_holds_its_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
