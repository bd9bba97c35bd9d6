/*
 * How long N claims created at once take to be Initialized when the cloud is instant, and what the provisioner's memory is then. Usage:
 *   KUBECONFIG=FILE bench_provisioner [N]          (default 500; the API server is a process of its own: bench/provisioner.sh)
 * The cloud is in this process: a machine's Node joins, ready, within the call that makes it. A child process runs the provisioner, so that
 * its memory is its own; this one writes the claims, waits, deletes them and waits again.
 */
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/informer.h"
#include "kube/meta.h"
#include "provisioner/provisioner.h"

static const struct kube_gvr claims = { "karpenter.sh", "v1", "nodeclaims" }, nodes = { "", "v1", "nodes" };

static void must(errc rc, const struct err *e)
{
    if (rc) {
        fprintf(stderr, "bench_provisioner: %s\n", e->text);
        exit(1);
    }
}

/* ---- an instant cloud ---- */

/* As a kubelet registers: the Node with its status at once, which an API server keeps. */
static errc instant_create(void *self, const struct node_claim *c, struct cloud_instance *out, struct cloud_failure *why, struct err *e)
{
    AUTO_JSON node = json_pack("{s:s, s:s, s:{s:o}, s:{s:o}, s:{s:[{s:s, s:s, s:s}], s:{s:s}, s:{s:s}}}", "apiVersion", "v1", "kind", "Node", "metadata", "name",
                               json_strf("node-%.*s", STR_ARG(c->meta.name)), "spec", "providerID", json_strf("bench:///%.*s", STR_ARG(c->meta.name)), "status", "conditions", "type",
                               "Ready", "status", "True", "lastTransitionTime", "2026-01-01T00:00:00Z", "capacity", "cpu", "4", "allocatable", "cpu", "4");
    AUTO_JSON made = NULL;
    errc rc = kube_create(self, &nodes, NULL, node, &made, e);

    if (rc && rc != ERR_EXISTS)
        return rc;
    if (json_at(made, "spec", "taints", NULL)) {        /* a real API server marks new Nodes as not ready; its controllers are not here to take that back */
        AUTO_JSON none = json_pack("{s:{s:n}}", "spec", "taints");

        TRY(kube_patch(self, &nodes, NULL, kube_name(node), NULL, KUBE_PATCH_MERGE, none, NULL, e));
    }
    *out = (struct cloud_instance){ .claim = xstrndup(c->meta.name.p, c->meta.name.n), .provider_id = xasprintf("bench:///%.*s", STR_ARG(c->meta.name)) };
    return ERR_OK;
}

static errc instant_get(void *self, const char *claim, struct cloud_instance *out, struct err *e)
{
    return err_set(e, ERR_NOT_FOUND, "machine %s", claim);
}

static errc instant_list(void *self, struct cloud_instances *out, struct err *e)
{
    return err_set(e, ERR_UNBUILT, "this cloud does not list");
}

static errc instant_delete(void *self, const char *claim, int64_t *out_look_ms, struct err *e)
{
    *out_look_ms = 0;
    return ERR_OK;
}

static void run_provisioner(struct kube_client *client, int workers)
{
    struct cloud cloud = { .name = "instant", .self = client, .create = instant_create, .get = instant_get, .list = instant_list, .delete = instant_delete };
    struct provisioner_opts o = { .cloud = &cloud, .name = "bench", .install_crds = true, .collect = COLLECT_OFF, .workers = workers };
    AUTO_FREE(cancel) cancel = cancel_new();
    struct provisioner *p;
    struct err e;

    cancel_on_signals(cancel);
    must(provisioner_start(client, &o, cancel, &p, &e), &e);
    provisioner_idle(p, cancel);
    provisioner_join(p);
}

/* ---- the load ---- */

static void write_claim(struct kube_client *client, int i)
{
    AUTO_JSON c = json_pack("{s:s, s:s, s:{s:o, s:{s:s, s:s}}, s:{s:{s:s, s:s, s:s}, s:s, s:[{s:s, s:s, s:[s]}], s:[{s:s, s:s, s:s}], s:{s:{s:s}}}}", "apiVersion", CLAIM_API,
                            "kind", "NodeClaim", "metadata", "name", json_strf("ws%09x", i), "labels", "kaito.sh/workspace", "w", "karpenter.sh/nodepool", "kaito", "spec",
                            "nodeClassRef", "group", "kaito.sh", "kind", "KaitoNodeClass", "name", "default", "expireAfter", "Never", "requirements", "key", INSTANCE_TYPE_LABEL,
                            "operator", "In", "values", "Standard_NC24ads_A100_v4", "taints", "key", "sku", "value", "gpu", "effect", "NoSchedule", "resources", "requests",
                            "storage", "300Gi");
    struct err e;

    must(kube_create(client, &claims, NULL, c, NULL, &e), &e);
}

static int count_initialized(struct informer *seen, int *out_all)
{
    AUTO_JSON list = informer_list(seen, NULL, NULL);
    json_t *c;
    size_t i;
    int n = 0;

    json_array_foreach(list, i, c)
        n += kube_condition_is(c, "Initialized", "True");
    *out_all = (int)json_array_size(list);
    return n;
}

/* VmRSS of a process in MB; -1 when it is not known. */
static double resident_mb(pid_t pid)
{
    AUTO_MEM char *path = xasprintf("/proc/%d/status", (int)pid);
    AUTO_BUF text = { 0 };
    struct err ignored;
    size_t at;

    if (file_read(path, 1 << 16, &text, &ignored) || !str_find(buf_str(&text), STR("VmRSS:"), &at))
        return -1;
    return strtod(text.p + at + 6, NULL) / 1024;
}

static void until(struct informer *seen, int initialized, int all)
{
    int have = -1, there = -1;

    for (int64_t end = clock_mono_ms() + 120000; clock_mono_ms() < end; poll(NULL, 0, 20)) {
        have = count_initialized(seen, &there);
        if (have == initialized && there == all)
            return;
    }
    fprintf(stderr, "bench_provisioner: after 2 minutes %d of %d claims are Initialized\n", have, there);
    exit(1);
}

static void measure(struct kube_client *client, struct informer *seen, pid_t pid, int n)
{
    int64_t began = clock_mono_ms();

    for (int i = 0; i < n; i++)
        write_claim(client, i);
    int64_t written = clock_mono_ms();

    until(seen, n, n);
    int64_t up = clock_mono_ms();
    poll(NULL, 0, 3000);
    double mb = resident_mb(pid);
    int64_t begun = clock_mono_ms();

    for (int i = 0; i < n; i++) {
        AUTO_MEM char *name = xasprintf("ws%09x", i);
        struct err e;

        must(kube_delete(client, &claims, NULL, name, NULL, &e), &e);
    }
    until(seen, 0, 0);
    printf("{\"claims\": %d, \"written_s\": %.2f, \"initialized_s\": %.2f, \"resident_mb\": %.1f, \"deleted_s\": %.2f}\n", n, (double)(written - began) / 1000,
           (double)(up - began) / 1000, mb, (double)(clock_mono_ms() - begun) / 1000);
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 500, workers = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 4;
    AUTO_FREE(kube_config) config = NULL;
    AUTO_FREE(kube_client) client = NULL;
    struct err e;

    must(kube_config_load(NULL, NULL, &config, &e), &e);
    log_setup(LOG_ERROR, false, 2);
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        mallopt(M_ARENA_MAX, 2);        /* as kaito's main does */
        must(kube_client_new(config, "bench-provisioner", NULL, &client, &e), &e);
        run_provisioner(client, workers);
        return 0;
    }
    must(kube_client_new(config, "bench-load", NULL, &client, &e), &e);
    for (bool served = false; !served; poll(NULL, 0, 50))
        must(kube_has_resource(client, &claims, &served, &e), &e);
    AUTO_FREE(cancel) cancel = cancel_new();
    AUTO_FREE(informers) watched = informers_new(client);       /* lists of all claims again and again would take a core from those who are measured */
    struct informer *seen = informers_get(watched, &(struct informer_opts){ .gvr = claims });

    informers_start(watched, cancel);
    must(informers_wait_synced(watched, 10000, &e), &e);
    measure(client, seen, pid, n);
    cancel_now(cancel);
    informers_join(watched);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return 0;
}
