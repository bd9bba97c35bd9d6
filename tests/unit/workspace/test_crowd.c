/*
 * Many Workspaces at once on our own API server: what brings machines comes before what only tells of them, and in the end everything is
 * told. The order is that of resourceVersions, which count all writes.
 */
#include "test_manager.h"

#include "api/kaito/crds.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "../patience.h"

#define CRDS KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")
#define REVISIONS KUBE_GVR("apps", "v1", "controllerrevisions")
#define MANY 60
#define AT_THE_EDGE 12                  /* workers that find the queue empty while others still ask for the last machines */
#define WAIT_MS patience_ms(7000)

static void create(struct test_manager *t, const struct kube_gvr *r, json_t *object)
{
    AUTO_JSON o = object;
    struct err e;

    OK(kube_create(t->user, r, NULL, o, NULL, &e));
}

static void install(struct test_manager *t)
{
    AUTO_JSON list = NULL;
    json_t *crd;
    size_t i;
    struct err e;

    api_kaito_crds(&list);
    json_array_foreach(list, i, crd)
        create(t, CRDS, json_incref(crd));
    create(t, KUBE_GVR("", "v1", "namespaces"), kube_object("v1", "Namespace", NULL, "kaito-workspace"));
    for (bool served = false; !served; poll(NULL, 0, 5))
        OK(kube_has_resource(t->user, WORKSPACES, &served, &e));
}

static void create_workspace(struct test_manager *t, int i)
{
    AUTO_MEM char *ws = xasprintf("{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {namespace: default, name: ws-%d}, resource: {"
                                  "instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {for: ws-%d}}}, "
                                  "inference: {preset: {name: phi-4-mini-instruct}}}", i, i);

    create(t, WORKSPACES, test_yaml(ws));
}

static json_t *list(struct test_manager *t, const struct kube_gvr *r)
{
    json_t *all = NULL;
    struct err e;

    OK(kube_list_all(t->user, r, NULL, NULL, &all, &e));
    return all;
}

static bool is_told(const json_t *ws)
{
    return streq(json_str_at(ws, "status", "state", NULL), "Pending") && json_int(json_object_get(ws, "status"), "targetNodeCount", 0) == 1;
}

static bool all_are_told(struct test_manager *t)
{
    AUTO_JSON all = list(t, WORKSPACES);
    const json_t *ws;
    size_t i;

    json_array_foreach(all, i, ws)
        if (!is_told(ws))
            return false;
    return true;
}

static int64_t version(const json_t *object)
{
    int64_t n = 0;

    assert_true(str_to_i64(str_of(kube_resource_version(object)), &n));
    return n;
}

static int64_t last_version(const json_t *all)
{
    const json_t *o;
    size_t i;
    int64_t last = 0;

    json_array_foreach(all, i, o)
        last = version(o) > last ? version(o) : last;
    return last;
}

static int n_before(const json_t *all, int64_t limit)
{
    const json_t *o;
    size_t i;
    int n = 0;

    json_array_foreach(all, i, o)
        n += version(o) < limit ? 1 : 0;
    return n;
}

static void machines_come_before_what_tells_of_them(void **state)
{
    struct test_manager t;
    const struct workspace_manager_opts o = { .wait_to_lead = true };
    struct err e;

    test_manager_open(&t);
    install(&t);
    for (int i = 0; i < MANY; i++)
        create_workspace(&t, i);
    OK(test_manager_start(&t, &o, &e));
    test_manager_wait_ready(&t, WAIT_MS);
    OK(workspace_manager_lead(t.manager, &e));
    for (int64_t until = clock_mono_ms() + WAIT_MS; !all_are_told(&t); poll(NULL, 0, 20))
        assert_true(clock_mono_ms() < until);
    AUTO_JSON claims = list(&t, CLAIMS);
    AUTO_JSON revisions = list(&t, REVISIONS);
    AUTO_JSON workspaces = list(&t, WORKSPACES);

    assert_int_equal(json_array_size(claims), MANY);
    assert_int_equal(json_array_size(revisions), MANY);
    assert_in_range(n_before(workspaces, last_version(claims)), 0, AT_THE_EDGE);
    assert_in_range(n_before(revisions, last_version(claims)), 0, AT_THE_EDGE);
    test_manager_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(machines_come_before_what_tells_of_them) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
