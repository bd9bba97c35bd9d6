/*
 * The garbage collector when the world moves while it looks: it talks to an API server through a proxy that holds its reads, hides events
 * from it and ends its watches. The test itself talks past the proxy.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/yaml.h"
#include "cluster/priv.h"
#include "../../fault/proxy.h"
#include "../patience.h"
#include "../test_api.h"

#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)
#define WAIT_MS 7000                    /* on a machine at rest */
#define ALL_BUT_GC 0x7fu

struct world {
    struct test_api api;
    struct proxy *proxy;
    struct kube_client *user, *through;
    struct cancel *cancel;
    struct cluster *cluster;
    char ns[64], held_path[160], hidden[160];    /* set before the proxy is armed */
    atomic_int held;                    /* reads of held_path that came */
    atomic_bool let_go;
};

static int start(void **state)
{
    struct err e;
    struct world *w = xzalloc(sizeof *w);
    AUTO_FREE(kube_config) cfg = NULL;
    char suffix[8] = { 0 };
    *state = w;
    w->cancel = cancel_new();
    OK(test_api_start(&w->api, &e));
    OK(kube_config_load(w->api.kubeconfig, NULL, &cfg, &e));
    OK(kube_client_new(cfg, NULL, NULL, &w->user, &e));
    OK(proxy_start(cfg, &w->proxy, &e));
    struct kube_config front = { .server = (char *)(uintptr_t)proxy_url(w->proxy), .namespace_ = (char *)(uintptr_t)"default" };
    OK(kube_client_new(&front, NULL, NULL, &w->through, &e));
    random_suffix(suffix, 6);
    snprintf(w->ns, sizeof w->ns, "gc-%s", suffix);
    AUTO_JSON ns = kube_object("v1", "Namespace", NULL, w->ns);
    OK(kube_create(w->user, &gvr_namespaces, NULL, ns, NULL, &e));
    OK(cluster_start(w->through, &(struct cluster_opts){ .skip = ALL_BUT_GC }, w->cancel, &w->cluster, &e));
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;
    proxy_arm(w->proxy, NULL);
    cancel_now(w->cancel);
    cluster_join(w->cluster);
    kube_client_free(w->through);
    proxy_stop(w->proxy);
    kube_client_free(w->user);
    test_api_stop(&w->api);
    cancel_free(w->cancel);
    free(w);
    return 0;
}

/* An owner of a new object; blocks: its deletion in the foreground waits for it. */
struct owner { const json_t *of; bool blocks; };

static json_t *references(const struct owner *owners, size_t n)
{
    json_t *refs = json_array();
    for (size_t i = 0; i < n; i++)
        json_push(refs, kube_owner_ref(owners[i].of, false, owners[i].blocks));
    return refs;
}

static json_t *make(struct world *w, const char *name, const struct owner *owners, size_t n)
{
    struct err e;
    json_t *made = NULL;
    AUTO_JSON obj = kube_object("v1", "ConfigMap", w->ns, name);
    json_put(json_sub(obj, "metadata"), "ownerReferences", references(owners, n));
    OK(kube_create(w->user, &gvr_configmaps, NULL, obj, &made, &e));
    return made;
}
#define MAKE(w, name, ...) make(w, name, (const struct owner[]){ __VA_ARGS__ }, sizeof (const struct owner[]){ __VA_ARGS__ } / sizeof (struct owner))

static void delete_with(struct world *w, const char *name, const char *propagation)
{
    struct err e;
    OK(kube_delete(w->user, &gvr_configmaps, w->ns, name, &(struct kube_delete_opts){ .propagation = propagation }, &e));
}

static json_t *get(struct world *w, const char *name)
{
    struct err e;
    json_t *obj = NULL;
    errc rc = kube_get(w->user, &gvr_configmaps, w->ns, name, &obj, &e);
    if (rc && rc != ERR_NOT_FOUND)
        fail_msg("%s", e.text);
    return obj;
}

static void wait_gone(struct world *w, const char *name, const char *why)
{
    for (int64_t end = patience_end(WAIT_MS); clock_mono_ms() < end; poll(NULL, 0, 10)) {
        AUTO_JSON obj = get(w, name);
        if (!obj)
            return;
    }
    fail_msg("%s is still there: %s", name, why);
}

/* Returns when the collector has seen all that was written before: it sees changes in their order. */
static void wait_seen(struct world *w, const char *probe)
{
    AUTO_JSON parent = make(w, "parent-of-probe", NULL, 0);
    json_decref(MAKE(w, probe, { parent, false }));
    delete_with(w, "parent-of-probe", "Background");
    wait_gone(w, probe, "the collector does not see what happens");
}

/* Returns when the collector does nothing, and nothing waits for it. */
static void wait_idle(struct world *w)
{
    struct controller_stats s = { .active = 1 };
    for (int64_t end = patience_end(WAIT_MS); s.active || s.queued; poll(NULL, 0, 5)) {
        assert_string_equal(cluster_stats(w->cluster, 0, &s), "gc");
        if (clock_mono_ms() > end)
            fail_msg("the collector does not come to rest");
    }
}

/* ---- rules of the proxy -------------------------------------------------------------------------------------------------- */

/* The first read of held_path waits for let_go. */
static struct fault hold(void *self, const struct proxy_call *call)
{
    struct world *w = self;
    if (streq(call->method, "GET") && streq(call->path, w->held_path) && w->held++ == 0)
        for (int64_t end = patience_end(4 * WAIT_MS); !w->let_go && clock_mono_ms() < end; poll(NULL, 0, 2))
            ;
    return (struct fault){ FAULT_NONE };
}

static void arm_hold(struct world *w, const char *name)
{
    w->held = 0;
    w->let_go = false;
    snprintf(w->held_path, sizeof w->held_path, "/api/v1/namespaces/%s/configmaps/%s", w->ns, name);
    proxy_arm(w->proxy, &(struct proxy_rules){ .judge = hold, .self = w });
}

static void wait_held(struct world *w)
{
    for (int64_t end = patience_end(WAIT_MS); !w->held; poll(NULL, 0, 2))
        if (clock_mono_ms() > end)
            fail_msg("the collector never asked for %s", w->held_path);
}

static bool event(void *self, const char *path, struct str line)
{
    const struct world *w = self;
    size_t at;
    return !str_find(line, str_of(w->hidden), &at);
}

static void arm_hide(struct world *w, const char *name)
{
    snprintf(w->hidden, sizeof w->hidden, "\"name\":\"%s\",\"namespace\":\"%s\"", name, w->ns);
    proxy_arm(w->proxy, &(struct proxy_rules){ .event = event, .self = w });
}

/* ---- tests --------------------------------------------------------------------------------------------------------------- */

/* Its owner is gone; but while the collector asks whether that is so, somebody takes the reference away: it is nobody's any more. */
static void what_is_cut_loose_meanwhile_stays(void **state)
{
    struct world *w = *state;
    struct err e;
    AUTO_JSON owner = make(w, "owner", NULL, 0);
    json_decref(MAKE(w, "child", { owner, false }));
    AUTO_JSON none = json_loads("{\"metadata\":{\"ownerReferences\":null}}", 0, NULL);
    wait_seen(w, "probe-1");
    arm_hold(w, "owner");
    delete_with(w, "owner", "Background");
    wait_held(w);
    OK(kube_patch(w->user, &gvr_configmaps, w->ns, "child", NULL, KUBE_PATCH_MERGE, none, NULL, &e));
    w->let_go = true;
    wait_seen(w, "probe-2");
    wait_idle(w);
    AUTO_JSON child = get(w, "child");
    assert_non_null(child);
    proxy_arm(w->proxy, NULL);
}

/* The same, and somebody only wrote to it: it still has to go. */
static void what_is_written_meanwhile_goes(void **state)
{
    struct world *w = *state;
    struct err e;
    AUTO_JSON owner = make(w, "owner-2", NULL, 0);
    json_decref(MAKE(w, "child-2", { owner, false }));
    AUTO_JSON data = json_loads("{\"data\":{\"a\":\"b\"}}", 0, NULL);
    wait_seen(w, "probe-1");
    arm_hold(w, "owner-2");
    delete_with(w, "owner-2", "Background");
    wait_held(w);
    OK(kube_patch(w->user, &gvr_configmaps, w->ns, "child-2", NULL, KUBE_PATCH_MERGE, data, NULL, &e));
    w->let_go = true;
    wait_gone(w, "child-2", "its owner is gone");
    proxy_arm(w->proxy, NULL);
}

/* Of its two owners one is gone, and the other orphans it before the collector has cut the first: what is left is an owner that is gone. */
static void who_is_orphaned_beside_a_dead_owner_goes(void **state)
{
    struct world *w = *state;
    AUTO_JSON dead = make(w, "dead", NULL, 0);
    AUTO_JSON orphaning = make(w, "orphaning", NULL, 0);
    json_decref(MAKE(w, "of-both", { dead, false }, { orphaning, false }));
    wait_seen(w, "probe-1");
    arm_hold(w, "dead");
    delete_with(w, "dead", "Background");
    wait_held(w);
    delete_with(w, "orphaning", "Orphan");
    wait_gone(w, "orphaning", "nothing holds it");
    AUTO_JSON both = get(w, "of-both");
    assert_int_equal(json_array_size(json_at(both, "metadata", "ownerReferences", NULL)), 1);
    w->let_go = true;
    wait_gone(w, "of-both", "its last owner is gone");
    proxy_arm(w->proxy, NULL);
}

/* An owner that is deleted in the foreground must hear that a dependent is not its own any more. */
static void a_dependent_that_leaves_frees_its_owner(void **state)
{
    struct world *w = *state;
    AUTO_JSON leaving = make(w, "leaving", NULL, 0);
    AUTO_JSON staying = make(w, "staying", NULL, 0);
    json_decref(MAKE(w, "of-two", { leaving, true }, { staying, false }));
    wait_seen(w, "probe-1");
    delete_with(w, "leaving", "Foreground");
    wait_gone(w, "leaving", "its dependent has another owner, and was cut from this one");
    AUTO_JSON kept = get(w, "of-two");
    assert_int_equal(json_array_size(json_at(kept, "metadata", "ownerReferences", NULL)), 1);
}

/* One of the same name has taken its place before the collector looks again: what the first one owned goes all the same. */
static void a_namesake_does_not_inherit(void **state)
{
    struct world *w = *state;
    AUTO_JSON first = make(w, "namesake", NULL, 0);
    json_decref(MAKE(w, "heir", { first, false }));
    wait_seen(w, "probe-1");
    arm_hide(w, "namesake");
    delete_with(w, "namesake", "Background");
    json_decref(make(w, "namesake", NULL, 0));
    wait_seen(w, "probe-2");
    AUTO_JSON before = get(w, "heir");
    assert_non_null(before);            /* it knows nothing yet */
    proxy_arm(w->proxy, NULL);
    proxy_end_watches(w->proxy, true);
    wait_gone(w, "heir", "its owner is gone; one of the same name is another");
}

#define LATE_GROUP "late.example.com"
#define LATES KUBE_GVR(LATE_GROUP, "v1", "lates")

static void define(struct world *w, const char *kind, const char *plural, const char *version)
{
    struct err e;
    AUTO_JSON crd = json_pack("{s:s, s:s, s:{s:o}, s:{s:s, s:s, s:{s:s, s:s}, s:[{s:s, s:b, s:b, s:{s:{s:s}}}]}}",
        "apiVersion", "apiextensions.k8s.io/v1", "kind", "CustomResourceDefinition", "metadata", "name", json_strf("%s." LATE_GROUP, plural),
        "spec", "group", LATE_GROUP, "scope", "Namespaced", "names", "plural", plural, "kind", kind,
        "versions", "name", version, "served", 1, "storage", 1, "schema", "openAPIV3Schema", "type", "object");
    assert_non_null(crd);
    OK(kube_create(w->user, KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"), NULL, crd, NULL, &e));
}

static void wait_served(struct world *w, const struct kube_gvr *r)
{
    struct err e;
    bool served = false;
    for (int64_t end = patience_end(WAIT_MS); !served; poll(NULL, 0, 10)) {
        OK(kube_has_resource(w->user, r, &served, &e));
        if (clock_mono_ms() > end)
            fail_msg("%s are not served", r->resource);
    }
}

/* Discovery that lags behind a definition: the first time nothing is there. */
static struct fault shows_nothing_at_first(void *self, const struct proxy_call *call)
{
    struct world *w = self;
    bool now = streq(call->method, "GET") && streq(call->path, w->held_path) && w->held++ == 0;
    return now ? (struct fault){ FAULT_ANSWER, .status = 404 } : (struct fault){ FAULT_NONE };
}

/* Found though discovery shows it late, and though the group prefers a version that it does not have. */
static void a_kind_that_comes_late_is_followed(void **state)
{
    struct world *w = *state;
    struct err e;
    w->held = 0;
    snprintf(w->held_path, sizeof w->held_path, "/apis/" LATE_GROUP "/v1");
    proxy_arm(w->proxy, &(struct proxy_rules){ .judge = shows_nothing_at_first, .self = w });
    define(w, "Late", "lates", "v1");
    wait_held(w);
    define(w, "Later", "laters", "v2");
    wait_served(w, LATES);
    AUTO_JSON owner = make(w, "owner-of-late", NULL, 0);
    AUTO_JSON late = kube_object(LATE_GROUP "/v1", "Late", w->ns, "late");
    kube_set_owner(late, owner);
    OK(kube_create(w->user, LATES, NULL, late, NULL, &e));
    delete_with(w, "owner-of-late", "Background");
    errc rc = ERR_OK;
    for (int64_t end = patience_end(WAIT_MS); !rc && clock_mono_ms() < end; poll(NULL, 0, 10))
        rc = kube_get(w->user, LATES, w->ns, "late", NULL, &e);
    assert_int_equal(rc, ERR_NOT_FOUND);
    proxy_arm(w->proxy, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_cut_loose_meanwhile_stays),
        cmocka_unit_test(what_is_written_meanwhile_goes),
        cmocka_unit_test(who_is_orphaned_beside_a_dead_owner_goes),
        cmocka_unit_test(a_dependent_that_leaves_frees_its_owner),
        cmocka_unit_test(a_namesake_does_not_inherit),
        cmocka_unit_test(a_kind_that_comes_late_is_followed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
