/* The parts of `inspect` about data sets: their rows, and the examples that training makes of them. */
#include <stdio.h>

#include "base/mem.h"
#include "cli/inspect.h"
#include "dataset/dataset.h"
#include "tokenizer/tokenizer.h"
#include "tune/inputs.h"

/* ---- data ---- */

/* Numbers keep all their digits. */
static void print_row(const json_t *row)
{
    AUTO_BUF line = { 0 };

    json_write(row, &line);
    buf_addc(&line, '\n');
    fwrite(line.p, 1, line.n, stdout);
}

static errc print_rows(const struct strlist *paths, int64_t limit, struct err *e)
{
    AUTO_FREE(dataset) d = NULL;

    TRY(dataset_open_all(paths->items, paths->n, NULL, &d, e));
    for (int64_t i = 0; limit <= 0 || i < limit; i++) {
        AUTO_JSON row = NULL;
        TRY(dataset_next(d, &row, e));
        if (!row)
            break;
        print_row(row);
    }
    return ERR_OK;
}

int inspect_data(int argc, char **argv)
{
    struct strlist paths = { 0 }, rest = { 0 };
    int64_t limit = 0;
    const struct option_row rows[] = {
        { .name = "file", .kind = OPT_LIST, .value = &paths, .arg = "PATH", .help = "The same as PATH." },
        { .name = "limit", .kind = OPT_INT, .value = &limit, .arg = "N", .help = "Stop after N rows; 0: all." },
    };
    const struct command_help help = { .usage = "kaito-runtime inspect data PATH... [--limit N]",
                                       .summary = "Prints the rows of Parquet, Arrow, JSON and CSV files as JSON lines. Of a folder: the files that "
                                                  "tune would read. Cells that are no UTF-8 text print as {\"bytes\": base64}." };
    struct err e;
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, &rest, &e);

    for (size_t i = 0; i < rest.n; i++)
        strlist_add(&paths, rest.items[i]);
    if (!rc && !paths.n)
        rc = err_set(&e, ERR_BAD_REQUEST, "PATH is required; --help tells more");
    if (!rc)
        rc = print_rows(&paths, limit, &e);
    strlist_done(&paths);
    strlist_done(&rest);
    return inspect_end(argv[0], rc, &e);
}

/* ---- examples ---- */

struct printing {
    const struct tokenizer *t;
    bool text;                  /* also the row and the text */
    int64_t limit;
};

static json_t *ids_json(const int32_t *v, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_push(list, json_integer(v[i]));
    return list;
}

/* The examples of sample i, one behind the other; the first token of each is never predicted. */
static void print_sample(const struct printing *p, const struct samples *s, size_t at)
{
    uint32_t from = samples_first(s, at), to = samples_first(s, at + 1);
    AUTO_JSON j = json_pack("{s:[], s:[]}", "ids", "labels");
    AUTO_BUF text = { 0 };

    for (uint32_t i = from; i < to; i++) {
        struct example a = samples_example(s, i);
        AUTO_JSON ids = ids_json(a.ids, a.n);
        AUTO_JSON labels = ids_json(a.labels, a.n);
        if (i > from)
            json_array_set_new(labels, 0, json_integer(EXAMPLES_IGNORE));
        json_array_extend(json_object_get(j, "ids"), ids);
        json_array_extend(json_object_get(j, "labels"), labels);
        tokenizer_decode(p->t, a.ids, a.n, false, &text);
    }
    if (p->text) {
        json_put_int(j, "row", (int64_t)samples_example(s, from).row);
        json_put(j, "text", json_strn(buf_str(&text)));
    }
    print_row(j);
}

static errc print_examples(const char *model, const struct strlist *data, const char *loss, int64_t max_length, struct printing p, struct err *e)
{
    static const struct { const char *name; enum examples_loss loss; } rows[] = {
        { "all", EXAMPLES_LOSS_ALL }, { "all-keep-eos", EXAMPLES_LOSS_ALL_KEEP_EOS }, { "completion", EXAMPLES_LOSS_COMPLETION },
    };
    struct examples_opts o = { .max_length = max_length > 0 ? (size_t)max_length : 0, .max_rows = p.limit > 0 ? (size_t)p.limit : 0 };
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
    TRY(dataset_open_all(data->items, data->n, NULL, &d, e));
    TRY(examples_build(d, t, &o, &x, e));
    p.t = t;
    const struct samples all = { .x = x, .n = examples_count(x) };
    for (size_t i = 0; i < all.n; i++)
        print_sample(&p, &all, i);
    return ERR_OK;
}

/* The rows that `tune` would train on with this configuration, in file order. */
static errc print_configured(const char *config, const char *model, const struct strlist *data, struct printing p, struct inputs *in, struct err *e)
{
    struct tune_opts o = { .config_path = config, .model_dir = model, .data_path = data->items[0], .more_data = data->items + 1,
                           .n_more_data = data->n - 1 };

    TRY(inputs_read_config(in, &o, e));
    TRY(inputs_load_tokenizer(in, &o, e));
    TRY(inputs_load_data(in, &o, NULL, e));
    p.t = in->tokenizer;
    const struct samples *s = &in->train;
    for (size_t i = 0; i < s->n && (p.limit <= 0 || (int64_t)i < p.limit); i++)
        print_sample(&p, s, i);
    return ERR_OK;
}

int inspect_examples(int argc, char **argv)
{
    struct strlist data = { 0 };
    const char *model = NULL, *loss = "all", *config = NULL;
    int64_t max_length = 0;
    struct printing p = { 0 };
    const struct option_row rows[] = {
        { .name = "model", .kind = OPT_STR, .value = &model, .arg = "DIR", .help = "The model folder: its tokenizer and chat template.", .required = true },
        { .name = "data", .kind = OPT_WORDS, .value = &data, .arg = "PATH...", .help = "Data set files, or the folder that holds them." },
        { .name = "file", .kind = OPT_LIST, .value = &data, .arg = "PATH", .help = NULL },
        { .name = "config", .kind = OPT_STR, .value = &config, .arg = "FILE", .help = "A training_config.yaml: prints what tune trains on with it." },
        { .name = "text", .kind = OPT_BOOL, .value = &p.text, .help = "Also print the row's number and its text." },
        { .name = "loss", .kind = OPT_STR, .value = &loss, .arg = "all|all-keep-eos|completion", .help = "Which tokens are learnt, without --config." },
        { .name = "max-length", .kind = OPT_INT, .value = &max_length, .arg = "N", .help = "Tokens kept of each example, without --config; 0: 1024." },
        { .name = "limit", .kind = OPT_INT, .value = &p.limit, .arg = "N", .help = "Stop after N examples; 0: all." },
    };
    const struct command_help help = { .usage = "kaito-runtime inspect examples --config FILE --model DIR --data PATH [options]",
                                       .summary = "Prints what training would see: {\"ids\", \"labels\"} for each training example, in the order of the file, packed as the configuration says." };
    struct err e;
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);

    if (!rc && !data.n)
        rc = err_set(&e, ERR_BAD_REQUEST, "--data PATH is required; --help tells more");
    if (!rc && config) {
        struct inputs in = { 0 };
        rc = print_configured(config, model, &data, p, &in, &e);
        inputs_done(&in);
    } else if (!rc) {
        rc = print_examples(model, &data, loss, max_length, p, &e);
    }
    strlist_done(&data);
    return inspect_end(argv[0], rc, &e);
}
