/* The parts of `inspect` about text: tokens, chat templates, rows and training examples of a data set. */
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "cli/inspect.h"
#include "dataset/dataset.h"
#include "template/template.h"
#include "tokenizer/tokenizer.h"
#include "tune/inputs.h"
#include "tune/trainer.h"

static errc parse(const struct option_row *rows, size_t n, const struct command_help *help, int argc, char **argv, struct err *e)
{
    struct strlist rest = { 0 };
    errc rc = options_parse(rows, n, help, argc, argv, &rest, e);

    if (!rc && rest.n)
        rc = err_set(e, ERR_BAD_REQUEST, "\"%s\" is not an option; see --help", rest.items[0]);
    strlist_done(&rest);
    return rc;
}

static int ended(const char *name, errc rc, const struct err *e)
{
    return rc == OPTIONS_HELP ? 0 : rc ? command_fail(name, e) : 0;
}

/* ---- tokens ---- */

static errc answer_tokens(void *self, const json_t *in, json_t **out, struct err *e)
{
    const struct tokenizer *t = self;
    struct str text = json_to_str(json_object_get(in, "text"));
    AUTO_IDS ids = { 0 };
    AUTO_BUF whole = { 0 }, skipped = { 0 };

    if (!text.p)
        return err_set(e, ERR_BAD_REQUEST, "text: must be a string");
    TRY(tokenizer_encode(t, text, json_flag(in, "add_special_tokens", true), &ids, e));
    tokenizer_decode(t, ids.v, ids.n, false, &whole);
    tokenizer_decode(t, ids.v, ids.n, true, &skipped);
    json_t *list = json_array();
    for (size_t i = 0; i < ids.n; i++)
        json_push(list, json_integer(ids.v[i]));
    *out = json_object();
    json_put(*out, "ids", list);
    json_put(*out, "decoded", json_strn(buf_str(&whole)));
    json_put(*out, "decoded_skip", json_strn(buf_str(&skipped)));
    return ERR_OK;
}

int inspect_tokens(int argc, char **argv)
{
    const char *model = NULL;
    const struct option_row rows[] = {
        { .name = "model", .kind = OPT_STR, .value = &model, .arg = "DIR", .help = "The model folder, with tokenizer.json.", .required = true },
    };
    const struct command_help help = { .usage = "kaito-runtime inspect tokens --model DIR",
                                       .summary = "Reads {\"text\", \"add_special_tokens\": true} lines, writes {\"ids\", \"decoded\", \"decoded_skip\"}." };
    AUTO_FREE(tokenizer) t = NULL;
    struct err e;
    errc rc = parse(rows, ARRAY_LEN(rows), &help, argc, argv, &e);

    if (!rc)
        rc = tokenizer_load(model, &t, &e);
    if (!rc)
        rc = inspect_lines(answer_tokens, t, &e);
    return ended(argv[0], rc, &e);
}

/* ---- chat ---- */

struct chat_inspection {
    const struct template *template;
    const char *bos, *eos, *pad, *unk;
};

static errc answer_chat(void *self, const json_t *in, json_t **out, struct err *e)
{
    const struct chat_inspection *c = self;
    const char *today = json_cstr(in, "today");
    AUTO_JSON vars = json_object();
    AUTO_BUF text = { 0 };

    if (!json_is_object(in))
        return err_set(e, ERR_BAD_REQUEST, "expected an object with messages");
    json_put_str(vars, "bos_token", c->bos);
    json_put_str(vars, "eos_token", c->eos);
    json_put_str(vars, "pad_token", c->pad);
    json_put_str(vars, "unk_token", c->unk);
    json_put(vars, "tools", json_null());
    json_put(vars, "documents", json_null());
    json_put_bool(vars, "add_generation_prompt", false);
    json_object_update(vars, (json_t *)(uintptr_t)in);
    json_object_del(vars, "today");
    TRY(template_render(c->template, vars, &(struct template_limits){ .today = today }, &text, e));
    *out = json_object();
    json_put(*out, "text", json_strn(buf_str(&text)));
    return ERR_OK;
}

static errc chat_lines(const char *model, const char *file, struct chat_inspection *c, struct err *e)
{
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_FREE(template) own = NULL;
    AUTO_BUF source = { 0 };

    if (!model && !file)
        return err_set(e, ERR_BAD_REQUEST, "give --model DIR or --template FILE");
    if (model) {
        TRY(tokenizer_load(model, &t, e));
        const struct tokenizer_info *i = tokenizer_info(t);
        c->template = i->chat_template;
        c->bos = c->bos ? c->bos : i->bos_token;
        c->eos = c->eos ? c->eos : i->eos_token;
        c->pad = i->pad_token, c->unk = i->unk_token;
    }
    if (file) {
        TRY(file_read(file, 1 << 20, &source, e));
        TRY(template_compile(buf_str(&source), file, &own, e));
        c->template = own;
    }
    if (!c->template)
        return err_set(e, ERR_UNSUPPORTED, "%s: the model has no chat template: give --template FILE", model);
    return inspect_lines(answer_chat, c, e);
}

int inspect_chat(int argc, char **argv)
{
    const char *model = NULL, *file = NULL;
    struct chat_inspection c = { 0 };
    const struct option_row rows[] = {
        { .name = "model", .kind = OPT_STR, .value = &model, .arg = "DIR", .help = "The model folder, with its chat template." },
        { .name = "template", .kind = OPT_STR, .value = &file, .arg = "FILE", .help = "A template instead of the model's." },
        { .name = "bos", .kind = OPT_STR, .value = &c.bos, .arg = "S", .help = "bos_token." },
        { .name = "eos", .kind = OPT_STR, .value = &c.eos, .arg = "S", .help = "eos_token." },
    };
    const struct command_help help = { .usage = "kaito-runtime inspect chat --model DIR | --template FILE [--bos S] [--eos S]",
                                       .summary = "Reads {\"messages\", \"tools\", \"documents\", \"add_generation_prompt\", ...} lines, writes {\"text\"} or {\"error\"}. "
                                                  "\"today\" (2026-11-23) sets the date that strftime_now sees." };
    struct err e;
    errc rc = parse(rows, ARRAY_LEN(rows), &help, argc, argv, &e);

    if (!rc)
        rc = chat_lines(model, file, &c, &e);
    return ended(argv[0], rc, &e);
}

/* ---- data and examples ---- */

static errc print_rows(const char *path, int64_t limit, struct err *e)
{
    AUTO_FREE(dataset) d = NULL;

    TRY(dataset_open(path, NULL, &d, e));
    for (int64_t i = 0; limit <= 0 || i < limit; i++) {
        AUTO_JSON row = NULL;
        TRY(dataset_next(d, &row, e));
        if (!row)
            break;
        inspect_print(row);
    }
    return ERR_OK;
}

int inspect_data(int argc, char **argv)
{
    const char *path = NULL;
    int64_t limit = 0;
    const struct option_row rows[] = {
        { .name = "file", .kind = OPT_STR, .value = &path, .arg = "PATH", .help = "A data set file, or the folder that holds it.", .required = true },
        { .name = "limit", .kind = OPT_INT, .value = &limit, .arg = "N", .help = "Stop after N rows; 0: all." },
    };
    const struct command_help help = { .usage = "kaito-runtime inspect data --file PATH [--limit N]", .summary = "Prints the rows of a Parquet, JSON or CSV file as JSON lines." };
    struct err e;
    errc rc = parse(rows, ARRAY_LEN(rows), &help, argc, argv, &e);

    if (!rc)
        rc = print_rows(path, limit, &e);
    return ended(argv[0], rc, &e);
}

static json_t *ids_json(const int32_t *v, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_push(list, json_integer(v[i]));
    return list;
}

static void print_example(const struct tokenizer *t, struct example a)
{
    AUTO_BUF text = { 0 };

    tokenizer_decode(t, a.ids, a.n, false, &text);
    AUTO_JSON j = json_pack("{s:I, s:o, s:o, s:o}", "row", (json_int_t)a.row, "ids", ids_json(a.ids, a.n), "labels", ids_json(a.labels, a.n),
                            "text", json_strn(buf_str(&text)));
    inspect_print(j);
}

static errc print_examples(const char *model, const char *path, const char *loss, int64_t max_length, int64_t limit, struct err *e)
{
    static const struct { const char *name; enum examples_loss loss; } rows[] = {
        { "all", EXAMPLES_LOSS_ALL }, { "all-keep-eos", EXAMPLES_LOSS_ALL_KEEP_EOS }, { "completion", EXAMPLES_LOSS_COMPLETION },
    };
    struct examples_opts o = { .max_length = max_length > 0 ? (size_t)max_length : 0, .max_rows = limit > 0 ? (size_t)limit : 0 };
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_FREE(dataset) d = NULL;
    AUTO_FREE(examples) x = NULL;
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(rows[i].name, loss)) {
            o.loss = rows[i].loss;
            known = true;
        }
    if (!known)
        return err_set(e, ERR_BAD_REQUEST, "--loss: \"%s\" is not all, all-keep-eos or completion", loss);
    TRY(tokenizer_load(model, &t, e));
    TRY(dataset_open(path, NULL, &d, e));
    TRY(examples_build(d, t, &o, &x, e));
    for (size_t i = 0; i < examples_count(x); i++)
        print_example(t, examples_get(x, i));
    return ERR_OK;
}

/* The rows that `tune` would train on with this configuration, in file order. */
static errc print_configured(const char *config, const char *model, const char *path, int64_t limit, struct inputs *in, struct err *e)
{
    struct tune_opts o = { .config_path = config, .model_dir = model, .data_path = path };
    size_t n;

    TRY(inputs_read_config(in, &o, e));
    TRY(inputs_load_tokenizer(in, &o, e));
    TRY(inputs_load_data(in, &o, NULL, e));
    AUTO_MEM uint32_t *rows = trainer_split(examples_count(in->examples), in->config.data.train_share, (uint64_t)in->config.data.shuffle_seed, &n);
    for (size_t i = 0; i < n && (limit <= 0 || (int64_t)i < limit); i++)
        print_example(in->tokenizer, examples_get(in->examples, rows[i]));
    return ERR_OK;
}

int inspect_examples(int argc, char **argv)
{
    const char *model = NULL, *path = NULL, *loss = "all", *config = NULL;
    int64_t limit = 0, max_length = 0;
    const struct option_row rows[] = {
        { .name = "model", .kind = OPT_STR, .value = &model, .arg = "DIR", .help = "The model folder: its tokenizer and chat template.", .required = true },
        { .name = "data", .kind = OPT_STR, .value = &path, .arg = "PATH", .help = "A data set file, or the folder that holds it." },
        { .name = "file", .kind = OPT_STR, .value = &path, .arg = "PATH", .help = "Another name of --data." },
        { .name = "config", .kind = OPT_STR, .value = &config, .arg = "FILE", .help = "A training_config.yaml: prints what tune trains on with it." },
        { .name = "loss", .kind = OPT_STR, .value = &loss, .arg = "all|all-keep-eos|completion", .help = "Which tokens are learnt." },
        { .name = "max-length", .kind = OPT_INT, .value = &max_length, .arg = "N", .help = "Tokens kept of each example; 0: 1024." },
        { .name = "limit", .kind = OPT_INT, .value = &limit, .arg = "N", .help = "Stop after N rows; 0: all." },
    };
    const struct command_help help = { .usage = "kaito-runtime inspect examples --model DIR --data PATH [options]",
                                       .summary = "Prints what training would see: {\"row\", \"ids\", \"labels\", \"text\"} for each example." };
    struct err e;
    errc rc = parse(rows, ARRAY_LEN(rows), &help, argc, argv, &e);

    if (!rc && !path)
        rc = err_set(&e, ERR_BAD_REQUEST, "--data PATH is required; --help tells more");
    if (!rc && config) {
        struct inputs in = { 0 };
        rc = print_configured(config, model, path, limit, &in, &e);
        inputs_done(&in);
    } else if (!rc) {
        rc = print_examples(model, path, loss, max_length, limit, &e);
    }
    return ended(argv[0], rc, &e);
}
