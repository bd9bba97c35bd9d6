#include "tune/inputs.h"

#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "template/template.h"
#include "tune/backprop.h"
#include "tune/evaluate.h"

#define TEMPLATE_BYTES_MAX (1u << 20)

static errc check_method(const struct tune_config *c, const char *method, struct err *e)
{
    if (!method)
        return ERR_OK;
    if (streq(method, "qlora"))
        return c->quant.in_4bit || c->quant.in_8bit ? ERR_OK
            : err_set(e, ERR_INVALID, "QuantizationConfig.load_in_4bit: must be true for method qlora, or load_in_8bit");
    if (streq(method, "lora"))
        return c->quant.in_4bit || c->quant.in_8bit ? err_set(e, ERR_INVALID, "QuantizationConfig.load_in_%dbit: must be false for method lora",
                                                              c->quant.in_4bit ? 4 : 8) : ERR_OK;
    return err_set(e, ERR_BAD_REQUEST, "--method: \"%s\" is neither lora nor qlora", method);
}

/* An error about a key names the file that has it, too. */
static errc in_config(errc rc, const struct tune_opts *o, struct err *e)
{
    return rc == ERR_INVALID ? err_wrap(e, "%s", o->config_path) : rc;
}

errc inputs_read_config(struct inputs *in, const struct tune_opts *o, struct err *e)
{
    *in = (struct inputs){ 0 };
    TRY(tune_config_read(o->config_path, &in->config, e));
    return in_config(check_method(&in->config, o->method, e), o, e);
}

static bool half(const char *dtype)
{
    return streq(dtype, "bfloat16") || streq(dtype, "float16") || streq(dtype, "half");
}

enum gemm_math inputs_math(const struct tune_config *c)
{
    bool low = c->quant.in_4bit ? half(c->quant.compute_dtype) : c->train.bf16;

    return low ? GEMM_BF16 : GEMM_F32;
}

/* "\n", "\t", "\"" and "\\" of an inline template, which upstream decodes as a Python string. */
static void unescape(const char *s, struct buf *out)
{
    for (; *s; s++) {
        if (*s == '\\' && s[1] && strchr("nt\\'\"", s[1])) {
            s++;
            buf_addc(out, *s == 'n' ? '\n' : *s == 't' ? '\t' : *s);
        } else {
            buf_addc(out, *s);
        }
    }
}

static errc file_template(struct inputs *in, const char *path, const char *key, struct err *e)
{
    AUTO_BUF source = { 0 };

    if (file_read(path, TEMPLATE_BYTES_MAX, &source, e))
        return err_wrap(e, "%s", key);
    return template_compile(buf_str(&source), key, &in->chat_template, e);
}

static errc load_template(struct inputs *in, struct err *e)
{
    const char *given = in->config.model.chat_template, *path = in->config.train.template_path;
    AUTO_BUF source = { 0 };

    if (str_set(path))
        return file_template(in, path, "TrainingArguments.chat_template_path", e);
    if (!str_set(given))
        return ERR_OK;
    if (!strpbrk(given, "{}\n"))
        return file_template(in, given, "ModelConfig.chat_template", e);
    unescape(given, &source);
    return template_compile(buf_str(&source), "ModelConfig.chat_template", &in->chat_template, e);
}

errc inputs_load_tokenizer(struct inputs *in, const struct tune_opts *o, struct err *e)
{
    if (file_exists(o->model_dir))
        return err_set(e, ERR_UNSUPPORTED, "--model: %s: is a file; training reads a folder with safetensors, a GGUF file can only be served", o->model_dir);
    if (!dir_exists(o->model_dir))
        return err_set(e, ERR_NOT_FOUND, "--model: %s: no such folder; give one with config.json, *.safetensors and tokenizer.json", o->model_dir);
    if (load_template(in, e))
        return err_wrap(e, "%s", o->config_path);
    if (tokenizer_load(o->model_dir, &in->tokenizer, e))
        return err_wrap(e, "--model");
    return ERR_OK;
}

errc inputs_load_model(struct inputs *in, const struct tune_opts *o, struct err *e)
{
    const struct tune_config *c = &in->config;
    struct model_opts m = { .threads = o->threads };

    if (c->model.torch_dtype)
        m.as_dtype = dtype_parse_torch(str_of(c->model.torch_dtype), &m.dtype);
    if (c->quant.in_4bit)
        m.quantize = streq(c->quant.quant_type, "fp4") ? (c->quant.double_quant ? QUANTIZE_FP4_DOUBLE : QUANTIZE_FP4)
                                                       : (c->quant.double_quant ? QUANTIZE_NF4_DOUBLE : QUANTIZE_NF4);
    TRY(model_load(o->model_dir, &m, &in->model, e));
    if (!source_safetensors(in->model->source))
        return err_set(e, ERR_UNSUPPORTED, "--model: %s: training reads safetensors; a GGUF file can only be served", o->model_dir);
    return base_config_read(o->model_dir, &in->base, e);
}

/*
 * DatasetConfig.dataset_path is below upstream's /mnt, whose data folder is what --data names: "data/x.parquet" and "/data/x.parquet" are
 * x.parquet there. A --data that is a file wins.
 */
static char *data_path(const struct tune_config *c, const char *given)
{
    struct str path = str_of(c->data.path);

    if (!path.n || !dir_exists(given))
        return xstrdup(given);
    while (path.n && path.p[0] == '/')
        path = str_from(path, 1);
    if (str_has_prefix(path, STR("data/")))
        path = str_from(path, 5);
    return xasprintf("%s/%.*s", given, STR_ARG(path));
}

static errc check_learnable(const struct inputs *in, struct err *e)
{
    for (size_t i = 0; i < examples_count(in->examples); i++) {
        struct example x = examples_get(in->examples, i);
        if (backprop_row_labels(&(struct backprop_row){ .labels = x.labels, .n = x.n }))
            return ERR_OK;
    }
    return err_set(e, ERR_INVALID, "%s: %zu rows, but no token to learn from: every label is masked or every row is one token long",
                   in->data_path, examples_count(in->examples));
}

/* Two ways of packing take the tokens beyond max_length, too. */
static bool keeps_whole(const struct tune_config *c)
{
    return (c->train.pack_train | c->train.pack_eval) > TUNE_PACK_BFD;
}

static errc shape(struct samples *s, enum tune_packing how, const struct tune_config *c, const char *scratch_dir, struct err *e)
{
    static const enum samples_packing ways[] = { [TUNE_PACK_NONE] = SAMPLES_CUT, [TUNE_PACK_BFD] = SAMPLES_BFD,
                                                 [TUNE_PACK_BFD_SPLIT] = SAMPLES_BFD_SPLIT, [TUNE_PACK_WRAPPED] = SAMPLES_WRAPPED };

    if (how == TUNE_PACK_NONE && !keeps_whole(c))
        return ERR_OK;
    return samples_pack(s, ways[how], (size_t)c->train.max_length, scratch_dir, e);
}

static errc split_rows(struct inputs *in, const char *scratch_dir, struct err *e)
{
    const struct tune_config *c = &in->config;

    samples_split(in->examples, c->data.train_share, (uint64_t)c->data.shuffle_seed, &in->train, &in->held);
    if (in->train.n == 0)
        return err_set(e, ERR_INVALID, "DatasetConfig.train_test_split: %g of %zu rows leaves none to train on; raise it to 1", c->data.train_share,
                       examples_count(in->examples));
    TRY(shape(&in->train, c->train.pack_train, c, scratch_dir, e));
    if (c->train.eval_every == TUNE_NEVER)
        samples_done(&in->held);
    TRY(shape(&in->held, c->train.pack_eval, c, scratch_dir, e));
    if (in->held.n && !evaluate_count(&in->held, (size_t)c->train.eval_batch_size, c->train.drop_last))
        return err_set(e, ERR_INVALID, "TrainingArguments.per_device_eval_batch_size: %lld is more than the %zu samples that are held out, and dataloader_drop_last is true; "
                       "lower it", (long long)c->train.eval_batch_size, in->held.n);
    return ERR_OK;
}

static void note_unread_path(struct inputs *in, const struct tune_opts *o)
{
    const char *path = in->config.data.path;

    if (str_set(path) && !dir_exists(o->data_path))
        tune_config_note(&in->config, "DatasetConfig.dataset_path: \"%.120s\": --data names a file, which is read instead", path);
}

static errc open_data(struct inputs *in, const struct tune_opts *o, struct dataset **out, struct err *e)
{
    const struct tune_config *c = &in->config;
    AUTO_MEM char *first = data_path(c, o->data_path);
    const char **paths = xcalloc(o->n_more_data + 1, sizeof *paths);

    paths[0] = first;
    for (size_t i = 0; i < o->n_more_data; i++)
        paths[i + 1] = o->more_data[i];
    errc rc = dataset_open_all(paths, o->n_more_data + 1, c->data.extension, out, e);
    free(paths);
    TRY(rc);
    in->data_path = xstrdup(dataset_path(*out));
    if (dataset_unused(*out))
        tune_config_note(&in->config, "data files beside %s that are not read: %s; name them in --data", in->data_path, dataset_unused(*out));
    return ERR_OK;
}

/* What was read, but hardly as its author meant. */
static void note_rows(struct inputs *in)
{
    struct tune_config *c = &in->config;
    const struct examples_stats *s = examples_stats(in->examples);

    if (s->renamed)
        tune_config_note(c, "%s: roles human and gpt are read as user and assistant (%zu messages)", in->data_path, s->renamed);
    if (s->strange)
        tune_config_note(c, "%s: role \"%s\" (%zu messages are of such roles) is none of system, user, assistant, tool: the chat template may leave it out",
                         in->data_path, s->strange_role, s->strange);
    if (s->unlearnt)
        tune_config_note(c, "%s: %zu of %zu rows have nothing to learn, row %zu is the first: their labels are masked, or lie beyond max_length (%lld)",
                         in->data_path, s->unlearnt, s->rows, s->unlearnt_row, (long long)c->train.max_length);
    if (s->column_absent)
        tune_config_note(c, "DatasetConfig.messages_column: \"%.120s\": the data set has no such column; its rows are read as %s", c->data.messages_column, s->form);
}

errc inputs_load_data(struct inputs *in, const struct tune_opts *o, const char *scratch_dir, struct err *e)
{
    const struct tune_config *c = &in->config;
    struct examples_opts x = {
        .loss = c->train.completion_only_loss ? EXAMPLES_LOSS_COMPLETION : EXAMPLES_LOSS_ALL,
        .assistant_only = c->train.assistant_only_loss,
        .max_length = keeps_whole(c) ? EXAMPLES_NO_LIMIT : (size_t)c->train.max_length,
        .chat_template = in->chat_template,
        .messages_column = c->data.messages_column,
        .text_column = c->train.text_field,
        .keep_end = c->train.keep_end,
        .scratch_dir = scratch_dir,
    };
    AUTO_FREE(dataset) d = NULL;

    note_unread_path(in, o);
    TRY(open_data(in, o, &d, e));
    TRY(examples_build(d, in->tokenizer, &x, &in->examples, e));
    if (examples_count(in->examples) == 0)
        return err_set(e, ERR_INVALID, "%s: the data set is empty; add rows", in->data_path);
    note_rows(in);
    TRY(check_learnable(in, e));
    return in_config(split_rows(in, scratch_dir, e), o, e);
}

static bool has_non_finite(const struct tensor *t)
{
    enum { PIECE = 4096 };
    float values[PIECE];

    for (size_t at = 0; at < t->len; at += PIECE) {
        size_t n = t->len - at < PIECE ? t->len - at : PIECE;
        if (dtype_to_f32(values, (const char *)t->data + at * dtype_size(t->dtype), t->dtype, n, NULL))
            return false;       /* not a floating-point tensor */
        for (size_t i = 0; i < n; i++)
            if (!isfinite(values[i]))
                return true;
    }
    return false;
}

const char *inputs_broken_tensor(const struct inputs *in)
{
    const struct safetensors *s = source_safetensors(in->model->source);

    for (size_t i = 0; i < safetensors_count(s); i++)
        if (has_non_finite(safetensors_at(s, i)))
            return safetensors_name(s, i);
    return NULL;
}

void inputs_done(struct inputs *in)
{
    examples_free(in->examples);
    free(in->data_path);
    samples_done(&in->train);
    samples_done(&in->held);
    template_free(in->chat_template);
    tokenizer_free(in->tokenizer);
    model_free(in->model);
    tune_config_done(&in->config);
    base_config_done(&in->base);
    *in = (struct inputs){ 0 };
}
