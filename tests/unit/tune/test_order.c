/* group_by_length against transformers (tests/golden/tune, recorded by tests/peers/tune_agrees.py). */
#include "helpers.h"

#include "tokenizer/tokenizer.h"
#include "tune/order.h"

static const char letters[] = "{\"added_tokens\":[],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[]}}";

static size_t length_of(size_t i, size_t n)
{
    return i == n * 2 / 3 ? 60 : (i * i * 7 + i * 13) % 41 + 2;
}

static struct examples *examples_of(size_t n)
{
    char *dir = temp_dir();
    AUTO_MEM char *path = path_join(dir, "rows.jsonl");
    AUTO_BUF text = { 0 };
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_FREE(dataset) d = NULL;
    struct examples *x = NULL;

    for (size_t i = 0; i < n; i++) {
        buf_adds(&text, "{\"input_ids\": [");
        for (size_t k = 0; k < length_of(i, n); k++)
            buf_adds(&text, k ? ", 1" : "1");
        buf_adds(&text, "]}\n");
    }
    write_text(dir, "rows.jsonl", buf_cstr(&text));
    OK(tokenizer_parse(str_of(letters), "letters", &t, E));
    OK(dataset_open(path, NULL, &d, E));
    OK(examples_build(d, t, NULL, &x, E));
    rm_dir(dir);
    return x;
}

static void orders_are_those_of_transformers(void **state)
{
    (void)state;
    AUTO_JSON file = golden_json("../tune/expected.json");
    const json_t *cases = json_object_get(file, "grouped"), *c;
    size_t at;

    assert_true(json_array_size(cases) >= 4);
    json_array_foreach((json_t *)(uintptr_t)cases, at, c) {
        size_t n = (size_t)json_int(c, "n", 0);
        const json_t *want = json_object_get(c, "order");
        AUTO_MEM uint32_t *order = xcalloc(n, sizeof *order);
        AUTO_FREE(examples) x = examples_of(n);
        struct samples train, held;

        for (uint32_t i = 0; i < n; i++)
            order[i] = i;
        samples_split(x, 1, 0, &train, &held);
        order_by_length(&train, (size_t)json_int(c, "per_step", 0), order, n);
        assert_int_equal(json_array_size(want), n);
        for (size_t i = 0; i < n; i++)
            if (order[i] != json_integer_value(json_array_get(want, i)))
                fail_msg("case %zu: place %zu has sample %u instead of %lld", at, i, order[i], (long long)json_integer_value(json_array_get(want, i)));
        samples_done(&train);
        samples_done(&held);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(orders_are_those_of_transformers) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
