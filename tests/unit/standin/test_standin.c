/*
 * The committed stand-in from its files to its answer: template, ids, logits, greedy text, and the same with an adapter of our own
 * trainer merged by PEFT. Truth: tests/golden/standin, recorded by tools/standin/record_expected.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "tokenizer/tokenizer.h"

#define SURE    0.05            /* choices closer than this may fall either way */
#define TOLERANCE 1e-4          /* absolute, of logits around 10 recorded to five decimals: f32 sums in another order; seen: below 2e-5 */

struct fixture { json_t *cases; struct tokenizer *tok; struct engine *engine; const struct adapter *adapter; };

static char *source(const char *path)
{
    return path_join(getenv("KAITO_SOURCE"), path);
}

static int set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    AUTO_MEM char *model = source("examples/standin/model"), *adapter = source("tests/golden/standin/adapter"), *truth = source("tests/golden/standin/expected.json");
    AUTO_JSON all = NULL;
    struct err e = { 0 };

    if (json_parse_file(truth, 1 << 22, &all, &e) || tokenizer_load(model, &f->tok, &e) || engine_open(model, &(struct engine_opts){ .threads = 1 }, &f->engine, &e) ||
        adapters_load(engine_adapters(f->engine), adapter, "small", 1, false, &f->adapter, &e))
        fail_msg("%s", e.text);
    f->cases = json_incref(json_object_get(all, "cases"));
    assert_true(json_array_size(f->cases) > 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    engine_free(f->engine);
    tokenizer_free(f->tok);
    json_decref(f->cases);
    free(f);
    return 0;
}

static void case_ids(const json_t *c, const char *key, struct token_ids *out)
{
    const json_t *list = json_object_get(c, key);

    for (size_t i = 0; i < json_array_size(list); i++)
        token_ids_add(out, (int32_t)json_integer_value(json_array_get(list, i)));
}

static void assert_ids(const struct token_ids *got, const struct token_ids *want, const char *what)
{
    if (got->n != want->n || memcmp(got->v, want->v, want->n * sizeof *want->v))
        fail_msg("%s: %zu ids where %zu are recorded, or others", what, got->n, want->n);
}

static void the_template_and_the_ids_agree(void **state)
{
    struct fixture *f = *state;
    const json_t *c;
    size_t i;

    json_array_foreach(f->cases, i, c) {
        AUTO_BUF text = { 0 };
        AUTO_IDS got = { 0 }, want = { 0 };
        assert_int_equal(tokenizer_chat(f->tok, json_object_get(c, "messages"), true, NULL, &text, NULL), ERR_OK);
        assert_string_equal(buf_cstr(&text), json_cstr(c, "text"));
        assert_int_equal(tokenizer_encode(f->tok, buf_str(&text), false, &got, NULL), ERR_OK);
        case_ids(c, "ids", &want);
        assert_ids(&got, &want, json_cstr(c, "text"));
    }
}

static bool collect(void *ids, int32_t id)
{
    token_ids_add(ids, id);
    return true;
}

static void greedy_answers_agree(void **state)
{
    struct fixture *f = *state;
    const struct tokenizer_info *info = tokenizer_info(f->tok);
    const json_t *c;
    size_t i;

    json_array_foreach(f->cases, i, c) {
        AUTO_IDS ids = { 0 }, want = { 0 }, got = { 0 };
        AUTO_BUF text = { 0 };
        struct generate_params p = { .sample = SAMPLE_DEFAULTS, .max_new_tokens = 40, .stop_ids = info->stop_ids, .n_stop_ids = info->n_stop_ids };
        if (json_num(c, "margin", 0) < SURE)
            continue;
        case_ids(c, "ids", &ids);
        case_ids(c, "greedy", &want);
        assert_int_equal(engine_generate(f->engine, NULL, ids.v, ids.n, &p, collect, &got, NULL), ERR_OK);
        assert_ids(&got, &want, json_cstr(c, "answer"));
        tokenizer_decode(f->tok, got.v, got.n, true, &text);
        assert_string_equal(buf_cstr(&text), json_cstr(c, "answer"));
    }
}

static void assert_last_logits(struct fixture *f, const struct adapter *adapter, const json_t *c, const char *key)
{
    AUTO_IDS ids = { 0 };
    const json_t *want = json_object_get(c, key);
    size_t vocab = json_array_size(want);

    case_ids(c, "ids", &ids);
    AUTO_MEM float *logits = xcalloc(ids.n * vocab, sizeof *logits);
    assert_int_equal(engine_score(f->engine, adapter, ids.v, ids.n, logits, NULL), ERR_OK);
    for (size_t i = 0; i < vocab; i++) {
        double off = fabs((double)logits[(ids.n - 1) * vocab + i] - json_number_value(json_array_get(want, i)));
        if (!(off < TOLERANCE))
            fail_msg("%s %s: logit %zu is off by %g", json_cstr(c, "text"), key, i, off);
    }
}

static void logits_agree_with_and_without_the_adapter(void **state)
{
    struct fixture *f = *state;
    const json_t *c;
    size_t i;

    json_array_foreach(f->cases, i, c) {
        assert_last_logits(f, NULL, c, "last_logits");
        assert_last_logits(f, f->adapter, c, "tuned_last_logits");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_template_and_the_ids_agree),
        cmocka_unit_test(greedy_answers_agree),
        cmocka_unit_test(logits_agree_with_and_without_the_adapter),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
