/* Calls in answers, written by hand as the families write them: read whole, cut once at every place, and byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/mem.h"
#include "serve/openai.h"
#include "serve/tools.h"

/* calls: name and arguments, one after the other. format NULL: a demanded list; with `only` the arguments of one function. */
struct answer { const char *format, *text, *content, *calls[6]; const char *only; bool first_alone; };

static const struct answer answers[] = {
    { "hermes", "Hello, <b>world</b> 5 < 6 \n", "Hello, <b>world</b> 5 < 6 \n", { NULL } },
    { "hermes", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>", "", { "get_weather", "{\"city\": \"Paris\"}" } },
    { "hermes", "Let me look. é\n\n<tool_call>\n{\"name\": \"a\", \"arguments\": {\"x\": [1, {\"y\": \"}]\\\"\"}]}}\n</tool_call>\n<tool_call>\n{\"arguments\": {}, \"name\": \"b\"}\n</tool_call>\n",
      "Let me look. é", { "a", "{\"x\": [1, {\"y\": \"}]\\\"\"}]}", "b", "{}" } },
    { "hermes", "<tool_call>{\"name\": \"a\", \"arguments\": {}}</tool_call>\n\nDone.", "Done.", { "a", "{}" } },
    { "hermes", "<tool_call>{\"name\": \"a\"}</tool_call>", "", { "a", "{}" } },
    { "hermes", "<tool_call>\nno object\n</tool_call> x <", "no object\n</tool_call> x <", { NULL } },
    { "hermes", "<tool_call>\n{\"name\": \"a\", \"arguments\": {\"cut\": \"of", "", { "a", "{\"cut\": \"of" } },
    { "hermes", "<tool_call>\n{\"nam", "{\"nam", { NULL } },
    { "hermes", "<tool_call>{\"name\": \"a\", \"arguments\": \"{\\\"q\\\": 1}\"}</tool_call>", "", { "a", "{\"q\": 1}" } },
    { "hermes", "<tool_call>{\"name\": \"a\", \"arguments\": {\"n\": 1}}</tool_call><tool_call>{\"name\": \"b\", \"arguments\": {}}</tool_call>", "", { "a", "{\"n\": 1}" }, .first_alone = true },
    { "hermes", "a <tool_call", "a <tool_call", { NULL } },

    { "mistral", "[TOOL_CALLS] [{\"name\": \"add\", \"arguments\": {\"a\": 3.5, \"b\": 4}}, {\"name\": \"sub\", \"arguments\": {\"a\": 1}}]", "",
      { "add", "{\"a\": 3.5, \"b\": 4}", "sub", "{\"a\": 1}" } },
    { "mistral", "Sure.[TOOL_CALLS]add{\"a\": 1}[TOOL_CALLS]sub[ARGS]{\"b\": {}}", "Sure.", { "add", "{\"a\": 1}", "sub", "{\"b\": {}}" } },
    { "mistral", "Lists look like [1, 2] and [TOOL", "Lists look like [1, 2] and [TOOL", { NULL } },

    { "llama3_json", "{\"name\": \"find\", \"parameters\": {\"q\": \"caf\\u00e9\"}}", "", { "find", "{\"q\": \"caf\\u00e9\"}" } },
    { "llama3_json", "<|python_tag|>{\"type\": \"function\", \"name\": \"a\", \"parameters\": {}}; {\"name\": \"b\", \"parameters\": {\"z\": null}}", "", { "a", "{}", "b", "{\"z\": null}" } },
    { "llama3_json", "{\"answer\": 42}", "{\"answer\": 42}", { NULL } },
    { "llama3_json", "  { }", "  { }", { NULL } },
    { "llama3_json", "The object {\"name\": \"x\"} is text.", "The object {\"name\": \"x\"} is text.", { NULL } },

    { "phi4_mini_json", "functools[{\"name\": \"a\", \"arguments\": {\"k\": \"v\"}}]", "", { "a", "{\"k\": \"v\"}" } },
    { "phi4_mini_json", "<|tool_call|>[{\"name\": \"a\", \"arguments\": {}}, {\"name\": \"b\", \"arguments\": {\"l\": []}}]<|/tool_call|>", "", { "a", "{}", "b", "{\"l\": []}" } },
    { "phi4_mini_json", "Python's functools is a module, functools", "Python's functools is a module, functools", { NULL } },

    { NULL, "[{\"name\": \"a\", \"parameters\": {\"x\": 1}}, {\"name\":\"b\",\"parameters\":{}}]", "", { "a", "{\"x\": 1}", "b", "{}" } },
    { NULL, "[{\"name\": \"a\", \"parameters\": {\"x\"", "", { "a", "{\"x\"" } },
    { NULL, "{\"x\": \"y\"}", "", { "f", "{\"x\": \"y\"}" }, .only = "f" },
};

static struct tool_reader *reader_for(const struct answer *a)
{
    if (!a->format && !a->only)
        return tool_reader_forced(!a->first_alone);
    return tool_reader_of(a->format ? tool_format_named(a->format) : NULL, a->only, !a->first_alone);
}

/* What a client makes of the deltas. */
struct heard { char *name[4]; struct buf arguments[4]; bool has_id[4]; size_t n; };

static void hear(struct heard *h, const json_t *deltas)
{
    const json_t *d;
    size_t i;

    json_array_foreach(deltas, i, d) {
        size_t at = (size_t)json_int(d, "index", 99);
        const char *name = json_str_at(d, "function", "name", NULL);
        assert_true(at < 4);
        if (at == h->n) {
            assert_non_null(name);              /* the name comes first, with the id */
            assert_true(str_has_prefix(str_of(json_cstr(d, "id")), STR("chatcmpl-tool-")) || strlen(json_cstr(d, "id")) == 9);
            assert_string_equal(json_cstr(d, "type"), "function");
            h->name[h->n++] = xstrdup(name);
        } else {
            assert_null(name);
        }
        buf_adds(&h->arguments[at], json_str_at(d, "function", "arguments", NULL));
    }
}

static void feed(struct tool_reader *t, struct heard *h, struct buf *content, struct str piece, bool end)
{
    AUTO_JSON deltas = NULL;

    tool_reader_add(t, piece, end, content, &deltas);
    hear(h, deltas);
}

static void compare(const struct answer *a, const struct tool_reader *t, const struct heard *h, const struct buf *content, const char *how)
{
    AUTO_JSON calls = tool_reader_calls(t);
    size_t n = 0;

    while (n < 3 && a->calls[n * 2])
        n++;
    if (!streq(buf_cstr(content), a->content))
        fail_msg("%s, %s: content \"%s\"", a->text, how, buf_cstr(content));
    if (json_array_size(calls) != n || h->n != n)
        fail_msg("%s, %s: %zu calls, %zu told", a->text, how, json_array_size(calls), h->n);
    for (size_t i = 0; i < n; i++) {
        const json_t *f = json_object_get(json_array_get(calls, i), "function");
        if (!streq(json_cstr(f, "name"), a->calls[i * 2]) || !streq(json_cstr(f, "arguments"), a->calls[i * 2 + 1]))
            fail_msg("%s, %s: call %zu is %s(%s)", a->text, how, i, json_cstr(f, "name"), json_cstr(f, "arguments"));
        assert_string_equal(h->name[i], a->calls[i * 2]);
        assert_string_equal(buf_cstr(&h->arguments[i]), a->calls[i * 2 + 1]);
    }
}

static void forget(struct heard *h)
{
    for (size_t i = 0; i < 4; i++) {
        free(h->name[i]);
        buf_done(&h->arguments[i]);
    }
}

/* cut: where the text is cut in two; SIZE_MAX: after every code point. */
static void read_cut(const struct answer *a, size_t cut, const char *how)
{
    AUTO_FREE(tool_reader) t = reader_for(a);
    AUTO_BUF content = { 0 };
    struct heard h = { 0 };
    struct str text = str_of(a->text);

    if (cut == SIZE_MAX) {
        for (size_t from = 0, at = 1; from < text.n; at++)
            if (at == text.n || ((unsigned char)text.p[at] & 0xc0) != 0x80) {
                feed(t, &h, &content, str_n(text.p + from, at - from), false);
                from = at;
            }
        feed(t, &h, &content, STR(""), true);
    } else {
        feed(t, &h, &content, str_n(text.p, cut), false);
        feed(t, &h, &content, str_from(text, cut), true);
    }
    compare(a, t, &h, &content, how);
    forget(&h);
}

static void calls_are_read_however_the_text_is_cut(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        size_t n = strlen(answers[i].text);
        char how[32];
        read_cut(&answers[i], 0, "whole");
        for (size_t cut = 1; cut <= n; cut++) {
            if (((unsigned char)answers[i].text[cut] & 0xc0) == 0x80)
                continue;
            snprintf(how, sizeof how, "cut at %zu", cut);
            read_cut(&answers[i], cut, how);
        }
        read_cut(&answers[i], SIZE_MAX, "in single characters");
    }
}

static void arguments_stream_before_they_are_whole(void **state)
{
    AUTO_FREE(tool_reader) t = tool_reader_of(tool_format_named("hermes"), NULL, true);
    AUTO_BUF content = { 0 };
    AUTO_JSON first = NULL;
    AUTO_JSON more = NULL;

    tool_reader_add(t, STR("<tool_call>{\"name\": \"f\", \"argum"), false, &content, &first);
    assert_string_equal(json_str_at(json_array_get(first, 0), "function", "name", NULL), "f");
    tool_reader_add(t, STR("ents\": {\"a\": \"long te"), false, &content, &more);
    assert_string_equal(json_str_at(json_array_get(more, 0), "function", "arguments", NULL), "{\"a\": \"long te");
}

/* ---- thoughts ---- */

static const struct { const char *format, *text, *thoughts, *answer; } thinkers[] = {
    { "qwen3", "<think>\nLet me <see>.\n</think>\n\nYes.", "\nLet me <see>.\n", "\n\nYes." },
    { "qwen3", "No thoughts, a < b </think> é", "", "No thoughts, a < b </think> é" },
    { "qwen3", "\n<think>cut </thin", "cut </thin", "" },
    { "qwen3", "<thin", "", "<thin" },
    { "deepseek_r1", "Hm.</think>42", "Hm.", "42" },
    { "deepseek_r1", "<think>Hm.</think>42<think>", "Hm.", "42<think>" },
    { "deepseek_r1", "never ends", "never ends", "" },
};

static void think(size_t i, size_t cut, size_t step)
{
    AUTO_FREE(reasoning_reader) r = reasoning_reader_new(reasoning_format_named(thinkers[i].format));
    AUTO_BUF thoughts = { 0 };
    AUTO_BUF answer = { 0 };
    struct str text = str_of(thinkers[i].text);

    for (size_t at = 0; at < text.n; at += step ? step : text.n) {
        size_t n = step ? step : cut;
        reasoning_reader_add(r, str_n(text.p + at, n < text.n - at ? n : text.n - at), false, &thoughts, &answer);
    }
    reasoning_reader_add(r, step ? STR("") : str_from(text, cut), true, &thoughts, &answer);
    if (!streq(buf_cstr(&thoughts), thinkers[i].thoughts) || !streq(buf_cstr(&answer), thinkers[i].answer))
        fail_msg("%s, cut at %zu: \"%s\", \"%s\"", text.p, cut, buf_cstr(&thoughts), buf_cstr(&answer));
}

static void thoughts_are_parted_however_the_text_is_cut(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(thinkers); i++) {
        for (size_t cut = 0; cut <= strlen(thinkers[i].text); cut++)
            think(i, cut, 0);
        think(i, 0, 1);
    }
    assert_null(reasoning_format_named("nobody"));
}

static void templates_name_their_format(void **state)
{
    assert_string_equal(tool_format_of_template("{{ '<tool_call>' }}")->name, "hermes");
    assert_string_equal(tool_format_of_template("{{ '[TOOL_CALLS]' }}")->name, "mistral");
    assert_string_equal(tool_format_of_template("<|tool|>{{ tools }}<|/tool|>")->name, "phi4_mini_json");
    assert_string_equal(tool_format_of_template("Environment: ipython")->name, "llama3_json");
    assert_null(tool_format_of_template("{{ messages }}"));
    assert_null(tool_format_of_template(NULL));
    assert_null(tool_format_named("nobody"));
}

/* ---- requests ---- */

static errc check(const char *tools, const char *choice, json_t **schema, struct err *e)
{
    struct server s = { 0 };
    struct completion_request r = { .parallel_tool_calls = true, .skip_special_tokens = true };
    AUTO_JSON list = NULL;
    AUTO_JSON picked = NULL;
    struct err ignored;

    assert_int_equal(json_parse(str_of(tools), &list, &ignored), ERR_OK);
    if (choice) {
        AUTO_MEM char *text = xasprintf("[%s]", choice);
        AUTO_JSON wrapped = NULL;
        assert_int_equal(json_parse(str_of(text), &wrapped, &ignored), ERR_OK);
        picked = json_incref(json_array_get(wrapped, 0));
    }
    r.tools = list;
    r.tool_choice = picked;
    TRY(tools_check(&s, &r, e));
    *schema = tools_schema(&r);
    return ERR_OK;
}

static void wrong_tools_are_named(void **state)
{
    static const struct { const char *tools, *choice, *error; } rows[] = {
        { "[{\"type\":\"function\"}]", NULL, "tools[0]: " },
        { "[{\"function\":{\"name\":\"a\"}},{\"function\":{\"name\":\"a b\"}}]", NULL, "tools[1].function.name: " },
        { "[{\"function\":{\"name\":\"a\",\"parameters\":3}}]", NULL, "tools[0].function.parameters: " },
        { "[{\"function\":{\"name\":\"a\",\"description\":3}}]", NULL, "tools[0].function.description: " },
        { "[]", "\"required\"", "tool_choice: When using `tool_choice`, `tools` must be set." },
        { "[{\"function\":{\"name\":\"a\"}}]", "\"sometimes\"", "tool_choice: " },
        { "[{\"function\":{\"name\":\"a\"}}]", "{\"type\":\"function\",\"function\":{\"name\":\"b\"}}", "does not match any" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON schema = NULL;
        struct err e = { 0 };
        assert_int_equal(check(rows[i].tools, rows[i].choice, &schema, &e), ERR_BAD_REQUEST);
        if (!strstr(e.text, rows[i].error))
            fail_msg("\"%s\" does not say \"%s\"", e.text, rows[i].error);
    }
}

/* References inside a function's parameters still lead there once they are part of a larger schema. */
static void a_demanded_call_keeps_its_references(void **state)
{
    static const char tools[] = "[{\"function\":{\"name\":\"a\"}},{\"function\":{\"name\":\"tree\",\"parameters\":{\"type\":\"object\",\"properties\":{\"n\":{\"$ref\":\"#/$defs/n\"},"
                                "\"more\":{\"$ref\":\"#\"}},\"required\":[\"n\"],\"$defs\":{\"n\":{\"type\":\"integer\"}}}}}]";
    AUTO_JSON schema = NULL;
    AUTO_FREE(grammar) g = NULL;
    struct err e = { 0 };
    int32_t eos = 0;

    assert_int_equal(check(tools, "\"required\"", &schema, &e), ERR_OK);
    if (grammar_compile_json_schema(schema, &g, &e))
        fail_msg("%s", e.text);
    AUTO_FREE(grammar_vocab) v = grammar_vocab_new(&(struct str){ "", 0 }, 1, &eos, 1);
    AUTO_FREE(matcher) m = matcher_new(g, v);
    AUTO_FREE(matcher) other = matcher_new(g, v);
    assert_true(matcher_accept_bytes(m, STR("[{\"name\": \"tree\", \"parameters\": {\"n\": 5, \"more\": {\"n\": 6}}}]")));
    assert_true(matcher_may_end(m));
    assert_false(matcher_accept_bytes(other, STR("[{\"name\": \"tree\", \"parameters\": {\"n\": \"")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_read_however_the_text_is_cut),
        cmocka_unit_test(arguments_stream_before_they_are_whole),
        cmocka_unit_test(thoughts_are_parted_however_the_text_is_cut),
        cmocka_unit_test(templates_name_their_format),
        cmocka_unit_test(wrong_tools_are_named),
        cmocka_unit_test(a_demanded_call_keeps_its_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
