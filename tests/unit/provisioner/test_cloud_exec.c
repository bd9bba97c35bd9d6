/* cloud/exec with the sample program of examples/cloud-exec, and with programs that do everything wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../child.h"
#include "../patience.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/yaml.h"
#include "provisioner/cloud_exec.h"

#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)

struct scene { char *dir; struct arena *a; struct node_claim claim; struct cloud *cloud; };

static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    s->dir = test_folder();
    s->a = arena_new();
    setenv("CLOUD_FOLDER", s->dir, 1);
    setenv("CLOUD_SECONDS", "0", 1);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    struct err ignored;

    cloud_free(s->cloud);
    arena_free(s->a);
    (void)dir_remove(s->dir, &ignored);
    free(s->dir);
    free(s);
    return 0;
}

static void claim_is(struct scene *s, const char *uid, const char *type)
{
    AUTO_MEM char *text = xasprintf("{metadata: {name: c1, uid: %s}, spec: {requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [%s]}]}}", uid, type);
    json_t *j = NULL;
    struct err e;

    OK(yaml_parse(str_of(text), &j, &e));
    json_arena_own(s->a, j);
    OK(schema_decode(&node_claim_type, j, s->a, &s->claim, &e));
}

static void sample(struct scene *s)
{
    const char *root = getenv("KAITO_SOURCE");

    if (!root)
        fail_msg("KAITO_SOURCE is not set");
    AUTO_MEM char *path = xasprintf("%s/examples/cloud-exec/cloud-in-a-folder", root);
    s->cloud = cloud_exec_new(&(struct cloud_exec_opts){ .command = path, .node_label = "machine" });
}

/* A body that sleeps has a second; the others answer at once, by a busy machine's clock. */
static void program(struct scene *s, const char *body)
{
    AUTO_MEM char *path = xasprintf("%s/cloud", s->dir);
    AUTO_MEM char *text = xasprintf("#!/bin/sh\n%s\n", body);
    struct err e;

    OK(file_write_atomic(path, str_of(text), 0755, &e));
    cloud_free(s->cloud);
    s->cloud = cloud_exec_new(&(struct cloud_exec_opts){ .command = path, .timeout_ms = strstr(body, "sleep") ? 1000 : patience_ms(10000) });
}

static void the_sample_keeps_the_contract(void **state)
{
    struct scene *s = *state;
    struct cloud_instance made = { 0 };
    struct cloud_failure why = { 0 };
    AUTO(cloud_instances_done) struct cloud_instances l = { 0 };
    struct err e;
    int64_t look = 7;

    sample(s);
    claim_is(s, "u1", "gpu-1");
    assert_int_equal(s->cloud->get(s->cloud->self, "c1", &made, &e), ERR_NOT_FOUND);
    OK(s->cloud->create(s->cloud->self, &s->claim, &made, &why, &e));
    assert_int_equal(made.state, CLOUD_RUNNING);
    assert_string_equal(made.provider_id, "folder:///c1");
    assert_string_equal(made.instance_type, "gpu-1");
    assert_true(made.created_ms > 0);
    cloud_instance_done(&made);
    OK(s->cloud->create(s->cloud->self, &s->claim, &made, &why, &e));   /* again: the same one */
    cloud_instance_done(&made);
    OK(s->cloud->list(s->cloud->self, &l, &e));
    assert_int_equal(l.n, 1);
    assert_string_equal(l.items[0].claim, "c1");
    OK(s->cloud->delete(s->cloud->self, "c1", &look, &e));
    assert_int_equal(look, 0);
    OK(s->cloud->delete(s->cloud->self, "c1", &look, &e));
    assert_int_equal(s->cloud->get(s->cloud->self, "c1", &made, &e), ERR_NOT_FOUND);
    AUTO_JSON types = NULL;
    OK(s->cloud->types(s->cloud->self, &types, &e));
    assert_string_equal(json_cstr(json_array_get(types, 1), "name"), "gpu-1");
}

static void the_sample_makes_slow_machines_and_refuses_in_kaitos_words(void **state)
{
    struct scene *s = *state;
    struct cloud_instance made = { 0 };
    struct cloud_failure why = { 0 };
    struct err e;

    sample(s);
    setenv("CLOUD_SECONDS", "3600", 1);
    claim_is(s, "u1", "small");
    OK(s->cloud->create(s->cloud->self, &s->claim, &made, &why, &e));
    assert_int_equal(made.state, CLOUD_PENDING);
    assert_int_equal(made.look_ms, 1000);
    assert_null(made.provider_id);
    cloud_instance_done(&made);
    claim_is(s, "u2", "small");
    assert_int_not_equal(s->cloud->create(s->cloud->self, &s->claim, &made, &why, &e), ERR_OK);
    assert_int_equal(why.fault, FAULT_NOT_OURS);
    struct err ignored;
    int64_t look;
    OK(s->cloud->delete(s->cloud->self, "c1", &look, &e));
    claim_is(s, "u1", "huge");
    assert_int_not_equal(s->cloud->create(s->cloud->self, &s->claim, &made, &why, &ignored), ERR_OK);
    assert_int_equal(why.fault, FAULT_TYPE);
    assert_non_null(strstr(ignored.text, "huge"));
}

static void every_reason_is_understood(void **state)
{
    struct scene *s = *state;
    struct cloud_instance made = { 0 };
    struct err e;

    claim_is(s, "u1", "small");
    for (enum cloud_fault f = 0; f < FAULT_COUNT; f++) {
        AUTO_MEM char *body = xasprintf("cat >/dev/null; echo '{\"error\":{\"reason\":\"%s\",\"message\":\"why\",\"retrySeconds\":9}}'", cloud_fault_row(f)->reason);
        struct cloud_failure why = { 0 };

        program(s, body);
        assert_int_not_equal(s->cloud->create(s->cloud->self, &s->claim, &made, &why, &e), ERR_OK);
        assert_int_equal(why.fault, f);
        assert_int_equal(why.retry_ms, 9000);
        assert_string_equal(e.text, "why");
    }
}

static void programs_that_misbehave_are_errors_that_name_them(void **state)
{
    static const struct { const char *body, *says; enum cloud_fault fault; } rows[] = {
        { "exit 3", "status 3", FAULT_TRANSIENT }, { "kill -9 $$", "signal 9", FAULT_TRANSIENT }, { "echo no json", "the answer to create", FAULT_TRANSIENT },
        { "echo '[]'", "is no object", FAULT_OTHER }, { "echo '{}'", "without \"claim\"", FAULT_OTHER },
        { "echo '{\"machine\":{\"claim\":\"c1\",\"state\":\"fine\"}}'", "none of running", FAULT_OTHER },
        { "sleep 300", "no answer within 1 s", FAULT_TRANSIENT }, { "exec 1>&-; sleep 300", "did not end within 1 s", FAULT_TRANSIENT },
        { "(sleep 300) & echo '{}'", "no answer within 1 s", FAULT_TRANSIENT },
    };
    struct scene *s = *state;

    claim_is(s, "u1", "small");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cloud_instance made = { 0 };
        struct cloud_failure why = { 0 };
        struct err e;
        int64_t began = clock_mono_ms();

        program(s, rows[i].body);
        assert_int_not_equal(s->cloud->create(s->cloud->self, &s->claim, &made, &why, &e), ERR_OK);
        assert_int_equal(why.fault, rows[i].fault);
        if (!strstr(e.text, rows[i].says) || !strstr(e.text, "/cloud"))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, e.text, rows[i].says);
        assert_true(clock_mono_ms() - began < patience_ms(1700));
        cloud_instance_done(&made);
    }
}

static void a_missing_program_is_said(void **state)
{
    struct scene *s = *state;
    struct cloud_instances l = { 0 };
    struct err e;

    s->cloud = cloud_exec_new(&(struct cloud_exec_opts){ .command = "/nonexistent/cloud" });
    assert_int_not_equal(s->cloud->list(s->cloud->self, &l, &e), ERR_OK);
    assert_non_null(strstr(e.text, "/nonexistent/cloud"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_sample_keeps_the_contract), T(the_sample_makes_slow_machines_and_refuses_in_kaitos_words), T(every_reason_is_understood),
        T(programs_that_misbehave_are_errors_that_name_them), T(a_missing_program_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
