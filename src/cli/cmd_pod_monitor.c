/* `kaito pod-monitor --dir FOLDER`: the process beside each pod; the node agent starts it, people do not. */
#include "base/options.h"
#include "cli/command.h"
#include "node/pod_files.h"

int cmd_pod_monitor(int argc, char **argv)
{
    const char *folder = NULL;
    const struct option_row rows[] = {
        { "dir", 0, OPT_STR, &folder, "DIR", "The pod's folder, with its plan.json.", NULL, true },
    };
    const struct command_help help = { "kaito pod-monitor --dir DIR",
        "Runs the containers of one pod as processes and writes down their states. Started by the node agent.", NULL };
    struct err e;
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);

    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc)
        rc = pod_monitor_run(folder, &e);
    return rc ? command_fail(argv[0], &e) : 0;
}
