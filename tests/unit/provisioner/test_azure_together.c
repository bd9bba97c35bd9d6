/* Several pools on their way are looked at by one list; what a list cannot tell, the operation of each says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "azure_world.h"

#define CREATED "2026-01-02T03-04-05Z"
#define IS(name, state) POOL_NAMED(name, state, "User", CREATED)
#define MAKE(name) { "PUT " P "/" name V, 201, { "Azure-AsyncOperation: " OPERATION }, IS(name, "Creating") }
#define GOES_ON { POLL, 200, { NULL }, "{\"status\":\"InProgress\"}" }

static const char *const names[] = { "ws1", "ws2", "ws3" };
struct three { struct world *w; char *operations[ARRAY_LEN(names)]; };

/* The next step of one of them. */
static errc step(struct three *t, size_t i)
{
    claim_named(t->w, names[i], t->operations[i]);
    errc rc = create(t->w);

    if (!rc && t->w->made.operation) {
        free(t->operations[i]);
        t->operations[i] = xstrdup(t->w->made.operation);
    }
    return rc;
}

static void expect_look(struct three *t, size_t i, int64_t look_ms)
{
    if (step(t, i))
        fail_msg("%s: %s", names[i], t->w->err.text);
    assert_int_equal(t->w->made.state, CLOUD_PENDING);
    assert_int_equal(t->w->made.look_ms, look_ms);
}

static void begin(struct three *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        t->w->cloud->taken(t->w->cloud->self, names[i]);
        expect_look(t, i, 4000);
    }
}

static void done(struct three *t)
{
    script_done(&t->w->script);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        free(t->operations[i]);
}

static void one_list_tells_of_all(void **state)
{
    struct three t = { .w = *state };

    SCRIPT(&t.w->script, LIST(""), MAKE("ws1"), MAKE("ws2"), MAKE("ws3"), LIST(IS("ws1", "Creating") "," IS("ws2", "Creating") "," IS("ws3", "Creating")),
           LIST(IS("ws1", "Succeeded") "," IS("ws2", "Creating") "," IS("ws3", "Succeeded")));
    begin(&t, 3);
    pass(t.w, 4000);
    for (size_t i = 0; i < 3; i++)
        expect_look(&t, i, 2000);       /* more often than by polls */
    pass(t.w, 4000);
    expect_look(&t, 1, 4000);
    for (size_t i = 0; i < 3; i += 2) {
        assert_int_equal(step(&t, i), ERR_OK);
        assert_int_equal(t.w->made.state, CLOUD_RUNNING);
        assert_string_equal(t.w->made.claim, names[i]);
    }
    done(&t);
}

static void two_are_polled(void **state)
{
    struct three t = { .w = *state };

    SCRIPT(&t.w->script, LIST(""), MAKE("ws1"), MAKE("ws2"), GOES_ON, GOES_ON);
    begin(&t, 2);
    pass(t.w, 4000);
    expect_look(&t, 0, 4000);
    expect_look(&t, 1, 4000);
    done(&t);
}

/* It says why; a pool that the list does not show, or shows as anything but on its way or done, is asked after by its operation. */
static void a_failure_is_told_by_the_operation(void **state)
{
    struct three t = { .w = *state };

    SCRIPT(&t.w->script, LIST(""), MAKE("ws1"), MAKE("ws2"), MAKE("ws3"), LIST(IS("ws1", "Failed") "," IS("ws2", "Updating")),
           { POLL, 200, { NULL }, FAILED("AllocationFailed") }, { "DELETE " P "/ws1" V, 202 }, GOES_ON, GOES_ON);
    begin(&t, 3);
    pass(t.w, 4000);
    assert_int_not_equal(step(&t, 0), ERR_OK);
    assert_int_equal(t.w->why.fault, FAULT_CAPACITY);
    expect_look(&t, 1, 4000);
    expect_look(&t, 2, 4000);
    done(&t);
}

/* A list that is a little old would keep a claim waiting whose Node is ready; and ARM's own wish is followed. */
static void a_ready_node_and_arms_wish_ask_the_operation(void **state)
{
    struct three t = { .w = *state };

    SCRIPT(&t.w->script, LIST(""), MAKE("ws1"), MAKE("ws2"), { "PUT " P "/ws3" V, 201, { "Azure-AsyncOperation: " OPERATION, "Retry-After: 4" }, IS("ws3", "Creating") },
           LIST(IS("ws1", "Creating") "," IS("ws2", "Creating") "," IS("ws3", "Creating")), { POLL, 200, { NULL }, "{\"status\":\"Succeeded\"}" }, GOES_ON);
    begin(&t, 3);
    pass(t.w, 4005);             /* two clocks */
    expect_look(&t, 0, 2002);
    t.w->cloud->hurry(t.w->cloud->self, "ws2");
    assert_int_equal(step(&t, 1), ERR_OK);
    assert_int_equal(t.w->made.state, CLOUD_RUNNING);
    expect_look(&t, 2, 4005);
    done(&t);
}

/* After a restart, or under a name that was used before, the list may show a pool of before: only the operation is believed. */
static void a_name_with_a_past_asks_the_operation(void **state)
{
    struct three t = { .w = *state };

    SCRIPT(&t.w->script, LIST(""), MAKE("ws1"), MAKE("ws2"), MAKE("ws3"), LIST(IS("ws1", "Succeeded") "," IS("ws2", "Succeeded") "," IS("ws3", "Succeeded")), GOES_ON, GOES_ON,
           GOES_ON);
    begin(&t, 3);
    restart(t.w);
    pass(t.w, 4000);
    AUTO(cloud_instances_done) struct cloud_instances old = { 0 };

    assert_int_equal(t.w->cloud->list(t.w->cloud->self, &old, &t.w->err), ERR_OK);     /* the collectors' look */
    for (size_t i = 0; i < 3; i++)
        expect_look(&t, i, 4000);
    done(&t);
}

/* A list of several pages costs as many requests: it must serve the more. */
static void a_long_list_is_dearer_than_polls(void **state)
{
    struct three t = { .w = *state };

    SCRIPT(&t.w->script, { "GET " P V, 200, { NULL }, "{\"value\":[],\"nextLink\":\"SELF" P V "&$skipToken=2\"}" }, { "GET " P V "&$skipToken=2", 200, { NULL }, PAGE("") },
           MAKE("ws1"), MAKE("ws2"), MAKE("ws3"), GOES_ON, GOES_ON, GOES_ON);
    begin(&t, 3);
    pass(t.w, 4000);
    for (size_t i = 0; i < 3; i++)
        expect_look(&t, i, 4000);
    done(&t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_list_tells_of_all), TEST(two_are_polled), TEST(a_failure_is_told_by_the_operation), TEST(a_ready_node_and_arms_wish_ask_the_operation),
        TEST(a_name_with_a_past_asks_the_operation), TEST(a_long_list_is_dearer_than_polls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
