/* pods/eviction: what PodDisruptionBudgets allow, on the server of test_api.h (ours, or a real one: the same answers). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../test_api.h"
#include "base/clock.h"
#include "base/yaml.h"
#include "kube/kube.h"
#include "kube/meta.h"

#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)

static const struct kube_gvr pods = { "", "v1", "pods" }, budgets = { "policy", "v1", "poddisruptionbudgets" }, namespaces = { "", "v1", "namespaces" };

struct world { struct test_api api; struct kube_client *client; char ns[32]; };

static json_t *make(struct world *w, const struct kube_gvr *r, const char *text)
{
    json_t *obj = NULL, *made = NULL;
    struct err e;

    OK(yaml_parse(str_of(text), &obj, &e));
    if (!streq(r->resource, "namespaces"))
        json_put_str(json_sub(obj, "metadata"), "namespace", w->ns);
    OK(kube_create(w->client, r, NULL, obj, &made, &e));
    json_decref(obj);
    return made;
}

static void status(struct world *w, const struct kube_gvr *r, const char *name, const char *text)
{
    json_t *patch = NULL;
    struct err e;

    OK(yaml_parse(str_of(text), &patch, &e));
    OK(kube_patch(w->client, r, w->ns, name, "status", KUBE_PATCH_MERGE, patch, NULL, &e));
    json_decref(patch);
}

static int start(void **state)
{
    struct world *w = xzalloc(sizeof *w);
    AUTO_FREE(kube_config) cfg = NULL;
    struct err e;

    *state = w;
    OK(test_api_start(&w->api, &e));
    OK(kube_config_load(w->api.kubeconfig, NULL, &cfg, &e));
    OK(kube_client_new(cfg, NULL, NULL, &w->client, &e));
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;

    kube_client_free(w->client);
    test_api_stop(&w->api);
    free(w);
    return 0;
}

/* Each test has a namespace of its own. */
static struct world *world(void **state)
{
    struct world *w = *state;
    char suffix[8] = { 0 };

    random_suffix(suffix, 6);
    snprintf(w->ns, sizeof w->ns, "eviction-%s", suffix);
    AUTO_JSON ns = kube_object("v1", "Namespace", NULL, w->ns);
    AUTO_JSON account = kube_object("v1", "ServiceAccount", w->ns, "default");
    struct err e;
    OK(kube_create(w->client, &namespaces, NULL, ns, NULL, &e));
    (void)kube_create(w->client, KUBE_GVR("", "v1", "serviceaccounts"), NULL, account, NULL, &e);
    return w;
}

/* A pod that leaves at once when it may. */
static json_t *pod_that_is(struct world *w, const char *phase, const char *ready)
{
    json_t *made = make(w, &pods, "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: x}}, spec: {terminationGracePeriodSeconds: 0, "
                                  "tolerations: [{operator: Exists}], containers: [{name: c, image: i}]}}");
    AUTO_MEM char *text = xasprintf("{status: {phase: %s, conditions: [{type: Ready, status: '%s'}]}}", phase, ready);

    status(w, &pods, "p", text);
    return made;
}

static json_t *pod(struct world *w, const char *phase)
{
    return pod_that_is(w, phase, "True");
}

static void budget(struct world *w, const char *name, int allowed, int observed)
{
    AUTO_MEM char *text = xasprintf("{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: %s}, spec: {minAvailable: 1, selector: {matchExpressions: "
                                    "[{key: app, operator: In, values: [x, y]}]}}}", name);
    AUTO_MEM char *now = xasprintf("{status: {observedGeneration: %d, disruptionsAllowed: %d, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1}}", observed, allowed);

    json_decref(make(w, &budgets, text));
    status(w, &budgets, name, now);
}

static bool is_there(struct world *w)
{
    AUTO_JSON obj = NULL;
    struct err e;

    return kube_get(w->client, &pods, w->ns, "p", &obj, &e) == ERR_OK;
}

static void a_pod_without_budget_goes(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON p = pod(w, "Running");

    OK(kube_evict(w->client, p, &e));
    assert_false(is_there(w));
    assert_int_equal(kube_evict(w->client, p, &e), ERR_NOT_FOUND);
}

static void a_budget_that_allows_none_refuses(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON p = pod(w, "Running");

    budget(w, "b", 0, 1);
    assert_int_equal(kube_evict(w->client, p, &e), ERR_THROTTLED);
    assert_non_null(strstr(e.text, "Cannot evict pod as it would violate the pod's disruption budget."));
    assert_true(is_there(w));
}

static void a_budget_that_is_not_up_to_date_refuses(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON p = pod(w, "Running");

    budget(w, "b", 1, 0);
    assert_int_equal(kube_evict(w->client, p, &e), ERR_THROTTLED);
    assert_true(is_there(w));
}

static void an_eviction_takes_one_off_the_budget(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON p = pod(w, "Running");
    AUTO_JSON b = NULL;

    budget(w, "b", 1, 1);
    OK(kube_evict(w->client, p, &e));
    assert_false(is_there(w));
    OK(kube_get(w->client, &budgets, w->ns, "b", &b, &e));
    assert_int_equal(json_int(json_object_get(b, "status"), "disruptionsAllowed", -1), 0);
    assert_non_null(json_at(b, "status", "disruptedPods", "p", NULL));
}

static void two_budgets_refuse(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON p = pod(w, "Running");

    budget(w, "b", 1, 1);
    budget(w, "c", 1, 1);
    assert_int_equal(kube_evict(w->client, p, &e), ERR_INTERNAL);
    assert_non_null(strstr(e.text, "more than one PodDisruptionBudget"));
    assert_true(is_there(w));
}

static void a_pod_that_ended_needs_no_budget(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON p = pod(w, "Succeeded");

    budget(w, "b", 0, 1);
    OK(kube_evict(w->client, p, &e));
    assert_false(is_there(w));
}

/* Its budget has no use for it; but when the others are too few it may be the one that recovers. */
static void a_pod_that_is_not_ready_goes_while_the_others_are_enough(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON p = pod_that_is(w, "Running", "False");

    budget(w, "b", 0, 1);
    status(w, &budgets, "b", "{status: {observedGeneration: 1, disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 1, expectedPods: 1}}");
    assert_int_equal(kube_evict(w->client, p, &e), ERR_THROTTLED);
    status(w, &budgets, "b", "{status: {observedGeneration: 1, disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 2}}");
    OK(kube_evict(w->client, p, &e));
    assert_false(is_there(w));
}

static void another_pod_of_that_name_is_not_meant(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON p = pod(w, "Running");
    AUTO_JSON other = json_clone(p);

    json_put_str(json_sub(other, "metadata"), "uid", "11111111-2222-3333-4444-555555555555");
    assert_int_equal(kube_evict(w->client, other, &e), ERR_CONFLICT);
    assert_true(is_there(w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_without_budget_goes), cmocka_unit_test(a_budget_that_allows_none_refuses), cmocka_unit_test(a_budget_that_is_not_up_to_date_refuses),
        cmocka_unit_test(an_eviction_takes_one_off_the_budget), cmocka_unit_test(two_budgets_refuse), cmocka_unit_test(a_pod_that_ended_needs_no_budget),
        cmocka_unit_test(a_pod_that_is_not_ready_goes_while_the_others_are_enough), cmocka_unit_test(another_pod_of_that_name_is_not_meant),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
