/*
 * The monitor of one pod: starts its containers, collects their output, restarts them by policy, and writes down what happened.
 * One thread owns everything here and sleeps in poll(); probers only post to `mail`, under its lock. Containers die with the monitor
 * (PR_SET_PDEATHSIG), so what status.json calls running has ended when a new monitor takes over.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "node/pod_files.h"
#include "node/run.h"

void monitor_event(struct monitor *m, const char *type, const char *reason, const struct run *r, const char *message)
{
    const struct pod_event ev = { str_of(type), str_of(reason), str_of(message), r ? r->plan->name : (struct str){ 0 } };
    AUTO_MEM char *path = path_join(m->folder, "events");
    AUTO_JSON j = schema_encode(&pod_event_type, &ev);
    AUTO_BUF line = { 0 };
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    json_write(j, &line);
    buf_addc(&line, '\n');
    if (fd >= 0)
        (void)fd_write_all(fd, line.p, line.n, NULL);   /* an event that cannot be written is lost: the status still tells */
}

errc monitor_pipe(int fds[2], struct err *e)
{
    if (pipe2(fds, O_CLOEXEC))
        return err_sys(e, errno, "make a pipe");
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    return ERR_OK;
}

/* ---- probes' mail ---- */

void monitor_told(void *self, enum probe_verdict v, const char *message)
{
    struct run *r = self;
    struct monitor *m = r->m;
    LOCK_SCOPE(&m->mail_mu);

    vec_grow(m->mail, m->n_mail, m->cap_mail);
    m->mail[m->n_mail++] = (struct letter){ r, v, xstrdup(message) };
    if (write(m->mail_fd[1], "", 1) < 0)
        return;         /* the pipe is full, so poll wakes anyway */
}

static void open_letter(const struct letter *l)
{
    struct run *r = l->run;
    struct container_status *s = r->status;

    if (!r->pid)
        return;
    if (l->verdict == PROBE_FAILED)
        monitor_event(r->m, "Warning", "Unhealthy", r, l->message);
    else if (l->verdict == PROBE_KILL) {
        AUTO_MEM char *text = xasprintf("Container %.*s failed %s probe, will be restarted", STR_ARG(r->plan->name), l->message);
        monitor_event(r->m, "Normal", "Killing", r, text);
        run_send_stop(r, r->m->grace_ms);
    } else {
        s->started = true;
        s->ready = l->verdict == PROBE_READY ? true : l->verdict == PROBE_NOT_READY ? false : s->ready;
        r->m->dirty = true;
    }
}

static void read_mail(struct monitor *m)
{
    char sink[256];
    struct letter *mail;
    size_t n;

    while (read(m->mail_fd[0], sink, sizeof sink) == (ssize_t)sizeof sink)
        ;
    mutex_lock(&m->mail_mu);
    mail = TAKE(m->mail);
    n = m->n_mail;
    m->n_mail = m->cap_mail = 0;
    mutex_unlock(&m->mail_mu);
    for (size_t i = 0; i < n; i++) {
        open_letter(&mail[i]);
        free(mail[i].message);
    }
    free(mail);
}

/* ---- the pod as a whole ---- */

static bool run_is_over(const struct run *r) { return !r->pid && r->status->state.terminated && !r->start_at_ms; }

static void start_when_due(struct run *r)
{
    if (r->pid || r->plan->blocked_reason.p || r->m->stopping)
        return;
    if (r->start_at_ms) {
        if (clock_mono_ms() < r->start_at_ms)
            return;
        r->status->restart_count++;
        run_start(r);
    } else if (!r->status->state.terminated)
        run_start(r);
}

/* Starts what may start now: init containers one after the other, then the rest. */
static void advance(struct monitor *m)
{
    for (size_t i = 0; i < m->n_runs; i++) {
        struct run *r = &m->runs[i];
        start_when_due(r);
        if (!r->is_init)
            continue;
        const struct state_terminated *t = r->status->state.terminated;
        if (!run_is_over(r) || !t || t->exit_code != 0)
            return;
    }
}

static bool is_finished(const struct monitor *m)
{
    bool init_failed = false;

    for (size_t i = 0; i < m->n_runs; i++) {
        const struct run *r = &m->runs[i];
        if (r->pid || (!m->stopping && !init_failed && !run_is_over(r)))
            return false;
        if (r->is_init && r->status->state.terminated && r->status->state.terminated->exit_code != 0)
            init_failed = true;
    }
    return true;
}

static void begin_stopping(struct monitor *m)
{
    AUTO_MEM char *path = path_join(m->folder, "stop");
    AUTO_BUF text = { 0 };
    int64_t grace_s = m->plan.grace_s;

    m->stopping = true;
    if (!file_read(path, 64, &text, NULL))
        (void)str_to_i64(str_trim(buf_str(&text)), &grace_s);       /* unreadable: the pod's own grace period */
    for (size_t i = 0; i < m->n_runs; i++) {
        m->runs[i].start_at_ms = 0;
        run_send_stop(&m->runs[i], grace_s * 1000);
    }
}

static void kill_overdue(struct monitor *m)
{
    for (size_t i = 0; i < m->n_runs; i++) {
        struct run *r = &m->runs[i];
        if (r->pid && r->kill_at_ms && clock_mono_ms() >= r->kill_at_ms) {
            kill(-r->pid, SIGKILL);
            r->kill_at_ms = 0;
        }
    }
}

static int next_timeout(const struct monitor *m)
{
    int64_t next = INT64_MAX, now = clock_mono_ms();

    for (size_t i = 0; i < m->n_runs; i++) {
        const struct run *r = &m->runs[i];
        if (!r->pid && r->start_at_ms && r->start_at_ms < next)
            next = r->start_at_ms;
        if (r->pid && r->kill_at_ms && r->kill_at_ms < next)
            next = r->kill_at_ms;
    }
    return next == INT64_MAX ? -1 : next <= now ? 0 : (int)(next - now > 60000 ? 60000 : next - now);
}

static size_t add_fd(struct monitor *m, size_t n, int fd, struct run *r)
{
    if (fd < 0)
        return n;
    m->fds[n] = (struct pollfd){ .fd = fd, .events = POLLIN };
    m->owners[n] = r;
    return n + 1;
}

static size_t collect_fds(struct monitor *m)
{
    size_t n = add_fd(m, 0, m->mail_fd[0], NULL);

    if (!m->stopping)
        n = add_fd(m, n, cancel_fd(m->stop), NULL);
    for (size_t i = 0; i < m->n_runs; i++) {
        struct run *r = &m->runs[i];
        n = add_fd(m, n, r->out_fd, r);
        n = add_fd(m, n, r->err_fd, r);
        n = add_fd(m, n, r->pidfd, r);
    }
    return n;
}

static void wait_for_something(struct monitor *m)
{
    size_t n = collect_fds(m);

    if (poll(m->fds, n, next_timeout(m)) <= 0)
        return;
    for (size_t i = 0; i < n; i++) {
        struct run *r = m->owners[i];
        if (!r || !m->fds[i].revents)
            continue;
        if (m->fds[i].fd == r->out_fd)
            run_drain(r, &r->out_fd, false);
        else if (m->fds[i].fd == r->err_fd)
            run_drain(r, &r->err_fd, true);
        else if (m->fds[i].fd == r->pidfd)
            run_reap(r);
    }
}

static errc save(struct monitor *m, struct err *e)
{
    m->dirty = false;
    return pod_file_write(m->folder, "status.json", &pod_state_type, &m->state, e);
}

static errc main_loop(struct monitor *m, struct err *e)
{
    for (;;) {
        read_mail(m);
        if (cancel_is(m->stop) && !m->stopping)
            begin_stopping(m);
        kill_overdue(m);
        advance(m);
        if (is_finished(m)) {
            m->state.finished = true;
            return save(m, e);
        }
        if (m->dirty && save(m, e)) {
            /* A full disk must not stop the pod: the next change tries again. */
            monitor_event(m, "Warning", "StatusNotWritten", NULL, e->text);
        }
        wait_for_something(m);
    }
}

/* ---- setting up ---- */

static void init_run(struct monitor *m, struct run *r, const struct container_plan *plan, struct container_status *status, bool is_init)
{
    *r = (struct run){ .m = m, .plan = plan, .status = status, .is_init = is_init, .pidfd = -1, .out_fd = -1, .err_fd = -1,
                       .started_ms = clock_mono_ms() };
    status->name = plan->name;
    if (plan->blocked_reason.p) {
        AUTO_MEM char *reason = xstrndup(plan->blocked_reason.p, plan->blocked_reason.n);
        AUTO_MEM char *message = xstrndup(plan->blocked_message.p, plan->blocked_message.n);
        run_set_waiting(r, reason, message);
    } else if (status->state.running) {        /* an earlier monitor died, and its containers with it */
        run_set_terminated(r, 137, SIGKILL, "Error", STR("the pod's monitor was killed"));
        run_schedule_restart(r);
    } else if (status->state.waiting && status->last_state.terminated) {
        r->start_at_ms = clock_mono_ms();
    } else if (status->state.terminated)
        run_schedule_restart(r);
    else
        run_set_waiting(r, is_init ? "PodInitializing" : m->plan.n_init ? "PodInitializing" : "ContainerCreating", NULL);
}

static const struct container_status *old_status(const struct container_status *list, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i].name, name))
            return &list[i];
    return NULL;
}

static struct container_status *take_over(struct monitor *m, const struct container_plan *plans, size_t n,
                                          const struct container_status *old, size_t n_old)
{
    struct container_status *list = arena_calloc(m->arena, n, sizeof *list);

    for (size_t i = 0; i < n; i++) {
        const struct container_status *was = old_status(old, n_old, plans[i].name);
        if (was)
            list[i] = *was;
    }
    return list;
}

static errc load(struct monitor *m, struct err *e)
{
    struct pod_state old = { 0 };

    TRY(pod_file_read(m->folder, "plan.json", &pod_plan_type, m->arena, &m->plan, e));
    errc rc = pod_file_read(m->folder, "status.json", &pod_state_type, m->arena, &old, e);
    if (rc && rc != ERR_NOT_FOUND)
        return rc;
    m->grace_ms = m->plan.grace_s * 1000;
    m->state.n_init = m->plan.n_init;
    m->state.n_containers = m->plan.n_containers;
    m->state.init = take_over(m, m->plan.init, m->plan.n_init, old.init, old.n_init);
    m->state.containers = take_over(m, m->plan.containers, m->plan.n_containers, old.containers, old.n_containers);
    m->n_runs = m->plan.n_init + m->plan.n_containers;
    m->runs = arena_calloc(m->arena, m->n_runs, sizeof *m->runs);
    m->fds = arena_calloc(m->arena, 2 + 3 * m->n_runs, sizeof *m->fds);
    m->owners = arena_calloc(m->arena, 2 + 3 * m->n_runs, sizeof *m->owners);
    for (size_t i = 0; i < m->plan.n_init; i++)
        init_run(m, &m->runs[i], &m->plan.init[i], &m->state.init[i], true);
    for (size_t i = 0; i < m->plan.n_containers; i++)
        init_run(m, &m->runs[m->plan.n_init + i], &m->plan.containers[i], &m->state.containers[i], false);
    m->dirty = true;
    return ERR_OK;
}

static errc announce(const char *folder, struct err *e)
{
    const struct monitor_id id = { getpid(), (int64_t)process_start_ticks(getpid()) };

    return pod_file_write(folder, "monitor.json", &monitor_id_type, &id, e);
}

static void shut(struct monitor *m)
{
    for (size_t i = 0; i < m->n_runs; i++)
        prober_stop(m->runs[i].prober);
    read_mail(m);
    close(m->mail_fd[0]);
    close(m->mail_fd[1]);
    mutex_done(&m->mail_mu);
    cancel_free(m->stop);
    arena_free(m->arena);
}

errc pod_monitor_run(const char *folder, struct err *e)
{
    AUTO_MEM char *lock_path = path_join(folder, "lock");
    AUTO_FD lock = -1;
    struct monitor m = { .folder = folder };

    TRY(file_lock(lock_path, &lock, e));
    TRY(monitor_pipe(m.mail_fd, e));
    m.arena = arena_new();
    m.stop = cancel_new();
    mutex_init(&m.mail_mu);
    cancel_on_signals(m.stop);
    errc rc = announce(folder, e);
    if (!rc)
        rc = load(&m, e);
    if (!rc)
        rc = main_loop(&m, e);
    shut(&m);
    return rc;
}
