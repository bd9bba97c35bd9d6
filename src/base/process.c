#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

extern char **environ;

/* What the child needs, made before the fork. */
struct launch {
    const struct process_opts *o;
    char *path;
    char oom_text[24];
    int report_fd;      /* errno goes up here when exec fails; closed by a successful exec */
    pid_t parent;
};

/* argv[0] resolved along PATH, because execvpe is not async-signal-safe. */
static char *find_program(const char *name)
{
    if (strchr(name, '/'))
        return xstrdup(name);
    const char *path = getenv("PATH");
    struct str rest = str_of(path ? path : "/usr/local/bin:/usr/bin:/bin"), folder;

    while (str_next(&rest, ':', &folder)) {
        char *candidate = xasprintf("%.*s/%s", STR_ARG(folder), name);
        if (access(candidate, X_OK) == 0 && !dir_exists(candidate))
            return candidate;
        free(candidate);
    }
    return xstrdup(name);
}

static void write_oom_score(const char *text)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);

    if (fd >= 0) {
        if (write(fd, text, strlen(text)) < 0)
            fd = -fd;       /* a hint only; goes on without */
        close(fd < 0 ? -fd : fd);
    }
}

static bool put_fd(int from, int to)
{
    return from < 0 || (from == to ? fcntl(from, F_SETFD, 0) == 0 : dup2(from, to) >= 0);
}

/* Between fork and exec: async-signal-safe calls only. */
NORETURN static void child(const struct launch *l)
{
    const struct process_opts *o = l->o;
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    if (o->new_session)
        setsid();
    if (o->die_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != l->parent)
            _exit(127);
    }
    if (o->oom_score_adj)
        write_oom_score(l->oom_text);
    int in = o->stdin_fd >= 0 ? o->stdin_fd : open("/dev/null", O_RDONLY);
    if (put_fd(in, 0) && put_fd(o->stdout_fd, 1) && put_fd(o->stderr_fd, 2) && (!o->cwd || chdir(o->cwd) == 0))
        execve(l->path, (char *const *)(uintptr_t)o->argv, (char *const *)(uintptr_t)(o->envp ? o->envp : (const char *const *)environ));
    int why = errno;
    if (write(l->report_fd, &why, sizeof why) < 0)
        _exit(126);
    _exit(127);
}

errc process_start(const struct process_opts *o, pid_t *out, struct err *e)
{
    AUTO_MEM char *path = find_program(o->argv[0]);
    int pipe_fds[2], why = 0;

    if (pipe2(pipe_fds, O_CLOEXEC))
        return err_sys(e, errno, "start %s", o->argv[0]);
    struct launch l = { .o = o, .path = path, .report_fd = pipe_fds[1], .parent = getpid() };
    snprintf(l.oom_text, sizeof l.oom_text, "%ld", o->oom_score_adj);
    pid_t pid = fork();
    if (pid == 0)
        child(&l);
    int fork_errno = errno;
    close(pipe_fds[1]);
    ssize_t n = pid < 0 ? 0 : TEMP_FAILURE_RETRY(read(pipe_fds[0], &why, sizeof why));
    close(pipe_fds[0]);
    if (pid < 0)
        return err_sys(e, fork_errno, "start %s", o->argv[0]);
    if (n == (ssize_t)sizeof why) {
        waitpid(pid, NULL, 0);
        return err_sys(e, why, "start %s", path);
    }
    *out = pid;
    return ERR_OK;
}

errc process_wait(pid_t pid, int64_t timeout_ms, int *out_status, struct err *e)
{
    if (timeout_ms >= 0) {
        AUTO_FD fd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t deadline = clock_mono_ms() + timeout_ms;
        if (fd < 0)
            return err_sys(e, errno, "wait for process %d", (int)pid);
        for (;;) {
            int64_t left = deadline - clock_mono_ms();
            int n = poll(&p, 1, left > 0 ? (int)left : 0);
            if (n > 0)
                break;
            if (n == 0)
                return err_set(e, ERR_TIMEOUT, "process %d still runs", (int)pid);
            if (errno != EINTR)
                return err_sys(e, errno, "wait for process %d", (int)pid);
        }
    }
    if (TEMP_FAILURE_RETRY(waitpid(pid, out_status, 0)) < 0)
        return err_sys(e, errno, "wait for process %d", (int)pid);
    return ERR_OK;
}

unsigned long long process_start_ticks(pid_t pid)
{
    AUTO_MEM char *path = xasprintf("/proc/%d/stat", (int)pid);
    AUTO_BUF b = { 0 };
    struct str head, rest, field = { 0 };
    uint64_t ticks = 0;

    if (file_read(path, 1 << 16, &b, NULL) || !str_rcut(buf_str(&b), ')', &head, &rest))
        return 0;
    rest = str_trim(rest);
    for (int i = 3; i <= 22 && str_next(&rest, ' ', &field); i++)   /* proc(5): field 3 follows the name, 22 is starttime */
        if (i == 3 && (str_is(field, "Z") || str_is(field, "X")))
            return 0;
    return str_to_u64(field, &ticks) ? ticks : 0;
}

bool process_is(pid_t pid, unsigned long long start_ticks)
{
    return start_ticks && process_start_ticks(pid) == start_ticks;
}
