/*
 * Where a cloud's login and ARM are: a name from the table, an environment file, or what an ARM endpoint says of itself.
 * Sources: reference dossier, provisioner, 4.4; the answer of GET /metadata/endpoints?api-version=2022-09-01 (an array of clouds)
 * and of 2015-01-01, which Azure Stack speaks (one object without resourceManager).
 */
#ifndef PROVISIONER_AZURE_ENDPOINTS_H
#define PROVISIONER_AZURE_ENDPOINTS_H

#include "base/thread.h"
#include "http/client.h"

struct azure_endpoints {                /* owned texts, no slash at the end of login and arm */
    char *login, *arm, *audience;
};
void azure_endpoints_done(struct azure_endpoints *p);

/* name: AzurePublic, AzureUSGovernment, AzureChina, any case (also AzurePublicCloud, AzureCloud and their kind); NULL or "": public. */
errc azure_endpoints_named(const char *name, struct azure_endpoints *out, struct err *e);
/* The file of AZURE_ENVIRONMENT_FILEPATH: activeDirectoryEndpoint, resourceManagerEndpoint, tokenAudience. */
errc azure_endpoints_read(const char *path, struct azure_endpoints *out, struct err *e);
/* Asks an ARM endpoint (its address without a path) for its cloud. One exchange; UNAVAILABLE when it does not answer now. */
errc azure_endpoints_fetch(struct http_client *http, const char *arm, struct cancel *cancel, struct azure_endpoints *out, struct err *e);
/* The same answer as text: of several clouds the one whose resource manager is `arm`. CORRUPT names what is missing. */
errc azure_endpoints_parse(struct str text, const char *arm, struct azure_endpoints *out, struct err *e);
/* Replaces those that are set: a simulator or a private cloud. BAD_REQUEST: not http or https; plain http only to this machine. */
errc azure_endpoints_override(struct azure_endpoints *p, const char *login, const char *arm, const char *audience, struct err *e);

/* May a token go to this URL? Only to the scheme, host and port of `base`, or a sub-domain of it. */
bool azure_url_trusted(const char *base, const char *url);

#endif
