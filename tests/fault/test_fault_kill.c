/*
 * The manager's process ended by SIGKILL at its writes: while one is on its way (it never arrives, or it was applied and nobody heard), the
 * program is gone with whatever it held in memory, threads and sockets. The next process comes to the end that an undisturbed one comes to.
 * test_fault_steps walks the same steps with every kind of loss; here it is the program, and the kernel that ends it.
 */
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "cluster/priv.h"
#include "program.h"

#define STRIDE 7
#define STEPS_MAX 200
#define AT_REST_MS 400                  /* no write for so long, by a manager that we cannot look into */

static const char *const options[] = { "--webhook=false", NULL };

struct step {
    struct program *program;
    unsigned n;
    enum fault_kind cut;
    _Atomic bool came;
    char what[200];
};

static void end_process(struct step *s)
{
    if (kill(s->program->child.pid, SIGKILL))
        abort();
}

static struct fault judge(void *self, const struct proxy_call *call)
{
    struct step *s = self;

    if (call->n_write != s->n)
        return (struct fault){ FAULT_NONE };
    snprintf(s->what, sizeof s->what, "%s %s", call->method, call->path);
    if (s->cut == FAULT_CUT_BEFORE)
        end_process(s);
    s->came = true;
    return (struct fault){ s->cut };
}

static void answered(void *self, const struct proxy_call *call, int status)
{
    struct step *s = self;

    if (call->n_write == s->n && s->cut == FAULT_CUT_AFTER)
        end_process(s);
}

static bool is_at_rest(struct world *w)
{
    struct proxy_counts before, now;

    proxy_counts(w->proxy, &before);
    poll(NULL, 0, AT_REST_MS);
    proxy_counts(w->proxy, &now);
    return before.writes == now.writes;
}

static void wait_for_step(struct world *w, struct step *s)
{
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; poll(NULL, 0, 5))
        if (s->came ? proxy_is_cut(w->proxy) : workspace_succeeded(w) && is_at_rest(w) && !s->came)
            return;
    fail_msg("write %u, %s: neither killed nor at an end", s->n, s->what);
}

/* False: there is no such write. */
static bool run_step(struct world *w, size_t play, unsigned n, enum fault_kind cut, const struct ends *undisturbed)
{
    struct program p = { 0 };
    struct step s = { .program = &p, .n = n, .cut = cut };

    world_begin(w, &plays[play]);
    proxy_arm(w->proxy, &(struct proxy_rules){ .judge = judge, .answered = answered, .self = &s });
    program_start(&p, w, 0, options);
    wait_for_step(w, &s);
    proxy_arm(w->proxy, NULL);
    bool came = s.came;
    AUTO_MEM char *what = xasprintf("%s, %s, killed %s (write %u)", plays[play].name, s.what, cut == FAULT_CUT_BEFORE ? "before it arrives" : "before the answer", n);

    if (came) {
        program_kill(&p);
        proxy_revive(w->proxy);
        program_start(&p, w, 0, options);
        world_expect(w, undisturbed->living, what);
        if (world_claims_ever(w) != undisturbed->claims)
            fail_msg("%s: %zu claims were made where %zu are enough", what, world_claims_ever(w), undisturbed->claims);
    }
    world_delete(w, &gvr_workspaces, "ws");
    world_expect_gone(w, undisturbed, what);
    program_kill(&p);
    return came;
}

static void walk(struct world *w, size_t play)
{
    bool all = streq(getenv("KAITO_FAULT"), "all");
    const struct ends *undisturbed = world_undisturbed(w, play);
    int64_t began = clock_mono_ms();
    unsigned steps = 0;

    for (enum fault_kind cut = FAULT_CUT_BEFORE; cut <= FAULT_CUT_AFTER; cut++)
        for (unsigned n = 1; n < STEPS_MAX && run_step(w, play, n, cut, undisturbed); n += all ? 1 : STRIDE)
            steps++;
    print_message("# %s: %u times killed, %lld ms\n", plays[play].name, steps, (long long)(clock_mono_ms() - began));
    assert_true(steps > 0);
}

/* `make test`: some of inference. */
static void at_each_write(void **state)
{
    walk(*state, PLAY_NATIVE_INFERENCE);
    if (streq(getenv("KAITO_FAULT"), "all"))
        walk(*state, PLAY_NATIVE_TUNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_each_write),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
