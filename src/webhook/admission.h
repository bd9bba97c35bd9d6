/*
 * AdmissionReview v1: what the API server asks before it stores an object, and how it is answered. A refusal is BadRequest (400) with
 * the reviewer's text, as knative's webhooks answer: kubectl shows `admission webhook "NAME" denied the request: TEXT`.
 */
#ifndef WEBHOOK_ADMISSION_H
#define WEBHOOK_ADMISSION_H

#include "base/json.h"
#include "http/server.h"

struct admission_request {              /* lent while the reviewer runs */
    const char *operation;              /* "CREATE", "UPDATE", "DELETE", "CONNECT" */
    const char *subresource;            /* "": the object itself */
    const char *version, *kind;         /* of the object that is sent */
    const json_t *object, *old_object;  /* NULL: none */
    struct arena *arena;
};

struct admission_route {
    const char *path;                   /* "/validate/workspace.kaito.sh" */
    /* ERR_OK: allowed. Else refused with *why. On a connection's thread, several at a time. */
    errc (*review)(void *self, const struct admission_request *q, struct buf *why);
    void *self;
};

/* NULL: none has this path. */
const struct admission_route *admission_route_of(const struct admission_route *routes, size_t n, const char *path);
/* Answers one exchange, of this route (NULL: of none), with the status that it returns: 200 with a review, 404, 405, 415 or 400 for what is no review. */
int admission_handle(const struct admission_route *route, struct http_exchange *x);

#endif
