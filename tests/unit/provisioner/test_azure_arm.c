/* One exchange with ARM at a time: tokens, budget, pages, operations; against a server that follows a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "script.h"

struct world { struct script script; struct arm *arm; };

static int start(void **state)
{
    struct world *w = xzalloc(sizeof *w);

    script_start(&w->script);
    w->arm = arm_new(&(struct arm_opts){ .http = w->script.http, .auth = w->script.auth, .endpoint = w->script.self, .now_ms = script_now,
                                         .now_self = &w->script });
    *state = w;
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;

    arm_free(w->arm);
    script_stop(&w->script);
    free(w);
    return 0;
}

static errc get(struct world *w, const char *path, struct arm_refusal *why, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s%s", w->script.self, path);
    AUTO_REPLY r = { 0 };

    return arm_send(w->arm, &(struct arm_request){ .method = "GET", .url = url }, &r, why, e);
}

static void a_request_carries_what_arm_wants(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *url = xasprintf("%s/x?api-version=1", w->script.self);
    AUTO_JSON body = json_pack("{s:i,s:{s:i}}", "z", 1, "a", "b", 2);
    AUTO_REPLY r = { 0 };
    struct arm_refusal why;
    struct err e;

    SCRIPT(&w->script, { "PUT /x?api-version=1", 201, { "ETag: 7" }, "{\"k\":1}", "If-None-Match: *" });
    assert_int_equal(arm_send(w->arm, &(struct arm_request){ .class = BUDGET_WRITE, .method = "PUT", .url = url, .body = body, .if_none_match = "*" },
                              &r, &why, &e), ERR_OK);
    assert_int_equal(r.status, 201);
    assert_int_equal(json_int(r.body, "k", 0), 1);
    assert_string_equal(http_header_get(&r.headers, "etag"), "7");
    assert_string_equal(w->script.last_body, "{\"a\":{\"b\":2},\"z\":1}");      /* sorted: the same bytes each time */
    script_done(&w->script);
}

static void a_refused_token_is_replaced_once(void **state)
{
    struct world *w = *state;
    struct arm_refusal why;
    struct err e;

    SCRIPT(&w->script, { "GET /x", 401, { "WWW-Authenticate: Bearer" } }, { "GET /x", 200, { NULL }, "{}" },
           { "GET /y", 401 }, { "GET /y", 401, { NULL }, "{\"error\":{\"code\":\"InvalidAuthenticationToken\",\"message\":\"no token-4 for you\"}}" });
    assert_int_equal(get(w, "/x", &why, &e), ERR_OK);
    assert_int_equal(get(w, "/y", &why, &e), ERR_UNAUTHORIZED);
    assert_int_equal(why.failure.fault, FAULT_AUTH);
    script_done(&w->script);
    assert_int_equal(w->script.tokens, 3);
}

static void no_token_goes_to_another_host(void **state)
{
    struct world *w = *state;
    AUTO_REPLY r = { 0 };
    AUTO_JSON items = NULL;
    struct arm_refusal why;
    struct err e;

    assert_int_equal(arm_send(w->arm, &(struct arm_request){ .method = "GET", .url = "http://127.0.0.1:1/x" }, &r, &why, &e), ERR_FORBIDDEN);
    assert_int_equal(w->script.tokens, 0);
    SCRIPT(&w->script, { "GET /list", 200, { NULL }, "{\"value\":[{\"name\":\"a\"}],\"nextLink\":\"http://evil.example/list?page=2\"}" });
    AUTO_MEM char *url = xasprintf("%s/list", w->script.self);

    assert_int_equal(arm_list(w->arm, url, &items, NULL, &why, &e), ERR_FORBIDDEN);
    assert_null(items);
    script_done(&w->script);
}

static bool leads(void *self)
{
    return *(const bool *)self;
}

/* Reads go on: they harm nobody. */
static void who_does_not_lead_writes_nothing(void **state)
{
    struct world *w = *state;
    bool yes = true;
    AUTO_MEM char *url = xasprintf("%s/x", w->script.self);
    AUTO_FREE(arm) a = arm_new(&(struct arm_opts){ .http = w->script.http, .auth = w->script.auth, .endpoint = w->script.self, .leads = leads, .leads_self = &yes });
    struct arm_refusal why;
    struct err e;

    SCRIPT(&w->script, { "DELETE /x", 204, { NULL }, "" }, { "GET /x", 200, { NULL }, "{}" });
    for (int i = 0; i < 2; i++, yes = false) {
        AUTO_REPLY r = { 0 };

        assert_int_equal(arm_send(a, &(struct arm_request){ .class = BUDGET_DELETE, .method = "DELETE", .url = url }, &r, &why, &e), yes ? ERR_OK : ERR_CANCELLED);
        assert_false(why.sent);
    }
    AUTO_REPLY r = { 0 };
    assert_int_equal(arm_send(a, &(struct arm_request){ .class = BUDGET_READ, .method = "GET", .url = url }, &r, &why, &e), ERR_OK);
    script_done(&w->script);
}

static bool leads_at_first(void *self)
{
    return ++*(int *)self == 1;
}

/* Halted while it connects, and followed meanwhile: the claim may be gone by now. */
static void who_leads_no_more_when_all_is_connected_writes_nothing(void **state)
{
    struct world *w = *state;
    int asked = 0;
    AUTO_MEM char *url = xasprintf("%s/x", w->script.self);
    AUTO_FREE(arm) a = arm_new(&(struct arm_opts){ .http = w->script.http, .auth = w->script.auth, .endpoint = w->script.self, .leads = leads_at_first, .leads_self = &asked });
    AUTO_REPLY r = { 0 };
    struct arm_refusal why;
    struct err e;

    script_play(&w->script, NULL, 0);
    assert_int_equal(arm_send(a, &(struct arm_request){ .class = BUDGET_WRITE, .method = "PUT", .url = url, .body = NULL }, &r, &why, &e), ERR_CANCELLED);
    assert_int_equal(asked, 2);
    assert_false(why.sent);
    script_done(&w->script);
}

static void stop_asking(void *self)
{
    cancel_now(self);
}

/* A write on its way is waited for when we stop: whoever comes next would look before it has happened. A new one does not begin, and no look is waited for. */
static void a_write_on_its_way_is_waited_for_when_we_stop(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *url = xasprintf("%s/x", w->script.self);
    AUTO_FREE(cancel) cancel = cancel_new();
    AUTO_FREE(arm) a = arm_new(&(struct arm_opts){ .http = w->script.http, .auth = w->script.auth, .endpoint = w->script.self, .cancel = cancel });
    struct arm_refusal why;
    struct err e;

    SCRIPT(&w->script, { "PUT /x", 201 });
    w->script.meanwhile = stop_asking;
    w->script.meanwhile_self = cancel;
    for (int i = 0; i < 2; i++) {
        AUTO_REPLY r = { 0 };

        assert_int_equal(arm_send(a, &(struct arm_request){ .class = BUDGET_WRITE, .method = "PUT", .url = url }, &r, &why, &e), i ? ERR_CANCELLED : ERR_OK);
        assert_int_equal(r.status, i ? 0 : 201);
        assert_false(why.sent);
    }
    script_done(&w->script);
}

static void what_a_server_says_back_is_blotted(void **state)
{
    struct world *w = *state;
    struct arm_refusal why;
    struct err e;

    SCRIPT(&w->script, { "GET /x", 400, { NULL }, "{\"error\":{\"code\":\"BadRequest\",\"message\":\"your header was Bearer token-1\"}}" });
    assert_int_equal(get(w, "/x", &why, &e), ERR_BAD_REQUEST);
    assert_null(strstr(e.text, "token-1"));
    assert_non_null(strstr(e.text, "your header was Bearer *******"));
}

static void a_429_closes_its_class_for_all(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *url = xasprintf("%s/x", w->script.self);
    AUTO_REPLY r = { 0 };
    struct arm_refusal why;
    struct err e;

    SCRIPT(&w->script, { "GET /x", 429, { "Retry-After: 1200", "x-ms-request-id: 5e-17" }, "{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"x\"}}" }, { "DELETE /x", 204 },
           { "GET /y", 200, { NULL }, "{}", "x-kaito-after-refusal: 5e-17" });
    assert_int_equal(get(w, "/x", &why, &e), ERR_THROTTLED);
    assert_int_equal(why.failure.fault, FAULT_THROTTLED);
    assert_int_equal(why.failure.retry_ms, 1200000);    /* twenty minutes are twenty minutes */
    w->script.now_ms += 1199000;
    assert_int_equal(get(w, "/y", &why, &e), ERR_THROTTLED);
    assert_true(why.failure.retry_ms >= 1000);
    assert_int_equal(arm_send(w->arm, &(struct arm_request){ .class = BUDGET_DELETE, .method = "DELETE", .url = url }, &r, &why, &e), ERR_OK);
    w->script.now_ms += 1000;
    assert_int_equal(get(w, "/y", &why, &e), ERR_OK);
    script_done(&w->script);
}

static void retry_after_in_all_its_forms(void **state)
{
    char date[64];
    time_t in_a_minute = time(NULL) + 60;
    struct tm tm;
    const struct { const char *name, *value; int64_t low, high; } rows[] = {
        { "Retry-After", "7", 7000, 7000 }, { "retry-after-ms", "250", 250, 250 }, { "x-ms-retry-after-ms", "1500", 1500, 1500 },
        { "Retry-After", "0", 0, 0 }, { "Retry-After", "-5", 0, 0 }, { "Retry-After", "99999999999", 86400000, 86400000 }, { "Retry-After", "soon", 0, 0 },
        { "Retry-After", date, 55000, 61000 }, { "Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT", 0, 0 }, { "X", "7", 0, 0 },
        { "Retry-After", "Fri, 31 Dec 9999 00:00:00 GMT", 86400000, 86400000 },
    };

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&in_a_minute, &tm));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_pairs h = { 0 };

        http_pairs_add(&h, str_of(rows[i].name), str_of(rows[i].value));
        int64_t ms = arm_retry_after_ms(&h);

        if (ms < rows[i].low || ms > rows[i].high)
            fail_msg("%s: %s is %lld ms", rows[i].name, rows[i].value, (long long)ms);
        http_pairs_done(&h);
    }
}

static void a_budget_gives_turns(void **state)
{
    AUTO_FREE(budget) b = budget_new(1);        /* looks: 20, then one in 2.5 s */
    struct http_pairs left = { 0 };
    int64_t now = 1000, before = 0;

    for (int i = 0; i < 20; i++)
        assert_int_equal(budget_take(b, BUDGET_READ, now), 0);
    for (int i = 0; i < 5; i++) {               /* those who come at once wait one after another */
        int64_t wait = budget_take(b, BUDGET_READ, now);

        assert_true(wait >= before + 2500);
        before = wait;
    }
    assert_int_equal(budget_take(b, BUDGET_READ, now + 2499), before + 2500 - 2499);
    assert_int_equal(budget_take(b, BUDGET_READ, now + 2500), 0);
    assert_int_equal(budget_take(b, BUDGET_DELETE, now), 0);    /* a budget of its own */
    http_pairs_add(&left, STR("x-ms-ratelimit-remaining-subscription-global-writes"), STR("500"));
    http_pairs_add(&left, STR("x-ms-ratelimit-remaining-subscription-writes"), STR("1"));
    budget_answered(b, BUDGET_WRITE, &left, now);
    assert_int_equal(budget_take(b, BUDGET_WRITE, now), 0);
    assert_true(budget_take(b, BUDGET_WRITE, now) > 0);         /* ARM said so */
    http_pairs_done(&left);
}

static void a_429_without_a_time_doubles(void **state)
{
    AUTO_FREE(budget) b = budget_new(1);
    struct http_pairs none = { 0 };

    assert_int_equal(budget_hold(b, BUDGET_READ, 0, 1000), 10000);
    assert_int_equal(budget_hold(b, BUDGET_READ, 0, 11000), 20000);
    assert_int_equal(budget_hold(b, BUDGET_READ, 3000, 31000), 3000);
    budget_answered(b, BUDGET_READ, &none, 40000);
    assert_int_equal(budget_hold(b, BUDGET_READ, 0, 40000), 10000);
    for (int i = 0; i < 10; i++)
        (void)budget_hold(b, BUDGET_READ, 0, 1000000 + i * 1000000);
    assert_int_equal(budget_hold(b, BUDGET_READ, 0, 100000000), 300000);
}

static void all_pages_or_none(void **state)
{
    struct world *w = *state;
    AUTO_MEM char *url = xasprintf("%s/list?api-version=1", w->script.self);
    AUTO_JSON items = NULL;
    AUTO_JSON none = NULL;
    struct arm_refusal why;
    struct err e;

    SCRIPT(&w->script, { "GET /list?api-version=1", 200, { NULL }, "{\"value\":[],\"nextLink\":\"SELF/list?api-version=1\\u0026%24skipToken=a\"}" },
           { "GET /list?api-version=1&%24skipToken=a", 200, { NULL }, "{\"value\":[{\"name\":\"p\"}],\"nextLink\":\"SELF/list?s=b\"}" },
           { "GET /list?s=b", 200, { NULL }, "{\"value\":[]}" },
           { "GET /list?api-version=1", 200, { NULL }, "{\"value\":[{\"name\":\"p\"}],\"nextLink\":\"SELF/list?s=b\"}" },
           { "GET /list?s=b", 503, { NULL }, "" },
           { "GET /list?api-version=1", 200, { NULL }, "{\"value\":[{\"name\":\"p\"}],\"nextLink\":\"SELF/list?s=b\"}" },
           { "GET /list?s=b", 200, { NULL }, "{\"value\":[{\"name\":\"p\"}],\"nextLink\":\"SELF/list?api-version=1\"}" },
           { "GET /list?api-version=1", 200, { NULL }, "<html>" });
    assert_int_equal(arm_list(w->arm, url, &items, NULL, &why, &e), ERR_OK);
    assert_int_equal(json_array_size(items), 1);
    assert_int_equal(arm_list(w->arm, url, &none, NULL, &why, &e), ERR_UNAVAILABLE);
    assert_int_equal(arm_list(w->arm, url, &none, NULL, &why, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "circle"));
    assert_int_equal(arm_list(w->arm, url, &none, NULL, &why, &e), ERR_CORRUPT);
    assert_null(none);
    script_done(&w->script);
}

static void what_to_follow_after_a_write(void **state)
{
    struct world *w = *state;
    static const struct { int status; const char *headers[3][2]; errc rc; enum arm_operation_style style; } rows[] = {
        { 201, { { "azure-asyncoperation", "SELF/op" } }, ERR_OK, ARM_ASYNC },
        { 202, { { "Location", "SELF/result" }, { "Azure-AsyncOperation", "SELF/op" } }, ERR_OK, ARM_ASYNC },
        { 202, { { "Location", "SELF/result" }, { "Retry-After", "4" } }, ERR_OK, ARM_LOCATION },
        { 201, { { "Location", "SELF/result" } }, ERR_OK, ARM_NO_OPERATION }, { 202, { { NULL } }, ERR_OK, ARM_NO_OPERATION },
        { 201, { { "Azure-AsyncOperation", "https://evil.example/op" } }, ERR_CORRUPT, ARM_NO_OPERATION },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_REPLY r = { .status = rows[i].status };
        AUTO(arm_operation_done) struct arm_operation op = { 0 };
        struct err e;

        for (size_t k = 0; k < 3 && rows[i].headers[k][0]; k++) {
            AUTO_MEM char *value = script_text(&w->script, rows[i].headers[k][1]);

            http_pairs_add(&r.headers, str_of(rows[i].headers[k][0]), str_of(value));
        }
        if (arm_operation_of(w->arm, &r, &op, &e) != rows[i].rc || op.style != rows[i].style)
            fail_msg("row %zu", i);
        if (i == 2)
            assert_int_equal(op.wait_ms, 4000);
    }
}

static void what_an_operation_says(void **state)
{
    static const struct { enum arm_operation_style style; int status; const char *body; errc rc; enum arm_progress_state state; const char *code; } rows[] = {
        { ARM_ASYNC, 200, "{\"status\":\"InProgress\"}", ERR_OK, ARM_RUNNING, "" },
        { ARM_ASYNC, 200, "{\"status\":\"SUCCEEDED\"}", ERR_OK, ARM_SUCCEEDED, "" },
        { ARM_ASYNC, 200, "{\"status\":\"Whatever\"}", ERR_OK, ARM_RUNNING, "" },
        { ARM_ASYNC, 200, "{\"status\":\"failed\",\"error\":{\"code\":\"A\",\"message\":\"m\",\"details\":[{\"code\":\"NodesNotReady\",\"message\":\"n\"}]}}", ERR_OK, ARM_FAILED, "A" },
        { ARM_ASYNC, 200, "{\"status\":\"Failed\"}", ERR_OK, ARM_FAILED, "OperationFailed" },
        { ARM_ASYNC, 200, "{\"status\":\"Canceled\",\"error\":null}", ERR_OK, ARM_CANCELED, "Canceled" },
        { ARM_ASYNC, 200, "{}", ERR_CORRUPT, ARM_RUNNING, "" }, { ARM_ASYNC, 200, "\"x\"", ERR_CORRUPT, ARM_RUNNING, "" },
        { ARM_LOCATION, 202, "", ERR_OK, ARM_RUNNING, "" }, { ARM_LOCATION, 204, "", ERR_OK, ARM_SUCCEEDED, "" },
        { ARM_LOCATION, 200, "{\"properties\":{\"provisioningState\":\"Creating\"}}", ERR_OK, ARM_RUNNING, "" },
        { ARM_LOCATION, 200, "{\"properties\":{\"provisioningState\":\"Failed\"}}", ERR_OK, ARM_FAILED, "OperationFailed" },
        { ARM_LOCATION, 200, "{\"name\":\"p\"}", ERR_OK, ARM_SUCCEEDED, "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON body = NULL;
        struct arm_progress p = { 0 };
        struct err e;

        if (*rows[i].body)
            assert_int_equal(json_parse(str_of(rows[i].body), &body, &e), ERR_OK);
        if (arm_progress_of(rows[i].style, rows[i].status, body, &p, &e) != rows[i].rc || p.state != rows[i].state || !streq(p.error.code, rows[i].code))
            fail_msg("row %zu: %s", i, rows[i].body);
    }
}

static void polls(void **state)
{
    struct world *w = *state;
    AUTO(arm_operation_done) struct arm_operation async = { ARM_ASYNC, xasprintf("%s/op?s=1", w->script.self), 0 };
    AUTO(arm_operation_done) struct arm_operation place = { ARM_LOCATION, xasprintf("%s/result", w->script.self), 0 };
    struct arm_progress p;
    struct arm_refusal why;
    struct err e;

    SCRIPT(&w->script, { "GET /op?s=1", 200, { "Retry-After: 9", "Location: SELF/elsewhere" }, "{\"status\":\"InProgress\"}" }, { "GET /op?s=1", 503 },
           { "GET /op?s=1", 404, { NULL }, "{\"error\":{\"code\":\"NotFound\",\"message\":\"x\"}}" },
           { "GET /result", 202, { "Location: SELF/result2" } }, { "GET /result2", 409, { NULL }, "{\"error\":{\"code\":\"QuotaExceeded\",\"message\":\"x\"}}" },
           { "GET /result2", 202, { "Location: http://evil.example/" } });
    assert_int_equal(arm_poll(w->arm, &async, &p, &why, &e), ERR_OK);
    assert_int_equal(p.state, ARM_RUNNING);
    assert_int_equal(p.wait_ms, 9000);
    assert_int_equal(arm_poll(w->arm, &async, &p, &why, &e), ERR_UNAVAILABLE);
    assert_int_equal(arm_poll(w->arm, &async, &p, &why, &e), ERR_OK);
    assert_int_equal(p.state, ARM_LOST);
    assert_int_equal(arm_poll(w->arm, &place, &p, &why, &e), ERR_OK);
    assert_int_equal(arm_poll(w->arm, &place, &p, &why, &e), ERR_OK);
    assert_int_equal(p.state, ARM_FAILED);
    assert_int_equal(arm_error_fault(&p.error), FAULT_QUOTA);
    assert_int_equal(arm_poll(w->arm, &place, &p, &why, &e), ERR_CORRUPT);
    script_done(&w->script);
}

static void requests_are_counted(void **state)
{
    struct world *w = *state;
    struct arm_refusal why;
    struct err e;
    AUTO_BUF text = { 0 };

    SCRIPT(&w->script, { "GET /x", 200, { NULL }, "{}" }, { "GET /x", 503 });
    assert_int_equal(get(w, "/x", &why, &e), ERR_OK);
    assert_int_equal(get(w, "/x", &why, &e), ERR_UNAVAILABLE);
    assert_true(why.sent);
    arm_metrics(w->arm, &text);
    assert_non_null(strstr(buf_cstr(&text), "kaito_arm_requests_total{class=\"read\",status=\"2xx\"} 1\n"));
    assert_non_null(strstr(buf_cstr(&text), "kaito_arm_requests_total{class=\"read\",status=\"5xx\"} 1\n"));
    assert_non_null(strstr(buf_cstr(&text), "kaito_arm_requests_left{class=\"read\"} 18\n"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_carries_what_arm_wants), TEST(a_refused_token_is_replaced_once), TEST(no_token_goes_to_another_host),
        TEST(who_does_not_lead_writes_nothing), TEST(who_leads_no_more_when_all_is_connected_writes_nothing), TEST(a_write_on_its_way_is_waited_for_when_we_stop), TEST(what_a_server_says_back_is_blotted), TEST(a_429_closes_its_class_for_all), TEST(retry_after_in_all_its_forms), TEST(a_budget_gives_turns),
        TEST(a_429_without_a_time_doubles), TEST(all_pages_or_none), TEST(what_to_follow_after_a_write), TEST(what_an_operation_says), TEST(polls),
        TEST(requests_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
