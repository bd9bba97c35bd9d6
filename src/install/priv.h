/* What the files of this folder share. */
#ifndef INSTALL_PRIV_H
#define INSTALL_PRIV_H

#include "install/install.h"

#define WEBHOOK_SECRET  "workspace-webhook-cert"
#define WEBHOOK_NAME    "validation.workspace.kaito.sh"
#define LEASE_NAME      "ef60f9b0.io"
#define WEBHOOK_PORT    9443

struct release {                        /* options with defaults, and what follows from them */
    struct install_opts o;
    char *webhook;                      /* name of the webhook configuration: upstream's, unless there may be several */
    char *fullname;                     /* the release's name when it contains "workspace", else RELEASE-workspace */
    bool byo, karpenter, streaming;
};

json_t *release_object(const struct release *r, const char *api, const char *kind, const char *suffix, bool namespaced);       /* labelled */
json_t *release_name(const struct release *r, const char *suffix);      /* a string: fullname + suffix */

/* rbac.c: account, rights and what ties them together, pushed to list */
void push_rights(const struct release *r, json_t *list);
/* deployment.c */
json_t *manager_deployment(const struct release *r);
json_t *device_plugin(const struct release *r);

#endif
