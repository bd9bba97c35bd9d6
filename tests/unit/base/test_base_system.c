/* base: errors, arenas, files, processes, threads, options, certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/process.h"
#include "base/process_metrics.h"
#include "base/thread.h"
#include "base/tls.h"

static void errors_carry_context(void **state)
{
    (void)state;
    struct err e;

    assert_int_equal(err_sys(&e, ENOENT, "open %s", "x"), ERR_NOT_FOUND);
    assert_int_equal(err_wrap(&e, "model %s", "phi"), ERR_NOT_FOUND);
    assert_string_equal(e.text, "model phi: open x: No such file or directory");
    char big[3000];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    (void)err_set(&e, ERR_INVALID, "%s", big);
    assert_true(str_has_suffix(str_of(e.text), STR("...")));
    assert_int_equal(err_from_http(409), ERR_CONFLICT);
    assert_int_equal(err_from_http(418), ERR_BAD_REQUEST);
}

static int cleanups;
static void count(void *p) { cleanups += *(int *)p; }

static void arena_runs_cleanups(void **state)
{
    (void)state;
    int one = 1;
    struct arena *a = arena_new();

    for (size_t i = 0; i < 3000; i++) {
        char *p = arena_alloc(a, i);
        for (size_t k = 0; k < i; k++)
            assert_int_equal(p[k], 0);
        memset(p, 0xAA, i);
    }
    arena_defer(a, count, &one);
    arena_clear(a);
    assert_int_equal(cleanups, 1);
    assert_string_equal(arena_printf(a, "%d-%s", 7, "x"), "7-x");
    arena_free(a);
    assert_int_equal(cleanups, 1);
}

static void files_are_replaced_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/kaito-test-XXXXXX";
    struct err e;
    AUTO_BUF b = { 0 };

    assert_non_null(mkdtemp(folder));
    AUTO_MEM char *sub = path_join(folder, "a/b/c"), *file = path_join(sub, "f");
    assert_int_equal(dir_make(sub, 0700, &e), ERR_OK);
    assert_int_equal(file_write_atomic(file, STR("one"), 0600, &e), ERR_OK);
    assert_int_equal(file_write_atomic(file, STR("two"), 0600, &e), ERR_OK);
    assert_int_equal(file_read(file, 100, &b, &e), ERR_OK);
    assert_string_equal(b.p, "two");
    assert_int_equal(file_read(file, 2, &b, &e), ERR_TOO_LARGE);
    int fd, other;
    AUTO_MEM char *lock = path_join(folder, "lock");
    assert_int_equal(file_lock(lock, &fd, &e), ERR_OK);
    assert_int_equal(file_lock(lock, &other, &e), ERR_CONFLICT);
    close(fd);
    char **names;
    size_t n;
    assert_int_equal(dir_list(sub, &names, &n, &e), ERR_OK);
    assert_int_equal(n, 1);
    strv_free(names, n);
    assert_int_equal(dir_remove(folder, &e), ERR_OK);
    assert_false(dir_exists(folder));
}

static long file_pages_resident(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long size = 0, resident = 0, shared = 0;

    assert_int_equal(fscanf(f, "%ld %ld %ld", &size, &resident, &shared), 3);
    fclose(f);
    return shared;
}

static void forgotten_maps_leave_memory_and_come_back(void **state)
{
    enum { BYTES = 8 << 20 };
    AUTO_MEM char *path = xasprintf("/tmp/test-map-%d", (int)getpid()), *bytes = xmalloc(BYTES);
    struct file_map m;
    struct err e;
    unsigned sum = 0;

    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    assert_int_equal(file_write_atomic(path, str_n(bytes, BYTES), 0600, &e), ERR_OK);
    assert_int_equal(file_map_open(path, &m, &e), ERR_OK);
    unlink(path);
    for (size_t i = 0; i < BYTES; i += 512)
        sum += m.p[i];
    long before = file_pages_resident();
    file_map_forget(m.p + 100, BYTES - 200);
    assert_in_range(before - file_pages_resident(), BYTES / 4096 - 300, BYTES / 4096);
    assert_memory_equal(m.p, bytes, BYTES);
    assert_int_not_equal(sum, 0);
    file_map_close(&m);
}

static void processes_report_failures_and_times(void **state)
{
    (void)state;
    struct err e;
    pid_t pid;
    int status;
    const char *missing[] = { "/no/such/program", NULL }, *sleeper[] = { "sleep", "60", NULL };
    struct process_opts o = { .argv = missing, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };

    assert_int_equal(process_start(&o, &pid, &e), ERR_NOT_FOUND);
    o.argv = sleeper;
    o.die_with_parent = true;
    assert_int_equal(process_start(&o, &pid, &e), ERR_OK);
    unsigned long long ticks = process_start_ticks(pid);
    assert_true(ticks > 0 && process_is(pid, ticks) && !process_is(pid, ticks + 1));
    assert_int_equal(process_wait(pid, 20, &status, &e), ERR_TIMEOUT);
    kill(pid, SIGKILL);
    assert_int_equal(process_wait(pid, 5000, &status, &e), ERR_OK);
    assert_true(WIFSIGNALED(status));
    assert_false(process_is(pid, ticks));
}

struct worker { struct mutex mu; struct cond cond; struct cancel *cancel; int hits; };
static void hit(void *arg)
{
    struct worker *w = arg;
    LOCK_SCOPE(&w->mu);
    w->hits++;
    cond_signal(&w->cond);
}
static void wait_for_cancel(void *arg)
{
    struct worker *w = arg;
    assert_true(cancel_wait_ms(w->cancel, -1));
    hit(w);
}

static void cancel_wakes_threads_and_hooks(void **state)
{
    (void)state;
    struct worker w = { .cancel = cancel_new() };
    struct thread t = { 0 };

    mutex_init(&w.mu);
    cond_init(&w.cond);
    thread_start(&t, "worker", wait_for_cancel, &w);
    cancel_hook_add(w.cancel, hit, &w);
    assert_false(cancel_is(w.cancel));
    cancel_now(w.cancel);
    cancel_now(w.cancel);
    thread_join(&t);
    assert_int_equal(w.hits, 2);
    cancel_hook_add(w.cancel, hit, &w);
    assert_int_equal(w.hits, 3);
    mutex_lock(&w.mu);
    assert_false(cond_wait_until(&w.cond, &w.mu, clock_mono_ms() + 5));
    mutex_unlock(&w.mu);
    cancel_free(w.cancel);
    cond_done(&w.cond);
    mutex_done(&w.mu);
}

/* The descriptor is made when it is asked for: before or after, it is readable once cancelled. */
static void a_cancelled_descriptor_is_readable(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        AUTO_FREE(cancel) c = cancel_new();
        struct pollfd p = { .events = POLLIN };
        p.fd = early ? cancel_fd(c) : -1;
        assert_int_equal(poll(&p, 1, 0), 0);
        cancel_now(c);
        p.fd = cancel_fd(c);
        assert_int_equal(poll(&p, 1, 0), 1);
        assert_int_equal(cancel_fd(c), p.fd);
    }
}

static errc parse(const char **argv, int argc, const char **name, int64_t *n, bool *flag, struct strlist *args, struct err *e)
{
    const struct option_row rows[] = {
        { "name", 'n', OPT_STR, name, "NAME", "a name", NULL, true },
        { "count", 0, OPT_INT, n, "N", "a number", "KAITO_TEST_COUNT", false, 1, 100 },
        { "flag", 0, OPT_BOOL, flag, NULL, "a flag", NULL, false },
    };
    const struct command_help help = { "test [options]", "A test.", NULL };
    return options_parse(rows, ARRAY_LEN(rows), &help, argc, (char **)(uintptr_t)argv, args, e);
}

static void options_are_checked(void **state)
{
    (void)state;
    const char *name = NULL;
    int64_t n = 1;
    bool flag = true;
    struct strlist args = { 0 };
    struct err e;
    const char *good[] = { "t", "--name=x", "--no-flag", "pos", "--count", "7" };
    const char *bad[] = { "t", "-n", "x", "--count", "seven" };

    assert_int_equal(parse(good, 6, &name, &n, &flag, &args, &e), ERR_OK);
    assert_string_equal(name, "x");
    assert_true(n == 7 && !flag && args.n == 1);
    assert_int_equal(parse(bad, 5, &name, &n, &flag, &args, &e), ERR_BAD_REQUEST);
    assert_string_equal(e.text, "--count: \"seven\" is not a whole number");
    bad[4] = "101";
    assert_int_equal(parse(bad, 5, &name, &n, &flag, &args, &e), ERR_BAD_REQUEST);
    assert_string_equal(e.text, "--count: 101 is not from 1 to 100");
    assert_int_equal(parse(good, 1, &name, &n, &flag, &args, &e), ERR_BAD_REQUEST);
    assert_non_null(strstr(e.text, "--name NAME is required"));
    setenv("KAITO_TEST_COUNT", "11", 1);
    assert_int_equal(parse(good, 2, &name, &n, &flag, &args, &e), ERR_OK);
    assert_int_equal(n, 11);
    const char *joined[] = { "t", "-n=y=z" }, *unknown[] = { "t", "-m=y" };
    assert_int_equal(parse(joined, 2, &name, &n, &flag, &args, &e), ERR_OK);
    assert_string_equal(name, "y=z");
    assert_int_equal(parse(unknown, 2, &name, &n, &flag, &args, &e), ERR_BAD_REQUEST);
    assert_string_equal(e.text, "unknown option -m=y; --help lists the options");
    /* as Go's programs are called */
    const char *go[] = { "t", "-name=z", "-flag=T", "-count", "9" }, *neither[] = { "t", "-n=y", "--flag=yes" };
    flag = false;
    assert_int_equal(parse(go, 5, &name, &n, &flag, &args, &e), ERR_OK);
    assert_string_equal(name, "z");
    assert_true(flag && n == 9);
    assert_int_equal(parse(neither, 3, &name, &n, &flag, &args, &e), ERR_BAD_REQUEST);
    assert_string_equal(e.text, "--flag: \"yes\" is neither true nor false");
    strlist_done(&args);
}

static double metric(struct buf *text, const char *name)
{
    AUTO_MEM char *start = xasprintf("\n%s ", name);
    const char *at = strstr(buf_cstr(text), start);

    if (!at)
        fail_msg("no %s", name);
    return at ? strtod(at + strlen(start), NULL) : 0;
}

/* Beside what the system says by other ways. */
static void a_process_counts_itself(void **state)
{
    AUTO_BUF text = { 0 };
    struct rusage used;

    process_metrics(&text);
    double files = metric(&text, "process_open_fds"), started = metric(&text, "process_start_time_seconds"), now = (double)clock_wall_ms() / 1000;

    assert_true(started > now - 3600 && started < now + 2);
    assert_true(files >= 3 && files < metric(&text, "process_max_fds"));
    assert_int_equal(getrusage(RUSAGE_SELF, &used), 0);
    assert_true(metric(&text, "process_resident_memory_bytes") > 1e5 && metric(&text, "process_resident_memory_bytes") <= 1024. * (double)used.ru_maxrss);
    assert_true(metric(&text, "process_virtual_memory_bytes") > metric(&text, "process_resident_memory_bytes"));
    assert_true(metric(&text, "process_virtual_memory_max_bytes") > metric(&text, "process_virtual_memory_bytes"));
    assert_true(metric(&text, "process_cpu_seconds_total") >= 0);
    assert_true(metric(&text, "process_network_receive_bytes_total") >= 0 && metric(&text, "process_network_transmit_bytes_total") >= 0);
    int more = dup(2);

    buf_clear(&text);
    process_metrics(&text);
    assert_int_equal((int)metric(&text, "process_open_fds"), (int)files + 1);
    close(more);
}

static void certificates_are_signed(void **state)
{
    (void)state;
    struct tls_pair ca = { 0 }, cert = { 0 };
    const char *names[] = { "localhost", "127.0.0.1", "::1" };
    struct err e;
    int64_t left;

    assert_int_equal(tls_make_ca("test-ca", 10, &ca, &e), ERR_OK);
    assert_int_equal(tls_make_cert(&ca, "server", "system:masters", names, 3, 5, &cert, &e), ERR_OK);
    assert_int_equal(tls_cert_expires_in(str_of(cert.cert_pem), &left, &e), ERR_OK);
    assert_in_range(left, 5 * 86400 - 60, 5 * 86400);
    assert_non_null(strstr(cert.key_pem, "PRIVATE KEY"));
    tls_pair_done(&ca);
    tls_pair_done(&cert);
}

/* All letters come, none that could spell a word does, at any length of what the kernel is asked for. */
static void random_texts_are_of_their_letters(void **state)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    static const size_t lengths[] = { 0, 1, 5, 63, 64, 65, 3072 };
    char text[3073];

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        memset(text, '!', sizeof text);
        random_suffix(text, lengths[i]);
        assert_int_equal(strlen(text), lengths[i]);
        assert_int_equal(strspn(text, letters), lengths[i]);
    }
    for (const char *c = letters; *c; c++)
        assert_non_null(strchr(text, *c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_are_of_their_letters), cmocka_unit_test(errors_carry_context), cmocka_unit_test(arena_runs_cleanups),
        cmocka_unit_test(files_are_replaced_whole), cmocka_unit_test(forgotten_maps_leave_memory_and_come_back),
        cmocka_unit_test(processes_report_failures_and_times),
        cmocka_unit_test(cancel_wakes_threads_and_hooks), cmocka_unit_test(a_cancelled_descriptor_is_readable), cmocka_unit_test(options_are_checked),
        cmocka_unit_test(certificates_are_signed), cmocka_unit_test(a_process_counts_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
