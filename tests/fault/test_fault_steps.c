/*
 * The manager is killed, and the Workspace deleted, at every write that it sends to the API: before the write arrives, after it was
 * applied but before the answer, and with a write that arrives only long after its sender is dead. Whatever happens, the next manager
 * comes to the end that an undisturbed one comes to; there is never a claim too many; and once a Workspace is deleted nothing is left.
 *
 * `make test` walks the first claim's and every STRIDE-th step, `make test-fault` (KAITO_FAULT=all) all of them.
 */
#include "world.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "cluster/priv.h"

#define STRIDE 9
#define FIRST_CLAIM 4
#define STEPS_MAX 200

/* ---- what goes wrong --------------------------------------------------------------------------------------------------------- */

static const struct mode {
    const char *name;
    enum fault_kind kill;
    bool delete_before, delete_after;   /* the user deletes the Workspace around this write */
} modes[] = {
    { "killed before it arrives", FAULT_CUT_BEFORE },
    { "killed before the answer", FAULT_CUT_AFTER },
    { "killed, and it arrives late", FAULT_CUT_LATE },
    { "deleted before it arrives", .delete_before = true },
    { "deleted before the answer", .delete_after = true },
    { "deleted and killed before the answer", FAULT_CUT_AFTER, .delete_before = true },
    { "killed before it arrives, and deleted", FAULT_CUT_BEFORE, .delete_after = true },
    { "killed and deleted, and it arrives late", FAULT_CUT_LATE, .delete_before = true },
};

struct step {                           /* the n-th write, which the rules of the proxy wait for */
    struct world *w;
    const struct mode *mode;
    unsigned n;
    _Atomic bool came;
    bool again;                         /* it creates what is there already, because a cache had not seen it */
    char what[200];
};

static void delete_workspace(struct step *s)
{
    struct err ignored;

    (void)kube_delete(s->w->user, &gvr_workspaces, s->w->ns, "ws", NULL, &ignored);
}

static bool is_made(struct world *w, struct str claim)
{
    AUTO_JSON wanted = NULL;
    struct err e;

    assert_int_equal(json_parse(claim, &wanted, &e), ERR_OK);
    AUTO_JSON there = world_get(w, &w->kind->gvr, kube_name(wanted));

    return there != NULL;
}

static struct fault judge(void *self, const struct proxy_call *call)
{
    struct step *s = self;

    if (call->n_write != s->n)
        return (struct fault){ FAULT_NONE };
    snprintf(s->what, sizeof s->what, "%s %s", call->method, call->path);
    s->again = streq(call->method, "POST") && strstr(call->path, s->w->kind->gvr.resource) && is_made(s->w, call->body);
    if (s->mode->delete_before || (s->mode->delete_after && s->mode->kill == FAULT_CUT_BEFORE))
        delete_workspace(s);
    s->came = true;
    return (struct fault){ s->mode->kill };
}

static void answered(void *self, const struct proxy_call *call, int status)
{
    struct step *s = self;

    if (call->n_write == s->n && s->mode->delete_after)
        delete_workspace(s);
}

static void arm(struct step *s)
{
    proxy_arm(s->w->proxy, &(struct proxy_rules){ .judge = judge, .answered = answered, .self = s });
}

/* ---- one run ------------------------------------------------------------------------------------------------------------------ */

static bool deletes(const struct mode *m) { return m->delete_before || m->delete_after; }

/* Until what the step does has happened, or the play is over without it. */
static void wait_for_step(struct step *s)
{
    struct world *w = s->w;

    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; poll(NULL, 0, 5))
        if (!s->came ? workspace_succeeded(w) && world_is_quiet(w) && !s->came : s->mode->kill ? proxy_is_cut(w->proxy) : workspace_gone(w))
            return;
    fail_msg("write %u, %s %s: neither killed nor at an end", s->n, s->what, s->mode->name);
}

static bool is_cut(struct world *w) { return proxy_is_cut(w->proxy); }

static void start_again(struct world *w, const char *what)
{
    struct err e;

    if (!world_until(w, is_cut))        /* the write may be seen before its sender is cut off */
        fail_msg("%s: never cut off", what);
    world_stop(w);
    proxy_revive(w->proxy);
    proxy_arm(w->proxy, NULL);
    if (!world_start(w, &e))
        fail_msg("%s: the next manager does not start: %s", what, e.text);
}

static void expect_life(struct world *w, const struct ends *undisturbed, const char *what)
{
    bool was_late = false;
    struct err e;

    world_expect(w, undisturbed->living, what);
    OK(proxy_deliver(w->proxy, &was_late, &e));
    if (was_late) {
        world_wait_quiet(w);
        world_expect(w, undisturbed->living, what);
    }
    if (world_claims_ever(w) != undisturbed->claims)
        fail_msg("%s: %zu claims were made where %zu are enough", what, world_claims_ever(w), undisturbed->claims);
}

/*
 * A write that was on its way all the time arrives when nothing is left that it belongs to. One that creates a claim once more, which would have found it
 * there, is then a creation indeed; what it makes goes, too.
 */
static void expect_no_afterlife(struct world *w, const struct ends *undisturbed, bool again, const char *what)
{
    struct ends ends = *undisturbed;    /* lent texts */
    bool was_late = false;
    struct err e;

    ends.claims += again ? 1 : 0;
    OK(proxy_deliver(w->proxy, &was_late, &e));
    if (was_late)
        world_expect_gone(w, &ends, what);
}

/* Life up to and beyond the n-th write. False: there is no such write. */
static bool run_life(struct world *w, const struct play *play, const struct mode *mode, unsigned n, const struct ends *undisturbed)
{
    struct step s = { .w = w, .mode = mode, .n = n };
    struct err e;

    world_begin(w, play);
    arm(&s);
    if (world_start(w, &e))
        wait_for_step(&s);
    bool came = s.came;

    proxy_arm(w->proxy, NULL);      /* its rules point here */
    if (!came) {
        world_delete(w, &gvr_workspaces, "ws");
        world_expect_gone(w, undisturbed, play->name);
        world_stop(w);
        return false;
    }
    AUTO_MEM char *what = xasprintf("%s, %s %s (write %u)", play->name, s.what, mode->name, n);

    if (mode->kill)
        start_again(w, what);
    if (!deletes(mode))
        expect_life(w, undisturbed, what);
    world_delete(w, &gvr_workspaces, "ws");
    world_expect_gone(w, undisturbed, what);
    expect_no_afterlife(w, undisturbed, s.again, what);
    world_stop(w);
    return true;
}

/* The n-th write after the user deleted it. */
static bool run_deletion(struct world *w, const struct play *play, const struct mode *mode, unsigned n, const struct ends *undisturbed)
{
    struct step s = { .w = w, .mode = mode, .n = n };
    struct err e;

    world_begin(w, play);
    proxy_arm(w->proxy, NULL);
    OK(world_start(w, &e) ? ERR_OK : e.code);
    world_expect(w, undisturbed->living, "before the deletion");
    arm(&s);
    world_delete(w, &gvr_workspaces, "ws");
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end && !proxy_is_cut(w->proxy) && !workspace_gone(w);)
        poll(NULL, 0, 5);
    if (!s.came)
        world_wait_quiet(w);
    bool came = s.came;
    proxy_arm(w->proxy, NULL);
    AUTO_MEM char *what = xasprintf("deletion of %s, %s %s (write %u)", play->name, s.what, mode->name, n);

    if (came)
        start_again(w, what);
    world_expect_gone(w, undisturbed, what);
    world_stop(w);
    return came;
}

/* The templates are written first, then the first machine is asked for: that one is always walked. */
static unsigned next_step(unsigned n, bool all) { return all ? n + 1 : n == 1 ? FIRST_CLAIM : n + STRIDE; }

static void walk(struct world *w, const struct play *play, const struct mode *mode, const struct ends *undisturbed,
                 bool (*run)(struct world *, const struct play *, const struct mode *, unsigned, const struct ends *))
{
    bool all = streq(getenv("KAITO_FAULT"), "all");
    unsigned n = 1, steps = 0;
    int64_t began = clock_mono_ms();

    for (; n < STEPS_MAX && run(w, play, mode, n, undisturbed); n = next_step(n, all))
        steps++;
    proxy_arm(w->proxy, NULL);
    print_message("# %s, %s: %u steps, %lld ms\n", play->name, mode->name, steps, (long long)(clock_mono_ms() - began));
    assert_true(steps > 0);
}

/* ---- the cases ----------------------------------------------------------------------------------------------------------------- */

/* Of `make test`: one play in all modes, another's deletion. */
static bool is_asked_for(size_t play, bool deletion)
{
    return streq(getenv("KAITO_FAULT"), "all") || play == (deletion ? PLAY_VLLM : PLAY_NATIVE_TUNING);
}

static void play_in(struct world *w, size_t play, size_t n_modes,
                    bool (*run)(struct world *, const struct play *, const struct mode *, unsigned, const struct ends *))
{
    for (size_t m = 0; m < n_modes; m++)
        walk(w, &plays[play], &modes[m], world_undisturbed(w, play), run);
}

static void every_step(struct world *w, size_t play)
{
    if (is_asked_for(play, false))
        play_in(w, play, ARRAY_LEN(modes), run_life);
    if (is_asked_for(play, true))
        play_in(w, play, 2, run_deletion);      /* killed: before, after */
}

/* A NodePool instead of claims: `--node-provisioner karpenter`. */
static void karpenter(void **state)
{
    struct world *w = *state;
    bool all = streq(getenv("KAITO_FAULT"), "all");

    play_in(w, PLAY_VLLM, all ? ARRAY_LEN(modes) : 1, run_life);
    play_in(w, PLAY_NATIVE_INFERENCE, all ? 2 : 1, run_deletion);
}

/* Legacy Machines, where the cluster knows no NodeClaims. */
static void machines(void **state)
{
    struct world *w = *state;
    bool all = streq(getenv("KAITO_FAULT"), "all");

    play_in(w, PLAY_VLLM, all ? ARRAY_LEN(modes) : 3, run_life);         /* killed: before, after, late */
    play_in(w, PLAY_NATIVE_INFERENCE, all ? 2 : 1, run_deletion);
}

static void native_inference(void **state) { every_step(*state, PLAY_NATIVE_INFERENCE); }
static void native_tuning(void **state) { every_step(*state, PLAY_NATIVE_TUNING); }
static void vllm_on_several_nodes(void **state) { every_step(*state, PLAY_VLLM); }
static void upstreams_tuning(void **state) { every_step(*state, PLAY_UPSTREAM_TUNING); }

/* With a name it plays that alone: `make test-fault` has them side by side. */
int main(int argc, char **argv)
{
#define T(f, setup) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(native_inference, world_setup), T(native_tuning, world_setup), T(vllm_on_several_nodes, world_setup), T(upstreams_tuning, world_setup), T(karpenter, world_setup_with_pools),
        T(machines, world_setup_with_machines),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
