/* kaito manager: the Workspace controller against any Kubernetes. */
#include <malloc.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/options.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/probes.h"
#include "kube/kube.h"
#include "kube/lease.h"
#include "schema/names.h"
#include "webhook/webhook.h"
#include "workspace/feature_gates.h"
#include "workspace/node_classes.h"
#include "workspace/workspace.h"

#define ADMISSION_PATH  "/validate/workspace.kaito.sh"
#define LEASE           "ef60f9b0.io"
#define TRIM_MS         1000
#define LEASE_CALL_MS   5000            /* half of what the lease may go without being renewed */

struct manager_cmd {
    const char *kubeconfig, *context, *node_provisioner, *log_level, *health, *metrics, *service, *configuration;
    const char *zap_level, *zap_encoder;        /* upstream's names of log_level and log_json; they count where they are given */
    int64_t workers, webhook_port;
    const char *gates, *node_class_json;
    struct node_classes classes;        /* Karpenter mode */
    struct strlist namespaces;
    struct strlist noted;               /* upstream's options that mean nothing here */
    bool leader_elect, webhook, version, log_json, debug_state;
    struct workspace_manager_opts o;
};

struct running {
    struct workspace_manager *manager;
    struct webhook *webhook;            /* NULL: none wanted */
    struct probes *probes;
    struct leader *leader;              /* NULL: no election */
};

static bool is_ready(void *self)
{
    struct running *r = self;

    return workspace_manager_ready(r->manager) && (!r->webhook || webhook_serving(r->webhook));
}

static void write_metrics(void *self, struct buf *out)
{
    struct running *r = self;

    workspace_manager_metrics(r->manager, out);
    if (r->leader)
        buf_addf(out, "# HELP leader_election_master_status Whether this process holds the Lease.\n# TYPE leader_election_master_status gauge\nleader_election_master_status{name=\"" LEASE "\"} %d\n", leader_is(r->leader));
    if (r->webhook)
        webhook_metrics(r->webhook, out);
}

static json_t *debug_state(void *self)
{
    struct running *r = self;
    struct webhook_stats s = { 0 };
    json_t *state = workspace_manager_state(r->manager);

    json_put_bool(state, "leads", !r->leader || leader_is(r->leader));
    if (r->webhook) {
        webhook_stats(r->webhook, &s);
        json_put(state, "webhook", json_pack("{s:b, s:I, s:I, s:I}", "serving", webhook_serving(r->webhook), "requests", (json_int_t)s.requests,
                                             "rotations", (json_int_t)s.rotations, "certificate_ends", (json_int_t)(s.cert_ends_ms / 1000)));
    }
    return state;
}

static bool is_given_before(const struct strlist *l, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (streq(l->items[k], l->items[i]))
            return true;
    return false;
}

static errc read_namespaces(struct manager_cmd *c, struct err *e)
{
    struct strlist *l = &c->namespaces;
    AUTO_BUF problem = { 0 };

    if (!l->n)
        return ERR_OK;
    for (size_t i = 0; i < l->n; i++) {
        if (name_problem(NAME_LABEL, l->items[i], false, &problem))
            return err_set(e, ERR_BAD_REQUEST, "--namespace %s: %s", l->items[i], buf_cstr(&problem));
        if (is_given_before(l, i))
            return err_set(e, ERR_BAD_REQUEST, "--namespace %s: is given twice", l->items[i]);
    }
    strlist_add(l, NULL);
    c->o.settings.namespaces = l->items;
    return ERR_OK;
}

static errc use_karpenter(struct manager_cmd *c, struct err *e)
{
    struct workspace_settings *s = &c->o.settings;

    TRY(node_classes_parse(c->node_class_json, &c->classes, e));
    s->karpenter = true;
    s->node_classes = c->classes.names;
    s->default_node_class = c->classes.default_name;
    s->node_class_list = c->classes.list;
    return ERR_OK;
}

/* As zap reads it: a name, or a number that counts how much more than info is wanted. */
static errc read_log_options(struct manager_cmd *c, enum log_level *level, struct err *e)
{
    int64_t more = 0;

    if (c->zap_encoder && !streq(c->zap_encoder, "json") && !streq(c->zap_encoder, "console"))
        return err_set(e, ERR_BAD_REQUEST, "--zap-encoder %s: is none of json, console", c->zap_encoder);
    if (c->zap_encoder)
        c->log_json = streq(c->zap_encoder, "json");
    if (!c->zap_level)
        return log_level_parse(c->log_level, level) ? ERR_OK : err_set(e, ERR_BAD_REQUEST, "--log-level %s: is none of debug, info, warn, error", c->log_level);
    if (str_to_i64(str_of(c->zap_level), &more) && more > 0)
        *level = LOG_DEBUG;
    else if (streq(c->zap_level, "panic"))
        *level = LOG_ERROR;
    else if (!log_level_parse(c->zap_level, level))
        return err_set(e, ERR_BAD_REQUEST, "--zap-log-level %s: is none of debug, info, warn, error, panic, and no number above 0", c->zap_level);
    return ERR_OK;
}

static errc check(struct manager_cmd *c, enum log_level *level, struct err *e)
{
    const char *cloud = c->o.settings.cloud, *np = c->node_provisioner;

    TRY(read_log_options(c, level, e));
    if (!streq(cloud, "azure") && !streq(cloud, "aws") && !streq(cloud, "arc"))
        return err_set(e, ERR_BAD_REQUEST, "--cloud %s: is none of azure, aws, arc", cloud);
    if (!streq(np, "azure-gpu-provisioner") && !streq(np, "byo") && !streq(np, "karpenter"))
        return err_set(e, ERR_BAD_REQUEST, "--node-provisioner %s: is none of azure-gpu-provisioner, karpenter, byo", np);
    const char *family = c->o.settings.default_image_family;

    if (str_set(family) && !str_ieq(str_of(family), STR("ubuntu")) && !str_ieq(str_of(family), STR("azurelinux")))
        return err_set(e, ERR_BAD_REQUEST, "--default-node-image-family %s: is none of azurelinux, ubuntu", family);
    TRY(read_namespaces(c, e));
    if (streq(np, "karpenter"))
        TRY(use_karpenter(c, e));
    struct feature_gates_set gates;

    TRY(feature_gates_parse(c->gates, &gates, e));
    c->o.settings.byo = streq(np, "byo") || (!c->o.settings.karpenter && feature_gate_is_on(&gates, "disableNodeAutoProvisioning"));
    c->o.settings.transformers_only = !feature_gate_is_on(&gates, "vLLM");
    c->o.settings.mig = feature_gate_is_on(&gates, "enableMIG");
    c->o.settings.model_streaming = feature_gate_is_on(&gates, "ModelStreaming");
    c->o.settings.accelerator = feature_gate_is_on(&gates, "enableAccelerator");
    c->o.workers = (int)c->workers;
    c->o.wait_to_lead = c->leader_elect;
    return ERR_OK;
}

static const char *release_namespace(const struct manager_cmd *c)
{
    return str_set(c->o.settings.release_namespace) ? c->o.settings.release_namespace : "kaito-workspace";
}

static struct webhook *start_webhook(const struct manager_cmd *c, struct kube_client *client, struct running *r, struct cancel *cancel)
{
    const struct admission_route route = { ADMISSION_PATH, workspace_admit, r->manager };
    const struct webhook_opts o = {
        .port = (uint16_t)c->webhook_port, .ns = release_namespace(c), .service = c->service, .secret = "workspace-webhook-cert",
        .configuration = c->configuration, .routes = &route, .n_routes = 1,
    };

    return webhook_start(client, &o, cancel);
}

static errc start(const struct manager_cmd *c, struct kube_client *client, struct running *r, struct cancel *cancel, struct err *e)
{
    const struct probes_opts probes = { .health_address = c->health, .metrics_address = c->metrics, .ready = is_ready,
                                        .metrics = write_metrics, .state = c->debug_state ? debug_state : NULL, .self = r };

    TRY(workspace_manager_start(client, &c->o, cancel, &r->manager, e));
    if (c->webhook)
        r->webhook = start_webhook(c, client, r, cancel);
    return probes_start(&probes, &r->probes, e);
}

/* What a burst of work leaves free goes back to the system once it is over; at rest nothing is done. */
static void idle_until(struct cancel *cancel, struct running *r)
{
    uint64_t trimmed = UINT64_MAX, before = 0;

    for (bool first = true; !cancel_wait_ms(cancel, TRIM_MS); first = false) {
        uint64_t now = workspace_manager_reconciles(r->manager);

        if (!first && now == before && now != trimmed) {
            malloc_trim(0);
            trimmed = now;
        }
        before = now;
    }
}

/* Caches and webhooks serve in every process; only the one that leads writes. */
static errc lead(const struct manager_cmd *c, struct running *r, struct leader *leader, struct cancel *cancel, struct err *e)
{
    if (leader) {
        if (leader_acquire(leader, cancel, e))
            return ERR_OK;              /* stopped before it was our turn */
        leader_hold(leader, cancel);
        TRY(workspace_manager_lead(r->manager, e));
    }
    if (r->webhook)
        webhook_lead(r->webhook);
    idle_until(cancel, r);
    return leader && !leader_is(leader) ? err_set(e, ERR_CONFLICT, "leader election lost: another manager holds the Lease %s/%s", release_namespace(c), LEASE)
                                        : ERR_OK;
}

static void stop(struct running *r)
{
    probes_stop(r->probes);
    webhook_join(r->webhook);
    workspace_manager_join(r->manager);
}

static errc run(const struct manager_cmd *c, struct cancel *cancel, struct err *e)
{
    AUTO_FREE(kube_config) config = NULL;
    AUTO_FREE(kube_client) client = NULL;
    AUTO_FREE(kube_client) lease_client = NULL;
    struct running r = { 0 };

    TRY(kube_config_load(c->kubeconfig, c->context, &config, e));
    TRY(kube_client_new(config, "kaito-workspace/" KAITO_VERSION, cancel, &client, e));
    /* a client that outlives the stop: the lease is given back on the way out, when nothing of ours writes any more */
    TRY(kube_client_new(config, "kaito-workspace/" KAITO_VERSION, NULL, &lease_client, e));
    kube_client_hurry(lease_client, LEASE_CALL_MS);
    AUTO_FREE(leader) leader = c->leader_elect ? leader_new(lease_client, &(struct leader_opts){ .ns = release_namespace(c), .name = LEASE }) : NULL;
    r.leader = leader;
    errc rc = start(c, client, &r, cancel, e);

    rc = rc ? rc : lead(c, &r, leader, cancel, e);
    log_info("manager", "stopping: what is under way ends", KV("leads", !leader || leader_is(leader) ? "true" : "false"));
    cancel_now(cancel);
    stop(&r);
    return rc;
}

static const struct command_help help = {
    "kaito manager [--kubeconfig FILE] [options]",
    "Runs the Workspace controller against any Kubernetes: makes NodeClaims, waits for their nodes, serves or tunes the model.",
    "  kaito manager --kubeconfig ~/.kube/config\n",
};

/* OPTIONS_HELP after --help. */
static errc read_options(int argc, char **argv, struct manager_cmd *out, struct err *e)
{
    struct manager_cmd c = { .node_provisioner = "azure-gpu-provisioner", .log_level = "info", .health = ":8081", .metrics = ":8080", .workers = 4,
                             .service = "workspace", .configuration = "validation.workspace.kaito.sh", .webhook_port = 9443, .webhook = true,
                             .o = { .install_crds = true, .ask_hub = true, .hub_token = getenv("HF_TOKEN"), .settings = { .cloud = "azure" } } };
    struct workspace_settings *s = &c.o.settings;
    const struct option_row rows[] = {
        { "kubeconfig", 0, OPT_STR, &c.kubeconfig, "FILE", "How to reach the API; default $KUBECONFIG, ~/.kube/config, or the pod's service account." },
        { "context", 0, OPT_STR, &c.context, "NAME", "Context of the kubeconfig; default the current one." },
        { "cloud", 0, OPT_STR, &s->cloud, "NAME", "azure, aws or arc: which machine types there are.", .env = "CLOUD_PROVIDER" },
        { "node-provisioner", 0, OPT_STR, &c.node_provisioner, "NAME", "azure-gpu-provisioner (NodeClaims, or legacy Machines where there are none), karpenter (a NodePool for each Workspace) or byo (your own nodes)." },
        { "karpenter-node-classes", 0, OPT_STR, &c.node_class_json, "JSON", "With karpenter: [{\"name\", \"default\", \"spec\"}], the NodeClasses to make where they are missing; exactly one is the default." },
        { "karpenter-node-class-group", 0, OPT_STR, &s->node_class_group, "GROUP", "API group of the NodeClasses; default karpenter.azure.com." },
        { "karpenter-node-class-kind", 0, OPT_STR, &s->node_class_kind, "KIND", "Their kind; default AKSNodeClass." },
        { "karpenter-node-class-version", 0, OPT_STR, &s->node_class_version, "VERSION", "Their version; default v1beta1." },
        { "karpenter-node-class-resource-name", 0, OPT_STR, &s->node_class_resource, "NAME", "Their plural; default aksnodeclasses." },
        { "runtime-image", 0, OPT_STR, &s->runtime_image, "REF", "Image of the native runtime; default kaito/kaito-runtime:" KAITO_VERSION "." },
        { "preset-registry", 0, OPT_STR, &s->preset_registry, "HOST/PATH", "Registry of upstream's images.", .env = "PRESET_REGISTRY_NAME" },
        { "release-namespace", 0, OPT_STR, &s->release_namespace, "NS", "Namespace of the parameter templates; default kaito-workspace.", .env = "RELEASE_NAMESPACE" },
        { "namespace", 0, OPT_LIST, &c.namespaces, "NS", "Look after the Workspaces of this namespace only; may be repeated. Default all." },
        { "default-model-mirror-storage-class", 0, OPT_STR, &s->mirror_class, "NAME", "Model streaming: StorageClass of the mirrors of Workspaces that are annotated with none." },
        { "default-streaming-service-account", 0, OPT_STR, &s->streaming_account, "NAME", "Model streaming: ServiceAccount of the pods of Workspaces that are annotated with none." },
        { "default-node-image-family", 0, OPT_STR, &s->default_image_family, "NAME", "ubuntu or azurelinux; default ubuntu." },
        { "model-cache-dir", 0, OPT_STR, &s->model_cache_dir, "DIR", "Folder of every node that holds downloaded models; default /var/lib/kaito/models." },
        { "work-dir", 0, OPT_STR, &s->work_dir, "DIR", "Folder of every node for tuning results, so that training resumes in a new pod; default none." },
        { "ca-bundle", 0, OPT_STR, &s->ca_bundle, "FILE", "PEM file on the nodes with your own authorities, given to the pods as SSL_CERT_FILE." },
        { "hf-endpoint", 0, OPT_STR, &s->hf_endpoint, "URL", "Hub or mirror that the pods download from.", .env = "HF_ENDPOINT" },
        { "hf-token-secret", 0, OPT_STR, &s->hf_token_secret, "NAME", "Secret with HF_TOKEN, looked for in each Workspace's namespace." },
        { "ask-hub", 0, OPT_BOOL, &c.o.ask_hub, NULL, "Ask the hub (--hf-endpoint) about models that the catalogue does not have, with the Workspace's Secret or $HF_TOKEN." },
        { "allow-private-data-urls", 0, OPT_BOOL, &s->allow_private_urls, NULL, "Let data set URLs point into private networks." },
        { "leader-elect", 0, OPT_BOOL, &c.leader_elect, NULL, "Of several managers only one acts: the holder of the Lease ef60f9b0.io in the release namespace, which must exist." },
        { "webhook", 0, OPT_BOOL, &c.webhook, NULL, "Serve the admission webhook and keep its certificate in the Secret workspace-webhook-cert." },
        { "webhook-port", 0, OPT_INT, &c.webhook_port, "PORT", "Where the webhook listens.", .env = "WEBHOOK_PORT", .min = 1, .max = 65535 },
        { "webhook-service", 0, OPT_STR, &c.service, "NAME", "The Service in the release namespace that the API server reaches it by.", .env = "WEBHOOK_SERVICE" },
        { "webhook-configuration", 0, OPT_STR, &c.configuration, "NAME", "The ValidatingWebhookConfiguration that gets the certificate's authority." },
        { "install-crds", 0, OPT_BOOL, &c.o.install_crds, NULL, "Write the CustomResourceDefinitions and the release namespace at start; off where `kaito install` or the chart has brought them." },
        { "health-probe-bind-address", 0, OPT_STR, &c.health, "HOST:PORT", "Where /healthz and /readyz are; 0: nowhere." },
        { "metrics-bind-address", 0, OPT_STR, &c.metrics, "HOST:PORT", "Where /metrics is; 0: nowhere." },
        { "debug-state", 0, OPT_BOOL, &c.debug_state, NULL, "Show caches, queue and webhook as JSON under /debug/state beside /metrics." },
        { "workers", 0, OPT_INT, &c.workers, "N", "Workspaces handled at the same time." },
        { "feature-gates", 0, OPT_STR, &c.gates, "NAME=BOOL,...", "Upstream's feature gates; what is not built is refused by name." },
        { "version", 0, OPT_BOOL, &c.version, NULL, "Print the version and end." },
        { "log-json", 0, OPT_BOOL, &c.log_json, NULL, "One JSON object a line." },
        { "kube-client-qps", 0, OPT_NOTED, &c.noted, "N", "Upstream's, without effect here: requests are few. So are the next ones." },
        { "kube-client-burst", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "model-mirror-download-cpu", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "model-mirror-download-memory", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "zap-devel", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "zap-stacktrace-level", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "zap-time-encoding", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "v", 'v', OPT_NOTED, &c.noted, NULL, NULL },             /* klog's */
        { "vmodule", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "logtostderr", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "alsologtostderr", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "stderrthreshold", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "log-backtrace-at", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "log-dir", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "log-file", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "log-file-max-size", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "add-dir-header", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "skip-headers", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "skip-log-headers", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "one-output", 0, OPT_NOTED, &c.noted, NULL, NULL },
        { "log-level", 0, OPT_STR, &c.log_level, "LEVEL", "debug, info, warn or error." },
        { "zap-log-level", 0, OPT_STR, &c.zap_level, "LEVEL", "The same as upstream names it; also panic, and a number above 0 for debug." },
        { "zap-encoder", 0, OPT_STR, &c.zap_encoder, "FORM", "json or console, as upstream names it." },
    };
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, e);

    *out = c;
    return rc;
}

static void options_done(struct manager_cmd *c)
{
    node_classes_done(&c->classes);
    strlist_done(&c->namespaces);
    strlist_done(&c->noted);
}

static int manage(struct manager_cmd *c, const char *name)
{
    AUTO_FREE(cancel) cancel = cancel_new();
    enum log_level level = LOG_INFO;
    struct err e;

    if (check(c, &level, &e))
        return command_fail(name, &e);
    log_setup(level, c->log_json, 2);
    for (size_t i = 0; i < c->noted.n; i++)
        log_info("manager", "an option of upstream's without effect here", KV("option", c->noted.items[i]));
    if (c->o.settings.model_streaming)
        log_warn("manager", "models are streamed from ModelMirrors, which are asked for and waited for: something else must fill them");
    cancel_on_signals(cancel);
    if (run(c, cancel, &e))
        return command_fail(name, &e);
    log_info("manager", "stopped");
    return 0;
}

int cmd_manager(int argc, char **argv)
{
    struct manager_cmd c;
    struct err e;
    errc rc = read_options(argc, argv, &c, &e);
    int status = rc == OPTIONS_HELP ? 0 : rc ? command_fail(argv[0], &e) : c.version ? cmd_version(1, argv) : manage(&c, argv[0]);

    options_done(&c);
    return status;
}
