/* A helper program of a test: started, read until it says that it is ready, stopped at the end. No waiting by time. */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/process.h"
#include "base/str.h"

struct child { pid_t pid; FILE *out; };

/* False when the program cannot be started. Its stdout and stderr are read by child_until. */
static inline bool child_start(struct child *c, const char *const *argv)
{
    int ends[2];
    struct err e;

    if (pipe2(ends, O_CLOEXEC))
        abort();
    struct process_opts o = { .argv = argv, .stdin_fd = -1, .stdout_fd = ends[1], .stderr_fd = ends[1], .die_with_parent = true };
    errc rc = process_start(&o, &c->pid, &e);
    close(ends[1]);
    if (rc) {
        close(ends[0]);
        fprintf(stderr, "# %s\n", e.text);
        return false;
    }
    c->out = fdopen(ends[0], "r");
    return true;
}

/* Reads lines until one holds sign; gives the number behind it (a port). 0 when the program ended first. */
static inline int child_port_after(struct child *c, const char *sign)
{
    AUTO_BUF said = { 0 };
    char *line = NULL;
    size_t cap = 0;
    int port = 0;

    while (!port && getline(&line, &cap, c->out) > 0) {
        char *at = strstr(line, sign);
        if (at)
            port = (int)strtol(at + strlen(sign), NULL, 10);
        buf_adds(&said, line);
    }
    if (!port)
        fprintf(stderr, "# the helper program ended: %s\n", buf_cstr(&said));
    free(line);
    return port;
}

static inline void child_stop(struct child *c)
{
    if (c->pid > 0) {
        kill(c->pid, SIGTERM);
        waitpid(c->pid, NULL, 0);
        fclose(c->out);
    }
    c->pid = 0;
}

static inline char *test_folder(void)
{
    char *dir = xstrdup("/tmp/kaito-test-XXXXXX");
    if (!mkdtemp(dir))
        abort();
    return dir;
}

#endif
