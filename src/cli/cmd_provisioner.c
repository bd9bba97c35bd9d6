/* kaito provisioner: NodeClaims become machines. */
#include "base/log.h"
#include "base/options.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/probes.h"
#include "kube/kube.h"
#include "provisioner/cloud_local.h"
#include "provisioner/provisioner.h"

struct provisioner_cmd {
    const char *kubeconfig, *context, *cloud, *log_level, *health, *metrics;
    int64_t workers, agent_port;
    bool install_crds, list_types;
};

static bool is_ready(void *self)
{
    return provisioner_ready(self);
}

static void write_metrics(void *self, struct buf *out)
{
    provisioner_metrics(self, out);
}

static errc run_with(const struct provisioner_cmd *c, struct kube_client *client, struct cloud *cloud, struct cancel *cancel, struct err *e)
{
    struct provisioner_opts o = { .cloud = cloud, .install_crds = c->install_crds, .workers = (int)c->workers };
    struct provisioner *p = NULL;
    struct probes *probes = NULL;

    TRY(provisioner_start(client, &o, cancel, &p, e));
    errc rc = probes_start(&(struct probes_opts){ .health_address = c->health, .metrics_address = c->metrics,
                                                  .ready = is_ready, .metrics = write_metrics, .self = p }, &probes, e);

    if (rc)
        cancel_now(cancel);
    cancel_wait_ms(cancel, -1);
    probes_stop(probes);
    provisioner_join(p);
    return rc;
}

static errc print_types(struct cloud *cloud, struct err *e)
{
    AUTO_JSON types = NULL;
    AUTO_BUF text = { 0 };

    TRY(cloud->types(cloud->self, &types, e));
    json_write_pretty(types, 2, &text);
    printf("%s\n", buf_cstr(&text));
    return ERR_OK;
}

static errc run(const struct provisioner_cmd *c, struct cancel *cancel, struct err *e)
{
    AUTO_FREE(kube_config) config = NULL;
    AUTO_FREE(kube_client) client = NULL;

    TRY(kube_config_load(c->kubeconfig, c->context, &config, e));
    TRY(kube_client_new(config, "kaito-provisioner/" KAITO_VERSION, cancel, &client, e));
    struct cloud *cloud = cloud_local_new(client, &(struct cloud_local_opts){ .agent_port = (int)c->agent_port });
    errc rc = c->list_types ? print_types(cloud, e) : run_with(c, client, cloud, cancel, e);

    cloud_free(cloud);
    return rc;
}

static errc check(const struct provisioner_cmd *c, enum log_level *level, struct err *e)
{
    if (!log_level_parse(c->log_level, level))
        return err_set(e, ERR_BAD_REQUEST, "--log-level %s: is none of debug, info, warn, error", c->log_level);
    if (streq(c->cloud, "azure"))
        return err_set(e, ERR_UNBUILT, "--cloud azure: not built yet; only local is");
    if (!streq(c->cloud, "local"))
        return err_set(e, ERR_BAD_REQUEST, "--cloud %s: is none of local, azure", c->cloud);
    if (c->agent_port < 1 || c->agent_port > 65535)
        return err_set(e, ERR_BAD_REQUEST, "--agent-port %lld: is not within 1..65535", (long long)c->agent_port);
    return ERR_OK;
}

int cmd_provisioner(int argc, char **argv)
{
    struct provisioner_cmd c = { .cloud = "local", .log_level = "info", .health = ":8081", .metrics = ":8080", .workers = 4,
                                 .agent_port = 10250, .install_crds = true };
    const struct option_row rows[] = {
        { "kubeconfig", 0, OPT_STR, &c.kubeconfig, "FILE", "How to reach the API; default $KUBECONFIG, ~/.kube/config, or the pod's service account." },
        { "context", 0, OPT_STR, &c.context, "NAME", "Context of the kubeconfig; default the current one." },
        { "cloud", 0, OPT_STR, &c.cloud, "NAME", "Where machines come from: local (this machine)." },
        { "agent-port", 0, OPT_INT, &c.agent_port, "PORT", "Port of this machine's node agent, written into its Nodes.", .min = 0, .max = 65535 },
        { "install-crds", 0, OPT_BOOL, &c.install_crds, NULL, "Create the NodeClaim CustomResourceDefinition when it is absent." },
        { "health-probe-bind-address", 0, OPT_STR, &c.health, "HOST:PORT", "Where /healthz and /readyz are; 0: nowhere." },
        { "metrics-bind-address", 0, OPT_STR, &c.metrics, "HOST:PORT", "Where /metrics is; 0: nowhere." },
        { "workers", 0, OPT_INT, &c.workers, "N", "Claims handled at the same time." },
        { "list-instance-types", 0, OPT_BOOL, &c.list_types, NULL, "Print what the cloud has to offer and end." },
        { "log-level", 0, OPT_STR, &c.log_level, "LEVEL", "debug, info, warn or error." },
    };
    const struct command_help help = {
        "kaito provisioner [--cloud local] [--kubeconfig FILE] [options]",
        "Makes a machine of every NodeClaim that the Workspace controller writes, and deletes it with the claim.",
        "  kaito provisioner --cloud local --kubeconfig ~/.kube/config\n",
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
