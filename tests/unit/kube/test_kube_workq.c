/* The queue's promises: dedupe, one worker per key, delays, back-off. And selectors and conditions. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "kube/meta.h"
#include "kube/workq.h"
#include "../patience.h"

static void key_changed_while_running_runs_once_more(void **state)
{
    AUTO_FREE(workq) q = workq_new();
    workq_add(q, KEY("default", "ws"));
    workq_add(q, KEY("default", "ws"));
    assert_int_equal(workq_len(q), 1);
    const struct key *k = workq_get(q);
    assert_non_null(k);
    assert_string_equal(k->name, "ws");
    workq_add(q, KEY("default", "ws"));
    workq_add(q, KEY("default", "ws"));
    assert_int_equal(workq_len(q), 0);          /* not offered to a second worker */
    workq_done(q, k);
    assert_int_equal(workq_len(q), 1);
    k = workq_get(q);
    workq_done(q, k);
    assert_int_equal(workq_len(q), 0);
}

/* client-go's unfinished_work_seconds and longest_running_processor_seconds. */
static void work_under_way_is_counted(void **state)
{
    AUTO_FREE(workq) q = workq_new();
    struct workq_stats s;

    workq_add(q, KEY("", "a"));
    workq_stats(q, &s);
    assert_true(s.unfinished_s <= 0 && s.longest_s <= 0);
    const struct key *a = workq_get(q);
    poll(NULL, 0, 20);
    workq_add(q, KEY("", "b"));
    const struct key *b = workq_get(q);
    poll(NULL, 0, 2);
    workq_stats(q, &s);
    assert_true(s.longest_s >= 0.019 && s.unfinished_s > s.longest_s);
    workq_done(q, a);
    workq_done(q, b);
    workq_stats(q, &s);
    assert_true(s.unfinished_s <= 0 && s.longest_s <= 0 && s.adds == 2);
}

static int64_t took_in_order(void *none)
{
    AUTO_FREE(workq) q = workq_new();
    int64_t began = clock_mono_ms();
    workq_add_after(q, KEY("", "late"), 80);
    workq_add_after(q, KEY("", "later"), 120);
    workq_add_after(q, KEY("", "late"), 500);   /* the earlier time stays */
    workq_add(q, KEY("", "a"));
    workq_add(q, KEY("", "b"));
    const char *want[] = { "a", "b", "late", "later" };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct key *k = workq_get(q);
        assert_string_equal(k->name, want[i]);
        workq_done(q, k);
    }
    int64_t took = clock_mono_ms() - began;
    assert_true(took >= 119);
    return took;
}

static void keys_come_in_order_and_delays_are_kept(void **state)
{
    assert_true(once_below_ms(took_in_order, NULL, 400));
}

/* Also what waits already, or was put off; a key that runs does not come before it is done. */
static void what_is_put_first_comes_before_all_that_waits(void **state)
{
    static const char *const want[] = { "c", "b", "a" };
    AUTO_FREE(workq) q = workq_new();

    workq_add(q, KEY("", "c"));
    const struct key *running = workq_get(q);
    workq_add(q, KEY("", "a"));
    workq_add(q, KEY("", "b"));
    workq_add_first(q, KEY("", "b"));
    workq_add_first(q, KEY("", "c"));
    assert_int_equal(workq_len(q), 2);
    const struct key *k = workq_get(q);
    assert_string_equal(k->name, "b");
    workq_done(q, k);
    workq_done(q, running);
    workq_add_first(q, KEY("", "b"));
    workq_add_first(q, KEY("", "c"));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        k = workq_get(q);
        assert_string_equal(k->name, want[i]);
        workq_done(q, k);
    }
    assert_int_equal(workq_len(q), 0);
}

static int64_t took_to_fail_5(void *none)
{
    AUTO_FREE(workq) q = workq_new();
    int64_t began = clock_mono_ms();
    for (int i = 0; i < 5; i++) {               /* 5 + 10 + 20 + 40 + 80 ms */
        workq_add_failed(q, KEY("ns", "x"), WORKQ_BACKOFF_MAX_MS);
        const struct key *k = workq_get(q);
        workq_done(q, k);
    }
    assert_int_equal(workq_failures(q, KEY("ns", "x")), 5);
    int64_t took = clock_mono_ms() - began;
    assert_true(took >= 150);
    workq_forget(q, KEY("ns", "x"));
    assert_int_equal(workq_failures(q, KEY("ns", "x")), 0);
    return took;
}

static void failures_back_off_and_are_forgotten(void **state)
{
    assert_true(once_below_ms(took_to_fail_5, NULL, 600));
}

static void fail_once(struct workq *q, int64_t at_most_ms)
{
    workq_add_failed(q, KEY("ns", "x"), at_most_ms);
    workq_done(q, workq_get(q));
}

static int64_t took_bounded(void *none)
{
    AUTO_FREE(workq) q = workq_new();
    int64_t began = clock_mono_ms();
    for (int i = 0; i < 20; i++)                /* 5 + 10 + 18 * 20 ms; without a limit 5 * 2^20 */
        fail_once(q, 20);
    int64_t took = clock_mono_ms() - began;
    assert_true(took >= 375);
    assert_int_equal(workq_failures(q, KEY("ns", "x")), 3);
    return took;
}

static int64_t took_forgiven(void *none)
{
    AUTO_FREE(workq) q = workq_new();
    for (int i = 0; i < 6; i++)                 /* 5 to 160 ms */
        fail_once(q, WORKQ_BACKOFF_MAX_MS);
    assert_int_equal(workq_failures(q, KEY("ns", "x")), 6);
    int64_t began = clock_mono_ms();
    fail_once(q, 10);                           /* 320 ms are forgiven */
    int64_t took = clock_mono_ms() - began;
    assert_true(took >= 10);
    assert_int_equal(workq_failures(q, KEY("ns", "x")), 2);
    return took;
}

static void a_limit_bounds_the_wait_and_forgives(void **state)
{
    assert_true(once_below_ms(took_bounded, NULL, 2000));
    assert_true(once_below_ms(took_forgiven, NULL, 300));
}

static void stop_later(void *q)
{
    poll(NULL, 0, 30);
    workq_stop(q);
}

static void stop_wakes_the_worker(void **state)
{
    AUTO_FREE(workq) q = workq_new();
    struct thread t = { 0 };
    workq_add_after(q, KEY("", "x"), 60000);
    thread_start(&t, "stop", stop_later, q);
    assert_null(workq_get(q));
    thread_join(&t);
}

static void selectors(void **state)
{
    static const struct { const char *selector, *labels; bool want; const char *text; } rows[] = {
        { "{}", "{}", true, "" },
        { "{\"matchLabels\":{\"a\":\"1\"}}", "{\"a\":\"1\",\"b\":\"2\"}", true, "a=1" },
        { "{\"matchLabels\":{\"a\":\"1\"}}", "{\"a\":\"2\"}", false, "a=1" },
        { "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"1\",\"2\"]}]}", "{\"a\":\"2\"}", true, "a in (1,2)" },
        { "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"NotIn\",\"values\":[\"1\"]}]}", "{}", true, "a notin (1)" },
        { "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"DoesNotExist\"}]}", "{\"a\":\"\"}", false, "!a" },
        { "{\"matchLabels\":{\"x\":\"y\"},\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\"}]}", "{\"a\":\"\",\"x\":\"y\"}", true, "x=y,a" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON selector = json_loads(rows[i].selector, 0, NULL);
        AUTO_JSON labels = json_loads(rows[i].labels, 0, NULL);
        AUTO_BUF text = { 0 };
        assert_int_equal(kube_selector_matches(selector, labels), rows[i].want);
        kube_selector_text(selector, &text);
        assert_string_equal(buf_cstr(&text), rows[i].text);
    }
    assert_false(kube_selector_matches(NULL, NULL));
    AUTO_JSON none = json_object();
    assert_false(kube_map_matches(none, none));
}

static void a_condition_keeps_its_time_until_the_status_changes(void **state)
{
    AUTO_JSON list = json_array();
    assert_true(kube_condition_set(list, &(struct kube_condition){ "Ready", "False", "Waiting", "no node", 1 }, 1000));
    assert_false(kube_condition_set(list, &(struct kube_condition){ "Ready", "False", "Waiting", "no node", 1 }, 9000));
    assert_true(kube_condition_set(list, &(struct kube_condition){ "Ready", "False", "Waiting", "still no node", 1 }, 9000));
    assert_string_equal(json_cstr(json_array_get(list, 0), "lastTransitionTime"), "1970-01-01T00:00:01Z");
    assert_true(kube_condition_set(list, &(struct kube_condition){ "Ready", "True", "Fine", "", 2 }, 9000));
    assert_string_equal(json_cstr(json_array_get(list, 0), "lastTransitionTime"), "1970-01-01T00:00:09Z");
    assert_int_equal(json_array_size(list), 1);
}

static void managed_fields_become_white_space(void **state)
{
    static const struct { const char *in, *out; } rows[] = {
        { "{\"metadata\":{\"managedFields\":[{\"f\":[1,\"]\\\"}\"]}],\"name\":\"a\"}}", "{\"metadata\":{\"name\":\"a\"}}" },
        { "[{\"managedFields\":[]},{\"a\":1,\"managedFields\":[{},{}]}]", "[{},{\"a\":1}]" },
        { "{\"text\":\"a \\\"managedFields\\\":[1]\"}", "{\"text\":\"a \\\"managedFields\\\":[1]\"}" },         /* somebody's annotation */
        { "{\"managedFields\":{\"a\":1}}", "{\"managedFields\":{\"a\":1}}" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *text = xstrdup(rows[i].in);
        AUTO_JSON got = NULL;
        AUTO_JSON want = NULL;
        struct err e;

        kube_blank_managed_fields(text, strlen(text));
        assert_int_equal(strlen(text), strlen(rows[i].in));
        assert_int_equal(json_parse(str_of(text), &got, &e), ERR_OK);
        assert_int_equal(json_parse(str_of(rows[i].out), &want, &e), ERR_OK);
        assert_true(json_equal(got, want));
    }
    for (size_t n = 0; n < strlen(rows[0].in); n++) {       /* cut anywhere: nothing outside is touched */
        AUTO_MEM char *text = xstrndup(rows[0].in, n);

        kube_blank_managed_fields(text, n);
        assert_int_equal(strlen(text), n);
    }
}

static void expect_next_within(struct workq *q, const char *name, bool puts_off, bool may, int64_t at_most_ms)
{
    const struct key *k = workq_get(q);

    assert_string_equal(k->name, name);
    if (puts_off)
        assert_int_equal(workq_put_off(q, k, at_most_ms), may);
    workq_done(q, k);
}

/* Put off for so long that the order alone counts. */
static void expect_next(struct workq *q, const char *name, bool puts_off, bool may) { expect_next_within(q, name, puts_off, may, 3600000); }

static void what_is_put_off_comes_behind_all_others(void **state)
{
    AUTO_FREE(workq) q = workq_new();

    workq_add(q, KEY("", "a"));
    workq_add(q, KEY("", "b"));
    workq_add(q, KEY("", "c"));
    expect_next(q, "a", true, true);
    expect_next(q, "b", true, true);
    assert_int_equal(workq_len(q), 3);
    workq_add(q, KEY("", "b"));                 /* wanted: before a again */
    assert_int_equal(workq_len(q), 3);
    expect_next(q, "c", false, false);
    expect_next(q, "b", true, false);           /* nobody waits that was not put off */
    expect_next(q, "a", true, false);
    assert_int_equal(workq_len(q), 0);
}

static void what_is_taken_from_the_end_is_not_put_off_again(void **state)
{
    AUTO_FREE(workq) q = workq_new();

    workq_add(q, KEY("", "a"));
    workq_add(q, KEY("", "b"));
    expect_next(q, "a", true, true);
    expect_next(q, "b", false, false);
    const struct key *k = workq_get(q);
    assert_string_equal(k->name, "a");
    workq_add(q, KEY("", "c"));
    assert_false(workq_put_off(q, k, 3600000));
    workq_done(q, k);
    expect_next(q, "c", false, false);
}

static int64_t took_though_put_off(void *none)
{
    AUTO_FREE(workq) q = workq_new();
    int64_t began = clock_mono_ms();

    workq_add(q, KEY("", "a"));
    workq_add(q, KEY("", "b"));
    expect_next_within(q, "a", true, true, 100);
    for (bool came = false; !came;) {
        workq_add(q, KEY("", "c"));
        const struct key *k = workq_get(q);

        came = streq(k->name, "a");
        workq_done(q, k);
    }
    int64_t took = clock_mono_ms() - began;
    assert_true(took >= 95);
    workq_add(q, KEY("", "a"));                 /* what was owed is done: it may be put off again */
    while (workq_len(q) > 2)
        workq_done(q, workq_get(q));
    workq_add(q, KEY("", "d"));
    for (bool came = false; !came;) {
        const struct key *k = workq_get(q);

        came = streq(k->name, "a");
        if (came)
            assert_true(workq_put_off(q, k, 100));
        workq_done(q, k);
    }
    return took;
}

/* A queue that never empties keeps nobody out for longer than was said. */
static void what_is_put_off_comes_in_time(void **state)
{
    assert_true(once_below_ms(took_though_put_off, NULL, 3000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(managed_fields_become_white_space),
        cmocka_unit_test(key_changed_while_running_runs_once_more),
        cmocka_unit_test(work_under_way_is_counted),
        cmocka_unit_test(keys_come_in_order_and_delays_are_kept),
        cmocka_unit_test(what_is_put_first_comes_before_all_that_waits),
        cmocka_unit_test(failures_back_off_and_are_forgotten),
        cmocka_unit_test(a_limit_bounds_the_wait_and_forgives),
        cmocka_unit_test(what_is_put_off_comes_behind_all_others),
        cmocka_unit_test(what_is_taken_from_the_end_is_not_put_off_again),
        cmocka_unit_test(what_is_put_off_comes_in_time),
        cmocka_unit_test(stop_wakes_the_worker),
        cmocka_unit_test(selectors),
        cmocka_unit_test(a_condition_keeps_its_time_until_the_status_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
