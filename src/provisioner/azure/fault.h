/*
 * What ARM says when it refuses, as one value: both envelopes, the innermost cause, JSON inside a message, no JSON at all.
 * Source: reference dossier, provisioner, 3.7.
 */
#ifndef PROVISIONER_AZURE_FAULT_H
#define PROVISIONER_AZURE_FAULT_H

#include "http/http.h"
#include "provisioner/cloud.h"

#define ARM_CODE_MAX 128
#define ARM_MESSAGE_MAX 600

struct arm_error {
    int status;                         /* HTTP's; 200 for an operation that failed */
    char code[ARM_CODE_MAX];            /* of the outermost error; "" when there was none */
    char inner[ARM_CODE_MAX];           /* of the innermost */
    char message[ARM_MESSAGE_MAX];      /* the innermost cause, one line */
    char request_id[ARM_CODE_MAX];      /* x-ms-request-id */
};

/* Never fails: what is not understood becomes the message. headers may be NULL. */
void arm_error_parse(int status, const struct http_pairs *headers, struct str body, struct arm_error *out);
/* The same of an operation's or pool's "error" object. */
void arm_error_of(int status, const json_t *error, struct arm_error *out);

enum cloud_fault arm_error_fault(const struct arm_error *a);
/* A write that met another one: the truth is in the pool. */
bool arm_error_is_busy(const struct arm_error *a);
/* "QuotaExceeded: innermost message (HTTP 400, request 1234)" */
errc arm_error_set(struct err *e, errc code, const struct arm_error *a);
/* "retry again in 54 seconds" of a message, in ms; 0: it says nothing. */
int64_t arm_error_retry_ms(const struct arm_error *a);

#endif
