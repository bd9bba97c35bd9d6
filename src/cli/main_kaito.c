/* kaito: the control plane and the command people type. */
#include <malloc.h>

#include "cli/command.h"

static const struct command commands[] = {
    { "up",          "run a whole Kubernetes-compatible control plane and node on this machine", cmd_up },
    { "down",        "stop what `kaito up` started", cmd_down },
    { "reset",       "stop, and forget all state", cmd_reset },
    { "apiserver",   "run the Kubernetes-compatible API alone", cmd_apiserver },
    { "manager",     "run the Workspace controller against any Kubernetes", cmd_manager },
    { "install",     "print or apply what a cluster needs to run the manager", cmd_install },
    { "provisioner", "run the node provisioner against any Kubernetes", cmd_provisioner },
    { "serve",       "serve a model directory over HTTP", cmd_exec_runtime },
    { "tune",        "fine-tune a model with LoRA or QLoRA", cmd_exec_runtime },
    { "fetch",       "download a model or a data set", cmd_exec_runtime },
    { "push",        "push an adapter to a registry as an OCI image", cmd_exec_runtime },
    { "inspect",     "look inside tokens, templates, logits and files", cmd_exec_runtime },
    { "plan",        "tell what a Workspace would become: machines, memory, objects", cmd_plan },
    { "models",      "list the models that a Workspace can name", cmd_models },
    { "doctor",      "tell why Workspaces are not ready, and what to do", cmd_doctor },
    { "validate",    "say whether a Workspace would be admitted", cmd_validate },
    { "render",      "print the objects that a Workspace becomes", cmd_render },
    { "estimate",    "say how many machines a model needs", cmd_estimate },
    { "version",     "print the version", cmd_version },
    { "pod-monitor", NULL, cmd_pod_monitor },
};

int main(int argc, char **argv)
{
    /* many threads, little memory each: an arena per core would keep 10 MB of `kaito up` that nobody uses */
    mallopt(M_ARENA_MAX, 2);
    return command_main("kaito", "kaito: the Kubernetes AI Toolchain Operator, native", commands, ARRAY_LEN(commands),
                        argc, argv);
}
