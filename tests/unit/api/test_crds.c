/*
 * The CRDs made from the field tables: deploy/crds is current (tools/write-crds rewrites it), and equal to upstream's in all that its
 * digest says: names, scope, versions, subresources, columns, and of each field type, format, default, enum, bounds, required and rules.
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

/* ---- upstream's digest (tests/golden/upstream/crds.json) ------------------------------------------------------------------ */

/* What the digest says of a schema, by path: "." the whole, [] the items of a list, {} the values of a map. */
static void add_digest(const json_t *schema, const char *path, bool required, json_t *out)
{
    static const char *const words[] = {
        "type", "format", "default", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "allOf", "anyOf",
        "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-map-type",
    };
    const json_t *must = json_object_get(schema, "required"), *rules = json_object_get(schema, "x-kubernetes-validations");
    json_t *facts = json_object(), *v;
    const char *name;

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (json_object_get(schema, words[i]))
            json_put(facts, words[i], json_incref(json_object_get(schema, words[i])));
    if (rules)
        json_put(facts, "validations", json_clone(rules));
    if (required)
        json_put_bool(facts, "required", true);
    json_put(out, path, facts);
    json_object_foreach(json_object_get(schema, "properties"), name, v) {
        AUTO_MEM char *sub = streq(path, ".") ? xstrdup(name) : xasprintf("%s.%s", path, name);
        const json_t *word;
        bool is_required = false;
        size_t i;

        json_array_foreach((json_t *)(uintptr_t)must, i, word)
            is_required = is_required || streq(json_string_value(word), name);
        add_digest(v, sub, is_required, out);
    }
    AUTO_MEM char *item = xasprintf("%s[]", path), *value = xasprintf("%s{}", path);

    if (json_object_get(schema, "items"))
        add_digest(json_object_get(schema, "items"), item, false, out);
    if (json_is_object(json_object_get(schema, "additionalProperties")))
        add_digest(json_object_get(schema, "additionalProperties"), value, false, out);
}

static int differs(const char *what, const char *path, const json_t *want, const json_t *have)
{
    AUTO_MEM char *w = want ? json_text(want) : xstrdup("nothing"), *h = have ? json_text(have) : xstrdup("nothing");

    print_message("# %s: %s: want %s, have %s\n", what, path, w, h);
    return 1;
}

static bool same(const json_t *a, const json_t *b)
{
    return a == b || (a && b && json_equal((json_t *)(uintptr_t)a, (json_t *)(uintptr_t)b));
}

static int compare_fields(const json_t *want, const json_t *have, const char *what)
{
    AUTO_JSON all = json_clone(want);
    const char *path;
    json_t *v;
    int bad = 0;

    json_object_update(all, (json_t *)(uintptr_t)have);
    json_object_foreach(all, path, v)
        if (!same(json_object_get(want, path), json_object_get(have, path)))
            bad += differs(what, path, json_object_get(want, path), json_object_get(have, path));
    return bad;
}

/* Upstream put two rules meant for the values of a requirement on their list, where they do nothing. */
static void without_idle_rules(json_t *fields)
{
    json_t *values = json_object_get(fields, "spec.requirements[].values");

    json_object_del(values, "pattern");
    json_object_del(values, "maxLength");
}

/* Every column of upstream's is there with its path; Workspace's show five by default, of which one has a name of its own (docs/upstream-differences.md). */
static int compare_columns(const json_t *want, const json_t *have, const char *what, bool reordered)
{
    const json_t *w, *h;
    size_t i, k;
    int bad = 0;

    if (!reordered)
        return same(want, have) ? 0 : differs(what, "printerColumns", want, have);
    json_array_foreach((json_t *)(uintptr_t)want, i, w) {
        bool found = false;

        json_array_foreach((json_t *)(uintptr_t)have, k, h)
            found = found || (same(json_object_get(w, "name"), json_object_get(h, "name")) && same(json_object_get(w, "jsonPath"), json_object_get(h, "jsonPath")) &&
                              same(json_object_get(w, "type"), json_object_get(h, "type")));
        if (!found)
            bad += differs(what, "printerColumns", w, have);
    }
    return bad + (json_array_size(have) == json_array_size(want) + 1 ? 0 : differs(what, "printerColumns", want, have));
}

static json_t *words_of(const json_t *names)
{
    static const char *const keys[] = { "categories", "listKind", "plural", "shortNames", "singular" };
    json_t *out = json_object();

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        json_put(out, keys[i], json_object_get(names, keys[i]) ? json_incref(json_object_get(names, keys[i])) : json_null());
    return out;
}

/* The digest's other words of one version, and ours for the same. */
static int compare_version(const json_t *want, const json_t *crd, const json_t *version)
{
    const json_t *spec = json_object_get(crd, "spec"), *strategy = json_at(spec, "conversion", "strategy", NULL);
    AUTO_MEM char *what = xasprintf("%s %s", json_str_at(crd, "metadata", "name", NULL), json_cstr(version, "name"));
    AUTO_JSON fields = json_object();
    AUTO_JSON wanted = json_clone(json_object_get(want, "fields"));
    AUTO_JSON have = json_pack("{s:O, s:O, s:O, s:O, s:O, s:O, s:o, s:O?}", "crd", json_at(crd, "metadata", "name", NULL), "group", json_object_get(spec, "group"),
                               "kind", json_at(spec, "names", "kind", NULL), "scope", json_object_get(spec, "scope"), "served", json_object_get(version, "served"),
                               "storage", json_object_get(version, "storage"), "names", words_of(json_object_get(spec, "names")),
                               "subresources", json_object_get(version, "subresources"));
    const char *key;
    json_t *v;
    int bad = 0;

    json_put(have, "conversion", strategy ? json_clone(strategy) : json_string("None"));
    json_put_bool(have, "deprecated", json_flag(version, "deprecated", false));
    json_put(have, "selectableFields", json_object_get(version, "selectableFields") ? json_incref(json_object_get(version, "selectableFields")) : json_null());
    json_put(have, "version", json_incref(json_object_get(version, "name")));
    json_object_foreach((json_t *)(uintptr_t)want, key, v)
        if (!streq(key, "fields") && !streq(key, "printerColumns") && !same(v, json_object_get(have, key)))
            bad += differs(what, key, v, json_object_get(have, key));
    add_digest(json_at(version, "schema", "openAPIV3Schema", NULL), ".", false, fields);
    if (streq(json_cstr(want, "kind"), "NodeClaim"))
        without_idle_rules(wanted);
    return bad + compare_fields(wanted, fields, what) +
           compare_columns(json_object_get(want, "printerColumns"), json_object_get(version, "additionalPrinterColumns"), what, streq(json_cstr(want, "kind"), "Workspace"));
}

static const json_t *ours_for(const json_t *crds, const json_t *want, const json_t **version)
{
    const json_t *crd;
    size_t c, v;

    json_array_foreach((json_t *)(uintptr_t)crds, c, crd)
        if (streq(json_str_at(crd, "metadata", "name", NULL), json_cstr(want, "crd")))
            json_array_foreach(json_at(crd, "spec", "versions", NULL), v, *version)
                if (streq(json_cstr(*version, "name"), json_cstr(want, "version")))
                    return crd;
    return NULL;
}

static void the_digest_is_upstreams(void **state)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/upstream/crds.json", getenv("KAITO_SOURCE"));
    AUTO_JSON golden = NULL;
    AUTO_JSON ours = NULL;
    const json_t *want, *version;
    size_t g, compared = 0;
    int bad = 0;
    struct err e;
    (void)state;

    if (json_parse_file(path, 1 << 22, &golden, &e))
        fail_msg("%s", e.text);
    api_kaito_crds(&ours);
    json_array_foreach(golden, g, want) {
        const json_t *crd = ours_for(ours, want, &version);

        compared += crd != NULL;
        bad += crd ? compare_version(want, crd, version) : 0;
    }
    assert_int_equal(bad, 0);
    assert_int_equal(compared, 3);      /* Workspace twice and NodeClaim; the other kinds of upstream are not built, NodePool is Karpenter's */
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
        cmocka_unit_test(the_digest_is_upstreams),
        cmocka_unit_test(columns_are_the_five_in_both_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
