#include "cli/command.h"

#include <stdio.h>

#include "base/str.h"

static void print_overview(const char *program, const char *about, const struct command *table, size_t n)
{
    printf("%s\n\nUsage: %s COMMAND [options]\n\nCommands:\n", about, program);
    for (size_t i = 0; i < n; i++)
        if (table[i].summary)
            printf("  %-12s %s\n", table[i].name, table[i].summary);
    printf("\n`%s COMMAND --help` tells more about one.\n", program);
}

int command_main(const char *program, const char *about, const struct command *table, size_t n, int argc, char **argv)
{
    if (argc < 2 || streq(argv[1], "help") || streq(argv[1], "--help") || streq(argv[1], "-h")) {
        print_overview(program, about, table, n);
        return argc < 2 ? 2 : 0;
    }
    const char *name = streq(argv[1], "--version") ? "version" : argv[1];

    for (size_t i = 0; i < n; i++)
        if (streq(name, table[i].name))
            return table[i].run(argc - 1, argv + 1);
    fprintf(stderr, "%s: unknown command \"%s\"; `%s help` lists the commands\n", program, argv[1], program);
    return 2;
}

int command_fail(const char *name, const struct err *e)
{
    fprintf(stderr, "kaito %s: %s\n", name, e->text);
    return e->code == ERR_BAD_REQUEST ? 2 : 1;
}
