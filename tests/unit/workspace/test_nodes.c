/* What is told of machines that are not there yet, and which devices are waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "workspace/priv.h"

static json_t *yaml(struct arena *a, const char *text)
{
    json_t *j = NULL;

    assert_int_equal(yaml_parse(str_of(text), &j, NULL), ERR_OK);
    json_arena_own(a, j);
    return j;
}

static void look(struct arena *a, const char *ws, const char *claims, const char *nodes, struct node_state *out)
{
    struct workspace_settings settings = { .model_cache_dir = "/models" };
    struct workspace decoded;
    struct err e;

    workspace_settings_default(&settings);
    if (schema_decode(&workspace_v1beta1, yaml(a, ws), a, &decoded, &e))
        fail_msg("%s", e.text);
    struct ws_view v = { .settings = &settings, .ws = &decoded, .claims = yaml(a, claims), .nodes = yaml(a, nodes) };

    if (node_state_of(&v, out, &e))
        fail_msg("%s", e.text);
}

#define WORKSPACE(inference) "{metadata: {name: w}, resource: {instanceType: Standard_NC6s_v3}, inference: " inference "}"
#define LONG_CAUSE "agent pool ws1: SkuNotAvailable: The requested VM size is not available in the location eastus for the subscription \xC3\xA9t\xC3\xA9. " \
                   "Please try another size or deploy to a different location or zone. (HTTP 400, request 0000000000000003)"
#define NEXT       "; next: choose an instance type that the subscription may use in this region"

static void assert_told(const char *message, const char *want)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_BUF claims = { 0 };
    struct node_state s;

    buf_addf(&claims, "[{kind: NodeClaim, metadata: {name: ws1}, status: {conditions: [{type: Launched, status: 'False', reason: R, message: \"%s\"}]}}]", message);
    look(a, WORKSPACE("{preset: {name: phi-4}}"), buf_cstr(&claims), "[]", &s);
    assert_string_equal(s.claim_message, want);
    node_state_done(&s);
}

static void the_next_step_survives_the_cut(void **state)
{
    (void)state;
    assert_told("short" NEXT, "short" NEXT);
    assert_told(LONG_CAUSE NEXT,
                "agent pool ws1: SkuNotAvailable: The requested VM size is not available in the location eastus for the subscription \xC3\xA9t\xC3\xA9. "
                "Please try another size or deploy to a different location..." NEXT);
}

#define NODE(labels) "[{kind: Node, metadata: {name: n, labels: {node.kubernetes.io/instance-type: Standard_NC6s_v3, " labels "}}, " \
                     "status: {conditions: [{type: Ready, status: 'True'}]}}]"
#define CLAIM        "[{kind: NodeClaim, metadata: {name: c}, status: {nodeName: n, conditions: [{type: Initialized, status: 'True'}, {type: Ready, status: 'True'}]}}]"
#define TEMPLATE     "{template: {spec: {containers: [{name: m, image: a/b}]}}}"

static bool plugins_ready(const char *ws, const char *nodes)
{
    AUTO_FREE(arena) a = arena_new();
    struct node_state s;

    look(a, ws, CLAIM, nodes, &s);
    node_state_done(&s);
    return s.plugins_ready;
}

#define VLLM(inference) "{metadata: {name: w, annotations: {kaito.sh/runtime: vllm}}, resource: {instanceType: Standard_NC6s_v3}, inference: " inference "}"

/* The workload that runs would make it a matter of GPUs, as the annotation does here. */
static void a_template_waits_for_no_devices_on_this_machine(void **state)
{
    (void)state;
    assert_true(plugins_ready(VLLM(TEMPLATE), NODE("kaito.sh/local-node: 'true'")));
    assert_false(plugins_ready(VLLM(TEMPLATE), NODE("kaito.sh/machine-type: gpu")));
    assert_false(plugins_ready(VLLM("{preset: {name: phi-4}}"), NODE("kaito.sh/local-node: 'true'")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_step_survives_the_cut),
        cmocka_unit_test(a_template_waits_for_no_devices_on_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
