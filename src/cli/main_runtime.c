/* kaito-runtime: everything that touches model bytes or archives. */
#include <unistd.h>

#include "base/str.h"
#include "cli/command.h"

static const struct command commands[] = {
    { "serve",   "serve a model directory over HTTP", cmd_serve },
    { "tune",    "fine-tune a model with LoRA or QLoRA", cmd_tune },
    { "fetch",   "download a model or a data set", cmd_fetch },
    { "push",    "push an adapter to a registry as an OCI image", cmd_push },
    { "inspect", "look inside tokens, templates, logits and files", cmd_inspect },
    { "version", "print the version", cmd_version },
};

/*
 * OpenMP's threads spin while they wait, by default for so long that on a machine with other work a step takes ten times as long. The
 * library reads its settings before main, so the program starts itself once more with no spin. What the user has set stays.
 */
static void wait_politely(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || setenv("OMP_WAIT_POLICY", "passive", 1))
        return;
    execv("/proc/self/exe", argv);      /* when that is not possible, it is only slower */
}

int main(int argc, char **argv)
{
    if (argc > 1 && (streq(argv[1], "serve") || streq(argv[1], "tune") || streq(argv[1], "inspect")))
        wait_politely(argv);
    return command_main("kaito-runtime", "kaito-runtime: serve, tune, fetch and push models on this machine's CPU",
                        commands, ARRAY_LEN(commands), argc, argv);
}
