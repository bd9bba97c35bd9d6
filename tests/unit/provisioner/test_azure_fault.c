/* The catalogue of ARM's refusals (dossier, provisioner, 3.7): each code, each status, and the words that were seen in every envelope. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <ctype.h>
#include <cmocka.h>

#include "provisioner/azure/fault.h"

static struct arm_error parse(int status, const char *body)
{
    struct arm_error a;

    arm_error_parse(status, NULL, str_of(body), &a);
    return a;
}

static void refusals_fall_into_their_class(void **state)
{
    static const struct { int status; const char *body; enum cloud_fault fault; } rows[] = {
        { 400, "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"Operation could not be completed as it results in exceeding approved standardNCADSA100v4Family Cores quota.\"}}", FAULT_QUOTA },
        { 400, "{\"code\":\"ErrCode_InsufficientVCPUQuota\",\"details\":null,\"message\":\"Insufficient vcpu quota requested 24, remaining 0\",\"subcode\":\"\"}", FAULT_QUOTA },
        { 409, "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"Operation exceeds LowPriorityCores\"}}", FAULT_QUOTA },
        { 409, "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"exceeds approved Total Regional Cores\"}}", FAULT_QUOTA },
        { 400, "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"the maximum number of agent pools (100) is reached\"}}", FAULT_QUOTA },
        { 400, "{\"error\":{\"code\":\"BadRequest\",\"message\":\"Standard_NC24ads_A100_v4 is not supported for subscription s in location l\"}}", FAULT_TYPE },
        { 409, "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"Operation is not allowed because there's an in progress create node pool operation\"}}", FAULT_BUSY },
        { 400, "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"another (agentpool) operation (x - Creating) is in progress\"}}", FAULT_BUSY },
        { 409, "{\"error\":{\"code\":\"Conflict\",\"message\":\"x\"}}", FAULT_BUSY },
        { 412, "{\"error\":{\"code\":\"ConditionNotMet\",\"message\":\"x\"}}", FAULT_BUSY },
        { 200, "{\"error\":{\"code\":\"ReconcileVMSSAgentPoolFailed\",\"message\":\"outer\",\"details\":[{\"code\":\"AllocationFailed\",\"message\":\"no capacity\"}]}}", FAULT_CAPACITY },
        { 200, "{\"error\":{\"code\":\"CreateVMSSAgentPoolFailed\",\"message\":\"VMSSAgentPoolReconciler retry failed: {\\\"error\\\":{\\\"code\\\":\\\"ZonalAllocationFailed\\\",\\\"message\\\":\\\"zone 1\\\"}}\"}}", FAULT_CAPACITY },
        { 409, "{\"error\":{\"code\":\"SkuNotAvailable\",\"message\":\"currently not available: capacity restrictions\"}}", FAULT_CAPACITY },
        { 409, "{\"error\":{\"code\":\"SkuNotAvailable\",\"message\":\"not available in location\"}}", FAULT_TYPE },
        { 400, "{\"error\":{\"code\":\"BadRequest\",\"message\":\"The VM size is not allowed in your subscription in location\"}}", FAULT_TYPE },
        { 400, "{\"error\":{\"code\":\"InvalidParameter\",\"message\":\"osDiskSizeGB\"}}", FAULT_SPEC },
        { 400, "{\"error\":{\"code\":\"PropertyChangeNotAllowed\",\"message\":\"x\"}}", FAULT_SPEC },
        { 403, "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"x\"}}", FAULT_AUTH },
        { 403, "{\"error\":{\"code\":\"RequestDisallowedByPolicy\",\"message\":\"x\"}}", FAULT_POLICY },
        { 400, "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS70021: No matching federated identity record\"}", FAULT_AUTH },
        { 401, "", FAULT_AUTH },
        { 409, "{\"error\":{\"code\":\"ScopeLocked\",\"message\":\"x\"}}", FAULT_POLICY },
        { 404, "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"x\"}}", FAULT_CLUSTER_GONE },
        { 404, "{\"error\":{\"code\":\"ResourceGroupNotFound\",\"message\":\"x\"}}", FAULT_CLUSTER_GONE },
        { 429, "{\"error\":{\"code\":\"BadRequest\",\"message\":\"PutAgentPoolHandler.PUT please retry again in 54 seconds\"}}", FAULT_THROTTLED },
        { 503, "<html><body>Service Unavailable</body></html>", FAULT_TRANSIENT },
        { 500, "", FAULT_TRANSIENT },
        { 504, "{\"error\":", FAULT_TRANSIENT },
        { 200, "{\"error\":{\"code\":\"NodesNotReady\",\"message\":\"expected 1, got 0\"}}", FAULT_PROVISIONING },
        { 400, "{\"error\":{\"code\":\"SubnetIsFull\",\"message\":\"not enough capacity for 1 IP addresses\"}}", FAULT_PROVISIONING },
        { 418, "tea", FAULT_OTHER },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arm_error a = parse(rows[i].status, rows[i].body);

        if (arm_error_fault(&a) != rows[i].fault)
            fail_msg("row %zu is %s: %s", i, cloud_fault_row(arm_error_fault(&a))->reason, rows[i].body);
    }
}

/* Codes that decide alone: with words and a status that say nothing else. */
static void each_code_of_the_catalogue_has_its_class(void **state)
{
    static const struct { const char *code; enum cloud_fault fault; } rows[] = {
        { "Throttled", FAULT_THROTTLED }, { "TooManyRequests", FAULT_THROTTLED }, { "SubscriptionRequestsThrottled", FAULT_THROTTLED },
        { "QuotaExceeded", FAULT_QUOTA }, { "ErrCode_InsufficientVCPUQuota", FAULT_QUOTA }, { "InsufficientVCPUQuota", FAULT_QUOTA },
        { "OperationNotAllowed", FAULT_BUSY }, { "Conflict", FAULT_BUSY }, { "ConditionNotMet", FAULT_BUSY }, { "OperationPreempted", FAULT_BUSY },
        { "Canceled", FAULT_BUSY }, { "EtagMismatch", FAULT_BUSY },
        { "AllocationFailed", FAULT_CAPACITY }, { "ZonalAllocationFailed", FAULT_CAPACITY }, { "OverconstrainedAllocationRequest", FAULT_CAPACITY },
        { "OverconstrainedZonalAllocationRequest", FAULT_CAPACITY },
        { "SkuNotAvailable", FAULT_TYPE }, { "VMSizeNotSupported", FAULT_TYPE }, { "AvailabilityZoneNotSupported", FAULT_TYPE }, { "InvalidTemplateDeployment", FAULT_TYPE },
        { "RequestDisallowedByPolicy", FAULT_POLICY }, { "ScopeLocked", FAULT_POLICY },
        { "AuthorizationFailed", FAULT_AUTH }, { "LinkedAuthorizationFailed", FAULT_AUTH }, { "MissingSubscriptionRegistration", FAULT_AUTH },
        { "ResourceNotFound", FAULT_CLUSTER_GONE }, { "ResourceGroupNotFound", FAULT_CLUSTER_GONE }, { "SubscriptionNotFound", FAULT_CLUSTER_GONE },
        { "ParentResourceNotFound", FAULT_CLUSTER_GONE },
        { "NodesNotReady", FAULT_PROVISIONING }, { "SubnetIsFull", FAULT_PROVISIONING }, { "VMExtensionProvisioningError", FAULT_PROVISIONING },
        { "OutboundConnFailVMExtensionError", FAULT_PROVISIONING },
        { "InvalidParameter", FAULT_SPEC }, { "ValidationError", FAULT_SPEC }, { "PropertyChangeNotAllowed", FAULT_SPEC }, { "BadRequest", FAULT_SPEC },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF lower = { 0 };
        struct arm_error a = { .status = 418, .message = "m" };

        buf_adds(&lower, rows[i].code);
        for (size_t k = 0; k < lower.n; k++)
            lower.p[k] = (char)tolower((unsigned char)lower.p[k]);     /* capitals differ between services */
        snprintf(a.code, sizeof a.code, "%s", buf_cstr(&lower));
        snprintf(a.inner, sizeof a.inner, "%s", a.code);
        if (arm_error_fault(&a) != rows[i].fault)
            fail_msg("%s is %s", rows[i].code, cloud_fault_row(arm_error_fault(&a))->reason);
    }
}

static void a_status_decides_where_there_is_no_code(void **state)
{
    static const struct { int status; enum cloud_fault fault; } rows[] = {
        { 200, FAULT_PROVISIONING }, { 400, FAULT_SPEC }, { 401, FAULT_AUTH }, { 403, FAULT_AUTH }, { 408, FAULT_TRANSIENT }, { 409, FAULT_BUSY }, { 412, FAULT_BUSY },
        { 429, FAULT_THROTTLED }, { 500, FAULT_TRANSIENT }, { 502, FAULT_TRANSIENT }, { 503, FAULT_TRANSIENT }, { 504, FAULT_TRANSIENT }, { 418, FAULT_OTHER },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arm_error a = parse(rows[i].status, "");

        if (arm_error_fault(&a) != rows[i].fault)
            fail_msg("%d is %s", rows[i].status, cloud_fault_row(arm_error_fault(&a))->reason);
    }
}

static void the_innermost_cause_is_what_people_read(void **state)
{
    struct arm_error a = parse(200, "{\"error\":{\"code\":\"ReconcileVMSSAgentPoolFailed\",\"message\":\"outer\",\"details\":[{\"code\":\"AllocationFailed\",\"message\":\"no\\n  capacity\"}]}}");
    struct err e;

    assert_string_equal(a.code, "ReconcileVMSSAgentPoolFailed");
    assert_string_equal(a.inner, "AllocationFailed");
    assert_int_equal(arm_error_set(&e, ERR_UNAVAILABLE, &a), ERR_UNAVAILABLE);
    assert_string_equal(e.text, "AllocationFailed: no capacity (HTTP 200)");
}

static void headers_give_the_request_and_a_code_that_the_body_lacks(void **state)
{
    struct http_pairs h = { 0 };
    struct arm_error a;
    struct err e;

    http_pairs_add(&h, STR("X-Ms-Request-Id"), STR("r-1"));
    http_pairs_add(&h, STR("x-ms-error-code"), STR("QuotaExceeded"));
    arm_error_parse(400, &h, STR(""), &a);
    assert_int_equal(arm_error_fault(&a), FAULT_QUOTA);
    (void)arm_error_set(&e, ERR_UNAVAILABLE, &a);
    assert_string_equal(e.text, "QuotaExceeded: no message (HTTP 400, request r-1)");
    http_pairs_done(&h);
}

static void what_nobody_bounded_is_cut(void **state)
{
    AUTO_BUF body = { 0 };
    struct arm_error a;

    for (int i = 0; i < 60; i++)
        buf_adds(&body, "{\"error\":{\"code\":\"C\",\"message\":\"m\",\"details\":[");
    for (int i = 0; i < 60; i++)
        buf_adds(&body, "]}}");
    arm_error_parse(400, NULL, buf_str(&body), &a);
    buf_clear(&body);
    for (int i = 0; i < 5000; i++)
        buf_adds(&body, "\xC3\xA9");
    arm_error_parse(502, NULL, buf_str(&body), &a);
    assert_true(strlen(a.message) < ARM_MESSAGE_MAX);
    assert_true(str_utf8_valid(str_of(a.message)));
}

static void a_wait_hidden_in_the_message_is_found(void **state)
{
    struct arm_error a = parse(429, "{\"error\":{\"code\":\"x\",\"message\":\"please retry again in 54 seconds.\"}}");

    assert_int_equal(arm_error_retry_ms(&a), 54000);
    a = parse(429, "{\"error\":{\"code\":\"x\",\"message\":\"try again in a while\"}}");
    assert_int_equal(arm_error_retry_ms(&a), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_fall_into_their_class), cmocka_unit_test(each_code_of_the_catalogue_has_its_class), cmocka_unit_test(a_status_decides_where_there_is_no_code), cmocka_unit_test(the_innermost_cause_is_what_people_read),
        cmocka_unit_test(headers_give_the_request_and_a_code_that_the_body_lacks), cmocka_unit_test(what_nobody_bounded_is_cut),
        cmocka_unit_test(a_wait_hidden_in_the_message_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
