#include <stdio.h>

#include "cli/command.h"

int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("kaito %s\n", KAITO_VERSION);
    return 0;
}
