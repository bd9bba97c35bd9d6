/*
 * Protobuf bodies against the JSON of the same objects, both written by k8s.io/apimachinery 0.32.3's own encoders
 * (tests/golden/apiserver/protobuf/NAME.pb and NAME.json).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "api/k8s/k8s.h"
#include "apiserver/protobuf.h"
#include "base/file.h"
#include "base/mem.h"

static const struct type *find(void *self, const char *api_version, const char *kind)
{
    struct str group, version;
    AUTO_MEM char *g = NULL;
    AUTO_MEM char *v = NULL;

    if (!str_cut(str_of(api_version), '/', &group, &version)) {
        version = group;
        group = STR("");
    }
    g = xstrndup(group.p, group.n);
    v = xstrndup(version.p, version.n);
    return k8s_kind(g, v, kind);
}

static void read_golden(const char *name, const char *ext, struct buf *out)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/apiserver/protobuf/%s.%s", getenv("KAITO_SOURCE") ? getenv("KAITO_SOURCE") : ".", name, ext);
    struct err e;

    if (file_read(path, 1u << 20, out, &e))
        fail_msg("%s", e.text);
}

static void bodies_say_what_their_json_says(void **state)
{
    static const char *const names[] = { "namespace", "secret", "configmap", "deployment", "job", "tokenreview", "sar", "hpa", "lease", "revision" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_BUF pb = { 0 };
        AUTO_BUF text = { 0 };
        AUTO_JSON got = NULL;
        AUTO_JSON want = NULL;
        struct err e = { 0 };

        read_golden(names[i], "pb", &pb);
        read_golden(names[i], "json", &text);
        if (json_parse(buf_str(&text), &want, &e) || protobuf_decode(buf_str(&pb), find, NULL, &got, &e))
            fail_msg("%s: %s", names[i], e.text);
        const struct type *t = find(NULL, json_cstr(want, "apiVersion"), json_cstr(want, "kind"));
        if (schema_coerce(t, got, &e))
            fail_msg("%s: %s", names[i], e.text);
        if (!json_equal(got, want)) {
            AUTO_MEM char *a = json_dumps(got, JSON_SORT_KEYS);
            AUTO_MEM char *b = json_dumps(want, JSON_SORT_KEYS);
            fail_msg("%s\ngot  %s\nwant %s", names[i], a, b);
        }
        /* and the JSON itself is what a round trip leaves */
        if (schema_coerce(t, want, &e))
            fail_msg("%s: %s", names[i], e.text);
        assert_true(json_equal(got, want));
    }
}

static void every_cut_is_an_error_or_an_object(void **state)
{
    AUTO_BUF pb = { 0 };

    read_golden("deployment", "pb", &pb);
    for (size_t n = 0; n < pb.n; n++) {
        AUTO_JSON out = NULL;
        struct err e = { 0 };
        uint8_t *copy = xmemdup(pb.p, n ? n : 1);
        if (protobuf_decode(str_n((char *)copy, n), find, NULL, &out, &e))
            assert_null(out);
        free(copy);
    }
    AUTO_JSON out = NULL;
    struct err e = { 0 };
    assert_int_equal(protobuf_decode(STR("{}"), find, NULL, &out, &e), ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_say_what_their_json_says),
        cmocka_unit_test(every_cut_is_an_error_or_an_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
