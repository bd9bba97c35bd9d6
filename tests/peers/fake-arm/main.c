/* `kaito-fake-arm`: the simulator as a program of its own. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/options.h"
#include "sim.h"

enum { CERTIFICATE_MAX = 256 << 10 };

struct fake_arm {
    struct sim_opts sim;
    struct kubelet_opts kubelets;
    int64_t port, seed;
    const char *certificate, *settings, *ready_file, *ca_file, *state, *log_level;
    bool tls;
};

static errc write_files(const struct fake_arm *f, const struct sim *s, struct err *e)
{
    AUTO_MEM char *ready = xasprintf("{\"url\": \"%s\", \"pid\": %d}\n", s->base_url, (int)getpid());

    if (f->ca_file && s->cert_pem)
        TRY(file_write_atomic(f->ca_file, str_of(s->cert_pem), 0644, e));
    printf("kaito-fake-arm: %s, subscription %s, resource group %s, cluster %s\n", s->base_url, s->who.subscription, s->who.group, s->who.cluster);
    fflush(stdout);
    return f->ready_file ? file_write_atomic(f->ready_file, str_of(ready), 0644, e) : ERR_OK;
}

static errc settle_in(const struct fake_arm *f, struct sim *s, struct err *e)
{
    AUTO_JSON j = NULL;

    if (f->settings) {
        TRY(json_parse(str_of(f->settings), &j, e));
        TRY(sim_settings_read(&s->set, j, e));
    }
    if (f->state)
        TRY(sim_keep_read(s, f->state, e));
    if (f->kubelets.kubeconfig)
        TRY(kubelets_start(s, &f->kubelets, e));
    return write_files(f, s, e);
}

static errc run(struct fake_arm *f, struct err *e)
{
    AUTO_FREE(cancel) cancel = cancel_new();
    AUTO_BUF certificate = { 0 };
    enum log_level level;
    struct sim *s = NULL;

    if (!log_level_parse(f->log_level, &level))
        return err_set(e, ERR_BAD_REQUEST, "--log-level: \"%s\" is none of debug, info, warn, error", f->log_level);
    log_setup(level, false, 2);
    cancel_on_signals(cancel);
    if (f->certificate) {
        TRY(file_read(f->certificate, CERTIFICATE_MAX, &certificate, e));
        f->sim.who.certificate_pem = buf_cstr(&certificate);
    }
    f->sim.port = (uint16_t)f->port;
    f->sim.seed = (uint64_t)f->seed;
    f->sim.tls = f->tls;
    TRY(sim_start(&f->sim, &s, e));
    errc rc = settle_in(f, s, e);

    if (!rc)
        cancel_wait_ms(cancel, -1);
    sim_stop(s);
    return rc;
}

int main(int argc, char **argv)
{
    struct fake_arm f = {
        .sim.who = { .tenant = "11111111-1111-1111-1111-111111111111", .client_id = "22222222-2222-2222-2222-222222222222",
                     .subscription = "00000000-0000-0000-0000-000000000000", .group = "rehearsal", .cluster = "aks", .location = "eastus" },
        .kubelets = { .gpus = true, .heartbeat_ms = 10000 }, .seed = 1, .log_level = "info",
    };
    const struct option_row rows[] = {
        { "port", 0, OPT_INT, &f.port, "PORT", "Port on 127.0.0.1; 0 takes a free one.", .min = 0, .max = 65535 },
        { "tls", 0, OPT_BOOL, &f.tls, NULL, "Speak TLS with a certificate made now." },
        { "ca-file", 0, OPT_STR, &f.ca_file, "FILE", "Where the certificate and its authority are written." },
        { "ready-file", 0, OPT_STR, &f.ready_file, "FILE", "Written when it listens: {\"url\", \"pid\"}." },
        { "tenant", 0, OPT_STR, &f.sim.who.tenant, "ID", "Tenant of the token endpoint." },
        { "client-id", 0, OPT_STR, &f.sim.who.client_id, "ID", "The identity that may have tokens." },
        { "client-secret", 0, OPT_STR, &f.sim.who.client_secret, "TEXT", "Its secret; without one no secret is accepted.", "KAITO_FAKE_ARM_SECRET" },
        { "federated-token-file", 0, OPT_STR, &f.sim.who.assertion_file, "FILE", "The assertion that is right at any moment; otherwise any that looks like one is." },
        { "client-certificate", 0, OPT_STR, &f.certificate, "FILE", "PEM: assertions must be signed by its key." },
        { "subscription", 0, OPT_STR, &f.sim.who.subscription, "ID", "The one subscription there is." },
        { "resource-group", 0, OPT_STR, &f.sim.who.group, "NAME", "Its resource group." },
        { "cluster", 0, OPT_STR, &f.sim.who.cluster, "NAME", "Its AKS cluster." },
        { "location", 0, OPT_STR, &f.sim.who.location, "NAME", "Its region." },
        { "settings", 0, OPT_STR, &f.settings, "JSON", "Settings by name, e.g. {\"create_ms\": 1000}; GET /control/settings shows all." },
        { "seed", 0, OPT_INT, &f.seed, "N", "Of durations and of the schedule of faults." },
        { "state", 0, OPT_STR, &f.state, "FILE", "Where pools are kept from one run to the next." },
        { "journal", 0, OPT_STR, &f.sim.journal_path, "FILE", "Every request as a JSON line." },
        { "kubeconfig", 0, OPT_STR, &f.kubelets.kubeconfig, "FILE", "The cluster that simulated machines join as Nodes.", .section = "Nodes" },
        { "gpus", 0, OPT_BOOL, &f.kubelets.gpus, NULL, "Nodes of GPU sizes show nvidia.com/gpu." },
        { "agent-port", 0, OPT_INT, &f.kubelets.agent_port, "PORT", "Nodes are kept, and their pods run, by this machine's node agent.", .min = 0, .max = 65535 },
        { "heartbeat-interval", 0, OPT_DURATION_MS, &f.kubelets.heartbeat_ms, "TIME", "Between renewals of a Node's lease; 0: none." },
        { "log-level", 0, OPT_STR, &f.log_level, "LEVEL", "debug, info, warn or error." },
    };
    const struct command_help help = {
        "kaito-fake-arm [options]",
        "A simulator of Azure Resource Manager for AKS agent pools, for tests and rehearsals: tokens, long-running operations, quotas,\n"
        "throttling and faults; its machines join a cluster as Nodes. /control shows and changes everything while it runs.",
        "  kaito-fake-arm --port 8099 --kubeconfig ~/.local/state/kaito/kubeconfig &\n  curl -s localhost:8099/control/state\n",
    };
    struct err e;
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);

    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc)
        rc = run(&f, &e);
    if (rc)
        fprintf(stderr, "kaito-fake-arm: %s\n", e.text);
    return rc ? 1 : 0;
}
