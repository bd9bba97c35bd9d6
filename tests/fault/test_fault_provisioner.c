/*
 * The provisioner behind an API server that lies to it in ways that happen: a watch that stands still, an answer that is lost, a conflict. What must hold:
 * one machine per claim, none for a claim that is gone, and no Node left behind.
 */
#include "../unit/provisioner/life.h"
#include "proxy.h"

struct scene {
    struct life life;
    struct proxy *proxy;
    struct kube_client *through;

    struct mutex mu;                    /* a leaf; guards the rest */
    struct cond changed;
    const char *subject;                /* a name of which only the first event arrives, and that when it is let through */
    bool arrived, through_now;
    int asked;                          /* GETs of the subject */
    int watches;                        /* of claims, begun */
    const char *conflicting;            /* the path whose DELETE is a conflict; NULL: none */
    int conflicts;
    enum fault_kind at_write;
    unsigned write;
};

static bool on_event(void *self, const char *path, struct str line)
{
    struct scene *s = self;
    LOCK_SCOPE(&s->mu);
    size_t at;

    if (!s->subject || !strstr(path, "/nodeclaims") || !str_find(line, str_of(s->subject), &at))
        return true;
    if (s->arrived)
        return false;
    s->arrived = true;
    cond_broadcast(&s->changed);
    while (!s->through_now)
        cond_wait(&s->changed, &s->mu);
    return true;
}

static struct fault judge(void *self, const struct proxy_call *c)
{
    struct scene *s = self;
    LOCK_SCOPE(&s->mu);

    if (s->subject && streq(c->method, "GET") && !c->watch && str_has_suffix(str_of(c->path), str_of(s->subject))) {
        s->asked++;
        cond_broadcast(&s->changed);
    }
    if (c->watch && strstr(c->path, "/nodeclaims")) {
        s->watches++;
        cond_broadcast(&s->changed);
    }
    if (s->conflicting && streq(c->method, "DELETE") && streq(c->path, s->conflicting)) {
        s->conflicts++;
        cond_broadcast(&s->changed);
        return (struct fault){ FAULT_ANSWER, 409 };
    }
    return (struct fault){ c->n_write && c->n_write == s->write ? s->at_write : FAULT_NONE };
}

static int start(void **state)
{
    struct scene *s = xzalloc(sizeof *s);
    AUTO_FREE(kube_config) config = NULL;
    void *life = NULL;
    struct err e;

    life_start(&life);
    s->life = *(struct life *)life;
    free(life);
    mutex_init(&s->mu);
    cond_init(&s->changed);
    OK(kube_config_load(s->life.api.kubeconfig, NULL, &config, &e));
    OK(proxy_start(config, &s->proxy, &e));
    OK(kube_client_new(&(struct kube_config){ .server = (char *)(uintptr_t)proxy_url(s->proxy), .namespace_ = (char *)(uintptr_t)"default" }, NULL, NULL, &s->through, &e));
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct scene *s = *state;

    kube_client_free(s->through);
    proxy_stop(s->proxy);
    kube_client_free(s->life.client);
    test_api_stop(&s->life.api);
    cond_done(&s->changed);
    mutex_done(&s->mu);
    free(s);
    return 0;
}

/* The provisioner talks through the proxy, the test past it. */
static void run(struct scene *s)
{
    struct kube_client *direct = s->life.client;

    s->life.client = s->through;
    life_run(&s->life);
    s->life.client = direct;
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; !provisioner_ready(s->life.p) && clock_mono_ms() < end; poll(NULL, 0, 10));
    assert_true(provisioner_ready(s->life.p));
}

static struct scene *scene(void **state)
{
    struct scene *s = *state;
    void *life = &s->life;

    (void)life_scene(&life);
    proxy_arm(s->proxy, &(struct proxy_rules){ .judge = judge, .event = on_event, .self = s });
    return s;
}

static int clean(void **state)
{
    struct scene *s = *state;

    life_end(&s->life);
    proxy_revive(s->proxy);
    return 0;
}

/* Until *field, counted in the rules, has reached so much. */
static void until_counted(struct scene *s, const int *field, int want)
{
    int64_t end = clock_mono_ms() + LIFE_WAIT_MS;

    mutex_lock(&s->mu);
    while (*field < want && cond_wait_until(&s->changed, &s->mu, end));
    int have = *field;

    mutex_unlock(&s->mu);               /* before a failure, which leaves by longjmp */
    if (have < want)
        fail_msg("counted %d, not %d", have, want);
}

/* ---- a cache that lags ------------------------------------------------------------------------------------------------------- */

static void strike_off(struct scene *s, const char *claim)
{
    life_delete(&s->life, claim);
    life_patch(&s->life, &claims, NULL, claim, NULL, "{metadata: {finalizers: null}}");
}

static void only_delete(struct scene *s, const char *claim)
{
    life_delete(&s->life, claim);
}

static void make_another(struct scene *s, const char *claim)
{
    strike_off(s, claim);
    life_claim(&s->life, claim, "type-a", "");
}

/* The claim had its finalizer, its event stands still on the way, and meanwhile it changes: then the event arrives, and none of the later ones. */
static void lag(struct scene *s, const char *claim, const char *annotations, void (*meanwhile)(struct scene *s, const char *claim))
{
    AUTO_MEM char *text = xasprintf("{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: %s, finalizers: [%s], labels: {kaito.sh/workspace: w}, annotations: {%s}}, "
                                    "spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}, resources: {requests: {storage: 1Gi}}, "
                                    "requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [type-a]}]}}", claim, CLAIM_FINALIZER, annotations);

    mutex_lock(&s->mu);
    s->subject = claim;
    s->arrived = s->through_now = false;
    s->asked = 0;
    mutex_unlock(&s->mu);
    life_make(&s->life, &claims, text);
    mutex_lock(&s->mu);
    while (!s->arrived)
        cond_wait(&s->changed, &s->mu);
    mutex_unlock(&s->mu);
    meanwhile(s, claim);
    mutex_lock(&s->mu);
    s->through_now = true;
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mu);
}

/* The watch is right again. */
static void catch_up(struct scene *s)
{
    mutex_lock(&s->mu);
    int before = s->watches;

    s->subject = NULL;
    mutex_unlock(&s->mu);
    proxy_end_watches(s->proxy, true);
    until_counted(s, &s->watches, before + 1);
}

static void no_machine_is_begun_for_a_claim_that_is_gone(void **state)
{
    const struct { const char *claim, *annotations; void (*meanwhile)(struct scene *s, const char *claim); bool comes_back; } rows[] = {
        { "ghost", "", strike_off, false }, { "going", "", only_delete, false }, { "anew", "", make_another, true },
        { "begun", CLOUD_OPERATION_ANNOTATION ": of-some-time-ago", strike_off, false },
    };
    struct scene *s = scene(state);

    run(s);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int before = fake_read(s->life.cloud, &s->life.cloud->made);

        lag(s, rows[i].claim, rows[i].annotations, rows[i].meanwhile);
        until_counted(s, &s->asked, 3);         /* it is asked for each time */
        assert_int_equal(fake_read(s->life.cloud, &s->life.cloud->made), before);
        catch_up(s);
        if (rows[i].comes_back) {
            life_until(&s->life, rows[i].claim, "Launched", "True/Launched");
            life_delete(&s->life, rows[i].claim);
        }
        life_until_gone(&s->life, &claims, NULL, rows[i].claim);
        life_until_no_machine(&s->life);
        assert_int_equal(fake_read(s->life.cloud, &s->life.cloud->made), before + rows[i].comes_back);
    }
}

/* ---- one machine, whatever write is lost --------------------------------------------------------------------------------------- */

static void restart_if_cut(struct scene *s)
{
    if (!proxy_is_cut(s->proxy))
        return;
    life_halt(&s->life);
    mutex_lock(&s->mu);
    s->write = 0;
    mutex_unlock(&s->mu);
    proxy_revive(s->proxy);
    run(s);
}

static void until_cut_or(struct scene *s, const char *claim, const char *type, const char *want)
{
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && !proxy_is_cut(s->proxy); poll(NULL, 0, 10)) {
        AUTO_MEM char *have = life_condition(&s->life, claim, type);

        if (streq(have, want))
            return;
    }
}

/* False: it came to its end before that write. */
static bool up_with(struct scene *s, const char *claim, enum fault_kind kind, unsigned write)
{
    int made = fake_read(s->life.cloud, &s->life.cloud->made);

    proxy_arm(s->proxy, &(struct proxy_rules){ .judge = judge, .event = on_event, .self = s });
    mutex_lock(&s->mu);
    s->at_write = kind;
    s->write = write;
    mutex_unlock(&s->mu);
    life_claim(&s->life, claim, "type-a", "");
    until_cut_or(s, claim, "Launched", "True/Launched");
    restart_if_cut(s);
    life_until(&s->life, claim, "Launched", "True/Launched");
    life_join(&s->life, claim);
    until_cut_or(s, claim, "Ready", "True/Ready");
    mutex_lock(&s->mu);
    bool hit = !s->write || proxy_is_cut(s->proxy);
    s->write = 0;
    mutex_unlock(&s->mu);
    restart_if_cut(s);
    life_until(&s->life, claim, "Ready", "True/Ready");
    assert_int_equal(fake_read(s->life.cloud, &s->life.cloud->made), made + 1);
    AUTO_JSON ready = life_get(&s->life, &claims, NULL, claim);
    assert_true(streq(kube_label(ready, INSTANCE_TYPE_LABEL), "type-a"));
    life_until_no_operation(&s->life, claim);
    life_delete(&s->life, claim);
    life_until_gone(&s->life, &claims, NULL, claim);
    life_until_no_machine(&s->life);
    return hit;
}

/* A machine that is there already is the claim's: the next provisioner takes it over. */
static void a_provisioner_that_dies_at_any_write_makes_one_machine(void **state)
{
    static const enum fault_kind kinds[] = { FAULT_CUT_BEFORE, FAULT_CUT_AFTER };
    struct scene *s = scene(state);

    s->life.cloud->pending_looks = 2;
    s->life.cloud->look_ms = 20;
    run(s);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        unsigned write = 1;

        for (bool hit = true; hit; write++) {
            AUTO_MEM char *claim = xasprintf("cut%zu%u", k, write);

            hit = up_with(s, claim, kinds[k], write);
        }
        assert_true(write > 7);         /* the claim's finalizer, operation, status twice with its labels between, the operation's end, its Node, its status */
    }
}

/* ---- a conflict is an answer ------------------------------------------------------------------------------------------------- */

/* It may mean another Node of this name, or anything else: nothing is let go on its strength. */
static void a_conflict_at_the_nodes_deletion_is_not_swallowed(void **state)
{
    struct scene *s = scene(state);

    run(s);
    life_claim(&s->life, "clash", "type-a", "");
    life_until(&s->life, "clash", "Launched", "True/Launched");
    life_join(&s->life, "clash");
    life_until(&s->life, "clash", "Ready", "True/Ready");
    mutex_lock(&s->mu);
    s->conflicting = "/api/v1/nodes/node-clash";
    mutex_unlock(&s->mu);
    life_delete(&s->life, "clash");
    until_counted(s, &s->conflicts, 2);
    AUTO_JSON claim = life_get(&s->life, &claims, NULL, "clash");
    AUTO_JSON node = life_get(&s->life, &nodes, NULL, "node-clash");

    assert_non_null(claim);
    assert_true(kube_has_finalizer(claim, CLAIM_FINALIZER));
    assert_non_null(node);
    assert_true(kube_has_finalizer(node, CLAIM_FINALIZER));
    mutex_lock(&s->mu);
    s->conflicting = NULL;
    mutex_unlock(&s->mu);
    life_until_gone(&s->life, &claims, NULL, "clash");
    assert_false(life_is_there(&s->life, &nodes, NULL, "node-clash"));
}

#define SCENE(f) cmocka_unit_test_teardown(f, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(no_machine_is_begun_for_a_claim_that_is_gone), SCENE(a_provisioner_that_dies_at_any_write_makes_one_machine), SCENE(a_conflict_at_the_nodes_deletion_is_not_swallowed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
