/* What the tests of the life cycle share: an API (test_api.h), the fake cloud, one or more provisioners, and the words of their stories. */
#ifndef TESTS_LIFE_H
#define TESTS_LIFE_H

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "../patience.h"
#include "../test_api.h"
#include "base/yaml.h"
#include "fake_cloud.h"
#include "kube/kube.h"
#include "kube/meta.h"
#include "provisioner/provisioner.h"

#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)

static const struct kube_gvr claims = { "karpenter.sh", "v1", "nodeclaims" }, nodes = { "", "v1", "nodes" }, pods = { "", "v1", "pods" },
    budgets = { "policy", "v1", "poddisruptionbudgets" };

struct life {
    struct test_api api;
    struct kube_client *client;
    struct cancel *cancel;
    struct fake_cloud *cloud;
    struct provisioner *p;
    struct provisioner_opts o;
    bool await;                         /* NodeClaims are to be served before a story begins */
};

static inline int life_start(void **state)
{
    struct life *l = xzalloc(sizeof *l);
    struct err e;

    *state = l;
    OK(test_api_start(&l->api, &e));
    AUTO_FREE(kube_config) cfg = NULL;
    OK(kube_config_load(l->api.kubeconfig, NULL, &cfg, &e));
    OK(kube_client_new(cfg, NULL, NULL, &l->client, &e));
    /* no controller does it here */
    AUTO_JSON account = kube_object("v1", "ServiceAccount", "default", "default");
    (void)kube_create(l->client, KUBE_GVR("", "v1", "serviceaccounts"), NULL, account, NULL, &e);
    return 0;
}

static inline int life_stop(void **state)
{
    struct life *l = *state;

    kube_client_free(l->client);
    test_api_stop(&l->api);
    free(l);
    return 0;
}

/* A fresh cloud and options that make a test quick; the test changes them, then calls life_run. */
static inline struct life *life_scene(void **state)
{
    struct life *l = *state;

    l->cloud = fake_cloud_new();
    l->await = true;
    l->o = (struct provisioner_opts){ .cloud = &l->cloud->cloud, .install_crds = true, .collect = COLLECT_OFF };
    return l;
}

static inline void life_run(struct life *l)
{
    struct err e;

    l->cancel = cancel_new();
    OK(provisioner_start(l->client, &l->o, l->cancel, &l->p, &e));
    /* a kind that was just defined is served a moment later */
    for (bool served = false; l->await && !served; served ? 0 : poll(NULL, 0, 20))
        OK(kube_has_resource(l->client, &claims, &served, &e));
}

static inline void life_halt(struct life *l)
{
    cancel_now(l->cancel);
    provisioner_join(l->p);
    cancel_free(l->cancel);
    l->p = NULL;
}

static inline void life_end(struct life *l)
{
    if (l->p)
        life_halt(l);
    if (l->cloud)
        cloud_free(&l->cloud->cloud);
    l->cloud = NULL;
}

/* After each test, also one that failed: nobody of it acts on the next one's claims. */
static inline int life_clean(void **state)
{
    life_end(*state);
    return 0;
}

#define LIFE(f) cmocka_unit_test_teardown(f, life_clean)

static inline json_t *life_get(struct life *l, const struct kube_gvr *r, const char *ns, const char *name)
{
    json_t *obj = NULL;
    struct err e;
    errc rc = kube_get(l->client, r, ns, name, &obj, &e);

    if (rc && rc != ERR_NOT_FOUND)
        fail_msg("%s", e.text);
    return obj;
}

static inline void life_make(struct life *l, const struct kube_gvr *r, const char *text)
{
    json_t *obj = NULL;
    struct err e;

    OK(yaml_parse(str_of(text), &obj, &e));
    OK(kube_create(l->client, r, NULL, obj, NULL, &e));
    json_decref(obj);
}

static inline void life_patch(struct life *l, const struct kube_gvr *r, const char *ns, const char *name, const char *sub, const char *text)
{
    json_t *patch = NULL;
    struct err e;

    OK(yaml_parse(str_of(text), &patch, &e));
    OK(kube_patch(l->client, r, ns, name, sub, KUBE_PATCH_MERGE, patch, NULL, &e));
    json_decref(patch);
}

/* types: "a" or "a, b"; more: further keys of spec, "" for none. */
static inline void life_claim(struct life *l, const char *name, const char *types, const char *more)
{
    AUTO_MEM char *text = xasprintf("{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: %s, labels: {kaito.sh/workspace: w, karpenter.sh/nodepool: kaito}}, "
                                    "spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}, expireAfter: Never, "
                                    "requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [%s]}], "
                                    "taints: [{key: sku, value: gpu, effect: NoSchedule}], resources: {requests: {storage: 1Gi}}%s}}", name, types, more);

    life_make(l, &claims, text);
}

/* The kubelet of a machine: a Node that is ready. */
static inline void life_join(struct life *l, const char *claim)
{
    AUTO_MEM char *text = xasprintf("{apiVersion: v1, kind: Node, metadata: {name: node-%s}, spec: {providerID: 'fake:///%s'}}", claim, claim);
    AUTO_MEM char *name = xasprintf("node-%s", claim);

    life_make(l, &nodes, text);
    /* a real API server marks new Nodes; the controller that takes the mark back is not here */
    life_patch(l, &nodes, NULL, name, NULL, "{spec: {taints: null}}");
    life_patch(l, &nodes, NULL, name, "status", "{status: {allocatable: {cpu: '4'}, capacity: {cpu: '4'}, conditions: [{type: Ready, status: 'True', "
                                                "lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
}

static inline void life_delete(struct life *l, const char *claim)
{
    struct err e;

    OK(kube_delete(l->client, &claims, NULL, claim, NULL, &e));
}

/* A running pod on the Node of a claim; deleting it needs no kubelet. */
static inline void life_pod(struct life *l, const char *name, const char *claim, const char *annotations)
{
    AUTO_MEM char *text = xasprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: default, labels: {app: x}, annotations: {%s}}, "
                                    "spec: {nodeName: node-%s, terminationGracePeriodSeconds: 0, containers: [{name: c, image: i}]}}", name, annotations, claim);

    life_make(l, &pods, text);
    life_patch(l, &pods, "default", name, "status", "{status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}}");
}

#define LIFE_WAIT_MS patience_ms(5000)

/* The condition's "status/reason"; "" when it or the claim is not there. */
static inline char *life_condition(struct life *l, const char *claim, const char *type)
{
    AUTO_JSON obj = life_get(l, &claims, NULL, claim);
    const json_t *c = obj ? kube_condition(obj, type) : NULL;

    return c ? xasprintf("%s/%s", json_cstr(c, "status"), json_cstr(c, "reason")) : xstrdup("");
}

static inline void life_until(struct life *l, const char *claim, const char *type, const char *want)
{
    char *have = NULL;

    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end; poll(NULL, 0, 20)) {
        free(have);
        have = life_condition(l, claim, type);
        if (streq(have, want)) {
            free(have);
            return;
        }
    }
    fail_msg("claim %s: %s is \"%s\", not \"%s\"", claim, type, have, want);
}

static inline bool life_is_there(struct life *l, const struct kube_gvr *r, const char *ns, const char *name)
{
    AUTO_JSON obj = life_get(l, r, ns, name);

    return obj != NULL;
}

static inline void life_until_gone(struct life *l, const struct kube_gvr *r, const char *ns, const char *name)
{
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end; poll(NULL, 0, 20))
        if (!life_is_there(l, r, ns, name))
            return;
    AUTO_JSON obj = life_get(l, r, ns, name);
    AUTO_MEM char *text = obj ? json_text(obj) : NULL;
    fail_msg("%s %s is still there: %s", r->resource, name, text ? text : "");
}

/* A claim that is gone may still owe a deletion to the cloud, where the API took it away beside our finalizer. */
static inline void life_until_no_machine(struct life *l)
{
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && fake_count(l->cloud); poll(NULL, 0, 20));
    assert_int_equal(fake_count(l->cloud), 0);
}

static inline void life_until_count(struct fake_cloud *f, const int *field, int want)
{
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end; poll(NULL, 0, 20))
        if (fake_read(f, field) >= want)
            return;
    fail_msg("counted %d, not %d", fake_read(f, field), want);
}

static inline char *life_annotation(struct life *l, const char *claim, const char *key)
{
    AUTO_JSON obj = life_get(l, &claims, NULL, claim);

    return xstrdup(obj ? kube_annotation(obj, key) : NULL);
}

/* What came of it is told first. */
static inline void life_until_no_operation(struct life *l, const char *claim)
{
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end; poll(NULL, 0, 20)) {
        AUTO_MEM char *operation = life_annotation(l, claim, CLOUD_OPERATION_ANNOTATION);

        if (!operation)
            return;
    }
    fail_msg("claim %s still has its operation", claim);
}

#endif
