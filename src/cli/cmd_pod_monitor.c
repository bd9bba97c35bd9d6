#include "cli/command.h"

int cmd_pod_monitor(int argc, char **argv)
{
    struct err e;

    (void)argc;
    (void)err_set(&e, ERR_UNBUILT, "not built yet");
    return command_fail(argv[0], &e);
}
