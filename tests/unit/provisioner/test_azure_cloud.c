/* Claims become pools and go again: which requests ARM gets, and which it never gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/prctl.h>

#include "azure_world.h"

/* Four requests make a machine, three and a shared look end it. */
static void a_whole_life(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(""), { "PUT " P "/ws1" V, 201, { "Azure-AsyncOperation: " OPERATION }, POOL("Creating"), "If-None-Match: *" },
           { POLL, 200, { NULL }, "{\"status\":\"InProgress\"}" }, { POLL, 200, { NULL }, "{\"status\":\"Succeeded\"}" },
           LIST(POOL("Succeeded")), { "DELETE " P "/ws1" V, 202, { "Azure-AsyncOperation: " OPERATION }, "", "If-Match: e1" },
           LIST(POOL("Deleting")), LIST(""), GONE);
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);        /* no core dump holds a token */
    expect_pending(w, 4000);
    assert_non_null(strstr(w->script.last_body, "\"vmSize\":\"Standard_NC24ads_A100_v4\""));
    keep_operation(w);
    pass(w, 500);
    expect_pending(w, 3500);            /* an event woke the claim: nothing is asked before its time */
    pass(w, 3500);
    expect_pending(w, 4000);
    restart(w);                         /* the operation is in the claim; only the token is new */
    pass(w, 20000);
    expect_running(w);
    pass(w, 3600000 / 4);
    assert_int_equal(delete_look(w), 15000);
    pass(w, 15000);
    assert_int_equal(delete_look(w), 22500);
    pass(w, 22500);
    assert_int_equal(delete_look(w), 0);
    script_done(&w->script);
}

/* A Node that is ready says that the end is near; what ARM asked for, and a second between two looks, it does not shorten. */
static void a_ready_node_brings_the_look_forward(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 200, { NULL }, "{\"status\":\"InProgress\"}" }, { POLL, 200, { NULL }, "{\"status\":\"InProgress\"}" }, { POLL, 200, { "Retry-After: 7" }, "{\"status\":\"InProgress\"}" },
           { POLL, 200, { NULL }, "{\"status\":\"Succeeded\"}" });
    expect_pending(w, 4000);
    pass(w, 90000);
    expect_pending(w, 120000);          /* nobody waits longer for a failure to be seen */
    w->cloud->hurry(w->cloud->self, "ws1");
    pass(w, 100);
    expect_pending(w, 900);
    pass(w, 900);
    expect_pending(w, 7000);
    w->cloud->hurry(w->cloud->self, "ws1");
    expect_pending(w, 7005);            /* two clocks */
    pass(w, 7005);
    expect_running(w);
    script_done(&w->script);
}

/* Another process began it a minute ago and was looking: our first look comes when the lead changed, and it may have ended just after. */
static void who_takes_a_creation_over_looks_again_soon(void **state)
{
    static const int64_t waits_ms[] = { 4000, 4000, 16000 };
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 200, { NULL }, "{\"status\":\"InProgress\"}" }, { POLL, 200, { NULL }, "{\"status\":\"InProgress\"}" },
           { POLL, 200, { NULL }, "{\"status\":\"InProgress\"}" });
    pass(w, 60000);
    for (size_t i = 0; i < ARRAY_LEN(waits_ms); i++) {
        expect_pending(w, waits_ms[i]);
        pass(w, waits_ms[i]);
    }
    script_done(&w->script);
}

static void an_instant_cloud_is_not_polled(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(""), { "PUT " P "/ws1" V, 201, { NULL }, POOL("Succeeded") });
    expect_running(w);
    script_done(&w->script);
}

#define WITH_IMAGE(state, image) "{\"name\":\"ws1\",\"properties\":{\"provisioningState\":\"" state "\",\"nodeImageVersion\":\"" image "\"," LABELS("2026-01-02T03-04-05Z") "}}"

/* Nobody reads a pool whose operation has succeeded: its image is known from the answer to its creation, or from a list that showed the end. */
static void the_image_is_what_an_answer_said_on_the_way(void **state)
{
    struct world *w = *state;
    struct cloud_instances l = { 0 };
    const struct step made = { "PUT " P "/ws1" V, 201, { "Azure-AsyncOperation: " OPERATION }, WITH_IMAGE("Creating", "image-1") };
    const struct step polled[] = { LIST(""), made, { POLL, 200, { NULL }, "{\"status\":\"Succeeded\"}" } };
    const struct step listed[] = { LIST(""), GONE, made, LIST(WITH_IMAGE("Succeeded", "image-2")) };

    script_play(&w->script, polled, ARRAY_LEN(polled));
    expect_pending(w, 4000);
    keep_operation(w);
    pass(w, 4000);
    expect_running(w);
    assert_string_equal(w->made.image_id, "image-1");
    script_done(&w->script);
    restart(w);
    claim_is(w, NULL);
    script_play(&w->script, listed, ARRAY_LEN(listed));
    expect_pending(w, 4000);
    keep_operation(w);
    pass(w, 11000);
    assert_int_equal(w->cloud->list(w->cloud->self, &l, &w->err), ERR_OK);
    expect_running(w);
    assert_string_equal(w->made.image_id, "image-2");
    script_done(&w->script);
    cloud_instances_done(&l);
}

static void what_is_not_ours_is_left_alone(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(FOREIGN));
    expect_fault(w, FAULT_NOT_OURS);
    assert_int_equal(delete_look(w), 0);
    script_done(&w->script);
    SCRIPT(&w->script, LIST(POOL_OF("Succeeded", "System", "2026-01-02T03-04-05Z")));
    pass(w, 11000);
    expect_fault(w, FAULT_NOT_OURS);
    assert_int_equal(delete_look(w), 0);
    script_done(&w->script);
    SCRIPT(&w->script, LIST(POOL_OF("Succeeded", "User", "2020-01-02T03-04-05Z")));
    pass(w, 11000);
    expect_fault(w, FAULT_BUSY);        /* an earlier claim's of this name: it goes with that one */
    script_done(&w->script);
}

static void a_pool_of_the_claim_is_adopted(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(POOL("Creating")), LIST(POOL("Succeeded")), NAMED("Succeeded"));
    expect_pending(w, 5000);
    pass(w, 11000);
    expect_running(w);
    script_done(&w->script);
}

/* A pool that this process deleted, and has forgotten, or another one did, is in older lists still: it was believed, for as long as a Node may take to join. */
static void a_list_that_still_shows_what_is_gone_makes_no_machine_of_it(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(POOL("Succeeded")), GONE, { "PUT " P "/ws1" V, 201, { NULL }, POOL("Succeeded") });
    expect_running(w);
    script_done(&w->script);
}

static void who_may_not_ask_for_a_pool_by_name_asks_when_that_is_allowed_again(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(POOL("Succeeded")), { "GET " P "/ws1" V, 429, { "Retry-After: 3" }, "{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"x\"}}" });
    expect_pending(w, 3000);
    script_done(&w->script);
    SCRIPT(&w->script, LIST(POOL("Succeeded")), NAMED("Succeeded"));
    pass(w, 3000);
    expect_running(w);
    script_done(&w->script);
}

static void a_lost_reply_makes_no_second_pool(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(""), { "PUT " P "/ws1" V, 503 }, LIST(POOL("Creating")));
    expect_fault(w, FAULT_TRANSIENT);
    pass(w, 1000);
    expect_pending(w, 4000);
    script_done(&w->script);
    SCRIPT(&w->script, LIST(""), GONE, { "PUT " P "/ws1" V, 412, { NULL }, "{\"error\":{\"code\":\"ConditionNotMet\",\"message\":\"x\"}}" }, LIST(POOL("Creating")));
    pass(w, 11000);
    expect_fault(w, FAULT_BUSY);        /* somebody else was faster */
    assert_int_equal(w->why.retry_ms, 1000);
    pass(w, 15000);
    expect_pending(w, 5000);
    script_done(&w->script);
}

/* Whoever took it may have made it and left before the claim said so, however new it is; a list may be too old to show it. */
static void a_claim_that_another_process_took_has_its_pool_asked_for_by_name(void **state)
{
    struct world *w = *state;

    restart(w);
    SCRIPT(&w->script, LIST(""), NAMED("Succeeded"));
    expect_running(w);
    script_done(&w->script);
    restart(w);
    SCRIPT(&w->script, LIST(""), { "GET " P "/ws1" V, 429, { "Retry-After: 3" } }, { "PUT " P "/ws1" V, 409, { NULL }, "{\"error\":{\"code\":\"Conflict\",\"message\":\"x\"}}" },
           LIST(""), GONE, { "PUT " P "/ws1" V, 201, { NULL }, POOL("Succeeded") });
    expect_fault(w, FAULT_BUSY);
    pass(w, 15000);
    expect_running(w);
    script_done(&w->script);
}

/* The claim is to lose its note at once, and to be asked before anything is made. */
static void expect_forgotten(struct world *w)
{
    expect_pending(w, 1);
    assert_null(w->made.operation);
}

#define THROTTLED_LIST { "GET " P V, 429, { "Retry-After: 3" }, "{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"x\"}}" }

static void what_failed_is_deleted_before_it_is_reported(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(""), { "PUT " P "/ws1" V, 201, { "Azure-AsyncOperation: " OPERATION }, POOL("Creating") },
           { POLL, 200, { NULL }, FAILED("AllocationFailed") }, LIST(POOL("Failed")), { "DELETE " P "/ws1" V, 202 },
           LIST(POOL("Deleting")), { "GET " P "/ws1" V, 200, { NULL }, POOL("Deleting") }, LIST(""), GONE, { "PUT " P "/ws1" V, 201, { NULL }, POOL("Succeeded") });
    expect_pending(w, 4000);
    keep_operation(w);
    pass(w, 5000);
    expect_fault(w, FAULT_CAPACITY);
    pass(w, 60000);                     /* the claim still carries the operation: it is not asked again */
    expect_leaving(w, 5000);
    pass(w, 11000);
    expect_forgotten(w);
    claim_is(w, NULL);
    pass(w, 1);
    expect_running(w);
    script_done(&w->script);
}

/* A cache that lags behind may show a claim that is long gone, on its way: nothing is made for what carries an operation that ARM knows nothing of any more. */
static void what_is_on_its_way_and_nowhere_is_not_made_before_the_claim_was_asked(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *gone = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, gone);
    SCRIPT(&w->script, { POLL, 404, { NULL }, "{\"error\":{\"code\":\"NotFound\",\"message\":\"x\"}}" }, LIST(""), GONE);
    expect_forgotten(w);
    script_done(&w->script);
    claim_is(w, NULL);                  /* it was asked, and has taken that the note goes */
    SCRIPT(&w->script, { "PUT " P "/ws1" V, 201, { NULL }, POOL("Succeeded") });
    pass(w, 1);
    expect_running(w);
    script_done(&w->script);
}

static void a_failed_leftover_is_deleted_and_made_anew(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(POOL("Failed")), { "DELETE " P "/ws1" V, 204 }, LIST(""), { "PUT " P "/ws1" V, 201, { NULL }, POOL("Succeeded") });
    expect_leaving(w, 2000);
    pass(w, 2000);
    expect_running(w);
    script_done(&w->script);
}

/* A process that has just begun and meets a pool that goes: the next look does not believe what the last one saw. */
static void a_pool_that_goes_is_looked_at_anew(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(POOL("Deleting")), { "GET " P "/ws1" V, 200, { NULL }, POOL("Deleting") }, LIST(""), { "PUT " P "/ws1" V, 201, { NULL }, POOL("Succeeded") });
    if (create(w))
        fail_msg("%s", w->err.text);
    assert_int_equal(w->made.state, CLOUD_DELETING);
    assert_true(w->made.look_ms < 10000);
    pass(w, w->made.look_ms);
    expect_running(w);
    script_done(&w->script);
}

/* The list lags behind the creation that failed: its pool is deleted all the same, or nobody would clear it away. */
static void a_failed_pool_that_the_list_does_not_show_is_deleted(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(""), { "PUT " P "/ws1" V, 201, { "Azure-AsyncOperation: " OPERATION }, POOL("Creating") },
           { POLL, 200, { NULL }, FAILED("AllocationFailed") }, LIST(""), { "DELETE " P "/ws1" V, 202 });
    expect_pending(w, 4000);
    keep_operation(w);
    pass(w, 5000);
    expect_fault(w, FAULT_CAPACITY);
    script_done(&w->script);
}

/* A new process, and a list that is old: the pool is asked for by name. */
static void a_failed_pool_of_another_process_is_deleted_too(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    restart(w);
    claim_is(w, operation);
    pass(w, 3000);
    SCRIPT(&w->script, { POLL, 200, { NULL }, FAILED("AllocationFailed") }, LIST(""), NAMED("Failed"), { "DELETE " P "/ws1" V, 202 });
    expect_fault(w, FAULT_CAPACITY);
    script_done(&w->script);
}

static void a_forged_operation_moves_nothing(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *failed = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, "create 1767323045000 async https://evil.example/operations/1");
    SCRIPT(&w->script, LIST(POOL("Creating")));
    expect_pending(w, 5000);
    script_done(&w->script);
    claim_is(w, failed);                /* somebody's failed operation, put into a claim that is named like somebody's pool */
    SCRIPT(&w->script, { POLL, 200, { NULL }, FAILED("AllocationFailed") }, LIST(FOREIGN));
    pass(w, 11000);
    expect_fault(w, FAULT_NOT_OURS);
    script_done(&w->script);
    claim_is(w, "create soon async x");
    SCRIPT(&w->script, LIST(POOL("Creating")));
    pass(w, 11000);
    expect_pending(w, 5000);
    script_done(&w->script);
}

/* A role whose scope is the cluster may not reach the operations of the subscription's locations. */
static void a_pool_tells_where_operations_may_not_be_read(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(""), { "PUT " P "/ws1" V, 201, { "Azure-AsyncOperation: " OPERATION }, POOL("Creating") },
           { POLL, 403, { NULL }, "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"does not have authorization\"}}" }, LIST(POOL("Creating")), LIST(POOL("Succeeded")));
    expect_pending(w, 4000);
    keep_operation(w);
    pass(w, 4000);
    if (create(w))
        fail_msg("%s", w->err.text);
    assert_int_equal(w->made.state, CLOUD_PENDING);
    assert_null(w->made.operation);     /* it is asked no more */
    claim_is(w, NULL);
    pass(w, 8000);
    expect_running(w);
    script_done(&w->script);
}

static void an_operation_that_arm_forgot_is_looked_up_in_the_pool(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 503 }, { POLL, 404 }, LIST(POOL("Succeeded")), NAMED("Succeeded"));
    expect_pending(w, 1000);
    assert_string_equal(w->made.operation, operation);
    pass(w, 1000);
    expect_running(w);
    script_done(&w->script);
}

/* It may have ended long ago: soon at first, and what ARM answers in the end puts the looks back to their pace. */
static void a_look_that_says_nothing_is_repeated_soon(void **state)
{
    static const int64_t waits_ms[] = { 1000, 1000, 2000 };
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 503 }, { POLL, 500 }, { POLL, 502 }, { POLL, 200, { NULL }, "{\"status\":\"InProgress\"}" }, { POLL, 503 });
    pass(w, 20000);
    for (size_t i = 0; i < ARRAY_LEN(waits_ms); i++) {
        expect_pending(w, waits_ms[i]);
        pass(w, waits_ms[i]);
    }
    expect_pending(w, 4000);        /* since the first look */
    pass(w, 4000);
    expect_pending(w, 1000);
    script_done(&w->script);
}

/* Nothing was asked: what would have been is asked when there may be a token, not later, as after an answer that was lost. */
static void a_look_without_a_token_is_repeated_soon(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    w->script.tokens_refused = 1;
    SCRIPT(&w->script, { POLL, 200, { NULL }, "{\"status\":\"Succeeded\"}" });
    expect_pending(w, 1000);
    pass(w, 1000);
    expect_running(w);
    script_done(&w->script);
}

/* To wait for one's turn says nothing about the operation: it is looked at when the turn comes, however often that was. */
static void a_look_that_waits_for_its_turn_is_not_put_off_further(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 429, { "Retry-After: 3" } }, { POLL, 429, { "Retry-After: 2" } }, { POLL, 503 }, { POLL, 200, { NULL }, "{\"status\":\"Succeeded\"}" });
    expect_pending(w, 3000);
    pass(w, 3000);
    expect_pending(w, 2000);
    pass(w, 2000);
    expect_pending(w, 1000);
    pass(w, 1000);
    expect_running(w);
    script_done(&w->script);
}

/* Of a process that has just begun to lead: whose pool it is and how far, only lists say; that its Node is ready says that the end is near. */
static void a_ready_node_brings_the_look_at_a_pool_forward(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(POOL("Creating")), LIST(POOL("Creating")), { "GET " P "/ws1" V, 200, { NULL }, POOL("Creating") }, LIST(POOL("Creating")), { "GET " P "/ws1" V, 200, { NULL }, POOL("Succeeded") });
    expect_pending(w, 5000);
    w->cloud->hurry(w->cloud->self, "ws1");
    pass(w, 1000);
    expect_pending(w, 2000);
    pass(w, 2000);
    expect_running(w);
    script_done(&w->script);
}

/* The way to operations is closed while a Node is ready: the list goes another way. One that somebody else needed costs nothing. */
static void a_list_that_shows_the_end_is_enough(void **state)
{
    struct world *w = *state;
    struct cloud_instances l = { 0 };
    const struct step made = { "PUT " P "/ws1" V, 201, { "Azure-AsyncOperation: " OPERATION }, POOL("Creating") };
    const struct step closed[] = { LIST(""), made, { POLL, 429, { "Retry-After: 3" } }, LIST(POOL("Creating")), LIST(POOL("Succeeded")) };
    const struct step at_hand[] = { LIST(""), GONE, made, LIST(POOL("Succeeded")) };

    script_play(&w->script, closed, ARRAY_LEN(closed));
    expect_pending(w, 4000);
    keep_operation(w);
    pass(w, 1000);
    w->cloud->hurry(w->cloud->self, "ws1");
    expect_pending(w, 3000);
    pass(w, 2000);
    w->cloud->hurry(w->cloud->self, "ws1");
    expect_running(w);
    script_done(&w->script);
    restart(w);
    claim_is(w, NULL);
    script_play(&w->script, at_hand, ARRAY_LEN(at_hand));
    expect_pending(w, 4000);
    keep_operation(w);
    pass(w, 11000);
    assert_int_equal(w->cloud->list(w->cloud->self, &l, &w->err), ERR_OK);
    w->cloud->hurry(w->cloud->self, "ws1");
    expect_running(w);
    script_done(&w->script);
    cloud_instances_done(&l);
}

#define CLOSED(seconds) 429, { "Retry-After: " seconds }, "{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"x\"}}"

/* Another process began it, so a list may show an earlier pool of this claim: it is asked for by name; if that way is closed as well, when the first of them opens. */
static void who_takes_over_asks_for_the_pool_where_operations_are_closed(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    w->cloud->hurry(w->cloud->self, "ws1");
    SCRIPT(&w->script, { POLL, CLOSED("9") }, { "GET " P "/ws1" V, CLOSED("2") }, NAMED("Succeeded"));
    expect_pending(w, 2000);
    assert_string_equal(w->made.operation, operation);
    pass(w, 2010);
    expect_running(w);
    script_done(&w->script);
}

/* A list that lags lacks what was begun and shows what is gone; without an answer to the question by name it stands. */
static void a_list_that_may_be_old_is_not_believed(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    SCRIPT(&w->script, LIST(POOL("Deleting")), { "GET " P "/ws1" V, 503 }, LIST(POOL("Deleting")), GONE, { "PUT " P "/ws1" V, 503 }, LIST(""), { "GET " P "/ws1" V, 200, { NULL }, POOL("Creating") }, { POLL, 404 }, LIST(""), { "GET " P "/ws1" V, 200, { NULL }, POOL("Succeeded") });
    expect_leaving(w, 1000);            /* what goes may be gone in a moment, whoever asked it to go: a look that said nothing is repeated soon */
    pass(w, 7500);
    expect_fault(w, FAULT_TRANSIENT);
    pass(w, 1000);
    expect_pending(w, 4000);            /* of this process's making */
    restart(w);
    claim_is(w, operation);
    expect_running(w);
    script_done(&w->script);
}

/* The API server did not answer when the claim was to say so: ARM, which may ask to be left alone now, need not be asked again. */
static void a_success_that_was_seen_is_not_asked_for_again(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 200, { NULL }, "{\"status\":\"Succeeded\"}" });
    expect_running(w);
    claim_is(w, operation);
    expect_running(w);
    script_done(&w->script);
}

/* The end was seen, what follows from it failed: that is done again now, not when the operation would have been looked at next. */
static void a_failed_operation_is_dealt_with_as_soon_as_arm_answers(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 200, { NULL }, FAILED("AllocationFailed") }, { "GET " P V, 503 }, { POLL, 200, { NULL }, FAILED("AllocationFailed") },
           LIST(POOL("Failed")), { "DELETE " P "/ws1" V, 202 });
    pass(w, 30000);
    expect_fault(w, FAULT_TRANSIENT);
    pass(w, 1000);
    expect_fault(w, FAULT_CAPACITY);
    script_done(&w->script);
}

/* What is left of it cannot be deleted yet: the claim says so, and not that its machine is being made. */
static void a_failed_operation_is_told_while_its_leftover_waits(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 200, { NULL }, FAILED("AllocationFailed") }, LIST(POOL("Failed")), { "DELETE " P "/ws1" V, 429, { "Retry-After: 3" } },
           { POLL, 200, { NULL }, FAILED("AllocationFailed") }, { POLL, 200, { NULL }, FAILED("AllocationFailed") }, { "DELETE " P "/ws1" V, 202 });
    expect_fault(w, FAULT_THROTTLED);
    pass(w, 1000);
    expect_fault(w, FAULT_TRANSIENT);
    assert_int_equal(w->why.retry_ms, 2000);
    assert_non_null(strstr(w->err.text, "AllocationFailed"));
    pass(w, 2000);
    expect_fault(w, FAULT_CAPACITY);
    script_done(&w->script);
}

static void a_canceled_operation_means_that_the_pool_tells(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 200, { NULL }, "{\"status\":\"Canceled\"}" }, NAMED("Creating"));
    expect_pending(w, 4000);
    assert_null(w->made.operation);
    script_done(&w->script);
}

/* Nothing is being made any more, and the claim says that something is: what is left goes at once. */
static void what_a_canceled_operation_left_goes_at_once(void **state)
{
    struct world *w = *state;
    struct cloud_instances l = { 0 };
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, LIST(POOL("Creating")), { POLL, 200, { NULL }, "{\"status\":\"Canceled\"}" }, NAMED("Failed"), { "DELETE " P "/ws1" V, 202 });
    assert_int_equal(w->cloud->list(w->cloud->self, &l, &w->err), ERR_OK);     /* the next one is a second away */
    expect_leaving(w, 2000);
    script_done(&w->script);
    cloud_instances_done(&l);
}

/* ARM does not say how the pool is: a list will. */
static void a_canceled_operations_pool_that_has_no_answer_is_listed(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 200, { NULL }, "{\"status\":\"Canceled\"}" }, { "GET " P "/ws1" V, 503 }, LIST(POOL("Failed")), { "DELETE " P "/ws1" V, 202 });
    expect_leaving(w, 2000);
    script_done(&w->script);
}

/* Nor may a list be asked: the claim says that nothing is made, and not that its machine is. */
static void a_canceled_creation_is_told_while_arm_answers_nothing(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *operation = script_text(&w->script, "create 1767323045000 async " OPERATION);

    claim_is(w, operation);
    SCRIPT(&w->script, { POLL, 200, { NULL }, "{\"status\":\"Canceled\"}" }, { "GET " P "/ws1" V, 429, { "Retry-After: 3" } }, LIST(POOL("Failed")), { "DELETE " P "/ws1" V, 202 });
    for (int i = 0; i < 2; i++) {       /* the second time the operation is not asked again */
        expect_fault(w, FAULT_TRANSIENT);
        assert_non_null(strstr(w->err.text, "was canceled"));
        pass(w, 1000);
    }
    pass(w, 2000);
    expect_leaving(w, 2000);
    script_done(&w->script);
}

/* ARM asked for patience: what was said of the pool stands, or what this process did to it. */
static void a_pool_that_may_not_be_looked_at_is_as_it_was_known(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, THROTTLED_LIST, LIST(POOL("Failed")), { "DELETE " P "/ws1" V, 202 }, THROTTLED_LIST, LIST(""),
           { "PUT " P "/ws1" V, 201, { NULL }, POOL("Creating") }, THROTTLED_LIST);
    expect_fault(w, FAULT_THROTTLED);
    expect_waiting(w, CLOUD_PENDING, 1000);
    assert_true(w->made.unseen);
    pass(w, 3000);
    expect_leaving(w, 2000);
    pass(w, 2000);
    expect_fault(w, FAULT_THROTTLED);
    expect_leaving(w, 1000);
    pass(w, 3000);
    expect_pending(w, 5000);
    pass(w, 5000);
    expect_fault(w, FAULT_THROTTLED);
    expect_pending(w, 1000);
    script_done(&w->script);
}

static void a_deletion_that_fails_says_why_and_is_asked_again(void **state)
{
    struct world *w = *state;
    int64_t look = -1;

    SCRIPT(&w->script, LIST(POOL("Succeeded")), { "DELETE " P "/ws1" V, 202, { "Azure-AsyncOperation: " OPERATION } }, LIST(POOL("Failed")),
           { POLL, 200, { NULL }, "{\"status\":\"Failed\",\"error\":{\"code\":\"DeleteVMSSAgentPoolFailed\",\"message\":\"x\",\"details\":[{\"code\":\"PodDrainFailure\",\"message\":\"pdb\"}]}}" },
           { "DELETE " P "/ws1" V, 409, { NULL }, "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"another operation\"}}" });
    assert_int_equal(delete_look(w), 15000);
    pass(w, 15000);
    assert_int_not_equal(w->cloud->delete(w->cloud->self, "ws1", &look, &w->err), ERR_OK);
    assert_non_null(strstr(w->err.text, "PodDrainFailure: pdb"));
    assert_int_equal(delete_look(w), 2000);     /* another operation has its turn */
    script_done(&w->script);
}

#define BUSY { "DELETE " P "/ws1" V, 409, { NULL }, "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"another operation\"}}" }

/* It is listed and gone when it is asked to go: whatever ARM says then, its end has come. */
static void a_pool_that_went_meanwhile_is_gone(void **state)
{
    static const struct step rows[][2] = {
        { LIST(POOL("Succeeded")), { "DELETE " P "/ws1" V, 204 } },
        { LIST(POOL("Succeeded")), { "DELETE " P "/ws1" V, 404, { NULL }, "{\"error\":{\"code\":\"NotFound\",\"message\":\"Agent Pool not found.\"}}" } },
        { LIST(POOL("Succeeded")), { "DELETE " P "/ws1" V, 404, { NULL }, "{\"error\":{\"code\":\"ResourceGroupNotFound\",\"message\":\"x\"}}" } },
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        restart(w);
        script_play(&w->script, rows[i], 2);
        assert_int_equal(delete_look(w), 0);
        script_done(&w->script);
    }
}

static void another_operations_turn_is_waited_for_as_long_as_it_lasts(void **state)
{
    static const int64_t waits_ms[] = { 2000, 2000, 4000, 8000, 16000, 20000 };
    struct world *w = *state;

    SCRIPT(&w->script, LIST(POOL("Succeeded")), BUSY, BUSY, BUSY, BUSY, LIST(POOL("Succeeded")), BUSY, LIST(POOL("Succeeded")), BUSY);
    for (size_t i = 0; i < ARRAY_LEN(waits_ms); i++) {
        assert_int_equal(delete_look(w), waits_ms[i]);
        pass(w, waits_ms[i]);
    }
    script_done(&w->script);
}

static void a_pool_that_the_list_does_not_show_yet_is_deleted_too(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(""), { "PUT " P "/ws1" V, 201, { "Azure-AsyncOperation: " OPERATION }, POOL("Creating") }, LIST(""), { "DELETE " P "/ws1" V, 202 },
           GONE);      /* the list says nothing yet */
    expect_pending(w, 4000);
    pass(w, 1500);
    assert_int_equal(delete_look(w), 15000);
    pass(w, 15000);
    assert_int_equal(delete_look(w), 0);
    script_done(&w->script);
}

/* No list proves that a young pool is gone: it is asked for by name, once, and no list beside. */
static void the_end_of_a_young_pool_is_one_look_by_name(void **state)
{
    struct world *w = *state;
    struct cloud_instances l = { 0 };

    SCRIPT(&w->script, LIST(""), { "PUT " P "/ws1" V, 201, { NULL }, POOL("Succeeded") }, LIST(POOL("Succeeded")), { "DELETE " P "/ws1" V, 202 }, LIST(POOL("Deleting")), GONE);
    expect_running(w);
    pass(w, 1500);
    assert_int_equal(delete_look(w), 15000);
    pass(w, 12000);
    assert_int_equal(w->cloud->list(w->cloud->self, &l, &w->err), ERR_OK);      /* a list that somebody else needed shows it: nothing is asked */
    pass(w, 3000);
    assert_int_equal(delete_look(w), 22500);
    pass(w, 20000);
    assert_int_equal(delete_look(w), 0);
    script_done(&w->script);
    cloud_instances_done(&l);
}

/* Of a process that has just begun: a look by name showed the pool that its list lacks, so a list that lacks it still proves nothing. */
static void a_pool_that_only_a_look_by_name_showed_is_not_gone_yet(void **state)
{
    struct world *w = *state;
    int64_t look = -1;

    SCRIPT(&w->script, LIST(""), { "GET " P "/ws1" V, 200, { NULL }, POOL("Succeeded") }, { "DELETE " P "/ws1" V, 504 }, { "GET " P "/ws1" V, 200, { NULL }, POOL("Succeeded") },
           { "DELETE " P "/ws1" V, 202 }, GONE);
    assert_int_not_equal(w->cloud->delete(w->cloud->self, "ws1", &look, &w->err), ERR_OK);
    pass(w, 1000);
    assert_int_equal(delete_look(w), 15000);
    pass(w, 15000);
    assert_int_equal(delete_look(w), 0);
    script_done(&w->script);
}

/* Of a process that has just begun, too: the list shows it as it was, and whether ARM heard, only the pool itself says. */
static void a_deletion_whose_answer_was_lost_is_asked_again_at_once(void **state)
{
    struct world *w = *state;
    int64_t look = -1;

    SCRIPT(&w->script, LIST(POOL("Succeeded")), { "DELETE " P "/ws1" V, 503 }, LIST(POOL("Succeeded")), { "GET " P "/ws1" V, 200, { NULL }, POOL("Succeeded") },
           { "DELETE " P "/ws1" V, 503 }, { "GET " P "/ws1" V, 200, { NULL }, POOL("Deleting") });
    assert_int_not_equal(w->cloud->delete(w->cloud->self, "ws1", &look, &w->err), ERR_OK);
    pass(w, 1000);
    assert_int_not_equal(w->cloud->delete(w->cloud->self, "ws1", &look, &w->err), ERR_OK);
    pass(w, 1000);
    assert_int_equal(delete_look(w), 15000);
    script_done(&w->script);
}

/* The list lacks a pool that an earlier list showed: it is the older one, and the deletion has failed meanwhile. */
static void a_list_older_than_the_one_before_ends_nothing(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(POOL("Succeeded")), { "DELETE " P "/ws1" V, 202, { "Azure-AsyncOperation: " OPERATION, "Retry-After: 1" } }, LIST(""),
           { "GET " P "/ws1" V, 200, { NULL }, POOL("Failed") }, { "DELETE " P "/ws1" V, 202 }, GONE);
    assert_int_equal(delete_look(w), 1000);
    pass(w, 1000);
    assert_int_equal(delete_look(w), 15000);
    pass(w, 15000);
    assert_int_equal(delete_look(w), 0);
    script_done(&w->script);
}

static void a_young_pools_deletion_that_fails_is_asked_again(void **state)
{
    struct world *w = *state;
    int64_t look = -1;

    SCRIPT(&w->script, LIST(""), { "PUT " P "/ws1" V, 201, { NULL }, POOL("Succeeded") }, LIST(POOL("Succeeded")), { "DELETE " P "/ws1" V, 202, { "Azure-AsyncOperation: " OPERATION } },
           { "GET " P "/ws1" V, 200, { NULL }, POOL("Failed") }, { POLL, 200, { NULL }, FAILED("PodDrainFailure") }, LIST(POOL("Failed")), { "DELETE " P "/ws1" V, 202 }, GONE);
    expect_running(w);
    pass(w, 1500);
    assert_int_equal(delete_look(w), 15000);
    pass(w, 15000);
    assert_int_not_equal(w->cloud->delete(w->cloud->self, "ws1", &look, &w->err), ERR_OK);
    assert_non_null(strstr(w->err.text, "PodDrainFailure"));
    pass(w, 1000);
    assert_int_equal(delete_look(w), 15000);
    pass(w, 15000);
    assert_int_equal(delete_look(w), 0);
    script_done(&w->script);
}

static void a_cluster_that_is_gone_holds_no_claim_back(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, { "GET " P V, 404, { NULL }, "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"x\"}}" },
           { "GET " P V, 404, { NULL }, "{\"error\":{\"code\":\"ResourceGroupNotFound\",\"message\":\"x\"}}" },
           { "GET " P V, 404, { NULL }, "{\"error\":{\"code\":\"SubscriptionNotFound\",\"message\":\"x\"}}" });
    expect_fault(w, FAULT_CLUSTER_GONE);
    pass(w, 1000);
    assert_int_equal(delete_look(w), 0);
    pass(w, 1000);
    int64_t look;

    assert_int_not_equal(w->cloud->delete(w->cloud->self, "ws1", &look, &w->err), ERR_OK);     /* rather a wrong setting */
    script_done(&w->script);
}

/* What today's AKS says about a pool that is missing is not known for sure: the status decides, not the words. */
static void a_missing_pool_in_any_wording_is_gone(void **state)
{
    struct world *w = *state;
    static const struct step rows[][2] = {
        { LIST(""), { "GET " P "/ws1" V, 404, { NULL }, "{\"error\":{\"code\":\"NotFound\",\"message\":\"Could not find the Agent Pool\"}}" } },
        { LIST(""), { "GET " P "/ws1" V, 404, { NULL }, "{\"code\":\"NotFound\",\"details\":null,\"message\":\"Agent Pool not found\",\"subcode\":\"\"}" } },
        { LIST(""), { "GET " P "/ws1" V, 404, { NULL }, "" } },
        { LIST(""), { "GET " P "/ws1" V, 404, { NULL }, "<html>gone</html>" } },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        restart(w);
        script_play(&w->script, rows[i], 2);
        assert_int_equal(delete_look(w), 0);
        script_done(&w->script);
    }
}

static void upstreams_environment_is_read(void **state)
{
    static const char *const names[] = { "ARM_SUBSCRIPTION_ID", "ARM_RESOURCE_GROUP", "AZURE_CLUSTER_NAME", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE",
                                         "AZURE_AUTHORITY_HOST", "DEPLOYMENT_MODE", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD",
                                         "ARM_CLOUD", "AZURE_ENVIRONMENT_FILEPATH", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "IDENTITY_SERVER_THUMBPRINT", "MSI_ENDPOINT" };
    struct azure_settings s = { .cluster = "given" };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        setenv(names[i], names[i], 1);
    azure_settings_env(&s);
    const char *const have[] = { s.subscription, s.resource_group, "AZURE_CLUSTER_NAME", s.tenant, s.client_id, s.token_file, s.authority_host, s.deployment_mode, s.secret,
                                 s.certificate, s.certificate_password, s.cloud, s.environment_file, s.identity.endpoint, s.identity.header, s.identity.arc, s.identity.fabric, s.identity.msi };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_string_equal(have[i], names[i]);
        unsetenv(names[i]);
    }
    assert_string_equal(s.cluster, "given");    /* what an option said stays */
}

static void a_spec_that_cannot_be_sends_nothing(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, LIST(""));
    w->claim.meta.name = STR("no-pool-name");
    expect_fault(w, FAULT_SPEC);
    w->script.n_steps = 0;
    script_done(&w->script);
}

static void lists_are_whole_and_hold_ours_only(void **state)
{
    struct world *w = *state;
    struct cloud_instances l = { 0 };
    struct cloud_instance i = { 0 };

    SCRIPT(&w->script, { "GET " P V, 200, { NULL }, "{\"value\":[" POOL("Succeeded") "],\"nextLink\":\"SELF" P V "&%24skipToken=a\"}" }, { "GET " P V "&%24skipToken=a", 500 },
           LIST(POOL("Succeeded") ",{\"name\":\"nodepool1\",\"properties\":{\"mode\":\"System\"}}"));
    assert_int_not_equal(w->cloud->list(w->cloud->self, &l, &w->err), ERR_OK);
    assert_int_equal(l.n, 0);
    pass(w, 1000);
    assert_int_equal(w->cloud->list(w->cloud->self, &l, &w->err), ERR_OK);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.items[0].claim, "ws1");
    assert_int_equal(l.items[0].created_ms, 1767323045000);
    assert_int_equal(w->cloud->get(w->cloud->self, "ws1", &i, &w->err), ERR_OK);      /* from the same look */
    assert_int_equal(w->cloud->get(w->cloud->self, "ws2", &i, &w->err), ERR_NOT_FOUND);
    assert_int_equal(w->cloud->get(w->cloud->self, "nodepool1", &i, &w->err), ERR_NOT_FOUND);
    script_done(&w->script);
    cloud_instance_done(&i);
    cloud_instances_done(&l);
}

/* Of what a list says of a pool only that is kept which somebody looks at. */
static void what_a_list_says_of_a_pool_is_enough(void **state)
{
    struct world *w = *state;
    AUTO(cloud_instance_done) struct cloud_instance i = { 0 };

    SCRIPT(&w->script, LIST("{\"name\":\"ws1\",\"id\":\"/x\",\"properties\":{\"provisioningState\":\"Succeeded\",\"powerState\":{\"code\":\"Stopped\"},\"nodeImageVersion\":\"image-1\",\"maxPods\":110,"
                            "\"vmSize\":\"Standard_NC24ads_A100_v4\"," LABELS("2026-01-02T03-04-05Z") "}}"));
    assert_int_equal(w->cloud->get(w->cloud->self, "ws1", &i, &w->err), ERR_OK);
    assert_int_equal(i.state, CLOUD_BROKEN);            /* stopped */
    assert_string_equal(i.image_id, "image-1");
    assert_string_equal(i.instance_type, "Standard_NC24ads_A100_v4");
    assert_string_equal(json_cstr(i.labels, "karpenter.sh/nodepool"), "kaito");
    script_done(&w->script);
}

/* Upstream dropped its old Machines' pools from view: nobody deleted them, and nobody said that they were there. */
static void pools_of_old_machines_are_counted_and_left_alone(void **state)
{
    struct world *w = *state;
    AUTO_BUF text = { 0 };
    struct cloud_instances l = { 0 };
    size_t at;

    SCRIPT(&w->script, LIST(POOL("Succeeded") ",{\"name\":\"ws0\",\"properties\":{\"mode\":\"User\",\"nodeLabels\":{\"kaito.sh/workspace\":\"w\",\"kaito.sh/machine-type\":\"gpu\"}}}"
                            ",{\"name\":\"nodepool1\",\"properties\":{\"mode\":\"System\"}}"));
    w->cloud->metrics(w->cloud->self, &text);
    assert_false(str_find(buf_str(&text), STR("kaito_arm_pools"), &at));       /* there was no look yet */
    assert_int_equal(w->cloud->list(w->cloud->self, &l, &w->err), ERR_OK);
    assert_int_equal(l.n, 1);
    w->cloud->metrics(w->cloud->self, &text);
    assert_true(str_find(buf_str(&text), STR("kaito_arm_pools{owner=\"kaito-machine\"} 1\n"), &at));
    assert_true(str_find(buf_str(&text), STR("kaito_arm_pools{owner=\"kaito\"} 1\n"), &at));
    assert_true(str_find(buf_str(&text), STR("kaito_arm_pools{owner=\"other\"} 1\n"), &at));
    int64_t look = -1;
    assert_int_equal(w->cloud->delete(w->cloud->self, "ws0", &look, &w->err), ERR_OK);
    script_done(&w->script);            /* nothing was sent */
    cloud_instances_done(&l);
}

static void throttling_is_no_failure_of_a_deletion(void **state)
{
    struct world *w = *state;

    SCRIPT(&w->script, { "GET " P V, 429, { "Retry-After: 90" } });
    assert_int_equal(delete_look(w), 90500);    /* creations, which somebody waits for, go first */
    assert_int_equal(delete_look(w), 1500);     /* a list a second at most */
    pass(w, 1000);
    assert_int_equal(delete_look(w), 89500);
    script_done(&w->script);            /* nothing was sent meanwhile */
}

static void types_are_those_that_workspaces_know(void **state)
{
    struct world *w = *state;
    AUTO_JSON types = NULL;
    const json_t *t;
    size_t i, seen = 0;

    assert_int_equal(w->cloud->types(w->cloud->self, &types, &w->err), ERR_OK);
    json_array_foreach(types, i, t)
        if (streq(json_cstr(t, "name"), "Standard_NC24ads_A100_v4")) {
            seen++;
            assert_int_equal(json_int(t, "gpus", 0), 1);
            assert_int_equal(json_int(t, "cpus", 0), 24);
        }
    assert_int_equal(seen, 1);
}

static void settings_that_are_missing_are_named(void **state)
{
    struct world *w = *state;
    struct azure_settings base = settings(w);
    const struct { struct azure_settings s; const char *names; } rows[] = {
        { .s = { .resource_group = "g", .cluster = "c" }, .names = "ARM_SUBSCRIPTION_ID" }, { .s = { .subscription = "s", .cluster = "c" }, .names = "ARM_RESOURCE_GROUP" },
        { .s = { .subscription = "s", .resource_group = "g" }, .names = "AZURE_CLUSTER_NAME" },
        { .s = { .subscription = "s", .resource_group = "g", .cluster = "c" }, .names = "AZURE_FEDERATED_TOKEN_FILE" },
        { .s = { .subscription = "s", .resource_group = "g", .cluster = "c", .deployment_mode = "x" }, .names = "DEPLOYMENT_MODE" },
        { .s = { .subscription = "s", .resource_group = "g", .cluster = "c", .auth = "x" }, .names = "AZURE_AUTH" },
        { .s = { .subscription = "s", .resource_group = "g", .cluster = "c", .cloud = "AzureMoon" }, .names = "AzureMoon" },
        { .s = { .subscription = "s", .resource_group = "g", .cluster = "c", .endpoint = "http://arm.example", .secret = "x" }, .names = "https" },
        { .s = { .subscription = "s", .resource_group = "g", .cluster = "c", .deployment_mode = "self-hosted", .secret = "x", .tenant = "t", .client_id = "c" },
          .names = "AZURE_FEDERATED_TOKEN_FILE" },
        { .s = { .subscription = "s", .resource_group = "g", .cluster = "c", .identity.endpoint = "http://x" }, .names = "IMDS_ENDPOINT" },
    };
    const char *const header = "no header";

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cloud *cloud = NULL;

        assert_int_equal(azure_cloud_new(&rows[i].s, NULL, &cloud, &w->err), ERR_BAD_REQUEST);
        if (!strstr(w->err.text, rows[i].names))
            fail_msg("row %zu: %s", i, w->err.text);
    }
    struct cloud *cloud = NULL;

    base.headers = &header;
    base.n_headers = 1;
    assert_int_equal(azure_cloud_new(&base, NULL, &cloud, &w->err), ERR_BAD_REQUEST);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_life), TEST(a_ready_node_brings_the_look_forward), TEST(who_takes_a_creation_over_looks_again_soon), TEST(an_instant_cloud_is_not_polled), TEST(the_image_is_what_an_answer_said_on_the_way), TEST(what_is_not_ours_is_left_alone), TEST(a_pool_of_the_claim_is_adopted),
        TEST(a_lost_reply_makes_no_second_pool), TEST(a_claim_that_another_process_took_has_its_pool_asked_for_by_name), TEST(what_failed_is_deleted_before_it_is_reported),
        TEST(a_list_that_still_shows_what_is_gone_makes_no_machine_of_it), TEST(who_may_not_ask_for_a_pool_by_name_asks_when_that_is_allowed_again),
        TEST(what_is_on_its_way_and_nowhere_is_not_made_before_the_claim_was_asked), TEST(a_failed_leftover_is_deleted_and_made_anew),
        TEST(a_forged_operation_moves_nothing), TEST(a_pool_tells_where_operations_may_not_be_read), TEST(an_operation_that_arm_forgot_is_looked_up_in_the_pool),
        TEST(a_look_that_says_nothing_is_repeated_soon), TEST(a_look_without_a_token_is_repeated_soon), TEST(a_look_that_waits_for_its_turn_is_not_put_off_further),
        TEST(a_ready_node_brings_the_look_at_a_pool_forward), TEST(a_list_that_may_be_old_is_not_believed), TEST(who_takes_over_asks_for_the_pool_where_operations_are_closed), TEST(a_success_that_was_seen_is_not_asked_for_again), TEST(a_list_that_shows_the_end_is_enough),
        TEST(a_failed_operation_is_dealt_with_as_soon_as_arm_answers), TEST(a_failed_operation_is_told_while_its_leftover_waits), TEST(a_pool_that_goes_is_looked_at_anew), TEST(a_failed_pool_that_the_list_does_not_show_is_deleted),
        TEST(a_failed_pool_of_another_process_is_deleted_too),
        TEST(a_pool_that_went_meanwhile_is_gone), TEST(another_operations_turn_is_waited_for_as_long_as_it_lasts),
        TEST(a_canceled_operation_means_that_the_pool_tells), TEST(what_a_canceled_operation_left_goes_at_once), TEST(a_canceled_operations_pool_that_has_no_answer_is_listed),
        TEST(a_canceled_creation_is_told_while_arm_answers_nothing), TEST(a_pool_that_may_not_be_looked_at_is_as_it_was_known),
        TEST(a_deletion_that_fails_says_why_and_is_asked_again),
        TEST(a_pool_that_the_list_does_not_show_yet_is_deleted_too), TEST(the_end_of_a_young_pool_is_one_look_by_name),
        TEST(a_pool_that_only_a_look_by_name_showed_is_not_gone_yet), TEST(a_deletion_whose_answer_was_lost_is_asked_again_at_once),
        TEST(a_list_older_than_the_one_before_ends_nothing),
        TEST(a_young_pools_deletion_that_fails_is_asked_again),
        TEST(a_cluster_that_is_gone_holds_no_claim_back),
        TEST(a_spec_that_cannot_be_sends_nothing), TEST(a_missing_pool_in_any_wording_is_gone), TEST(upstreams_environment_is_read), TEST(lists_are_whole_and_hold_ours_only), TEST(throttling_is_no_failure_of_a_deletion),
        TEST(pools_of_old_machines_are_counted_and_left_alone), TEST(what_a_list_says_of_a_pool_is_enough),
        TEST(types_are_those_that_workspaces_know), TEST(settings_that_are_missing_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
