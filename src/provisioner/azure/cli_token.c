#include "provisioner/azure/cli_token.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

#define ANSWER_MAX  (64u << 10)
#define PATIENCE_MS 15000               /* az is slow to start */

/* Until its end, or the end of our patience. */
static errc read_all(int fd, struct buf *out, struct err *e)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;

    buf_reserve(out, ANSWER_MAX + 1);
    for (;;) {
        int64_t left = until - clock_mono_ms();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int ready = poll(&p, 1, left > 0 ? (int)left : 0);

        if (ready == 0)
            return err_set(e, ERR_TIMEOUT, "azure: az account get-access-token: no answer within %d s", PATIENCE_MS / 1000);
        ssize_t n = ready < 0 ? -1 : read(fd, out->p + out->n, ANSWER_MAX - out->n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "azure: read what az prints");
        if (n == 0)
            return out->n < ANSWER_MAX ? ERR_OK : err_set(e, ERR_TOO_LARGE, "azure: az printed more than %u bytes", ANSWER_MAX);
        out->n += (size_t)n;
        out->p[out->n] = '\0';
    }
}

static errc ended_well(pid_t pid, struct err *e)
{
    int status = 0;

    TRY(process_wait(pid, PATIENCE_MS, &status, e));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(e, ERR_UNAUTHORIZED, "azure: az account get-access-token failed; run az login, then try again");
    return ERR_OK;
}

errc azure_cli_token(const char *resource, const char *tenant, struct buf *out, struct err *e)
{
    const char *argv[10] = { "az", "account", "get-access-token", "--output", "json", "--resource", resource };
    int fds[2];
    pid_t pid;

    if (str_set(tenant)) {
        argv[7] = "--tenant";
        argv[8] = tenant;
    }
    if (pipe2(fds, O_CLOEXEC))
        return err_sys(e, errno, "azure: start az");
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);     /* what it says when it fails may name people */
    errc rc = process_start(&(struct process_opts){ .argv = argv, .stdin_fd = -1, .stdout_fd = fds[1], .stderr_fd = null, .die_with_parent = true },
                            &pid, e);

    close(null);
    close(fds[1]);
    if (!rc) {
        rc = read_all(fds[0], out, e);
        if (rc)
            kill(pid, SIGKILL);
        errc end = ended_well(pid, rc ? NULL : e);

        rc = rc ? rc : end;
    } else {
        (void)err_wrap(e, "azure: the Azure CLI");
    }
    close(fds[0]);
    return rc;
}
