/* kaito models: the catalogue, or one model of it. */
#include <stdio.h>

#include "base/options.h"
#include "catalog/describe.h"
#include "cli/command.h"

struct models_cmd { const char *form, *cloud; };

static errc find(struct str name, const struct preset **out, struct err *e)
{
    AUTO_BUF like = { 0 };

    *out = preset_find(name);
    if (*out)
        return ERR_OK;
    models_like(name, &like);
    if (preset_check(name) == PRESET_VALID)
        return err_set(e, ERR_NOT_FOUND, "%.*s: is not in the catalogue; the manager asks the Hugging Face hub about such ids. `kaito models` lists the catalogue", STR_ARG(name));
    return err_set(e, ERR_NOT_FOUND, "%.*s: is no model of the catalogue%s%s; `kaito models` lists them, OWNER/MODEL names any other of the Hugging Face hub",
                   STR_ARG(name), like.n ? "; there is " : "", buf_cstr(&like));
}

static void print_json(const struct preset *one, const char *cloud, struct buf *out)
{
    AUTO_JSON list = json_array();

    for (size_t i = 0; !one && i < preset_count(); i++)
        json_push(list, model_json(preset_at(i), NULL));
    if (one) {
        AUTO_JSON page = model_json(one, cloud);
        json_write_pretty(page, 2, out);
    } else {
        json_write_pretty(list, 2, out);
    }
    buf_addc(out, '\n');
}

static errc answer(const struct models_cmd *c, const struct strlist *args, struct buf *out, struct err *e)
{
    const struct preset *one = NULL;
    bool json = streq(c->form, "json"), wide = streq(c->form, "wide");

    if (!json && !wide && !streq(c->form, "table"))
        return err_set(e, ERR_BAD_REQUEST, "-o %s: is none of table, wide, json", c->form);
    if (!streq(c->cloud, "azure") && !streq(c->cloud, "aws") && !streq(c->cloud, "arc"))
        return err_set(e, ERR_BAD_REQUEST, "--cloud %s: is none of azure, aws, arc", c->cloud);
    if (args->n > 1)
        return err_set(e, ERR_BAD_REQUEST, "takes one name; for several use `kaito models -o json`");
    if (args->n == 1)
        TRY(find(str_of(args->items[0]), &one, e));
    if (json)
        print_json(one, c->cloud, out);
    else if (one)
        model_page(one, c->cloud, out);
    else
        models_table(wide, out);
    return ERR_OK;
}

int cmd_models(int argc, char **argv)
{
    struct models_cmd c = { .form = "table", .cloud = "azure" };
    const struct option_row rows[] = {
        { "output", 'o', OPT_STR, &c.form, "FORM", "table, wide or json." },
        { "cloud", 0, OPT_STR, &c.cloud, "NAME", "azure, aws or arc: whose machine types the page of one model lists.", .env = "CLOUD_PROVIDER" },
    };
    const struct command_help help = {
        "kaito models [NAME] [-o table|wide|json]",
        "Lists the models that a Workspace can name in inference.preset.name or tuning.preset.name, or tells all about one of them.\n\n"
        "LEAST GPU is the memory that a single GPU needs at 2,048 tokens of context; with less, the model is cut over several.\n"
        "TUNE: upstream's image can fine-tune it. NATIVE: this project's runtime serves and tunes it on CPUs.\n"
        "TOKEN: its licence must be accepted on the Hugging Face hub, and a Secret with HF_TOKEN be named.\n"
        "Any other model of the hub goes by its id (OWNER/MODEL).",
        "  kaito models\n  kaito models phi-4 --cloud aws\n  kaito models -o json | jq -r '.[] | select(.tuning) | .name'\n",
    };
    AUTO_BUF text = { 0 };
    struct strlist args = { 0 };
    struct err e;

    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, &args, &e);
    if (rc == OPTIONS_HELP)
        return 0;
    rc = rc ? rc : answer(&c, &args, &text, &e);
    strlist_done(&args);
    if (rc)
        return command_fail(argv[0], &e);
    fputs(buf_cstr(&text), stdout);
    return 0;
}
