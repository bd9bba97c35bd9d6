/*
 * Families and options of LoraConfig beside PEFT: six AdamW steps in f32 on the rows of tests/golden/tune/expected.json (recorded by
 * tests/peers/tune_agrees.py, which says how numbers are made). Losses within 1e-4, gradients and trained values within 1e-3 of their norm:
 * lengths and projections on random directions stand for whole tensors. Before the last step the adapter goes through the server's engine.
 */
#include "helpers.h"

#include <math.h>

#include "base/hash.h"
#include "engine/engine.h"
#include "engine/source.h"
#include "tune/optimiser.h"
#include "tune/backprop.h"
#include "tune/merge.h"
#include "tune/neftune.h"
#include "tune/peft.h"
#include "tune/random.h"

#define RATE 5e-3
#define PROJECTIONS 4

struct rig {
    const char *name;
    struct model *model;
    struct tune_config config;
    struct lora_set set;
    struct lora_tensor *tensors;
    size_t n_tensors;
    struct backprop *pass;
    struct optimiser adam;
};

/* The i-th of the numbers in [-1, 1) that belong to a name. */
static float number_of(const char *name, uint64_t salt, uint64_t i)
{
    uint64_t stream = (((uint64_t)fnv1a_32(name, strlen(name)) << 8) + salt) * 0x10001u;

    return 2 * random_unit(random_mix(stream + i)) - 1;
}

static void fill(struct rig *r)
{
    for (size_t k = 0; k < r->n_tensors; k++) {
        const struct lora_tensor *t = &r->tensors[k];
        bool a = strstr(t->name, ".lora_A.") || strstr(t->name, ".lora_embedding_A"), b = strstr(t->name, ".lora_B.") || strstr(t->name, ".lora_embedding_B");
        float bound = a ? 0.2F : b ? 0.1F : 0;
        for (size_t i = 0; bound > 0 && i < lora_tensor_len(t); i++)
            r->set.w[t->at + i] = number_of(t->name, 0, i) * bound;
    }
}

static void start_adam(struct rig *r, bool in_8_bits)
{
    struct optimiser_span spans[256];

    assert_true(r->n_tensors <= ARRAY_LEN(spans));
    for (size_t i = 0; i < r->n_tensors; i++)
        spans[i] = (struct optimiser_span){ r->tensors[i].at, lora_tensor_len(&r->tensors[i]), r->tensors[i].cols };
    if (in_8_bits || r->adam.rule == TUNE_ADAFACTOR)
        OK(optimiser_init_spans(&r->adam, spans, r->n_tensors, in_8_bits, E));
    else
        OK(optimiser_init(&r->adam, r->set.total, E));
    assert_int_equal(in_8_bits, r->adam.n_coded > 0);
}

/* --- a row -------------------------------------------------------------------------------------------------------------------- */

static enum quantize quantize_of(const json_t *row)
{
    const char *fp4 = json_cstr(row, "fp4");

    return !fp4 ? QUANTIZE_NONE : streq(fp4, "double") ? QUANTIZE_FP4_DOUBLE : QUANTIZE_FP4;
}

static void open_rig(struct rig *r, const json_t *row, enum tune_memory memory)
{
    AUTO_MEM char *path = xasprintf("../%s", json_cstr(row, "model")), *dir = golden(path);
    AUTO_MEM char *lora = json_text(json_object_get(row, "lora"));
    const char *optim = json_cstr(row, "optim"), *optim_args = json_cstr(row, "optim_args");
    AUTO_MEM char *yaml = xasprintf("training_config:\n  LoraConfig: %s\n  TrainingArguments: {optim: %s, optim_args: \"%s\"}\n", lora, optim ? optim : "adamw_torch",
                                    optim_args ? optim_args : "");

    *r = (struct rig){ .name = json_cstr(row, "name") };
    OK(model_load(dir, &(struct model_opts){ .threads = 1, .quantize = quantize_of(row), .as_dtype = true, .dtype = DTYPE_F32 }, &r->model, E));
    OK(tune_config_parse(str_of(yaml), "test", &r->config, E));
    OK(lora_set_init(&r->set, r->model, &r->config, NULL, E));
    lora_set_fill(&r->set, 1, true);
    r->tensors = lora_tensors(&r->set, &r->n_tensors);
    fill(r);
    OK(backprop_new(r->model, &r->set, &(struct backprop_opts){ .threads = 2, .memory = memory, .checkpointing_allowed = true, .longest_row = 40,
                                                              .int8 = json_flag(row, "int8", false), .balance = (float)json_num(row, "balance", 0),
                                                              .smoothing = (float)json_num(row, "smoothing", 0) }, &r->pass, E));
    r->adam = (struct optimiser){ .rule = r->config.train.rule, .args = r->config.train.optimiser_args, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01 };
    start_adam(r, json_flag(row, "states8", false));
}

static void close_rig(struct rig *r)
{
    optimiser_done(&r->adam);
    backprop_free(r->pass);
    lora_tensors_free(r->tensors, r->n_tensors);
    lora_set_done(&r->set);
    tune_config_done(&r->config);
    model_free(r->model);
}

static double projection(const char *name, uint64_t salt, const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)number_of(name, salt, i);
    return sum;
}

/*
 * A key's bias that is not rotated moves all scores of a query alike: its gradient is rounding noise, which AdamW makes steps of.
 */
static double tolerance_of(const char *name)
{
    return strstr(name, ".k_proj.") && strstr(name, ".bias") ? 1e-2 : 1e-3;
}

/* A random direction in [-1, 1)^n sees sqrt(1/3) of a difference's length on average. */
static void compare_tensor(const struct rig *r, const struct lora_tensor *t, const float *x, const json_t *want, const char *what, double whole)
{
    double length = json_number_value(json_array_get(want, 0)), got = gradient_norm(x, lora_tensor_len(t));
    double within = tolerance_of(t->name) * length + 1e-5 * whole;

    if (json_array_size(want) != 1 + PROJECTIONS)
        fail_msg("%s: %s of %s is not recorded", r->name, what, t->name);
    if (!(fabs(got - length) <= within))
        fail_msg("%s: %s of %s has length %.9g instead of %.9g", r->name, what, t->name, got, length);
    for (size_t k = 0; k < PROJECTIONS; k++) {
        double p = projection(t->name, 1 + k, x, lora_tensor_len(t)), q = json_number_value(json_array_get(want, 1 + k));
        if (!(fabs(p - q) <= within))
            fail_msg("%s: %s of %s projects to %.9g instead of %.9g (length %.3g)", r->name, what, t->name, p, q, length);
    }
}

static void compare(const struct rig *r, const float *values, const json_t *want, const char *what, double whole)
{
    assert_int_equal(json_object_size(want), r->n_tensors);
    for (size_t i = 0; i < r->n_tensors; i++)
        compare_tensor(r, &r->tensors[i], values + r->tensors[i].at, json_object_get(want, r->tensors[i].name), what, whole);
}

/* Two rows of tokens with some labels masked. */
static size_t make_rows(size_t step, size_t vocab, int32_t ids[2][64], int32_t labels[2][64], struct backprop_row rows[2])
{
    size_t count = 0;

    for (size_t r = 0; r < 2; r++) {
        size_t n = r ? 13 : 21 + step;
        for (size_t i = 0; i < n; i++) {
            ids[r][i] = (int32_t)((i * 37 + i * i * 11 + step * 17 + r * 5) % vocab);
            labels[r][i] = i % 7 == 2 + r ? -100 : ids[r][i];
        }
        rows[r] = (struct backprop_row){ .ids = ids[r], .labels = labels[r], .n = n, .rope_length = n };
        count += backprop_row_labels(&rows[r]);
    }
    return count;
}

static void close_as(const struct rig *r, size_t step, const json_t *want, const char *key, const char *what, double got, double tolerance)
{
    double w = json_num(want, key, NAN);

    if (!(fabs(got - w) <= tolerance * fabs(w)))
        fail_msg("%s, step %zu: %s %.9g instead of %.9g", r->name, step, what, got, w);
}

static void close_to(const struct rig *r, size_t step, const json_t *want, const char *key, double got, double tolerance)
{
    close_as(r, step, want, key, key, got, tolerance);
}

static void run_step(struct rig *r, size_t step, size_t steps, const json_t *row)
{
    const json_t *want = json_array_get(json_object_get(row, "steps"), step);
    int32_t ids[2][64], labels[2][64];
    struct backprop_row rows[2];
    size_t count = make_rows(step, r->model->config.vocab, ids, labels, rows);
    double loss;

    memset(r->set.g, 0, r->set.total * sizeof(float));
    OK(backprop_run(r->pass, rows, 2, step, 0, 1 / (float)count, true, &loss, E));
    double norm = gradient_norm(r->set.g, r->set.total);
    close_to(r, step, want, "loss", loss / (double)count + backprop_balance(r->pass), 1e-4);
    close_to(r, step, want, "grad_norm", norm, 1e-3);
    if (step == 0)
        compare(r, r->set.g, json_object_get(row, "gradients"), "gradient", norm);
    gradient_clip(r->set.g, r->set.total, norm, 1);
    optimiser_update(backprop_compute(r->pass), &r->adam, r->set.w, r->set.g, r->set.decayed, RATE * (1 - (double)step / (double)steps));
}

/* --- the same adapter in the server's engine ------------------------------------------------------------------------------------- */

struct served { struct engine *engine; const struct adapter *adapter; size_t vocab; float *logits; };

static void keep_logits(void *arg, struct sequence *s, size_t position, float *logits)
{
    struct served *v = arg;

    (void)s;
    (void)position;
    assert_non_null(logits);
    memcpy(v->logits, logits, v->vocab * sizeof *logits);
    v->logits += v->vocab;
}

/* Rows of the adapter and of the plain model in one step: the same bits as alone. */
static void check_company(const struct served *v, const struct backprop_row *row, const float *alone)
{
    const struct adapter *adapters[] = { v->adapter, NULL, v->adapter };
    struct sequence *s[3];
    struct engine_work work[3];
    AUTO_MEM float *together = xcalloc(3 * row->n * v->vocab, sizeof *together);
    struct served to = *v;

    for (size_t i = 0; i < 3; i++) {
        s[i] = sequence_new(v->engine, adapters[i]);
        OK(sequence_add(s[i], row->ids, row->n, E));
        work[i] = (struct engine_work){ s[i], row->n, true };
    }
    to.logits = together;
    engine_step(v->engine, work, 3, keep_logits, &to);
    assert_memory_equal(together, alone, row->n * v->vocab * sizeof *together);
    assert_memory_equal(together + 2 * row->n * v->vocab, alone, row->n * v->vocab * sizeof *together);
    assert_true(memcmp(together + row->n * v->vocab, alone, row->n * v->vocab * sizeof *together) != 0);
    for (size_t i = 0; i < 3; i++)
        sequence_free(s[i]);
}

static double loss_of(const float *logits, size_t vocab, int32_t label)
{
    double largest = logits[0], sum = 0;

    for (size_t i = 1; i < vocab; i++)
        largest = fmax(largest, (double)logits[i]);
    for (size_t i = 0; i < vocab; i++)
        sum += exp((double)logits[i] - largest);
    return largest + log(sum) - (double)logits[label];
}

static double served_loss(const struct served *v, const struct backprop_row *row)
{
    AUTO_MEM float *logits = xcalloc(row->n * v->vocab, sizeof *logits);
    double sum = 0;

    OK(engine_score(v->engine, v->adapter, row->ids, row->n, logits, E));
    if (v->adapter)
        check_company(v, row, logits);
    for (size_t t = 1; t < row->n; t++)
        sum += row->labels[t] < 0 ? 0 : loss_of(logits + (t - 1) * v->vocab, v->vocab, row->labels[t]);
    return sum;
}

/* What the steps so far made of the adapter, written as PEFT writes it and served: its loss is what PEFT recorded of the next step. */
static void check_served(const struct rig *r, const json_t *row, size_t step)
{
    AUTO_MEM char *path = xasprintf("../%s", json_cstr(row, "model")), *model = golden(path);
    char *dir = temp_dir();
    int32_t ids[2][64], labels[2][64];
    struct backprop_row rows[2];
    struct served v = { .vocab = r->model->config.vocab };
    size_t count = make_rows(step, v.vocab, ids, labels, rows);

    OK(peft_write(dir, &r->set, &r->config, E));
    OK(engine_open(model, &(struct engine_opts){ .threads = 2, .max_kv_tokens = 512 }, &v.engine, E));
    OK(adapters_load(engine_adapters(v.engine), dir, "x", 1, false, &v.adapter, E));
    double loss = served_loss(&v, &rows[0]) + served_loss(&v, &rows[1]);
    close_as(r, step, json_array_get(json_object_get(row, "steps"), step), "loss", "loss of the served adapter", loss / (double)count, 1e-4);
    engine_free(v.engine);
    rm_dir(dir);
}

/* --- the same merged ------------------------------------------------------------------------------------------------------------- */

static void write_shard(const char *dir, const char *name, const struct safetensors *from, size_t first, size_t end, float scale, json_t *map)
{
    AUTO_MEM char *path = path_join(dir, name);
    AUTO_MEM struct safetensors_item *items = xcalloc(end - first + 1, sizeof *items);

    for (size_t i = first; i < end; i++) {
        const struct tensor *t = safetensors_at(from, i);
        float *values = xcalloc(t->len, sizeof *values);
        OK(dtype_to_f32(values, t->data, t->dtype, t->len, E));
        for (size_t k = 0; k < t->len; k++)
            values[k] *= scale;
        items[i - first] = (struct safetensors_item){ safetensors_name(from, i), *t };
        items[i - first].tensor.dtype = DTYPE_F32;
        items[i - first].tensor.data = values;
        json_put_str(map, safetensors_name(from, i), name);
    }
    OK(safetensors_write(path, items, end - first, E));
    for (size_t i = first; i < end; i++)
        free((void *)(uintptr_t)items[i - first].tensor.data);
}

/* The model in f32 and in two files, all of it times scale. */
static void write_f32_model(const char *model, const char *dir, float scale)
{
    AUTO_MEM char *from = path_join(model, "config.json");
    const struct safetensors *s;
    AUTO_JSON index = json_pack("{s:{}, s:{}}", "metadata", "weight_map");
    AUTO_BUF text = { 0 }, index_text = { 0 };
    struct model *m;

    OK(model_load(model, &(struct model_opts){ .threads = 1 }, &m, E));
    s = source_safetensors(m->source);
    size_t n = safetensors_count(s);
    OK(file_read(from, 1 << 20, &text, E));
    write_text(dir, "config.json", buf_cstr(&text));
    write_shard(dir, "model-00001-of-00002.safetensors", s, 0, n / 2, scale, json_object_get(index, "weight_map"));
    write_shard(dir, "model-00002-of-00002.safetensors", s, n / 2, n, scale, json_object_get(index, "weight_map"));
    json_write(index, &index_text);
    write_text(dir, "model.safetensors.index.json", buf_cstr(&index_text));
    model_free(m);
}

/* Merged into a model in f32 and two files, the plain model loses what PEFT recorded of the next step. */
static void check_merged(const struct rig *r, const json_t *row, size_t step)
{
    AUTO_MEM char *path = xasprintf("../%s", json_cstr(row, "model")), *model = golden(path);
    char *base = temp_dir(), *merged = temp_dir();
    int32_t ids[2][64], labels[2][64];
    struct backprop_row rows[2];
    struct served v = { .vocab = r->model->config.vocab };
    size_t count = make_rows(step, v.vocab, ids, labels, rows);

    write_f32_model(model, base, 1);
    OK(merge_write(base, merged, &r->set, E));
    OK(engine_open(merged, &(struct engine_opts){ .threads = 2, .max_kv_tokens = 512 }, &v.engine, E));
    double loss = served_loss(&v, &rows[0]) + served_loss(&v, &rows[1]);
    close_as(r, step, json_array_get(json_object_get(row, "steps"), step), "loss", "loss of the merged model", loss / (double)count, 1e-4);
    engine_free(v.engine);
    rm_dir(base);
    rm_dir(merged);
}

static void check_row(const json_t *row, enum tune_memory memory)
{
    size_t steps = json_array_size(json_object_get(row, "steps"));
    bool plain = !json_flag(row, "int8", false) && !json_cstr(row, "fp4") && json_num(row, "smoothing", 0) == 0 && json_num(row, "balance", 0) == 0;
    struct rig r;

    open_rig(&r, row, memory);
    for (size_t step = 0; step < steps; step++) {
        if (plain && step + 1 == steps) {
            struct err e;
            check_served(&r, row, step);
            if (merge_supports(&r.set, r.model, &e) == ERR_OK)
                check_merged(&r, row, step);
            else
                assert_non_null(strstr(e.text, "trained apart"));
        }
        run_step(&r, step, steps, row);
    }
    compare(&r, r.set.w, json_object_get(row, "trained"), "trained value", 0);
    close_rig(&r);
}

/* torch_dtype: what is quantised are the weights in that type, and what comes out is rounded to it. */
static void weights_are_quantised_in_the_type_asked_for(void **state)
{
    (void)state;
    AUTO_MEM char *bf16 = golden("models/llama3");
    char *in_f32 = temp_dir();
    const enum dtype types[] = { DTYPE_F32, DTYPE_BF16, DTYPE_F16 };
    struct model *from;

    write_f32_model(bf16, in_f32, 1 + 1e-3F);       /* so that bf16 does not hold the numbers */
    OK(model_load(in_f32, &(struct model_opts){ .threads = 1 }, &from, E));
    const struct weight *w = &from->linears[0].w;
    size_t n = w->out * w->in;
    AUTO_MEM float *want = xcalloc(n, sizeof *want), *got = xcalloc(n, sizeof *got), *as_f32 = xcalloc(n, sizeof *as_f32);
    AUTO_MEM void *converted = xcalloc(n, sizeof(float));
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct tensor t = { .dtype = types[i], .ndim = 2, .shape = { w->out, w->in }, .len = n, .data = converted };
        struct nf4 q;
        struct model *m;
        weight_rows_f32(w, got, 0, w->out);
        OK(dtype_from_f32(converted, types[i], got, n, E));
        OK(nf4_from_tensor(&t, nf4_code, true, 1, &q, E));
        nf4_dequantize(&q, want, 0, n);
        nf4_done(&q);
        OK(model_load(in_f32, &(struct model_opts){ .threads = 2, .quantize = QUANTIZE_NF4_DOUBLE, .as_dtype = true, .dtype = types[i] }, &m, E));
        weight_rows_f32(&m->linears[0].w, got, 0, w->out);
        assert_memory_equal(got, want, n * sizeof *got);
        if (i == 0)
            memcpy(as_f32, got, n * sizeof *got);
        else
            assert_true(memcmp(as_f32, got, n * sizeof *got) != 0);
        model_free(m);
    }
    model_free(from);
    rm_dir(in_f32);
}

static void every_row(void **state)
{
    (void)state;
    AUTO_JSON j = golden_json("../tune/expected.json");
    const json_t *rows = json_object_get(j, "rows");

    assert_true(json_array_size(rows) >= 25);
    for (size_t i = 0; i < json_array_size(rows); i++)
        check_row(json_array_get(rows, i), i % 2 ? TUNE_MEMORY_LOW : TUNE_MEMORY_FAST);
}

/* --- what the rows stand on --------------------------------------------------------------------------------------------------- */

static void check_codes(const json_t *want, const float map[256], bool is_signed)
{
    const json_t *entries = json_object_get(want, "map"), *codes = json_object_get(want, "codes"), *scales = json_object_get(want, "scales");
    size_t n = json_array_size(codes);
    float x[600];
    uint8_t got[ADAMW8_BLOCK];

    assert_int_equal(n, ARRAY_LEN(x));
    for (size_t i = 0; i < 256; i++)
        if (map[i] != (float)json_number_value(json_array_get(entries, i)))
            fail_msg("map [%zu] is %.9g instead of %.9g", i, (double)map[i], json_number_value(json_array_get(entries, i)));
    for (size_t i = 0; i < n; i++) {
        float u = number_of("codes8", 0, i);
        x[i] = is_signed ? u * u * u : fabsf(u * u * u);
    }
    for (size_t at = 0; at < n; at += ADAMW8_BLOCK) {
        size_t part = n - at < ADAMW8_BLOCK ? n - at : ADAMW8_BLOCK;
        float scale;
        adamw8_quantise(map, x + at, part, got, &scale);
        assert_true(fabs((double)scale - json_number_value(json_array_get(scales, at / ADAMW8_BLOCK))) < 1e-6);
        for (size_t i = 0; i < part; i++)
            if (got[i] != json_integer_value(json_array_get(codes, at + i)))
                fail_msg("code of %.9g is %d instead of %lld", (double)x[at + i], got[i], (long long)json_integer_value(json_array_get(codes, at + i)));
    }
}

static void codes_of_8_bits_are_those_of_bitsandbytes(void **state)
{
    (void)state;
    AUTO_JSON j = golden_json("../tune/expected.json");
    const json_t *want = json_object_get(j, "codes8");
    struct adamw8 maps;

    adamw8_init(&maps);
    check_codes(json_object_get(want, "signed"), maps.signed_map, true);
    check_codes(json_object_get(want, "unsigned"), maps.unsigned_map, false);
}

/* Uniform in +-alpha / sqrt(tokens * width): bounds, mean 0, variance bound^2 / 3; another step, token or seed has other noise. */
static void neftune_is_uniform(void **state)
{
    (void)state;
    enum { ROWS = 60, WIDTH = 200, N = ROWS * WIDTH };
    static float x[N], y[N];
    double sum = 0, squares = 0, together = 0, bound = 5 / sqrt(80.0 * WIDTH);

    neftune_add(x, ROWS, WIDTH, 80, 5, 1, 3, 0);
    neftune_add(y, ROWS, WIDTH, 80, 5, 1, 4, 0);
    for (size_t i = 0; i < N; i++) {
        assert_true(fabs((double)x[i]) <= bound * 1.000001);
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
        together += (double)x[i] * (double)y[i];
    }
    assert_true(fabs(sum / N) < 4 * bound / sqrt(3.0 * N));
    assert_true(fabs(squares / N / (bound * bound / 3) - 1) < 0.04);
    assert_true(fabs(together / N / (bound * bound / 3)) < 4 / sqrt((double)N));
    memset(y, 0, sizeof y);
    neftune_add(y, ROWS - 10, WIDTH, 80, 5, 1, 3, 10);      /* the last 50 tokens of the same step */
    assert_memory_equal(x + 10 * WIDTH, y, (N - 10 * WIDTH) * sizeof *x);
}

/* A base's dropout scales what stays by 1 / (1 - rate): means over many masks are near the loss without one, each is another; evaluation has none. */
static void check_drops(const char *model, struct dropouts base)
{
    enum { MASKS = 200 };
    AUTO_JSON row = json_pack("{s:s, s:s, s:{s:i, s:s}}", "name", "dropout", "model", model, "lora", "r", 4, "target_modules", "all-linear");
    double plain, loss, sum = 0, squares = 0, evaluated;
    int32_t ids[2][64], labels[2][64];
    struct backprop_row rows[2];
    struct rig r;

    open_rig(&r, row, TUNE_MEMORY_FAST);
    (void)make_rows(0, r.model->config.vocab, ids, labels, rows);
    OK(backprop_run(r.pass, rows, 2, 0, 0, 1, false, &plain, E));
    backprop_free(r.pass);
    OK(backprop_new(r.model, &r.set, &(struct backprop_opts){ .threads = 1, .longest_row = 40, .seed = 1, .base = base }, &r.pass, E));
    for (uint64_t step = 0; step < MASKS; step++) {
        OK(backprop_run(r.pass, rows, 2, step, 0, 1, false, &loss, E));
        sum += loss;
        squares += (loss - plain) * (loss - plain);
    }
    assert_true(squares / MASKS > 1e-4 * plain);
    assert_true(fabs(sum / MASKS - plain) < 0.02 * plain);
    backprop_evaluate(r.pass, true);
    OK(backprop_run(r.pass, rows, 2, 3, 0, 1, false, &evaluated, E));
    assert_true(evaluated == plain);
    close_rig(&r);
}

static void the_base_drops_in_training(void **state)
{
    (void)state;
    check_drops("hf/models/phi2", (struct dropouts){ .attn_block = 0.05F, .mlp_block = 0.05F });
    check_drops("hf/models/phi2", (struct dropouts){ .embed = 0.05F });
    check_drops("hf/models/phi2", (struct dropouts){ .probabilities = 0.05F });
    check_drops("hf/models/mixtral", (struct dropouts){ .jitter = 0.05F });
    check_drops("hf/models/falcon7b", (struct dropouts){ .attn_block = 0.05F, .mlp_block = 0.05F, .one_mask = true });
}

/* Noise is for training: a loss that is only looked at has none. */
static void noise_is_for_training(void **state)
{
    (void)state;
    AUTO_JSON row = json_pack("{s:s, s:s, s:{s:i, s:s}}", "name", "noise", "model", "hf/models/qwen2", "lora", "r", 4, "target_modules", "q_proj");
    double loss[2][2];
    struct rig r;

    for (int noisy = 0; noisy < 2; noisy++) {
        int32_t ids[2][64], labels[2][64];
        struct backprop_row rows[2];
        open_rig(&r, row, TUNE_MEMORY_FAST);
        backprop_free(r.pass);
        OK(backprop_new(r.model, &r.set, &(struct backprop_opts){ .threads = 1, .longest_row = 40, .neftune = noisy ? 5 : 0, .seed = 1 }, &r.pass, E));
        (void)make_rows(0, r.model->config.vocab, ids, labels, rows);
        for (int training = 0; training < 2; training++)
            OK(backprop_run(r.pass, rows, 2, 0, 0, 1, training, &loss[noisy][training], E));
        close_rig(&r);
    }
    assert_true(loss[0][0] == loss[0][1] && loss[1][0] == loss[0][0]);
    assert_true(fabs(loss[1][1] - loss[0][1]) > 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(codes_of_8_bits_are_those_of_bitsandbytes), cmocka_unit_test(neftune_is_uniform),
                                        cmocka_unit_test(noise_is_for_training), cmocka_unit_test(the_base_drops_in_training), cmocka_unit_test(weights_are_quantised_in_the_type_asked_for),
                                        cmocka_unit_test(every_row) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
