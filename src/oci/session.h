/* A conversation with one registry, as registry.c and blob.c share it: requests with login and tries. */
#ifndef OCI_SESSION_H
#define OCI_SESSION_H

#include "http/client.h"
#include "oci/oci.h"

#define TOKEN_MAX       (256u << 10)    /* of a token server's reply, and of what is kept of an error's */
#define IDLE_MS         60000           /* a transfer in which nothing moves for so long is over */

struct registry {
    char *host, *repository, *base;     /* base: "https://127.0.0.1:5443" */
    struct oci_credentials cred;
    struct registry_opts o;             /* its pointers are not used, but for cancel */
    struct http_client *client;
    char *authorization;                /* "Bearer ..." or "Basic ..."; NULL: nothing asked yet */
};

/* Sends, and once more after logging in. A reply of any other status than 401 is the caller's; *out_status 0: there was none. */
errc registry_exchange(struct registry *r, const struct http_request *q, struct http_response *resp, int *out_status, struct err *e);
/* A request that may be repeated: with login, with pauses while the registry is down. Status 2xx and `also` are successes. */
errc registry_call(struct registry *r, const char *what, const struct http_request *q, int also, struct http_response *resp, struct err *e);

/* After a 401: all its challenges; the reply's own error when there is nothing to answer with. */
errc registry_log_in(struct registry *r, const struct http_response *resp, struct err *e);
void registry_forget_login(struct registry *r);

/* What the connection said (its text begins with the host), with what an operator can do about it; rc again. */
errc registry_connection_error(const struct registry *r, errc rc, struct err *e);
/* What a status means; `what` was asked for ("a layer"). */
errc registry_status_error(const struct registry *r, const char *what, const struct http_response *resp, struct err *e);

/* Whether another try makes sense; status 0: there was no reply. */
bool registry_may_retry(errc rc, int status, const struct err *e);
/* Before try attempt + 1: longer each time, or as long as Retry-After says. CANCELLED. */
errc registry_pause(struct registry *r, int attempt, const struct http_pairs *headers, struct err *e);

#endif
