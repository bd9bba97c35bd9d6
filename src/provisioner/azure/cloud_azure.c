#include "provisioner/azure/cloud_azure.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/wipe.h"
#include "catalog/skus.h"
#include "provisioner/azure/priv.h"
#include "provisioner/azure/secret.h"

#define METADATA_AGAIN_MS 1000          /* doubles */
#define METADATA_MAX_MS   32000

/* ---- settings -------------------------------------------------------------------------------------------------------------- */

void azure_settings_env(struct azure_settings *s)
{
    const struct { const char **value, *names[2]; } rows[] = {          /* the first that is set */
        { &s->subscription, { "ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID" } }, { &s->resource_group, { "ARM_RESOURCE_GROUP", NULL } },
        { &s->cluster, { "AZURE_CLUSTER_NAME", NULL } }, { &s->cloud, { "ARM_CLOUD", "AZURE_ENVIRONMENT" } },
        { &s->environment_file, { "AZURE_ENVIRONMENT_FILEPATH", NULL } }, { &s->metadata_endpoint, { "ARM_METADATA_ENDPOINT", NULL } },
        { &s->endpoint, { "ARM_ENDPOINT", NULL } }, { &s->authority_host, { "AZURE_AUTHORITY_HOST", NULL } }, { &s->audience, { "ARM_AUDIENCE", NULL } },
        { &s->auth, { "AZURE_AUTH", NULL } }, { &s->deployment_mode, { "DEPLOYMENT_MODE", NULL } }, { &s->tenant, { "AZURE_TENANT_ID", NULL } },
        { &s->client_id, { "AZURE_CLIENT_ID", NULL } }, { &s->token_file, { "AZURE_FEDERATED_TOKEN_FILE", NULL } },
        { &s->secret, { "AZURE_CLIENT_SECRET", NULL } }, { &s->certificate, { "AZURE_CLIENT_CERTIFICATE_PATH", NULL } },
        { &s->certificate_password, { "AZURE_CLIENT_CERTIFICATE_PASSWORD", NULL } }, { &s->identity.imds, { "AZURE_POD_IDENTITY_AUTHORITY_HOST", NULL } },
        { &s->identity.endpoint, { "IDENTITY_ENDPOINT", NULL } }, { &s->identity.header, { "IDENTITY_HEADER", NULL } },
        { &s->identity.arc, { "IMDS_ENDPOINT", NULL } }, { &s->identity.fabric, { "IDENTITY_SERVER_THUMBPRINT", NULL } },
        { &s->identity.msi, { "MSI_ENDPOINT", NULL } },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t k = 0; k < ARRAY_LEN(rows[i].names) && rows[i].names[k]; k++)
            if (!str_set(*rows[i].value))
                *rows[i].value = str_set(getenv(rows[i].names[k])) ? getenv(rows[i].names[k]) : NULL;
}

static errc check(const struct azure_settings *s, struct err *e)
{
    const struct { const char *value, *name; } rows[] = {
        { s->subscription, "subscription (ARM_SUBSCRIPTION_ID)" }, { s->resource_group, "resource group of the cluster (ARM_RESOURCE_GROUP)" },
        { s->cluster, "cluster name (AZURE_CLUSTER_NAME)" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!str_set(rows[i].value))
            return err_set(e, ERR_BAD_REQUEST, "azure: the %s is not set", rows[i].name);
    if (str_set(s->deployment_mode) && !streq(s->deployment_mode, "managed") && !streq(s->deployment_mode, "self-hosted"))
        return err_set(e, ERR_BAD_REQUEST, "azure: deployment mode %s (DEPLOYMENT_MODE): is none of managed, self-hosted", s->deployment_mode);
    return ERR_OK;
}

/* Upstream's order where nothing is said: secret, certificate, federated token, the machine's identity; self-hosted is federated only. */
static errc auth_kind(const struct azure_settings *s, enum azure_auth_kind *out, struct err *e)
{
    const struct { bool fits; enum azure_auth_kind kind; } rows[] = {
        { streq(s->deployment_mode, "self-hosted"), AZURE_AUTH_WORKLOAD }, { str_set(s->secret), AZURE_AUTH_SECRET },
        { str_set(s->certificate), AZURE_AUTH_CERTIFICATE }, { str_set(s->token_file), AZURE_AUTH_WORKLOAD },
        { streq(s->deployment_mode, "managed") || str_set(s->identity.endpoint), AZURE_AUTH_MANAGED },
    };

    if (str_set(s->auth))
        return azure_auth_kind_parse(s->auth, out) ? ERR_OK : err_set(e, ERR_BAD_REQUEST, "azure: identity %s (AZURE_AUTH): is none of workload, "
                                                                      "secret, certificate, managed, cli", s->auth);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].fits) {
            *out = rows[i].kind;
            return ERR_OK;
        }
    return err_set(e, ERR_BAD_REQUEST, "azure: no identity: set AZURE_FEDERATED_TOKEN_FILE (workload identity), AZURE_CLIENT_SECRET, "
                   "AZURE_CLIENT_CERTIFICATE_PATH, or DEPLOYMENT_MODE=managed for the machine's own");
}

/* Nothing can begin without the endpoints: an ARM that does not answer now is waited for. */
static errc metadata_of(struct azure *a, const char *endpoint, struct cancel *cancel, struct err *e)
{
    for (int64_t wait_ms = METADATA_AGAIN_MS;; wait_ms = wait_ms < METADATA_MAX_MS ? 2 * wait_ms : wait_ms) {
        errc rc = azure_endpoints_fetch(a->http, endpoint, cancel, &a->endpoints, e);

        if (!cancel || !(rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT || rc == ERR_IO))
            return rc;
        log_warn("provisioner", "the cloud does not say what it is", KV("err", e->text), KV("retry_ms", wait_ms));
        if (cancel_wait_ms(cancel, wait_ms))
            return err_set(e, ERR_CANCELLED, "stopped before the cloud's metadata was there");
    }
}

static errc endpoints_of(struct azure *a, const struct azure_settings *s, struct cancel *cancel, struct err *e)
{
    if (str_set(s->metadata_endpoint))
        TRY(metadata_of(a, s->metadata_endpoint, cancel, e));
    else if (str_set(s->environment_file))
        TRY(azure_endpoints_read(s->environment_file, &a->endpoints, e));
    else
        TRY(azure_endpoints_named(s->cloud, &a->endpoints, e));
    return azure_endpoints_override(&a->endpoints, s->authority_host, s->endpoint, s->audience, e);
}

static errc auth_of(struct azure *a, const struct azure_settings *s, struct err *e)
{
    struct azure_auth_opts o = { .endpoints = &a->endpoints, .tenant = s->tenant, .client_id = s->client_id, .token_file = s->token_file,
                                 .secret = s->secret, .certificate = s->certificate, .certificate_password = s->certificate_password, .identity = s->identity,
                                 .now_ms = s->now_ms, .now_self = s->now_self };

    TRY(auth_kind(s, &o.kind, e));
    return azure_auth_new(a->http, &o, &a->auth, e);
}

static errc headers_of(struct azure *a, const struct azure_settings *s, struct err *e)
{
    for (size_t i = 0; i < s->n_headers; i++) {
        struct str name, value;

        if (!str_cut(str_of(s->headers[i]), ':', &name, &value) || str_trim(name).n == 0)
            return err_set(e, ERR_BAD_REQUEST, "azure: header %s: is not NAME: VALUE", s->headers[i]);
        http_pairs_add(&a->headers, str_trim(name), str_trim(value));
    }
    return ERR_OK;
}

/* ---- where pools are --------------------------------------------------------------------------------------------------------- */

static char *pools_url(const struct azure *a, const struct azure_settings *s)
{
    const struct { const char *before, *value; } rows[] = {
        { "/subscriptions/", s->subscription }, { "/resourceGroups/", s->resource_group },
        { "/providers/Microsoft.ContainerService/managedClusters/", s->cluster },
    };
    struct buf url = { 0 };

    buf_adds(&url, a->endpoints.arm);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_adds(&url, rows[i].before);
        url_escape_add(&url, str_of(rows[i].value));
    }
    buf_adds(&url, "/agentPools");
    return buf_take(&url);
}

char *azure_pool_url(const struct azure *a, const char *pool)
{
    struct buf url = { 0 };

    buf_adds(&url, a->pools_url);
    buf_addc(&url, '/');
    url_escape_add(&url, str_of(pool));
    buf_adds(&url, "?api-version=" POOL_API_VERSION);
    return buf_take(&url);
}

static void writes_free(void *p)
{
    struct pool_writes *w = p;

    arm_operation_done(&w->deletion);
    free(w->image);
    free(w);
}

struct pool_writes *azure_writes(struct azure *a, const char *pool)
{
    LOCK_SCOPE(&a->mu);
    struct pool_writes *w = map_get(a->writes, str_of(pool));

    if (!w) {
        w = xzalloc(sizeof *w);
        map_put(a->writes, str_of(pool), w);
    }
    return w;
}

void azure_making(struct azure *a, struct pool_writes *w, bool making)
{
    if (w->making != making)
        atomic_fetch_add(&a->making, making ? 1 : -1);
    w->making = making;
}

void azure_writes_forget(struct azure *a, const char *pool)
{
    LOCK_SCOPE(&a->mu);
    struct pool_writes *w = map_get(a->writes, str_of(pool));

    if (w)
        azure_making(a, w, false);
    map_del(a->writes, str_of(pool));
}

/* ---- the table ----------------------------------------------------------------------------------------------------------------- */

/* "Standard_NC24ads_A100_v4" has 24: Azure names its sizes so. */
static int64_t cpus_of(const char *name)
{
    const char *p = strpbrk(name, "0123456789");
    struct str digits = { p, 0 };
    int64_t n = 0;

    while (p && p[digits.n] >= '0' && p[digits.n] <= '9')
        digits.n++;
    return p && str_to_i64(digits, &n) ? n : 0;
}

/* What the Workspace controller knows of; the memory of a machine is not in its table. */
static errc azure_types(void *self, json_t **out, struct err *e)
{
    AUTO_BUF names = { 0 };
    struct str rest, name;

    sku_names("azure", &names);
    rest = buf_str(&names);
    *out = json_array();
    while (str_next(&rest, ' ', &name)) {
        const struct sku *k = sku_find("azure", name);

        if (k)
            json_push(*out, json_pack("{s:s, s:I, s:i, s:I, s:s}", "name", k->name, "cpus", (json_int_t)cpus_of(k->name), "gpus", k->gpus,
                                      "gpuMemoryBytes", (json_int_t)k->gpu_mem_gib << 30, "gpu", k->gpu_model));
    }
    return ERR_OK;
}

enum owner { OWNER_KAITO, OWNER_MACHINE, OWNER_OTHER, OWNERS };

/* A Workspace's pool of the time before NodeClaims is never ours to delete: somebody should know that it is there and costs. */
static enum owner owner_of(const json_t *pool)
{
    const json_t *labels = json_at(pool, "properties", "nodeLabels", NULL);
    AUTO(cloud_instance_done) struct cloud_instance i = { 0 };

    if (azure_pool_is_ours(pool, &i))
        return OWNER_KAITO;
    return !json_cstr(labels, NODEPOOL_LABEL) && (json_cstr(labels, "kaito.sh/workspace") || json_cstr(labels, "kaito.sh/ragengine")) ? OWNER_MACHINE : OWNER_OTHER;
}

static void pool_metrics(struct azure *a, struct buf *out)
{
    static const char *const names[OWNERS] = { "kaito", "kaito-machine", "other" };
    AUTO_JSON pools = pools_last(a->pools);
    size_t count[OWNERS] = { 0 };
    const char *name;
    json_t *pool;

    if (!pools)
        return;
    json_object_foreach(pools, name, pool)
        count[owner_of(pool)]++;
    buf_adds(out, "# HELP kaito_arm_pools Agent pools of the cluster at the last look; kaito-machine: of an old Machine, which nobody deletes.\n# TYPE kaito_arm_pools gauge\n");
    for (int o = 0; o < OWNERS; o++)
        buf_addf(out, "kaito_arm_pools{owner=\"%s\"} %zu\n", names[o], count[o]);
}

static void azure_metrics(void *self, struct buf *out)
{
    struct azure *a = self;

    arm_metrics(a->arm, out);
    pool_metrics(a, out);
}

/* A token: the service that gives them may have a bad moment just when it is needed. */
static void azure_warm(void *self)
{
    struct azure *a = self;
    AUTO_SECRET_TEXT token = NULL;

    (void)azure_auth_token(a->auth, a->cancel, &token, NULL);
}

static void azure_free(struct azure *a)
{
    map_free(a->writes);
    pools_free(a->pools);
    arm_free(a->arm);
    azure_auth_free(a->auth);
    http_client_free(a->http);
    azure_endpoints_done(&a->endpoints);
    http_pairs_done(&a->headers);
    free(a->pools_url);
    mutex_done(&a->mu);
    free(a);
}
DEFINE_AUTO_FREE(azure)

static void free_cloud(void *self)
{
    azure_free(self);
}

static errc connect_to(struct azure *a, const struct azure_settings *s, struct cancel *cancel, struct err *e)
{
    TRY(http_client_new(&(struct http_client_opts){ .user_agent = "kaito-provisioner/" KAITO_VERSION, .brief = true, .secretive = true }, &a->http, e));
    TRY(endpoints_of(a, s, cancel, e));
    TRY(auth_of(a, s, e));
    TRY(headers_of(a, s, e));
    a->pools_url = pools_url(a, s);
    AUTO_MEM char *list = xasprintf("%s?api-version=" POOL_API_VERSION, a->pools_url);

    a->arm = arm_new(&(struct arm_opts){ .http = a->http, .auth = a->auth, .endpoint = a->endpoints.arm, .headers = a->headers.items,
                                         .n_headers = a->headers.n, .budget_scale = s->budget_scale, .cancel = cancel, .leads = s->leads, .leads_self = s->leads_self, .now_ms = s->now_ms,
                                         .now_self = s->now_self });
    a->pools = pools_new(a->arm, list);
    return ERR_OK;
}

errc azure_cloud_new(const struct azure_settings *s, struct cancel *cancel, struct cloud **out, struct err *e)
{
    TRY(check(s, e));
    AUTO_FREE(azure) a = xzalloc(sizeof *a);

    mutex_init(&a->mu);
    a->cancel = cancel;
    a->writes = map_new(writes_free);
    a->settings = s->pool;
    wipe_process();
    TRY(connect_to(a, s, cancel, e));
    a->cloud = (struct cloud){ .name = "azure", .node_label = POOL_NODE_LABEL, .self = a, .create = azure_create, .goes_on_only = true, .get = azure_get, .list = azure_list,
                               .delete = azure_delete, .ends = azure_ends, .taken = azure_taken, .hurry = azure_hurry, .warm = azure_warm, .types = azure_types, .metrics = azure_metrics, .free = free_cloud };
    *out = &TAKE(a)->cloud;
    return ERR_OK;
}
