/* assistant_only_loss: the tokens that transformers and TRL say an assistant said (tests/golden/assistant), and rows without any are named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "dataset/dataset.h"
#include "template/template.h"
#include "tokenizer/tokenizer.h"

static char *source_path(const char *path) { return path_join(getenv("KAITO_SOURCE"), path); }

static struct tokenizer *phi3(void)
{
    AUTO_MEM char *dir = source_path("tests/golden/hf/models/phi3");
    struct tokenizer *t = NULL;
    struct err e;

    if (tokenizer_load(dir, &t, &e))
        fail_msg("%s", e.text);
    return t;
}

static struct examples *build(const json_t *rows, const struct tokenizer *t, const struct template *tpl, struct err *e)
{
    char dir[] = "/tmp/kaito-assistant-XXXXXX";
    AUTO_FREE(dataset) d = NULL;
    struct examples *x = NULL;
    AUTO_BUF text = { 0 };
    struct err own;

    assert_non_null(mkdtemp(dir));
    AUTO_MEM char *path = path_join(dir, "rows.json");
    json_write(rows, &text);
    assert_int_equal(file_write_atomic(path, buf_str(&text), 0600, &own), ERR_OK);
    if (!dataset_open(path, NULL, &d, e))
        (void)examples_build(d, t, &(struct examples_opts){ .assistant_only = true, .chat_template = tpl }, &x, e);
    assert_int_equal(dir_remove(dir, &own), ERR_OK);
    return x;
}

static void same_ids(const int32_t *got, size_t n, const json_t *want)
{
    assert_int_equal(json_array_size(want), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(got[i], json_integer_value(json_array_get(want, i)));
}

static void check(const json_t *c, const char *kind, const json_t *rows, const struct tokenizer *t)
{
    AUTO_FREE(template) tpl = NULL;
    struct err e = { 0 };

    assert_int_equal(template_compile(json_to_str(json_object_get(c, kind)), kind, &tpl, &e), ERR_OK);
    AUTO_FREE(examples) x = build(rows, t, tpl, &e);
    if (!x)
        fail_msg("%s %s: %s", json_cstr(c, "name"), kind, e.text);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *want = json_array_get(json_object_get(c, "examples"), i);
        struct example a = examples_get(x, i);
        same_ids(a.ids, a.n, json_object_get(want, "ids"));
        same_ids(a.labels, a.n, json_object_get(want, "labels"));
    }
}

/* A model's own template has no marks; of Qwen's TRL counts the line break before the answer, which our prompt ends with. */
static void tokens_are_those_of_transformers_and_trl(void **state)
{
    AUTO_MEM char *path = source_path("tests/golden/assistant/expected.json");
    AUTO_FREE(tokenizer) t = phi3();
    AUTO_JSON file = NULL;
    struct err e;

    (void)state;
    assert_int_equal(json_parse_file(path, 1 << 20, &file, &e), ERR_OK);
    const json_t *cases = json_object_get(file, "cases"), *rows = json_object_get(file, "rows");
    assert_int_equal(json_array_size(cases), 3);
    for (size_t i = 0; i < 3; i++) {
        check(json_array_get(cases, i), "training", rows, t);
        if (!streq(json_cstr(json_array_get(cases, i), "name"), "qwen2_5"))
            check(json_array_get(cases, i), "original", rows, t);
    }
}

static void assert_refused(const char *rows, const char *source, const char *expect)
{
    AUTO_FREE(tokenizer) t = phi3();
    AUTO_FREE(template) tpl = NULL;
    AUTO_JSON j = NULL;
    struct err e = { 0 };

    assert_int_equal(json_parse(str_of(rows), &j, &e), ERR_OK);
    if (source)
        assert_int_equal(template_compile(str_of(source), "test", &tpl, &e), ERR_OK);
    struct examples *x = build(j, t, tpl, &e);
    assert_null(x);
    if (!strstr(e.text, expect))
        fail_msg("%s", e.text);
}

static void rows_that_cannot_say_it_are_named(void **state)
{
    (void)state;
    assert_refused("[{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]},"
                   "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}]", NULL, "row 1: assistant_only_loss: no assistant turn to learn from");
    assert_refused("[{\"text\":\"a\"}]", NULL, "row 0: assistant_only_loss: rows of the form text have no assistant turns");
    /* earlier answers are left out once there are later turns, as reasoning is by some templates */
    assert_refused("[{\"messages\":[{\"role\":\"user\",\"content\":\"aaa bbb\"},{\"role\":\"assistant\",\"content\":\"some long answer\"},"
                   "{\"role\":\"user\",\"content\":\"ccc\"},{\"role\":\"assistant\",\"content\":\"d\"}]}]",
                   "{% for m in messages %}{{ loop.length }}{{ m.content }}{% endfor %}{% if add_generation_prompt %} and then: {% endif %}",
                   "row 0: message 1: the chat template changes earlier turns when later ones follow");
    assert_refused("[{\"text\":\"\"}]", NULL, "nothing but special tokens");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_transformers_and_trl),
        cmocka_unit_test(rows_that_cannot_say_it_are_named),
    };
    return cmocka_run_group_tests_name("assistant", tests, NULL, NULL);
}
