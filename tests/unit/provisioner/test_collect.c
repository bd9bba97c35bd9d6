/* What is left over, by tables, and when it may go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "provisioner/collect.h"

#define MINUTE 60000LL

static json_t *yaml(const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (yaml_parse(str_of(text), &j, &e))
        fail_msg("%s", e.text);
    return j;
}

/* "name" or "name:deleting" ... */
static void machines(const char *text, struct cloud_instances *out)
{
    struct str rest = str_of(text), word, name, state;

    while (str_next(&rest, ' ', &word)) {
        if (str_empty(word))
            continue;
        (void)str_cut(word, ':', &name, &state);
        struct cloud_instance *m = cloud_instances_add(out);

        m->claim = strndup(name.p, name.n);
        m->state = str_is(state, "deleting") ? CLOUD_DELETING : str_is(state, "broken") ? CLOUD_BROKEN : CLOUD_RUNNING;
    }
}

static void plan(const char *machine_text, const char *claims_text, const char *nodes_text, int64_t now_ms, struct map *seen, struct orphans *out)
{
    AUTO(cloud_instances_done) struct cloud_instances l = { 0 };
    AUTO_JSON claims = yaml(claims_text);
    AUTO_JSON nodes = yaml(nodes_text);

    machines(machine_text, &l);
    collect_plan(&(struct collect_view){ .instances = &l, .claims = claims, .nodes = nodes, .node_label = "agentpool", .now_ms = now_ms, .grace_ms = 2 * MINUTE }, seen, out);
}

/* "Machine/a NodeClaim/b" */
static char *found(const char *machine_text, const char *claims_text, const char *nodes_text)
{
    AUTO(orphans_done) struct orphans l = { 0 };
    AUTO_FREE(map) seen = map_new(free);
    struct buf out = { 0 };

    plan(machine_text, claims_text, nodes_text, 1000, seen, &l);
    for (size_t i = 0; i < l.n; i++)
        buf_addf(&out, "%s%s/%s", out.n ? " " : "", orphan_kind_name(l.items[i].kind), l.items[i].name);
    return buf_take(&out);
}

#define CLAIM(name, more) "{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: " name ", finalizers: [karpenter.sh/termination], labels: {kaito.sh/workspace: w}" more
#define REGISTERED "}, status: {providerID: 'p:///x', conditions: [{type: Registered, status: 'True'}]}}"
#define NODE(name, more) "{metadata: {name: " name ", finalizers: [karpenter.sh/termination], labels: {kaito.sh/workspace: w, agentpool: gone}}" more "}"

static void what_is_left_over_is_found(void **state)
{
    static const struct { const char *machines, *claims, *nodes, *want; } rows[] = {
        { "", "[]", "[]", "" },
        { "a", "[]", "[]", "Machine/a" },
        { "a:broken", "[]", "[]", "Machine/a" },
        { "a:deleting", "[]", "[]", "" },
        /* any claim of that name keeps it, ours or not, leaving or not */
        { "a", "[{metadata: {name: a}}]", "[]", "" },
        { "a b", "[" CLAIM("a", ", deletionTimestamp: '2026-01-01T00:00:00Z'") "}}]", "[]", "Machine/b" },
        { "", "[" CLAIM("c", "") REGISTERED "]", "[]", "NodeClaim/c" },
        { "c", "[" CLAIM("c", "") REGISTERED "]", "[]", "" },
        { "c:deleting", "[" CLAIM("c", "") REGISTERED "]", "[]", "NodeClaim/c" },
        /* never registered: the life cycle's time-outs care for it; being deleted: so does its end; somebody else's: nobody of us */
        { "", "[" CLAIM("c", "") "}}]", "[]", "" },
        { "", "[" CLAIM("c", ", deletionTimestamp: '2026-01-01T00:00:00Z'") REGISTERED "]", "[]", "" },
        { "", "[{metadata: {name: c, finalizers: [karpenter.sh/termination]}, spec: {nodeClassRef: {group: karpenter.azure.com, kind: AKSNodeClass, name: d}}, "
              "status: {providerID: x, conditions: [{type: Registered, status: 'True'}]}}]", "[]", "" },
        /* a Node that answers proves its machine; one that does not proves nothing; case of ids differs between clouds' answers */
        { "", "[" CLAIM("c", "") REGISTERED "]", "[{metadata: {name: n}, spec: {providerID: 'P:///x'}, status: {conditions: [{type: Ready, status: 'True'}]}}]", "" },
        { "", "[" CLAIM("c", "") REGISTERED "]", "[{metadata: {name: n}, spec: {providerID: 'p:///x'}, status: {conditions: [{type: Ready, status: Unknown}]}}]", "NodeClaim/c" },
        /* the providerID comes late: the label names the claim */
        { "", "[" CLAIM("c", "") "}, status: {conditions: [{type: Registered, status: 'True'}]}}]",
          "[{metadata: {name: n, labels: {agentpool: c}}, status: {conditions: [{type: Ready, status: 'True'}]}}]", "" },
        { "", "[" CLAIM("c", "") "}, status: {conditions: [{type: Registered, status: 'True'}]}}]",
          "[{metadata: {name: n, labels: {agentpool: d}}, status: {conditions: [{type: Ready, status: 'True'}]}}]", "NodeClaim/c" },
        { "", "[]", "[" NODE("n", "") "]", "Node/n" },
        { "", "[]", "[{metadata: {name: n, finalizers: [karpenter.sh/termination], labels: {kaito.sh/kaitonodeclass: default, agentpool: gone}}}]", "Node/n" },
        { "gone:deleting", "[]", "[" NODE("n", "") "]", "" },
        { "", "[{metadata: {name: gone}}]", "[" NODE("n", "") "]", "" },
        { "", "[]", "[{metadata: {name: n, labels: {kaito.sh/workspace: w, agentpool: gone}}}]", "" },          /* not ours: no finalizer */
        { "", "[]", "[{metadata: {name: n, finalizers: [karpenter.sh/termination], labels: {agentpool: user}}}]", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *have = found(rows[i].machines, rows[i].claims, rows[i].nodes);

        if (!streq(have, rows[i].want))
            fail_msg("row %zu: want \"%s\", have \"%s\"", i, rows[i].want, have);
        free(have);
    }
}

static bool due(struct map *seen, const char *machine_text, int64_t now_ms)
{
    AUTO(orphans_done) struct orphans l = { 0 };

    plan(machine_text, "[]", "[]", now_ms, seen, &l);
    return l.n == 1 && l.items[0].due;
}

static void it_is_due_when_seen_before_and_long_enough_ago(void **state)
{
    AUTO_FREE(map) seen = map_new(free);

    assert_false(due(seen, "a", 10 * MINUTE));
    assert_false(due(seen, "a", 11 * MINUTE));
    assert_true(due(seen, "a", 12 * MINUTE));
    /* it had a claim in between: the clock begins anew */
    assert_false(due(seen, "", 13 * MINUTE));
    assert_false(due(seen, "a", 14 * MINUTE));
    assert_true(due(seen, "a", 16 * MINUTE));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_left_over_is_found), cmocka_unit_test(it_is_due_when_seen_before_and_long_enough_ago) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
