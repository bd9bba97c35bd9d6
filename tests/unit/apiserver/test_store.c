/* The store: versions, conflicts, order of events, resuming, compaction, lists of an earlier moment, kill -9. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "apiserver/store_priv.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

struct fixture { char dir[64]; char *path; struct store *s; struct store_opts o; };

static void reopen(struct fixture *f)
{
    struct err e = { 0 };

    store_free(f->s);
    f->s = NULL;
    f->o.path = f->path;
    if (store_open(&f->o, &f->s, &e))
        fail_msg("%s", e.text);
}

static int setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/kaito-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->path = path_join(f->dir, "api.db");
    reopen(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct err e;

    store_free(f->s);
    (void)dir_remove(f->dir, &e);
    free(f->path);
    free(f);
    return 0;
}

static struct store_key key(const char *name)
{
    return (struct store_key){ "configmaps", "default", name };
}

static errc put(struct fixture *f, const char *name, int64_t expect, const char *value, int64_t *rv)
{
    AUTO_JSON o = json_object();
    struct store_key k = key(name);
    struct err e;

    json_put_str(json_sub(o, "data"), "k", value);
    return store_put(f->s, &k, expect, o, rv, &e);
}

static void versions_grow_and_conflicts_are_seen(void **state)
{
    struct fixture *f = *state;
    int64_t a = 0, b = 0;

    assert_int_equal(put(f, "x", 0, "1", &a), ERR_OK);
    assert_int_equal(put(f, "x", 0, "1", NULL), ERR_EXISTS);
    assert_int_equal(put(f, "x", a, "2", &b), ERR_OK);
    assert_true(b > a);
    assert_int_equal(put(f, "x", a, "3", NULL), ERR_CONFLICT);
    assert_int_equal(put(f, "y", a, "3", NULL), ERR_NOT_FOUND);
    assert_int_equal(store_rv(f->s), b);        /* what failed made no version */
}

static void the_version_is_inside_the_text(void **state)
{
    struct fixture *f = *state;
    int64_t rv = 0, got = 0;
    char *text = NULL;
    struct store_key k = key("x");
    struct err e;
    AUTO_JSON o = NULL;

    assert_int_equal(put(f, "x", 0, "1", &rv), ERR_OK);
    assert_int_equal(store_get(f->s, &k, &text, &got, &e), ERR_OK);
    assert_int_equal(json_parse(str_of(text), &o, &e), ERR_OK);
    free(text);
    char want[24];
    snprintf(want, sizeof want, "%lld", (long long)rv);
    assert_string_equal(json_str_at(o, "metadata", "resourceVersion", NULL), want);
    assert_int_equal(got, rv);
}

static void expect_event(struct fixture *f, int64_t *cursor, enum store_event_type type, const char *name, bool prev)
{
    struct store_event *ev = NULL;
    struct err e = { 0 };

    if (store_next(f->s, "configmaps", cursor, clock_mono_ms() + 1000, NULL, &ev, &e))
        fail_msg("%s", e.text);
    assert_int_equal(ev->type, type);
    assert_string_equal(ev->name, name);
    assert_int_equal(ev->rv, *cursor);
    assert_int_equal(ev->prev.p != NULL, prev);
    store_event_free(ev);
}

static void remove_it(struct fixture *f, const char *name, int64_t rv)
{
    AUTO_JSON o = json_object();
    struct store_key k = key(name);
    struct err e = { 0 };

    if (store_delete(f->s, &k, rv, o, NULL, &e))
        fail_msg("%s", e.text);
}

static void a_watcher_sees_every_change_in_order(void **state)
{
    struct fixture *f = *state;
    int64_t start = store_rv(f->s), cursor = start, rv = 0, rv2 = 0;
    struct store_event *ev = NULL;
    struct err e;

    assert_int_equal(put(f, "x", 0, "1", &rv), ERR_OK);
    assert_int_equal(put(f, "y", 0, "1", NULL), ERR_OK);
    assert_int_equal(put(f, "x", rv, "2", &rv2), ERR_OK);
    remove_it(f, "x", rv2);
    for (int round = 0; round < 2; round++) {   /* from the ring, then after a restart from the log */
        cursor = start;
        expect_event(f, &cursor, STORE_ADDED, "x", false);
        expect_event(f, &cursor, STORE_ADDED, "y", false);
        expect_event(f, &cursor, STORE_MODIFIED, "x", true);
        expect_event(f, &cursor, STORE_DELETED, "x", true);
        assert_int_equal(store_next(f->s, "configmaps", &cursor, clock_mono_ms() + 20, NULL, &ev, &e), ERR_TIMEOUT);
        reopen(f);
    }
}

static void another_resource_is_not_shown(void **state)
{
    struct fixture *f = *state;
    int64_t cursor = store_rv(f->s);
    struct store_event *ev = NULL;
    struct err e;

    assert_int_equal(put(f, "x", 0, "1", NULL), ERR_OK);
    assert_int_equal(store_next(f->s, "secrets", &cursor, clock_mono_ms() + 20, NULL, &ev, &e), ERR_TIMEOUT);
    assert_int_equal(cursor, store_rv(f->s));   /* and need not be looked at again */
}

struct quiet { struct store *s; int64_t cursor; struct store_event *ev; errc rc; struct err e; };

static void wait_for_secret(void *arg)
{
    struct quiet *q = arg;

    q->rc = store_next(q->s, "secrets", &q->cursor, clock_mono_ms() + 60000, NULL, &q->ev, &q->e);
}

static bool somebody_waits(struct store *s)
{
    LOCK_SCOPE(&s->ring.mu);
    return !LIST_EMPTY(&s->ring.waiters);
}

/* Nothing wakes it, and what it would have to read to catch up is dropped meanwhile. */
static void a_watcher_of_what_seldom_changes_does_not_fall_behind(void **state)
{
    struct fixture *f = *state;
    struct store_key k = { "secrets", "default", "s" };
    AUTO_JSON o = json_object();
    struct quiet q;
    struct thread t;
    struct err e;
    int64_t rv = 0;

    f->o.keep_events = 10;
    f->o.ring_bytes = 1000;
    reopen(f);
    q = (struct quiet){ .s = f->s, .cursor = store_rv(f->s) };
    thread_start(&t, "quiet", wait_for_secret, &q);
    while (!somebody_waits(f->s))
        usleep(1000);
    for (int i = 0; i < 50; i++) {
        char name[16];

        snprintf(name, sizeof name, "x%d", i);
        assert_int_equal(put(f, name, 0, "1", NULL), ERR_OK);
    }
    assert_int_equal(store_compact(f->s, &e), ERR_OK);
    assert_int_equal(store_put(f->s, &k, 0, o, &rv, &e), ERR_OK);
    thread_join(&t);
    if (q.rc)
        fail_msg("%s", q.e.text);
    assert_int_equal(q.ev->rv, rv);
    assert_int_equal(q.cursor, rv);
    store_event_free(q.ev);
}

static void a_small_ring_falls_back_to_the_log(void **state)
{
    struct fixture *f = *state;
    int64_t cursor = store_rv(f->s);

    f->o.ring_bytes = 1;
    reopen(f);
    assert_int_equal(put(f, "a", 0, "1", NULL), ERR_OK);
    assert_int_equal(put(f, "b", 0, "1", NULL), ERR_OK);
    assert_int_equal(put(f, "c", 0, "1", NULL), ERR_OK);
    expect_event(f, &cursor, STORE_ADDED, "a", false);
    expect_event(f, &cursor, STORE_ADDED, "b", false);
    expect_event(f, &cursor, STORE_ADDED, "c", false);
}

static void what_was_compacted_is_gone(void **state)
{
    struct fixture *f = *state;
    int64_t start = store_rv(f->s), cursor = start, now;
    struct store_event *ev = NULL;
    struct err e = { 0 };

    f->o.keep_events = 2;
    reopen(f);
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(put(f, name, 0, "1", NULL), ERR_OK);
    }
    now = store_rv(f->s);
    assert_int_equal(store_compact(f->s, &e), ERR_OK);
    reopen(f);
    assert_int_equal(store_rv(f->s), now);
    assert_int_equal(store_next(f->s, "configmaps", &cursor, clock_mono_ms() + 20, NULL, &ev, &e), ERR_GONE);
    cursor = now - 2;
    expect_event(f, &cursor, STORE_ADDED, "n4", false);
    expect_event(f, &cursor, STORE_ADDED, "n5", false);
}

struct seen { char text[256]; int64_t limit; };

static bool see(void *arg, const struct store_row *row)
{
    struct seen *s = arg;
    size_t n = strlen(s->text);

    snprintf(s->text + n, sizeof s->text - n, "%s ", row->name);
    return --s->limit != 0;
}

static void expect_list(struct fixture *f, int64_t at_rv, const char *after, int64_t limit, const char *want)
{
    struct seen s = { .limit = limit };
    struct store_list q = { .resource = "configmaps", .ns = "default", .at_rv = at_rv, .after_ns = after ? "default" : NULL, .after_name = after };
    struct err e = { 0 };

    if (store_list(f->s, &q, see, &s, NULL, &e))
        fail_msg("%s", e.text);
    assert_string_equal(s.text, want);
}

static void a_list_shows_the_moment_of_its_version(void **state)
{
    struct fixture *f = *state;
    int64_t b = 0, moment;

    assert_int_equal(put(f, "a", 0, "1", NULL), ERR_OK);
    assert_int_equal(put(f, "b", 0, "1", &b), ERR_OK);
    assert_int_equal(put(f, "d", 0, "1", NULL), ERR_OK);
    moment = store_rv(f->s);
    assert_int_equal(put(f, "c", 0, "1", NULL), ERR_OK);
    remove_it(f, "b", b);
    expect_list(f, 0, NULL, 0, "a c d ");
    expect_list(f, moment, NULL, 0, "a b d ");
    expect_list(f, moment, "a", 0, "b d ");
    expect_list(f, moment, "b", 0, "d ");
    expect_list(f, moment, NULL, 2, "a b ");
    expect_list(f, b, NULL, 0, "a b ");
}

static bool keep_text(void *arg, const struct store_row *row)
{
    *(char **)arg = xstrndup(row->text.p, row->text.n);
    return false;
}

static void changed_twice_it_shows_the_first_state(void **state)
{
    struct fixture *f = *state;
    int64_t rv = 0, moment;
    char *text = NULL;
    struct err e;

    assert_int_equal(put(f, "a", 0, "first", &rv), ERR_OK);
    moment = rv;
    assert_int_equal(put(f, "a", rv, "second", &rv), ERR_OK);
    assert_int_equal(put(f, "a", rv, "third", &rv), ERR_OK);
    struct store_list q = { .resource = "configmaps", .at_rv = moment };
    assert_int_equal(store_list(f->s, &q, keep_text, &text, NULL, &e), ERR_OK);
    assert_non_null(strstr(text, "first"));
    free(text);
}

/* A child writes and tells each version only after store_put returned; then it is killed in the middle. */
static void nothing_acknowledged_is_lost_by_kill(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    int64_t last = 0, got;
    int status;

    store_free(f->s);
    f->s = NULL;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        reopen(f);
        for (int i = 0;; i++) {
            char name[16];
            int64_t rv = 0;
            snprintf(name, sizeof name, "k%06d", i);
            if (put(f, name, 0, "v", &rv) || write(fds[1], &rv, sizeof rv) != sizeof rv)
                _exit(1);
        }
    }
    close(fds[1]);
    for (int i = 0; i < 300; i++)
        assert_int_equal(read(fds[0], &last, sizeof last), sizeof last);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    while (read(fds[0], &got, sizeof got) == sizeof got)
        last = got;
    close(fds[0]);
    reopen(f);
    assert_true(store_rv(f->s) >= last);
    char name[16];
    snprintf(name, sizeof name, "k%06d", 299);
    struct store_key k = key(name);
    struct err e;
    assert_int_equal(store_get(f->s, &k, NULL, NULL, &e), ERR_OK);
    int64_t more = 0;
    assert_int_equal(put(f, "after", 0, "v", &more), ERR_OK);
    assert_true(more > last);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(versions_grow_and_conflicts_are_seen), T(the_version_is_inside_the_text), T(a_watcher_sees_every_change_in_order),
        T(another_resource_is_not_shown), T(a_watcher_of_what_seldom_changes_does_not_fall_behind), T(a_small_ring_falls_back_to_the_log), T(what_was_compacted_is_gone),
        T(a_list_shows_the_moment_of_its_version), T(changed_twice_it_shows_the_first_state),
        T(nothing_acknowledged_is_lost_by_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
