/* `kaito reset`: ends what `kaito up` started and forgets all of it. */
#include "base/mem.h"
#include "base/options.h"
#include "cli/command.h"
#include "local/local.h"

int cmd_reset(int argc, char **argv)
{
    AUTO_MEM char *default_dir = local_default_state_dir();
    const char *state_dir = default_dir;
    const struct option_row rows[] = {
        { "state-dir", 0, OPT_STR, &state_dir, "DIR", "The state folder to forget.", "KAITO_STATE_DIR", false },
    };
    const struct command_help help = { "kaito reset [options]",
        "Stops what `kaito up` runs, then removes its state folder: every object, downloaded model and adapter in it.", NULL };
    struct err e;
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);

    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc)
        rc = local_reset(state_dir, &e);
    if (rc)
        return command_fail(argv[0], &e);
    printf("%s is gone\n", state_dir);
    return 0;
}
