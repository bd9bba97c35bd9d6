/* Packing puts rows together as trl.pack_dataset did (tests/golden/packing), keeps their labels, and costs the loss nothing. */
#include "helpers.h"

#include <math.h>

#include "tokenizer/tokenizer.h"
#include "tune/samples.h"
#include "tune/tune.h"

#define IDS_MAX 8000

/* A vocabulary that is large enough to number every token of a case. */
static struct tokenizer *numbers(void)
{
    struct tokenizer *t = NULL;
    AUTO_BUF json = { 0 };

    buf_adds(&json, "{\"added_tokens\":[],\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{");
    for (int i = 0; i < IDS_MAX; i++)
        buf_addf(&json, "%s\"t%d\":%d", i ? "," : "", i, i);
    buf_adds(&json, "}}}");
    OK(tokenizer_parse(buf_str(&json), "numbers", &t, E));
    return t;
}

static struct examples *numbered_rows(const struct tokenizer *t, const json_t *lengths, size_t max_length)
{
    char *dir = temp_dir();
    AUTO_MEM char *path = path_join(dir, "rows.jsonl");
    AUTO_FREE(dataset) d = NULL;
    AUTO_BUF text = { 0 };
    struct examples *x = NULL;
    int at = 0;

    for (size_t i = 0; i < json_array_size(lengths); i++) {
        buf_adds(&text, "{\"input_ids\":[");
        for (int k = 0; k < json_integer_value(json_array_get(lengths, i)); k++, at++)
            buf_addf(&text, "%s%d", k ? "," : "", at);
        buf_adds(&text, "]}\n");
    }
    assert_true(at < IDS_MAX);
    write_text(dir, "rows.jsonl", buf_cstr(&text));
    OK(dataset_open(path, NULL, &d, E));
    OK(examples_build(d, t, &(struct examples_opts){ .max_length = max_length, .loss = EXAMPLES_LOSS_ALL_KEEP_EOS }, &x, E));
    rm_dir(dir);
    return x;
}

/* The tokens of sample i as ranges; labels must say the same. */
static json_t *ranges_of(const struct samples *s, size_t i)
{
    json_t *out = json_array();

    for (uint32_t k = samples_first(s, i); k < samples_first(s, i + 1); k++) {
        struct example x = samples_example(s, k);
        assert_memory_equal(x.ids, x.labels, x.n * sizeof *x.ids);
        for (size_t j = 0; j < x.n; j++) {
            json_t *last = json_array_get(out, json_array_size(out) - 1);
            if (json_array_size(out) && json_integer_value(json_array_get(last, 1)) == x.ids[j])
                json_array_set_new(last, 1, json_integer(x.ids[j] + 1));
            else
                json_array_append_new(out, json_pack("[i, i]", x.ids[j], x.ids[j] + 1));
        }
    }
    return out;
}

static json_t *lengths_of(const struct samples *s, size_t i)
{
    json_t *out = json_array();

    for (uint32_t k = samples_first(s, i); k < samples_first(s, i + 1); k++)
        json_array_append_new(out, json_integer((json_int_t)samples_example(s, k).n));
    return out;
}

static void check_case(const json_t *c, const struct tokenizer *t)
{
    static const struct { const char *name; enum samples_packing how; } ways[] = {
        { "bfd", SAMPLES_BFD }, { "bfd_split", SAMPLES_BFD_SPLIT }, { "wrapped", SAMPLES_WRAPPED },
    };
    size_t length = (size_t)json_int(c, "length", 0), way = 0;
    const json_t *want = json_object_get(c, "samples"), *lengths = json_object_get(c, "seq_lengths");
    struct samples s, held;

    while (!streq(ways[way].name, json_cstr(c, "strategy")))
        way++;
    AUTO_FREE(examples) x = numbered_rows(t, json_object_get(c, "lengths"), way ? EXAMPLES_NO_LIMIT : length);
    samples_split(x, 1, 42, &s, &held);
    assert_int_equal(held.n, 0);
    OK(samples_pack(&s, ways[way].how, length, NULL, E));
    assert_int_equal(s.n, json_array_size(want));
    size_t most = 0;
    for (size_t i = 0; i < s.n; i++) {
        AUTO_JSON got = ranges_of(&s, i);
        AUTO_JSON parts = lengths_of(&s, i);
        if (!json_equal(got, json_array_get(want, i)) || (lengths && !json_equal(parts, json_array_get(lengths, i)))) {
            AUTO_MEM char *a = json_text(got), *b = json_text(json_array_get(want, i));
            fail_msg("%s %zu: sample %zu is %s instead of %s", ways[way].name, length, i, a, b);
        }
        most = json_array_size(parts) > most ? json_array_size(parts) : most;
    }
    assert_int_equal(s.most, most);
    assert_true(s.longest <= length);
    samples_done(&s);
    samples_done(&held);
}

static void packed_as_trl_packs(void **state)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/packing/expected.json", getenv("KAITO_SOURCE"));
    AUTO_FREE(tokenizer) t = numbers();
    AUTO_JSON cases = NULL;

    (void)state;
    OK(json_parse_file(path, 1 << 20, &cases, E));
    assert_int_equal(json_array_size(cases), 15);
    for (size_t i = 0; i < 15; i++)
        check_case(json_array_get(cases, i), t);
}

/* ---- whole runs ---- */

#define CONFIG(more) "training_config:\n  DatasetConfig: {train_test_split: 1, shuffle_dataset: false}\n  TrainingArguments: {bf16: false, " \
    "max_steps: 2, learning_rate: 1.0e-3, logging_steps: 1, save_strategy: \"no\", " more "}\n"

static double run_mean_loss(const char *config, uint64_t *out_tokens)
{
    AUTO_MEM char *model = golden("models/phi3");
    char *dir = temp_dir();
    AUTO_MEM char *rows = path_join(dir, "rows.jsonl"), *yaml = path_join(dir, "config.yaml"), *out = path_join(dir, "out");
    struct tune_result result;
    AUTO_BUF text = { 0 };

    for (unsigned i = 0; i < 12; i++) {
        buf_adds(&text, "{\"input_ids\": [");
        for (unsigned k = 0; k < 3 + i % 5; k++)
            buf_addf(&text, "%s%u", k ? ", " : "", (i * 37 + k * 11) % 600);
        buf_adds(&text, "]}\n");
    }
    write_text(dir, "rows.jsonl", buf_cstr(&text));
    write_text(dir, "config.yaml", config);
    OK(tune_run(&(struct tune_opts){ .model_dir = model, .config_path = yaml, .data_path = rows, .output_dir = out, .threads = 1 }, &result, E));
    rm_dir(dir);
    *out_tokens = result.tokens;
    return result.mean_loss;
}

/* 12 rows, 59 tokens, in two samples are the batch of all twelve: best fit only changes the order in which they are summed. */
static void packed_rows_do_not_see_each_other(void **state)
{
    uint64_t plain, packed, wrapped;
    double a = run_mean_loss(CONFIG("per_device_train_batch_size: 12"), &plain);
    double b = run_mean_loss(CONFIG("per_device_train_batch_size: 2, packing: true, max_length: 32"), &packed);
    double c = run_mean_loss(CONFIG("per_device_train_batch_size: 2, packing: true, packing_strategy: wrapped, max_length: 32"), &wrapped);

    (void)state;
    assert_int_equal(plain, packed);
    assert_int_equal(plain, wrapped);
    assert_true(fabs(a - b) < 1e-5 * a);
    assert_true(fabs(a - c) > 1e-3 * a);        /* one text across rows: other contexts */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(packed_as_trl_packs), cmocka_unit_test(packed_rows_do_not_see_each_other) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
