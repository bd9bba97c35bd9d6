/*
 * Azure Resource Manager, one exchange at a time: token, request budget, what a refusal means, pages, long-running operations.
 * Thread-safe. Nothing here sleeps or repeats a request on its own (but for one 401, with another token): when the budget of a class
 * of requests is spent, or ARM said 429, every caller of that class is refused at once and told when its turn is.
 * A token goes to the configured endpoint's host only, whatever a nextLink or an operation's URL says.
 * Sources: reference dossier, provisioner, 3.3 (operations), 3.7 (refusals), 3.8 (limits).
 */
#ifndef PROVISIONER_AZURE_ARM_H
#define PROVISIONER_AZURE_ARM_H

#include "provisioner/azure/auth.h"
#include "provisioner/azure/budget.h"
#include "provisioner/azure/fault.h"

struct arm_opts {                       /* borrowed until arm_free returned */
    struct http_client *http;
    struct azure_auth *auth;
    const char *endpoint;               /* of azure_endpoints */
    const struct http_pair *headers;    /* the operator's own, with each request */
    size_t n_headers;
    int64_t budget_scale;               /* times the documented limits; 0: 1 */
    struct cancel *cancel;
    bool (*leads)(void *self);          /* asked before each write, which is not sent when it says no; NULL: nobody else writes */
    void *leads_self;
    int64_t (*now_ms)(void *self);      /* monotonic; NULL: the machine's clock; tests */
    void *now_self;
};

struct arm;
struct arm *arm_new(const struct arm_opts *o);
void arm_free(struct arm *a);
DEFINE_AUTO_FREE(arm)
int64_t arm_now_ms(const struct arm *a);
void arm_metrics(struct arm *a, struct buf *out);       /* Prometheus text: requests by class and status, what is left of the budget */

struct arm_request {
    enum budget_class class;
    const char *method, *url;           /* absolute */
    const json_t *body;                 /* sent with keys sorted: the same bytes at each try; NULL: none */
    const char *if_match, *if_none_match;
};
struct arm_reply {
    int status;                         /* 2xx */
    struct http_pairs headers;
    json_t *body;                       /* NULL: none, or not JSON */
};
void arm_reply_done(struct arm_reply *r);
#define AUTO_REPLY AUTO(arm_reply_done) struct arm_reply

struct arm_refusal {                    /* beside an error; zero: nothing known */
    struct cloud_failure failure;       /* retry_ms: when its turn is, or what ARM asked for */
    struct arm_error error;             /* status 0: no answer */
    bool sent;                          /* it may have been carried out although no good answer came */
};

/* FORBIDDEN: the URL is not the endpoint's; CANCELLED: another process writes now (nothing was sent in both). THROTTLED: not its turn, or 429. The rest as err_from_http. */
errc arm_send(struct arm *a, const struct arm_request *q, struct arm_reply *out, struct arm_refusal *why, struct err *e);

/* All pages' `value` items as one array; a failure of any page is a failure of the whole. CORRUPT: the pages go in a circle. *out_pages: their number; may be NULL. */
errc arm_list(struct arm *a, const char *url, json_t **out, size_t *out_pages, struct arm_refusal *why, struct err *e);

enum arm_operation_style { ARM_NO_OPERATION, ARM_ASYNC, ARM_LOCATION };
struct arm_operation { enum arm_operation_style style; char *url; int64_t wait_ms; };   /* wait_ms: what was asked for; 0: nothing */
void arm_operation_done(struct arm_operation *op);
/* What to follow after a write: Azure-AsyncOperation, else Location of a 202. CORRUPT: it leads to another host. */
errc arm_operation_of(const struct arm *a, const struct arm_reply *r, struct arm_operation *out, struct err *e);

enum arm_progress_state { ARM_RUNNING, ARM_SUCCEEDED, ARM_FAILED, ARM_CANCELED, ARM_LOST };     /* LOST: ARM knows nothing of it any more */
struct arm_progress {
    enum arm_progress_state state;
    int64_t wait_ms;                    /* RUNNING: what was asked for; 0: nothing */
    struct arm_error error;             /* FAILED, CANCELED */
};
/* One look. An error says nothing about the operation: it may go on. A new Location replaces op->url. */
errc arm_poll(struct arm *a, struct arm_operation *op, struct arm_progress *out, struct arm_refusal *why, struct err *e);
/* The same of a 2xx answer. CORRUPT: it has no status. */
errc arm_progress_of(enum arm_operation_style style, int status, const json_t *body, struct arm_progress *out, struct err *e);

/* retry-after-ms, x-ms-retry-after-ms, Retry-After in seconds or as a date; at most a day. 0: none of them. */
int64_t arm_retry_after_ms(const struct http_pairs *headers);

#endif
