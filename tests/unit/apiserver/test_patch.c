/* Patches: recorded ones replayed on the recorded objects, and the corners that no recording has. */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "recording.h"

#include "api/k8s/k8s.h"
#include "apiserver/patch.h"
#include "base/map.h"
#include "base/mem.h"
#include "schema/crd.h"

static json_t *parse(const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (json_parse(str_of(text), &j, &e))
        fail_msg("%s: %s", text, e.text);
    return j;
}

/* The type of the recording's own definition (step 42). */
static const struct type *custom_type(struct arena *a, const json_t *rec)
{
    const json_t *crd = json_at(json_array_get(json_object_get(rec, "steps"), 42), "request", "body", NULL);
    const json_t *version = json_array_get(json_at(crd, "spec", "versions", NULL), 0);
    const struct type *t = NULL;
    struct err e;

    assert_int_equal(crd_type_build(json_at(version, "schema", "openAPIV3Schema", NULL), k8s_object_meta, "example.patches.v1.Gadget",
                                    "patches.example", "v1", "Gadget", a, &t, &e), ERR_OK);
    return t;
}

static const struct type *type_of_object(const json_t *object)
{
    struct str version = str_of(json_cstr(object, "apiVersion")), group, rest;
    static char g[64], v[64];

    if (!str_cut(version, '/', &group, &rest)) {
        rest = version;
        group = STR("");
    }
    (void)snprintf(g, sizeof g, "%.*s", STR_ARG(group));
    (void)snprintf(v, sizeof v, "%.*s", STR_ARG(rest));
    return k8s_kind(g, v, json_cstr(object, "kind"));
}

static errc apply_patch(const struct type *t, const char *media, const json_t *object, const json_t *patch, json_t **out, struct err *e)
{
    if (strstr(media, "json-patch"))
        return patch_json(object, patch, out, e);
    if (strstr(media, "strategic"))
        return patch_strategic(t, object, patch, out, e);
    return patch_merge(object, patch, out, e);
}

/* What the server does after a patch, without its bookkeeping. */
static errc finish(const struct type *t, json_t *object, struct err *e)
{
    schema_prune(t, object, NULL);
    TRY(schema_coerce(t, object, e));
    schema_default(t, object);
    k8s_default(t, object);
    return ERR_OK;
}

static void compare(const char *what, json_t *got, json_t *want)
{
    recording_strip(got, false);
    recording_strip(want, false);
    json_object_del(got, "status");
    json_object_del(want, "status");
    if (!json_equal(got, want)) {
        AUTO_MEM char *g = json_dumps(got, JSON_SORT_KEYS | JSON_INDENT(1));
        AUTO_MEM char *w = json_dumps(want, JSON_SORT_KEYS | JSON_INDENT(1));
        fail_msg("%s\ngot %s\nwant %s", what, g, w);
    }
}

static void free_json(void *j) { json_decref(j); }

static void recorded_patches_give_the_recorded_objects(void **state)
{
    AUTO_JSON rec = recording_open("patches");
    AUTO_FREE(map) objects = map_new(free_json);
    AUTO_FREE(arena) a = arena_new();
    const struct type *custom = custom_type(a, rec);
    json_t *step;
    size_t i, replayed = 0;

    json_array_foreach(json_object_get(rec, "steps"), i, step) {
        const char *method = json_str_at(step, "request", "method", NULL), *sub;
        AUTO_MEM char *path = recording_object_path(json_str_at(step, "request", "path", NULL), &sub);
        const char *media = json_str_at(step, "request", "headers", "Content-Type", NULL);
        json_t *answer = json_at(step, "response", "body", NULL), *patch = json_at(step, "request", "body", NULL);
        int64_t status = json_int(json_object_get(step, "response"), "status", 0);
        AUTO_MEM char *what = xasprintf("step %zu %s", i, path);
        json_t *before = map_get(objects, str_of(path)), *after = NULL;
        struct err e;

        if (streq(method, "PATCH") && status == 200 && before && media && patch) {
            const struct type *t = type_of_object(before) ? type_of_object(before) : custom;
            if (apply_patch(t, media, before, patch, &after, &e) || finish(t, after, &e))
                fail_msg("%s: %s", what, e.text);
            AUTO_JSON owned = after;
            AUTO_JSON want = json_deep_copy(answer);
            compare(what, after, want);
            replayed++;
        }
        if (status == 201 && streq(method, "POST")) {
            AUTO_MEM char *own = xasprintf("%s/%s", path, json_str_at(answer, "metadata", "name", NULL));
            map_put(objects, str_of(own), json_incref(answer));
        } else if (status == 200 && before && !strstr(json_str_at(step, "request", "path", NULL), "dryRun")) {
            map_put(objects, str_of(path), json_incref(answer));
        }
    }
    assert_true(replayed >= 18);
}

static void recorded_creates_get_the_recorded_defaults(void **state)
{
    AUTO_JSON rec = recording_open("patches");
    json_t *step;
    size_t i;

    json_array_foreach(json_object_get(rec, "steps"), i, step) {
        if (!streq(json_str_at(step, "request", "method", NULL), "POST") || json_int(json_object_get(step, "response"), "status", 0) != 201)
            continue;
        AUTO_JSON got = json_deep_copy(json_at(step, "request", "body", NULL));
        AUTO_JSON want = json_deep_copy(json_at(step, "response", "body", NULL));
        const struct type *t = type_of_object(got);
        struct err e;
        if (!t || (!streq(t->kind, "Deployment") && !streq(t->kind, "ConfigMap")))
            continue;
        if (finish(t, got, &e))
            fail_msg("%s", e.text);
        json_object_del(json_object_get(want, "metadata"), "namespace");
        compare("create", got, want);
    }
}

static void broken_json_patches_are_refused(void **state)
{
    static const char *const bad[] = {
        "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", "[{\"op\":\"remove\",\"path\":\"/b\"}]", "[{\"op\":\"fly\",\"path\":\"/a\"}]",
        "[{\"op\":\"add\",\"path\":\"/l/9\",\"value\":1}]", "[{\"op\":\"add\",\"path\":\"/a\"}]", "[{\"op\":\"copy\",\"path\":\"/c\"}]",
        "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", "[{\"op\":\"move\",\"from\":\"/x/y\",\"path\":\"/c\"}]", "[1]",
    };
    AUTO_JSON object = parse("{\"a\":1,\"l\":[1,2]}");

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_JSON ops = parse(bad[i]);
        AUTO_JSON out = NULL;
        struct err e;
        if (patch_json(object, ops, &out, &e) != ERR_INVALID)
            fail_msg("taken: %s", bad[i]);
    }
    AUTO_JSON no_list = parse("{\"op\":\"add\"}");
    AUTO_JSON out = NULL;
    struct err e;
    assert_int_equal(patch_json(object, no_list, &out, &e), ERR_BAD_REQUEST);
    assert_string_equal(e.text, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp");
}

static void strategic_errors_are_the_servers(void **state)
{
    AUTO_JSON object = parse("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"one\"}]}}}}");
    AUTO_JSON no_key = parse("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"image\":\"x\"}]}}}}");
    AUTO_JSON no_list = parse("{\"spec\":{\"template\":{\"spec\":{\"containers\":{\"not\":\"a list\"}}}}}");
    const struct type *t = k8s_kind("apps", "v1", "Deployment");
    AUTO_JSON out = NULL;
    AUTO_BUF text = { 0 };
    struct err e;

    assert_int_equal(patch_strategic(t, object, no_key, &out, &e), ERR_INTERNAL);
    assert_string_equal(e.text, "map: map[image:x] does not contain declared merge key: name");
    assert_int_equal(patch_strategic(t, object, no_list, &out, &e), ERR_INVALID);
    assert_string_equal(e.text, "cannot restore slice from map");
    patch_go_text(no_list, &text);
    assert_string_equal(buf_cstr(&text), "map[spec:map[template:map[spec:map[containers:map[not:a list]]]]]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_patches_give_the_recorded_objects),
        cmocka_unit_test(recorded_creates_get_the_recorded_defaults),
        cmocka_unit_test(broken_json_patches_are_refused),
        cmocka_unit_test(strategic_errors_are_the_servers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
