/* Server-side apply: the recorded session replayed in-process, step by step, on the recorded objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "recording.h"

#include "api/k8s/k8s.h"
#include "apiserver/patch.h"
#include "apiserver/ssa.h"
#include "base/map.h"
#include "base/mem.h"
#include "schema/crd.h"

#define NOW "2024-01-01T00:00:00Z"       /* recorded within a second */

struct world {
    struct map *objects;        /* path -> recorded object */
    const struct type *custom;
    size_t replayed;
};

static char *query(const char *path, const char *key)
{
    AUTO_MEM char *word = xasprintf("%s=", key);
    const char *mark = strchr(path, '?'), *at = mark ? strstr(mark, word) : NULL;

    return at ? xstrndup(at + strlen(word), strcspn(at + strlen(word), "&")) : NULL;
}

static const struct type *type_at(const struct world *w, const char *path)
{
    static const struct { const char *part, *group, *kind; } kinds[] = {
        { "/configmaps", "", "ConfigMap" }, { "/services/", "", "Service" }, { "/services", "", "Service" }, { "/statefulsets", "apps", "StatefulSet" },
        { "/namespaces/", "", NULL },
    };

    if (strstr(path, "/plans"))
        return w->custom;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].kind && strstr(path, kinds[i].part) && !strstr(path, "serviceaccounts"))
            return k8s_kind(kinds[i].group, "v1", kinds[i].kind);
    return NULL;
}

/* The server's own times are placeholders in a recording. */
static void drop_times(json_t *object)
{
    json_t *entry;
    size_t i;

    json_array_foreach(json_at(object, "metadata", "managedFields", NULL), i, entry)
        json_object_del(entry, "time");
}

static void compare(const char *what, json_t *got, json_t *want)
{
    recording_strip(got, true);
    recording_strip(want, true);
    drop_times(got);
    drop_times(want);
    if (!json_equal(json_at(got, "metadata", "managedFields", NULL), json_at(want, "metadata", "managedFields", NULL))) {
        json_t *g = json_at(got, "metadata", "managedFields", NULL), *x = json_at(want, "metadata", "managedFields", NULL);
        if (g || x) {
            AUTO_MEM char *a = json_dumps(g ? g : json_null(), JSON_SORT_KEYS | JSON_ENCODE_ANY);
            AUTO_MEM char *b = json_dumps(x ? x : json_null(), JSON_SORT_KEYS | JSON_ENCODE_ANY);
            fail_msg("%s: managedFields\ngot  %s\nwant %s", what, a, b);
        }
    }
    static const char *const parts[] = { "data", "spec", "metadata" };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        json_t *g = json_object_get(got, parts[i]), *x = json_object_get(want, parts[i]);
        if (g != x && !json_equal(g, x)) {
            AUTO_MEM char *a = json_dumps(g ? g : json_null(), JSON_SORT_KEYS | JSON_ENCODE_ANY);
            AUTO_MEM char *b = json_dumps(x ? x : json_null(), JSON_SORT_KEYS | JSON_ENCODE_ANY);
            fail_msg("%s: %s\ngot  %s\nwant %s", what, parts[i], a, b);
        }
    }
}

static void finish(const struct type *t, json_t *object, const json_t *want)
{
    struct err e;

    if (schema_coerce(t, object, &e))
        fail_msg("%s", e.text);
    schema_default(t, object);
    k8s_default(t, object);
    if (!json_at(object, "metadata", "namespace", NULL))
        json_put_str(json_sub(object, "metadata"), "namespace", "apply");
    if (streq(t->kind, "Service")) {            /* allocated by the strategy, not by defaults */
        static const char *const given[] = { "clusterIPs", "ipFamilies", "ipFamilyPolicy" };
        for (size_t i = 0; i < ARRAY_LEN(given); i++)
            if (json_at(want, "spec", given[i], NULL))
                json_put(json_object_get(object, "spec"), given[i], json_deep_copy(json_at(want, "spec", given[i], NULL)));
    }
}

static void replay_apply(struct world *w, const char *what, const json_t *step, const struct type *t, const json_t *live, const char *sub)
{
    const char *path = json_str_at(step, "request", "path", NULL);
    const json_t *config = json_at(step, "request", "body", NULL), *answer = json_at(step, "response", "body", NULL);
    AUTO_MEM char *manager = query(path, "fieldManager");
    AUTO_MEM char *force = query(path, "force");
    int64_t status = json_int(json_object_get(step, "response"), "status", 0);
    struct ssa_opts o = { .manager = manager, .api_version = json_cstr(config, "apiVersion"), .subresource = sub, .time = NOW, .force = force != NULL };
    AUTO(ssa_conflicts_done) struct ssa_conflicts conflicts = { 0 };
    AUTO_JSON out = NULL;
    struct err e = { 0 };

    errc rc = ssa_apply(t, live, config, &o, &conflicts, &out, &e);
    if (status >= 400) {
        if (!rc || !streq(e.text, json_cstr(answer, "message")))
            fail_msg("%s:\ngot  %s\nwant %s", what, rc ? e.text : "success", json_cstr(answer, "message"));
        AUTO_JSON causes = ssa_conflicts_causes(&conflicts);
        if (rc == ERR_CONFLICT)
            assert_true(json_equal(causes, json_at(answer, "details", "causes", NULL)));
        w->replayed++;
        return;
    }
    if (rc)
        fail_msg("%s: %s", what, e.text);
    if (streq(sub, "status") && live)
        json_put(out, "spec", json_deep_copy(json_object_get(live, "spec")));
    finish(t, out, answer);
    AUTO_JSON want = json_deep_copy(answer);
    compare(what, out, want);
    w->replayed++;
}

static void replay_write(struct world *w, const char *what, const json_t *step, const struct type *t, const json_t *live, const char *sub)
{
    const char *path = json_str_at(step, "request", "path", NULL), *media = json_str_at(step, "request", "headers", "Content-Type", NULL);
    const json_t *body = json_at(step, "request", "body", NULL), *answer = json_at(step, "response", "body", NULL);
    AUTO_MEM char *manager = query(path, "fieldManager");
    struct ssa_opts o = { .manager = manager ? manager : "apireplay", .api_version = json_cstr(answer, "apiVersion"), .subresource = sub, .time = NOW };
    AUTO_JSON object = NULL;
    struct err e;

    if (media && patch_merge(live, body, &object, &e))
        fail_msg("%s: %s", what, e.text);
    if (!object)
        object = json_deep_copy(body);
    finish(t, object, answer);
    if (ssa_update(t, live, object, &o, &e))
        fail_msg("%s: %s", what, e.text);
    AUTO_JSON want = json_deep_copy(answer);
    compare(what, object, want);
    w->replayed++;
}

/* A scale is written through to its parent: an update of one field, without a time. */
static void replay_scale(struct world *w, const char *what, const json_t *step, const struct type *t, const char *path, const json_t *live)
{
    json_t *object = json_deep_copy(live);
    struct ssa_opts o = { .manager = "apireplay", .api_version = json_cstr(live, "apiVersion"), .subresource = "scale" };
    struct err e;

    json_put(json_object_get(object, "spec"), "replicas", json_incref(json_at(step, "response", "body", "spec", "replicas", NULL)));
    if (ssa_update(t, live, object, &o, &e))
        fail_msg("%s: %s", what, e.text);
    map_put(w->objects, str_of(path), object);
}

/* Refused by the layer above: options, identity, resourceVersion. */
static bool not_ours(const json_t *step)
{
    const char *message = json_str_at(step, "response", "body", "message", NULL);
    static const char *const others[] = { "PatchOptions", "invalid object type", "Operation cannot", "field is immutable", "error decoding YAML", "is invalid" };

    for (size_t i = 0; message && i < ARRAY_LEN(others); i++)
        if (strstr(message, others[i]))
            return true;
    return !json_is_object(json_at(step, "request", "body", NULL));
}

static void replay(struct world *w, size_t i, const json_t *step)
{
    const char *full = json_str_at(step, "request", "path", NULL), *method = json_str_at(step, "request", "method", NULL), *sub;
    const char *media = json_str_at(step, "request", "headers", "Content-Type", NULL);
    AUTO_MEM char *path = recording_object_path(full, &sub);
    AUTO_MEM char *what = xasprintf("step %zu %s %s", i, method, full);
    const json_t *answer = json_at(step, "response", "body", NULL), *live = map_get(w->objects, str_of(path));
    const struct type *t = type_at(w, path);
    int64_t status = json_int(json_object_get(step, "response"), "status", 0);

    if (t && !not_ours(step) && !streq(method, "GET") && !streq(sub, "scale")) {
        if (media && strstr(media, "apply-patch"))
            replay_apply(w, what, step, t, live, sub);
        else if (status < 300)
            replay_write(w, what, step, t, live, sub);
    }
    if (t && live && streq(sub, "scale") && status == 200 && streq(method, "PATCH"))
        replay_scale(w, what, step, t, path, live);
    if (status >= 300 || strstr(full, "dryRun") || streq(sub, "scale"))
        return;
    AUTO_MEM char *own = streq(method, "POST") ? xasprintf("%s/%s", path, json_str_at(answer, "metadata", "name", NULL)) : xstrdup(path);
    map_put(w->objects, str_of(own), json_deep_copy(answer));
}

static void free_json(void *j) { json_decref(j); }

static void the_recorded_session_ends_the_same(void **state)
{
    AUTO_JSON rec = recording_open("server_side_apply");
    AUTO_FREE(arena) a = arena_new();
    AUTO_FREE(map) objects = map_new(free_json);
    struct world w = { .objects = objects };
    const json_t *step, *steps = json_object_get(rec, "steps");
    const json_t *version = json_array_get(json_at(json_array_get(steps, 38), "request", "body", "spec", "versions", NULL), 0);
    struct err e;
    size_t i;

    assert_int_equal(crd_type_build(json_at(version, "schema", "openAPIV3Schema", NULL), k8s_object_meta, "example.apply.v1.Plan",
                                    "apply.example", "v1", "Plan", a, &w.custom, &e), ERR_OK);
    json_array_foreach(steps, i, step)
        replay(&w, i, step);
    if (w.replayed < 30)
        fail_msg("only %zu steps replayed", w.replayed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recorded_session_ends_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
