/*
 * Machines whose Workspace is gone: what the manager made (it says for which uid) is deleted, whenever it comes and whoever was there when its Workspace
 * went; what it did not make, or what is of a Workspace that only the cache lacks, stays.
 */
#include "world.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "cluster/priv.h"

#define MARK "kaito.sh/workspace-uid"
#define NOBODY "00000000-0000-0000-0000-000000000000"

/* A claim of the Workspace "ws" in namespace ns. mark NULL: by somebody else. */
static void make_claim(struct world *w, const char *name, const char *ns, const char *mark)
{
    AUTO_MEM char *annotation = mark ? xasprintf("annotations: {" MARK ": '%s'}, ", mark) : xstrdup("");
    AUTO_MEM char *yaml = xasprintf(
        "{apiVersion: %s, kind: %s, metadata: {name: %s, %slabels: {apps: faults, %s: kaito, kaito.sh/workspace: ws, kaito.sh/workspacenamespace: %s}}, "
        "spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}, "
        "requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4]}]}}", w->kind->api_version, w->kind->kind, name, annotation, w->kind->pool_label, ns);

    world_make(w, yaml);
}

static bool is_there(struct world *w, const struct kube_gvr *r, const char *name)
{
    AUTO_JSON o = world_get(w, r, name);

    return o && !kube_deleting(o);
}

static void expect_deleted(struct world *w, const struct kube_gvr *r, const char *name, const char *why)
{
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; is_there(w, r, name); poll(NULL, 0, 5))
        if (clock_mono_ms() > end)
            fail_msg("%s %s is there for ever: %s", r->resource, name, why);
}

/* In a namespace of its own, so that names of claims, which have none, are of this case. */
static char *name_in(const struct world *w, const char *name) { return xasprintf("%s-%s", name, w->ns); }

static char *uid_of_workspace(struct world *w)
{
    AUTO_JSON ws = world_get(w, &gvr_workspaces, "ws");

    return xstrdup(kube_uid(ws));
}

/* ---- nobody's ------------------------------------------------------------------------------------------------------------------ */

static void what_has_no_workspace_goes(void **state)
{
    struct world *w = *state;

    world_namespace(w);
    AUTO_MEM char *early = name_in(w, "early");
    AUTO_MEM char *late = name_in(w, "late");
    make_claim(w, early, w->ns, NOBODY);
    world_run(w);
    expect_deleted(w, &w->kind->gvr, early, "before the manager");
    make_claim(w, late, w->ns, NOBODY);
    expect_deleted(w, &w->kind->gvr, late, "beside the manager");
    world_stop(w);
}

static void what_others_made_stays(void **state)
{
    struct world *w = *state;

    world_namespace(w);
    AUTO_MEM char *theirs = name_in(w, "theirs");
    AUTO_MEM char *ours = name_in(w, "ours");
    make_claim(w, theirs, w->ns, NULL);
    make_claim(w, ours, w->ns, NOBODY);         /* the same key: both were looked at when this one goes */
    world_run(w);
    expect_deleted(w, &w->kind->gvr, ours, "marked");
    world_wait_quiet(w);
    assert_true(is_there(w, &w->kind->gvr, theirs));
    world_delete(w, &w->kind->gvr, theirs);
    world_stop(w);
}

/* Workspaces that this manager does not look after are others', and it may not even ask for them. */
static void other_namespaces_are_left_alone(void **state)
{
    struct world *w = *state;

    world_namespace(w);
    const char *namespaces[] = { w->ns, NULL };
    AUTO_MEM char *theirs = name_in(w, "theirs");
    AUTO_MEM char *ours = name_in(w, "ours");
    w->opts.settings.namespaces = namespaces;
    make_claim(w, theirs, "elsewhere", NOBODY);
    make_claim(w, ours, w->ns, NOBODY);
    world_run(w);
    expect_deleted(w, &w->kind->gvr, ours, "of a namespace that is looked after");
    world_wait_quiet(w);
    assert_true(is_there(w, &w->kind->gvr, theirs));
    world_stop(w);
    w->opts.settings.namespaces = NULL;
    world_run(w);
    expect_deleted(w, &w->kind->gvr, theirs, "once all are looked after");
    world_stop(w);
}

static void pools_go_too(void **state)
{
    struct world *w = *state;

    world_namespace(w);
    AUTO_MEM char *ours = name_in(w, "ours");
    AUTO_MEM char *theirs = name_in(w, "theirs");
    static const char pool[] = "{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: %s, annotations: {%s: " NOBODY "}, "
        "labels: {karpenter.kaito.sh/workspace-name: ws, karpenter.kaito.sh/workspace-namespace: %s}}, spec: {replicas: 0}}";
    AUTO_MEM char *first = xasprintf(pool, theirs, "note", w->ns);
    AUTO_MEM char *second = xasprintf(pool, ours, MARK, w->ns);
    world_make(w, first);
    world_make(w, second);
    world_run(w);
    expect_deleted(w, &gvr_nodepools, ours, "marked");
    world_wait_quiet(w);
    assert_true(is_there(w, &gvr_nodepools, theirs));
    world_stop(w);
}

/* ---- of another one of the same name ---------------------------------------------------------------------------------------------- */

static void a_former_workspaces_claim_goes(void **state)
{
    struct world *w = *state;
    struct ends e = *world_undisturbed(w, PLAY_NATIVE_INFERENCE);      /* lent texts */

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    AUTO_MEM char *former = name_in(w, "former");
    AUTO_MEM char *again = name_in(w, "again");
    make_claim(w, former, w->ns, NOBODY);
    world_run(w);
    expect_deleted(w, &w->kind->gvr, former, "beside a new Workspace");
    world_expect(w, e.living, "beside a former one's claim");
    make_claim(w, again, w->ns, NOBODY);
    expect_deleted(w, &w->kind->gvr, again, "beside a settled Workspace");
    world_expect(w, e.living, "after a former one's claim");
    e.claims += 2;
    assert_int_equal(world_claims_ever(w), e.claims);
    world_delete(w, &gvr_workspaces, "ws");
    world_expect_gone(w, &e, "after former ones' claims");
    world_stop(w);
}

/* ---- the cache is late ------------------------------------------------------------------------------------------------------------- */

static bool lose_workspaces(void *self, const char *path, struct str line) { return !strstr(path, "/workspaces"); }

/* Whoever cannot see the Workspace in the cache asks for it by name. */
struct questions { _Atomic unsigned n; };

static void count_questions(void *self, const struct proxy_call *call, int status)
{
    struct questions *q = self;

    if (status == 200 && !call->watch && strstr(call->path, "/workspaces") && call->query && strstr(call->query, "metadata.name"))
        q->n++;
}

static void wait_asked(struct questions *q, unsigned n)
{
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; q->n < n; poll(NULL, 0, 5))
        if (clock_mono_ms() > end)
            fail_msg("nobody asked for the Workspace");
}

static bool is_ready(struct world *w) { return workspace_manager_ready(w->manager); }

static void a_workspace_that_no_cache_saw_keeps_its_claim(void **state)
{
    struct world *w = *state;
    struct questions q = { 0 };

    world_namespace(w);
    AUTO_MEM char *its = name_in(w, "its");
    proxy_arm(w->proxy, &(struct proxy_rules){ .event = lose_workspaces, .answered = count_questions, .self = &q });
    world_run(w);
    assert_true(world_until(w, is_ready));
    world_make(w, plays[PLAY_NATIVE_INFERENCE].yaml);
    AUTO_MEM char *uid = uid_of_workspace(w);
    make_claim(w, its, w->ns, uid);
    wait_asked(&q, 1);
    world_wait_quiet(w);
    assert_true(is_there(w, &w->kind->gvr, its));
    proxy_arm(w->proxy, NULL);
    proxy_end_watches(w->proxy, true);
    assert_true(world_until(w, workspace_succeeded));
    assert_int_equal(world_claims_ever(w), 1);
    world_delete(w, &gvr_workspaces, "ws");
    expect_deleted(w, &w->kind->gvr, its, "after its Workspace");
    world_stop(w);
}

/* By force: its claims stay. */
static void take_away_workspace(struct world *w)
{
    world_patch(w, &gvr_workspaces, "ws", NULL, "{\"metadata\":{\"finalizers\":null}}");
    world_delete(w, &gvr_workspaces, "ws");
    assert_true(world_until(w, workspace_gone));
}

static void a_successor_that_no_cache_saw_keeps_its_claim(void **state)
{
    struct world *w = *state;
    struct questions q = { 0 };

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    AUTO_MEM char *its = name_in(w, "its");
    world_run(w);
    assert_true(world_until(w, workspace_succeeded));
    world_wait_quiet(w);
    proxy_arm(w->proxy, &(struct proxy_rules){ .event = lose_workspaces, .answered = count_questions, .self = &q });
    take_away_workspace(w);
    world_make(w, plays[PLAY_NATIVE_INFERENCE].yaml);
    AUTO_MEM char *uid = uid_of_workspace(w);
    make_claim(w, its, w->ns, uid);
    wait_asked(&q, 1);
    world_wait_quiet(w);
    assert_true(is_there(w, &w->kind->gvr, its));
    proxy_arm(w->proxy, NULL);
    proxy_end_watches(w->proxy, true);
    assert_true(world_until(w, workspace_succeeded));
    world_wait_quiet(w);
    assert_true(is_there(w, &w->kind->gvr, its));
    assert_int_equal(world_claims(w), 1);       /* and the former one's is gone */
    assert_int_equal(world_claims_ever(w), 2);
    world_delete(w, &gvr_workspaces, "ws");
    expect_deleted(w, &w->kind->gvr, its, "after its Workspace");
    world_stop(w);
}

/* ---- a Workspace that vanishes ------------------------------------------------------------------------------------------------------- */

/* The first claim is there, the finalizer is not: nothing holds the Workspace. */
struct vanishing { struct world *w; _Atomic bool going, gone, too_early; enum fault_kind kill; };

static struct fault delete_before_finalizer(void *self, const struct proxy_call *call)
{
    struct vanishing *v = self;
    struct err ignored;

    if (v->gone || call->n_write == 0 || !strstr(call->path, "/workspaces/ws"))
        return (struct fault){ 0 };
    v->too_early = world_claims(v->w) == 0;
    v->going = true;
    (void)kube_delete(v->w->user, &gvr_workspaces, v->w->ns, "ws", NULL, &ignored);
    v->gone = true;
    return (struct fault){ v->kill };
}

static bool has_no_claim(struct world *w) { return world_claims(w) == 0; }
static bool is_cut(struct world *w) { return proxy_is_cut(w->proxy); }

static bool lose_claims(void *self, const char *path, struct str line) { return !strstr(path, "/nodeclaims") && !strstr(path, "/machines"); }

static void vanish(struct world *w, enum fault_kind kill, bool (*event)(void *self, const char *path, struct str line))
{
    struct vanishing v = { .w = w, .kill = kill };

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    proxy_arm(w->proxy, &(struct proxy_rules){ .judge = delete_before_finalizer, .event = event, .self = &v });
    world_run(w);
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; !v.gone; poll(NULL, 0, 5))
        assert_true(clock_mono_ms() < end);
    assert_false(v.too_early);
    if (kill) {
        assert_true(world_until(w, is_cut));
        world_stop(w);
        assert_int_equal(world_claims(w), 1);   /* nobody is there to delete it */
        proxy_revive(w->proxy);
        world_run(w);
    }
    assert_true(world_until(w, workspace_gone) && world_until(w, has_no_claim));
    world_wait_quiet(w);
    proxy_arm(w->proxy, NULL);
    assert_int_equal(world_claims_ever(w), 1);
    proxy_end_watches(w->proxy, true);
    world_wait_quiet(w);
    assert_int_equal(world_claims_ever(w), 1);
    world_stop(w);
}

static bool lose_its_end(void *self, const char *path, struct str line)
{
    const struct vanishing *v = self;

    return !v->going || !strstr(path, "/workspaces");
}

static void a_workspace_may_vanish_before_its_finalizer(void **state) { vanish(*state, FAULT_NONE, NULL); }
static void before_a_cache_saw_its_claim(void **state) { vanish(*state, FAULT_NONE, lose_claims); }
static void and_no_cache_hears_of_it(void **state) { vanish(*state, FAULT_NONE, lose_its_end); }
static void and_its_manager_with_it(void **state) { vanish(*state, FAULT_CUT_BEFORE, NULL); }

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
#define MACHINES(f) { #f "_of_machines", f, world_setup_with_machines, world_teardown, NULL }
    const struct CMUnitTest tests[] = {
        T(what_has_no_workspace_goes), T(what_others_made_stays), T(other_namespaces_are_left_alone),
        cmocka_unit_test_setup_teardown(pools_go_too, world_setup_with_pools, world_teardown),
        T(a_former_workspaces_claim_goes), T(a_workspace_that_no_cache_saw_keeps_its_claim), T(a_successor_that_no_cache_saw_keeps_its_claim),
        T(a_workspace_may_vanish_before_its_finalizer), T(before_a_cache_saw_its_claim), T(and_no_cache_hears_of_it), T(and_its_manager_with_it),
        MACHINES(what_has_no_workspace_goes), MACHINES(what_others_made_stays), MACHINES(a_former_workspaces_claim_goes),
        MACHINES(a_workspace_may_vanish_before_its_finalizer), MACHINES(and_its_manager_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
