/*
 * The token service of the machine that we run on, for its managed identity. Which one that is the environment says: IMDS of a virtual machine (nothing is set),
 * App Service's and Container Apps' (IDENTITY_ENDPOINT and IDENTITY_HEADER), or Azure Arc's agent (IDENTITY_ENDPOINT and IMDS_ENDPOINT).
 * Sources: reference dossier, provisioner, 4.1 and 4.3; Microsoft's pages "Managed identities in Azure Container Apps" and "Authenticate against Azure resources
 * with Azure Arc-enabled servers"; the order is that of Azure's SDK.
 */
#ifndef PROVISIONER_AZURE_IDENTITY_H
#define PROVISIONER_AZURE_IDENTITY_H

#include "http/client.h"

struct azure_identity_opts {            /* of the environment; borrowed until _new returned; NULL: not set */
    const char *imds;                   /* AZURE_POD_IDENTITY_AUTHORITY_HOST; NULL: http://169.254.169.254 */
    const char *endpoint, *header;      /* IDENTITY_ENDPOINT, IDENTITY_HEADER (a secret) */
    const char *arc;                    /* IMDS_ENDPOINT */
    const char *arc_folder;             /* where Arc's agent leaves what proves who asks; NULL: /var/opt/azcmagent/tokens; tests */
    const char *fabric, *msi;           /* IDENTITY_SERVER_THUMBPRINT, MSI_ENDPOINT: of services that are not built, and refused by name */
};

struct azure_identity;
/* client_id may be NULL: the machine's only identity. BAD_REQUEST, UNBUILT name the variable and what to do. */
errc azure_identity_new(const struct azure_identity_opts *o, const char *resource, const char *client_id, struct azure_identity **out, struct err *e);
void azure_identity_free(struct azure_identity *i);
DEFINE_AUTO_FREE(azure_identity)

/* An answer of any status, blotted. UNAUTHORIZED: Arc's agent wants a proof that we cannot give; the text says why. */
errc azure_identity_ask(const struct azure_identity *i, struct http_client *http, struct cancel *cancel, struct http_response *out, struct err *e);
const char *azure_identity_name(const struct azure_identity *i);        /* for messages: "the machine's identity service (IMDS)" */

#endif
