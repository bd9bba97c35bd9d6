/*
 * The token service of the machine that we run on, for its managed identity.
 * Source: reference dossier, provisioner, 4.3.
 */
#ifndef PROVISIONER_AZURE_IDENTITY_H
#define PROVISIONER_AZURE_IDENTITY_H

#include "http/client.h"

struct azure_identity_opts {            /* of the environment; borrowed until _new returned; NULL: not set */
    const char *imds;                   /* AZURE_POD_IDENTITY_AUTHORITY_HOST; NULL: http://169.254.169.254 */
};

struct azure_identity;
/* client_id may be NULL: the machine's only identity. */
errc azure_identity_new(const struct azure_identity_opts *o, const char *resource, const char *client_id, struct azure_identity **out, struct err *e);
void azure_identity_free(struct azure_identity *i);
DEFINE_AUTO_FREE(azure_identity)

/* An answer of any status. Nothing of it is a secret of ours, but for the token. */
errc azure_identity_ask(const struct azure_identity *i, struct http_client *http, struct cancel *cancel, struct http_response *out, struct err *e);
const char *azure_identity_name(const struct azure_identity *i);        /* for messages: "the machine's identity service" */

#endif
