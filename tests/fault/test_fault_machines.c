/*
 * Legacy Machines, and how a cluster leaves them: NodeClaims win as soon as they are there and no Machine that we asked for is; until then nobody
 * loses sight of a Machine, nor makes a second one beside it.
 */
#include "world.h"

#include <poll.h>

#include "api/kaito/crds.h"
#include "base/clock.h"
#include "cluster/priv.h"

static void install_node_claims(struct world *w)
{
    AUTO_JSON list = NULL;
    const json_t *crd;
    struct err e;
    size_t i;

    api_kaito_crds(&list);
    json_array_foreach(list, i, crd)
        if (!streq(json_str_at(crd, "spec", "group", NULL), "kaito.sh"))
            OK(kube_create(w->user, &gvr_crds, NULL, crd, NULL, &e));
    for (bool served = false; !served; poll(NULL, 0, 5))
        OK(kube_has_resource(w->user, &gvr_nodeclaims, &served, &e));
}

static size_t count(struct world *w, const struct kube_gvr *r)
{
    AUTO_JSON list = world_list(w, r, NULL);

    return json_array_size(list);
}

static bool has_a_node_claim(struct world *w) { return count(w, &gvr_nodeclaims) > 0; }
static bool has_no_machine(struct world *w) { return count(w, &gvr_machines) == 0; }
static bool is_ready(struct world *w) { return workspace_manager_ready(w->manager); }
static bool manager_ends(struct world *w) { return cancel_is(w->stop); }

static void delete_workspace(struct world *w)
{
    world_delete(w, &gvr_workspaces, "ws");
    assert_true(world_until(w, workspace_gone));
    assert_true(world_until(w, has_no_machine));
}

/* ---- only Machines ----------------------------------------------------------------------------------------------------------- */

static void where_there_are_only_machines_they_are_asked_for(void **state)
{
    struct world *w = *state;

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    w->opts.install_crds = true;
    world_run(w);
    assert_true(world_until(w, workspace_succeeded));
    AUTO_JSON ws = world_get(w, &gvr_workspaces, "ws");
    AUTO_JSON crd = world_get(w, &gvr_crds, "nodeclaims.karpenter.sh");

    assert_string_equal(json_cstr(kube_condition(ws, "NodeClaimReady"), "message"), "Enough Machines are ready");
    assert_null(crd);                   /* whoever waits for Machines would not answer NodeClaims */
    assert_int_equal(count(w, &gvr_machines), 1);
    delete_workspace(w);
    world_stop(w);
    w->opts.install_crds = false;
}

static void make_upstreams_machine(struct world *w)
{
    AUTO_MEM char *machine = xasprintf("{apiVersion: karpenter.sh/v1alpha5, kind: Machine, metadata: {name: upstreams-%s, "
                                       "labels: {apps: faults, karpenter.sh/provisioner-name: default, kaito.sh/workspace: ws, kaito.sh/workspacenamespace: %s}}, "
                                       "spec: {requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4]}]}}", w->ns, w->ns);
    world_make(w, machine);
}

/* As it is, also when NodeClaims come; it goes with its Workspace. */
static void a_machine_that_upstream_asked_for_is_taken_over(void **state)
{
    struct world *w = *state;

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    make_upstreams_machine(w);
    world_run(w);
    assert_true(world_until(w, workspace_succeeded));
    world_wait_quiet(w);
    world_stop(w);
    install_node_claims(w);
    world_run(w);
    world_wait_quiet(w);
    assert_int_equal(world_claims_ever(w), 1);
    assert_int_equal(count(w, &gvr_nodeclaims), 0);
    delete_workspace(w);
    world_stop(w);
}

/* ---- NodeClaims come --------------------------------------------------------------------------------------------------------- */

static void machines_stay_the_kind_while_there_are_some(void **state)
{
    struct world *w = *state;

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    world_run(w);
    assert_true(world_until(w, workspace_succeeded));
    world_wait_quiet(w);
    install_node_claims(w);
    world_stop(w);
    world_run(w);
    world_wait_quiet(w);
    assert_int_equal(world_claims_ever(w), 1);
    assert_int_equal(count(w, &gvr_nodeclaims), 0);
    char first[sizeof w->ns];

    memcpy(first, w->ns, sizeof first);
    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);      /* another one, elsewhere */
    assert_true(world_until(w, workspace_succeeded));
    assert_int_equal(world_claims_ever(w), 1);
    assert_int_equal(count(w, &gvr_nodeclaims), 0);
    delete_workspace(w);
    memcpy(w->ns, first, sizeof first);
    delete_workspace(w);
    world_stop(w);
}

/* Once the last one is gone, and the manager has started again. */
static void node_claims_win_once_no_machine_is_left(void **state)
{
    struct world *w = *state;

    install_node_claims(w);
    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    world_run(w);
    assert_true(world_until(w, has_a_node_claim));
    world_wait_quiet(w);
    assert_int_equal(world_claims_ever(w), 0);
    world_delete(w, &gvr_workspaces, "ws");
    assert_true(world_until(w, workspace_gone));
    world_stop(w);
}

/* Those of other people's, or of upstream's manager in its time, are no reason to ask for more where NodeClaims were there before us. */
static void what_others_asked_for_is_no_reason(void **state)
{
    struct world *w = *state;

    install_node_claims(w);
    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    make_upstreams_machine(w);
    world_run(w);
    world_wait_quiet(w);
    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    assert_true(world_until(w, has_a_node_claim));
    world_stop(w);
}

/* While a manager runs that knows nothing of it: the first Workspace ends it, before anything is made that its successor would not see. */
static void a_manager_of_before_ends_and_makes_no_machine(void **state)
{
    struct world *w = *state;

    world_run(w);
    assert_true(world_until(w, is_ready));
    install_node_claims(w);
    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    assert_true(world_until(w, manager_ends));
    world_stop(w);
    assert_int_equal(world_claims_ever(w), 0);
    world_run(w);
    assert_true(world_until(w, has_a_node_claim));
    world_wait_quiet(w);
    assert_int_equal(world_claims_ever(w), 0);
    world_stop(w);
}

/* One that waited for its turn looks again before it leads. */
static void one_that_waited_to_lead_ends_too(void **state)
{
    struct world *w = *state;
    struct err e = { 0 };

    w->opts.wait_to_lead = true;
    world_run(w);
    install_node_claims(w);
    assert_int_equal(workspace_manager_lead(w->manager, &e), ERR_CANCELLED);
    assert_string_equal(e.text, "NodeClaims (karpenter.sh/v1) are asked for now, no more Machines (karpenter.sh/v1alpha5)");
    assert_true(manager_ends(w));
    world_stop(w);
    w->opts.wait_to_lead = false;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup_with_machines, world_teardown)
    const struct CMUnitTest tests[] = {
        T(where_there_are_only_machines_they_are_asked_for), T(a_machine_that_upstream_asked_for_is_taken_over),
        T(machines_stay_the_kind_while_there_are_some), T(node_claims_win_once_no_machine_is_left),
        T(what_others_asked_for_is_no_reason), T(a_manager_of_before_ends_and_makes_no_machine), T(one_that_waited_to_lead_ends_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
