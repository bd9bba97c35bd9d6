/* Other people in the cluster: they edit and delete what we made, have taken our names before us, or have not installed what we need. */
#include "world.h"

#include <poll.h>
#include <stdio.h>

#include "api/kaito/crds.h"
#include "base/clock.h"
#include "cluster/priv.h"

static void expect(struct world *w, bool (*is_so)(struct world *), const char *what)
{
    if (world_until(w, is_so))
        return;
    AUTO_MEM char *have = world_picture(w);

    fail_msg("never: %s: %s", what, have);
}

/* ---- edits and deletions ----------------------------------------------------------------------------------------------------- */

static char *claim_name(struct world *w)
{
    AUTO_JSON list = world_list(w, &w->kind->gvr, NULL);

    return xstrdup(kube_name(json_array_get(list, 0)));
}

static void change_claim(struct world *w, const char *patch)
{
    AUTO_MEM char *name = claim_name(w);

    world_patch(w, &w->kind->gvr, name, NULL, patch);
}

static void delete_statefulset(struct world *w) { world_delete(w, &gvr_statefulsets, "ws"); }
static void delete_service(struct world *w) { world_delete(w, &gvr_services, "ws"); }
static void delete_headless(struct world *w) { world_delete(w, &gvr_services, "ws-headless"); }
static void change_ports(struct world *w) { world_patch(w, &gvr_services, "ws", NULL, "{\"spec\":{\"ports\":[{\"name\":\"x\",\"port\":81,\"targetPort\":81}]}}"); }
static void change_selector(struct world *w) { world_patch(w, &gvr_services, "ws", NULL, "{\"spec\":{\"selector\":{\"kaito.sh/workspace\":\"other\"}}}"); }
static void orphan_statefulset(struct world *w) { world_patch(w, &gvr_statefulsets, "ws", NULL, "{\"metadata\":{\"ownerReferences\":null}}"); }
static void orphan_service(struct world *w) { world_patch(w, &gvr_services, "ws", NULL, "{\"metadata\":{\"ownerReferences\":null}}"); }
static void take_finalizer(struct world *w) { world_patch(w, &gvr_workspaces, "ws", NULL, "{\"metadata\":{\"finalizers\":null}}"); }
static void wipe_status(struct world *w) { world_patch(w, &gvr_workspaces, "ws", "status", "{\"status\":null}"); }
static void take_annotations(struct world *w)
{
    world_patch(w, &gvr_workspaces, "ws", NULL, "{\"metadata\":{\"annotations\":{\"workspace.kaito.io/revision\":null,\"workspace.kaito.io/hash\":null}}}");
}
static void unlabel_claim(struct world *w) { change_claim(w, "{\"metadata\":{\"labels\":{\"kaito.sh/workspace\":null,\"kaito.sh/workspacenamespace\":null}}}"); }
static void delete_claim(struct world *w)
{
    AUTO_MEM char *name = claim_name(w);

    world_delete(w, &w->kind->gvr, name);
}

static const struct meddling { const char *name; void (*act)(struct world *w); size_t more_claims; } meddlings[] = {
    { "the StatefulSet is deleted", delete_statefulset },
    { "the Service is deleted", delete_service },
    { "the headless Service is deleted", delete_headless },
    { "the ports of the Service are changed", change_ports },
    { "the selector of the Service is changed", change_selector },
    { "the StatefulSet loses its owner", orphan_statefulset },
    { "the Service loses its owner", orphan_service },
    { "the finalizer is taken away", take_finalizer },
    { "the status is wiped", wipe_status },
    { "our annotations are taken away", take_annotations },
    { "the labels of the claim are taken away", unlabel_claim },
    { "the claim is deleted", delete_claim, 1 },
};

static void what_others_change_is_mended(void **state)
{
    struct world *w = *state;
    struct ends e = *world_undisturbed(w, PLAY_NATIVE_INFERENCE);      /* lent texts */

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    world_run(w);
    world_expect(w, e.living, "before");
    for (size_t i = 0; i < ARRAY_LEN(meddlings); i++) {
        meddlings[i].act(w);
        world_wait_quiet(w);
        world_expect(w, e.living, meddlings[i].name);
        e.claims += meddlings[i].more_claims;
        assert_int_equal(world_claims_ever(w), e.claims);
    }
    world_delete(w, &gvr_workspaces, "ws");
    world_expect_gone(w, &e, "after all that");
    world_stop(w);
}

/* Nobody was there to give the labels back, and the cache of the next manager never saw the claim. */
static void a_claim_without_labels_goes_with_its_workspace(void **state)
{
    struct world *w = *state;
    struct ends e = *world_undisturbed(w, PLAY_NATIVE_INFERENCE);      /* lent texts */

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    world_run(w);
    world_expect(w, e.living, "before");
    AUTO_MEM char *name = claim_name(w);
    world_stop(w);
    unlabel_claim(w);
    world_delete(w, &gvr_workspaces, "ws");
    world_run(w);
    world_expect_gone(w, &e, "without labels");
    world_stop(w);
    for (int64_t end = clock_mono_ms() + PATIENCE_MS;; poll(NULL, 0, 10)) {
        AUTO_JSON claim = world_get(w, &w->kind->gvr, name);

        if (!claim)
            break;
        assert_true(clock_mono_ms() < end);
    }
}

static bool lose_claims(void *self, const char *path, struct str line) { return !strstr(path, "/nodeclaims"); }
static bool has_a_claim(struct world *w) { return world_claims(w) > 0; }

/* The finalizer may come after the claim; who is deleted between the two is test_fault_orphans' business. */
static bool has_a_claim_and_waits(struct world *w)
{
    AUTO_JSON ws = world_get(w, &gvr_workspaces, "ws");

    return json_array_size(json_at(ws, "metadata", "finalizers", NULL)) && has_a_claim(w);
}

static bool has_no_claim(struct world *w) { return world_claims(w) == 0; }

/* The watch lags: the Workspace is deleted before its manager saw the claim that it had just made. */
static void a_claim_that_no_cache_saw_goes_with_its_workspace(void **state)
{
    struct world *w = *state;

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    proxy_arm(w->proxy, &(struct proxy_rules){ .event = lose_claims });
    world_run(w);
    expect(w, has_a_claim_and_waits, "a NodeClaim");
    world_delete(w, &gvr_workspaces, "ws");
    expect(w, workspace_gone, "gone");
    expect(w, has_no_claim, "without its claim");
    assert_int_equal(world_claims_ever(w), 1);
    world_stop(w);
    proxy_arm(w->proxy, NULL);
}

/* ---- names that are taken ------------------------------------------------------------------------------------------------------ */

static const struct clash { const char *name; size_t play; const struct kube_gvr *gvr; const char *object, *yaml, *condition; } clashes[] = {
    { "StatefulSet", PLAY_NATIVE_INFERENCE, &gvr_statefulsets, "ws",
      "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: ws}\nspec: {replicas: 0, serviceName: x, selector: {matchLabels: {a: b}}, "
      "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: theirs}]}}}\n", "InferenceReady" },
    { "Service", PLAY_NATIVE_INFERENCE, &gvr_services, "ws",
      "apiVersion: v1\nkind: Service\nmetadata: {name: ws}\nspec: {selector: {a: b}, ports: [{name: http, port: 8080}]}\n", "InferenceReady" },
    { "headless Service", PLAY_NATIVE_INFERENCE, &gvr_services, "ws-headless",
      "apiVersion: v1\nkind: Service\nmetadata: {name: ws-headless}\nspec: {selector: {a: b}, ports: [{name: http, port: 8080}]}\n", "InferenceReady" },
    { "Service in front of vLLM", PLAY_VLLM, &gvr_services, "ws",
      "apiVersion: v1\nkind: Service\nmetadata: {name: ws}\nspec: {selector: {a: b}, ports: [{name: http, port: 8080}]}\n", "InferenceReady" },
    { "Job", PLAY_NATIVE_TUNING, &gvr_jobs, "ws",
      "apiVersion: batch/v1\nkind: Job\nmetadata: {name: ws}\nspec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: c, image: theirs}]}}}\n", "JobStarted" },
    { "Job where upstream's images tune", PLAY_UPSTREAM_TUNING, &gvr_jobs, "ws",
      "apiVersion: batch/v1\nkind: Job\nmetadata: {name: ws}\nspec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: c, image: theirs}]}}}\n", "JobStarted" },
};

/* Whatever a person could have meant with it: all but what controllers write. */
static char *meant(struct world *w, const struct clash *c)
{
    AUTO_JSON o = world_get(w, c->gvr, c->object);
    AUTO_JSON m = json_pack("{s:O?, s:O?, s:O?, s:O?}", "uid", json_at(o, "metadata", "uid", NULL), "owners", json_at(o, "metadata", "ownerReferences", NULL),
                            "annotations", json_at(o, "metadata", "annotations", NULL), "spec", json_object_get(o, "spec"));
    return json_text(m);
}

static bool tells_the_clash(struct world *w, const struct clash *c)
{
    AUTO_JSON ws = world_get(w, &gvr_workspaces, "ws");
    const json_t *condition = kube_condition(ws, c->condition);
    const char *message = json_cstr(condition, "message");

    return streq(json_cstr(condition, "reason"), "NameTaken") && message && strstr(message, c->object) && strstr(message, w->ns);
}

/* The other's object, then a Workspace that needs its name. What the other's object was. */
static char *begin_clash(struct world *w, const struct clash *c)
{
    world_namespace(w);
    world_make(w, c->yaml);
    char *before = meant(w, c);

    world_make(w, plays[c->play].yaml);
    if (!w->manager)
        world_run(w);
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; !tells_the_clash(w, c); poll(NULL, 0, 10))
        if (clock_mono_ms() > end) {
            AUTO_MEM char *have = world_picture(w);

            fail_msg("%s: nobody tells of the clash: %s", c->name, have);
        }
    return before;
}

static void expect_untouched(struct world *w, const struct clash *c, const char *before)
{
    AUTO_MEM char *after = meant(w, c);

    assert_string_equal(before, after);
}

static void one_clash(struct world *w, const struct clash *c)
{
    struct ends e = *world_undisturbed(w, c->play);

    AUTO_MEM char *before = begin_clash(w, c);
    world_wait_quiet(w);
    expect_untouched(w, c, before);
    world_delete(w, c->gvr, c->object);
    expect(w, workspace_succeeded, "goes on once the name is free");
    world_expect(w, e.living, c->name);
    world_delete(w, &gvr_workspaces, "ws");
    world_expect_gone(w, &e, c->name);

    AUTO_MEM char *kept = begin_clash(w, c);
    world_delete(w, &gvr_workspaces, "ws");
    expect(w, workspace_gone, "gone beside somebody else's object");
    expect_untouched(w, c, kept);
    world_delete(w, c->gvr, c->object);
    world_stop(w);
}

static void a_name_that_is_taken_is_left_alone(void **state)
{
    bool all = streq(getenv("KAITO_FAULT"), "all");

    for (size_t i = 0; i < ARRAY_LEN(clashes); i++)
        if (all || i % 4 == 0)          /* the StatefulSet and the Job */
            one_clash(*state, &clashes[i]);
}

/* The former Workspace's objects are still being collected. */
static void a_successor_of_the_same_name_starts_anew(void **state)
{
    struct world *w = *state;
    struct ends e = *world_undisturbed(w, PLAY_NATIVE_INFERENCE);

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    world_run(w);
    world_expect(w, e.living, "the first");
    for (int i = 2; i <= 4; i++) {
        world_delete(w, &gvr_workspaces, "ws");
        assert_true(world_until(w, workspace_gone));
        world_make(w, plays[PLAY_NATIVE_INFERENCE].yaml);
        world_expect(w, e.living, "the next");
        e.claims += 1;
    }
    assert_int_equal(world_claims_ever(w), e.claims);
    world_delete(w, &gvr_workspaces, "ws");
    world_expect_gone(w, &e, "the last");
    world_stop(w);
}

/* One of the former Workspace is there when the revision is to be made, and is collected before anybody has looked whose it is. */
struct former { struct world *w; bool made; };

static void make_former(struct world *w, struct str body)
{
    AUTO_JSON copy = NULL;
    struct err e;

    assert_int_equal(json_parse(body, &copy, &e), ERR_OK);
    json_t *owner = json_array_get(json_at(copy, "metadata", "ownerReferences", NULL), 0);

    json_put_str(owner, "uid", "00000000-0000-0000-0000-000000000000");
    if (kube_create(w->user, &gvr_revisions, NULL, copy, NULL, &e))
        fail_msg("%s", e.text);
}

static struct fault revisions(void *self, const struct proxy_call *call)
{
    struct former *f = self;
    const char *name = strrchr(call->path, '/');
    struct err ignored;

    if (!f->made && streq(name, "/controllerrevisions") && streq(call->method, "POST")) {
        make_former(f->w, call->body);
        f->made = true;
    } else if (f->made && strstr(call->path, "/controllerrevisions/") && streq(call->method, "GET")) {
        (void)kube_delete(f->w->user, &gvr_revisions, f->w->ns, name + 1, NULL, &ignored);
    }
    return (struct fault){ 0 };
}

static void a_former_revision_that_goes_meanwhile_is_made_again(void **state)
{
    struct world *w = *state;
    struct ends e = *world_undisturbed(w, PLAY_NATIVE_INFERENCE);
    struct former f = { .w = w };

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    proxy_arm(w->proxy, &(struct proxy_rules){ .judge = revisions, .self = &f });
    world_run(w);
    world_expect(w, e.living, "beside a former revision");
    assert_true(f.made);
    proxy_arm(w->proxy, NULL);
    world_delete(w, &gvr_workspaces, "ws");
    world_expect_gone(w, &e, "with its own revision");
    world_stop(w);
}

/* ---- names and letters ------------------------------------------------------------------------------------------------------- */

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
static const struct spelling { const char *what, *name, *yaml, *told; } spellings[] = {       /* told NULL: it succeeds */
    { "as long as a StatefulSet may be", X50 "xx", WORKSPACE_NAMED(X50 "xx", NATIVE, INFERENCE), NULL },
    { "longer than a headless Service may be", X50 "xxxxx", WORKSPACE_NAMED(X50 "xxxxx", NATIVE, INFERENCE), "must be no more than 63 characters" },
    { "as long as a Workspace may be", X50 X10 "xxx", WORKSPACE_NAMED(X50 X10 "xxx", NATIVE, INFERENCE), "must be no more than 63 characters" },
    { "longer than a Workspace may be", X50 X50 X50 X50 X50 "xxx", WORKSPACE_NAMED(X50 X50 X50 X50 X50 "xxx", NATIVE, INFERENCE), "must be no more than 63" },
    { "no name for a Service", "9lives", WORKSPACE_NAMED("9lives", NATIVE, INFERENCE), "9lives" },
    { "Unicode in annotations", "ws", WORKSPACE(NATIVE ", 'example.com/note': 'Größe \u2603 \U0001F600 \u202Ertl'", INFERENCE), NULL },
    { "Unicode where it is refused", "ws", "apiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata: {name: ws}\n"
      "resource: {instanceType: 'Größe ☃ 😀', labelSelector: {matchLabels: {apps: faults}}}\n" INFERENCE, "Größe ☃ 😀" },
};

static bool is_told(const json_t *ws, const char *text)
{
    const json_t *c;
    size_t i;

    json_array_foreach(json_at(ws, "status", "conditions", NULL), i, c)
        if (text ? json_cstr(c, "message") && strstr(json_cstr(c, "message"), text)
                 : streq(json_cstr(c, "type"), "WorkspaceSucceeded") && streq(json_cstr(c, "status"), "True"))
            return true;
    return false;
}

static void one_spelling(struct world *w, const struct spelling *s)
{
    world_namespace(w);
    world_make(w, s->yaml);
    for (int64_t end = clock_mono_ms() + PATIENCE_MS;; poll(NULL, 0, 10)) {
        AUTO_JSON ws = world_get(w, &gvr_workspaces, s->name);

        if (is_told(ws, s->told))
            break;
        if (clock_mono_ms() > end) {
            AUTO_MEM char *have = world_picture(w);

            fail_msg("%s: never %s: %s", s->what, s->told ? s->told : "succeeded", have);
        }
    }
    world_delete(w, &gvr_workspaces, s->name);
    for (int64_t end = clock_mono_ms() + PATIENCE_MS;; poll(NULL, 0, 10)) {
        AUTO_JSON ws = world_get(w, &gvr_workspaces, s->name);

        if (!ws && world_claims(w) == 0)
            break;
        if (clock_mono_ms() > end)
            fail_msg("%s: never gone", s->what);
    }
}

static void names_at_their_limits_and_unicode(void **state)
{
    struct world *w = *state;

    proxy_arm(w->proxy, NULL);
    world_run(w);
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
        one_spelling(w, &spellings[i]);
    world_stop(w);
}

/* ---- ConfigMaps -------------------------------------------------------------------------------------------------------------------- */

#define TUNES_WITH_PARAMS WORKSPACE(NATIVE, TUNING("  config: params\n")) PUSH_SECRET
#define PARAMS(data) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: params}\ndata: {" data "}\n"
#define GOOD_PARAMS PARAMS("training_config.yaml: 'training_config: {QuantizationConfig: {load_in_4bit: true}}'")
static const char good_params_patch[] =
    "{\"data\":{\"training_config.yaml\":\"training_config: {QuantizationConfig: {load_in_4bit: true}, LoraConfig: {r: 4}}\"}}";

static void expect_told(struct world *w, const char *text)
{
    for (int64_t end = clock_mono_ms() + PATIENCE_MS;; poll(NULL, 0, 10)) {
        AUTO_JSON ws = world_get(w, &gvr_workspaces, "ws");

        if (is_told(ws, text))
            return;
        if (clock_mono_ms() > end) {
            AUTO_MEM char *have = world_picture(w);

            fail_msg("never told: %s: %s", text, have);
        }
    }
}

static char *uid_of(struct world *w, const struct kube_gvr *r, const char *name)
{
    AUTO_JSON o = world_get(w, r, name);

    return xstrdup(kube_uid(o));
}

static void end_of_workspace(struct world *w)
{
    world_delete(w, &gvr_workspaces, "ws");
    expect(w, workspace_gone, "gone");
    expect(w, has_no_claim, "without its claim");
}

/* Absent, then without its key, then as it must be. */
static void a_configmap_may_come_late(void **state)
{
    struct world *w = *state;

    proxy_arm(w->proxy, NULL);
    world_namespace(w);
    world_make(w, TUNES_WITH_PARAMS);
    world_run(w);
    expect_told(w, "ConfigMap 'params' specified in 'config' not found in namespace");
    world_make(w, PARAMS("other: x"));
    expect_told(w, "does not contain 'training_config.yaml'");
    world_patch(w, &gvr_configmaps, "params", NULL, good_params_patch);
    expect(w, workspace_succeeded, "succeeded once its ConfigMap was right");
    assert_int_equal(world_claims_ever(w), 1);
    end_of_workspace(w);
    world_stop(w);
}

/* What runs was made of what the ConfigMap said then: neither a change nor its loss ends it, makes it twice, or keeps anything from going. */
static void a_configmap_may_change_and_go(void **state)
{
    struct world *w = *state;

    world_namespace(w);
    world_make(w, GOOD_PARAMS);
    world_make(w, TUNES_WITH_PARAMS);
    world_run(w);
    expect(w, workspace_succeeded, "succeeded");
    AUTO_MEM char *job = uid_of(w, &gvr_jobs, "ws");
    AUTO_MEM char *serving = uid_of(w, &gvr_statefulsets, "ws");
    for (int turn = 0; turn < 2; turn++) {
        if (turn == 0)
            world_patch(w, &gvr_configmaps, "params", NULL, good_params_patch);
        else
            world_delete(w, &gvr_configmaps, "params");
        world_wait_quiet(w);
        world_stop(w);          /* nor does the next manager know it otherwise */
        world_run(w);
        world_wait_quiet(w);
        assert_true(workspace_succeeded(w));
        AUTO_MEM char *job_now = uid_of(w, &gvr_jobs, "ws");
        AUTO_MEM char *serving_now = uid_of(w, &gvr_statefulsets, "ws");
        assert_string_equal(job, job_now);
        assert_string_equal(serving, serving_now);
    }
    assert_int_equal(world_claims_ever(w), 1);
    end_of_workspace(w);
    world_stop(w);
}

static void delete_template(struct world *w)
{
    struct err e;

    OK(kube_delete(w->user, &gvr_configmaps, "kaito-workspace", "qlora-params-template", NULL, &e));
}

static int64_t cached_configs(struct world *w)
{
    AUTO_JSON state = workspace_manager_state(w->manager);
    const json_t *cache;
    size_t i;

    json_array_foreach(json_object_get(state, "caches"), i, cache)
        if (streq(json_cstr(cache, "resource"), "configmaps"))
            return json_int(cache, "objects", -1);
    return -1;
}

/* The release's own template: told with what to do, and there again with the next manager. */
static void a_template_that_is_gone_is_told(void **state)
{
    struct world *w = *state;
    struct ends e = *world_undisturbed(w, PLAY_NATIVE_TUNING);

    world_run(w);
    while (!workspace_manager_ready(w->manager))
        poll(NULL, 0, 5);
    int64_t before = cached_configs(w);
    delete_template(w);
    while (cached_configs(w) == before)
        poll(NULL, 0, 5);
    world_begin(w, &plays[PLAY_NATIVE_TUNING]);
    expect_told(w, "ConfigMap 'qlora-params-template' not found in namespace 'kaito-workspace'");
    world_stop(w);
    world_run(w);
    world_expect(w, e.living, "once the template was there again");
    world_delete(w, &gvr_workspaces, "ws");
    world_expect_gone(w, &e, "after the template was lost");
    world_stop(w);
}

/* ---- what is refused, and what is not installed ------------------------------------------------------------------------------------------------------- */

static struct fault refuse_statefulsets(void *self, const struct proxy_call *c)
{
    return c->n_write && strstr(c->path, "/statefulsets") ? (struct fault){ FAULT_ANSWER, 403 } : (struct fault){ 0 };
}

static bool tells_the_refusal(struct world *w)
{
    AUTO_JSON ws = world_get(w, &gvr_workspaces, "ws");
    const char *message = json_cstr(kube_condition(ws, "InferenceReady"), "message");

    return message && strstr(message, "last reconcile error: create StatefulSet ws: ");
}

/* A quota, a policy, a webhook of somebody else's: the Workspace itself tells. */
static void a_refused_write_is_told(void **state)
{
    struct world *w = *state;
    struct ends e = *world_undisturbed(w, PLAY_NATIVE_INFERENCE);      /* lent texts */
    struct proxy_counts counts;

    world_begin(w, &plays[PLAY_NATIVE_INFERENCE]);
    proxy_arm(w->proxy, &(struct proxy_rules){ .judge = refuse_statefulsets });
    world_run(w);
    expect(w, tells_the_refusal, "told in the status");
    proxy_counts(w->proxy, &counts);
    assert_true(counts.writes < 60);
    proxy_arm(w->proxy, NULL);
    world_expect(w, e.living, "once it is allowed");
    world_delete(w, &gvr_workspaces, "ws");
    world_expect_gone(w, &e, "refused before");
    world_stop(w);
}

#define MACHINE "apiVersion: v1\nkind: Node\nmetadata: {name: own-1, labels: {apps: faults, node.kubernetes.io/instance-type: any}}\n" \
    "status: {capacity: {cpu: '64', memory: 512Gi, pods: '100'}, allocatable: {cpu: '64', memory: 512Gi, pods: '100'}, " \
    "conditions: [{type: Ready, status: 'True', reason: KubeletReady}]}\n"
#define OWN_NODES "apiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata: {name: ws, annotations: {" NATIVE "}}\n" \
    "resource: {labelSelector: {matchLabels: {apps: faults}}}\n" INFERENCE

static void own_nodes_need_no_karpenter(void **state)
{
    struct world *w = world_new(MACHINES_LATER);

    w->opts.settings.byo = true;
    world_make(w, MACHINE);
    world_make(w, OWN_NODES);
    world_run(w);
    expect(w, workspace_succeeded, "succeeded without NodeClaims");
    world_delete(w, &gvr_workspaces, "ws");
    expect(w, workspace_gone, "gone without NodeClaims");
    world_free(w);
}

static void install_claims(struct world *w)
{
    AUTO_JSON list = NULL;
    const json_t *crd;
    struct err e;
    size_t i;

    api_kaito_crds(&list);
    json_array_foreach(list, i, crd)
        if (!streq(json_str_at(crd, "spec", "group", NULL), "kaito.sh"))
            OK(kube_create(w->user, &gvr_crds, NULL, crd, NULL, &e));
}

static void karpenter_may_come_later(void **state)
{
    struct world *w = world_new(MACHINES_LATER);

    world_make(w, plays[PLAY_NATIVE_INFERENCE].yaml);
    world_run(w);
    poll(NULL, 0, 300);
    assert_false(workspace_manager_ready(w->manager));
    install_claims(w);
    expect(w, workspace_succeeded, "succeeded once there are NodeClaims");
    world_delete(w, &gvr_workspaces, "ws");
    expect(w, workspace_gone, "gone");
    world_free(w);
}

/* Karpenter mode cannot begin without Karpenter: the process ends with what to do, and begins once its kinds are there. */
static void karpenter_mode_waits_for_karpenter(void **state)
{
    struct world *w = world_new(MACHINES_OF_POOLS);
    AUTO_JSON crd = world_get(w, &gvr_crds, "nodepools.karpenter.sh");
    struct err e = { 0 };

    world_make(w, plays[PLAY_NATIVE_INFERENCE].yaml);
    world_delete(w, &gvr_crds, "nodepools.karpenter.sh");
    for (bool served = true; served; poll(NULL, 0, 5))
        OK(kube_has_resource(w->user, &gvr_nodepools, &served, &e));
    assert_false(world_start(w, &e));
    if (!strstr(e.text, "nodepools.karpenter.sh (v1) is not served; install Karpenter first"))
        fail_msg("says: %s", e.text);
    json_object_del(json_object_get(crd, "metadata"), "resourceVersion");
    json_object_del(json_object_get(crd, "metadata"), "uid");
    OK(kube_create(w->user, &gvr_crds, NULL, crd, NULL, &e));
    for (bool served = false; !served; poll(NULL, 0, 5))
        OK(kube_has_resource(w->user, &gvr_nodepools, &served, &e));
    world_run(w);
    expect(w, workspace_succeeded, "succeeded once there are NodePools");
    end_of_workspace(w);
    world_free(w);
}

/* An older CRD prunes what it does not know: no reason to write it again and again. */
static void an_old_crd_prunes_and_is_lived_with(void **state)
{
    struct world *w = world_new(MACHINES_OF_CLAIMS);
    AUTO_JSON crd = world_get(w, &gvr_crds, "workspaces.kaito.sh");
    json_t *version;
    struct proxy_counts before, after;
    struct err e;
    size_t i;

    json_array_foreach(json_at(crd, "spec", "versions", NULL), i, version) {
        json_t *known = json_at(version, "schema", "openAPIV3Schema", "properties", "status", "properties", NULL);

        json_object_del(known, "state");
        json_object_del(known, "targetNodeCount");
    }
    OK(kube_update(w->user, &gvr_crds, NULL, crd, NULL, &e));
    world_make(w, plays[PLAY_NATIVE_INFERENCE].yaml);
    world_run(w);
    expect(w, workspace_succeeded, "succeeded with an old CRD");
    world_wait_quiet(w);
    proxy_counts(w->proxy, &before);
    poll(NULL, 0, 500);
    proxy_counts(w->proxy, &after);
    assert_int_equal(before.writes, after.writes);
    assert_int_equal(world_claims_ever(w), 1);
    world_delete(w, &gvr_workspaces, "ws");
    expect(w, workspace_gone, "gone with an old CRD");
    world_free(w);
}

/* The same where machines are asked for with legacy Machines. */
#define MACHINES(f) { #f "_of_machines", f, world_setup_with_machines, world_teardown, NULL }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_change_is_mended),
        cmocka_unit_test(a_claim_without_labels_goes_with_its_workspace),
        MACHINES(what_others_change_is_mended), MACHINES(a_claim_without_labels_goes_with_its_workspace),
        cmocka_unit_test(a_claim_that_no_cache_saw_goes_with_its_workspace),
        cmocka_unit_test(a_name_that_is_taken_is_left_alone),
        cmocka_unit_test(a_successor_of_the_same_name_starts_anew), cmocka_unit_test(a_former_revision_that_goes_meanwhile_is_made_again),
        cmocka_unit_test(names_at_their_limits_and_unicode),
        cmocka_unit_test(a_configmap_may_come_late),
        cmocka_unit_test(a_configmap_may_change_and_go),
        cmocka_unit_test(a_template_that_is_gone_is_told),
        cmocka_unit_test(a_refused_write_is_told),
        cmocka_unit_test(own_nodes_need_no_karpenter),
        cmocka_unit_test(karpenter_may_come_later),
        cmocka_unit_test(karpenter_mode_waits_for_karpenter),
        cmocka_unit_test(an_old_crd_prunes_and_is_lived_with),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
