/*
 * What the node agent and a pod's monitor tell each other, as files in the pod's own folder STATE/pods/UID/ (0700):
 *   plan.json      agent -> monitor   what to run: argv, env, probes, all resolved (struct pod_plan); never changes
 *   stop           agent -> monitor   grace period in seconds, written before SIGTERM
 *   monitor.json   monitor -> agent   its pid and start time, written once it holds the folder's lock
 *   status.json    monitor -> agent   struct pod_state, replaced atomically at every change (the agent watches by inotify)
 *   events         monitor -> agent   JSON lines {type, reason, message, container}
 *   volumes/NAME/  containers/NAME/N.log   the N-th run of a container, in CRI's log format
 * Files are the interface, so that either side may die and be started again at any instant.
 */
#ifndef NODE_POD_FILES_H
#define NODE_POD_FILES_H

#include "schema/schema.h"

struct probe_plan {
    struct str http_url;                /* absent: tcp_host is set */
    struct str tcp_host;
    int64_t tcp_port;
    int64_t initial_delay_s, period_s, timeout_s, success_threshold, failure_threshold;
};

struct path_map { struct str from, to; };

struct container_plan {
    struct str name;
    struct str *argv;
    size_t n_argv;
    struct str *env;                    /* "NAME=value" */
    size_t n_env;
    struct str cwd;                     /* absent: the container's folder */
    struct str termination_file;        /* host path; what the container writes there becomes terminated.message */
    bool termination_from_log;          /* FallbackToLogsOnError */
    struct path_map *told;              /* folders of this pod -> where the container believes them; other folders of this machine are told as they are */
    size_t n_told;
    struct str blocked_reason;          /* cannot be started: ErrImagePull, CreateContainerConfigError, ... */
    struct str blocked_message;
    struct probe_plan *startup, *readiness, *liveness;
};

struct pod_plan {
    struct str namespace_, name, uid;
    struct str pod_ip;
    struct str restart_policy;          /* Always, OnFailure, Never */
    int64_t grace_s;
    struct container_plan *init, *containers;
    size_t n_init, n_containers;
};
extern const struct type pod_plan_type;

/* The shape of core/v1 ContainerState and ContainerStatus, so that the agent passes them on. Times are microseconds. */
struct state_waiting { struct str reason, message; };
struct state_running { int64_t started_at; };
struct state_terminated { int64_t exit_code, signal; struct str reason, message; int64_t started_at, finished_at; };
struct container_state {
    struct state_waiting *waiting;
    struct state_running *running;
    struct state_terminated *terminated;
};
struct container_status {
    struct str name;
    struct container_state state, last_state;
    bool ready, started;
    int64_t restart_count;
};

struct pod_state {
    struct container_status *init, *containers;
    size_t n_init, n_containers;
    bool finished;                      /* nothing runs and nothing will run again */
};
extern const struct type pod_state_type;
extern const struct type container_status_type;

struct monitor_id { int64_t pid, start_ticks; };
extern const struct type monitor_id_type;

struct pod_event { struct str type, reason, message, container; };
extern const struct type pod_event_type;

/* Reads FOLDER/FILE into a struct of type t; strings live in the arena. NOT_FOUND when there is no file. */
errc pod_file_read(const char *folder, const char *file, const struct type *t, struct arena *a, void *out, struct err *e);
/* Replaces FOLDER/FILE atomically, mode 0600. */
errc pod_file_write(const char *folder, const char *file, const struct type *t, const void *s, struct err *e);

/* The monitor alive for this folder; false when there is none. */
bool pod_monitor_find(const char *folder, struct monitor_id *out);

/* The monitor's main loop, in a process of its own: `kaito pod-monitor --dir FOLDER`. Returns when the pod is finished or was stopped. */
errc pod_monitor_run(const char *folder, struct err *e);

#endif
