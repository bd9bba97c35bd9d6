/* kaito validate, render and estimate: what the controller would say and write, without a cluster. One JSON in, one JSON out. */
#include <stdio.h>

#include "base/file.h"
#include "base/options.h"
#include "cli/command.h"
#include "workspace/rehearse.h"

#define INPUT_MAX (16u << 20)

static int rehearse(int argc, char **argv, const struct command_help *help, errc (*answer)(const json_t *, json_t **, struct err *))
{
    struct strlist args = { 0 };
    AUTO_BUF in = { 0 }, text = { 0 };
    AUTO_JSON question = NULL;
    AUTO_JSON reply = NULL;
    struct err e;

    errc rc = options_parse(NULL, 0, help, argc, argv, &args, &e);
    const char *path = args.n ? args.items[0] : "/dev/stdin";

    if (rc == OPTIONS_HELP)
        return 0;
    rc = rc ? rc : file_read(path, INPUT_MAX, &in, &e);
    rc = rc ? rc : json_parse(buf_str(&in), &question, &e);
    rc = rc ? rc : answer(question, &reply, &e);
    strlist_done(&args);
    if (rc)
        return command_fail(argv[0], &e);
    json_write(reply, &text);
    puts(buf_cstr(&text));
    return 0;
}

int cmd_validate(int argc, char **argv)
{
    const struct command_help help = {
        "kaito validate [FILE]", "Reads {operation, object, oldObject, cluster, settings} as JSON (default from standard input) and prints whether the Workspace\n"
        "would be admitted, and the reasons if not.", NULL };

    return rehearse(argc, argv, &help, workspace_check);
}

int cmd_render(int argc, char **argv)
{
    const struct command_help help = {
        "kaito render [FILE]", "Reads {object, cluster, settings, autoNodes} as JSON (default from standard input) and prints every object that the controller\n"
        "would write for the Workspace until it has settled.", NULL };

    return rehearse(argc, argv, &help, workspace_render);
}

int cmd_estimate(int argc, char **argv)
{
    const struct command_help help = {
        "kaito estimate [FILE]", "Reads {model, sku, contextSize, cloudProvider} as JSON (default from standard input) and prints how many nodes of the machine\n"
        "type the model needs.", NULL };

    return rehearse(argc, argv, &help, workspace_estimate);
}
