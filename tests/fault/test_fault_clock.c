/*
 * Clocks that disagree: the manager's wall clock is most of an hour ahead of the API server's and everybody else's, or behind. Nothing that
 * it decides may hang on the difference: not the end of a Workspace, not who leads, not whether its certificate is valid.
 */
#include <poll.h>
#include <stdio.h>

#include "../unit/port.h"
#include "base/clock.h"
#include "base/yaml.h"
#include "cluster/priv.h"
#include "program.h"

#define SKEW_S 3000                     /* a certificate is valid from an hour before it was made */
#define HAND_OVER_MS 1000               /* by a machine at rest after a clean stop */
#define LEASE_MS 15000
#define LOOKS_MS 3500                   /* who waits looks every second: time to be wrong in */

static bool is_whole(void) { return streq(getenv("KAITO_FAULT"), "all"); }

static const int64_t skews[] = { SKEW_S, -SKEW_S };

static void a_workspace_lives_and_dies(void **state)
{
    static const char *const options[] = { "--webhook=false", NULL };
    static const size_t played[] = { PLAY_NATIVE_INFERENCE, PLAY_NATIVE_TUNING };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(skews) * ARRAY_LEN(played); i++) {
        size_t play = played[i % ARRAY_LEN(played)];
        int64_t skew_s = skews[i / ARRAY_LEN(played)];
        const struct ends *undisturbed = world_undisturbed(w, play);
        AUTO_MEM char *what = xasprintf("%s, the manager's clock %lld s apart", plays[play].name, (long long)skew_s);
        struct program p = { 0 };

        world_begin(w, &plays[play]);
        program_start(&p, w, skew_s, options);
        world_expect(w, undisturbed->living, what);
        assert_int_equal(world_claims_ever(w), undisturbed->claims);
        world_delete(w, &gvr_workspaces, "ws");
        world_expect_gone(w, undisturbed, what);
        program_kill(&p);
    }
}

/* ---- who leads -------------------------------------------------------------------------------------------------------------------- */

static char *holder(struct world *w)
{
    AUTO_JSON lease = NULL;
    struct err e;
    errc rc = kube_get(w->user, KUBE_GVR("coordination.k8s.io", "v1", "leases"), "kaito-workspace", "ef60f9b0.io", &lease, &e);
    const char *id = rc ? NULL : json_str_at(lease, "spec", "holderIdentity", NULL);

    return xstrdup(id ? id : "");
}

/* Somebody else than `before`, who may be nobody (""). How long that took; the new one in *out. */
static int64_t wait_for_another(struct world *w, const char *before, int64_t at_most_ms, char **out)
{
    int64_t began = clock_mono_ms();

    for (;; poll(NULL, 0, 10)) {
        AUTO_MEM char *now = holder(w);

        if (*now && !streq(now, before)) {
            *out = TAKE(now);
            return clock_mono_ms() - began;
        }
        if (clock_mono_ms() - began > at_most_ms)
            fail_msg("%s is not followed by another within %lld ms", *before ? before : "nobody", (long long)at_most_ms);
    }
}

static const char *const electing[] = { "--webhook=false", "--leader-elect", NULL };

static void the_lease_is_not_taken_from_who_lives(void **state)
{
    struct world *w = *state;
    size_t n = is_whole() ? ARRAY_LEN(skews) : 1;

    for (size_t i = 0; i < n; i++) {
        struct program first = { 0 }, second = { 0 };
        AUTO_MEM char *last = holder(w);
        AUTO_MEM char *leads = NULL;
        AUTO_MEM char *next = NULL;

        program_start(&first, w, skews[i], electing);
        (void)wait_for_another(w, last, LEASE_MS + patience_ms(1700), &leads);
        program_start(&second, w, -skews[i], electing);
        for (int64_t end = clock_mono_ms() + LOOKS_MS; clock_mono_ms() < end; poll(NULL, 0, 100)) {
            AUTO_MEM char *now = holder(w);

            assert_string_equal(leads, now);
        }
        program_stop(&first);
        int64_t took = wait_for_another(w, leads, patience_ms(10000), &next);

        print_message("# clocks %lld s apart: a hand-over of %lld ms\n", (long long)(2 * skews[i]), (long long)took);
        assert_true(took < patience_ms(HAND_OVER_MS));
        program_stop(&second);
    }
}

/* No hand-over: the lease must run out, by the monotonic clock of whoever waits. */
static void a_dead_leader_is_followed_in_time(void **state)
{
    struct world *w = *state;
    struct program first = { 0 }, second = { 0 };
    AUTO_MEM char *last = holder(w);
    AUTO_MEM char *leads = NULL;
    AUTO_MEM char *next = NULL;

    if (!is_whole())
        return;                         /* a lease long */
    program_start(&first, w, -SKEW_S, electing);
    (void)wait_for_another(w, last, LEASE_MS + patience_ms(1700), &leads);
    program_start(&second, w, SKEW_S, electing);
    poll(NULL, 0, 2500);                /* it has seen the lease */
    program_kill(&first);
    int64_t took = wait_for_another(w, leads, LEASE_MS + patience_ms(5000), &next);

    print_message("# a dead leader was followed after %lld ms\n", (long long)took);
    assert_true(took > LEASE_MS - 5000);
    program_stop(&second);
}

/* ---- the certificate ------------------------------------------------------------------------------------------------------------------ */

#define CONFIGURATIONS KUBE_GVR("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")

static void make_configuration(struct world *w, unsigned port)
{
    AUTO_JSON c = json_pack("{s:s, s:s, s:{s:s}, s:[{s:s, s:{s:o}, s:[s], s:s, s:s, s:[{s:[s], s:[s], s:[s], s:[s]}]}]}",
                            "apiVersion", "admissionregistration.k8s.io/v1", "kind", "ValidatingWebhookConfiguration",
                            "metadata", "name", "validation.workspace.kaito.sh", "webhooks", "name", "validation.workspace.kaito.sh",
                            "clientConfig", "url", json_strf("https://127.0.0.1:%u/validate/workspace.kaito.sh", port), "admissionReviewVersions", "v1",
                            "sideEffects", "None", "failurePolicy", "Fail",
                            "rules", "apiGroups", "kaito.sh", "apiVersions", "*", "operations", "CREATE", "resources", "workspaces");
    struct err e;

    assert_non_null(c);
    OK(kube_create(w->user, CONFIGURATIONS, NULL, c, NULL, &e));
}

static const char wrong[] = "{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: wrong}, resource: {labelSelector: {matchLabels: {a: b}}}}";

/* What is wrong is refused in the webhook's own words: it was reached, and its certificate believed. */
static void the_webhook_is_believed(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < (is_whole() ? 2 : 1); i++) {
        AUTO_MEM char *port = xasprintf("%u", test_free_port());
        const char *const options[] = { "--webhook-port", port, NULL };
        AUTO_JSON ws = NULL;
        struct program p = { 0 };
        struct err e = { 0 };

        world_namespace(w);
        OK(yaml_parse(str_of(wrong), &ws, &e));
        json_put_str(json_object_get(ws, "metadata"), "namespace", w->ns);
        make_configuration(w, (unsigned)strtoul(port, NULL, 10));
        program_start(&p, w, skews[i], options);
        bool told = false;

        for (int64_t end = clock_mono_ms() + PATIENCE_MS; !told && clock_mono_ms() < end; poll(NULL, 0, 20)) {
            assert_true(kube_create(w->user, &gvr_workspaces, NULL, ws, NULL, &e) != ERR_OK);
            told = strstr(e.text, "admission webhook \"validation.workspace.kaito.sh\" denied the request") != NULL;
        }
        if (!told)
            fail_msg("the clock %lld s apart: %s", (long long)skews[i], e.text);
        program_stop(&p);
        OK(kube_delete(w->user, CONFIGURATIONS, NULL, "validation.workspace.kaito.sh", NULL, &e));
        OK(kube_delete(w->user, &gvr_secrets, "kaito-workspace", "workspace-webhook-cert", NULL, &e));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_workspace_lives_and_dies),
        cmocka_unit_test(the_lease_is_not_taken_from_who_lives),
        cmocka_unit_test(a_dead_leader_is_followed_in_time),
        cmocka_unit_test(the_webhook_is_believed),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
