/* kaito-runtime: everything that touches model bytes or archives. */
#include "cli/command.h"

static const struct command commands[] = {
    { "serve",   "serve a model directory over HTTP", cmd_serve },
    { "tune",    "fine-tune a model with LoRA or QLoRA", cmd_tune },
    { "fetch",   "download a model or a data set", cmd_fetch },
    { "push",    "push an adapter to a registry as an OCI image", cmd_push },
    { "inspect", "look inside tokens, templates, logits and files", cmd_inspect },
    { "version", "print the version", cmd_version },
};

int main(int argc, char **argv)
{
    return command_main("kaito-runtime", "kaito-runtime: serve, tune, fetch and push models on this machine's CPU",
                        commands, ARRAY_LEN(commands), argc, argv);
}
