/* Struct mode, quantities, pruning, duplicates, custom types: in and out. */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "schema/crd.h"
#include "schema/openapi.h"
#include "schema/schema.h"

struct part { struct str name; int64_t size; };
struct disk {
    struct str name;
    int64_t count;
    struct opt_int limit;
    struct str_map labels;
    struct part *parts;
    size_t n_parts;
    struct part *main;
    struct part first;
    struct str *tags;
    size_t n_tags;
    struct int_or_str port;
    int64_t at;
    json_t *extra;
};

static const struct field part_fields[] = {
    FIELD(struct part, name, STR, "name", .flags = FIELD_REQUIRED),
    FIELD(struct part, size, INT, "size", RULES(.def = "7", AT_LEAST(1), AT_MOST(9), .doc = "How much.")),
};
static const struct type part_type = TYPE("io.example.v1.Part", struct part, part_fields);
static const struct field disk_fields[] = {
    FIELD(struct disk, name, STR, "name", .flags = FIELD_REQUIRED | FIELD_IMMUTABLE),
    FIELD(struct disk, count, INT, "count", RULES(.def = "1")),
    FIELD(struct disk, limit, OPT_INT, "limit"),
    FIELD(struct disk, labels, STR_MAP, "labels"),
    FIELD_LIST(struct disk, parts, n_parts, struct part, "parts", ITEM_OBJ(&part_type), .flags = FIELD_LIST_MAP, RULES(.keys = "name")),
    FIELD_PTR(struct disk, main, struct part, "main", &part_type),
    FIELD_OBJ(struct disk, first, struct part, "first", &part_type),
    FIELD_LIST(struct disk, tags, n_tags, struct str, "tags", ITEM_STR, RULES(.max_len = 2)),
    FIELD(struct disk, port, INT_OR_STR, "port"),
    FIELD(struct disk, at, TIME, "at"),
    FIELD(struct disk, extra, ANY, "extra"),
};
static const struct type disk_type = TYPE("io.example.v1.Disk", struct disk, disk_fields,
                                          .group = "example.io", .version = "v1", .kind = "Disk");

static json_t *parse(const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (json_parse(str_of(text), &j, &e))
        fail_msg("%s: %s", text, e.text);
    return j;
}

static void assert_json(const json_t *j, const char *want)
{
    AUTO_JSON w = parse(want);
    char *text = json_text(j);

    if (!json_equal(j, w))
        fail_msg("got  %s\nwant %s", text, want);
    free(text);
}

static void a_struct_survives_the_round_trip(void **state)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON in = parse("{\"name\":\"d\",\"limit\":0,\"labels\":{\"a\":\"b\"},\"parts\":[{\"name\":\"p\"},{\"name\":\"q\",\"size\":2}],"
                         "\"tags\":[\"x\",\"y\"],\"port\":\"http\",\"at\":\"2024-01-02T03:04:05Z\",\"extra\":{\"k\":[1]},\"unknown\":1}");
    struct disk d;
    struct err e = { 0 };

    assert_int_equal(schema_decode(&disk_type, in, a, &d, &e), ERR_OK);
    assert_true(str_is(d.name, "d"));
    assert_int_equal(d.count, 1);
    assert_true(d.limit.set && d.limit.v == 0);
    assert_int_equal(d.n_parts, 2);
    assert_int_equal(d.parts[0].size, 7);
    assert_null(d.main);
    assert_true(str_map_has(&d.labels, "a", "b"));
    AUTO_JSON out = schema_encode(&disk_type, &d);
    assert_json(out, "{\"name\":\"d\",\"count\":1,\"limit\":0,\"labels\":{\"a\":\"b\"},\"parts\":[{\"name\":\"p\",\"size\":7},"
                     "{\"name\":\"q\",\"size\":2}],\"tags\":[\"x\",\"y\"],\"port\":\"http\",\"at\":\"2024-01-02T03:04:05Z\","
                     "\"extra\":{\"k\":[1]}}");
    struct disk copy;
    schema_copy(&disk_type, &d, a, &copy);
    assert_true(schema_equal(&disk_type, &d, &copy));
    copy.parts[1].size = 3;
    assert_false(schema_equal(&disk_type, &d, &copy));
}

static void a_wrong_type_names_the_path(void **state)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON in = parse("{\"name\":\"d\",\"parts\":[{\"name\":\"p\",\"size\":\"big\"}]}");
    struct disk d;
    struct err e = { 0 };

    assert_int_equal(schema_decode(&disk_type, in, a, &d, &e), ERR_INVALID);
    assert_string_equal(e.text, "parts[0].size: expected an integer, found string");
}

static void quantities_become_canonical(void **state)
{
    static const char *const cases[][2] = {
        { "1000m", "1" }, { "1", "1" }, { "1024Mi", "1Gi" }, { "0.5", "500m" }, { "1.5Gi", "1536Mi" }, { "1e3", "1e3" }, { "12e6", "12e6" },
        { "100Ki", "100Ki" }, { "0", "0" }, { "-5", "-5" }, { "1000k", "1M" }, { "512", "512" }, { "0.1Ki", "102400m" }, { "1E", "1E" },
        { "5n", "5n" }, { "0.0000000001", "1n" }, { "1000Ki", "1000Ki" }, { "2048", "2048" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF b = { 0 };
        assert_true(quantity_canonical(str_of(cases[i][0]), &b));
        assert_string_equal(buf_cstr(&b), cases[i][1]);
    }
    static const char *const bad[] = { "", "a", "1x", "1.2.3", "Mi", "--1", "1e", "1 Gi" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_BUF b = { 0 };
        assert_false(quantity_canonical(str_of(bad[i]), &b));
    }
    assert_int_equal(quantity_value(str_of("1.5"), 0), 2);
    assert_int_equal(quantity_value(str_of("2Gi"), 0), 2147483648);
    assert_int_equal(quantity_milli(str_of("250m"), 0), 250);
}

static void twice_given_keys_are_found(void **state)
{
    struct path_list l = { 0 };

    schema_find_duplicates(STR("{\"a\":1,\"b\":[{\"c\":1,\"c\":2,\"c\":3}],\"\\u0061\":2}"), &l);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.items[0], "b[0].c");
    assert_string_equal(l.items[1], "a");
    path_list_done(&l);
    schema_find_duplicates(STR("{\"a\":1,\"a\""), &l);
    path_list_done(&l);
}

/* The schema and the messages of the recording custom_resources.json, steps 1, 12, 13, 14. */
static const char space_schema[] =
    "{\"type\":\"object\",\"required\":[\"resource\"],\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"replicas\":{\"type\":"
    "\"integer\",\"minimum\":0,\"maximum\":9}}},\"resource\":{\"type\":\"object\",\"required\":[\"labelSelector\"],\"properties\":{\"count\":"
    "{\"type\":\"integer\",\"default\":1,\"minimum\":1,\"maximum\":100},\"instanceType\":{\"type\":\"string\",\"default\":\"D\"},"
    "\"labelSelector\":{\"type\":\"object\",\"properties\":{\"matchLabels\":{\"type\":\"object\",\"additionalProperties\":{\"type\":"
    "\"string\"}}}},\"preferredNodes\":{\"type\":\"array\",\"maxItems\":2,\"items\":{\"type\":\"string\",\"maxLength\":8}}}},\"inference\":"
    "{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true,\"properties\":{\"preset\":{\"type\":\"object\",\"required\":"
    "[\"name\"],\"properties\":{\"name\":{\"type\":\"string\",\"pattern\":\"^[a-z0-9.-]+$\",\"minLength\":2},\"accessMode\":{\"type\":"
    "\"string\",\"enum\":[\"public\",\"private\"],\"default\":\"public\"}}}}},\"tuning\":{\"type\":\"object\",\"properties\":{\"rate\":"
    "{\"type\":\"number\",\"exclusiveMinimum\":true,\"minimum\":0},\"when\":{\"type\":\"string\",\"format\":\"date-time\"},\"size\":"
    "{\"x-kubernetes-int-or-string\":true,\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]},\"note\":{\"type\":\"string\","
    "\"nullable\":true}}}}}";

static const struct type *space_type(struct arena *a)
{
    static const struct field no_fields[] = { { .json = "name", .kind = FIELD_STR } };
    static const struct type meta = { .name = "io.k8s.ObjectMeta", .fields = no_fields, .n_fields = 1, .flags = TYPE_BUILTIN };
    const struct type *t = NULL;
    AUTO_JSON schema = parse(space_schema);
    struct err e;

    assert_int_equal(crd_type_build(schema, &meta, "example.ai.v1.Space", "ai.example", "v1", "Space", a, &t, &e), ERR_OK);
    return t;
}

static void assert_invalid(const struct type *t, const char *object, const char *want)
{
    AUTO_JSON j = parse(object);
    AUTO_FIELD_ERRORS errors = { 0 };
    AUTO_BUF text = { 0 };

    schema_validate(t, j, NULL, &errors);
    field_errors_text(&errors, &text);
    assert_string_equal(buf_cstr(&text), want);
}

static void custom_objects_are_refused_in_kubernetes_words(void **state)
{
    AUTO_FREE(arena) a = arena_new();
    const struct type *t = space_type(a);

    assert_invalid(t, "{\"metadata\":{\"name\":\"none\"}}", "resource: Required value");
    assert_invalid(t, "{\"resource\":{\"count\":0,\"instanceType\":5,\"labelSelector\":{\"matchLabels\":{\"a\":1}},\"preferredNodes\":"
                      "[\"a\",\"b\",\"much-too-long\"]},\"inference\":{\"preset\":{\"name\":\"X\",\"accessMode\":\"secret\"}}}",
        "[resource.count: Invalid value: 0: resource.count in body should be greater than or equal to 1, "
        "resource.instanceType: Invalid value: \"integer\": resource.instanceType in body must be of type string: \"integer\", "
        "resource.labelSelector.matchLabels.a: Invalid value: \"integer\": resource.labelSelector.matchLabels.a in body must be of type "
        "string: \"integer\", resource.preferredNodes[2]: Too long: may not be more than 8 bytes, "
        "resource.preferredNodes: Too many: 3: must have at most 2 items, "
        "inference.preset.name: Invalid value: \"X\": inference.preset.name in body should be at least 2 chars long, "
        "inference.preset.accessMode: Unsupported value: \"secret\": supported values: \"public\", \"private\"]");
    assert_invalid(t, "{\"resource\":{\"labelSelector\":{}},\"tuning\":{\"rate\":0,\"size\":1.5,\"when\":\"yesterday\",\"note\":null}}",
        "[tuning.rate: Invalid value: 0: tuning.rate in body should be greater than 0, "
        "tuning.when: Invalid value: \"yesterday\": tuning.when in body must be of type date-time: \"yesterday\", "
        "tuning.size: Invalid value: \"number\": tuning.size in body must be of type integer,string: \"number\", "
        "<nil>: Invalid value: \"\": \"tuning.size\" must validate at least one schema (anyOf), "
        "tuning.size: Invalid value: \"number\": tuning.size in body must be of type integer: \"number\"]");
}

static void custom_objects_are_pruned_and_defaulted(void **state)
{
    AUTO_FREE(arena) a = arena_new();
    const struct type *t = space_type(a);
    AUTO_JSON j = parse("{\"apiVersion\":\"ai.example/v1\",\"kind\":\"Space\",\"metadata\":{\"name\":\"n\",\"nme\":\"m\"},\"resource\":"
                        "{\"labelSelector\":{}},\"inference\":{\"preset\":{\"name\":\"p\",\"nme\":1},\"kept\":1},\"bogus\":1}");
    struct path_list unknown = { 0 };

    schema_prune(t, j, &unknown);
    assert_int_equal(unknown.n, 3);
    assert_string_equal(unknown.items[0], "metadata.nme");
    assert_string_equal(unknown.items[1], "inference.preset.nme");
    assert_string_equal(unknown.items[2], "bogus");
    path_list_done(&unknown);
    schema_default(t, j);
    assert_json(j, "{\"apiVersion\":\"ai.example/v1\",\"kind\":\"Space\",\"metadata\":{\"name\":\"n\"},\"resource\":{\"labelSelector\":{},"
                   "\"count\":1,\"instanceType\":\"D\"},\"inference\":{\"preset\":{\"name\":\"p\",\"accessMode\":\"public\"},\"kept\":1}}");
}

static void a_table_becomes_a_definition_that_reads_back(void **state)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON schema = crd_schema_of(&disk_type);
    const struct type *t = NULL;
    struct err e = { 0 };

    assert_string_equal(json_str_at(schema, "properties", "parts", "x-kubernetes-list-type", NULL), "map");
    assert_int_equal(json_int(json_at(schema, "properties", "main", "properties", "size", NULL), "maximum", 0), 9);
    assert_int_equal(crd_type_build(schema, NULL, "x", "example.io", "v1", "Disk", a, &t, &e), ERR_OK);
    assert_invalid(t, "{\"name\":\"n\",\"parts\":[{\"name\":\"p\"},{\"name\":\"p\"}],\"tags\":[\"a\",\"b\",\"c\"]}",
                   "[parts[1]: Duplicate value: {\"name\":\"p\"}, tags: Too many: 3: must have at most 2 items, <nil>: Invalid value: "
                   "\"null\": some validation rules were not checked because the object was invalid; correct the existing errors to "
                   "complete validation]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_struct_survives_the_round_trip),
        cmocka_unit_test(a_wrong_type_names_the_path),
        cmocka_unit_test(quantities_become_canonical),
        cmocka_unit_test(twice_given_keys_are_found),
        cmocka_unit_test(custom_objects_are_refused_in_kubernetes_words),
        cmocka_unit_test(custom_objects_are_pruned_and_defaulted),
        cmocka_unit_test(a_table_becomes_a_definition_that_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
