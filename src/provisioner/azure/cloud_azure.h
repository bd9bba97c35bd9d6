/*
 * Machines as AKS agent pools of count 1, one per NodeClaim, named like it. Settings are upstream's environment variables and more.
 * A pool that carries no labels of ours, or is of mode System, is never written to nor deleted.
 */
#ifndef PROVISIONER_AZURE_CLOUD_AZURE_H
#define PROVISIONER_AZURE_CLOUD_AZURE_H

#include "provisioner/azure/identity.h"
#include "provisioner/azure/pool.h"
#include "base/thread.h"

struct azure_settings {                 /* borrowed until azure_cloud_new returned, pool.* until the cloud is freed; NULL: not set */
    /* which cluster: ARM_SUBSCRIPTION_ID, ARM_RESOURCE_GROUP, AZURE_CLUSTER_NAME; all three are needed */
    const char *subscription, *resource_group, *cluster;
    /* which cloud: ARM_CLOUD or AZURE_ENVIRONMENT by name, AZURE_ENVIRONMENT_FILEPATH, or ARM_METADATA_ENDPOINT, which is asked; */
    const char *cloud, *environment_file, *metadata_endpoint;
    /* these replace what the cloud says: ARM_ENDPOINT, AZURE_AUTHORITY_HOST, ARM_AUDIENCE */
    const char *endpoint, *authority_host, *audience;
    /* who we are. auth: workload, secret, certificate, managed, cli; NULL: by deployment_mode (DEPLOYMENT_MODE) and what is set */
    const char *auth, *deployment_mode;
    const char *tenant, *client_id, *token_file, *secret, *certificate, *certificate_password;
    struct azure_identity_opts identity;
    const char *const *headers;         /* "Name: value", with each request to ARM */
    size_t n_headers;
    int64_t budget_scale;               /* of requests to ARM, times the documented limits; 0: 1 */
    struct pool_settings pool;
    bool (*leads)(void *self);          /* of several processes only the one that leads writes; NULL: there is one */
    void *leads_self;                   /* both until the cloud is freed */
    int64_t (*now_ms)(void *self);      /* monotonic; NULL: the machine's clock; tests */
    void *now_self;
};
void azure_settings_env(struct azure_settings *s);      /* fills what is NULL from the environment */

/*
 * BAD_REQUEST names the setting. A metadata endpoint that does not answer is asked until it does or cancel (may be NULL: once) says
 * stop; no other exchange happens here.
 */
errc azure_cloud_new(const struct azure_settings *s, struct cancel *cancel, struct cloud **out, struct err *e);

#endif
