/*
 * The CRDs made from the field tables: deploy/crds is current (tools/write-crds rewrites it), and every field that upstream's CRD
 * declares is ours with the same type, default, enum and bounds (../shared/golden/workspace/crds.json; skipped without it).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "api/kaito/crds.h"
#include "api/kaito/workspace.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"

static void the_files_are_current(void **state)
{
    AUTO_JSON list = NULL;
    const json_t *crd;
    size_t i;
    (void)state;

    api_kaito_crds(&list);
    json_array_foreach(list, i, crd) {
        AUTO_MEM char *path = xasprintf("%s/deploy/crds/%s.yaml", getenv("KAITO_SOURCE"), json_str_at(crd, "metadata", "name", NULL));
        AUTO_BUF text = { 0 }, have = { 0 };
        struct err e;

        buf_adds(&text, "# Made by tools/write-crds from src/api; do not edit.\n");
        yaml_write(crd, &text);
        if (streq(getenv("KAITO_GOLDEN"), "write"))
            assert_int_equal(file_write_atomic(path, buf_str(&text), 0644, &e), ERR_OK);
        if (file_read(path, 1 << 20, &have, &e))
            fail_msg("%s; run tools/write-crds", e.text);
        if (!str_eq(buf_str(&have), buf_str(&text)))
            fail_msg("%s is not current; run tools/write-crds", path);
        AUTO_JSON again = NULL;
        if (yaml_parse(buf_str(&have), &again, &e))
            fail_msg("%s: %s", path, e.text);
        assert_true(json_equal(again, crd));
    }
}

/* The schema at "a.b[].c{}": [] enters items, {} enters additionalProperties. */
static const json_t *schema_at(const json_t *schema, const char *path)
{
    struct str rest = str_of(path), part;

    if (streq(path, "."))
        return schema;
    while (schema && str_next(&rest, '.', &part)) {
        AUTO_BUF name = { 0 };
        size_t n = part.n;

        while (n >= 2 && (str_has_suffix(str_n(part.p, n), STR("[]")) || str_has_suffix(str_n(part.p, n), STR("{}"))))
            n -= 2;
        buf_add(&name, part.p, n);
        schema = json_object_get(json_object_get(schema, "properties"), buf_cstr(&name));
        for (; schema && n < part.n; n += 2)
            schema = json_object_get(schema, part.p[n] == '[' ? "items" : "additionalProperties");
    }
    return schema;
}

static bool enum_same(const json_t *want, const json_t *have)
{
    if (json_array_size(want) != json_array_size(have))
        return false;
    for (size_t i = 0; i < json_array_size(want); i++) {
        bool found = false;

        for (size_t k = 0; k < json_array_size(have); k++)
            found = found || json_equal(json_array_get(want, i), json_array_get(have, k));
        if (!found)
            return false;
    }
    return true;
}

static int compare(const json_t *fields, const json_t *schema, const char *what)
{
    static const char *const keys[] = { "type", "default", "minimum", "maximum", "pattern", "maxLength", "maxItems", "minLength" };
    const char *path;
    json_t *want;
    int bad = 0;

    /* upstream put two rules meant for the entries on the array, where they do nothing */
    json_object_foreach((json_t *)(uintptr_t)fields, path, want) {
        const json_t *have = schema_at(schema, path);

        if (!have) {
            printf("# %s: %s is missing\n", what, path);
            bad++;
            continue;
        }
        for (size_t i = 0; i < ARRAY_LEN(keys) && !streq(path, "spec.requirements[].values"); i++) {
            const json_t *w = json_object_get(want, keys[i]), *h = json_object_get(have, keys[i]);
            bool same = w == h || (w && h && (json_equal(w, h) || (json_is_number(w) && json_is_number(h) && json_number_value(w) == json_number_value(h))));

            if (w && !same) {
                printf("# %s: %s.%s: want %s, have %s\n", what, path, keys[i], json_dumps(w, JSON_ENCODE_ANY), h ? json_dumps(h, JSON_ENCODE_ANY) : "nothing");
                bad++;
            }
        }
        if (json_object_get(want, "enum") && !enum_same(json_object_get(want, "enum"), json_object_get(have, "enum"))) {
            printf("# %s: %s.enum differs\n", what, path);
            bad++;
        }
    }
    return bad;
}

static void fields_are_upstreams(void **state)
{
    AUTO_MEM char *path = xasprintf("%s/../shared/golden/workspace/crds.json", getenv("KAITO_SOURCE"));
    AUTO_JSON golden = NULL;
    AUTO_JSON ours = NULL;
    const json_t *want, *crd, *version;
    size_t g, c, v;
    int bad = 0;
    (void)state;

    if (getenv("KAITO_SHARED")) {
        free(path);
        path = xasprintf("%s/golden/workspace/crds.json", getenv("KAITO_SHARED"));
    }
    if (json_parse_file(path, 1 << 22, &golden, NULL)) {
        printf("# skipped: no ../shared\n");
        skip();
    }
    api_kaito_crds(&ours);
    json_array_foreach(golden, g, want)
        json_array_foreach(ours, c, crd)
            if (streq(json_str_at(crd, "metadata", "name", NULL), json_cstr(want, "crd")))
                json_array_foreach(json_at(crd, "spec", "versions", NULL), v, version)
                    if (streq(json_cstr(version, "name"), json_cstr(want, "version")))
                        bad += compare(json_object_get(want, "fields"), json_at(version, "schema", "openAPIV3Schema", NULL), json_cstr(want, "crd"));
    assert_int_equal(bad, 0);
}

static void columns_are_the_five_in_both_versions(void **state)
{
    static const char *const want[] = { "Instance", "ResourceReady", "InferenceReady", "WorkspaceReady", "Age" };
    AUTO_JSON list = NULL;
    const json_t *version, *column;
    size_t v, i;
    (void)state;

    api_kaito_crds(&list);
    json_array_foreach(json_at(json_array_get(list, 0), "spec", "versions", NULL), v, version) {
        size_t n = 0;

        json_array_foreach(json_object_get(version, "additionalPrinterColumns"), i, column)
            if (json_int(column, "priority", 0) == 0)
                assert_string_equal(json_cstr(column, "name"), want[n++]);
        assert_int_equal(n, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_are_current),
        cmocka_unit_test(fields_are_upstreams),
        cmocka_unit_test(columns_are_the_five_in_both_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
