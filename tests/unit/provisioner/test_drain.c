/* Which pods leave a Node when, by tables. Source: reference dossier, provisioner, 2.5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "kube/meta.h"
#include "provisioner/drain.h"

#define NOW_MS 1767225600000LL          /* 2026-01-01T00:00:00Z */

static json_t *pods_of(const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (yaml_parse(str_of(text), &j, &e))
        fail_msg("%s", e.text);
    return j;
}

/* "a:evict b:wait c:delete/7" */
static char *plan_text(const json_t *pods, int64_t deadline_ms)
{
    static const char *const steps[] = { [DRAIN_WAIT] = "wait", [DRAIN_EVICT] = "evict", [DRAIN_DELETE] = "delete" };
    AUTO(drain_done) struct drain d = { 0 };
    struct buf out = { 0 };

    drain_plan(pods, NOW_MS, deadline_ms, &d);
    for (size_t i = 0; i < d.n; i++) {
        buf_addf(&out, "%s%s:%s", out.n ? " " : "", kube_name(d.items[i].pod), steps[d.items[i].step]);
        if (d.items[i].step == DRAIN_DELETE)
            buf_addf(&out, "/%lld", (long long)d.items[i].grace_s);
    }
    return buf_take(&out);
}

struct row { const char *pods; int64_t deadline_ms; const char *want; };

static void each_row_is_planned(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_JSON pods = pods_of(rows[i].pods);
        char *have = plan_text(pods, rows[i].deadline_ms);

        assert_string_equal(have, rows[i].want);
        free(have);
    }
}

#define DS "ownerReferences: [{kind: DaemonSet, name: d, controller: true}]"

static void groups_leave_one_after_another(void **state)
{
    static const struct row rows[] = {
        { "[]", 0, "" },
        { "[{metadata: {name: a}}, {metadata: {name: d, " DS "}}, {metadata: {name: c}, spec: {priorityClassName: system-node-critical}}]", 0, "a:evict" },
        { "[{metadata: {name: d, " DS "}}, {metadata: {name: c}, spec: {priorityClassName: system-cluster-critical}}]", 0, "d:evict" },
        { "[{metadata: {name: e, " DS "}, spec: {priorityClassName: system-node-critical}}, {metadata: {name: c}, spec: {priorityClassName: system-node-critical}}]", 0, "c:evict" },
        { "[{metadata: {name: e, " DS "}, spec: {priorityClassName: system-node-critical}}]", 0, "e:evict" },
        { "[{metadata: {name: a}}, {metadata: {name: b}}]", 0, "a:evict b:evict" },
    };
    each_row_is_planned(rows, ARRAY_LEN(rows));
}

static void nobody_waits_for_these(void **state)
{
    static const struct row rows[] = {
        { "[{metadata: {name: a}, status: {phase: Succeeded}}, {metadata: {name: b}, status: {phase: Failed}}]", 0, "" },
        { "[{metadata: {name: a, ownerReferences: [{kind: Node, name: n, controller: true}]}}]", 0, "" },
        { "[{metadata: {name: a, annotations: {kubernetes.io/config.mirror: x}}}]", 0, "" },
        { "[{metadata: {name: a}, spec: {tolerations: [{operator: Exists}]}}]", 0, "" },
        { "[{metadata: {name: a}, spec: {tolerations: [{key: karpenter.sh/disrupted, operator: Exists, effect: NoSchedule}]}}]", 0, "" },
        { "[{metadata: {name: a}, spec: {tolerations: [{key: karpenter.sh/disrupted}]}}]", 0, "" },
        /* a toleration of something else, or of another effect, is none */
        { "[{metadata: {name: a}, spec: {tolerations: [{key: sku, operator: Exists}]}}]", 0, "a:evict" },
        { "[{metadata: {name: a}, spec: {tolerations: [{operator: Exists, effect: NoExecute}]}}]", 0, "a:evict" },
        /* its grace period ended 61 s ago; the other's 59 s ago */
        { "[{metadata: {name: a, deletionTimestamp: '2025-12-31T23:58:59Z'}}]", 0, "" },
        { "[{metadata: {name: a, deletionTimestamp: '2025-12-31T23:59:01Z'}}]", 0, "a:wait" },
    };
    each_row_is_planned(rows, ARRAY_LEN(rows));
}

static void those_that_end_or_must_not_be_disturbed_are_waited_for(void **state)
{
    static const struct row rows[] = {
        { "[{metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:20Z'}}]", 0, "a:wait" },
        { "[{metadata: {name: a, annotations: {karpenter.sh/do-not-disrupt: 'true'}}}]", 0, "a:wait" },
        { "[{metadata: {name: a, annotations: {karpenter.sh/do-not-disrupt: 'false'}}}]", 0, "a:evict" },
    };
    each_row_is_planned(rows, ARRAY_LEN(rows));
}

static void the_deadline_ends_all_waiting(void **state)
{
    static const struct row rows[] = {
        { "[{metadata: {name: a}}]", NOW_MS + 30001, "a:evict" },       /* 30 s is a pod's default */
        { "[{metadata: {name: a}}]", NOW_MS + 30000, "a:delete/30" },
        { "[{metadata: {name: a}}]", NOW_MS + 7000, "a:delete/7" },
        { "[{metadata: {name: a}, spec: {terminationGracePeriodSeconds: 600}}]", NOW_MS + 500000, "a:delete/500" },
        { "[{metadata: {name: a}, spec: {terminationGracePeriodSeconds: 5}}]", NOW_MS + 4900, "a:delete/4" },
        { "[{metadata: {name: a}}]", NOW_MS - 1, "a:delete/0" },
        { "[{metadata: {name: a, annotations: {karpenter.sh/do-not-disrupt: 'true'}}}]", NOW_MS, "a:delete/0" },
        /* ends in time by itself; one that ends too late is hurried; at the deadline none is left to itself */
        { "[{metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:05Z'}}]", NOW_MS + 10000, "a:wait" },
        { "[{metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:50Z'}}]", NOW_MS + 10000, "a:delete/10" },
        { "[{metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:05Z'}}]", NOW_MS, "a:delete/0" },
    };
    each_row_is_planned(rows, ARRAY_LEN(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_leave_one_after_another), cmocka_unit_test(nobody_waits_for_these),
        cmocka_unit_test(those_that_end_or_must_not_be_disturbed_are_waited_for), cmocka_unit_test(the_deadline_ends_all_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
