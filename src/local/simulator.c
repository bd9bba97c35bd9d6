#include "local/simulator.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "provisioner/azure/cloud_azure.h"

/* Known to both ends; it guards nothing: the simulator listens on loopback and owns no machines. */
#define SECRET "rehearsal"
#define TENANT "11111111-1111-1111-1111-111111111111"
#define CLIENT "22222222-2222-2222-2222-222222222222"
#define SUBSCRIPTION "00000000-0000-0000-0000-000000000000"
#define GROUP "rehearsal"
#define CLUSTER "aks"

enum { START_MS = 10000, LOOK_MS = 10, STOP_MS = 3000 };

/* Rehearsals are watched by people: seconds where AKS takes minutes. */
static const char default_settings[] = "{\"create_ms\": 4000, \"delete_ms\": 2000, \"join_ms\": -1000, \"ready_ms\": 500, \"gpu_ms\": 0, \"retry_after_s\": 1}";

static char *program_of(const struct simulator_opts *o)
{
    AUTO_MEM char *self = self_path();
    struct str folder, file;

    if (o->program)
        return xstrdup(o->program);
    if (self && str_rcut(str_of(self), '/', &folder, &file)) {
        AUTO_MEM char *beside = xasprintf("%.*s/kaito-fake-arm", STR_ARG(folder));

        if (file_exists(beside))
            return TAKE(beside);
    }
    return xstrdup("kaito-fake-arm");
}

static errc spawn(const struct simulator_opts *o, const char *ready, pid_t *out, struct err *e)
{
    AUTO_MEM char *program = program_of(o), *state = path_join(o->state_dir, "fake-azure.json"), *kubeconfig = path_join(o->state_dir, "kubeconfig");
    AUTO_MEM char *agent = xasprintf("%d", o->agent_port);
    const char *const argv[] = { program, "--ready-file", ready, "--state", state, "--kubeconfig", kubeconfig, "--agent-port", agent, "--no-gpus",
                                 "--tenant", TENANT, "--client-id", CLIENT, "--client-secret", SECRET, "--subscription", SUBSCRIPTION,
                                 "--resource-group", GROUP, "--cluster", CLUSTER, "--settings", o->settings ? o->settings : default_settings, NULL };
    errc rc = process_start(&(struct process_opts){ .argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .die_with_parent = true,
                                                    .new_session = true }, out, e);

    return rc ? err_wrap(e, "the simulator must stand beside kaito or on PATH, or be named by --fake-arm") : ERR_OK;
}

static errc read_ready(const char *ready, struct simulator *s, struct err *e)
{
    AUTO_JSON j = NULL;

    TRY(json_parse_file(ready, 1 << 16, &j, e));
    s->url = xstrdup(json_cstr(j, "url"));
    return s->url ? ERR_OK : err_set(e, ERR_CORRUPT, "%s: names no url", ready);
}

errc simulator_start(const struct simulator_opts *o, struct simulator *out, struct err *e)
{
    AUTO_MEM char *ready = path_join(o->state_dir, "fake-azure.ready");
    struct simulator s = { 0 };
    int status;

    (void)unlink(ready);        /* of the last run, if there was one */
    TRY(spawn(o, ready, &s.pid, e));
    for (int64_t until = clock_mono_ms() + START_MS; clock_mono_ms() < until;) {
        if (process_wait(s.pid, LOOK_MS, &status, e) != ERR_TIMEOUT)
            return err_set(e, ERR_UNAVAILABLE, "kaito-fake-arm ended at its start; its message stands above");
        if (!file_exists(ready))
            continue;
        errc rc = read_ready(ready, &s, e);

        if (rc)
            simulator_stop(&s);
        else
            *out = s;
        return rc;
    }
    simulator_stop(&s);
    return err_set(e, ERR_TIMEOUT, "kaito-fake-arm did not listen within %d s", START_MS / 1000);
}

errc simulator_cloud(const struct simulator *s, struct cancel *cancel, struct cloud **out, struct err *e)
{
    AUTO_MEM char *audience = xasprintf("%s/", s->url);
    struct azure_settings a = {
        .subscription = SUBSCRIPTION, .resource_group = GROUP, .cluster = CLUSTER, .endpoint = s->url, .authority_host = s->url, .audience = audience,
        .auth = "secret", .tenant = TENANT, .client_id = CLIENT, .secret = SECRET,
    };
    return azure_cloud_new(&a, cancel, out, e);
}

void simulator_stop(struct simulator *s)
{
    struct err e;
    int status;

    if (s->pid > 0 && !kill(s->pid, SIGTERM) && process_wait(s->pid, STOP_MS, &status, &e) == ERR_TIMEOUT && !kill(s->pid, SIGKILL))
        (void)process_wait(s->pid, -1, &status, &e);
    free(s->url);
    *s = (struct simulator){ 0 };
}
