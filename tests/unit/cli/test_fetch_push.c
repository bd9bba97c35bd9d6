/* kaito-runtime fetch and push as a pod runs them: exit status, output and last words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "../child.h"
#include "base/file.h"
#include "base/str.h"

struct fixture { char *dir, *program, *words, *output, *said; };

static int set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    f->dir = test_folder();
    f->program = path_join(getenv("KAITO_BUILD"), "src/cli/kaito-runtime");
    f->words = path_join(f->dir, "termination-log");
    f->output = path_join(f->dir, "out");
    f->said = path_join(f->dir, "said");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(dir_remove(f->dir, NULL), ERR_OK);
    free(f->said);
    free(f->output);
    free(f->words);
    free(f->program);
    free(f->dir);
    free(f);
    return 0;
}

/* Runs the program; stdout and stderr are in f->said. */
static int run(struct fixture *f, const char *const *argv)
{
    AUTO_FD out = open(f->said, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct process_opts o = { .argv = argv, .stdin_fd = -1, .stdout_fd = out, .stderr_fd = out };
    int status = -1;
    pid_t pid;

    assert_int_equal(process_start(&o, &pid, NULL), ERR_OK);
    assert_int_equal(process_wait(pid, 60000, &status, NULL), ERR_OK);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_holds(const char *path, const char *sign)
{
    AUTO_BUF b = { 0 };

    assert_int_equal(file_read(path, 1 << 20, &b, NULL), ERR_OK);
    if (!strstr(buf_cstr(&b), sign))
        fail_msg("no \"%s\" in: %s", sign, buf_cstr(&b));
}

static void wrong_command_lines_exit_with_2(void **state)
{
    struct fixture *f = *state;
    const char *nothing[] = { f->program, "fetch", "--output", f->output, NULL };
    const char *unknown[] = { f->program, "push", "--form", "x", NULL };
    const char *help[] = { f->program, "push", "--help", NULL };

    assert_int_equal(run(f, nothing), 2);
    assert_holds(f->said, "give --model-repo, --url or --image");
    assert_int_equal(run(f, unknown), 2);
    assert_int_equal(run(f, help), 0);
    assert_holds(f->said, "--docker-config");
}

static void a_failed_fetch_leaves_its_cause(void **state)
{
    struct fixture *f = *state;
    const char *private[] = { f->program, "fetch", "--url", "http://169.254.169.254/latest/x", "--output", f->output, "--termination-log", f->words, NULL };

    assert_int_equal(run(f, private), 1);
    assert_holds(f->words, "data source URL must not target a loopback, private, or link-local address");
}

static void a_failed_push_leaves_its_cause(void **state)
{
    struct fixture *f = *state;
    const char *empty[] = { f->program, "push", "--from", f->dir, "--image", "127.0.0.1:1/a/b:1", "--termination-log", f->words, NULL };
    const char *down[] = { f->program, "push", "--from", f->dir, "--image", "127.0.0.1:1/a/b:1", "--attempts", "1", "--termination-log", f->words, NULL };
    const char *reference[] = { f->program, "push", "--from", f->dir, "--image", "127.0.0.1:1/A/b:1", "--termination-log", f->words, NULL };

    assert_int_equal(run(f, empty), 1);
    assert_holds(f->words, "there is no adapter_config.json");
    AUTO_MEM char *config = path_join(f->dir, "adapter_config.json"), *model = path_join(f->dir, "adapter_model.safetensors");
    assert_int_equal(file_write_atomic(config, STR("{}"), 0600, NULL), ERR_OK);
    assert_int_equal(file_write_atomic(model, STR("x"), 0600, NULL), ERR_OK);
    assert_int_equal(run(f, down), 1);
    assert_holds(f->words, "is the registry running");
    assert_int_equal(run(f, reference), 1);
    assert_holds(f->words, "lower-case");
}

static void the_stand_in_is_fetched_under_the_hubs_names(void **state)
{
    struct fixture *f = *state;
    struct child mirror = { 0 };
    AUTO_MEM char *tool = path_join(getenv("KAITO_SOURCE"), "tools/hub-mirror");
    const char *start[] = { tool, "--port", "0", NULL };

    assert_true(child_start(&mirror, start));
    AUTO_MEM char *endpoint = xasprintf("http://127.0.0.1:%d", child_port_after(&mirror, "127.0.0.1:"));
    const char *fetch[] = { f->program, "fetch", "--endpoint", endpoint, "--model-repo", "microsoft/Phi-3-mini-128k-instruct", "--url",
                            "https://huggingface.co/datasets/philschmid/dolly-15k-oai-style/resolve/main/data/train-00000-of-00001-54e3756291ca09c6.parquet?download=true",
                            "--output", f->output, NULL };
    assert_int_equal(run(f, fetch), 0);
    assert_holds(f->said, "All downloads completed successfully");
    assert_int_equal(run(f, fetch), 0);
    assert_holds(f->said, "model.safetensors is there already");
    child_stop(&mirror);
    AUTO_MEM char *data = path_join(f->output, "train-00000-of-00001-54e3756291ca09c6.parquet"), *config = path_join(f->output, "config.json");
    assert_true(file_exists(data));
    assert_holds(config, "Phi3ForCausalLM");
}

int main(void)
{
#define WITH_FOLDER(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(wrong_command_lines_exit_with_2), WITH_FOLDER(a_failed_fetch_leaves_its_cause), WITH_FOLDER(a_failed_push_leaves_its_cause),
        WITH_FOLDER(the_stand_in_is_fetched_under_the_hubs_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
