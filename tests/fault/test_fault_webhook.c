/*
 * The webhook's certificate is replaced, again and again, while an API server asks it about every write of a Workspace, the users' and the
 * manager's own, and while one review is held up in the middle. Nothing that is right is refused: no request ever meets a certificate that
 * the API server does not trust, and none is cut off.
 */
#include "world.h"

#include <poll.h>
#include <stdio.h>

#include "../unit/port.h"
#include "base/clock.h"
#include "cluster/priv.h"
#include "webhook/webhook.h"

#define CONFIGURATIONS KUBE_GVR("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")
#define NAME "validation.workspace.kaito.sh"
#define USERS 3
#define ENOUGH 20                       /* writes of each */
#define HELD 1000000                    /* a number that no user comes to */
#define SETTLE_MS 200                   /* our API server reads a configuration when it needs it */

struct hooked {
    struct world *w;
    struct webhook *webhook;
    struct cancel *stop;
    uint16_t port;
    _Atomic bool hold, over;
    _Atomic int waiting;                /* reviews that are held */
};

struct user { struct hooked *h; unsigned index; struct thread thread; _Atomic int done; int failed; struct err why; };

static errc review(void *self, const struct admission_request *q, struct buf *why)
{
    struct hooked *h = self;

    for (h->waiting++; h->hold; poll(NULL, 0, 2))
        ;
    h->waiting--;
    return workspace_admit(h->w->manager, q, why);
}

static json_t *hook(const struct hooked *h, const char *name, const char *group, const char *host)
{
    return json_pack("{s:s, s:{s:o}, s:[s], s:s, s:s, s:i, s:[{s:[s], s:[s], s:[s, s], s:[s]}]}", "name", name,
                     "clientConfig", "url", json_strf("https://%s:%u/validate", host, h->port), "admissionReviewVersions", "v1", "sideEffects", "None",
                     "failurePolicy", "Fail", "timeoutSeconds", 30,
                     "rules", "apiGroups", group, "apiVersions", "*", "operations", "CREATE", "UPDATE", "resources", "workspaces");
}

/* The second webhook is asked about nothing; its host is a name that the certificate must have, and a new one ends the present certificate. */
static void make_configuration(struct hooked *h)
{
    AUTO_JSON c = json_pack("{s:s, s:s, s:{s:s}, s:[o, o]}", "apiVersion", "admissionregistration.k8s.io/v1", "kind", "ValidatingWebhookConfiguration",
                            "metadata", "name", NAME, "webhooks", hook(h, NAME, "kaito.sh", "127.0.0.1"), hook(h, "names.kaito.sh", "no.such.group", "a.example"));
    struct err e;

    assert_non_null(c);
    OK(kube_create(h->w->user, CONFIGURATIONS, NULL, c, NULL, &e));
}

static void start_webhook(struct hooked *h)
{
    const struct admission_route route = { "/validate", review, h };
    const struct webhook_opts o = { .address = "127.0.0.1", .port = h->port, .ns = "kaito-workspace", .service = "workspace", .secret = "workspace-webhook-cert",
                                    .configuration = NAME, .routes = &route, .n_routes = 1, .settle_ms = SETTLE_MS };

    h->stop = cancel_new();
    h->webhook = webhook_start(h->w->user, &o, h->stop);
    webhook_lead(h->webhook);
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; !webhook_trusted(h->webhook); poll(NULL, 0, 5))
        assert_true(clock_mono_ms() < end);
}

static void rotate(struct hooked *h, unsigned turn)
{
    AUTO_JSON patch = json_pack("[{s:s, s:s, s:o}]", "op", "replace", "path", "/webhooks/1/clientConfig/url",
                                "value", json_strf("https://turn-%u.example:%u/validate", turn, h->port));
    struct webhook_stats s = { 0 };
    struct err e;

    assert_non_null(patch);
    OK(kube_patch(h->w->user, CONFIGURATIONS, NULL, NAME, NULL, KUBE_PATCH_JSON, patch, NULL, &e));
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; s.rotations < turn; poll(NULL, 0, 5)) {
        webhook_stats(h->webhook, &s);
        if (clock_mono_ms() > end)
            fail_msg("the certificate was replaced %llu times, not %u", (unsigned long long)s.rotations, turn);
    }
}

/* A user's write, which the webhook is asked about. */
static errc touch(struct hooked *h, const char *name, int n, struct err *e)
{
    AUTO_JSON patch = json_pack("{s:{s:{s:o}}}", "metadata", "labels", "touched", json_strf("%d", n));

    return kube_patch(h->w->user, &gvr_workspaces, h->w->ns, name, NULL, KUBE_PATCH_MERGE, patch, NULL, e);
}

static void write_all_the_time(void *arg)
{
    struct user *u = arg;
    AUTO_MEM char *name = xasprintf("user-%u", u->index);
    struct err e;

    while (!u->h->over) {
        u->done++;
        if (touch(u->h, name, u->done, &e)) {
            u->failed++;
            u->why = e;
        }
    }
}

static void make_workspaces(struct world *w)
{
    for (unsigned i = 0; i < USERS; i++) {
        AUTO_MEM char *yaml = xasprintf("apiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata: {name: user-%u, annotations: {" NATIVE "}}\n"
                                        "resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {apps: user-%u}}}\n" INFERENCE, i, i);

        world_make(w, yaml);
    }
}

static void no_admission_fails(struct user *users)
{
    for (unsigned i = 0; i < USERS; i++) {
        if (users[i].failed)
            fail_msg("user %u: %d of %d writes failed: %s", i, users[i].failed, users[i].done, users[i].why.text);
    }
}

/* A slow machine changes certificates faster than it writes. */
static void wait_for_writes(const struct user *users)
{
    for (unsigned i = 0; i < USERS; i++)
        for (int64_t end = clock_mono_ms() + PATIENCE_MS; users[i].done <= ENOUGH; poll(NULL, 0, 5))
            assert_true(clock_mono_ms() < end);
}

static void held_write(void *arg)
{
    struct user *u = arg;

    u->done = 1;
    u->failed = touch(u->h, "user-0", HELD, &u->why) ? 1 : 0;
}

/* One review is under way from before the new certificate until after it. */
static void rotate_mid_request(struct hooked *h, unsigned turn)
{
    struct user held = { .h = h };

    h->hold = true;
    thread_start(&held.thread, "held", held_write, &held);
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; !h->waiting; poll(NULL, 0, 2))
        assert_true(clock_mono_ms() < end);
    rotate(h, turn);
    assert_true(h->waiting > 0);
    h->hold = false;
    thread_join(&held.thread);
    if (held.failed)
        fail_msg("the review that was under way failed: %s", held.why.text);
}

static void certificates_change_and_nobody_notices(void **state)
{
    struct world *w = world_new(MACHINES_OF_CLAIMS);
    struct hooked h = { .w = w, .port = test_free_port() };
    struct user users[USERS] = { 0 };
    unsigned turn = 0, turns = streq(getenv("KAITO_FAULT"), "all") ? 12 : 3;
    struct webhook_stats stats;
    struct err e;

    assert_true(world_start(w, &e));
    make_configuration(&h);
    start_webhook(&h);
    make_workspaces(w);
    rotate_mid_request(&h, ++turn);
    for (unsigned i = 0; i < USERS; i++) {
        users[i] = (struct user){ .h = &h, .index = i };
        thread_start(&users[i].thread, "user", write_all_the_time, &users[i]);
    }
    while (turn < turns)
        rotate(&h, ++turn);
    rotate_mid_request(&h, ++turn);
    wait_for_writes(users);
    h.over = true;
    for (unsigned i = 0; i < USERS; i++)
        thread_join(&users[i].thread);
    webhook_stats(h.webhook, &stats);
    print_message("# %u certificates, %llu reviews\n", turn, (unsigned long long)stats.requests);
    no_admission_fails(users);
    OK(kube_delete(w->user, CONFIGURATIONS, NULL, NAME, NULL, &e));
    cancel_now(h.stop);
    webhook_join(h.webhook);
    cancel_free(h.stop);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_change_and_nobody_notices),
    };

    world_log();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
