/* What a Workspace is given while it is created, and that the controller then has nothing left to write first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "webhook/admission.h"
#include "workspace/priv.h"

#define FINALIZER "workspace.finalizer.kaito.sh"
#define SPEC "resource: {count: 1, instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {apps: phi-4}}}\n" \
             "inference: {preset: {name: phi-4-mini-instruct, accessMode: public}}\n"
#define SPEC_HASH "203bd2f573e212877fc413be56776945a635c4cd6ea73b05061e71a0272019a8"        /* dossier 4.3 */

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
    AUTO_MEM char *yaml = xasprintf("apiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata: %s\n" SPEC, meta);

    return parse(yaml, a);
}

static json_t *prepare(const char *operation, const char *version, const json_t *object, struct arena *a)
{
    const struct admission_request q = { .operation = operation, .subresource = "", .version = version, .kind = "Workspace", .object = object, .arena = a };
    json_t *patch = NULL;

    workspace_prepare(NULL, &q, &patch);
    if (patch)
        json_arena_own(a, patch);
    return patch;
}

/* The value that the patch adds at the path; NULL: it does not touch it. */
static const json_t *added(const json_t *patch, const char *path)
{
    const json_t *op;
    size_t i;

    json_array_foreach(patch, i, op)
        if (streq(json_cstr(op, "path"), path)) {
            assert_string_equal(json_cstr(op, "op"), "add");
            return json_object_get(op, "value");
        }
    return NULL;
}

static void expect(const json_t *value, const char *yaml, struct arena *a)
{
    json_t *want = yaml ? parse(yaml, a) : NULL;

    if (!want != !value || (want && !json_equal((json_t *)(uintptr_t)value, want)))
        fail_msg("not %s", yaml ? yaml : "left alone");
}

#define OWN HASH_ANNOTATION ": " SPEC_HASH ", " REVISION_ANNOTATION ": \"1\""
static void a_new_workspace_gets_what_it_lacks(void **state)
{
    static const struct { const char *version, *meta, *finalizers, *annotations; } rows[] = {
        { "v1beta1", "{name: a}", "[" FINALIZER "]", "{" OWN "}" },
        { "v1beta1", "{name: a, finalizers: [x/y], annotations: {b: c}}", "[x/y, " FINALIZER "]", "{b: c, " OWN "}" },
        { "v1beta1", "{name: a, finalizers: [" FINALIZER "]}", NULL, "{" OWN "}" },
        { "v1beta1", "{name: a, annotations: {" HASH_ANNOTATION ": h, " REVISION_ANNOTATION ": \"7\"}}", "[" FINALIZER "]", NULL },     /* a restored one */
        { "v1alpha1", "{name: a}", "[" FINALIZER "]", NULL },   /* its defaults are another version's */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE(arena) a = arena_new();
        const json_t *patch = prepare("CREATE", rows[i].version, workspace(rows[i].meta, a), a);

        assert_non_null(patch);
        expect(added(patch, "/metadata/finalizers"), rows[i].finalizers, a);
        expect(added(patch, "/metadata/annotations"), rows[i].annotations, a);
    }
}

static void an_update_is_left_alone(void **state)
{
    AUTO_FREE(arena) a = arena_new();

    assert_null(prepare("UPDATE", "v1beta1", workspace("{name: a}", a), a));
    assert_null(prepare("DELETE", "v1beta1", NULL, a));
}

static void what_was_prepared_needs_no_first_write(void **state)
{
    AUTO_FREE(arena) a = arena_new();
    json_t *object = workspace("{name: a, namespace: default, uid: u, generation: 1}", a), *meta = json_object_get(object, "metadata");
    const json_t *patch = prepare("CREATE", "v1beta1", object, a);
    struct workspace_settings settings = { 0 };
    struct workspace ws;
    struct ws_plan plan;
    const json_t *o;
    size_t i, revisions = 0;

    json_put(meta, "finalizers", json_clone(added(patch, "/metadata/finalizers")));
    json_put(meta, "annotations", json_clone(added(patch, "/metadata/annotations")));
    workspace_settings_default(&settings);
    assert_int_equal(schema_decode(&workspace_v1beta1, object, a, &ws, NULL), ERR_OK);
    workspace_plan(&(struct ws_view){ .settings = &settings, .ws = &ws }, 0, &plan);
    assert_false(plan.add_finalizer);
    assert_null(plan.annotations);
    json_array_foreach(plan.create, i, o)
        revisions += streq(kube_kind(o), "ControllerRevision") && json_int(o, "revision", 0) == 1;
    assert_int_equal(revisions, 1);
    ws_plan_done(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_workspace_gets_what_it_lacks),
        cmocka_unit_test(an_update_is_left_alone),
        cmocka_unit_test(what_was_prepared_needs_no_first_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
