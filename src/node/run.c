/* Starting, ending and restarting one container, and the states that tell of it. */
#include "node/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "node/priv.h"

enum {
    BACKOFF_FIRST_MS = 10 * 1000, BACKOFF_MAX_MS = 300 * 1000,  /* kubelet's crash loop back-off */
    BACKOFF_FORGET_MS = 600 * 1000,
    MESSAGE_MAX = 4096,                                         /* of a termination message */
};

/* ---- states ---- */

void run_set_waiting(struct run *r, const char *reason, const char *message)
{
    struct state_waiting *w = arena_new_of(r->m->arena, struct state_waiting);

    w->reason = str_of(arena_strdup(r->m->arena, reason));
    w->message = str_of(arena_strdup(r->m->arena, message));
    r->status->state = (struct container_state){ .waiting = w };
    r->status->ready = r->status->started = false;
    r->m->dirty = true;
}

static void set_running(struct run *r)
{
    struct state_running *s = arena_new_of(r->m->arena, struct state_running);

    s->started_at = clock_wall_us();
    r->status->state = (struct container_state){ .running = s };
    r->status->ready = r->status->started = false;
    r->m->dirty = true;
}

static struct str termination_message(struct run *r, int64_t exit_code)
{
    AUTO_BUF text = { 0 };
    AUTO_MEM char *path = xstrndup(r->plan->termination_file.p, r->plan->termination_file.n);

    if (path && *path)
        (void)file_read(path, MESSAGE_MAX, &text, NULL);    /* no message is the usual case */
    if (!text.n && exit_code && r->plan->termination_from_log) {
        AUTO_MEM char *log = xasprintf("%s/containers/%.*s/%d.log", r->m->folder, STR_ARG(r->plan->name), (int)r->status->restart_count);
        log_tail(log, &text);
    }
    AUTO_JSON clean = json_strn(buf_str(&text));
    return text.n ? paths_replace(r->m->arena, json_to_str(clean), r->plan->told, r->plan->n_told) : (struct str){ 0 };
}

void run_set_terminated(struct run *r, int64_t exit_code, int64_t sig, const char *reason, struct str message)
{
    struct state_terminated *t = arena_new_of(r->m->arena, struct state_terminated);
    const struct state_running *was = r->status->state.running;

    *t = (struct state_terminated){
        .exit_code = exit_code, .signal = sig, .reason = str_of(reason), .message = message,
        .started_at = was ? was->started_at : clock_wall_us(), .finished_at = clock_wall_us(),
    };
    r->status->state = (struct container_state){ .terminated = t };
    r->status->ready = r->is_init && exit_code == 0;
    r->status->started = false;
    r->m->dirty = true;
}

/* ---- starting and ending a container ---- */

static char **text_vector(const struct str *items, size_t n)
{
    char **v = xcalloc(n + 1, sizeof *v);

    for (size_t i = 0; i < n; i++)
        v[i] = xstrndup(items[i].p, items[i].n);
    return v;
}

static errc spawn(struct run *r, int out_w, int err_w, struct err *e)
{
    char **argv = text_vector(r->plan->argv, r->plan->n_argv), **envp = text_vector(r->plan->env, r->plan->n_env);
    AUTO_MEM char *cwd = xstrndup(r->plan->cwd.p, r->plan->cwd.n);
    const struct process_opts o = {
        .argv = (const char *const *)argv, .envp = (const char *const *)envp, .cwd = *cwd ? cwd : r->m->folder,
        .stdin_fd = -1, .stdout_fd = out_w, .stderr_fd = err_w, .new_session = true, .die_with_parent = true,
    };
    errc rc = process_start(&o, &r->pid, e);

    strv_free(argv, r->plan->n_argv);
    strv_free(envp, r->plan->n_env);
    return rc;
}

static errc open_container_log(struct run *r, struct err *e)
{
    AUTO_MEM char *folder = xasprintf("%s/containers/%.*s", r->m->folder, STR_ARG(r->plan->name));
    AUTO_MEM char *path = xasprintf("%s/%d.log", folder, (int)r->status->restart_count);

    TRY(dir_make(folder, 0700, e));
    if (r->plan->termination_file.n) {
        AUTO_MEM char *message = xstrndup(r->plan->termination_file.p, r->plan->termination_file.n);
        TRY(file_write_atomic(message, STR(""), 0600, e));
    }
    return log_writer_open(path, &r->log, e);
}

static errc start_process(struct run *r, struct err *e)
{
    int out[2] = { -1, -1 }, err[2] = { -1, -1 };

    TRY(open_container_log(r, e));
    TRY(monitor_pipe(out, e));
    errc rc = monitor_pipe(err, e);
    if (!rc)
        rc = spawn(r, out[1], err[1], e);
    close(out[1]);
    if (err[1] >= 0)
        close(err[1]);
    r->out_fd = out[0];
    r->err_fd = err[0];
    if (!rc) {
        r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
        if (r->pidfd < 0)
            rc = err_sys(e, errno, "watch process %d", (int)r->pid);
    }
    return rc;
}

static void close_streams(struct run *r)
{
    int *fds[] = { &r->pidfd, &r->out_fd, &r->err_fd };

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
    log_writer_close(TAKE(r->log));
}

void run_start(struct run *r)
{
    struct err e;

    r->wanted_dead = false;
    r->kill_at_ms = 0;
    r->start_at_ms = 0;
    if (start_process(r, &e)) {
        close_streams(r);
        r->pid = 0;
        run_set_terminated(r, 128, 0, "StartError", str_of(arena_strdup(r->m->arena, e.text)));
        monitor_event(r->m, "Warning", "Failed", r, e.text);
        run_schedule_restart(r);
        return;
    }
    r->started_ms = clock_mono_ms();
    set_running(r);
    AUTO_MEM char *text = xasprintf("Started container %.*s", STR_ARG(r->plan->name));
    monitor_event(r->m, "Normal", "Started", r, text);
    if (!r->is_init)
        r->prober = prober_start(r->plan, monitor_told, r);
}

static bool restarts(const struct run *r, int64_t exit_code)
{
    struct str policy = r->m->plan.restart_policy;

    if (r->m->stopping)
        return false;
    if (r->is_init)
        return exit_code != 0 && !str_is(policy, "Never");
    return str_is(policy, "Always") || (str_is(policy, "OnFailure") && exit_code != 0);
}

void run_schedule_restart(struct run *r)
{
    const struct state_terminated *t = r->status->state.terminated;

    if (!t || !restarts(r, t->exit_code))
        return;
    if (clock_mono_ms() - r->started_ms > BACKOFF_FORGET_MS)
        r->backoff_ms = 0;
    r->start_at_ms = clock_mono_ms() + (r->status->restart_count == 0 ? 0 : r->backoff_ms);
    r->status->last_state = r->status->state;
    if (r->status->restart_count > 0 && r->backoff_ms) {
        AUTO_MEM char *text = xasprintf("back-off %ds restarting failed container=%.*s pod=%.*s_%.*s(%.*s)", (int)(r->backoff_ms / 1000),
                                        STR_ARG(r->plan->name), STR_ARG(r->m->plan.name), STR_ARG(r->m->plan.namespace_),
                                        STR_ARG(r->m->plan.uid));
        run_set_waiting(r, "CrashLoopBackOff", text);
        monitor_event(r->m, "Warning", "BackOff", r, text);
    }
    r->backoff_ms = r->backoff_ms ? (r->backoff_ms * 2 < BACKOFF_MAX_MS ? r->backoff_ms * 2 : BACKOFF_MAX_MS) : BACKOFF_FIRST_MS;
}

void run_drain(struct run *r, int *fd, bool is_stderr)
{
    char chunk[16384];
    ssize_t n;

    while (*fd >= 0 && (n = read(*fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        log_writer_add(r->log, is_stderr, str_n(chunk, (size_t)n));
    }
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void run_reap(struct run *r)
{
    int status = 0;

    if (waitpid(r->pid, &status, WNOHANG) != r->pid)
        return;
    run_drain(r, &r->out_fd, false);
    run_drain(r, &r->err_fd, true);
    close_streams(r);
    kill(-r->pid, SIGKILL);             /* what it left behind in its session */
    r->pid = 0;
    prober_stop(TAKE(r->prober));
    int64_t code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    run_set_terminated(r, code, WIFSIGNALED(status) ? WTERMSIG(status) : 0, code ? "Error" : "Completed", termination_message(r, code));
    run_schedule_restart(r);
}

void run_send_stop(struct run *r, int64_t grace_ms)
{
    if (!r->pid || r->wanted_dead)
        return;
    r->wanted_dead = true;
    r->kill_at_ms = clock_mono_ms() + grace_ms;
    kill(r->pid, grace_ms > 0 ? SIGTERM : SIGKILL);
}
