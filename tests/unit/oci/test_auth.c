/* Docker config files, challenges, manifests: what others write and we read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "oci/oci.h"

#define CONFIG "{\"auths\":{" \
    "\"127.0.0.1:5443\":{\"username\":\"u\",\"password\":\"p\",\"auth\":\"dTpwOnE=\"}," \
    "\"reg.io/first\":{\"auth\":\"dGVhbTp4\"}," \
    "\"https://reg.io/v2/\":{\"username\":\"ru\",\"password\":\"rp\"}," \
    "\"reg.io/team\":{\"auth\":\"dGVhbTp4\"}," \
    "\"https://index.docker.io/v1/\":{\"auth\":\"aHViOng=\"}," \
    "\"acr.io\":{\"auth\":\"MDA6\",\"identitytoken\":\"refresh\"}," \
    "\"broken.io\":{\"auth\":\"%%%\"}}}"

static void the_longest_matching_key_wins(void **state)
{
    static const struct { const char *host, *repo, *user, *password; } rows[] = {
        { "127.0.0.1:5443", "adapters/x", "u", "p:q" },         /* auth wins; only the first colon divides */
        { "reg.io", "other/x", "ru", "rp" }, { "reg.io", "team/x", "team", "x" }, { "reg.io", "team", "team", "x" }, { "reg.io", "first/x", "team", "x" }, { "reg.io", "teams/x", "ru", "rp" },
        { "docker.io", "library/busybox", "hub", "x" }, { "127.0.0.1", "x", NULL, NULL }, { "127.0.0.1:5444", "x", NULL, NULL }, { "acr.io", "x", "00", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_OCI_CREDENTIALS c = { 0 };
        struct err e = { 0 };
        if (docker_config_find(STR(CONFIG), rows[i].host, rows[i].repo, &c, &e))
            fail_msg("%s: %s", rows[i].host, e.text);
        if (!rows[i].user) {
            assert_null(c.user);
            continue;
        }
        assert_string_equal(c.user, rows[i].user);
        assert_string_equal(c.password, rows[i].password);
    }
}

static void identity_tokens_and_old_files_are_read(void **state)
{
    AUTO_OCI_CREDENTIALS c = { 0 }, old = { 0 };

    (void)state;
    assert_int_equal(docker_config_find(STR(CONFIG), "acr.io", "x", &c, NULL), ERR_OK);
    assert_string_equal(c.identity_token, "refresh");
    assert_int_equal(docker_config_find(STR("{\"r.io\":{\"auth\":\"dTpw\"}}"), "r.io", "x", &old, NULL), ERR_OK);
    assert_string_equal(old.user, "u");
}

static void broken_configs_say_so_without_secrets(void **state)
{
    AUTO_OCI_CREDENTIALS c = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(docker_config_find(STR(CONFIG), "broken.io", "x", &c, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "auths[\"broken.io\"].auth"));
    assert_null(strstr(e.text, "%%%"));
    assert_int_equal(docker_config_find(STR("user: secretpassword"), "r.io", "x", &c, &e), ERR_INVALID);
    assert_null(strstr(e.text, "secretpassword"));
    assert_int_equal(docker_config_find(STR("[1]"), "r.io", "x", &c, &e), ERR_INVALID);
    assert_int_equal(docker_config_find(STR("{\"auths\":{}}"), "r.io", "x", &c, &e), ERR_OK);
}

static void challenges_are_read(void **state)
{
    static const struct { const char *header; int scheme; const char *realm, *service, *scope; } rows[] = {
        { "Bearer realm=\"https://auth.io/token\",service=\"reg.io\",scope=\"repository:a/b:pull,push\"", AUTH_BEARER, "https://auth.io/token", "reg.io", "repository:a/b:pull,push" },
        { "Basic realm=\"basic-realm\"", AUTH_BASIC, "basic-realm", NULL, NULL }, { "basic realm=x", AUTH_BASIC, "x", NULL, NULL }, { "Basic", AUTH_BASIC, NULL, NULL, NULL },
        { "Basic realm=\"r\", Bearer realm=\"https://t\" , service=\"s\"", AUTH_BEARER, "https://t", "s", NULL },
        { "Bearer realm=\"https://t\", Basic realm=\"r\"", AUTH_BEARER, "https://t", NULL, NULL },
        { "Bearer  REALM = \"a\\\"b\"", AUTH_BEARER, "a\"b", NULL, NULL }, { "Bearer realm=https://t/x?y,service=s", AUTH_BEARER, "https://t/x?y", "s", NULL },
        { "Negotiate, Basic realm=\"r\"", AUTH_BASIC, "r", NULL, NULL },
    };
    static const char *const bad[] = { "", "Negotiate", "Bearer realm=\"open", "=", "\"" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_AUTH_CHALLENGE c = { 0 };
        if (!auth_challenge_parse(str_of(rows[i].header), &c) || (int)c.scheme != rows[i].scheme)
            fail_msg("%s", rows[i].header);
        const char *got[] = { c.realm, c.service, c.scope }, *want[] = { rows[i].realm, rows[i].service, rows[i].scope };
        for (size_t k = 0; k < 3; k++)
            if (!want[k] != !got[k] || (want[k] && !streq(want[k], got[k])))
                fail_msg("%s: parameter %zu is %s", rows[i].header, k, got[k] ? got[k] : "absent");
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_AUTH_CHALLENGE c = { 0 };
        if (auth_challenge_parse(str_of(bad[i]), &c))
            fail_msg("%s", bad[i]);
    }
}

#define D(c) "sha256:" c c c c c c c c c c c c c c c c
#define LAYER "{\"mediaType\":\"x\",\"digest\":\"" D("0a1b") "\",\"size\":5}"

static void manifests_are_read_and_indexes_followed_to_this_platform(void **state)
{
    AUTO_OCI_MANIFEST m = { 0 }, index = { 0 };
    struct err e = { 0 };

    (void)state;
    if (oci_manifest_parse(STR("{\"schemaVersion\":2,\"config\":" LAYER ",\"layers\":[" LAYER "," LAYER "]}"), &m, &e))
        fail_msg("%s", e.text);
    assert_int_equal(m.n_layers, 2);
    assert_int_equal(m.layers[1].size, 5);
    if (oci_manifest_parse(STR("{\"schemaVersion\":2,\"manifests\":["
                               "{\"digest\":\"" D("1111") "\",\"size\":1,\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}},"
                               "{\"digest\":\"" D("2222") "\",\"size\":2,\"platform\":{\"os\":\"linux\",\"architecture\":\"s390x\"}},"
                               "{\"digest\":\"" D("3333") "\",\"size\":3,\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
                               "{\"digest\":\"" D("4444") "\",\"size\":4,\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}}]}"), &index, &e))
        fail_msg("%s", e.text);
    assert_true(index.is_index);
    assert_true(index.layers[0].size == 3 || index.layers[0].size == 4);
}

static void malformed_manifests_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "[]", "{}", "{\"schemaVersion\":1,\"layers\":[]}", "{\"schemaVersion\":2}", "{\"schemaVersion\":2,\"manifests\":[]}",
        "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:12\",\"size\":1},\"layers\":[]}", "{\"schemaVersion\":2,\"config\":" LAYER ",\"layers\":[{}]}",
        "{\"schemaVersion\":2,\"config\":" LAYER ",\"layers\":[{\"digest\":\"" D("0a1b") "\",\"size\":-1}]}", "{\"schemaVersion\":2,\"config\":" LAYER ",\"layers\":{}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_OCI_MANIFEST m = { 0 };
        if (!oci_manifest_parse(str_of(bad[i]), &m, NULL))
            fail_msg("%s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_matching_key_wins), cmocka_unit_test(identity_tokens_and_old_files_are_read),
        cmocka_unit_test(broken_configs_say_so_without_secrets), cmocka_unit_test(challenges_are_read),
        cmocka_unit_test(manifests_are_read_and_indexes_followed_to_this_platform), cmocka_unit_test(malformed_manifests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
