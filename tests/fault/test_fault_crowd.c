/*
 * A cluster full of other people's objects: the memory of the manager, its work at rest and the way of a Workspace do not follow their
 * number. The manager is the program itself, so that its memory is its own.
 */
#include "world.h"

#include <poll.h>
#include <stdio.h>

#include "../unit/child.h"
#include "base/clock.h"
#include "base/yaml.h"
#include "cluster/priv.h"

#define MANY 10000
#define SOME 1000                       /* of `make test` */
#define BYTES_EACH 1500                 /* what one of them may cost */
#define TURNS 5

static size_t how_many(void) { return streq(getenv("KAITO_FAULT"), "all") ? MANY : SOME; }

/* ---- what the program costs ------------------------------------------------------------------------------------------------- */

static long status_number(pid_t pid, const char *key)
{
    AUTO_MEM char *path = xasprintf("/proc/%d/status", (int)pid);
    AUTO_BUF text = { 0 };
    struct err e;
    size_t at;

    OK(file_read(path, 1 << 20, &text, &e));
    assert_true(str_find(buf_str(&text), str_of(key), &at));
    return strtol(text.p + at + strlen(key), NULL, 10);
}

static long resident_kib(pid_t pid) { return status_number(pid, "VmRSS:"); }

static double cpu_seconds(pid_t pid)
{
    AUTO_MEM char *path = xasprintf("/proc/%d/stat", (int)pid);
    AUTO_BUF text = { 0 };
    struct err e;
    unsigned long user = 0, sys = 0;

    OK(file_read(path, 1 << 16, &text, &e));
    const char *after = strrchr(buf_cstr(&text), ')');
    assert_int_equal(sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys), 2);
    return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- the crowd ----------------------------------------------------------------------------------------------------------------- */

#define ANNOTATED "labels: {app: crowd, team: somebody-else, tier: backend}, annotations: {example.com/note: 'a line that somebody finds useful'}"
static const struct { const struct kube_gvr *gvr; const char *yaml; bool cluster; } others[] = {
    { &gvr_configmaps, "{apiVersion: v1, kind: ConfigMap, metadata: {name: %s, " ANNOTATED "}, data: {app.conf: '%s'}}" },
    { &gvr_secrets, "{apiVersion: v1, kind: Secret, metadata: {name: %s, " ANNOTATED "}, stringData: {password: '%s'}}" },
    { &gvr_services, "{apiVersion: v1, kind: Service, metadata: {name: %s, " ANNOTATED "}, spec: {clusterIP: None, selector: {note: '%.20s'}, ports: [{port: 80}]}}" },
    { &gvr_pods, "{apiVersion: v1, kind: Pod, metadata: {name: %s, " ANNOTATED "}, spec: {nodeName: elsewhere, containers: [{name: c, image: 'i:%.20s'}]}}" },
    { &gvr_nodes, "{apiVersion: v1, kind: Node, metadata: {name: %s, " ANNOTATED "}, status: {nodeInfo: {osImage: '%s'}}}", true },
    { &gvr_statefulsets, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: %s, " ANNOTATED "}, spec: {replicas: 0, selector: {matchLabels: {a: b}}, "
                         "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: 'i:%.20s'}]}}}}" },
    { &gvr_jobs, "{apiVersion: batch/v1, kind: Job, metadata: {name: %s, " ANNOTATED "}, spec: {suspend: true, template: {spec: {restartPolicy: Never, "
                 "containers: [{name: c, image: 'i:%.20s'}]}}}}" },
};

static void add_one(struct world *w, size_t i)
{
    static const char filler[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
                                 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    size_t kind = i % ARRAY_LEN(others);
    AUTO_MEM char *name = xasprintf("crowd-%zu", i);
    AUTO_BUF yaml = { 0 };
    AUTO_JSON obj = NULL;
    struct err e;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    buf_addf(&yaml, others[kind].yaml, name, filler);
#pragma GCC diagnostic pop
    OK(yaml_parse(buf_str(&yaml), &obj, &e));
    if (!others[kind].cluster)
        json_put_str(json_object_get(obj, "metadata"), "namespace", w->ns);
    OK(kube_create(w->user, others[kind].gvr, NULL, obj, NULL, &e));
}

/* ---- a Workspace's way -------------------------------------------------------------------------------------------------------------- */

struct cost { int64_t ms; double cpu; };

static struct cost cost_of_a_workspace(struct world *w, pid_t manager)
{
    int64_t began = clock_mono_ms();
    double cpu = cpu_seconds(manager);

    world_make(w, plays[PLAY_NATIVE_INFERENCE].yaml);
    assert_true(world_until(w, workspace_succeeded));
    struct cost c = { clock_mono_ms() - began, cpu_seconds(manager) - cpu };

    world_delete(w, &gvr_workspaces, "ws");
    assert_true(world_until(w, workspace_gone));
    return c;
}

/* The best of a few: others use the machine, too. */
static struct cost cost_of_some(struct world *w, pid_t manager)
{
    struct cost best = { INT64_MAX, 1e9 };

    for (int i = 0; i < TURNS; i++) {
        struct cost c = cost_of_a_workspace(w, manager);

        best.ms = c.ms < best.ms ? c.ms : best.ms;
        best.cpu = c.cpu < best.cpu ? c.cpu : best.cpu;
    }
    return best;
}

static void a_crowd_does_not_weigh(void **state)
{
    world_log();
    struct world *w = world_new(MACHINES_OF_CLAIMS);
    AUTO_MEM char *program = path_join(getenv("KAITO_BUILD"), "src/cli/kaito");
    const char *argv[] = { program, "manager", "--kubeconfig", w->api.kubeconfig, "--webhook=false", "--health-probe-bind-address=0",
                           "--metrics-bind-address=0", NULL };
    struct child manager = { 0 };
    size_t n = how_many();

    assert_true(child_start(&manager, argv));
    struct cost alone = cost_of_some(w, manager.pid);
    poll(NULL, 0, 2500);                /* it gives memory back after a burst */
    long alone_kib = resident_kib(manager.pid);
    double cpu = cpu_seconds(manager.pid);

    for (size_t i = 0; i < n; i++)
        add_one(w, i);
    poll(NULL, 0, 2500);
    double crowd_cpu = cpu_seconds(manager.pid) - cpu;
    long crowd_kib = resident_kib(manager.pid);

    cpu = cpu_seconds(manager.pid);
    poll(NULL, 0, 2000);
    double rest_cpu = cpu_seconds(manager.pid) - cpu;
    struct cost among = cost_of_some(w, manager.pid);

    print_message("# %zu objects of others: resident %ld -> %ld KiB (%.0f bytes each), %.2f s of CPU to see them come, %.3f s in 2 s at rest; "
                  "a Workspace took %lld -> %lld ms, %.0f -> %.0f ms of CPU\n", n, alone_kib, crowd_kib, (double)(crowd_kib - alone_kib) * 1024 / (double)n, crowd_cpu, rest_cpu,
                  (long long)alone.ms, (long long)among.ms, alone.cpu * 1e3, among.cpu * 1e3);
    child_stop(&manager);
    world_free(w);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)         /* their allocators give nothing back */
    assert_true((crowd_kib - alone_kib) * 1024 < (long)(n * BYTES_EACH) + (2 << 20));
#endif
    assert_true(rest_cpu < 0.05);
    assert_true(among.ms < 2 * alone.ms + 300);
    assert_true(among.cpu < 2 * alone.cpu + 0.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_does_not_weigh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
