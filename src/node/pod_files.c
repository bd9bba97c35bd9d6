#include "node/pod_files.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"

static const struct field probe_fields[] = {
    FIELD(struct probe_plan, http_url, STR, "httpURL"),
    FIELD(struct probe_plan, tcp_host, STR, "tcpHost"),
    FIELD(struct probe_plan, tcp_port, INT, "tcpPort"),
    FIELD(struct probe_plan, initial_delay_s, INT, "initialDelaySeconds"),
    FIELD(struct probe_plan, period_s, INT, "periodSeconds"),
    FIELD(struct probe_plan, timeout_s, INT, "timeoutSeconds"),
    FIELD(struct probe_plan, success_threshold, INT, "successThreshold"),
    FIELD(struct probe_plan, failure_threshold, INT, "failureThreshold"),
};
static const struct type probe_type = TYPE("probe_plan", struct probe_plan, probe_fields);

static const struct field path_map_fields[] = {
    FIELD(struct path_map, from, STR, "from"),
    FIELD(struct path_map, to, STR, "to"),
};
static const struct type path_map_type = TYPE("path_map", struct path_map, path_map_fields);

static const struct field container_fields[] = {
    FIELD(struct container_plan, name, STR, "name"),
    FIELD_LIST(struct container_plan, argv, n_argv, struct str, "argv", ITEM_STR),
    FIELD_LIST(struct container_plan, env, n_env, struct str, "env", ITEM_STR),
    FIELD(struct container_plan, cwd, STR, "cwd"),
    FIELD(struct container_plan, termination_file, STR, "terminationFile"),
    FIELD(struct container_plan, termination_from_log, BOOL, "terminationFromLog"),
    FIELD_LIST(struct container_plan, told, n_told, struct path_map, "told", ITEM_OBJ(&path_map_type)),
    FIELD(struct container_plan, blocked_reason, STR, "blockedReason"),
    FIELD(struct container_plan, blocked_message, STR, "blockedMessage"),
    FIELD_PTR(struct container_plan, startup, struct probe_plan, "startupProbe", &probe_type),
    FIELD_PTR(struct container_plan, readiness, struct probe_plan, "readinessProbe", &probe_type),
    FIELD_PTR(struct container_plan, liveness, struct probe_plan, "livenessProbe", &probe_type),
};
static const struct type container_type = TYPE("container_plan", struct container_plan, container_fields);

static const struct field pod_plan_fields[] = {
    FIELD(struct pod_plan, namespace_, STR, "namespace"),
    FIELD(struct pod_plan, name, STR, "name"),
    FIELD(struct pod_plan, uid, STR, "uid"),
    FIELD(struct pod_plan, pod_ip, STR, "podIP"),
    FIELD(struct pod_plan, restart_policy, STR, "restartPolicy"),
    FIELD(struct pod_plan, grace_s, INT, "gracePeriodSeconds"),
    FIELD_LIST(struct pod_plan, init, n_init, struct container_plan, "initContainers", ITEM_OBJ(&container_type)),
    FIELD_LIST(struct pod_plan, containers, n_containers, struct container_plan, "containers", ITEM_OBJ(&container_type)),
};
const struct type pod_plan_type = TYPE("pod_plan", struct pod_plan, pod_plan_fields);

static const struct field waiting_fields[] = {
    FIELD(struct state_waiting, reason, STR, "reason"),
    FIELD(struct state_waiting, message, STR, "message"),
};
static const struct type waiting_type = TYPE("ContainerStateWaiting", struct state_waiting, waiting_fields);

static const struct field running_fields[] = { FIELD(struct state_running, started_at, TIME, "startedAt") };
static const struct type running_type = TYPE("ContainerStateRunning", struct state_running, running_fields);

static const struct field terminated_fields[] = {
    FIELD(struct state_terminated, exit_code, INT, "exitCode", .flags = FIELD_KEEP_EMPTY),
    FIELD(struct state_terminated, signal, INT, "signal"),
    FIELD(struct state_terminated, reason, STR, "reason"),
    FIELD(struct state_terminated, message, STR, "message"),
    FIELD(struct state_terminated, started_at, TIME, "startedAt"),
    FIELD(struct state_terminated, finished_at, TIME, "finishedAt"),
};
static const struct type terminated_type = TYPE("ContainerStateTerminated", struct state_terminated, terminated_fields);

static const struct field state_fields[] = {
    FIELD_PTR(struct container_state, waiting, struct state_waiting, "waiting", &waiting_type),
    FIELD_PTR(struct container_state, running, struct state_running, "running", &running_type),
    FIELD_PTR(struct container_state, terminated, struct state_terminated, "terminated", &terminated_type),
};
static const struct type state_type = TYPE("ContainerState", struct container_state, state_fields);

static const struct field status_fields[] = {
    FIELD(struct container_status, name, STR, "name"),
    FIELD_OBJ(struct container_status, state, struct container_state, "state", &state_type),
    FIELD_OBJ(struct container_status, last_state, struct container_state, "lastState", &state_type, .flags = FIELD_KEEP_EMPTY),
    FIELD(struct container_status, ready, BOOL, "ready", .flags = FIELD_KEEP_EMPTY),
    FIELD(struct container_status, started, BOOL, "started", .flags = FIELD_KEEP_EMPTY),
    FIELD(struct container_status, restart_count, INT, "restartCount", .flags = FIELD_KEEP_EMPTY),
};
const struct type container_status_type = TYPE("ContainerStatus", struct container_status, status_fields);

static const struct field pod_state_fields[] = {
    FIELD_LIST(struct pod_state, init, n_init, struct container_status, "initContainerStatuses", ITEM_OBJ(&container_status_type)),
    FIELD_LIST(struct pod_state, containers, n_containers, struct container_status, "containerStatuses",
               ITEM_OBJ(&container_status_type)),
    FIELD(struct pod_state, finished, BOOL, "finished", .flags = FIELD_KEEP_EMPTY),
};
const struct type pod_state_type = TYPE("pod_state", struct pod_state, pod_state_fields);

static const struct field monitor_id_fields[] = {
    FIELD(struct monitor_id, pid, INT, "pid"),
    FIELD(struct monitor_id, start_ticks, INT, "startTicks"),
};
const struct type monitor_id_type = TYPE("monitor_id", struct monitor_id, monitor_id_fields);

static const struct field pod_event_fields[] = {
    FIELD(struct pod_event, type, STR, "type"),
    FIELD(struct pod_event, reason, STR, "reason"),
    FIELD(struct pod_event, message, STR, "message"),
    FIELD(struct pod_event, container, STR, "container"),
};
const struct type pod_event_type = TYPE("pod_event", struct pod_event, pod_event_fields);

enum { POD_FILE_MAX = 8 << 20 };

errc pod_file_read(const char *folder, const char *file, const struct type *t, struct arena *a, void *out, struct err *e)
{
    AUTO_MEM char *path = path_join(folder, file);
    AUTO_JSON j = NULL;

    TRY(json_parse_file(path, POD_FILE_MAX, &j, e));
    return schema_decode(t, j, a, out, e);
}

errc pod_file_write(const char *folder, const char *file, const struct type *t, const void *s, struct err *e)
{
    AUTO_MEM char *path = path_join(folder, file);
    AUTO_JSON j = schema_encode(t, s);
    AUTO_BUF text = { 0 };

    json_write(j, &text);
    return file_write_atomic(path, buf_str(&text), 0600, e);
}

bool pod_monitor_find(const char *folder, struct monitor_id *out)
{
    AUTO_FREE(arena) a = arena_new();

    return !pod_file_read(folder, "monitor.json", &monitor_id_type, a, out, NULL) &&
           process_is((pid_t)out->pid, (unsigned long long)out->start_ticks);
}
