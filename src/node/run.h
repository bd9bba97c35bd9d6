/*
 * One container of a pod: its process, its streams, its log, and the state that status.json tells of it. Private to the monitor, whose one
 * thread owns everything here; only probers reach in from outside, by monitor_told.
 */
#ifndef KAITO_NODE_RUN_H
#define KAITO_NODE_RUN_H
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"
#include "node/container_log.h"
#include "node/pod_files.h"
#include "node/probe.h"

struct monitor;

struct run {                            /* one container */
    struct monitor *m;
    const struct container_plan *plan;
    struct container_status *status;
    bool is_init;
    pid_t pid;                          /* 0: not running */
    int pidfd, out_fd, err_fd;
    struct log_writer *log;
    struct prober *prober;
    int64_t started_ms, backoff_ms, start_at_ms, kill_at_ms;
    bool wanted_dead;                   /* by a probe or by the pod's end: a signal was sent */
};

struct letter { struct run *run; enum probe_verdict verdict; char *message; };

struct monitor {
    const char *folder;
    struct arena *arena;
    struct pod_plan plan;
    struct pod_state state;
    struct run *runs;                   /* init containers first */
    size_t n_runs;
    struct cancel *stop;                /* SIGTERM */
    bool stopping, dirty;
    int64_t grace_ms;

    struct pollfd *fds;                 /* scratch of wait_for_something, with whose descriptor it is */
    struct run **owners;

    struct mutex mail_mu;               /* guards mail; a leaf */
    struct letter *mail;
    size_t n_mail, cap_mail;
    int mail_fd[2];                     /* a pipe that wakes poll */
};

/* ---- what the monitor does for its containers (monitor.c) ---- */

/* Adds a line to the pod's file of events. r: the container it is about; NULL: the pod. */
void monitor_event(struct monitor *m, const char *type, const char *reason, const struct run *r, const char *message);

/* A prober's verdict; `self` is its struct run. Any thread. */
void monitor_told(void *self, enum probe_verdict v, const char *message);

/* A pipe, closed by exec, that does not block its reader. */
errc monitor_pipe(int fds[2], struct err *e);

/* ---- one container (run.c) ---- */

void run_set_waiting(struct run *r, const char *reason, const char *message);
void run_set_terminated(struct run *r, int64_t exit_code, int64_t sig, const char *reason, struct str message);

/* Starts its process; one that does not start is told in its state, and restarted by policy. */
void run_start(struct run *r);

/* Sets start_at_ms if policy and exit code want another start. The first comes at once, then 10 s, 20 s, ... 5 min; ten minutes of running forget it. */
void run_schedule_restart(struct run *r);

/* SIGTERM, SIGKILL after grace_ms; nothing if it is ending already. */
void run_send_stop(struct run *r, int64_t grace_ms);

/* Takes what one of its streams (&r->out_fd, &r->err_fd) holds into the log, without waiting; closes it at its end. */
void run_drain(struct run *r, int *fd, bool is_stderr);

/* Its process has ended: state, log's end, restart. Nothing if it has not. */
void run_reap(struct run *r);

#endif
