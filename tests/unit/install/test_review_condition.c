/* Which updates of a Workspace the webhook's configuration sends to a review. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/yaml.h"
#include "install/install.h"
#include "schema/cel.h"

static json_t *parse(const char *yaml, struct arena *a)
{
    json_t *j = NULL;
    struct err e;

    if (yaml_parse(str_of(yaml), &j, &e))
        fail_msg("%s: %s", yaml, e.text);
    json_arena_own(a, j);
    return j;
}

static json_t *workspace(const char *meta, struct arena *a)
{
    json_t *o = json_object();

    json_arena_own(a, o);
    json_put(o, "metadata", json_incref(parse(meta, a)));
    return o;
}

static bool is_reviewed(const struct cel *condition, const char *operation, json_t *old, json_t *now)
{
    AUTO_JSON request = json_pack("{s:s}", "operation", operation);
    AUTO_JSON nothing = json_null();
    const struct cel_variable vars[] = { { "object", now }, { "oldObject", old ? old : nothing }, { "request", request } };
    AUTO_JSON value = NULL;
    struct err e;

    if (cel_eval_with(condition, vars, 3, &value, &e))
        fail_msg("%s", e.text);
    assert_true(json_is_boolean(value));
    return json_is_true(value);
}

#define OWN "workspace.kaito.io/hash: h, workspace.kaito.io/revision: \"1\""
static const struct { const char *what, *old, *now; bool reviewed; } rows[] = {
    { "a creation", NULL, "{generation: 1}", true },
    { "nothing", "{generation: 1}", "{generation: 1}", false },
    { "the spec", "{generation: 1}", "{generation: 2}", true },
    { "a finalizer", "{generation: 1}", "{generation: 1, finalizers: [f]}", false },
    { "labels", "{generation: 1, annotations: {a: b}}", "{generation: 1, annotations: {a: b}, labels: {c: d}}", false },
    { "our first annotations", "{generation: 1}", "{generation: 1, annotations: {" OWN "}}", false },
    { "ours beside others", "{generation: 1, annotations: {a: b}}", "{generation: 1, annotations: {a: b, " OWN "}}", false },
    { "ours, changed", "{generation: 1, annotations: {workspace.kaito.io/revision: \"1\"}}", "{generation: 1, annotations: {workspace.kaito.io/revision: \"2\"}}", false },
    { "ours, gone", "{generation: 1, annotations: {a: b, " OWN "}}", "{generation: 1, annotations: {a: b}}", false },
    { "an annotation", "{generation: 1}", "{generation: 1, annotations: {a: b}}", true },
    { "one more", "{generation: 1, annotations: {" OWN "}}", "{generation: 1, annotations: {a: b, " OWN "}}", true },
    { "another value", "{generation: 1, annotations: {a: b, " OWN "}}", "{generation: 1, annotations: {a: c, " OWN "}}", true },
    { "one less", "{generation: 1, annotations: {a: b, c: d}}", "{generation: 1, annotations: {a: b}}", true },
    { "the last one", "{generation: 1, annotations: {a: b}}", "{generation: 1}", true },
};

static void what_the_rules_look_at_is_reviewed(void **state)
{
    const struct install_opts o = { 0 };
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON configuration = install_webhook(&o);
    const json_t *hook = json_array_get(json_object_get(configuration, "webhooks"), 0), *conditions = json_object_get(hook, "matchConditions");
    const struct cel *condition = NULL;
    struct err e;

    assert_int_equal(json_array_size(conditions), 1);
    if (cel_parse(json_to_str(json_object_get(json_array_get(conditions, 0), "expression")), a, &condition, &e))
        fail_msg("%s", e.text);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *old = rows[i].old ? workspace(rows[i].old, a) : NULL;

        if (is_reviewed(condition, rows[i].old ? "UPDATE" : "CREATE", old, workspace(rows[i].now, a)) != rows[i].reviewed)
            fail_msg("%s: %sreviewed", rows[i].what, rows[i].reviewed ? "not " : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_the_rules_look_at_is_reviewed) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
