/* The client, informers, events and leases against an API server: ours, or the one of KAITO_TEST_KUBECONFIG. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/lease.h"
#include "kube/meta.h"
#include "../patience.h"
#include "../test_api.h"

static const struct kube_gvr configmaps = { "", "v1", "configmaps" }, events = { "", "v1", "events" };

struct world { struct test_api api; struct kube_client *client; struct cancel *cancel; char ns[64]; };

#define LONG_MS 3600000                 /* longer than any test */
#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)

static int start(void **state)
{
    struct err e;
    struct world *w = xzalloc(sizeof *w);
    *state = w;
    OK(test_api_start(&w->api, &e));
    AUTO_FREE(kube_config) cfg = NULL;
    w->cancel = cancel_new();
    OK(kube_config_load(w->api.kubeconfig, NULL, &cfg, &e));
    OK(kube_client_new(cfg, NULL, w->cancel, &w->client, &e));
    char suffix[8] = { 0 };
    random_suffix(suffix, 6);
    snprintf(w->ns, sizeof w->ns, "kube-%s", suffix);
    AUTO_JSON ns = kube_object("v1", "Namespace", NULL, w->ns);
    OK(kube_create(w->client, KUBE_GVR("", "v1", "namespaces"), NULL, ns, NULL, &e));
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;
    struct err e;
    OK(kube_delete(w->client, KUBE_GVR("", "v1", "namespaces"), NULL, w->ns, NULL, &e));
    kube_client_free(w->client);
    test_api_stop(&w->api);
    cancel_free(w->cancel);
    free(w);
    return 0;
}

static struct world *world(void **state)
{
    return *state;
}

static json_t *configmap(const struct world *w, const char *name, const char *value)
{
    json_t *o = kube_object("v1", "ConfigMap", w->ns, name);
    json_put_str(json_sub(o, "data"), "key", value);
    return o;
}

static void objects_and_their_errors(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON made = NULL;
    AUTO_JSON one = configmap(w, "one", "1");
    OK(kube_create(w->client, &configmaps, NULL, one, &made, &e));
    assert_int_equal(kube_create(w->client, &configmaps, NULL, one, NULL, &e), ERR_EXISTS);
    assert_string_equal(e.text, "configmaps \"one\" already exists");
    AUTO_JSON changed = json_clone(made);
    json_put_str(json_sub(changed, "data"), "key", "2");
    OK(kube_update(w->client, &configmaps, NULL, changed, NULL, &e));
    assert_int_equal(kube_update(w->client, &configmaps, NULL, changed, NULL, &e), ERR_CONFLICT);
    assert_int_equal(kube_get(w->client, &configmaps, w->ns, "two", NULL, &e), ERR_NOT_FOUND);
    AUTO_JSON bad = configmap(w, "Bad_Name", "1");
    assert_int_equal(kube_create(w->client, &configmaps, NULL, bad, NULL, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "metadata.name: Invalid value: \"Bad_Name\""));
    struct kube_delete_opts wrong = { .uid = "00000000-0000-0000-0000-000000000000" };
    assert_int_equal(kube_delete(w->client, &configmaps, w->ns, "one", &wrong, &e), ERR_CONFLICT);
    OK(kube_delete(w->client, &configmaps, w->ns, "one", NULL, &e));
}

static void patches_and_apply(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON mine = configmap(w, "applied", "mine");
    AUTO_JSON theirs = configmap(w, "applied", "theirs");
    AUTO_JSON got = NULL;
    OK(kube_apply(w->client, &configmaps, NULL, mine, "me", false, NULL, &e));
    assert_int_equal(kube_apply(w->client, &configmaps, NULL, theirs, "them", false, NULL, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.text, "conflict with \"me\""));
    OK(kube_apply(w->client, &configmaps, NULL, theirs, "them", true, &got, &e));
    assert_string_equal(json_str_at(got, "data", "key", NULL), "theirs");
    AUTO_JSON patch = json_loads("[{\"op\":\"replace\",\"path\":\"/data/key\",\"value\":\"patched\"}]", 0, NULL);
    json_decref(got);
    OK(kube_patch(w->client, &configmaps, w->ns, "applied", NULL, KUBE_PATCH_JSON, patch, &got, &e));
    assert_string_equal(json_str_at(got, "data", "key", NULL), "patched");
    bool has;
    OK(kube_has_resource(w->client, KUBE_GVR("apps", "v1", "statefulsets"), &has, &e));
    assert_true(has);
    OK(kube_has_resource(w->client, KUBE_GVR("karpenter.sh", "v9", "nodeclaims"), &has, &e));
    assert_false(has);
}

/* client-go's csaupgrade does the same with what kubectl wrote before it knew server-side apply. */
static void what_was_created_can_be_applied(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON first = configmap(w, "made", "a");
    AUTO_JSON next = configmap(w, "made", "b");
    AUTO_JSON got = NULL;

    json_put_str(json_object_get(first, "data"), "old", "goes");
    OK(kube_create_as(w->client, &configmaps, first, "me", NULL, &e));
    AUTO_JSON theirs = json_pack("{s:{s:s}}", "data", "other", "stays");
    OK(kube_patch(w->client, &configmaps, w->ns, "made", NULL, KUBE_PATCH_MERGE, theirs, NULL, &e));
    for (int i = 0; i < 2; i++) {               /* the second time there is nothing left to do */
        OK(kube_own_as_applied(w->client, &configmaps, w->ns, "made", "me", NULL, &e));
        OK(kube_apply(w->client, &configmaps, NULL, next, "me", false, NULL, &e));
    }
    OK(kube_get(w->client, &configmaps, w->ns, "made", &got, &e));
    assert_string_equal(json_str_at(got, "data", "key", NULL), "b");
    assert_string_equal(json_str_at(got, "data", "other", NULL), "stays");
    assert_null(json_at(got, "data", "old", NULL));
    OK(kube_own_as_applied(w->client, &configmaps, w->ns, "absent", "me", "former", &e));
}

/* Who follows another manager owns what that one wrote, and nothing of third ones. */
static void what_a_former_manager_wrote_can_be_applied(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON first = configmap(w, "left", "a");
    AUTO_JSON next = configmap(w, "left", "b");
    AUTO_JSON got = NULL;

    json_put_str(json_object_get(first, "data"), "old", "goes");
    OK(kube_create_as(w->client, &configmaps, first, "former", NULL, &e));
    AUTO_JSON theirs = json_pack("{s:{s:s}}", "data", "other", "stays");
    OK(kube_patch(w->client, &configmaps, w->ns, "left", NULL, KUBE_PATCH_MERGE, theirs, NULL, &e));
    OK(kube_own_as_applied(w->client, &configmaps, w->ns, "left", "me", "former", &e));
    OK(kube_apply(w->client, &configmaps, NULL, next, "me", false, NULL, &e));      /* without force: nobody else owns them */
    OK(kube_get(w->client, &configmaps, w->ns, "left", &got, &e));
    assert_string_equal(json_str_at(got, "data", "key", NULL), "b");
    assert_string_equal(json_str_at(got, "data", "other", NULL), "stays");
    assert_null(json_at(got, "data", "old", NULL));
}

static void count_kinds(void *self, const struct kube_gvr *r, const char *kind, bool namespaced, const json_t *verbs)
{
    int *n = self;
    *n += streq(kind, "StatefulSet") && namespaced && streq(r->group, "apps") ? 1 : 0;
}

static atomic_int n_seen;
static void count_event(void *self, const json_t *old, const json_t *new_) { n_seen++; }

static bool becomes(struct informer *i, size_t n)
{
    for (int64_t until = patience_end(1700); clock_mono_ms() < until; poll(NULL, 0, 10))
        if (informer_len(i) == n)
            return true;
    return false;
}

static void kinds_are_discovered(void **state)
{
    struct err e;
    int kinds = 0;
    OK(kube_each_resource(world(state)->client, count_kinds, &kinds, &e));
    assert_int_equal(kinds, 1);
}

static void follow(struct world *w, const char *mark, bool compact)
{
    struct err e;
    AUTO_MEM char *selector = xasprintf("follow=%s", mark);
    char *names[4];
    for (int n = 0; n < 4; n++)
        names[n] = xasprintf("%s%d", mark, n);
    n_seen = 0;
    AUTO_FREE(cancel) cancel = cancel_new();
    AUTO_FREE(informers) set = informers_new(w->client);
    struct informer *i = informers_get(set, &(struct informer_opts){ .gvr = configmaps, .ns = w->ns, .label_selector = selector, .compact = compact });
    informer_on(i, &(struct informer_handler){ count_event, NULL });
    for (int n = 0; n < 3; n++) {
        AUTO_JSON o = configmap(w, names[n], "x");
        kube_set_label(o, "follow", mark);
        OK(kube_create(w->client, &configmaps, NULL, o, NULL, &e));
    }
    informers_start(set, cancel);
    OK(informers_wait_synced(set, patience_ms(1700), &e));
    assert_int_equal(informer_len(i), 3);
    AUTO_JSON first = informer_get(i, w->ns, names[0]);
    AUTO_JSON owned = configmap(w, names[3], "x");
    kube_set_label(owned, "follow", mark);
    kube_set_owner(owned, first);
    OK(kube_create(w->client, &configmaps, NULL, owned, NULL, &e));
    assert_true(becomes(i, 4));
    AUTO_JSON children = informer_owned_by(i, kube_uid(first));
    assert_int_equal(json_array_size(children), 1);
    assert_string_equal(kube_name(json_array_get(children, 0)), names[3]);
    AUTO_JSON labels = json_pack("{s:s}", "follow", mark);
    AUTO_JSON wanted = json_pack("{s:o}", "matchLabels", json_pack("{s:s}", "follow", "no"));
    AUTO_JSON all = informer_list_labels(i, w->ns, labels);
    AUTO_JSON elsewhere = informer_list_labels(i, "elsewhere", labels);
    AUTO_JSON none = informer_list(i, NULL, wanted);
    assert_int_equal(json_array_size(all), 4);
    assert_int_equal(json_array_size(elsewhere) + json_array_size(none), 0);
    AUTO_JSON unlabel = json_loads("{\"metadata\":{\"labels\":{\"follow\":null}}}", 0, NULL);
    OK(kube_patch(w->client, &configmaps, w->ns, names[1], NULL, KUBE_PATCH_MERGE, unlabel, NULL, &e));
    OK(kube_delete(w->client, &configmaps, w->ns, names[2], NULL, &e));
    assert_true(becomes(i, 2));
    assert_int_equal(n_seen, 6);
    cancel_now(cancel);
    informers_join(set);
    for (int n = 0; n < 4; n++)
        free(names[n]);
}

static void informers_follow(void **state) { follow(world(state), "f", false); }
static void compact_informers_follow(void **state) { follow(world(state), "c", true); }

static json_t *only_labels(json_t *obj)
{
    json_object_del(json_object_get(obj, "metadata"), "resourceVersion");
    json_object_del(obj, "data");
    return obj;
}

static void what_is_not_kept_makes_no_event(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_FREE(cancel) cancel = cancel_new();
    AUTO_FREE(informers) set = informers_new(w->client);
    struct informer *i = informers_get(set, &(struct informer_opts){ .gvr = configmaps, .ns = w->ns, .field_selector = "metadata.name=beats",
                                                                     .transform = only_labels, .compact = true });
    AUTO_JSON o = configmap(w, "beats", "x");
    AUTO_JSON beat = json_loads("{\"data\":{\"key\":\"y\"}}", 0, NULL);
    AUTO_JSON label = json_loads("{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", 0, NULL);
    n_seen = 0;
    informer_on(i, &(struct informer_handler){ count_event, NULL });
    OK(kube_create(w->client, &configmaps, NULL, o, NULL, &e));
    informers_start(set, cancel);
    OK(informers_wait_synced(set, patience_ms(1700), &e));
    OK(kube_patch(w->client, &configmaps, w->ns, "beats", NULL, KUBE_PATCH_MERGE, beat, NULL, &e));
    OK(kube_patch(w->client, &configmaps, w->ns, "beats", NULL, KUBE_PATCH_MERGE, label, NULL, &e));
    OK(kube_delete(w->client, &configmaps, w->ns, "beats", NULL, &e));
    assert_true(becomes(i, 0));
    assert_int_equal(n_seen, 3);        /* there, labelled, gone */
    cancel_now(cancel);
    informers_join(set);
}

static void create_in(struct world *w, const char *ns, const char *name)
{
    struct err e;
    AUTO_JSON o = configmap(w, name, "x");
    json_put_str(json_object_get(o, "metadata"), "namespace", ns);
    kube_set_label(o, "spread", "yes");
    OK(kube_create(w->client, &configmaps, NULL, o, NULL, &e));
}

static void several_namespaces_are_read_as_one(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_MEM char *second = xasprintf("%s-b", w->ns);
    AUTO_MEM char *third = xasprintf("%s-c", w->ns);
    const char *const *both = (const char *const[]){ w->ns, second, NULL };
    for (int n = 0; n < 2; n++) {
        AUTO_JSON ns = kube_object("v1", "Namespace", NULL, n ? third : second);
        OK(kube_create(w->client, KUBE_GVR("", "v1", "namespaces"), NULL, ns, NULL, &e));
    }
    AUTO_FREE(cancel) cancel = cancel_new();
    AUTO_FREE(informers) set = informers_new(w->client);
    const struct informer_opts o = { .gvr = configmaps, .namespaces = both, .label_selector = "spread=yes", .compact = true };
    struct informer *i = informers_get(set, &o);
    assert_ptr_equal(informers_get(set, &o), i);
    assert_null(informers_find(set, &configmaps));
    n_seen = 0;
    informer_on(i, &(struct informer_handler){ count_event, NULL });
    informers_start(set, cancel);
    OK(informers_wait_synced(set, patience_ms(1700), &e));
    create_in(w, w->ns, "here");
    create_in(w, second, "there");
    create_in(w, third, "elsewhere");
    create_in(w, second, "there-too");
    assert_true(becomes(i, 3));
    assert_int_equal(n_seen, 3);
    AUTO_JSON there = informer_get(i, second, "there");
    AUTO_JSON elsewhere = informer_get(i, third, "elsewhere");
    AUTO_JSON all = informer_list(i, NULL, NULL);
    AUTO_JSON some = informer_list(i, second, NULL);
    assert_string_equal(kube_namespace(there), second);
    assert_null(elsewhere);
    assert_int_equal(json_array_size(all), 3);
    assert_int_equal(json_array_size(some), 2);
    struct informer_stats stats;
    informer_stats(i, &stats);
    assert_int_equal(stats.lists, 2);
    cancel_now(cancel);
    informers_join(set);
}

static void events_are_counted(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON o = configmap(w, "eventful", "1");
    AUTO_JSON made = NULL;
    OK(kube_create(w->client, &configmaps, NULL, o, &made, &e));
    struct recorder *r = recorder_new(w->client, "kaito-test", NULL);
    for (int i = 0; i < 3; i++)
        recorder_event(r, made, EVENT_WARNING, "Broken", "it broke %s", "again");
    for (int i = 0; i < 60; i++)
        recorder_event(r, made, EVENT_NORMAL, "Spam", "number %d", i);
    recorder_free(r);
    AUTO_JSON all = NULL;
    OK(kube_list_all(w->client, &events, w->ns, &(struct kube_list_opts){ .field_selector = "involvedObject.name=eventful", .limit = 5 }, &all, &e));
    assert_in_range(json_array_size(all), 10, 23);      /* 25 writes: 3 of them one event */
    size_t i;
    json_t *ev;
    bool found = false;
    json_array_foreach(all, i, ev)
        if (streq(json_cstr(ev, "reason"), "Broken")) {
            found = true;
            assert_int_equal(json_int(ev, "count", 0), 3);
            assert_string_equal(json_str_at(ev, "source", "component", NULL), "kaito-test");
            assert_string_equal(json_cstr(ev, "reportingComponent"), "kaito-test");
            assert_string_equal(json_str_at(ev, "involvedObject", "uid", NULL), kube_uid(made));
        }
    assert_true(found);
}

static void one_leader_at_a_time(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_FREE(cancel) lost = cancel_new();
    AUTO_FREE(cancel) impatient = cancel_new();
    struct leader_opts o = { .ns = w->ns, .name = "lead", .identity = "a", .retry_ms = 100, .lease_ms = LONG_MS };
    struct leader *a = leader_new(w->client, &o);
    o.identity = "b";
    struct leader *b = leader_new(w->client, &o);
    OK(leader_acquire(a, lost, &e));
    leader_hold(a, lost);
    cancel_now(impatient);
    assert_int_equal(leader_acquire(b, impatient, &e), ERR_CANCELLED);
    assert_false(cancel_is(lost));
    leader_free(a);                             /* released: b leads at once */
    int64_t began = clock_mono_ms();
    OK(leader_acquire(b, lost, &e));
    assert_true(clock_mono_ms() - began < patience_ms(1000));
    leader_free(b);
}

/* Who is stopped for longer than the lease and wakes up must not believe that it leads. */
static void a_lease_that_is_not_renewed_runs_out(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_FREE(cancel) stop = cancel_new();
    struct leader *l = leader_new(w->client, &(struct leader_opts){ .ns = w->ns, .name = "out", .identity = "us", .lease_ms = 2500 });

    OK(leader_acquire(l, stop, &e));
    assert_true(leader_is(l));
    poll(NULL, 0, 2501);
    assert_false(leader_is(l));
    leader_free(l);
}

/* Whose clock is wrong does not matter: a lease is free when nobody renewed it for its time, by our own clock. */
static void clocks_that_differ_do_not_make_two_leaders(void **state)
{
    static const char *const times[] = { "2000-01-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z" };
    struct world *w = world(state);
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        AUTO_MEM char *name = xasprintf("skew-%zu", i);
        AUTO_JSON lease = kube_object("coordination.k8s.io/v1", "Lease", w->ns, name);
        json_put(lease, "spec", json_pack("{s:s, s:i, s:s, s:s}", "holderIdentity", "other", "leaseDurationSeconds", 1, "renewTime", times[i], "acquireTime", times[i]));
        OK(kube_create(w->client, KUBE_GVR("coordination.k8s.io", "v1", "leases"), NULL, lease, NULL, &e));
        AUTO_FREE(cancel) stop = cancel_new();
        struct leader *l = leader_new(w->client, &(struct leader_opts){ .ns = w->ns, .name = name, .identity = "us", .retry_ms = 50 });
        int64_t began = clock_mono_ms();
        OK(leader_acquire(l, stop, &e));
        assert_in_range(clock_mono_ms() - began, 900, patience_ms(1500));
        leader_free(l);
    }
}

/* However seldom who waits looks: the lease of a leader that died is taken when it runs out. */
static void a_dead_leader_is_followed_when_its_lease_runs_out(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_FREE(cancel) stop = cancel_new();
    AUTO_JSON lease = kube_object("coordination.k8s.io/v1", "Lease", w->ns, "dead");

    json_put(lease, "spec", json_pack("{s:s, s:i}", "holderIdentity", "dead", "leaseDurationSeconds", 1));
    OK(kube_create(w->client, KUBE_GVR("coordination.k8s.io", "v1", "leases"), NULL, lease, NULL, &e));
    struct leader *l = leader_new(w->client, &(struct leader_opts){ .ns = w->ns, .name = "dead", .identity = "us", .retry_ms = LONG_MS });
    int64_t began = clock_mono_ms();

    OK(leader_acquire(l, stop, &e));
    assert_in_range(clock_mono_ms() - began, 900, patience_ms(1500));
    leader_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_their_errors),
        cmocka_unit_test(patches_and_apply), cmocka_unit_test(what_was_created_can_be_applied),
        cmocka_unit_test(what_a_former_manager_wrote_can_be_applied),
        cmocka_unit_test(kinds_are_discovered), cmocka_unit_test(informers_follow), cmocka_unit_test(compact_informers_follow),
        cmocka_unit_test(what_is_not_kept_makes_no_event),
        cmocka_unit_test(several_namespaces_are_read_as_one),
        cmocka_unit_test(events_are_counted),
        cmocka_unit_test(one_leader_at_a_time), cmocka_unit_test(a_lease_that_is_not_renewed_runs_out),
        cmocka_unit_test(clocks_that_differ_do_not_make_two_leaders), cmocka_unit_test(a_dead_leader_is_followed_when_its_lease_runs_out),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
