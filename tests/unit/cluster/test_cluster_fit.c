/* Where a pod fits, and the scheduler's words when it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "cluster/fit.h"

static const struct { const char *node, *pod; const char *reason; } rows[] = {
    { "{}", "{}", NULL },
    { "{'metadata':{'name':'n','labels':{'a':'b'}}}", "{'nodeSelector':{'a':'b'}}", NULL },
    { "{'metadata':{'name':'n','labels':{'a':'c'}}}", "{'nodeSelector':{'a':'b'}}", "node(s) didn't match Pod's node affinity/selector" },
    { "{'metadata':{'name':'n'}}", "{'nodeSelector':{'a':''}}", "node(s) didn't match Pod's node affinity/selector" },
    { "{'metadata':{'name':'n','labels':{'t':'x'}}}",
      "{'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':["
      "{'matchExpressions':[{'key':'t','operator':'In','values':['y']}]},{'matchExpressions':[{'key':'t','operator':'In','values':['x']}]}]}}}}", NULL },
    { "{'metadata':{'name':'n'}}",
      "{'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':["
      "{'matchFields':[{'key':'metadata.name','operator':'In','values':['m']}]}]}}}}", "node(s) didn't match Pod's node affinity/selector" },
    { "{'metadata':{'name':'n'},'spec':{'taints':[{'key':'sku','value':'gpu','effect':'NoSchedule'}]}}", "{}",
      "node(s) had untolerated taint {sku: gpu}" },
    { "{'metadata':{'name':'n'},'spec':{'taints':[{'key':'sku','value':'gpu','effect':'NoSchedule'}]}}",
      "{'tolerations':[{'key':'sku','operator':'Equal','value':'gpu','effect':'NoSchedule'}]}", NULL },
    { "{'metadata':{'name':'n'},'spec':{'taints':[{'key':'sku','effect':'PreferNoSchedule'}]}}", "{}", NULL },
    { "{'metadata':{'name':'n'},'spec':{'unschedulable':true}}", "{}", "node(s) were unschedulable" },
    { "{'metadata':{'name':'n'},'status':{'allocatable':{'cpu':'2','pods':'1'}}}",
      "{'containers':[{'resources':{'requests':{'cpu':'1500m'}}},{'resources':{'requests':{'cpu':'600m'}}}]}", "Insufficient cpu" },
    { "{'metadata':{'name':'n'},'status':{'allocatable':{'cpu':'2','memory':'1Gi'}}}",
      "{'containers':[{'resources':{'limits':{'nvidia.com/gpu':'1'}}}]}", "Insufficient nvidia.com/gpu" },
    { "{'metadata':{'name':'n'},'status':{'allocatable':{'memory':'1Gi'}}}",
      "{'initContainers':[{'resources':{'requests':{'memory':'2Gi'}}}]}", "Insufficient memory" },
};

static json_t *from(const char *text)
{
    AUTO_BUF b = { 0 };
    for (; *text; text++)
        buf_addc(&b, *text == '\'' ? '"' : *text);
    for (char *p = strstr(b.p, "didn\"t"); p; p = NULL)
        p[4] = '\'';
    return json_loads(b.p, 0, NULL);
}

static void pods_and_nodes(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE(arena) a = arena_new();
        AUTO_JSON node_json = from(rows[i].node);
        AUTO_JSON spec_json = from(rows[i].pod);
        struct node node;
        struct pod_spec spec;
        struct affinity affinity = { 0 };
        struct amounts wants, used = { 0 };
        struct fit_reasons why;
        struct err e;
        assert_int_equal(schema_decode(&k8s_node_type, node_json, a, &node, &e), ERR_OK);
        assert_int_equal(schema_decode(&pod_spec_type, spec_json, a, &spec, &e), ERR_OK);
        if (spec.affinity)
            assert_int_equal(schema_decode(&k8s_affinity_type, spec.affinity, a, &affinity, &e), ERR_OK);
        pod_requests(&spec, &wants);
        bool fits = node_fits(&node, &spec, &affinity, &wants, &used, 0, &why);
        if (fits != !rows[i].reason)
            fail_msg("row %zu: fits=%d %s", i, fits, why.n ? why.text[0] : "");
        if (rows[i].reason)
            assert_string_equal(why.text[0], rows[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pods_and_nodes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
