/* Files of every kind give the same rows; rows give the ids and labels that TRL and KAITO's collator give. */
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

static json_t *rows_of(const char *path)
{
    AUTO_FREE(dataset) d = NULL;
    struct err e = { 0 };
    json_t *rows = json_array();
    errc rc = dataset_open(path, NULL, &d, &e);

    while (!rc) {
        json_t *row = NULL;
        rc = dataset_next(d, &row, &e);
        if (!row)
            break;
        json_push(rows, row);
    }
    if (rc)
        print_error("%s\n", e.text);
    assert_int_equal(rc, ERR_OK);
    return rows;
}

static void every_codec_and_encoding_gives_the_same_rows(void **state)
{
    static const char *const names[] = { "none-page1", "none-page2", "snappy-page1", "snappy-page2", "gzip-page1", "gzip-page2", "zstd-page1",
                                         "zstd-page2", "lz4-page1", "lz4-page2", "brotli-page1", "brotli-page2", "plain-nodict", "delta" };
    AUTO_MEM char *lines = source_path("tests/golden/parquet/rows.jsonl");
    AUTO_JSON want = rows_of(lines);
    size_t bad = 0;

    (void)state;
    assert_int_equal(json_array_size(want), 237);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_MEM char *name = xasprintf("tests/golden/parquet/%s.parquet", names[i]);
        AUTO_MEM char *path = source_path(name);
        AUTO_JSON got = rows_of(path);
        size_t differ = 0;
        json_t *subset = want;
        for (size_t k = 0; k < json_array_size(got); k++) {
            const char *key;
            json_t *value, *row = json_array_get(subset, k);
            json_object_foreach(json_array_get(got, k), key, value)
                differ += !json_equal(value, json_object_get(row, key));
            differ += json_object_size(json_array_get(got, k)) < 2;
        }
        if (differ || json_array_size(got) != json_array_size(want)) {
            AUTO_MEM char *a = json_text(json_array_get(got, 0));
            print_error("%s: %zu rows, %zu values differ: %.300s\n", names[i], json_array_size(got), differ, a);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void numbers_that_json_lacks_keep_their_meaning(void **state)
{
    AUTO_MEM char *lines = source_path("tests/golden/parquet/numbers.jsonl"), *path = source_path("tests/golden/parquet/numbers.parquet");
    AUTO_JSON want = rows_of(lines);
    AUTO_JSON got = rows_of(path);

    (void)state;
    assert_int_equal(json_array_size(want), 6);
    for (size_t i = 0; i < 6; i++) {
        AUTO_MEM char *a = json_text(json_array_get(got, i)), *b = json_text(json_array_get(want, i));
        assert_string_equal(a, b);
    }
}

static void an_empty_file_has_no_rows(void **state)
{
    (void)state;
    AUTO_MEM char *path = source_path("tests/golden/parquet/empty.parquet");
    AUTO_JSON got = rows_of(path);
    assert_int_equal(json_array_size(got), 0);
}

static char *temp_file(const char *name, struct str bytes)
{
    char dir[] = "/tmp/kaito-dataset-XXXXXX";
    struct err e;

    assert_non_null(mkdtemp(dir));
    char *path = path_join(dir, name);
    assert_int_equal(file_write_atomic(path, bytes, 0600, &e), ERR_OK);
    return path;
}

static void remove_temp(char *path)
{
    struct err e;
    *strrchr(path, '/') = 0;
    (void)dir_remove(path, &e);
}

/* The error of reading everything, without the folder before it. */
static void assert_fault(const char *name, struct str bytes, errc want, const char *text)
{
    AUTO_MEM char *path = temp_file(name, bytes);
    AUTO_FREE(dataset) d = NULL;
    struct err e = { 0 };
    errc rc = dataset_open(path, NULL, &d, &e);

    for (bool more = true; !rc && more;) {
        AUTO_JSON row = NULL;
        rc = dataset_next(d, &row, &e);
        more = row != NULL;
    }
    remove_temp(path);
    assert_int_equal(rc, want);
    const char *got = strstr(e.text, name);
    assert_non_null(got);
    assert_string_equal(got, text);
}

static void faults_name_the_file_the_place_and_the_fix(void **state)
{
    (void)state;
    AUTO_MEM char *good = source_path("tests/golden/parquet/snappy-page1.parquet");
    AUTO_BUF bytes = { 0 };
    struct err e;

    assert_int_equal(file_read(good, 1 << 20, &bytes, &e), ERR_OK);
    assert_fault("a.parquet", str_n(bytes.p, 9000), ERR_CORRUPT, "a.parquet: the Parquet file is cut short: it has 9000 bytes and does not end with PAR1; download it again");
    assert_fault("a.parquet", STR("<!DOCTYPE html><html>"), ERR_CORRUPT, "a.parquet: this is a web page, not data: check the URL it was downloaded from");
    assert_fault("a.parquet", STR("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"), ERR_CORRUPT,
                 "a.parquet: this is a pointer of Git LFS, not the data: fetch the file itself (git lfs pull)");
    assert_fault("a.jsonl", STR("{\"a\":1}\n{\"a\":"), ERR_CORRUPT, "a.jsonl: row 1, line 2: the object is not closed, or longer than 64 MiB: the file is cut short or damaged");
    assert_fault("a.json", STR("[{\"a\":1}, 3]"), ERR_CORRUPT, "a.json: row 1, line 1: expected an object {...}, found '3'");
    assert_fault("a.csv", STR("a,b\n1\n"), ERR_CORRUPT, "a.csv: row 0, line 2: 1 cells where the header has 2");
    assert_fault("a.json", STR(""), ERR_CORRUPT, "a.json: the file is empty");
    assert_fault("a.csv", STR("text,id,text\n1,2,3\n"), ERR_CORRUPT, "a.csv: line 1: columns 1 and 3 are both named text; rename one");
    assert_fault("a.csv", STR("a,b\n1,2\nx,\xe9t\xe9\n"), ERR_CORRUPT, "a.csv: row 1, line 3, column b: not UTF-8 text: save the file as UTF-8");
    assert_fault("a.csv", STR("\xff\xfe\x61\x00"), ERR_UNSUPPORTED, "a.csv: the file is UTF-16 text: save it as UTF-8");
    assert_fault("a.json.gz", STR("\x1f\x8b\x08\x00"), ERR_UNSUPPORTED, "a.json.gz: the file is compressed as a whole: unpack it first (gunzip, unzstd, unzip)");
    assert_fault("a.jsonl", STR("{\"a\":NaN}"), ERR_CORRUPT,
                 "a.jsonl: row 0, line 1: line 1, column 8: invalid token near 'NaN'; JSON has no NaN and no Infinity: write null, or leave the row out");
    assert_fault("a.jsonl", STR("{\"a\":-Infinity}"), ERR_CORRUPT,
                 "a.jsonl: row 0, line 1: line 1, column 6: invalid token near '-'; JSON has no NaN and no Infinity: write null, or leave the row out");
    assert_fault("a.jsonl", STR("{\"a\":1}\n{\"a\":\"\xff\"}"), ERR_CORRUPT, "a.jsonl: row 1, line 2: line 1, column 6: unable to decode byte 0xff near '\"'");
}

static void text_rows_are_read_one_by_one(void **state)
{
    (void)state;
    AUTO_MEM char *csv = temp_file("data.csv", STR("text,n\r\n\"a \"\"b\"\",\nc\",1\r\nx,\n"));
    AUTO_MEM char *old = temp_file("old.csv", STR("text,n\r\"a\r\",1\rb,\"2\"\r\r\n \t\n  "));
    AUTO_MEM char *array = temp_file("data.json", STR("\xEF\xBB\xBF[ {\"a\":\"}\\\"\"},\n{\"a\":[{}]} ]\n"));
    AUTO_JSON rows = rows_of(csv);
    AUTO_JSON two = rows_of(array);
    AUTO_JSON three = rows_of(old);

    AUTO_MEM char *text = json_text(rows);
    assert_string_equal(text, "[{\"text\":\"a \\\"b\\\",\\nc\",\"n\":\"1\"},{\"text\":\"x\",\"n\":null}]");
    AUTO_MEM char *text2 = json_text(two);
    assert_string_equal(text2, "[{\"a\":\"}\\\"\"},{\"a\":[{}]}]");
    AUTO_MEM char *text3 = json_text(three);
    assert_string_equal(text3, "[{\"text\":\"a\\r\",\"n\":\"1\"},{\"text\":\"b\",\"n\":\"2\"}]");
    remove_temp(csv);
    remove_temp(array);
    remove_temp(old);
}

/* The rows of files made from {name, text} pairs in a folder, read through the folder; their "a" put together. */
static void assert_folder(const char *const (*files)[2], size_t n, const char *want, const char *unused)
{
    char dir[] = "/tmp/kaito-dataset-XXXXXX";
    AUTO_FREE(dataset) d = NULL;
    AUTO_BUF got = { 0 };
    struct err e;

    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < n; i++) {
        AUTO_MEM char *path = path_join(dir, files[i][0]), *parent = xstrdup(path);
        *strrchr(parent, '/') = 0;
        assert_int_equal(dir_make(parent, 0700, &e), ERR_OK);
        assert_int_equal(file_write_atomic(path, str_of(files[i][1]), 0600, &e), ERR_OK);
    }
    if (dataset_open(dir, NULL, &d, &e))
        fail_msg("%s", e.text);
    for (json_t *row = NULL;;) {
        if (dataset_next(d, &row, &e))
            fail_msg("%s", e.text);
        if (!row)
            break;
        buf_adds(&got, json_cstr(row, "a"));
        json_decref(row);
    }
    assert_string_equal(buf_cstr(&got), want);
    assert_string_equal(dataset_unused(d) ? dataset_unused(d) : "", unused);
    assert_int_equal(dir_remove(dir, &e), ERR_OK);
}

static void a_folder_gives_its_first_kind_of_file_without_held_out_splits(void **state)
{
    static const char *const shards[][2] = {
        { "a.md", "x" }, { "test-00000-of-00001.jsonl", "{\"a\":\"t\"}" }, { "train-00000-of-00002.jsonl", "{\"a\":\"1\"}" },
        { "train-00001-of-00002.jsonl", "{\"a\":\"2\"}\n{\"a\":\"3\"}" }, { "train.csv", "a\nc\n" },
    };
    static const char *const nested[][2] = { { "b/c.JSONL", "{\"a\":\"x\"}" }, { "b/d/e.json", "{\"a\":\"y\"}" } };
    static const char *const only_test[][2] = { { "my_test.csv", "a\n1\n" }, { "other.txt", "a" } };
    static const char *const contest[][2] = { { "contest.csv", "a\n1\n" }, { "validation.csv", "a\n2\n" } };

    (void)state;
    assert_folder(shards, ARRAY_LEN(shards), "123", "test-00000-of-00001.jsonl, train.csv");
    assert_folder(nested, ARRAY_LEN(nested), "x", "");
    assert_folder(only_test, ARRAY_LEN(only_test), "1", "");
    assert_folder(contest, ARRAY_LEN(contest), "1", "validation.csv");
}

static void several_files_are_read_one_after_the_other(void **state)
{
    AUTO_MEM char *csv = temp_file("a.csv", STR("text\nx\n")), *lines = temp_file("b.jsonl", STR("{\"text\":\"y\"}\n{\"text\":3}\n"));
    const char *const paths[] = { csv, lines, "/nonexistent.json" };
    AUTO_FREE(dataset) d = NULL;
    struct dataset *none = NULL;
    struct err e;

    (void)state;
    assert_int_equal(dataset_open_all(paths, 2, NULL, &d, &e), ERR_OK);
    assert_int_equal(dataset_files(d), 2);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 3; i++) {
            AUTO_JSON row = NULL;
            assert_int_equal(dataset_next(d, &row, &e), ERR_OK);
            assert_non_null(row);
            assert_string_equal(dataset_path(d), i ? lines : csv);
            assert_int_equal(dataset_row(d), i == 2);
        }
        assert_int_equal(dataset_rewind(d, &e), ERR_OK);
    }
    assert_int_equal(dataset_open_all(paths, 3, NULL, &none, &e), ERR_NOT_FOUND);
    assert_string_equal(e.text, "/nonexistent.json: no such data set file or folder");
    remove_temp(csv);
    remove_temp(lines);
}

/* ---- examples ---- */

static bool same_row(const int32_t *got, size_t n, const json_t *want, bool longer_is_pad)
{
    for (size_t i = 0; i < n; i++)
        if (got[i] != json_integer_value(json_array_get(want, i)))
            return false;
    return longer_is_pad ? json_array_size(want) >= n : json_array_size(want) == n;
}

static struct examples *build(const json_t *rows, const struct tokenizer *t, const struct examples_opts *o, struct err *e)
{
    AUTO_BUF lines = { 0 };
    size_t i;
    json_t *row;
    AUTO_FREE(dataset) d = NULL;
    struct examples *x = NULL;

    json_array_foreach(rows, i, row) {
        json_write(row, &lines);
        buf_addc(&lines, '\n');
    }
    AUTO_MEM char *path = temp_file("rows.jsonl", buf_str(&lines));
    if (!dataset_open(path, NULL, &d, e))
        (void)examples_build(d, t, o, &x, e);
    remove_temp(path);
    return x;
}

static size_t check_case(const char *model, const char *name, const json_t *c, const struct tokenizer *t)
{
    const json_t *ids = json_at(c, "trl_columns", "input_ids", NULL), *labels = json_at(c, "trl_columns", "labels", NULL);
    bool pair = str_has_prefix(str_of(name), STR("prompt-completion"));
    struct examples_opts o = { .loss = pair ? EXAMPLES_LOSS_COMPLETION : EXAMPLES_LOSS_ALL_KEEP_EOS };
    struct err e = { 0 };
    size_t bad = 0;
    AUTO_FREE(examples) x = build(json_object_get(c, "rows"), t, &o, &e);

    if (!ids || streq(name, "conversations-sharegpt"))         /* ours are wider there: errors and human/gpt become examples */
        return x ? 0 : 1;
    if (!x) {
        print_error("%s %s: %s\n", model, name, e.text);
        return 1;
    }
    for (size_t i = 0; i < examples_count(x); i++) {
        struct example a = examples_get(x, i);
        bad += !same_row(a.ids, a.n, json_array_get(ids, i), false) || (labels && !same_row(a.labels, a.n, json_array_get(labels, i), false));
    }
    const json_t *collated = json_at(c, "kaito_collator", "labels", NULL), *padded = json_at(c, "kaito_collator", "input_ids", NULL);
    o.loss = EXAMPLES_LOSS_ALL;
    AUTO_FREE(examples) all = collated ? build(json_object_get(c, "rows"), t, &o, &e) : NULL;
    for (size_t i = 0; collated && i < examples_count(all); i++) {
        struct example a = examples_get(all, i);
        bad += !same_row(a.labels, a.n, json_array_get(collated, i), true) || !same_row(a.ids, a.n, json_array_get(padded, i), true);
    }
    if (bad || examples_count(x) != json_array_size(ids))
        print_error("%s %s: %zu of %zu rows differ\n", model, name, bad, examples_count(x));
    return bad;
}

static void examples_are_those_of_upstream(void **state)
{
    (void)state;
    AUTO_MEM char *path = source_path("../shared/golden/hf/dataset/expected.json");
    AUTO_JSON file = NULL;
    const char *model, *name;
    json_t *of, *c;
    struct err e;
    size_t bad = 0;

    if (!file_exists(path)) {
        free(TAKE(path));               /* skip() jumps over its end */
        print_message("skipped: no ../shared\n");
        skip();
    }
    assert_int_equal(json_parse_file(path, 64 << 20, &file, &e), ERR_OK);
    json_object_foreach(json_object_get(file, "tokenizers"), model, of) {
        AUTO_MEM char *relative = xasprintf("../shared/golden/hf/models/%s", model);
        AUTO_MEM char *dir = source_path(relative);
        AUTO_FREE(tokenizer) t = NULL;
        assert_int_equal(tokenizer_load(dir, &t, &e), ERR_OK);
        json_object_foreach(json_object_get(of, "cases"), name, c)
            bad += check_case(model, name, c, t);
    }
    assert_int_equal(bad, 0);
}

/* a, b and an end-of-text token, which a plain tokenizer.json cannot name: ids are given by the rows */
static const char letters[] = "{\"added_tokens\":[],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2},\"merges\":[]}}";

static void rows_that_do_not_fit_are_named(void **state)
{
    static const struct { const char *rows, *text; } bad[] = {
        { "[{\"x\":1,\"y\":2}]", "rows.jsonl: no usable columns: found x, y; wanted messages (a list of {role, content}), conversations, prompt with completion, instruction with output, text, or input_ids" },
        { "[{\"text;label\":\"a;b\"}]", "rows.jsonl: no usable columns: found text;label; wanted messages (a list of {role, content}), conversations, prompt with completion, instruction with output, text, or input_ids; the cells seem to be separated by something else than commas: save the file with commas" },
        { "[{\"data\":[{\"text\":\"a\"}]}]", "rows.jsonl: no usable columns: found data (a list); wanted messages (a list of {role, content}), conversations, prompt with completion, instruction with output, text, or input_ids; the rows seem to be inside this column: give its list as the file" },
        { "[{\"input_ids\":[0]},{\"input_ids\":[7]}]", "rows.jsonl: row 1: column input_ids[0]: not a token id of this model (0 to 2)" },
        { "[{\"text\":\"a\"},{\"text\":null}]", "rows.jsonl: row 1: column text: empty; fill it or remove the row" },
        { "[{\"text\":\"a\"},{\"messages\":[]}]", "rows.jsonl: row 1: column text: missing, but the first row has it; give all rows the same columns" },
        { "[{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]},{\"text\":\"a\"}]", "rows.jsonl: row 0: the model has no chat template, which messages need: set ModelConfig.chat_template, or use a text column" },
        { "[{\"text\":\"a\"},{\"text\":3}]", "rows.jsonl: row 1: column text: expected a string, as in the first row" },
        { "[{\"messages\":[{\"role\":3,\"content\":\"hi\"}]}]", "rows.jsonl: row 0: column messages[0]: role is no text: each message needs role and content" },
        { "[{\"prompt\":\"a\",\"completion\":null,\"messages\":{}}]", "rows.jsonl: no usable columns: found prompt, completion (empty), messages (an object); wanted messages (a list of {role, content}), conversations, prompt with completion, instruction with output, text, or input_ids" },
        { "[{\"messages\":[{\"content\":\"hi\"}]}]", "rows.jsonl: row 0: column messages[0]: role is missing: each message needs role and content" },
        { "[]", "rows.jsonl: the file is empty" },
        { "[{\"text\":{\"bytes\":\"/w==\"}}]", "rows.jsonl: no usable columns: found text (binary data); wanted messages (a list of {role, content}), conversations, prompt with completion, instruction with output, text, or input_ids" },
        { "[{\"text\":\"a\"},{\"text\":{\"bytes\":\"/w==\"}}]", "rows.jsonl: row 1: column text: binary data, not text: save it as UTF-8 strings" },
        { "[{\"prompt\":\"a\",\"completion\":\"b\"},{\"prompt\":\"a\",\"completion\":null}]", "rows.jsonl: row 1: column completion: empty; fill it or remove the row" },
    };
    AUTO_FREE(tokenizer) t = NULL;
    struct err e;

    (void)state;
    assert_int_equal(tokenizer_parse(str_of(letters), "letters", &t, &e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_JSON rows = NULL;
        assert_int_equal(json_parse(str_of(bad[i].rows), &rows, &e), ERR_OK);
        struct examples *x = build(rows, t, NULL, &e);
        assert_null(x);
        assert_non_null(strstr(e.text, "rows.jsonl"));
        assert_string_equal(strstr(e.text, "rows.jsonl"), bad[i].text);
    }
}

/* Tools are a list, or its text, as columns of Parquet hold lists whose items differ. */
static void tools_are_a_list_or_its_text(void **state)
{
    static const struct { const char *tools; size_t n; const char *text; } cases[] = {
        { "[{\"name\":\"ab\"}]", 3, NULL }, { "\"[{\\\"name\\\": \\\"ab\\\"}]\"", 3, NULL }, { "null", 1, NULL }, { "\"\"", 1, NULL }, { "\"null\"", 1, NULL },
        { "\"[{'name'\"", 0, "rows.jsonl: row 0: column tools: the text is no list of tools in JSON" },
    };
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_FREE(template) tpl = NULL;
    struct err e;

    (void)state;
    assert_int_equal(tokenizer_parse(str_of(letters), "letters", &t, &e), ERR_OK);
    assert_int_equal(template_compile(STR("{% for t in tools or [] %}{{ t.name }}{% endfor %}{% for m in messages %}{{ m.content }}{% endfor %}"), "chat", &tpl, &e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_MEM char *text = xasprintf("[{\"messages\":[{\"role\":\"user\",\"content\":\"c\"}],\"tools\":%s}]", cases[i].tools);
        AUTO_JSON rows = NULL;
        assert_int_equal(json_parse(str_of(text), &rows, &e), ERR_OK);
        AUTO_FREE(examples) x = build(rows, t, &(struct examples_opts){ .chat_template = tpl }, &e);
        if (cases[i].text ? x || !strstr(e.text, cases[i].text) : !x || examples_get(x, 0).n != cases[i].n)
            fail_msg("%s: %s", cases[i].tools, x ? "differs" : e.text);
    }
}

/* What a list of messages is in CSV: its text. */
static void a_cell_holds_messages_as_json(void **state)
{
    AUTO_MEM char *good = temp_file("chat.csv", STR("id,messages\n1,\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"ab\"\"}, {\"\"role\"\": \"\"assistant\"\", \"\"content\"\": \"\"c\"\"}]\"\n"));
    AUTO_MEM char *bad = temp_file("repr.csv", STR("messages\n\"[{'role': 'user', 'content': 'ab'}]\"\n"));
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_FREE(template) tpl = NULL;
    AUTO_FREE(dataset) d = NULL;
    AUTO_FREE(examples) x = NULL;
    struct err e;

    (void)state;
    assert_int_equal(tokenizer_parse(str_of(letters), "letters", &t, &e), ERR_OK);
    assert_int_equal(template_compile(STR("{% for m in messages %}{{ m.content }}{% endfor %}"), "chat", &tpl, &e), ERR_OK);
    struct examples_opts o = { .chat_template = tpl };
    assert_int_equal(dataset_open(good, NULL, &d, &e), ERR_OK);
    assert_int_equal(examples_build(d, t, &o, &x, &e), ERR_OK);
    assert_int_equal(examples_count(x), 1);
    assert_memory_equal(examples_get(x, 0).ids, ((const int32_t[]){ 0, 1, 2 }), 12);
    struct dataset *other = NULL;
    struct examples *none = NULL;
    assert_int_equal(dataset_open(bad, NULL, &other, &e), ERR_OK);
    assert_int_equal(examples_build(other, t, &o, &none, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "repr.csv: row 0: column messages: the cell is no list of messages in JSON"));
    dataset_free(other);
    remove_temp(good);
    remove_temp(bad);
}

static void examples_are_cut_counted_and_ordered(void **state)
{
    (void)state;
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_JSON rows = NULL;
    struct err e;
    uint32_t a[50], b[50], seen[50] = { 0 };

    assert_int_equal(tokenizer_parse(str_of(letters), "letters", &t, &e), ERR_OK);
    assert_int_equal(json_parse(STR("[{\"input_ids\":[0,1,2,0]},{\"input_ids\":[]},{\"input_ids\":[1],\"labels\":[-100]}]"), &rows, &e), ERR_OK);
    AUTO_FREE(examples) x = build(rows, t, &(struct examples_opts){ .max_length = 3 }, &e);
    assert_non_null(x);
    assert_int_equal(examples_count(x), 2);
    assert_int_equal(examples_get(x, 0).n, 3);
    assert_int_equal(examples_get(x, 1).row, 2);
    assert_int_equal(examples_get(x, 1).labels[0], EXAMPLES_IGNORE);
    AUTO_FREE(examples) tail = build(rows, t, &(struct examples_opts){ .max_length = 3, .keep_end = true }, &e);
    assert_memory_equal(examples_get(tail, 0).ids, ((const int32_t[]){ 1, 2, 0 }), 12);
    assert_memory_equal(examples_get(tail, 0).labels, ((const int32_t[]){ 1, 2, 0 }), 12);
    const struct examples_stats *s = examples_stats(x);
    assert_true(s->rows == 3 && s->empty == 1 && s->truncated == 1 && s->tokens == 4 && s->label_tokens == 3 && s->longest == 3);

    assert_true(s->unlearnt == 1 && s->unlearnt_row == 2);

    AUTO_JSON big = NULL;
    assert_int_equal(json_parse(STR("[{\"id\":18446744073709551616,\"input_ids\":[0,2]}]"), &big, &e), ERR_OK);
    AUTO_FREE(examples) whole = build(big, t, NULL, &e);
    assert_non_null(whole);
    assert_memory_equal(examples_get(whole, 0).ids, ((const int32_t[]){ 0, 2 }), 8);

    examples_order(50, 42, 0, a);
    examples_order(50, 42, 0, b);
    assert_memory_equal(a, b, sizeof a);
    examples_order(50, 42, 1, b);
    assert_memory_not_equal(a, b, sizeof a);
    for (size_t i = 0; i < 50; i++)
        seen[a[i]]++;
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(seen[i], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_and_encoding_gives_the_same_rows),
        cmocka_unit_test(numbers_that_json_lacks_keep_their_meaning),
        cmocka_unit_test(an_empty_file_has_no_rows),
        cmocka_unit_test(text_rows_are_read_one_by_one),
        cmocka_unit_test(a_folder_gives_its_first_kind_of_file_without_held_out_splits),
        cmocka_unit_test(several_files_are_read_one_after_the_other),
        cmocka_unit_test(faults_name_the_file_the_place_and_the_fix),
        cmocka_unit_test(rows_that_do_not_fit_are_named),
        cmocka_unit_test(tools_are_a_list_or_its_text),
        cmocka_unit_test(a_cell_holds_messages_as_json),
        cmocka_unit_test(examples_are_cut_counted_and_ordered),
        cmocka_unit_test(examples_are_those_of_upstream),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
