/* Whom a new leader looks at first, by a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "kube/meta.h"
#include "provisioner/doubt.h"

#define AT(type, status, time) "{type: " type ", status: \"" status "\", lastTransitionTime: \"2026-01-01T" time "Z\"}"
#define NAMED(name, more) "{metadata: {name: " name ", creationTimestamp: \"2026-01-01T00:00:00Z\"}" more "}"
#define SAYS(name, ...) NAMED(name, ", status: {conditions: [" __VA_ARGS__ "]}")
#define GOES(name, more) "{metadata: {name: " name ", creationTimestamp: \"2026-01-01T00:00:00Z\", deletionTimestamp: \"2026-01-01T00:00:20Z\"}" more "}"

/* In the order wanted; handed over the other way round. */
static const char *const claims[] = {
    NAMED("new", ""),
    SAYS("making", AT("Launched", "Unknown", "00:00:10")),
    SAYS("joining", AT("Launched", "True", "00:00:15") "," AT("Registered", "Unknown", "00:00:10")),
    GOES("going", ""),
    SAYS("late", AT("Launched", "Unknown", "00:00:30")),
};
static const char *const settled[] = {
    SAYS("ready", AT("Launched", "True", "00:00:01") "," AT("Ready", "True", "00:00:01")),
    GOES("told", ", status: {conditions: [" AT("InstanceTerminating", "True", "00:00:21") "]}"),
};

static void add(json_t *list, const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (yaml_parse(str_of(text), &j, &e))
        fail_msg("%s", e.text);
    json_push(list, j);
}

static void what_was_said_long_ago_comes_first(void **state)
{
    AUTO_JSON list = json_array();
    AUTO_JSON wanted = json_array();

    for (size_t i = 0; i < ARRAY_LEN(settled); i++)
        add(list, settled[i]);
    for (size_t i = ARRAY_LEN(claims); i-- > 0;)
        add(list, claims[i]);
    for (size_t i = 0; i < ARRAY_LEN(claims); i++)
        add(wanted, claims[i]);
    AUTO_MEM const char **names = claims_by_doubt(list);
    for (size_t i = 0; i < ARRAY_LEN(claims); i++)
        assert_string_equal(names[i], kube_name(json_array_get(wanted, i)));
}

static void nobody_waits_for_a_word_of_what_is_settled(void **state)
{
    AUTO_JSON list = json_array();

    for (size_t i = 0; i < ARRAY_LEN(settled); i++) {
        add(list, settled[i]);
        assert_true(claim_doubt_ms(json_array_get(list, i)) == INT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_was_said_long_ago_comes_first), cmocka_unit_test(nobody_waits_for_a_word_of_what_is_settled) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
