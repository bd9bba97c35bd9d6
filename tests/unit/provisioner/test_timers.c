/* Stages that take too long, Nodes to repair, claims that are too old, by tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "kube/meta.h"
#include "provisioner/drift.h"
#include "provisioner/timers.h"

#define NOW_MS 1767225600000LL          /* 2026-01-01T00:00:00Z */
#define MINUTE 60000LL

static json_t *yaml(const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (yaml_parse(str_of(text), &j, &e))
        fail_msg("%s", e.text);
    return j;
}

#define AT(type, status, time) "{type: " type ", status: \"" status "\", lastTransitionTime: \"" time "\"}"

static void the_stage_that_takes_too_long_is_named(void **state)
{
    static const struct { const char *claim, *want; int64_t left_min; } rows[] = {
        { "{}", NULL, 0 },
        { "{metadata: {annotations: {kaito.sh/launch-started: '2025-12-31T23:50:00Z'}}}", NULL, 20 },
        { "{metadata: {annotations: {kaito.sh/launch-started: '2025-12-31T23:30:00Z'}}}", "LaunchTimeout", 0 },
        /* refused for hours, then accepted a minute ago: the clock is the request's, not the condition's */
        { "{metadata: {annotations: {kaito.sh/launch-started: '2025-12-31T23:59:00Z'}}, status: {conditions: [" AT("Launched", "Unknown", "2025-12-31T02:00:00Z") "]}}", NULL, 29 },
        { "{status: {conditions: [" AT("Launched", "Unknown", "2025-12-30T00:00:00Z") "]}}", NULL, 0 },
        { "{status: {conditions: [" AT("Launched", "True", "2025-12-31T23:50:00Z") "," AT("Registered", "Unknown", "2025-12-31T23:40:00Z") "]}}", NULL, 5 },
        { "{status: {conditions: [" AT("Launched", "True", "2025-12-31T23:45:00Z") "," AT("Registered", "Unknown", "2025-12-31T23:40:00Z") "]}}", "RegistrationTimeout", 0 },
        /* a Node that was there and went: from then on */
        { "{status: {conditions: [" AT("Launched", "True", "2025-12-31T03:45:00Z") "," AT("Registered", "Unknown", "2025-12-31T23:55:00Z") "]}}", NULL, 10 },
        { "{status: {conditions: [" AT("Launched", "True", "2025-12-31T03:45:00Z") ",{type: Registered, status: \"False\", reason: MultipleNodesFound, lastTransitionTime: \"2025-12-31T03:45:00Z\"}]}}",
          NULL, 0 },
        { "{status: {conditions: [" AT("Launched", "True", "2025-12-31T03:45:00Z") "," AT("Registered", "True", "2025-12-31T23:41:00Z") "]}}", NULL, 1 },
        { "{status: {conditions: [" AT("Launched", "True", "2025-12-31T03:45:00Z") "," AT("Registered", "True", "2025-12-31T23:40:00Z") "]}}", "InitializationTimeout", 0 },
        { "{status: {conditions: [" AT("Launched", "True", "2025-12-31T03:45:00Z") "," AT("Registered", "True", "2025-12-31T03:46:00Z") "," AT("Initialized", "True", "2025-12-31T03:47:00Z") "]}}",
          NULL, 0 },
    };
    struct claim_timers t = { 0 };

    claim_timers_fill(&t);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON claim = yaml(rows[i].claim);
        int64_t left;
        const char *have = claim_overdue(claim, &t, NOW_MS, &left);

        if (!rows[i].want)
            assert_null(have);
        else
            assert_string_equal(have, rows[i].want);
        assert_int_equal(left, rows[i].left_min * MINUTE);
    }
}

static void a_time_of_never_never_ends(void **state)
{
    struct claim_timers t = { .launch_ms = -1, .drain_ms = -1 };
    struct node_claim c = { .meta = { .deleted_us = NOW_MS * 1000 } };
    AUTO_JSON claim = yaml("{metadata: {annotations: {kaito.sh/launch-started: '2020-01-01T00:00:00Z'}}}");
    int64_t left = 7;

    claim_timers_fill(&t);
    assert_null(claim_overdue(claim, &t, NOW_MS, &left));
    assert_int_equal(left, 0);
    assert_int_equal(claim_drain_deadline_ms(&c, claim, &t), 0);
}

static void upstreams_timers_are_the_defaults_where_it_has_some(void **state)
{
    struct claim_timers t = { 0 };

    claim_timers_fill(&t);
    assert_int_equal(t.registration_ms, 15 * MINUTE);
    assert_int_equal(t.repair_ms, 10 * MINUTE);
    assert_int_equal(t.collect_ms, 2 * MINUTE);
}

static void the_drain_ends_when_the_claim_says_so(void **state)
{
    struct claim_timers t = { 0 };
    struct node_claim c = { .meta = { .deleted_us = NOW_MS * 1000 } };
    AUTO_JSON plain = yaml("{}");
    AUTO_JSON noted = yaml("{metadata: {annotations: {karpenter.sh/nodeclaim-termination-timestamp: '2026-01-01T00:00:05Z'}}}");

    claim_timers_fill(&t);
    assert_int_equal(claim_drain_deadline_ms(&c, plain, &t), NOW_MS + 30 * MINUTE);
    c.spec.termination_grace_period = STR("1h30m");
    assert_int_equal(claim_drain_deadline_ms(&c, plain, &t), NOW_MS + 90 * MINUTE);
    assert_int_equal(claim_drain_deadline_ms(&c, noted, &t), NOW_MS + 5000);
}

static void nodes_are_given_up_after_ten_minutes(void **state)
{
    static const struct { const char *node; int64_t want; } rows[] = {
        { "{}", -1 }, { "{status: {conditions: [" AT("Ready", "True", "2025-12-31T00:00:00Z") "]}}", -1 },
        { "{status: {conditions: [" AT("Ready", "False", "2025-12-31T23:50:00Z") "]}}", 0 },
        { "{status: {conditions: [" AT("Ready", "Unknown", "2025-12-31T23:51:00Z") "]}}", MINUTE },
    };
    struct claim_timers t = { 0 };

    claim_timers_fill(&t);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON node = yaml(rows[i].node);

        assert_int_equal(node_repair_wait_ms(node, &t, NOW_MS), rows[i].want);
    }
}

static void an_outage_of_most_nodes_repairs_none(void **state)
{
    assert_false(node_repair_is_braked(1, 1));
    assert_false(node_repair_is_braked(2, 2));
    assert_false(node_repair_is_braked(3, 1));
    assert_true(node_repair_is_braked(3, 2));
    assert_false(node_repair_is_braked(10, 5));
    assert_true(node_repair_is_braked(10, 6));
}

static void claims_expire_only_when_they_say_when(void **state)
{
    struct node_claim c = { .meta = { .created_us = (NOW_MS - 60 * MINUTE) * 1000 } };

    assert_int_equal(claim_expiry_wait_ms(&c, NOW_MS), -1);
    c.spec.expire_after = STR("Never");
    assert_int_equal(claim_expiry_wait_ms(&c, NOW_MS), -1);
    c.spec.expire_after = STR("61m");
    assert_int_equal(claim_expiry_wait_ms(&c, NOW_MS), MINUTE);
    c.spec.expire_after = STR("1h");
    assert_int_equal(claim_expiry_wait_ms(&c, NOW_MS), 0);
}

static void a_node_drifts_when_a_label_contradicts_its_claim(void **state)
{
    static const struct { const char *requirements, *labels, *names; } rows[] = {      /* names: NULL: it has not drifted */
        { "{key: node.kubernetes.io/instance-type, operator: In, values: [a, B]}", "node.kubernetes.io/instance-type: b", NULL },
        { "{key: node.kubernetes.io/instance-type, operator: In, values: [a, B]}", "node.kubernetes.io/instance-type: c", "node.kubernetes.io/instance-type of Node n is c" },
        { "{key: node.kubernetes.io/instance-type, operator: In, values: [a]}", "x: y", NULL },       /* not told yet */
        { "{key: zone, operator: NotIn, values: ['1']}", "zone: '2'", NULL }, { "{key: zone, operator: NotIn, values: ['1']}", "zone: '1'", "label zone of Node n is 1" },
        { "{key: spot, operator: DoesNotExist}", "spot: ''", "label spot" }, { "{key: spot, operator: Exists}", "spot: ''", NULL },
        { "{key: gpus, operator: Gt, values: ['4']}", "gpus: '1'", NULL },                             /* not judged */
    };
    AUTO_FREE(arena) a = arena_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *claim_text = xasprintf("{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: c}, spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}, "
                                              "requirements: [%s]}}", rows[i].requirements);
        AUTO_MEM char *node_text = xasprintf("{metadata: {name: n, labels: {%s}}}", rows[i].labels);
        AUTO_JSON node = NULL;
        AUTO_MEM char *text = NULL;
        struct node_claim c;
        json_t *j = NULL;

        assert_int_equal(yaml_parse(str_of(claim_text), &j, NULL), ERR_OK);
        json_arena_own(a, j);
        assert_int_equal(schema_decode(&node_claim_type, j, a, &c, NULL), ERR_OK);
        assert_int_equal(yaml_parse(str_of(node_text), &node, NULL), ERR_OK);
        if (claim_has_drifted(&c, node, &text) != !!rows[i].names || (text && !strstr(text, rows[i].names)))
            fail_msg("row %zu: %s", i, text ? text : "no drift");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stage_that_takes_too_long_is_named), cmocka_unit_test(a_time_of_never_never_ends),
        cmocka_unit_test(upstreams_timers_are_the_defaults_where_it_has_some), cmocka_unit_test(the_drain_ends_when_the_claim_says_so),
        cmocka_unit_test(nodes_are_given_up_after_ten_minutes), cmocka_unit_test(an_outage_of_most_nodes_repairs_none),
        cmocka_unit_test(claims_expire_only_when_they_say_when), cmocka_unit_test(a_node_drifts_when_a_label_contradicts_its_claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
