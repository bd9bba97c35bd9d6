/* {"ids", "max_new_tokens": 0} -> {"last_logits", "nll", "greedy"}: nll is the mean over the prompt's next tokens. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/options.h"
#include "cli/inspect.h"
#include "engine/engine.h"

#define IDS_MAX (1u << 20)

struct inspection {
    struct engine *engine;
    const struct adapter *adapter;
};

static errc read_ids(const json_t *in, int32_t **out, size_t *out_n, struct err *e)
{
    const json_t *list = json_object_get(in, "ids");
    size_t n = json_array_size(list);

    if (n == 0 || n > IDS_MAX)
        return err_set(e, ERR_BAD_REQUEST, "ids: must be a list of 1 to %u token ids", IDS_MAX);
    *out = xcalloc(n, sizeof **out);
    for (size_t i = 0; i < n; i++) {
        json_int_t id = json_integer_value(json_array_get(list, i));

        if (!json_is_integer(json_array_get(list, i)) || id < 0 || id > INT32_MAX)
            return err_set(e, ERR_BAD_REQUEST, "ids[%zu]: must be a token id", i);
        (*out)[i] = (int32_t)id;
    }
    *out_n = n;
    return ERR_OK;
}

static bool collect(void *arg, int32_t id)
{
    json_push(arg, json_integer(id));
    return true;
}

static errc add_greedy(const struct inspection *x, const int32_t *ids, size_t n, int64_t max_new, json_t *out, struct err *e)
{
    json_t *list = json_array();
    int32_t never = -1;         /* the recorded texts run on past the end token */
    struct generate_params p = { .sample = SAMPLE_DEFAULTS, .max_new_tokens = (size_t)max_new, .stop_ids = &never, .n_stop_ids = 1 };

    json_put(out, "greedy", list);
    return max_new > 0 ? engine_generate(x->engine, x->adapter, ids, n, &p, collect, list, e) : ERR_OK;
}

static errc score(void *self, const json_t *in, json_t **out, struct err *e)
{
    const struct inspection *x = self;
    AUTO_MEM int32_t *ids = NULL;
    int64_t max_new = json_int(in, "max_new_tokens", 0);
    size_t n = 0, vocab = engine_model(x->engine)->config.vocab, count;

    TRY(read_ids(in, &ids, &n, e));
    if (max_new < 0 || max_new > IDS_MAX)
        return err_set(e, ERR_BAD_REQUEST, "max_new_tokens: must be from 0 to %u", IDS_MAX);
    AUTO_MEM float *logits = mem_try_alloc(n * vocab, sizeof *logits);
    if (!logits)
        return err_set(e, ERR_TOO_LARGE, "no memory for logits of %zu tokens", n);
    TRY(engine_score(x->engine, x->adapter, ids, n, logits, e));

    json_t *last = json_array();
    *out = json_object();
    for (size_t i = 0; i < vocab; i++)
        json_push(last, json_float((double)logits[(n - 1) * vocab + i]));
    json_put(*out, "last_logits", last);
    double sum = cross_entropy_forward(engine_compute(x->engine), logits, vocab, ids + 1, n - 1, vocab, &count, NULL);
    json_put(*out, "nll", count ? json_float(sum / (double)count) : json_null());
    return add_greedy(x, ids, n, max_new, *out, e);
}

static errc open_model(const char *dir, const char *dtype, const char *adapter, int64_t threads, struct engine **out,
                       const struct adapter **out_adapter, struct err *e)
{
    struct engine_opts o = { .threads = (int)threads };

    if (!streq(dtype, "f32") && !streq(dtype, "bf16"))
        return err_set(e, ERR_BAD_REQUEST, "--dtype: %s is neither f32 nor bf16", dtype);
    o.math = streq(dtype, "bf16") ? GEMM_BF16 : GEMM_F32;
    TRY(engine_open(dir, &o, out, e));
    return str_set(adapter) ? adapters_load(engine_adapters(*out), adapter, NULL, 1, false, out_adapter, e) : ERR_OK;
}

int inspect_logits(int argc, char **argv)
{
    const char *model = NULL, *dtype = "f32", *adapter = NULL;
    int64_t threads = 0;
    const struct option_row rows[] = {
        { .name = "model", .kind = OPT_STR, .value = &model, .arg = "DIR", .help = "The model folder.", .required = true },
        { .name = "dtype", .kind = OPT_STR, .value = &dtype, .arg = "f32|bf16", .help = "What products are computed in." },
        { .name = "adapter", .kind = OPT_STR, .value = &adapter, .arg = "DIR", .help = "A LoRA adapter in PEFT's format." },
        { .name = "threads", .kind = OPT_INT, .value = &threads, .arg = "N", .help = "0: one per CPU." },
    };
    const struct command_help help = {
        .usage = "kaito-runtime inspect logits --model DIR [options]",
        .summary = "Reads {\"ids\": [...], \"max_new_tokens\": 0} lines; writes {\"last_logits\", \"nll\", \"greedy\"} lines.",
    };
    AUTO_FREE(engine) engine = NULL;
    struct inspection x = { 0 };
    struct err e = { 0 };
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);

    if (rc == OPTIONS_HELP)
        return 0;
    if (rc || open_model(model, dtype, adapter, threads, &engine, &x.adapter, &e))
        return command_fail("inspect logits", &e);
    x.engine = engine;
    return inspect_lines(score, &x, &e) ? command_fail("inspect logits", &e) : 0;
}
