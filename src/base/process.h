/*
 * Child processes. argv and envp are built before the fork; between fork and exec only async-signal-safe calls run.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct process_opts {
    const char *const *argv;    /* NULL-terminated; argv[0] is a path, or a name looked up in PATH */
    const char *const *envp;    /* NULL: inherit */
    const char *cwd;            /* NULL: inherit */
    int stdin_fd, stdout_fd, stderr_fd;         /* -1: /dev/null for stdin, inherit for the others */
    bool new_session;           /* setsid: survives us, signals to our group do not reach it */
    bool die_with_parent;       /* PR_SET_PDEATHSIG SIGKILL */
    long oom_score_adj;         /* 0: unchanged */
};

errc process_start(const struct process_opts *o, pid_t *out, struct err *e);    /* exec failures are reported here */
/* Waits; *out_status as waitpid gives it. timeout_ms -1: for ever; ERR_TIMEOUT leaves it running. */
errc process_wait(pid_t pid, int64_t timeout_ms, int *out_status, struct err *e);
/* Start time in clock ticks since boot from /proc: with the pid it names a process for ever. 0: there is none. */
unsigned long long process_start_ticks(pid_t pid);
bool process_is(pid_t pid, unsigned long long start_ticks);

#endif
