/* What `serve` understands on its command line: its own options, vLLM's, KAITO's configuration file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/serve_options.h"

#define PARSE(...) parse((char *[]){ (char[]){ "serve" }, __VA_ARGS__, NULL })
#define W(text) ((char[]){ text })

static struct serve_args args;
static struct server_opts opts;
static struct err err;

static errc parse(char **argv)
{
    int argc = 0;

    while (argv[argc])
        argc++;
    serve_args_done(&args);
    return serve_options(argc, argv, &args, &opts, &err);
}

static void defaults_are_safe(void **state)
{
    (void)state;
    assert_int_equal(PARSE(W("/m")), ERR_OK);
    assert_string_equal(opts.model_dir, "/m");
    assert_string_equal(opts.host, "127.0.0.1");
    assert_int_equal(opts.port, 5000);
    assert_null(opts.served_name);
    assert_int_equal(opts.math, GEMM_INT8);         /* exact but for weights in panels */
    assert_int_equal(opts.max_model_len, 0);
    assert_int_equal(opts.n_api_keys, 0);
}

static void a_vllm_command_line_works(void **state)
{
    (void)state;
    assert_int_equal(PARSE(W("--model=/m"), W("--served-model-name"), W("a"), W("b"), W("--dtype"), W("bfloat16"), W("--max-model-len"), W("4K"), W("--max_num_seqs=8"),
                           W("--gpu-memory-utilization"), W("0.84"), W("--trust-remote-code"), W("--tensor-parallel-size=1"), W("--enable-lora"), W("--lora-modules"),
                           W("x=/x"), W("{\"name\":\"y\",\"path\":\"/y\"}"), W("--api-key"), W("k1"), W("k2"), W("--enable-auto-tool-choice"), W("--tool-call-parser"),
                           W("hermes"), W("--chat-template"), W("{{ messages }}"), W("--kaito-max-probe-steps"), W("6")), ERR_OK);
    assert_string_equal(opts.served_name, "a");
    assert_int_equal(opts.n_aliases, 1);
    assert_string_equal(opts.aliases[0], "b");
    assert_int_equal(opts.math, GEMM_BF16);
    assert_int_equal(opts.max_model_len, 4096);
    assert_int_equal(opts.max_num_seqs, 8);
    assert_int_equal(opts.n_adapters, 2);
    assert_string_equal(opts.adapters[1].name, "y");
    assert_string_equal(opts.adapters[1].dir, "/y");
    assert_int_equal(opts.n_api_keys, 2);
    assert_string_equal(opts.chat_template_file, "{{ messages }}");
    assert_true(args.noted.n >= 5);
}

static void an_empty_key_is_refused(void **state)
{
    (void)state;
    assert_int_equal(PARSE(W("/m"), W("--api-key"), W("k1"), W("")), ERR_BAD_REQUEST);
    assert_string_equal(err.text, "--api-key: key 2 is empty; leave the option out to ask nobody for one");
    assert_int_equal(setenv("VLLM_API_KEY", "", 1), 0);         /* as if it were not set */
    assert_int_equal(PARSE(W("/m")), ERR_OK);
    assert_int_equal(opts.n_api_keys, 0);
    unsetenv("VLLM_API_KEY");
}

static void a_strength_comes_from_the_environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("sql", "0.5", 1), 0);
    assert_int_equal(PARSE(W("/m"), W("--adapter"), W("/mnt/adapter/sql/data")), ERR_OK);
    assert_string_equal(opts.adapters[0].name, "sql");
    assert_true(opts.adapters[0].strength == 0.5);
    assert_int_equal(setenv("sql", "much", 1), 0);
    assert_int_equal(PARSE(W("/m"), W("--adapter"), W("sql=/s")), ERR_BAD_REQUEST);
    unsetenv("sql");
}

static void the_file_beats_the_command_line(void **state)
{
    (void)state;
    char path[] = "/tmp/serve-options-XXXXXX";
    int fd = mkstemp(path);
    const char *text = "max_probe_steps: 6\nvllm:\n  max-model-len: 512\n  cpu-offload-gb: 0\n  trust-request-chat-template: true\n  host: \"\"\n";

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    AUTO_MEM char *option = xasprintf("--kaito-config-file=%s", path);
    assert_int_equal(PARSE(W("/m"), option, W("--max-model-len"), W("1024"), W("--host"), W("10.0.0.1")), ERR_BAD_REQUEST);     /* an empty host is a bare option */
    assert_non_null(strstr(err.text, path));
    text = "vllm:\n  max-model-len: 512\n  cpu-offload-gb: 0\n  trust-request-chat-template: true\n";
    assert_int_equal(file_write_atomic(path, str_of(text), 0600, &err), ERR_OK);
    assert_int_equal(PARSE(W("/m"), option, W("--max-model-len"), W("1024")), ERR_OK);
    assert_int_equal(opts.max_model_len, 512);
    assert_true(opts.trust_request_template);
    assert_string_equal(opts.model_dir, "/m");
    unlink(path);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct { const char *word, *value, *want; } faults[] = {
        { "--dtype", "fp8", "--dtype: \"fp8\"" }, { "--quantization", "awq", "--quantization: \"awq\" is none of none" }, { "--max-model-len", "long", "--max-model-len: \"long\"" },
        { "--port", "70000", "--port: 70000" }, { "--lora-modules", "x", "--lora-modules: \"x\" is not NAME=DIR" }, { "--lora-modules", "{\"name\":\"x\"}", "needs \"name\" and \"path\"" },
        { "--allowed-origins", "[1]", "--allowed-origins" }, { "--frobnicate", "1", "unknown option --frobnicate" }, { "--generation-config", "vllm", "--generation-config" },
        { "other", "word", "\"other\" is not an option" },
    };
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        assert_int_equal(parse((char **)(uintptr_t)(const char *[]){ "serve", "/m", faults[i].word, faults[i].value, NULL }), ERR_BAD_REQUEST);
        if (!strstr(err.text, faults[i].want))
            fail_msg("%s: %s", faults[i].word, err.text);
    }
    assert_int_equal(PARSE(W("--port"), W("1")), ERR_BAD_REQUEST);
    assert_non_null(strstr(err.text, "--model DIR is required"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_safe),
        cmocka_unit_test(a_vllm_command_line_works),
        cmocka_unit_test(an_empty_key_is_refused),
        cmocka_unit_test(a_strength_comes_from_the_environment),
        cmocka_unit_test(the_file_beats_the_command_line),
        cmocka_unit_test(mistakes_are_named),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    serve_args_done(&args);
    return failed;
}
