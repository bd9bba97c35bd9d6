/* What a create makes of the recorded requests, before admission and allocation: every field we set is the real server's. */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "recording.h"

#include "api/k8s/k8s.h"
#include "base/mem.h"

/* Set by admission, allocators, strategies: not by defaults. */
static const char *const others[] = {
    ".metadata.namespace", ".metadata.finalizers", ".spec.tolerations", ".spec.priority", ".spec.preemptionPolicy", ".spec.clusterIP",
    ".spec.clusterIPs", ".spec.ipFamilies", ".spec.ipFamilyPolicy", ".spec.ports[0].nodePort", ".spec.taints", ".spec.selector",
    ".metadata.labels", ".spec.template.metadata.labels", ".status.qosClass", ".status.phase", ".spec.serviceAccountName",
    ".spec.serviceAccount", ".spec.finalizers",
    ".status.storedVersions", ".status.acceptedNames", ".status.conditions",
};

static bool is_others(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (streq(others[i], path))
            return true;
    return false;
}

static void differ(const char *path, json_t *got, json_t *want, struct buf *out)
{
    const char *key;
    json_t *v;
    size_t i;

    if (is_others(path) || json_equal(got, want))
        return;
    if (json_is_object(got) && json_is_object(want)) {
        json_object_foreach(want, key, v) {
            AUTO_MEM char *sub = xasprintf("%s.%s", path, key);
            differ(sub, json_object_get(got, key), v, out);
        }
        json_object_foreach(got, key, v) {
            AUTO_MEM char *sub = xasprintf("%s.%s", path, key);
            if (!json_object_get(want, key))
                differ(sub, v, NULL, out);
        }
        return;
    }
    if (json_is_array(got) && json_is_array(want) && json_array_size(got) == json_array_size(want)) {
        json_array_foreach(want, i, v) {
            AUTO_MEM char *sub = xasprintf("%s[%zu]", path, i);
            differ(sub, json_array_get(got, i), v, out);
        }
        return;
    }
    AUTO_MEM char *a = got ? json_text(got) : xstrdup("nothing");
    AUTO_MEM char *b = want ? json_text(want) : xstrdup("nothing");
    buf_addf(out, "%s: got %s, want %s\n", path, a, b);
}

static const struct type *type_of(const json_t *object)
{
    struct str group, version;

    if (!str_cut(str_of(json_cstr(object, "apiVersion")), '/', &group, &version)) {
        version = group;
        group = STR("");
    }
    AUTO_MEM char *g = xstrndup(group.p, group.n);
    AUTO_MEM char *v = xstrndup(version.p, version.n);
    return k8s_kind(g, v, json_cstr(object, "kind"));
}

static void replay(const char *name, struct buf *out, size_t *n)
{
    AUTO_JSON rec = recording_open(name);
    json_t *step;
    size_t i;

    json_array_foreach(json_object_get(rec, "steps"), i, step) {
        const json_t *body = json_at(step, "request", "body", NULL), *answer = json_at(step, "response", "body", NULL);
        const struct type *t = json_is_object(body) ? type_of(body) : NULL;
        if (!streq(json_str_at(step, "request", "method", NULL), "POST") || json_int(json_object_get(step, "response"), "status", 0) != 201
            || !t || !streq(json_cstr(answer, "kind"), t->kind))
            continue;
        AUTO_JSON got = json_deep_copy(body);
        AUTO_JSON want = json_deep_copy(answer);
        struct err e;
        if (schema_coerce(t, got, &e))
            fail_msg("%s step %zu: %s", name, i, e.text);
        schema_default(t, got);
        k8s_default(t, got);
        recording_strip(got, false);
        recording_strip(want, false);
        AUTO_BUF diff = { 0 };
        differ("", got, want, &diff);
        if (diff.n)
            buf_addf(out, "%s step %zu, %s:\n%s", name, i, t->kind, buf_cstr(&diff));
        ++*n;
    }
}

static void creates_get_the_recorded_defaults(void **state)
{
    AUTO_BUF diff = { 0 };
    size_t n = 0;

    replay("workloads", &diff, &n);
    replay("other_kinds", &diff, &n);
    if (diff.n)
        fail_msg("%s", buf_cstr(&diff));
    assert_true(n > 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(creates_get_the_recorded_defaults) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
