#include "cli/termination.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/command.h"

#define MESSAGE_MAX 4096        /* what Kubernetes reads of the file */

void termination_say(const char *path, const char *text)
{
    bool own = str_set(path);
    /* in place, not by rename: the file is a mount */
    AUTO_FD fd = open(own ? path : TERMINATION_LOG, O_WRONLY | O_TRUNC | O_CLOEXEC | (own ? O_CREAT : 0), 0644);
    struct str s = str_of(text);

    if (s.n > MESSAGE_MAX)
        s.n = MESSAGE_MAX;
    if (fd >= 0)
        (void)fd_write_all(fd, s.p, s.n, NULL);     /* the log holds it too */
}

int termination_fail(const char *name, const char *path, const struct err *e)
{
    termination_say(path, e->text);
    return command_fail(name, e);
}
