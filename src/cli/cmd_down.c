/* `kaito down`: ends what `kaito up` started. */
#include "base/mem.h"
#include "base/options.h"
#include "cli/command.h"
#include "local/local.h"

int cmd_down(int argc, char **argv)
{
    AUTO_MEM char *default_dir = local_default_state_dir();
    const char *state_dir = default_dir;
    const struct option_row rows[] = {
        { "state-dir", 0, OPT_STR, &state_dir, "DIR", "The state folder of the `kaito up` to stop.", "KAITO_STATE_DIR", false },
    };
    const struct command_help help = { "kaito down [options]",
        "Stops the control plane and the pods that `kaito up` runs. The state stays: the next `kaito up` goes on with it.", NULL };
    bool was_running = false;
    struct err e;
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);

    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc)
        rc = local_down(state_dir, &was_running, &e);
    if (rc)
        return command_fail(argv[0], &e);
    printf(was_running ? "kaito is down; its state stays in %s\n" : "nothing was running on %s\n", state_dir);
    return 0;
}
