#include "provisioner/azure/fault.h"

#include <ctype.h>
#include <strings.h>

#define NESTING_MAX 8

static void copy_text(char *out, size_t cap, struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n && n + 1 < cap; i++) {
        bool blank = (unsigned char)s.p[i] <= ' ';

        if (!blank || (n > 0 && out[n - 1] != ' '))
            out[n++] = blank ? ' ' : s.p[i];
    }
    while (n > 0 && (out[n - 1] == ' ' || (n + 1 == cap && ((unsigned char)out[n - 1] & 0x80))))
        n--;                            /* no half character at the cut */
    out[n] = '\0';
}

static void take_code(struct arm_error *out, const char *code)
{
    if (!str_set(code))
        return;
    if (!*out->code)
        copy_text(out->code, sizeof out->code, str_of(code));
    copy_text(out->inner, sizeof out->inner, str_of(code));
}

/* The error that this one wraps: its first detail, or the JSON text that its message holds. NULL: it is the innermost. */
static json_t *inner_error(const json_t *error)
{
    const json_t *detail = json_array_get(json_object_get(error, "details"), 0);
    const char *message = json_cstr(error, "message");
    json_t *j = NULL;

    if (json_is_object(detail) && str_set(json_cstr(detail, "message")))
        return json_copy(json_array_get(json_object_get(error, "details"), 0));
    const char *brace = message ? strchr(message, '{') : NULL;

    if (!brace || json_parse(str_of(brace), &j, NULL))
        return NULL;
    json_t *nested = json_object_get(j, "error");

    if (!json_is_object(nested))
        return j;
    json_incref(nested);
    json_decref(j);
    return nested;
}

void arm_error_of(int status, const json_t *error, struct arm_error *out)
{
    AUTO_JSON at = json_is_object(error) ? json_clone(error) : NULL;

    *out = (struct arm_error){ .status = status };
    for (int depth = 0; at && depth < NESTING_MAX; depth++) {
        take_code(out, json_cstr(at, "code"));
        take_code(out, json_cstr(at, "subcode"));
        if (str_set(json_cstr(at, "message")))
            copy_text(out->message, sizeof out->message, str_of(json_cstr(at, "message")));
        json_t *inner = inner_error(at);

        json_decref(at);
        at = inner;
    }
}

void arm_error_parse(int status, const struct http_pairs *headers, struct str body, struct arm_error *out)
{
    AUTO_JSON j = NULL;
    bool parsed = body.n > 0 && !json_parse(body, &j, NULL);
    const json_t *nested = json_object_get(j, "error");
    const char *code = headers ? http_header_get(headers, "x-ms-error-code") : NULL;
    const char *id = headers ? http_header_get(headers, "x-ms-request-id") : NULL;

    arm_error_of(status, json_is_object(nested) ? nested : j, out);
    if (!*out->code)
        take_code(out, json_is_string(nested) ? json_string_value(nested) : code);
    if (!*out->message && str_set(json_cstr(j, "error_description")))
        copy_text(out->message, sizeof out->message, str_of(json_cstr(j, "error_description")));
    if (!*out->message && !parsed)
        copy_text(out->message, sizeof out->message, body);
    if (id)
        copy_text(out->request_id, sizeof out->request_id, str_of(id));
}

/* The first row that fits wins: status 0, code NULL and text NULL fit everything. Codes and texts ignore case. */
static const struct { int status; const char *code, *text; enum cloud_fault fault; } rows[] = {
    { 0, "Throttled", NULL, FAULT_THROTTLED },
    { 0, "TooManyRequests", NULL, FAULT_THROTTLED },
    { 0, "SubscriptionRequestsThrottled", NULL, FAULT_THROTTLED },
    { 0, "QuotaExceeded", NULL, FAULT_QUOTA },
    { 0, "ErrCode_InsufficientVCPUQuota", NULL, FAULT_QUOTA },
    { 0, "InsufficientVCPUQuota", NULL, FAULT_QUOTA },
    { 0, "OperationNotAllowed", "quota", FAULT_QUOTA },
    { 0, "OperationNotAllowed", "LowPriorityCores", FAULT_QUOTA },
    { 0, "OperationNotAllowed", "Total Regional Cores", FAULT_QUOTA },
    { 0, "OperationNotAllowed", "maximum number of agent pools", FAULT_QUOTA },
    { 0, "OperationNotAllowed", NULL, FAULT_BUSY },
    { 0, "Conflict", NULL, FAULT_BUSY },
    { 0, "ConditionNotMet", NULL, FAULT_BUSY },
    { 0, "OperationPreempted", NULL, FAULT_BUSY },
    { 0, "Canceled", NULL, FAULT_BUSY },
    { 0, "EtagMismatch", NULL, FAULT_BUSY },
    { 412, NULL, NULL, FAULT_BUSY },
    { 0, "AllocationFailed", NULL, FAULT_CAPACITY },
    { 0, "ZonalAllocationFailed", NULL, FAULT_CAPACITY },
    { 0, "OverconstrainedAllocationRequest", NULL, FAULT_CAPACITY },
    { 0, "OverconstrainedZonalAllocationRequest", NULL, FAULT_CAPACITY },
    { 0, "SkuNotAvailable", "capacity", FAULT_CAPACITY },
    { 0, "SkuNotAvailable", NULL, FAULT_TYPE },
    { 0, "VMSizeNotSupported", NULL, FAULT_TYPE },
    { 0, "AvailabilityZoneNotSupported", NULL, FAULT_TYPE },
    { 0, "InvalidTemplateDeployment", NULL, FAULT_TYPE },
    { 0, NULL, "not supported for subscription", FAULT_TYPE },
    { 0, NULL, "not allowed in your subscription", FAULT_TYPE },
    { 0, "RequestDisallowedByPolicy", NULL, FAULT_POLICY },
    { 0, "ScopeLocked", NULL, FAULT_POLICY },
    { 401, NULL, NULL, FAULT_AUTH },
    { 403, NULL, NULL, FAULT_AUTH },
    { 0, "AuthorizationFailed", NULL, FAULT_AUTH },
    { 0, "LinkedAuthorizationFailed", NULL, FAULT_AUTH },
    { 0, NULL, "AADSTS", FAULT_AUTH },
    { 0, "ResourceNotFound", NULL, FAULT_CLUSTER_GONE },
    { 0, "ResourceGroupNotFound", NULL, FAULT_CLUSTER_GONE },
    { 0, "SubscriptionNotFound", NULL, FAULT_CLUSTER_GONE },
    { 0, "ParentResourceNotFound", NULL, FAULT_CLUSTER_GONE },
    { 0, "MissingSubscriptionRegistration", NULL, FAULT_AUTH },
    { 0, "NodesNotReady", NULL, FAULT_PROVISIONING },
    { 0, "SubnetIsFull", NULL, FAULT_PROVISIONING },
    { 0, "VMExtensionProvisioningError", NULL, FAULT_PROVISIONING },
    { 0, "OutboundConnFailVMExtensionError", NULL, FAULT_PROVISIONING },
    { 0, "InvalidParameter", NULL, FAULT_SPEC },
    { 0, "ValidationError", NULL, FAULT_SPEC },
    { 0, "PropertyChangeNotAllowed", NULL, FAULT_SPEC },
    { 0, "BadRequest", NULL, FAULT_SPEC },
    { 408, NULL, NULL, FAULT_TRANSIENT },
    { 409, NULL, NULL, FAULT_BUSY },
    { 500, NULL, NULL, FAULT_TRANSIENT },
    { 502, NULL, NULL, FAULT_TRANSIENT },
    { 503, NULL, NULL, FAULT_TRANSIENT },
    { 504, NULL, NULL, FAULT_TRANSIENT },
    { 200, NULL, NULL, FAULT_PROVISIONING },    /* an operation that failed */
    { 400, NULL, NULL, FAULT_SPEC },
};

static bool holds_text(const char *s, const char *part)
{
    for (size_t n = strlen(part); *s; s++)
        if (!strncasecmp(s, part, n))
            return true;
    return false;
}

static bool row_fits(size_t i, const struct arm_error *a, const char *code)
{
    return (!rows[i].status || rows[i].status == a->status) && (!rows[i].code || !strcasecmp(rows[i].code, code)) &&
           (!rows[i].text || holds_text(a->message, rows[i].text));
}

/* The innermost code knows more than what wraps it (ReconcileVMSSAgentPoolFailed around AllocationFailed), if the table has it. */
enum cloud_fault arm_error_fault(const struct arm_error *a)
{
    const char *codes[] = { a->inner, a->code };

    if (a->status == 429)
        return FAULT_THROTTLED;
    for (size_t c = 0; c < ARRAY_LEN(codes); c++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if ((rows[i].code || rows[i].text) && *codes[c] && row_fits(i, a, codes[c]))
                return rows[i].fault;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!rows[i].code && row_fits(i, a, ""))
            return rows[i].fault;
    return FAULT_OTHER;
}

bool arm_error_is_busy(const struct arm_error *a)
{
    return arm_error_fault(a) == FAULT_BUSY;
}

errc arm_error_set(struct err *e, errc code, const struct arm_error *a)
{
    const char *name = *a->inner ? a->inner : *a->code ? a->code : "no error code";

    if (*a->request_id)
        return err_set(e, code, "%s: %s (HTTP %d, request %s)", name, *a->message ? a->message : "no message", a->status, a->request_id);
    return err_set(e, code, "%s: %s (HTTP %d)", name, *a->message ? a->message : "no message", a->status);
}

int64_t arm_error_retry_ms(const struct arm_error *a)
{
    static const char words[] = "again in ";

    for (const char *p = a->message; *p; p++) {
        if (strncasecmp(p, words, sizeof words - 1))
            continue;
        struct str digits = { p + sizeof words - 1, 0 };
        int64_t seconds;

        while (isdigit((unsigned char)digits.p[digits.n]))
            digits.n++;
        if (str_has_prefix(str_of(digits.p + digits.n), STR(" second")) && str_to_i64(digits, &seconds) && seconds <= 86400)
            return seconds * 1000;
    }
    return 0;
}
