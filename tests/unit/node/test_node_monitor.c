/* node: a pod's monitor as a process of its own, and what it leaves in the folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/thread.h"
#include "node/container_log.h"
#include "node/pod_files.h"
#include "../patience.h"

struct fixture { char folder[64]; struct arena *a; pid_t pid; };

static int set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    snprintf(f->folder, sizeof f->folder, "/tmp/kaito-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->a = arena_new();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->pid > 0) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
    }
    assert_int_equal(dir_remove(f->folder, NULL), ERR_OK);
    arena_free(f->a);
    free(f);
    return 0;
}

static struct container_plan shell(struct fixture *f, const char *name, const char *script)
{
    struct container_plan c = { .name = str_of(name), .n_argv = 3, .argv = arena_calloc(f->a, 3, sizeof(struct str)) };

    c.argv[0] = STR("/bin/sh");
    c.argv[1] = STR("-c");
    c.argv[2] = str_of(script);
    c.termination_file = str_of(arena_printf(f->a, "%s/containers/%s/termination-log", f->folder, name));
    c.env = arena_calloc(f->a, 1, sizeof(struct str));
    c.env[0] = str_of(arena_printf(f->a, "MSG=%.*s", STR_ARG(c.termination_file)));
    c.n_env = 1;
    return c;
}

static void start_monitor(struct fixture *f)
{
    AUTO_MEM char *kaito = xasprintf("%s/src/cli/kaito", getenv("KAITO_BUILD"));
    const char *argv[] = { kaito, "pod-monitor", "--dir", f->folder, NULL };
    const struct process_opts o = { .argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
    struct err e;

    assert_int_equal(process_start(&o, &f->pid, &e), ERR_OK);
}

static void plan(struct fixture *f, const char *policy, struct container_plan *init, size_t n_init, struct container_plan *main, size_t n_main)
{
    const struct pod_plan p = {
        .namespace_ = STR("default"), .name = STR("web"), .uid = STR("u1"), .pod_ip = STR("127.64.0.9"),
        .restart_policy = str_of(policy), .grace_s = 5, .init = init, .n_init = n_init, .containers = main, .n_containers = n_main,
    };
    assert_int_equal(pod_file_write(f->folder, "plan.json", &pod_plan_type, &p, NULL), ERR_OK);
}

static void wait_for_end(struct fixture *f)
{
    int status;

    assert_int_equal(process_wait(f->pid, patience_ms(3500), &status, NULL), ERR_OK);
    f->pid = 0;
    assert_int_equal(status, 0);
}

static struct pod_state state_of(struct fixture *f)
{
    struct pod_state st;

    assert_int_equal(pod_file_read(f->folder, "status.json", &pod_state_type, f->a, &st, NULL), ERR_OK);
    return st;
}

/* Looks until ok says yes; fails when its patience ends. */
static struct pod_state wait_for(struct fixture *f, bool (*ok)(const struct pod_state *))
{
    struct cancel *never = cancel_new();
    int64_t deadline = patience_end(3500);
    struct pod_state st = { 0 };

    while (pod_file_read(f->folder, "status.json", &pod_state_type, f->a, &st, NULL) || !ok(&st)) {
        assert_true(clock_mono_ms() < deadline);
        cancel_wait_ms(never, 5);       /* the file is all there is to look at */
    }
    cancel_free(never);
    return st;
}

static void containers_run_in_order_and_leave_messages(void **state)
{
    struct fixture *f = *state;
    struct container_plan init[] = { shell(f, "first", "echo one > order"), shell(f, "second", "echo two >> order") };
    struct container_plan main[] = { shell(f, "main", "cat order; echo oops >&2; echo the cause is in /host/d/x.csv > $MSG; exit 3") };
    struct path_map told = { STR("/host/d"), STR("/mnt/data") };
    AUTO_BUF text = { 0 };

    main[0].told = &told;
    main[0].n_told = 1;
    plan(f, "Never", init, 2, main, 1);
    start_monitor(f);
    wait_for_end(f);
    struct pod_state st = state_of(f);
    assert_true(st.finished);
    assert_int_equal(st.init[1].state.terminated->exit_code, 0);
    assert_true(st.init[1].ready);
    const struct state_terminated *t = st.containers[0].state.terminated;
    assert_int_equal(t->exit_code, 3);
    assert_true(str_is(t->reason, "Error"));
    assert_true(str_is(t->message, "the cause is in /mnt/data/x.csv\n"));
    AUTO_MEM char *log = xasprintf("%s/containers/main/0.log", f->folder);
    const struct log_query q = { .tail_lines = 2 };
    struct log_reader *r;
    assert_int_equal(log_reader_open(log, &q, &r, NULL), ERR_OK);
    while (log_reader_next(r, &text))
        ;
    log_reader_free(r);
    assert_true(strstr(text.p, "oops\n") && strstr(text.p, "two\n") && !strstr(text.p, "one\n"));
}

static bool restarted(const struct pod_state *st) { return st->containers[0].restart_count == 1 && st->containers[0].state.waiting; }

static void crashes_back_off(void **state)
{
    struct fixture *f = *state;
    struct container_plan main[] = { shell(f, "main", "exit 1") };

    plan(f, "Always", NULL, 0, main, 1);
    start_monitor(f);
    struct pod_state st = wait_for(f, restarted);
    assert_true(str_is(st.containers[0].state.waiting->reason, "CrashLoopBackOff"));
    assert_true(str_has_prefix(st.containers[0].state.waiting->message, STR("back-off 10s restarting failed container=main pod=web_default(u1)")));
    assert_int_equal(st.containers[0].last_state.terminated->exit_code, 1);
    kill(f->pid, SIGTERM);
    wait_for_end(f);
}

static bool running(const struct pod_state *st) { return st->containers[0].state.running != NULL; }

static void a_stop_is_graceful(void **state)
{
    struct fixture *f = *state;
    struct container_plan main[] = { shell(f, "main", "trap 'echo bye > $MSG; exit 0' TERM; while :; do sleep 0.05; done") };

    plan(f, "Always", NULL, 0, main, 1);
    start_monitor(f);
    wait_for(f, running);
    struct monitor_id id;
    assert_true(pod_monitor_find(f->folder, &id) && id.pid == f->pid);
    kill(f->pid, SIGTERM);
    wait_for_end(f);
    struct pod_state st = state_of(f);
    assert_true(st.finished && st.containers[0].state.terminated);
    assert_false(pod_monitor_find(f->folder, &id));
}

static bool was_restarted_running(const struct pod_state *st) { return st->containers[0].restart_count == 1 && st->containers[0].state.running; }

static void a_killed_monitor_is_followed_by_another(void **state)
{
    struct fixture *f = *state;
    struct container_plan main[] = { shell(f, "main", "exec sleep 60") };

    plan(f, "Always", NULL, 0, main, 1);
    start_monitor(f);
    wait_for(f, running);
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    start_monitor(f);
    struct pod_state st = wait_for(f, was_restarted_running);
    assert_int_equal(st.containers[0].last_state.terminated->exit_code, 137);
    kill(f->pid, SIGTERM);
    wait_for_end(f);
}

static bool other_runs(const struct pod_state *st) { return st->containers[1].ready; }

static void blocked_containers_wait_beside_others(void **state)
{
    struct fixture *f = *state;
    struct container_plan main[] = {
        { .name = STR("main"), .blocked_reason = STR("ErrImagePull"), .blocked_message = STR("no such image") },
        shell(f, "other", "exec sleep 60"),
    };

    plan(f, "Always", NULL, 0, main, 2);
    start_monitor(f);
    struct pod_state st = wait_for(f, other_runs);
    assert_true(str_is(st.containers[0].state.waiting->reason, "ErrImagePull"));
    assert_false(st.containers[0].ready);
    kill(f->pid, SIGTERM);
    wait_for_end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(containers_run_in_order_and_leave_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(crashes_back_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_is_graceful, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_killed_monitor_is_followed_by_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(blocked_containers_wait_beside_others, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
