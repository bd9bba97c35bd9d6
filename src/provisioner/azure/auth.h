/*
 * A bearer token for ARM, kept and renewed before it ends. Thread-safe: one thread at a time asks for a token; the others get the
 * old one while it is valid, or wait. Nothing here sleeps: after a refusal the next callers get the same error at once until the
 * back-off (2 s, doubling to a minute, or what the service asked for) is over, and it is the caller who tries again.
 * Neither tokens nor secrets are ever part of an error or a line of the log, not even when a server sends them back.
 * Source: reference dossier, provisioner, 4.2 and 4.3.
 */
#ifndef PROVISIONER_AZURE_AUTH_H
#define PROVISIONER_AZURE_AUTH_H

#include "provisioner/azure/endpoints.h"
#include "provisioner/azure/identity.h"
#include "provisioner/azure/secret.h"

enum azure_auth_kind {
    AZURE_AUTH_WORKLOAD,                /* federated token file */
    AZURE_AUTH_SECRET, AZURE_AUTH_CERTIFICATE,
    AZURE_AUTH_MANAGED,                 /* identity of the machine */
    AZURE_AUTH_CLI,                     /* `az login` of a person */
    AZURE_AUTH_COUNT
};

struct azure_auth_opts {                /* borrowed until _new returned */
    enum azure_auth_kind kind;
    const struct azure_endpoints *endpoints;
    const char *tenant, *client_id;     /* client_id may be NULL for MANAGED: the machine's only identity */
    const char *token_file;             /* WORKLOAD: read anew for each exchange, because the kubelet rotates it */
    const char *secret;                 /* SECRET */
    const char *certificate, *certificate_password;     /* CERTIFICATE: one file, PEM or PKCS#12; the password may be NULL */
    struct azure_identity_opts identity;        /* MANAGED */
    int64_t (*now_ms)(void *self);      /* monotonic; NULL: the machine's clock; tests */
    void *now_self;
};

bool azure_auth_kind_parse(const char *name, enum azure_auth_kind *out);    /* workload, secret, certificate, managed, cli */

struct azure_auth;
/* The client is borrowed. BAD_REQUEST names the missing setting and its environment variable. Asks nobody yet. */
errc azure_auth_new(struct http_client *http, const struct azure_auth_opts *o, struct azure_auth **out, struct err *e);
void azure_auth_free(struct azure_auth *a);
DEFINE_AUTO_FREE(azure_auth)

/*
 * *out is malloc'd: the caller wipes and frees it with azure_secret_free. UNAUTHORIZED carries Entra's AADSTS text and what was
 * expected; UNAVAILABLE: it may work later.
 */
errc azure_auth_token(struct azure_auth *a, struct cancel *cancel, char **out, struct err *e);
/* ARM answered 401 to this token: the next call asks for another, unless that has happened already. */
void azure_auth_reject(struct azure_auth *a, const char *token);

/* What is kept of a token service's answer: both forms of times, numbers or texts. CORRUPT: there is no token in it. */
struct azure_token { char *text; int64_t life_s, renew_s; };    /* the caller wipes text; renew_s 0: it does not say */
errc azure_token_parse(struct str answer, int64_t wall_ms, struct azure_token *out, struct err *e);

#endif
