/*
 * A subcommand is one file cmd_NAME.c with one function, listed in one table of its executable. No logic here:
 * parse options, build the pieces, run them. A command returns the exit status; main prints nothing itself.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stddef.h>

#include "base/err.h"

typedef int command_fn(int argc, char **argv);      /* argv[0] is the subcommand's name */

struct command {
    const char *name;
    const char *summary;        /* one line for the overview; NULL hides the command there */
    command_fn *run;
};

/* Finds argv[1] in the table and runs it; prints the overview for none, help or --help. */
int command_main(const char *program, const char *about, const struct command *table, size_t n, int argc, char **argv);

/* Prints "kaito CMD: text" to stderr and gives the exit status: 2 for a wrong command line, else 1. */
int command_fail(const char *name, const struct err *e);

command_fn cmd_version, cmd_up, cmd_down, cmd_reset, cmd_apiserver, cmd_manager, cmd_provisioner, cmd_pod_monitor,
    cmd_validate, cmd_render, cmd_estimate, cmd_install, cmd_models, cmd_plan, cmd_doctor;
command_fn cmd_serve, cmd_tune, cmd_fetch, cmd_push, cmd_inspect;
command_fn cmd_exec_runtime;    /* in kaito: finds kaito-runtime beside itself and becomes it */

#endif
