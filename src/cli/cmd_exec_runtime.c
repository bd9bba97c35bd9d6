/* `kaito serve ...` becomes `kaito-runtime serve ...`: the executable beside this one, or the one on PATH. */
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/command.h"

static char *runtime_path(void)
{
    AUTO_MEM char *self = self_path();
    struct str folder, file;

    if (self && str_rcut(str_of(self), '/', &folder, &file)) {
        char *beside = xasprintf("%.*s/kaito-runtime", STR_ARG(folder));
        if (file_exists(beside))
            return beside;
        free(beside);
    }
    return xstrdup("kaito-runtime");
}

int cmd_exec_runtime(int argc, char **argv)
{
    AUTO_MEM char *path = runtime_path();
    AUTO_MEM char **args = xcalloc((size_t)argc + 2, sizeof *args);
    struct err e;

    args[0] = path;
    for (int i = 0; i < argc; i++)
        args[i + 1] = argv[i];
    execvp(path, args);
    (void)err_sys(&e, errno, "start %s (it must stand beside kaito or on PATH)", path);
    return command_fail(argv[0], &e);
}
