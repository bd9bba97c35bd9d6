#include <stdlib.h>
#include <unistd.h>

#include "apiserver/apiserver.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/tls.h"
#include "cluster/cluster.h"
#include "kube/kube.h"
#include "kube/meta.h"
#include "local/priv.h"
#include "local/simulator.h"
#include "node/node.h"
#include "provisioner/cloud_local.h"
#include "provisioner/provisioner.h"
#include "webhook/webhook.h"
#include "workspace/workspace.h"

#define DEFAULT_RUNTIME_IMAGE "kaito/kaito-runtime:" KAITO_VERSION
#define RELEASE_NAMESPACE "kaito-workspace"
#define PORT_FILE "port"

enum { CA_BUNDLE_MAX = 4 << 20 };

/* Everything that runs, in the order in which it was started; ended in the opposite order. */
struct up {
    const struct local_opts *o;
    struct cancel *cancel;
    struct apiserver *api;
    struct kube_client *client;
    struct cluster *cluster;
    struct node_agent *node;
    struct simulator simulator;
    struct cloud *cloud;
    struct provisioner *provisioner;
    struct workspace_manager *manager;
    struct webhook *webhook;
    char *models_dir, *work_dir, *ca_bundle;
    char log_token[33];                 /* between API server and node agent */
    const char *runtime_image;
};

/* Each state folder has cluster IPs of its own, so that several `kaito up` on one machine do not answer for each other. */
static char *service_cidr(const char *state_dir)
{
    return xasprintf("127.%u.0.0/16", 96 + (unsigned)(hash_bytes(state_dir, strlen(state_dir)) % 128));
}

static errc start_api(struct up *u, struct err *e)
{
    AUTO_MEM char *cidr = service_cidr(u->o->state_dir);
    uint16_t last = state_port(u->o->state_dir, PORT_FILE);
    struct apiserver_opts a = {
        .state_dir = u->o->state_dir, .bind_address = u->o->bind_address, .port = u->o->port ? (uint16_t)u->o->port : last,
        .node_token = u->log_token, .service_cidr = cidr, .starts_unready = true,
    };
    errc rc = apiserver_start(&a, &u->api, e);

    if (rc == ERR_UNAVAILABLE && !u->o->port && last) {         /* somebody took our old port: any other will do */
        a.port = 0;
        rc = apiserver_start(&a, &u->api, e);
    }
    return rc ? rc : state_write_port(u->o->state_dir, PORT_FILE, apiserver_port(u->api), e);
}

static errc connect_client(struct up *u, struct err *e)
{
    const char *address = u->o->bind_address ? u->o->bind_address : "127.0.0.1";
    AUTO_MEM char *server = xasprintf("https://%s:%u", address, apiserver_port(u->api));
    AUTO_MEM char *ca = xstrdup(apiserver_ca_pem(u->api)), *token = xstrdup(apiserver_token(u->api));
    char ns[] = "default", source[] = "kaito up";
    const struct kube_config c = { .server = server, .namespace_ = ns, .ca_pem = ca, .token = token, .source = source };

    return kube_client_new(&c, "kaito-up", u->cancel, &u->client, e);
}

static errc make_namespace(struct up *u, struct err *e)
{
    AUTO_JSON ns = kube_object("v1", "Namespace", NULL, RELEASE_NAMESPACE);
    errc rc = kube_create(u->client, KUBE_GVR("", "v1", "namespaces"), NULL, ns, NULL, e);

    return rc == ERR_EXISTS ? ERR_OK : rc;
}

/* The API server's authority vouches for the node's log endpoint. */
static errc node_certificate(struct up *u, struct tls_pair *out, struct err *e)
{
    static const char *const names[] = { "127.0.0.1", "localhost" };
    AUTO_MEM char *cert = path_join(u->o->state_dir, "pki/ca.crt"), *key = path_join(u->o->state_dir, "pki/ca.key");
    AUTO_BUF cert_pem = { 0 }, key_pem = { 0 };

    TRY(file_read(cert, 1 << 16, &cert_pem, e));
    TRY(file_read(key, 1 << 16, &key_pem, e));
    const struct tls_pair ca = { cert_pem.p, key_pem.p };
    return tls_make_cert(&ca, "node-agent", NULL, names, ARRAY_LEN(names), 365, out, e);
}

static errc start_node(struct up *u, struct err *e)
{
    AUTO(tls_pair_done) struct tls_pair pair = { 0 };

    TRY(node_certificate(u, &pair, e));
    const struct node_opts n = { .state_dir = u->o->state_dir, .runtime_image = u->runtime_image, .cert_pem = pair.cert_pem,
                                 .key_pem = pair.key_pem, .log_token = u->log_token };
    return node_agent_start(u->client, &n, u->cancel, &u->node, e);
}

/* SSL_CERT_FILE replaces the system's authorities, so what pods get is both. */
static errc join_authorities(struct up *u, struct err *e)
{
    static const char system_bundle[] = "/etc/ssl/certs/ca-certificates.crt";
    AUTO_BUF text = { 0 };

    if (!u->o->ca_bundle)
        return ERR_OK;
    u->ca_bundle = path_join(u->o->state_dir, "ca-bundle.pem");
    if (file_exists(system_bundle))
        TRY(file_read(system_bundle, CA_BUNDLE_MAX, &text, e));
    if (file_read(u->o->ca_bundle, CA_BUNDLE_MAX, &text, e))
        return err_wrap(e, "--ca-bundle");
    return file_write_atomic(u->ca_bundle, buf_str(&text), 0644, e);
}

static errc start_manager(struct up *u, struct err *e)
{
    if (u->o->no_manager)
        return ERR_OK;
    const struct workspace_manager_opts m = {
        .install_crds = true, .ask_hub = true, .hub_token = getenv("HF_TOKEN"),
        .settings = {
            .runtime_image = u->runtime_image, .release_namespace = RELEASE_NAMESPACE, .model_cache_dir = u->models_dir,
            .work_dir = u->work_dir, .ca_bundle = u->ca_bundle, .hf_endpoint = u->o->hf_endpoint,
            .hf_token_secret = u->o->hf_token_secret, .allow_private_urls = u->o->allow_private_urls,
        },
    };
    return workspace_manager_start(u->client, &m, u->cancel, &u->manager, e);
}

static errc make_cloud(struct up *u, struct err *e)
{
    const struct cloud_local_opts machine = { .agent_port = node_agent_log_port(u->node) };
    const struct simulator_opts s = { .state_dir = u->o->state_dir, .agent_port = machine.agent_port, .program = u->o->fake_arm,
                                      .settings = u->o->fake_arm_settings };

    if (!u->o->fake_azure) {
        u->cloud = cloud_local_new(u->client, &machine);
        return ERR_OK;
    }
    TRY(simulator_start(&s, &u->simulator, e));
    return simulator_cloud(&u->simulator, u->cancel, &u->cloud, e);
}

static errc start_provisioner(struct up *u, struct err *e)
{
    TRY(make_cloud(u, e));
    const struct provisioner_opts p = { .cloud = u->cloud };
    return provisioner_start(u->client, &p, u->cancel, &u->provisioner, e);
}

static errc start_cluster(struct up *u, struct err *e)
{
    const struct cluster_opts c = { .root_ca_pem = apiserver_ca_pem(u->api) };

    return cluster_start(u->client, &c, u->cancel, &u->cluster, e);
}

static errc start_webhook(struct up *u, struct err *e)
{
    return u->manager ? hook_start(u->client, u->manager, u->o->state_dir, RELEASE_NAMESPACE, u->cancel, &u->webhook, e) : ERR_OK;
}

/* It makes its certificate while the other parts start. */
static errc wait_for_webhook(struct up *u, struct err *e)
{
    return u->webhook ? hook_wait(u->webhook, u->manager, u->cancel, e) : ERR_OK;
}

static errc start_all(struct up *u, struct err *e)
{
    static const struct { const char *name; errc (*start)(struct up *u, struct err *e); } parts[] = {
        { "trusted authorities", join_authorities }, { "API server", start_api }, { "client", connect_client },
        { "release namespace", make_namespace }, { "manager", start_manager }, { "admission webhook", start_webhook },
        { "cluster controllers", start_cluster }, { "node agent", start_node },
        { "provisioner", start_provisioner }, { "admission webhook", wait_for_webhook },
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i].start(u, e))
            return err_wrap(e, "%s", parts[i].name);
    return ERR_OK;
}

static void stop_all(struct up *u)
{
    cancel_now(u->cancel);
    provisioner_join(u->provisioner);
    cloud_free(u->cloud);
    simulator_stop(&u->simulator);
    node_agent_join(u->node);
    cluster_join(u->cluster);
    webhook_join(u->webhook);
    workspace_manager_join(u->manager);
    kube_client_free(u->client);
    apiserver_stop(u->api);
    free(u->models_dir);
    free(u->work_dir);
    free(u->ca_bundle);
}

static char *absolute(const char *path)
{
    AUTO_MEM char *here = getcwd(NULL, 0);

    return path_join(here ? here : "/", path);
}

static errc check_alone(const char *state_dir, struct err *e)
{
    struct state_owner owner;

    if (!state_find_owner(state_dir, &owner))
        return ERR_OK;
    return err_set(e, ERR_CONFLICT, "%s is in use by `kaito up`, process %d; `kaito down --state-dir %s` stops it, or choose another --state-dir",
                   state_dir, (int)owner.pid, state_dir);
}

errc local_up(const struct local_opts *opts, struct cancel *cancel, struct err *e)
{
    int64_t began = clock_mono_ms();
    AUTO_MEM char *state_dir = absolute(opts->state_dir);
    struct local_opts o = *opts;
    struct up u = { .o = &o, .cancel = cancel, .runtime_image = o.runtime_image ? o.runtime_image : DEFAULT_RUNTIME_IMAGE };

    o.state_dir = state_dir;
    random_suffix(u.log_token, sizeof u.log_token - 1);
    TRY(check_alone(state_dir, e));
    TRY(dir_make(state_dir, 0700, e));
    u.models_dir = o.model_cache_dir ? absolute(o.model_cache_dir) : path_join(state_dir, "models");
    u.work_dir = path_join(state_dir, "work");
    errc rc = start_all(&u, e);
    if (!rc)
        rc = state_write_owner(state_dir, e);
    if (!rc) {
        AUTO_MEM char *kubeconfig = path_join(state_dir, "kubeconfig");
        apiserver_set_ready(u.api);
        if (o.ready)
            o.ready(&o, kubeconfig, clock_mono_ms() - began);
        cancel_wait_ms(cancel, -1);
        log_info("up", "stopping");
    }
    stop_all(&u);
    return rc;
}
