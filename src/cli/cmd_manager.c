/* kaito manager: the Workspace controller against any Kubernetes. */
#include "base/log.h"
#include "base/options.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/probes.h"
#include "kube/kube.h"
#include "kube/lease.h"
#include "workspace/workspace.h"

struct manager_cmd {
    const char *kubeconfig, *context, *node_provisioner, *log_level, *health, *metrics;
    int64_t workers;
    bool leader_elect;
    struct workspace_manager_opts o;
};

static bool is_ready(void *self)
{
    return workspace_manager_ready(self);
}

static void write_metrics(void *self, struct buf *out)
{
    workspace_manager_metrics(self, out);
}

static errc check(struct manager_cmd *c, enum log_level *level, struct err *e)
{
    const char *cloud = c->o.settings.cloud, *np = c->node_provisioner;

    if (!log_level_parse(c->log_level, level))
        return err_set(e, ERR_BAD_REQUEST, "--log-level %s: is none of debug, info, warn, error", c->log_level);
    if (!streq(cloud, "azure") && !streq(cloud, "aws") && !streq(cloud, "arc"))
        return err_set(e, ERR_BAD_REQUEST, "--cloud %s: is none of azure, aws, arc", cloud);
    if (streq(np, "karpenter"))
        return err_set(e, ERR_UNBUILT, "--node-provisioner karpenter: not built yet; use azure-gpu-provisioner or byo");
    if (!streq(np, "azure-gpu-provisioner") && !streq(np, "byo"))
        return err_set(e, ERR_BAD_REQUEST, "--node-provisioner %s: is none of azure-gpu-provisioner, karpenter, byo", np);
    c->o.settings.byo = streq(np, "byo");
    c->o.workers = (int)c->workers;
    return ERR_OK;
}

static const char *lease_namespace(const struct manager_cmd *c)
{
    return str_set(c->o.settings.release_namespace) ? c->o.settings.release_namespace : "kaito-workspace";
}

static errc run(const struct manager_cmd *c, struct cancel *cancel, struct err *e)
{
    AUTO_FREE(kube_config) config = NULL;
    AUTO_FREE(kube_client) client = NULL;
    AUTO_FREE(kube_client) lease_client = NULL;
    struct workspace_manager *m = NULL;
    struct probes *probes = NULL;

    TRY(kube_config_load(c->kubeconfig, c->context, &config, e));
    TRY(kube_client_new(config, "kaito-workspace/" KAITO_VERSION, cancel, &client, e));
    /* a client that outlives the stop: the lease is given back on the way out */
    TRY(kube_client_new(config, "kaito-workspace/" KAITO_VERSION, NULL, &lease_client, e));
    AUTO_FREE(leader) leader = c->leader_elect ? leader_new(lease_client, &(struct leader_opts){ .ns = lease_namespace(c), .name = "ef60f9b0.io" }) : NULL;
    if (leader) {
        TRY(leader_acquire(leader, cancel, e));
        leader_hold(leader, cancel);
    }
    TRY(workspace_manager_start(client, &c->o, cancel, &m, e));
    errc rc = probes_start(&(struct probes_opts){ .health_address = c->health, .metrics_address = c->metrics,
                                                  .ready = is_ready, .metrics = write_metrics, .self = m }, &probes, e);

    if (rc)
        cancel_now(cancel);
    cancel_wait_ms(cancel, -1);
    probes_stop(probes);
    workspace_manager_join(m);
    return rc;
}

int cmd_manager(int argc, char **argv)
{
    struct manager_cmd c = { .node_provisioner = "azure-gpu-provisioner", .log_level = "info", .health = ":8081", .metrics = ":8080", .workers = 4,
                             .o = { .install_crds = true, .settings = { .cloud = "azure" } } };
    struct workspace_settings *s = &c.o.settings;
    const struct option_row rows[] = {
        { "kubeconfig", 0, OPT_STR, &c.kubeconfig, "FILE", "How to reach the API; default $KUBECONFIG, ~/.kube/config, or the pod's service account." },
        { "context", 0, OPT_STR, &c.context, "NAME", "Context of the kubeconfig; default the current one." },
        { "cloud", 0, OPT_STR, &s->cloud, "NAME", "azure, aws or arc: which machine types there are.", .env = "CLOUD_PROVIDER" },
        { "node-provisioner", 0, OPT_STR, &c.node_provisioner, "NAME", "azure-gpu-provisioner (NodeClaims) or byo (your own nodes)." },
        { "runtime-image", 0, OPT_STR, &s->runtime_image, "REF", "Image of the native runtime; default kaito/kaito-runtime:" KAITO_VERSION "." },
        { "preset-registry", 0, OPT_STR, &s->preset_registry, "HOST/PATH", "Registry of upstream's images.", .env = "PRESET_REGISTRY_NAME" },
        { "release-namespace", 0, OPT_STR, &s->release_namespace, "NS", "Namespace of the parameter templates; default kaito-workspace.", .env = "RELEASE_NAMESPACE" },
        { "default-node-image-family", 0, OPT_STR, &s->default_image_family, "NAME", "ubuntu or azurelinux; default ubuntu." },
        { "model-cache-dir", 0, OPT_STR, &s->model_cache_dir, "DIR", "Folder of every node that holds downloaded models; default /var/lib/kaito/models." },
        { "work-dir", 0, OPT_STR, &s->work_dir, "DIR", "Folder of every node for tuning results, so that training resumes in a new pod; default none." },
        { "ca-bundle", 0, OPT_STR, &s->ca_bundle, "FILE", "PEM file on the nodes with your own authorities, given to the pods as SSL_CERT_FILE." },
        { "hf-endpoint", 0, OPT_STR, &s->hf_endpoint, "URL", "Hub or mirror that the pods download from.", .env = "HF_ENDPOINT" },
        { "hf-token-secret", 0, OPT_STR, &s->hf_token_secret, "NAME", "Secret with HF_TOKEN, looked for in each Workspace's namespace." },
        { "allow-private-data-urls", 0, OPT_BOOL, &s->allow_private_urls, NULL, "Let data set URLs point into private networks." },
        { "leader-elect", 0, OPT_BOOL, &c.leader_elect, NULL, "Of several managers only one acts: the holder of the Lease ef60f9b0.io in the release namespace, which must exist." },
        { "install-crds", 0, OPT_BOOL, &c.o.install_crds, NULL, "Write the CustomResourceDefinitions at start." },
        { "health-probe-bind-address", 0, OPT_STR, &c.health, "HOST:PORT", "Where /healthz and /readyz are; 0: nowhere." },
        { "metrics-bind-address", 0, OPT_STR, &c.metrics, "HOST:PORT", "Where /metrics is; 0: nowhere." },
        { "workers", 0, OPT_INT, &c.workers, "N", "Workspaces handled at the same time." },
        { "log-level", 0, OPT_STR, &c.log_level, "LEVEL", "debug, info, warn or error." },
    };
    const struct command_help help = {
        "kaito manager [--kubeconfig FILE] [options]",
        "Runs the Workspace controller against any Kubernetes: makes NodeClaims, waits for their nodes, serves or tunes the model.",
        "  kaito manager --kubeconfig ~/.kube/config\n",
    };
    struct strlist args = { 0 };
    enum log_level level = LOG_INFO;
    struct err e;
    AUTO_FREE(cancel) cancel = cancel_new();

    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, &args, &e);
    if (!rc && args.n)
        rc = err_set(&e, ERR_BAD_REQUEST, "takes no arguments besides options");
    strlist_done(&args);
    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc)
        rc = check(&c, &level, &e);
    if (rc)
        return command_fail(argv[0], &e);
    log_setup(level, false, 2);
    cancel_on_signals(cancel);
    rc = run(&c, cancel, &e);
    return rc ? command_fail(argv[0], &e) : 0;
}
