/*
 * An API server at its worst: it throttles, fails, applies what it says it did not, is slow, lets somebody else write first, cuts its
 * watches, forgets where they were, and loses events. The manager comes to the end that an undisturbed one comes to.
 *
 * Lost events show that informers and queue are level-triggered: nothing depends on having seen a change, only on seeing the state later.
 */
#include "world.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/map.h"
#include "cluster/priv.h"

struct run;
struct trouble {
    const char *name;
    struct fault (*judge)(struct run *r, const struct proxy_call *call);
    bool (*event)(struct run *r, unsigned n, const char *path);         /* n: of the events so far */
    int64_t forget_ms;                  /* so often all watches end with 410; 0: never */
    const char *kind;                   /* of lose_kind: the end of the watch's path */
};

struct run {
    struct world *w;
    const struct trouble *trouble;
    _Atomic unsigned n_events, n_deletes, n_calls;
    struct thread forgetter;
    struct cancel *enough;
};

static const struct fault fine = { .kind = FAULT_NONE };

/* One of so many, the same in each run, and never in step with what a manager does at each start. */
static bool nth(unsigned n, unsigned of)
{
    uint64_t mixed = hash_bytes(&n, sizeof n);

    return n > 0 && (mixed ^ mixed >> 32) % of == 0;
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------- */

static struct fault throttle(struct run *r, const struct proxy_call *c)
{
    return nth(++r->n_calls, 12) ? (struct fault){ FAULT_ANSWER, 429, .retry_after = "1" } : fine;
}

static struct fault throttle_without_a_word(struct run *r, const struct proxy_call *c)
{
    return nth(++r->n_calls, 3) ? (struct fault){ FAULT_ANSWER, 429 } : fine;
}

static struct fault fail_writes(struct run *r, const struct proxy_call *c)
{
    return nth(c->n_write, 2) ? (struct fault){ FAULT_ANSWER, 500 } : fine;
}

static struct fault fail_after_writing(struct run *r, const struct proxy_call *c)
{
    return nth(c->n_write, 2) ? (struct fault){ FAULT_ANSWER_AFTER, 500 } : fine;
}

static struct fault lose_answers(struct run *r, const struct proxy_call *c)
{
    return nth(c->n_write, 2) ? (struct fault){ .kind = FAULT_BROKEN } : fine;
}

/* Counted here (n_calls), watches too: the proxy's n_call stands still while only they are tried again, and would refuse each of them for ever. */
static struct fault fail_reads(struct run *r, const struct proxy_call *c)
{
    return !c->n_write && nth(++r->n_calls, 4) ? (struct fault){ FAULT_ANSWER, 503 } : fine;
}

static struct fault conflict_out_of_nowhere(struct run *r, const struct proxy_call *c)
{
    return nth(c->n_write, 2) ? (struct fault){ FAULT_ANSWER, 409 } : fine;
}

/* What is removed is not gone because its name has a conflict: a NodeClaim that stays costs money. */
static struct fault conflict_at_deletions(struct run *r, const struct proxy_call *c)
{
    return streq(c->method, "DELETE") && ++r->n_deletes <= 6 ? (struct fault){ FAULT_ANSWER, 409 } : fine;
}

static struct fault be_slow(struct run *r, const struct proxy_call *c) { return (struct fault){ .wait_ms = 60 }; }

/* Somebody annotates the Workspace right before each of the first writes to it. */
static struct fault write_first(struct run *r, const struct proxy_call *c)
{
    AUTO_JSON patch = json_object();
    struct err ignored;

    if (c->n_write && c->n_write < 25 && strstr(c->path, "/workspaces/ws")) {
        json_put(json_sub(json_sub(patch, "metadata"), "labels"), "touched", json_strf("%u", c->n_write));
        (void)kube_patch(r->w->user, &gvr_workspaces, r->w->ns, "ws", NULL, KUBE_PATCH_MERGE, patch, NULL, &ignored);
    }
    return fine;
}

/* ---- events ------------------------------------------------------------------------------------------------------------------ */

static bool cut_often(struct run *r, unsigned n, const char *path)
{
    if (nth(n, 4))
        proxy_end_watches(r->w->proxy, false);
    return true;
}

static bool forget_often(struct run *r, unsigned n, const char *path)
{
    if (nth(n, 4))
        proxy_end_watches(r->w->proxy, true);
    return true;
}

static bool lose_half(struct run *r, unsigned n, const char *path) { return n % 2 == 0; }
static bool lose_all(struct run *r, unsigned n, const char *path) { return false; }
static bool lose_kind(struct run *r, unsigned n, const char *path) { return !str_has_suffix(str_of(path), str_of(r->trouble->kind)); }
static bool lose_claims_and_pods(struct run *r, unsigned n, const char *path) { return !strstr(path, "/nodeclaims") && !strstr(path, "/pods"); }

static const struct trouble answer_troubles[] = {
    { "429 with Retry-After", throttle },
    { "429 without", throttle_without_a_word },
    { "every other write fails", fail_writes },
    { "every other write is applied and fails", fail_after_writing },
    { "every other answer to a write is lost", lose_answers },
    { "every fourth read is 503", fail_reads },
    { "every other write conflicts", conflict_out_of_nowhere },
    { "somebody else writes first", write_first },
    { "slow", be_slow },
    { "the first deletions conflict", conflict_at_deletions },
};

#define LOST(kind) { "events of " kind " are lost", NULL, lose_kind, 400, "/" kind }
static const struct trouble event_troubles[] = {
    { "watches are cut at every fourth event", NULL, cut_often },
    { "watches end with 410 at every fourth event", NULL, forget_often },
    { "every other event is lost", NULL, lose_half, 400 },
    { "no event arrives", NULL, lose_all, 400 },
    { "events of NodeClaims and pods are lost", NULL, lose_claims_and_pods, 400 },
    LOST("workspaces"), LOST("nodeclaims"), LOST("nodes"), LOST("pods"), LOST("services"), LOST("statefulsets"), LOST("jobs"), LOST("configmaps"),
    LOST("secrets"),
};
static const struct trouble pool_troubles[] = { LOST("nodepools"), LOST("aksnodeclasses") };

/* ---- a run --------------------------------------------------------------------------------------------------------------------- */

static struct fault judge(void *self, const struct proxy_call *call)
{
    struct run *r = self;

    return r->trouble->judge ? r->trouble->judge(r, call) : fine;
}

static bool event(void *self, const char *path, struct str line)
{
    struct run *r = self;

    return !r->trouble->event || r->trouble->event(r, ++r->n_events, path);
}

static void forget(void *arg)
{
    struct run *r = arg;

    while (!cancel_wait_ms(r->enough, r->trouble->forget_ms))
        proxy_end_watches(r->w->proxy, true);
}

/* A process that cannot start ends, and is started again. */
static void start_until_it_runs(struct world *w)
{
    struct err e;

    for (int64_t end = clock_mono_ms() + PATIENCE_MS; !world_start(w, &e); poll(NULL, 0, 20))
        if (clock_mono_ms() > end)
            fail_msg("the manager never starts: %s", e.text);
}

/* The other writer's label is no part of the picture. */
static void untouch(struct world *w)
{
    world_patch(w, &gvr_workspaces, "ws", NULL, "{\"metadata\":{\"labels\":null}}");
}

static void one_run(struct world *w, const struct play *play, const struct trouble *trouble, const struct ends *undisturbed)
{
    struct run r = { .w = w, .trouble = trouble, .enough = cancel_new() };
    AUTO_MEM char *what = xasprintf("%s, %s", play->name, trouble->name);
    int64_t began = clock_mono_ms();

    world_begin(w, play);
    proxy_arm(w->proxy, &(struct proxy_rules){ .judge = judge, .event = event, .self = &r });
    if (trouble->forget_ms)
        thread_start(&r.forgetter, "forgetter", forget, &r);
    start_until_it_runs(w);
    if (!world_until(w, workspace_succeeded)) {
        AUTO_MEM char *have = world_picture(w);

        fail_msg("%s: never succeeds: %s", what, have);
    }
    untouch(w);
    world_expect(w, undisturbed->living, what);
    assert_int_equal(world_claims_ever(w), undisturbed->claims);
    world_delete(w, &gvr_workspaces, "ws");
    world_expect_gone(w, undisturbed, what);
    world_stop(w);
    proxy_arm(w->proxy, NULL);
    cancel_now(r.enough);
    thread_join(&r.forgetter);
    cancel_free(r.enough);
    print_message("# %s: %lld ms\n", what, (long long)(clock_mono_ms() - began));
}

/* Of `make test`: one play, some of the troubles. */
static void overcome(struct world *w, const struct trouble *troubles, size_t n, size_t play)
{
    bool all = streq(getenv("KAITO_FAULT"), "all");

    for (size_t t = 0; t < n; t++)
        if (all || (play == PLAY_NATIVE_TUNING && t % 3 == 0))
            one_run(w, &plays[play], &troubles[t], world_undisturbed(w, play));
}

static void answers(void **state)
{
    for (size_t play = 0; play < N_PLAYS; play++)
        overcome(*state, answer_troubles, ARRAY_LEN(answer_troubles), play);
}

static void events(void **state)
{
    for (size_t play = 0; play < N_PLAYS; play++)
        overcome(*state, event_troubles, ARRAY_LEN(event_troubles), play);
}

/* `--node-provisioner karpenter`: one pool. */
static void karpenter(void **state)
{
    overcome(*state, answer_troubles, ARRAY_LEN(answer_troubles), PLAY_VLLM);
    overcome(*state, pool_troubles, ARRAY_LEN(pool_troubles), PLAY_VLLM);
    one_run(*state, &plays[PLAY_NATIVE_INFERENCE], &pool_troubles[0], world_undisturbed(*state, PLAY_NATIVE_INFERENCE));
}

/* With a name it plays that alone. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(events, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(karpenter, world_setup_with_pools, world_teardown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
