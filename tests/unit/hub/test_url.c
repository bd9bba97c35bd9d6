/* What is decided about a URL from its text alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "hub/hub.h"

static void private_hosts_are_refused_in_every_spelling(void **state)
{
    static const char *const closed[] = {
        "http://localhost/x", "http://LOCALHOST./x", "https://a.localhost/x", "http://metadata.google.internal/x", "http://127.0.0.1/x",
        "http://127.1/x", "http://2130706433/x", "http://0x7f.1/x", "http://0.0.0.0/x", "http://10.1.2.3/x", "http://172.31.0.1:8080/x",
        "http://192.168.1.1/x", "http://169.254.169.254/latest", "http://100.64.0.1/x", "http://224.0.0.1/x", "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x", "http://[fe80::1]/x", "http://[fd00::1]/x", "http://[::]/x",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        struct err e = { 0 };
        if (hub_url_check(closed[i], &e) != ERR_FORBIDDEN)
            fail_msg("%s: %s", closed[i], e.text);
    }
}

static void public_hosts_pass_and_nonsense_does_not(void **state)
{
    static const char *const open[] = { "https://huggingface.co/x", "http://8.8.8.8/x", "http://172.32.0.1/", "http://[2001:4860::1]/x", "https://localhost.example/x" };
    static const char *const bad[] = { "", "x", "ftp://host/x", "http://", "http:///x", "file:///etc/passwd", "http://h:99999/x" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        struct err e = { 0 };
        if (hub_url_check(open[i], &e))
            fail_msg("%s: %s", open[i], e.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(hub_url_check(bad[i], NULL), ERR_INVALID);
}

static void file_names_come_from_the_path(void **state)
{
    static const struct { const char *url, *name; } rows[] = {
        { "https://h/a/train.parquet?download=true", "train.parquet" }, { "https://h/a/train.parquet?path=a/b", "train.parquet" },
        { "https://h/a/b.csv#frag/x", "b.csv" }, { "https://h/a/my%20file.json", "my file.json" }, { "https://h/a/dir/", "dir" },
        { "https://h/", NULL }, { "https://h", NULL }, { "https://h/a/..", NULL }, { "https://h/a/%2e%2e", NULL }, { "https://h/a/x%2fy", NULL },
        { "https://h/a/.hidden", NULL }, { "https://h/a/x%00y", NULL }, { "https://h/a/x.part", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *name = NULL;
        errc rc = hub_url_file_name(rows[i].url, &name, NULL);
        if (!!rc != !rows[i].name || (name && !streq(name, rows[i].name)))
            fail_msg("%s: got %s", rows[i].url, name ? name : "(error)");
    }
}

static void hub_urls_go_to_the_endpoint_and_no_others(void **state)
{
    static const struct { const char *url, *endpoint, *want; bool below; } rows[] = {
        { "https://huggingface.co/datasets/a/b?x=1", "http://127.0.0.1:1", "http://127.0.0.1:1/datasets/a/b?x=1", true },
        { "https://huggingface.co/a", "https://m/hf/", "https://m/hf/a", true }, { "https://huggingface.co/a", NULL, "https://huggingface.co/a", true },
        { "https://huggingface.co.evil/a", "http://m", "https://huggingface.co.evil/a", false }, { "http://m.evil/a", "http://m", "http://m.evil/a", false },
        { "http://m/a", "http://m", "http://m/a", true }, { "https://u@huggingface.co/a", "http://m", "https://u@huggingface.co/a", false },
        { "https://example.com/a", "http://m", "https://example.com/a", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool below;
        AUTO_MEM char *got = hub_url_rewrite(rows[i].url, rows[i].endpoint, &below);
        assert_string_equal(got, rows[i].want);
        assert_int_equal(below, rows[i].below);
    }
}

static void a_model_is_its_top_level_json_and_safetensors(void **state)
{
    static const char *const yes[] = { "config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.json", "chat_template.jinja", "tokenizer.model" };
    static const char *const no[] = { "pytorch_model.bin", "onnx/model.onnx", "original/model.safetensors", "consolidated.safetensors", "README.md", ".gitattributes", "" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        assert_true(hub_wants(yes[i]));
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        assert_false(hub_wants(no[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_hosts_are_refused_in_every_spelling),
        cmocka_unit_test(public_hosts_pass_and_nonsense_does_not),
        cmocka_unit_test(file_names_come_from_the_path),
        cmocka_unit_test(hub_urls_go_to_the_endpoint_and_no_others),
        cmocka_unit_test(a_model_is_its_top_level_json_and_safetensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
