/* kaito provisioner: NodeClaims become machines. */
#include "base/log.h"
#include "base/options.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/probes.h"
#include "cli/provisioner_azure.h"
#include "kube/kube.h"
#include "kube/lease.h"
#include "provisioner/cloud_exec.h"
#include "provisioner/cloud_local.h"
#include "provisioner/provisioner.h"

#define LEASE           "gpu-provisioner-leader-election"       /* upstream's chart grants rights to this name */
#define LEASE_MS        3000            /* a leader that dies is followed, and its claims looked at, well within 10 s, also when ARM asks to wait meanwhile */

struct provisioner_cmd {
    const char *kubeconfig, *context, *cloud, *log_level, *health, *metrics, *collect, *gates, *exec_command, *exec_node_label, *lease, *lease_namespace, *name,
        *class_group;
    int64_t workers, agent_port, health_port, metrics_port, exec_timeout_ms, lease_ms;
    bool install_crds, list_types, list_orphans, leader_elect, no_election, log_json;
    struct strlist noted;               /* upstream's options that mean nothing here */
    struct azure_flags azure;
    struct leader *leader;              /* borrowed; NULL: no election, or not begun */
    struct provisioner_opts o;
};

struct running {
    struct provisioner *provisioner;
    struct probes *probes;
    struct cloud *cloud;
    struct leader *leader;              /* NULL: no election */
    const char *lease;
    struct cancel *cancel;
};

/* ---- clouds: a row each ---- */

static errc make_local(struct provisioner_cmd *c, struct kube_client *client, struct cancel *cancel, struct cloud **out, struct err *e)
{
    *out = cloud_local_new(client, &(struct cloud_local_opts){ .agent_port = (int)c->agent_port });
    return ERR_OK;
}

static errc make_exec(struct provisioner_cmd *c, struct kube_client *client, struct cancel *cancel, struct cloud **out, struct err *e)
{
    if (!str_set(c->exec_command))
        return err_set(e, ERR_BAD_REQUEST, "--cloud exec: needs --exec-command, the program that is the cloud (docs/cloud-exec.md)");
    *out = cloud_exec_new(&(struct cloud_exec_opts){ .command = c->exec_command, .timeout_ms = c->exec_timeout_ms, .node_label = c->exec_node_label });
    return ERR_OK;
}

static bool leads(void *self)
{
    const struct provisioner_cmd *c = self;

    return !c->o.wait_to_lead || (c->leader && leader_is(c->leader));
}

static errc make_azure(struct provisioner_cmd *c, struct kube_client *client, struct cancel *cancel, struct cloud **out, struct err *e)
{
    c->azure.s.leads = leads;
    c->azure.s.leads_self = c;
    return azure_cloud_of(&c->azure, cancel, out, e);
}

static const struct cloud_row {
    const char *name;
    errc (*make)(struct provisioner_cmd *c, struct kube_client *client, struct cancel *cancel, struct cloud **out, struct err *e);
} clouds[] = {
    { "local", make_local }, { "exec", make_exec }, { "azure", make_azure },
};

static const struct cloud_row *cloud_row(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++)
        if (streq(clouds[i].name, name))
            return &clouds[i];
    return NULL;
}

/* ---- options ---- */

/* Upstream's gates; those that stay off are known so that its charts start. */
static errc parse_gates(struct provisioner_cmd *c, struct err *e)
{
    static const struct { const char *name; bool settable; } known[] = {
        { "NodeRepair", true }, { "Expiration", true }, { "ReservedCapacity", true }, { "Drift", true }, { "SpotToSpotConsolidation", false },
        { "NodeOverlay", false }, { "StaticCapacity", false }, { "CapacityBuffer", false },
    };
    struct str rest = str_of(c->gates), pair, name, value;

    while (str_next(&rest, ',', &pair)) {
        size_t i = 0;

        if (str_empty(str_trim(pair)))
            continue;
        (void)str_cut(str_trim(pair), '=', &name, &value);
        bool on = str_ieq(value, STR("true"));

        while (i < ARRAY_LEN(known) && !str_is(name, known[i].name))
            i++;
        if (i == ARRAY_LEN(known) || (!on && !str_ieq(value, STR("false"))))
            return err_set(e, ERR_BAD_REQUEST, "--feature-gates %.*s: give NAME=true or NAME=false; NAME is NodeRepair, Expiration, ReservedCapacity or Drift", STR_ARG(pair));
        if (on && !known[i].settable)
            return err_set(e, ERR_UNBUILT, "--feature-gates %.*s: not built yet; leave it false", STR_ARG(pair));
        c->o.node_repair = str_is(name, "NodeRepair") ? on : c->o.node_repair;
        c->o.expiration = str_is(name, "Expiration") ? on : c->o.expiration;
        c->o.drift = str_is(name, "Drift") ? on : c->o.drift;
    }
    return ERR_OK;
}

static errc parse_collect(struct provisioner_cmd *c, struct err *e)
{
    static const struct { const char *name; enum collect_mode mode; } rows[] = { { "on", COLLECT_ON }, { "dry-run", COLLECT_DRY_RUN }, { "off", COLLECT_OFF } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(rows[i].name, c->collect)) {
            c->o.collect = rows[i].mode;
            return ERR_OK;
        }
    return err_set(e, ERR_BAD_REQUEST, "--collect %s: is none of on, dry-run, off", c->collect);
}

/* On the command line 0 means never. */
static void never(int64_t *ms)
{
    if (*ms == 0)
        *ms = -1;
}

static errc check(struct provisioner_cmd *c, enum log_level *level, struct err *e)
{
    struct claim_timers *t = &c->o.timers;

    if (!log_level_parse(c->log_level, level))
        return err_set(e, ERR_BAD_REQUEST, "--log-level %s: is none of debug, info, warn, error", c->log_level);
    if (!cloud_row(c->cloud))
        return err_set(e, ERR_BAD_REQUEST, "--cloud %s: is none of local, exec, azure", c->cloud);
    if (c->agent_port < 1 || c->agent_port > 65535)
        return err_set(e, ERR_BAD_REQUEST, "--agent-port %lld: is not within 1..65535", (long long)c->agent_port);
    if (t->collect_ms < 1000)
        return err_set(e, ERR_BAD_REQUEST, "--collect-interval %lld ms: is below 1s; --collect off ends the collectors", (long long)t->collect_ms);
    if (c->lease_ms < 3000)
        return err_set(e, ERR_BAD_REQUEST, "--leader-election-lease-duration %lld ms: is below 3s", (long long)c->lease_ms);
    never(&t->launch_ms);
    never(&t->registration_ms);
    never(&t->initialization_ms);
    never(&t->replace_pause_ms);
    never(&t->drain_ms);
    never(&t->alarm_ms);
    never(&t->repair_ms);
    TRY(parse_collect(c, e));
    TRY(parse_gates(c, e));
    c->o.install_crds = c->install_crds;
    c->o.workers = (int)c->workers;
    c->o.class_group = c->class_group;
    c->o.wait_to_lead = c->leader_elect && !c->no_election;
    return ERR_OK;
}

/* ---- running ---- */

static bool is_ready(void *self)
{
    return provisioner_ready(((struct running *)self)->provisioner);
}

static void write_metrics(void *self, struct buf *out)
{
    struct running *r = self;

    provisioner_metrics(r->provisioner, out);
    if (r->cloud->metrics)
        r->cloud->metrics(r->cloud->self, out);
    if (r->leader)
        buf_addf(out, "# TYPE leader_election_master_status gauge\nleader_election_master_status{name=\"%s\"} %d\n", r->lease, leader_is(r->leader));
}

/* Whoever follows a leader that died has lost time enough. */
static void keep_warm(void *self)
{
    struct running *r = self;

    do
        r->cloud->warm(r->cloud->self);
    while (!cancel_wait_ms(r->cancel, CLOUD_WARM_MS) && !leader_is(r->leader));
}

static errc wait_to_lead(struct running *r, struct err *e)
{
    TRY(leader_acquire(r->leader, r->cancel, e));
    leader_hold(r->leader, r->cancel);
    provisioner_lead(r->provisioner);
    return ERR_OK;
}

/* Caches fill in every process; only the one that leads writes and asks the cloud for machines. */
static errc lead(struct running *r, struct err *e)
{
    struct thread warmer = { 0 };

    if (r->leader && r->cloud->warm)
        thread_start(&warmer, "warmer", keep_warm, r);
    bool leads = !r->leader || !wait_to_lead(r, e);     /* or it was stopped before its turn came */

    if (leads)
        provisioner_idle(r->provisioner, r->cancel);
    thread_join(&warmer);
    return leads && r->leader && !leader_is(r->leader) ? err_set(e, ERR_CONFLICT, "leader election lost: another provisioner holds the Lease %s", r->lease) : ERR_OK;
}

/* HOST:PORT from the option, or upstream's port variable. */
static const char *address(const char *option, int64_t port, char out[24])
{
    if (port == 0)
        return option;
    snprintf(out, 24, ":%lld", (long long)port);
    return out;
}

static errc run_with(const struct provisioner_cmd *c, struct kube_client *client, struct running *r, struct cancel *cancel, struct err *e)
{
    char health[24], metrics[24];
    const struct probes_opts probes = { .health_address = address(c->health, c->health_port, health), .metrics_address = address(c->metrics, c->metrics_port, metrics),
                                        .ready = is_ready, .metrics = write_metrics, .self = r };

    TRY(provisioner_start(client, &c->o, cancel, &r->provisioner, e));
    errc rc = probes_start(&probes, &r->probes, e);

    rc = rc ? rc : lead(r, e);
    cancel_now(cancel);
    probes_stop(r->probes);
    provisioner_join(r->provisioner);
    return rc;
}

static errc elect_and_run(struct provisioner_cmd *c, const struct kube_config *config, struct kube_client *client, struct cancel *cancel, struct err *e)
{
    AUTO_FREE(kube_client) lease_client = NULL;

    /* a client that outlives the stop: the lease is given back on the way out, when nothing of ours writes any more */
    TRY(kube_client_new(config, "kaito-provisioner/" KAITO_VERSION, NULL, &lease_client, e));
    kube_client_hurry(lease_client, c->lease_ms / 3);
    const char *ns = str_set(c->lease_namespace) ? c->lease_namespace : kube_client_namespace(client);
    /* three renewals in a row may fail */
    const struct leader_opts lease = { .ns = ns, .name = c->lease, .lease_ms = c->lease_ms, .renew_ms = c->lease_ms * 5 / 6, .retry_ms = c->lease_ms / 4 };
    AUTO_FREE(leader) leader = c->o.wait_to_lead ? leader_new(lease_client, &lease) : NULL;
    struct running r = { .cloud = c->o.cloud, .leader = leader, .lease = c->lease, .cancel = cancel };

    c->leader = leader;
    errc rc = run_with(c, client, &r, cancel, e);

    c->leader = NULL;                   /* nothing runs any more that would ask */
    return rc;
}

static errc print_list(json_t *list)
{
    AUTO_JSON owned = list;
    AUTO_BUF text = { 0 };

    json_write_pretty(owned, 2, &text);
    printf("%s\n", buf_cstr(&text));
    return ERR_OK;
}

static errc act(struct provisioner_cmd *c, const struct kube_config *config, struct kube_client *client, struct cancel *cancel, struct err *e)
{
    struct cloud *cloud = c->o.cloud;
    json_t *list = NULL;

    if (c->list_types) {
        TRY(cloud->types(cloud->self, &list, e));
        return print_list(list);
    }
    if (c->list_orphans) {
        TRY(provisioner_orphans(client, cloud, c->class_group, &list, e));
        return print_list(list);
    }
    return elect_and_run(c, config, client, cancel, e);
}

static errc run(struct provisioner_cmd *c, struct cancel *cancel, struct err *e)
{
    AUTO_FREE(kube_config) config = NULL;
    AUTO_FREE(kube_client) client = NULL;
    char name[80];

    TRY(kube_config_load(c->kubeconfig, c->context, &config, e));
    TRY(kube_client_new(config, "kaito-provisioner/" KAITO_VERSION, cancel, &client, e));
    TRY(cloud_row(c->cloud)->make(c, client, cancel, &c->o.cloud, e));
    snprintf(name, sizeof name, "kaito-%s", c->cloud);
    c->o.name = str_set(c->name) ? c->name : name;
    errc rc = act(c, config, client, cancel, e);

    cloud_free(c->o.cloud);
    return rc;
}

/* A table: long, but one idea. OPTIONS_HELP: the help was printed. */
static errc read_options(struct provisioner_cmd *c, int argc, char **argv, struct err *e)
{
    struct claim_timers *t = &c->o.timers;

    claim_timers_fill(t);
    const struct option_row rows[] = {
        { "kubeconfig", 0, OPT_STR, &c->kubeconfig, "FILE", "How to reach the API; default $KUBECONFIG, ~/.kube/config, or the pod's service account." },
        { "context", 0, OPT_STR, &c->context, "NAME", "Context of the kubeconfig; default the current one." },
        { "cloud", 0, OPT_STR, &c->cloud, "NAME", "Where machines come from: local (this machine), exec (a program of yours) or azure (AKS agent pools)." },
        { "agent-port", 0, OPT_INT, &c->agent_port, "PORT", "local: port of this machine's node agent, written into its Nodes.", .min = 0, .max = 65535 },
        { "exec-command", 0, OPT_STR, &c->exec_command, "PROGRAM", "exec: the program that is the cloud; docs/cloud-exec.md has what it reads and writes." },
        { "exec-timeout", 0, OPT_DURATION_MS, &c->exec_timeout_ms, "TIME", "exec: one call of the program; it is killed after that." },
        { "exec-node-label", 0, OPT_STR, &c->exec_node_label, "LABEL", "exec: the label of a Node that names its claim, where its providerID is not known before it joins." },
        { "install-crds", 0, OPT_BOOL, &c->install_crds, NULL, "Create the NodeClaim CustomResourceDefinition when there is neither it nor the legacy Machine's." },
        { "node-class-group", 0, OPT_STR, &c->class_group, "GROUP", "Act for claims of this nodeClassRef group as well, where no Karpenter does." },
        { "provisioner-name", 0, OPT_STR, &c->name, "NAME", "Written on the claims that this provisioner took; those of another name are left alone; default kaito-CLOUD." },
        { "leader-elect", 0, OPT_BOOL, &c->leader_elect, NULL, "Of several provisioners only the holder of the Lease acts.", .section = "Operations" },
        { "leader-election-name", 0, OPT_STR, &c->lease, "NAME", "The Lease.", .env = "LEADER_ELECTION_NAME" },
        { "leader-election-namespace", 0, OPT_STR, &c->lease_namespace, "NS", "Its namespace; default that of the context or pod.", .env = "LEADER_ELECTION_NAMESPACE" },
        { "leader-election-lease-duration", 0, OPT_DURATION_MS, &c->lease_ms, "TIME", "How long a leader that fell silent is waited for; renewed each quarter of it." },
        { "disable-leader-election", 0, OPT_BOOL, &c->no_election, NULL, "Upstream's name for --no-leader-elect.", .env = "DISABLE_LEADER_ELECTION" },
        { "feature-gates", 0, OPT_STR, &c->gates, "NAME=BOOL,...", "NodeRepair (on), Expiration (off), Drift (off); others of Karpenter are refused.", .env = "FEATURE_GATES" },
        { "health-probe-bind-address", 0, OPT_STR, &c->health, "HOST:PORT", "Where /healthz and /readyz are; 0: nowhere." },
        { "metrics-bind-address", 0, OPT_STR, &c->metrics, "HOST:PORT", "Where /metrics is; 0: nowhere." },
        { "health-probe-port", 0, OPT_INT, &c->health_port, "PORT", "Upstream's: only the port.", .env = "HEALTH_PROBE_PORT", .min = 0, .max = 65535 },
        { "metrics-port", 0, OPT_INT, &c->metrics_port, "PORT", "Upstream's: only the port.", .env = "METRICS_PORT", .min = 0, .max = 65535 },
        { "workers", 0, OPT_INT, &c->workers, "N", "Claims handled at the same time." },
        { "log-level", 0, OPT_STR, &c->log_level, "LEVEL", "debug, info, warn or error.", .env = "LOG_LEVEL" },
        { "log-json", 0, OPT_BOOL, &c->log_json, NULL, "One JSON object a line." },
        { "launch-timeout", 0, OPT_DURATION_MS, &t->launch_ms, "TIME", "The cloud accepted the request until the machine runs; then it is deleted and made anew.", .section = "Times (0: never)" },
        { "registration-timeout", 0, OPT_DURATION_MS, &t->registration_ms, "TIME", "The machine runs until its Node has joined; then as above." },
        { "initialization-timeout", 0, OPT_DURATION_MS, &t->initialization_ms, "TIME", "The Node has joined until it is usable; then as above." },
        { "replace-pause", 0, OPT_DURATION_MS, &t->replace_pause_ms, "TIME", "From a machine that was given up to the next one; doubles to an hour." },
        { "drain-timeout", 0, OPT_DURATION_MS, &t->drain_ms, "TIME", "How long PodDisruptionBudgets may hold up the deletion of a claim without terminationGracePeriod." },
        { "deletion-alarm", 0, OPT_DURATION_MS, &t->alarm_ms, "TIME", "A deletion that lasts longer is told by events." },
        { "repair-after", 0, OPT_DURATION_MS, &t->repair_ms, "TIME", "A Node that is not ready for so long is given up (NodeRepair)." },
        { "repair-pause", 0, OPT_DURATION_MS, &t->repair_pause_ms, "TIME", "Between two repairs." },
        { "collect", 0, OPT_STR, &c->collect, "MODE", "What is left over (machines without claim, claims without machine): on, dry-run (log it), off.", .section = "Collectors" },
        { "collect-interval", 0, OPT_DURATION_MS, &t->collect_ms, "TIME", "Between two rounds." },
        { "collect-grace", 0, OPT_DURATION_MS, &t->collect_grace_ms, "TIME", "How long something must be left over, and seen so twice, before it is deleted." },
        { "list-orphans", 0, OPT_BOOL, &c->list_orphans, NULL, "Print what is left over now and end; nothing is deleted." },
        { "list-instance-types", 0, OPT_BOOL, &c->list_types, NULL, "Print what the cloud has to offer and end." },
        AZURE_OPTIONS(&c->azure),
        { "kube-client-qps", 0, OPT_NOTED, &c->noted, "N", "Upstream's, without effect here, as the next ones." },
        { "kube-client-burst", 0, OPT_NOTED, &c->noted, NULL, NULL },
        { "karpenter-service", 0, OPT_NOTED, &c->noted, NULL, NULL },
        { "enable-profiling", 0, OPT_NOTED, &c->noted, NULL, NULL },
        { "memory-limit", 0, OPT_NOTED, &c->noted, NULL, NULL },
        { "cpu-requests", 0, OPT_NOTED, &c->noted, NULL, NULL },
        { "log-output-paths", 0, OPT_NOTED, &c->noted, NULL, NULL },
        { "log-error-output-paths", 0, OPT_NOTED, &c->noted, NULL, NULL },
        { "batch-max-duration", 0, OPT_NOTED, &c->noted, NULL, NULL },
        { "batch-idle-duration", 0, OPT_NOTED, &c->noted, NULL, NULL },
        { "preference-policy", 0, OPT_NOTED, &c->noted, NULL, NULL },
        { "min-values-policy", 0, OPT_NOTED, &c->noted, NULL, NULL },
    };
    const struct command_help help = {
        "kaito provisioner [--cloud local|exec|azure] [--kubeconfig FILE] [options]",
        "Makes a machine of every NodeClaim that the Workspace controller writes, and deletes it with the claim.",
        "  kaito provisioner --cloud local --kubeconfig ~/.kube/config\n"
        "  kaito provisioner --cloud exec --exec-command ./my-cloud --list-orphans\n"
        "  kaito provisioner --cloud azure --subscription-id ID --resource-group RG --cluster-name AKS\n",
    };

    return options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, e);
}

int cmd_provisioner(int argc, char **argv)
{
    struct provisioner_cmd c = { .cloud = "local", .log_level = "info", .health = ":8081", .metrics = ":8080", .workers = 4, .agent_port = 10250,
                                 .install_crds = true, .collect = "on", .gates = "", .leader_elect = true, .lease = LEASE, .lease_ms = LEASE_MS, .exec_timeout_ms = 60000,
                                 .o = { .node_repair = true } };
    enum log_level level = LOG_INFO;
    struct err e;
    AUTO_FREE(cancel) cancel = cancel_new();
    errc rc = read_options(&c, argc, argv, &e);

    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc)
        rc = check(&c, &level, &e);
    if (rc) {
        azure_flags_done(&c.azure);
        return command_fail(argv[0], &e);
    }
    log_setup(level, c.log_json, 2);
    for (size_t i = 0; i < c.noted.n; i++)
        log_info("provisioner", "an option of upstream's without effect here", KV("option", c.noted.items[i]));
    strlist_done(&c.noted);
    cancel_on_signals(cancel);
    rc = run(&c, cancel, &e);
    azure_flags_done(&c.azure);
    return rc ? command_fail(argv[0], &e) : 0;
}
