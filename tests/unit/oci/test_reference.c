/* Image references: the grammar and Docker's normalisation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "oci/oci.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void references_are_normalised(void **state)
{
    static const struct { const char *text, *full; } rows[] = {
        { "127.0.0.1:5443/adapters/phi-3-dolly:0.0.1", "127.0.0.1:5443/adapters/phi-3-dolly:0.0.1" },
        { "busybox", "docker.io/library/busybox:latest" }, { "a/b", "docker.io/a/b:latest" }, { "a/b:1", "docker.io/a/b:1" },
        { "localhost/b", "localhost/b:latest" }, { "localhost:5000/b", "localhost:5000/b:latest" }, { "index.docker.io/busybox", "docker.io/library/busybox:latest" },
        { "reg.io/a/b/c:v1@sha256:" HEX, "reg.io/a/b/c:v1@sha256:" HEX }, { "reg.io/a@sha256:" HEX, "reg.io/a@sha256:" HEX },
        { "[::1]:5000/a", "[::1]:5000/a:latest" }, { "Reg/a", "Reg/a:latest" }, { "r.io/a__b/c--d.e_f", "r.io/a__b/c--d.e_f:latest" },
        { "busybox:5000", "docker.io/library/busybox:5000" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_IMAGE_REF r = { 0 };
        struct err e = { 0 };
        if (image_ref_parse(rows[i].text, &r, &e))
            fail_msg("%s: %s", rows[i].text, e.text);
        AUTO_MEM char *full = image_ref_text(&r);
        assert_string_equal(full, rows[i].full);
    }
}

static void malformed_references_are_refused(void **state)
{
    static const char *const bad[] = {
        "", ":", "a:", "a/", "/a", "a//b", "r.io/A", "r.io/a b", "https://r.io/a", "r.io/a@sha256:12", "r.io/a@md5:" HEX, "r.io:0/a", "r.io:99999/a", "r.io:x/a",
        "r.io/a:-x", "r.io/a..b", "r.io/a___b", "r.io/-a", "r.io/a-", "-r.io/a", "r.io/", "[::1/a", "r.io/a:b:c", "r.io/a@sha256:" HEX "@sha256:" HEX,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_IMAGE_REF r = { 0 };
        struct err e = { 0 };
        if (image_ref_parse(bad[i], &r, &e) != ERR_INVALID)
            fail_msg("%s: %s", bad[i], e.text);
    }
    AUTO_BUF text = { 0 };
    buf_adds(&text, "r.io/a:");
    for (int i = 0; i < 129; i++)
        buf_addc(&text, 'x');
    AUTO_IMAGE_REF r = { 0 };
    assert_int_equal(image_ref_parse(buf_cstr(&text), &r, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_normalised),
        cmocka_unit_test(malformed_references_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
