/*
 * Pieces of validation that speak Go's language: docker references, URLs, strconv, yaml.v2, the decoder of the parts that the schema
 * leaves open. The whole answers are compared with upstream's by tests/golden/test_workspace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <math.h>
#include <cmocka.h>

#include "workspace/review.h"
#include "workspace/validate/go_yaml.h"
#include "workspace/validate/priv.h"

static void references_are_docker_references(void **state)
{
    static const struct { const char *ref, *why; } rows[] = {
        { "ubuntu", NULL }, { "localhost/a:1", NULL }, { "r.example.com:5000/team/x_y__z--a.b:v1.2-x", NULL }, { "[2001:db8::1]:5000/a", NULL },
        { "a/b@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL },
        { "A/B", "invalid reference format: repository name (B) must be lowercase" }, { "Ubuntu", "invalid reference format: repository name (library/Ubuntu) must be lowercase" },
        { "a b", "invalid reference format" }, { "a/", "invalid reference format" }, { "a:", "invalid reference format" }, { "a//b", "invalid reference format" },
        { "-a/b", "invalid reference format" }, { "a:b:c", "invalid reference format" }, { "http://x/y", "invalid reference format" }, { "a@sha256:12", "invalid reference format" },
        { "a@sha256:0123456789abcdef0123456789abcdef", "invalid checksum digest length" }, { "a@md5:0123456789abcdef0123456789abcdef", "unsupported digest algorithm" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF why = { 0 };
        bool bad = image_is_bad(str_of(rows[i].ref), &why);

        if (bad != (rows[i].why != NULL))
            fail_msg("%s: %s", rows[i].ref, buf_cstr(&why));
        if (bad)
            assert_string_equal(buf_cstr(&why), rows[i].why);
    }
}

static void floats_are_gos(void **state)
{
    static const struct { const char *text; double v; } good[] = { { "1e-3", 1e-3 }, { "0x1p-1", 0.5 }, { "0_5", 5 }, { "+.5", 0.5 }, { "1_000.5", 1000.5 }, { "0x_1p0", 1 } };
    static const struct { const char *text, *why; } bad[] = {
        { "", "invalid syntax" }, { "abc", "invalid syntax" }, { "1e999", "value out of range" }, { "0x1", "invalid syntax" }, { "1__0", "invalid syntax" },
        { "_1", "invalid syntax" }, { "1 ", "invalid syntax" }, { "+nan", "invalid syntax" }, { "1e", "invalid syntax" },
    };
    const char *why;
    double v;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(go_parse_float(str_of(good[i].text), &v, &why));
        assert_true(fabs(v - good[i].v) < 1e-12);
    }
    assert_true(go_parse_float(STR("NaN"), &v, &why) && isnan(v));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(go_parse_float(str_of(bad[i].text), &v, &why));
        assert_string_equal(why, bad[i].why);
    }
}

static void yaml_errors_are_gos(void **state)
{
    static const struct { const char *text, *why; } rows[] = {
        { "a:\n\tb: 1\n", "yaml: line 2: found character that cannot start any token" }, { "a: [1", "yaml: line 1: did not find expected ',' or ']'" },
        { "a: b: c\n", "yaml: mapping values are not allowed in this context" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE(go_yaml) y = NULL;
        AUTO_BUF why = { 0 };

        assert_int_equal(go_yaml_parse(str_of(rows[i].text), &y, &why), ERR_INVALID);
        assert_string_equal(buf_cstr(&why), rows[i].why);
    }
}

/* Of lists and maps that hold themselves: Go says so when it decodes them. */
static void aliases_of_themselves_are_found(void **state)
{
    static const struct { const char *text, *why; } rows[] = {
        { "a: &x [1, *x]\n", "yaml: anchor 'x' value contains itself" }, { "a: &x {b: &y {c: *x}}\n", "yaml: anchor 'x' value contains itself" },
        { "a: &x [1]\nb: *x\nc: [*x]\n", NULL }, { "a: 1\n---\nb: &x [*x]\n", NULL }, { "a: [\n", NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF why = { 0 };

        assert_int_equal(go_yaml_check_aliases(str_of(rows[i].text), &why), rows[i].why ? ERR_INVALID : ERR_OK);
        assert_string_equal(buf_cstr(&why), rows[i].why ? rows[i].why : "");
    }
}

static json_t *nothing(void *self, const char *kind, const char *ns, const char *name) { return NULL; }
static json_t *no_nodes(void *self, const json_t *labels) { return json_array(); }

static const char *answer_with(const char *part, const char *spec, json_t *(*look)(void *self, const char *kind, const char *ns, const char *name), void *self, struct buf *out)
{
    struct workspace_settings s = { 0 };
    struct ws_cluster cluster = { look, no_nodes, self, NULL };
    AUTO_JSON object = json_pack("{s:s, s:s, s:{s:s,s:s}, s:{s:s, s:{s:{s:s}}}, s:o}", "apiVersion", "kaito.sh/v1beta1", "kind", "Workspace", "metadata", "name", "w",
                                 "namespace", "default", "resource", "instanceType", "Standard_NC24ads_A100_v4", "labelSelector", "matchLabels", "a", "b",
                                 part, json_loads(spec, 0, NULL));

    workspace_settings_default(&s);
    buf_clear(out);
    return workspace_review(WS_CREATE, object, NULL, &s, &cluster, out) ? buf_cstr(out) : NULL;
}

static const char *answer(const char *inference, struct buf *out) { return answer_with("inference", inference, nothing, NULL, out); }

static json_t *config_of(void *self, const char *kind, const char *ns, const char *name)
{
    return streq(kind, "ConfigMap") ? json_pack("{s:{s:s}}", "data", "inference_config.yaml", (const char *)self) : NULL;
}

static json_t *all_of_them(void *self, const char *kind, const char *ns, const char *name)
{
    return streq(name, "") ? json_pack("{s:s, s:[]}", "kind", "ConfigMapList", "items") : NULL;
}

/* Neither a method nor a config: there is no name to look for. */
static void a_config_without_a_name_is_not_found(void **state)
{
    AUTO_BUF out = { 0 };
    (void)state;
    const char *said = answer_with("tuning", "{\"preset\": {\"name\": \"phi-3-mini-128k-instruct\"}, \"input\": {\"urls\": [\"https://example.com/a\"]}, \"output\": {\"volumeSource\": {\"emptyDir\": {}}}}",
                                   all_of_them, NULL, &out);

    assert_non_null(said);
    assert_non_null(strstr(said, "ConfigMap '' specified in 'config' not found in namespace 'kaito-workspace'"));
}

/* The vllm section is a map of texts, whatever it is merged from. */
static void merged_options_count(void **state)
{
    static const struct { const char *text, *why; } rows[] = {
        { "x: &x {max-model-len: 4096}\nvllm:\n  <<: *x\n", NULL }, { "x: &x {a: 1}\nvllm:\n  <<: [*x, {b: 2}]\n", NULL },
        { "x: &x {a: [1]}\nvllm:\n  <<: *x\n", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into string" },
        { "x: &x {max-model-len: many}\nvllm:\n  <<: *x\n", "max-model-len must be an integer: strconv.Atoi: parsing \"many\": invalid syntax" },
        { "vllm:\n  <<: [1]\n", "inference_config.yaml: yaml: map merge requires map or sequence of maps as the value: " },
        { "vllm:\n  <<: 1\n", "inference_config.yaml: yaml: map merge requires map or sequence of maps as the value: " },
        { "vllm:\n  '<<': {a: 1}\n", "cannot unmarshal !!map into string" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF out = { 0 };
        const char *said = answer_with("inference", "{\"preset\": {\"name\": \"phi-4-mini-instruct\"}, \"config\": \"c\"}", config_of, (void *)(uintptr_t)rows[i].text, &out);

        if (!rows[i].why != !said || (said && !strstr(said, rows[i].why)))
            fail_msg("%s: %s", rows[i].text, said ? said : "admitted");
    }
}

static void open_parts_are_decoded_as_go_does(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;
    assert_null(answer("{\"template\": {\"spec\": {\"containers\": [{\"name\": \"c\", \"image\": \"i\"}]}}}", &text));
    assert_string_equal(answer("{\"template\": {\"spec\": {\"containers\": [{\"name\": \"c\", \"imag\": \"i\"}]}}}", &text),
                        "decoding request failed: cannot decode incoming new object: json: unknown field \"imag\"");
    assert_string_equal(answer("{\"template\": \"x\"}", &text), "decoding request failed: cannot decode incoming new object: "
                        "json: cannot unmarshal string into Go struct field InferenceSpec.inference.template of type v1.PodTemplateSpec");
    assert_string_equal(answer("{\"template\": {\"spec\": 5}}", &text), "decoding request failed: cannot decode incoming new object: "
                        "json: cannot unmarshal number into Go struct field PodTemplateSpec.inference.template.spec of type v1.PodSpec");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_docker_references), cmocka_unit_test(floats_are_gos), cmocka_unit_test(yaml_errors_are_gos), cmocka_unit_test(aliases_of_themselves_are_found), cmocka_unit_test(merged_options_count), cmocka_unit_test(a_config_without_a_name_is_not_found),
        cmocka_unit_test(open_parts_are_decoded_as_go_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
