/* The life of claims on an API server with a scripted cloud: creation, its failures, time-outs, restarts, several provisioners. */
#include "life.h"

#include "kube/priv.h"

static void a_slow_cloud_is_asked_again_until_the_node_is_usable(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->pending_looks = 3;
    life_run(l);
    life_claim(l, "slow", "type-a", "");
    life_until(l, "slow", "Launched", "Unknown/LaunchInProgress");
    life_until(l, "slow", "Launched", "True/Launched");
    assert_string_equal(l->cloud->operation, "operation-of-slow");     /* what the annotation kept came back */
    life_until_no_operation(l, "slow");
    life_until(l, "slow", "Registered", "Unknown/NodeNotFound");
    life_join(l, "slow");
    life_until(l, "slow", "Ready", "True/Ready");
    AUTO_JSON node = life_get(l, &nodes, NULL, "node-slow");
    assert_true(kube_has_finalizer(node, CLAIM_FINALIZER));
    assert_string_equal(kube_label(node, "kaito.sh/workspace"), "w");
    AUTO_JSON claim = life_get(l, &claims, NULL, "slow");
    assert_true(kube_is_owned_by(node, kube_uid(claim)));
    assert_string_equal(kube_label(claim, INSTANCE_TYPE_LABEL), "type-a");
    assert_string_equal(json_str_at(claim, "status", "imageID", NULL), "image-1");
    assert_int_equal(l->cloud->made, 1);
    life_delete(l, "slow");
    life_until_gone(l, &claims, NULL, "slow");
    life_until_gone(l, &nodes, NULL, "node-slow");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

/* As many machines on their way as there are workers, and many more, keep nobody from the next claim. */
static void no_worker_waits_for_machines_that_take_long(void **state)
{
    enum { SLOW = 24 };
    struct life *l = life_scene(state);

    l->o.workers = 2;
    l->cloud->pending_looks = 1000000;
    l->cloud->look_ms = 3600000;
    life_run(l);
    for (int i = 0; i < SLOW; i++) {
        AUTO_MEM char *name = xasprintf("slow-%d", i);
        life_claim(l, name, "type-a", "");
    }
    life_until_count(l->cloud, &l->cloud->made, SLOW);
    {
        LOCK_SCOPE(&l->cloud->mu);
        l->cloud->pending_looks = 0;
    }
    life_claim(l, "quick", "type-a", "");
    life_until(l, "quick", "Launched", "True/Launched");
    life_until(l, "slow-0", "Launched", "Unknown/LaunchInProgress");
    for (int i = 0; i < SLOW; i++) {
        AUTO_MEM char *name = xasprintf("slow-%d", i);
        life_delete(l, name);
    }
    life_delete(l, "quick");
    life_until_no_machine(l);
    life_end(l);
}

/* Events of the claim do not make us ask a cloud that said to wait, and never one that said no for good. */
static void refused_claims_are_held(void **state)
{
    static const struct { enum cloud_fault fault; const char *want; } rows[] = { { FAULT_QUOTA, "False/QuotaExceeded" }, { FAULT_SPEC, "False/InvalidSpec" } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct life *l = life_scene(state);

        l->cloud->fault = rows[i].fault;
        l->cloud->fail_times = 100;
        life_run(l);
        life_claim(l, "held", "type-a", "");
        life_until(l, "held", "Launched", rows[i].want);
        for (int n = 0; n < 5; n++) {
            AUTO_MEM char *text = xasprintf("{metadata: {labels: {touched: 'n%d'}}}", n);
            life_patch(l, &claims, NULL, "held", NULL, text);
        }
        poll(NULL, 0, 400);
        assert_int_equal(fake_read(l->cloud, &l->cloud->creates), 1);
        life_delete(l, "held");
        life_until_gone(l, &claims, NULL, "held");
        life_end(l);
    }
}

static void the_next_instance_type_is_tried_when_one_is_not_to_be_had(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->fault = FAULT_CAPACITY;
    l->cloud->fail_type = "type-a";
    life_run(l);
    life_claim(l, "choice", "type-a, type-b", "");
    life_until(l, "choice", "Launched", "True/Launched");
    AUTO_JSON claim = life_get(l, &claims, NULL, "choice");
    assert_string_equal(kube_label(claim, INSTANCE_TYPE_LABEL), "type-b");
    life_delete(l, "choice");
    life_until_gone(l, &claims, NULL, "choice");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

static void an_earlier_machine_that_goes_is_told(void **state)
{
    struct life *l = life_scene(state);

    fake_add(l->cloud, "after")->deleting = true;
    life_run(l);
    life_claim(l, "after", "type-a", "");
    life_until(l, "after", "Launched", "Unknown/AwaitingInstanceTermination");
    mutex_lock(&l->cloud->mu);
    map_clear(l->cloud->machines);
    mutex_unlock(&l->cloud->mu);
    life_until(l, "after", "Launched", "True/Launched");
    life_delete(l, "after");
    life_until_gone(l, &claims, NULL, "after");
    life_end(l);
}

/* A cloud that may not be asked says nothing new: neither that the machine is made, nor that it is not. */
static void what_is_not_seen_stays_as_it_was_said(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->unseen = true;
    life_run(l);
    life_claim(l, "unknown", "type-a", "");
    life_until_count(l->cloud, &l->cloud->creates, 3);
    AUTO_MEM char *launched = life_condition(l, "unknown", "Launched");
    assert_string_equal(launched, "Unknown/AwaitingReconciliation");
    mutex_lock(&l->cloud->mu);
    l->cloud->unseen = false;
    mutex_unlock(&l->cloud->mu);
    life_until(l, "unknown", "Launched", "True/Launched");
    life_delete(l, "unknown");
    life_until_gone(l, &claims, NULL, "unknown");
    life_end(l);
}

/* A process that dies between two of its writes leaves what the next one goes on from: the operation until what came of it is told. */
static void a_claim_has_its_operation_until_it_says_what_came_of_it(void **state)
{
    struct life *l = life_scene(state);
    AUTO_BUF events = { 0 };
    struct err e;
    bool began = false;

    l->cloud->pending_looks = 2;
    l->cloud->look_ms = 20;
    life_run(l);
    life_claim(l, "noted", "type-a", "");
    AUTO_JSON first = life_get(l, &claims, NULL, "noted");
    life_until(l, "noted", "Launched", "True/Launched");
    life_until_no_operation(l, "noted");
    AUTO_MEM char *path = xasprintf("/apis/karpenter.sh/v1/nodeclaims?watch=true&timeoutSeconds=1&resourceVersion=%s", kube_resource_version(first));
    OK(kube_do(l->client, &(struct kube_call){ .method = "GET", .path = path }, &events, &e));
    struct str line, rest = buf_str(&events);

    while (str_cut(rest, '\n', &line, &rest)) {
        AUTO_JSON event = NULL;
        OK(json_parse(line, &event, &e));
        const json_t *claim = json_object_get(event, "object");
        bool noted = kube_annotation(claim, CLOUD_OPERATION_ANNOTATION);

        began = began || noted;
        if (began && !noted)
            assert_true(kube_condition_is(claim, "Launched", "True"));
        if (kube_condition_is(claim, "Launched", "True"))
            assert_true(streq(kube_label(claim, INSTANCE_TYPE_LABEL), "type-a"));
    }
    assert_true(began);
    life_patch(l, &claims, NULL, "noted", NULL, "{metadata: {annotations: {" CLOUD_OPERATION_ANNOTATION ": left-over}}}");
    life_until_no_operation(l, "noted");        /* it died between the two */
    life_delete(l, "noted");
    life_until_gone(l, &claims, NULL, "noted");
    life_end(l);
}

/* kill -9 in the middle of a launch: the next process goes on with the operation, nothing is made twice. */
static void a_restart_goes_on_with_the_operation(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->pending_looks = 1000;
    life_run(l);
    life_claim(l, "restart", "type-a", "");
    life_until(l, "restart", "Launched", "Unknown/LaunchInProgress");
    life_halt(l);
    int before = l->cloud->creates;
    assert_int_equal(l->cloud->taken, 1);
    l->cloud->operation[0] = '\0';
    life_run(l);
    life_until_count(l->cloud, &l->cloud->creates, before + 1);
    assert_string_equal(l->cloud->operation, "operation-of-restart");
    assert_int_equal(l->cloud->made, 1);
    assert_int_equal(l->cloud->taken, 1);       /* somebody else may have begun what a claim from before asks for */
    life_delete(l, "restart");
    life_until_gone(l, &claims, NULL, "restart");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

static void a_broken_machine_is_deleted_and_made_anew_later(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->broken = true;
    life_run(l);
    life_claim(l, "broken", "type-a", "");
    life_until_count(l->cloud, &l->cloud->deletes, 1);
    life_until(l, "broken", "Launched", "Unknown/ProvisioningFailed");
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end; poll(NULL, 0, 20)) {
        AUTO_MEM char *attempts = life_annotation(l, "broken", "kaito.sh/launch-attempts");
        if (streq(attempts, "1"))
            break;
    }
    assert_int_equal(fake_count(l->cloud), 0);
    poll(NULL, 0, 300);
    assert_int_equal(fake_read(l->cloud, &l->cloud->made), 1);          /* not at once */
    life_delete(l, "broken");
    life_until_gone(l, &claims, NULL, "broken");
    life_end(l);
}

static void the_pause_before_the_next_machine_is_an_option(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->broken = true;
    l->o.timers.replace_pause_ms = 100;
    life_run(l);
    life_claim(l, "again", "type-a", "");
    life_until_count(l->cloud, &l->cloud->made, 3);
    life_delete(l, "again");
    life_until_gone(l, &claims, NULL, "again");
    life_end(l);
}

/* The claim stays, its machine and what was known of it go; how often is counted. */
static void a_machine_whose_node_never_joins_is_replaced(void **state)
{
    struct life *l = life_scene(state);

    l->o.timers.registration_ms = 1500;
    l->cloud->deleting_looks = 2;
    life_run(l);
    life_claim(l, "lonely", "type-a", "");
    life_until(l, "lonely", "Launched", "True/Launched");
    life_until(l, "lonely", "Launched", "Unknown/RegistrationTimeout");
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && fake_count(l->cloud) > 0; poll(NULL, 0, 20))
        ;
    assert_int_equal(fake_count(l->cloud), 0);
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end; poll(NULL, 0, 20)) {
        AUTO_MEM char *attempts = life_annotation(l, "lonely", "kaito.sh/launch-attempts");
        if (streq(attempts, "1"))
            break;
    }
    AUTO_JSON claim = life_get(l, &claims, NULL, "lonely");
    assert_null(json_str_at(claim, "status", "providerID", NULL));
    assert_null(kube_annotation(claim, "kaito.sh/replace"));
    assert_string_equal(kube_annotation(claim, "kaito.sh/launch-attempts"), "1");
    AUTO_MEM char *ready = life_condition(l, "lonely", "Ready");
    assert_string_equal(ready, "Unknown/ReconcilingDependents");
    life_delete(l, "lonely");
    life_until_gone(l, &claims, NULL, "lonely");
    life_end(l);
}

/* A deletion that the cloud did not take is asked for again in a second, not later; until then the machine is there, and the claim says so. */
static void a_machine_that_is_given_up_goes_although_the_cloud_hesitates(void **state)
{
    struct life *l = life_scene(state);

    l->o.timers.registration_ms = 1500;
    l->cloud->delete_fails = true;
    life_run(l);
    life_claim(l, "sticky", "type-a", "");
    life_until(l, "sticky", "Registered", "Unknown/RegistrationTimeout");
    life_until_count(l->cloud, &l->cloud->deletes, 3);
    AUTO_MEM char *launched = life_condition(l, "sticky", "Launched");
    assert_string_equal(launched, "True/Launched");     /* it is still there */
    {
        LOCK_SCOPE(&l->cloud->mu);
        l->cloud->delete_fails = false;
    }
    life_until_no_machine(l);
    life_until(l, "sticky", "Launched", "Unknown/RegistrationTimeout");
    life_delete(l, "sticky");
    life_until_gone(l, &claims, NULL, "sticky");
    life_end(l);
}

/* A launch that lasts for hours and one call that fails: the next comes a second later, because only the call has failed. */
static void one_failed_call_in_a_long_launch_is_repeated_soon(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->pending_looks = 100000;
    life_run(l);
    life_claim(l, "long", "type-a", "");
    life_until(l, "long", "Launched", "Unknown/LaunchInProgress");
    life_patch(l, &claims, NULL, "long", "status", "{status: {conditions: [{type: Launched, status: Unknown, reason: LaunchInProgress, message: m, "
                                                   "lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
    {
        LOCK_SCOPE(&l->cloud->mu);
        l->cloud->fault = FAULT_TRANSIENT;
        l->cloud->fail_times = 1;
    }
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && fake_read(l->cloud, &l->cloud->fail_times); poll(NULL, 0, 20))
        ;
    life_until_count(l->cloud, &l->cloud->creates, fake_read(l->cloud, &l->cloud->creates) + 1);
    life_until(l, "long", "Launched", "Unknown/LaunchInProgress");
    life_delete(l, "long");
    life_until_gone(l, &claims, NULL, "long");
    life_end(l);
}

static void touch_at_first(void *self, const char *claim)
{
    struct life *l = self;

    if (fake_read(l->cloud, &l->cloud->creates) == 0)
        life_patch(l, &claims, NULL, claim, NULL, "{metadata: {labels: {touched: once}}}");
}

static void touch_at_its_end(void *self, const char *claim)
{
    struct life *l = self;

    if (fake_read(l->cloud, &l->cloud->deletes) == 0)
        life_patch(l, &claims, NULL, claim, NULL, "{metadata: {labels: {touched: twice}}}");
}

/* Somebody else writes the claim while the cloud is asked, so that its answer, which was to leave it alone for long, cannot be written down. */
static void what_could_not_be_written_is_asked_for_again(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->pending_looks = l->cloud->deleting_looks = 100000;
    l->cloud->look_ms = 600000;
    l->cloud->making = touch_at_first;
    l->cloud->ending = touch_at_its_end;
    l->cloud->making_self = l;
    life_run(l);
    life_claim(l, "late", "type-a", "");
    life_until(l, "late", "Launched", "Unknown/LaunchInProgress");
    life_delete(l, "late");
    life_until(l, "late", "InstanceTerminating", "True/InstanceTerminating");
    life_halt(l);
    l->cloud->deleting_looks = 0;
    map_clear(l->cloud->machines);
    life_run(l);
    life_until_gone(l, &claims, NULL, "late");
    life_end(l);
}

static void touch_the_node(void *self, const char *claim)
{
    struct life *l = self;
    AUTO_MEM char *node = xasprintf("node-%s", claim);
    AUTO_MEM char *patch = xasprintf("{metadata: {labels: {touched: 'n%d'}}}", fake_read(l->cloud, &l->cloud->creates));

    if (life_is_there(l, &nodes, NULL, node))
        life_patch(l, &nodes, NULL, node, NULL, patch);
}

/* A kubelet writes its Node each time the cloud is asked, so that our write of the Node comes too late: what the cloud said is told all the same. */
static void a_node_that_somebody_writes_hides_no_machine(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->pending_looks = 3;
    l->cloud->look_ms = 300;
    l->cloud->making = touch_the_node;
    l->cloud->making_self = l;
    life_run(l);
    life_claim(l, "written", "type-a", "");
    life_until(l, "written", "Launched", "Unknown/LaunchInProgress");
    life_join(l, "written");
    life_until(l, "written", "Ready", "True/Ready");
    life_until_no_operation(l, "written");
    life_delete(l, "written");
    life_until_gone(l, &claims, NULL, "written");
    life_end(l);
}

static void life_until_node_is_told(struct life *l, const char *claim)
{
    AUTO_MEM char *node = xasprintf("node-%s", claim);

    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end; poll(NULL, 0, 20)) {
        AUTO_JSON obj = life_get(l, &claims, NULL, claim);

        if (streq(json_str_at(obj, "status", "nodeName", NULL), node))
            return;
    }
    fail_msg("claim %s does not name %s", claim, node);
}

/* What the cloud said last, while its Node was ready, was to leave it alone for long; it may have ended when the Node fell silent. */
static void a_node_that_was_ready_and_is_no_more_brings_a_look(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->pending_looks = 2;
    l->cloud->look_ms = 600000;
    l->cloud->cloud.node_label = "pool";        /* its providerID is not known before */
    life_run(l);
    life_claim(l, "silent", "type-a", "");
    life_until(l, "silent", "Launched", "Unknown/LaunchInProgress");
    life_join(l, "silent");
    life_patch(l, &nodes, NULL, "node-silent", NULL, "{metadata: {labels: {pool: silent}}}");
    life_until_count(l->cloud, &l->cloud->creates, 2);
    life_until_node_is_told(l, "silent");       /* a write of ours that the silence made fail would bring a look of its own */
    life_patch(l, &nodes, NULL, "node-silent", "status", "{status: {conditions: [{type: Ready, status: Unknown, reason: NodeStatusUnknown}]}}");
    life_until(l, "silent", "Launched", "True/Launched");
    assert_int_equal(fake_read(l->cloud, &l->cloud->creates), 3);
    life_delete(l, "silent");
    life_until_gone(l, &claims, NULL, "silent");
    life_end(l);
}

/* Its machine was given up, and the cloud is left alone while it deletes it: a deletion of the claim is told at once all the same. */
static void the_deletion_of_a_claim_whose_machine_goes_already_is_told(void **state)
{
    struct life *l = life_scene(state);

    l->o.timers.registration_ms = 1500;
    l->cloud->deleting_looks = 100000;
    l->cloud->look_ms = 600000;
    life_run(l);
    life_claim(l, "going", "type-a", "");
    life_until(l, "going", "Launched", "Unknown/RegistrationTimeout");
    life_until_count(l->cloud, &l->cloud->deletes, 1);
    life_delete(l, "going");
    life_until(l, "going", "InstanceTerminating", "Unknown/AwaitingInstanceTermination");
    life_halt(l);
    map_clear(l->cloud->machines);
    life_run(l);
    life_until_gone(l, &claims, NULL, "going");
    life_end(l);
}

/* Nobody led while its Node joined, and then for longer than the time-out: the next leader looks before it judges. */
static void a_node_that_joined_while_nobody_led_is_in_time(void **state)
{
    struct life *l = life_scene(state);

    life_run(l);
    life_claim(l, "unseen", "type-a", "");
    life_until(l, "unseen", "Launched", "True/Launched");
    life_halt(l);
    life_join(l, "unseen");
    poll(NULL, 0, 3000);                /* lastTransitionTime has whole seconds */
    l->o.timers.registration_ms = 1500; /* now, so that a slow machine gives up nothing before */
    life_run(l);
    life_until(l, "unseen", "Initialized", "True/Initialized");
    assert_int_equal(fake_read(l->cloud, &l->cloud->deletes), 0);
    life_delete(l, "unseen");
    life_until_gone(l, &claims, NULL, "unseen");
    life_end(l);
}

/* Its Node joined and is not ready: the reason is kept, Node and machine go, the claim stays. */
static void a_node_that_does_not_become_usable_is_replaced(void **state)
{
    struct life *l = life_scene(state);

    l->o.timers.initialization_ms = 1200;
    life_run(l);
    life_claim(l, "lame", "type-a", "");
    life_until(l, "lame", "Launched", "True/Launched");
    life_make(l, &nodes, "{apiVersion: v1, kind: Node, metadata: {name: node-lame}, spec: {providerID: 'fake:///lame'}}");
    life_patch(l, &nodes, NULL, "node-lame", "status", "{status: {conditions: [{type: Ready, status: 'False', message: no GPU driver, lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
    life_until(l, "lame", "Initialized", "Unknown/NodeNotReady");
    life_until(l, "lame", "Launched", "Unknown/InitializationTimeout");
    life_until_gone(l, &nodes, NULL, "node-lame");
    AUTO_JSON claim = life_get(l, &claims, NULL, "lame");
    assert_non_null(strstr(json_cstr(kube_condition(claim, "Launched"), "message"), "no GPU driver"));
    assert_int_equal(fake_count(l->cloud), 0);
    life_delete(l, "lame");
    life_until_gone(l, &claims, NULL, "lame");
    life_end(l);
}

static void a_launch_that_never_ends_is_given_up(void **state)
{
    struct life *l = life_scene(state);

    l->o.timers.launch_ms = 1200;
    l->cloud->pending_looks = 100000;
    life_run(l);
    life_claim(l, "stuck", "type-a", "");
    life_until(l, "stuck", "Launched", "Unknown/LaunchInProgress");
    life_until(l, "stuck", "Launched", "Unknown/LaunchTimeout");
    life_delete(l, "stuck");
    life_until_gone(l, &claims, NULL, "stuck");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

/* The cloud was to be left alone for longer than a launch may last, and the machine was there all the time: a look comes before it is given up. */
static void a_machine_that_came_before_its_time_was_over_is_kept(void **state)
{
    struct life *l = life_scene(state);

    l->o.timers.launch_ms = 1200;
    l->cloud->pending_looks = 1;
    l->cloud->look_ms = 600000;
    life_run(l);
    life_claim(l, "unnoticed", "type-a", "");
    life_until(l, "unnoticed", "Launched", "Unknown/LaunchInProgress");
    life_until(l, "unnoticed", "Launched", "True/Launched");
    assert_int_equal(fake_read(l->cloud, &l->cloud->deletes), 0);
    assert_int_equal(fake_read(l->cloud, &l->cloud->made), 1);
    life_delete(l, "unnoticed");
    life_until_gone(l, &claims, NULL, "unnoticed");
    life_end(l);
}

static void finish_machine(struct fake_cloud *f, const char *claim)
{
    LOCK_SCOPE(&f->mu);
    struct fake_machine *m = map_get(f->machines, str_of(claim));

    m->looks_left = 0;
}

/* The cloud deletes nothing that it still makes: the claim says that it is being made as long as it is, and what comes late is not thrown away. */
static void a_machine_that_comes_late_is_kept(void **state)
{
    struct life *l = life_scene(state);

    l->o.timers.launch_ms = 1200;
    l->cloud->pending_looks = 100000;
    l->cloud->keeps_pending = true;
    life_run(l);
    life_claim(l, "tardy", "type-a", "");
    life_until_count(l->cloud, &l->cloud->deletes, 2);
    AUTO_MEM char *launched = life_condition(l, "tardy", "Launched");
    assert_string_equal(launched, "Unknown/LaunchInProgress");
    AUTO_MEM char *given_up = life_annotation(l, "tardy", "kaito.sh/replace");
    assert_null(given_up);
    finish_machine(l->cloud, "tardy");
    life_until(l, "tardy", "Launched", "True/Launched");
    assert_int_equal(fake_read(l->cloud, &l->cloud->made), 1);
    life_delete(l, "tardy");
    life_until_gone(l, &claims, NULL, "tardy");
    life_end(l);
}

static void a_node_that_is_not_ready_for_long_takes_its_claim_along(void **state)
{
    struct life *l = life_scene(state);

    l->o.node_repair = true;
    life_run(l);
    life_claim(l, "ill", "type-a", "");
    life_until(l, "ill", "Launched", "True/Launched");
    life_join(l, "ill");
    life_until(l, "ill", "Ready", "True/Ready");
    life_patch(l, &nodes, NULL, "node-ill", "status", "{status: {conditions: [{type: Ready, status: Unknown, lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
    life_until_gone(l, &claims, NULL, "ill");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

/* Off: nothing. On: it is said, and the claim goes unless it is not to be disturbed, as KAITO's. */
static void drift_is_told_and_ends_what_may_be_disturbed(void **state)
{
    struct life *l = life_scene(state);

    l->o.drift = true;
    life_run(l);
    life_claim(l, "drifter", "type-a]}, {key: topology.kubernetes.io/zone, operator: In, values: [eastus-1", "");
    life_patch(l, &claims, NULL, "drifter", NULL, "{metadata: {annotations: {karpenter.sh/do-not-disrupt: 'true'}}}");
    life_until(l, "drifter", "Launched", "True/Launched");
    life_join(l, "drifter");
    life_until(l, "drifter", "Ready", "True/Ready");
    life_until(l, "drifter", "Drifted", "");
    life_patch(l, &nodes, NULL, "node-drifter", NULL, "{metadata: {labels: {topology.kubernetes.io/zone: eastus-2}}}");
    life_until(l, "drifter", "Drifted", "True/RequirementsDrifted");
    poll(NULL, 0, 200);
    assert_true(life_is_there(l, &claims, NULL, "drifter"));
    life_patch(l, &claims, NULL, "drifter", NULL, "{metadata: {annotations: {karpenter.sh/do-not-disrupt: null}}}");
    life_until_gone(l, &claims, NULL, "drifter");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

static void nothing_is_done_before_we_lead(void **state)
{
    struct life *l = life_scene(state);

    l->o.wait_to_lead = true;
    life_run(l);
    life_claim(l, "waits", "type-a", "");
    poll(NULL, 0, 300);
    AUTO_JSON claim = life_get(l, &claims, NULL, "waits");
    assert_false(kube_has_finalizer(claim, CLAIM_FINALIZER));
    assert_int_equal(l->cloud->creates, 0);
    provisioner_lead(l->p);
    life_until(l, "waits", "Launched", "True/Launched");
    life_delete(l, "waits");
    life_until_gone(l, &claims, NULL, "waits");
    life_end(l);
}

struct order { struct life *l; char names[80]; };

static void note_order(void *self, const char *claim)
{
    struct order *o = self;
    size_t n = strlen(o->names);
    LOCK_SCOPE(&o->l->cloud->mu);

    snprintf(o->names + n, sizeof o->names - n, "%s ", claim);
}

/* One worker, and three claims whose last words are of different times. */
static void a_new_leader_looks_first_where_nobody_did_for_longest(void **state)
{
    static const char *const said[][2] = { { "middle", "02" }, { "newest", "03" }, { "oldest", "01" } };
    struct life *l = life_scene(state);
    struct order order = { .l = l };

    l->o.workers = 1;
    l->cloud->pending_looks = 100000;
    life_run(l);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        life_claim(l, said[i][0], "type-a", "");
        life_until(l, said[i][0], "Launched", "Unknown/LaunchInProgress");
    }
    life_halt(l);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        AUTO_MEM char *text = xasprintf("{status: {conditions: [{type: Launched, status: Unknown, reason: LaunchInProgress, message: m, "
                                        "lastTransitionTime: '2126-01-%sT00:00:00Z'}]}}", said[i][1]);
        life_patch(l, &claims, NULL, said[i][0], "status", text);
    }
    int before = l->cloud->creates;
    l->cloud->making = note_order;
    l->cloud->making_self = &order;
    life_run(l);
    life_until_count(l->cloud, &l->cloud->creates, before + 3);
    life_halt(l);
    assert_ptr_equal(strstr(order.names, "oldest middle newest "), order.names);
    l->cloud->making = NULL;
    life_run(l);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        life_delete(l, said[i][0]);
        life_until_gone(l, &claims, NULL, said[i][0]);
    }
    life_end(l);
}

/* Two provisioners of different clouds, both awake: each claim gets one machine. */
static void several_provisioners_do_not_fight(void **state)
{
    struct life *a = life_scene(state);
    struct life b = *a;
    enum { N = 12 };

    b.cloud = fake_cloud_new();
    b.o.cloud = &b.cloud->cloud;
    a->o.name = "one";
    b.o.name = "other";
    life_run(a);
    life_run(&b);
    for (int i = 0; i < N; i++) {
        AUTO_MEM char *name = xasprintf("shared%d", i);
        life_claim(a, name, "type-a", "");
    }
    for (int i = 0; i < N; i++) {
        AUTO_MEM char *name = xasprintf("shared%d", i);
        life_until(a, name, "Launched", "True/Launched");
    }
    assert_int_equal(fake_count(a->cloud) + fake_count(b.cloud), N);
    for (int i = 0; i < N; i++) {
        AUTO_MEM char *name = xasprintf("shared%d", i);
        life_delete(a, name);
        life_until_gone(a, &claims, NULL, name);
    }
    assert_int_equal(fake_count(a->cloud) + fake_count(b.cloud), 0);
    life_end(&b);
    life_end(a);
}

static void a_karpenters_claims_are_left_alone(void **state)
{
    struct life *l = life_scene(state);

    life_run(l);
    life_make(l, &claims, "{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: theirs, labels: {kaito.sh/workspace: w}}, "
                          "spec: {nodeClassRef: {group: karpenter.azure.com, kind: AKSNodeClass, name: default}, requirements: []}}");
    life_claim(l, "ours", "type-a", "");
    life_until(l, "ours", "Launched", "True/Launched");
    AUTO_JSON claim = life_get(l, &claims, NULL, "theirs");
    assert_false(kube_has_finalizer(claim, CLAIM_FINALIZER));
    life_delete(l, "ours");
    life_until_gone(l, &claims, NULL, "ours");
    life_delete(l, "theirs");
    life_end(l);
}

static const char *first_missing(struct str text, const char *const *want, size_t n)
{
    for (size_t i = 0, at; i < n; i++)
        if (!str_find(text, str_of(want[i]), &at))
            return want[i];
    return NULL;
}

/* They count once what they count is over. */
static void expect_metrics(struct life *l, const char *const *want, size_t n)
{
    AUTO_BUF text = { 0 };
    const char *missing = "";

    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; missing && clock_mono_ms() < end; poll(NULL, 0, 20)) {
        buf_clear(&text);
        provisioner_metrics(l->p, &text);
        missing = first_missing(buf_str(&text), want, n);
    }
    if (missing)
        fail_msg("no %s in:\n%s", missing, buf_cstr(&text));
}

static void metrics_have_karpenters_names(void **state)
{
    static const char *const want[] = {
        "karpenter_cloudprovider_duration_seconds_count{controller=\"nodeclaim.lifecycle\",method=\"Create\",provider=\"fake\"}",
        "karpenter_cloudprovider_errors_total{controller=\"nodeclaim.lifecycle\",method=\"Create\",provider=\"fake\",error=\"UNAVAILABLE\"} 1",
        "karpenter_nodeclaims_terminated_total{nodepool=\"kaito\",capacity_type=\"\"} 1", "karpenter_nodes_created_total{nodepool=\"kaito\"} 1",
        "karpenter_nodes_terminated_total{nodepool=\"kaito\"} 1", "karpenter_nodeclaims_termination_duration_seconds_count{nodepool=\"kaito\"} 1",
        "karpenter_nodeclaims_instance_termination_duration_seconds_count{nodepool=\"kaito\"} 1", "karpenter_nodes_lifetime_duration_seconds_count{nodepool=\"kaito\"} 1",
        "karpenter_nodes_drained_total{nodepool=\"kaito\"} 1", "karpenter_nodes_eviction_requests_total{code=\"201\"} 1", "karpenter_pods_drained_total{reason=\"evicted\"} 1",
        "kaito_provisioner_launch_failures_total{reason=\"LaunchRetrying\"} 1", "kaito_provisioner_claims{stage=\"Initialized\"} 0",
        "controller_runtime_reconcile_total{controller=\"nodeclaim.lifecycle\"", "rest_client_requests_total{", "karpenter_build_info{version=",
    };
    struct life *l = life_scene(state);

    l->cloud->fault = FAULT_TRANSIENT;
    l->cloud->fail_times = 1;
    life_run(l);
    life_claim(l, "counted", "type-a", "");
    life_until(l, "counted", "Launched", "True/Launched");
    life_join(l, "counted");
    life_until(l, "counted", "Ready", "True/Ready");
    life_pod(l, "web", "counted", "");
    life_delete(l, "counted");
    life_until_gone(l, &claims, NULL, "counted");
    expect_metrics(l, want, ARRAY_LEN(want));
    life_end(l);
}

static void fall_ill(struct life *l, const char *claim)
{
    AUTO_MEM char *node = xasprintf("node-%s", claim);

    life_patch(l, &nodes, NULL, node, "status", "{status: {conditions: [{type: Ready, status: Unknown, lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
}

/* One after the other, so that somebody may see what goes on before all are gone. */
static void repairs_keep_a_pause_between_them(void **state)
{
    static const char *const want[] = {
        "karpenter_nodeclaims_disrupted_total{reason=\"unhealthy\",nodepool=\"kaito\",capacity_type=\"\"} 1",
        "karpenter_nodeclaims_unhealthy_disrupted_total{condition=\"Ready\",nodepool=\"kaito\",capacity_type=\"\"} 1",
    };
    static const char *const names[] = { "first-ill", "then-ill" };
    struct life *l = life_scene(state);

    l->o.node_repair = true;
    l->o.timers.repair_pause_ms = 3600000;
    life_run(l);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        life_claim(l, names[i], "type-a", "");
        life_until(l, names[i], "Launched", "True/Launched");
        life_join(l, names[i]);
        life_until(l, names[i], "Ready", "True/Ready");
    }
    fall_ill(l, names[0]);
    life_until_gone(l, &claims, NULL, names[0]);
    fall_ill(l, names[1]);
    poll(NULL, 0, 500);
    assert_true(life_is_there(l, &claims, NULL, names[1]));
    expect_metrics(l, want, ARRAY_LEN(want));
    life_delete(l, names[1]);
    life_until_gone(l, &claims, NULL, names[1]);
    life_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE(a_slow_cloud_is_asked_again_until_the_node_is_usable), LIFE(no_worker_waits_for_machines_that_take_long), LIFE(a_node_that_was_ready_and_is_no_more_brings_a_look), LIFE(refused_claims_are_held),
        LIFE(the_next_instance_type_is_tried_when_one_is_not_to_be_had), LIFE(a_restart_goes_on_with_the_operation), LIFE(a_claim_has_its_operation_until_it_says_what_came_of_it),
        LIFE(an_earlier_machine_that_goes_is_told), LIFE(what_is_not_seen_stays_as_it_was_said),
        LIFE(a_broken_machine_is_deleted_and_made_anew_later), LIFE(the_pause_before_the_next_machine_is_an_option), LIFE(a_machine_whose_node_never_joins_is_replaced), LIFE(a_node_that_joined_while_nobody_led_is_in_time),
        LIFE(a_machine_that_is_given_up_goes_although_the_cloud_hesitates), LIFE(one_failed_call_in_a_long_launch_is_repeated_soon), LIFE(what_could_not_be_written_is_asked_for_again),
        LIFE(a_node_that_somebody_writes_hides_no_machine), LIFE(the_deletion_of_a_claim_whose_machine_goes_already_is_told),
        LIFE(a_node_that_does_not_become_usable_is_replaced), LIFE(a_launch_that_never_ends_is_given_up), LIFE(a_machine_that_came_before_its_time_was_over_is_kept),
        LIFE(a_machine_that_comes_late_is_kept), LIFE(a_node_that_is_not_ready_for_long_takes_its_claim_along),
        LIFE(drift_is_told_and_ends_what_may_be_disturbed), LIFE(nothing_is_done_before_we_lead), LIFE(a_new_leader_looks_first_where_nobody_did_for_longest), LIFE(several_provisioners_do_not_fight),
        LIFE(a_karpenters_claims_are_left_alone), LIFE(metrics_have_karpenters_names), LIFE(repairs_keep_a_pause_between_them),
    };
    return cmocka_run_group_tests(tests, life_start, life_stop);
}
