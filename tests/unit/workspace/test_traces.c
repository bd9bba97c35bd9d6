/*
 * What upstream's controller let a watcher see on a real API server, scene by scene (tests/golden/upstream/traces.json), beside what ours
 * does on our own: the manager runs, this test is the user, the cloud and the kubelet. After each action the lines must be the same;
 * those of one kind in their order, kinds among each other as they come. Steps named in tests/golden/upstream/deviations differ on
 * purpose: there the lines of instead[] must be seen.
 */
#include "test_manager.h"

#include "kube/informer.h"
#include "kube/meta.h"
#include "webhook/admission.h"
#include "../patience.h"

#define JOBS KUBE_GVR("batch", "v1", "jobs")
#define SERVICES KUBE_GVR("", "v1", "services")
#define WAIT_MS patience_ms(3500)       /* for what must be seen */
#define QUIET_MS 120                    /* without news and work: nothing more comes */

struct world {
    struct test_manager t;
    struct informers *watchers;
    const char *scene;
    char *last_claim;                   /* the name that lines call <nodeclaim-0>; NULL: none yet */

    struct mutex mu;                    /* a leaf; guards the rest */
    json_t *seen;                       /* lines since the last action */
    int64_t news_ms;                    /* of the last line */
};

/* ---- what a watcher sees -------------------------------------------------------------------------------------------------- */

static void see(struct world *w, const char *fmt, ...) PRINTF(2, 3);
static void see(struct world *w, const char *fmt, ...)
{
    AUTO_BUF line = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&line, fmt, ap);
    va_end(ap);
    LOCK_SCOPE(&w->mu);
    json_push(w->seen, json_strn(buf_str(&line)));
    w->news_ms = clock_mono_ms();
}

static bool came(const json_t *old, const json_t *now)
{
    return !old && now;
}

static bool went(const json_t *old, const json_t *now)
{
    return old && !now;
}

static void see_finalizers(struct world *w, const json_t *old, const json_t *now)
{
    const json_t *was = json_at(old, "metadata", "finalizers", NULL), *is = json_at(now, "metadata", "finalizers", NULL), *f;
    AUTO_BUF list = { 0 };
    size_t i;

    if (json_array_size(is) == 0 || json_equal((json_t *)(uintptr_t)was, (json_t *)(uintptr_t)is) || kube_deleting(now))
        return;
    json_array_foreach(is, i, f)
        buf_addf(&list, "%s'%s'", i ? ", " : "", json_string_value(f));
    see(w, "Workspace %s finalizers [%s]", kube_name(now), buf_cstr(&list));
}

static void see_annotations(struct world *w, const json_t *old, const json_t *now)
{
    AUTO_BUF list = { 0 };
    const char *key;
    json_t *v;

    json_object_foreach(json_at(now, "metadata", "annotations", NULL), key, v)
        if (str_has_prefix(str_of(key), STR("workspace.kaito.io/")) && !streq(json_string_value(v), kube_annotation(old, key)))
            buf_addf(&list, "%s%s=%s", list.n ? ", " : "", key, json_string_value(v));
    if (list.n)
        see(w, "Workspace %s annotations: %s", kube_name(now), buf_cstr(&list));
}

static void add_part(struct buf *out, const char *key, const json_t *was, const json_t *is)
{
    if (!is || (was && json_equal((json_t *)(uintptr_t)was, (json_t *)(uintptr_t)is)))
        return;
    buf_addf(out, "%s%s=", out->n ? "; " : "", key);
    if (json_is_integer(is))
        buf_addf(out, "%lld", (long long)json_integer_value(is));
    else
        json_write(is, out);
}

static void add_conditions(struct buf *out, const json_t *old, const json_t *now)
{
    const json_t *c;
    size_t i;

    json_array_foreach(json_at(now, "status", "conditions", NULL), i, c) {
        const json_t *was = kube_condition(old, json_cstr(c, "type"));

        if (streq(json_cstr(was, "status"), json_cstr(c, "status")) && streq(json_cstr(was, "reason"), json_cstr(c, "reason")) &&
            streq(json_cstr(was, "message"), json_cstr(c, "message")))
            continue;
        buf_addf(out, "%s%s=%s %s \"%s\"", out->n ? "; " : "", json_cstr(c, "type"), json_cstr(c, "status"), json_cstr(c, "reason"), json_cstr(c, "message"));
    }
}

static void see_status(struct world *w, const json_t *old, const json_t *now)
{
    static const char *const keys[] = { "targetNodeCount", "state", "workerNodes" };
    AUTO_BUF list = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        add_part(&list, keys[i], json_at(old, "status", keys[i], NULL), json_at(now, "status", keys[i], NULL));
    add_conditions(&list, old, now);
    if (list.n)
        see(w, "Workspace %s status: %s", kube_name(now), buf_cstr(&list));
}

static void see_workspace(struct world *w, const json_t *old, const json_t *now)
{
    if (went(old, now))
        see(w, "Workspace %s gone", kube_name(old));
    if (!now)
        return;
    see_finalizers(w, old, now);
    see_annotations(w, old, now);
    see_status(w, old, now);
    if (kube_deleting(now) && !kube_deleting(old))
        see(w, "Workspace %s deletionTimestamp set", kube_name(now));
}

/* The path of each part of a spec that changed, as deep as both have the same shape. */
static void add_changes(struct buf *out, const char *path, const json_t *was, const json_t *is)
{
    const char *key;
    json_t *v;
    size_t i;

    if (was && is && json_equal((json_t *)(uintptr_t)was, (json_t *)(uintptr_t)is))
        return;
    if (json_is_object(was) && json_is_object(is)) {
        AUTO_JSON keys = json_clone(was);

        json_object_update(keys, (json_t *)(uintptr_t)is);
        json_object_foreach(keys, key, v) {
            AUTO_MEM char *sub = xasprintf("%s%s%s", path, *path ? "." : "", key);
            add_changes(out, sub, json_object_get(was, key), json_object_get(is, key));
        }
        return;
    }
    if (json_is_array(was) && json_array_size(was) == json_array_size(is) && json_is_object(json_array_get(is, 0)) && str_has_suffix(str_of(path), STR(".containers"))) {
        json_array_foreach((json_t *)(uintptr_t)is, i, v) {
            AUTO_MEM char *sub = xasprintf("%s[%zu]", path, i);
            add_changes(out, sub, json_array_get(was, i), v);
        }
        return;
    }
    buf_addf(out, "%s%s", out->n ? ", " : "", path);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Paths come in the order of a JSON object: sorted, they can be compared. */
static void sort_words(struct buf *list)
{
    AUTO_BUF sorted = { 0 };
    char *words[32], *rest = list->p;
    size_t n = 0;

    for (char *word; list->n && n < ARRAY_LEN(words) && (word = strsep(&rest, ",")); n++)
        words[n] = word + (*word == ' ');
    qsort(words, n, sizeof *words, by_text);
    for (size_t i = 0; i < n; i++)
        buf_addf(&sorted, "%s%s", i ? ", " : "", words[i]);
    buf_clear(list);
    buf_addstr(list, buf_str(&sorted));
}

static void see_workload(struct world *w, const json_t *old, const json_t *now)
{
    const json_t *replicas = json_at(now, "spec", "replicas", NULL);
    const char *revision = kube_annotation(now, "workspace.kaito.io/revision");
    AUTO_BUF changes = { 0 };

    if (came(old, now) && replicas && streq(kube_kind(now), "StatefulSet"))
        see(w, "StatefulSet %s created, replicas %lld, revision %s", kube_name(now), (long long)json_integer_value(replicas), revision);
    else if (came(old, now))
        see(w, "%s %s created, revision %s", kube_kind(now), kube_name(now), revision);
    if (went(old, now))
        see(w, "%s %s gone", kube_kind(old), kube_name(old));
    if (!old || !now)
        return;
    add_changes(&changes, "", json_object_get(old, "spec"), json_object_get(now, "spec"));
    sort_words(&changes);
    if (changes.n)
        see(w, "%s %s spec changed: %s", kube_kind(now), kube_name(now), buf_cstr(&changes));
    if (!streq(revision, kube_annotation(old, "workspace.kaito.io/revision")))
        see(w, "%s %s revision %s", kube_kind(now), kube_name(now), revision);
}

static void see_revision(struct world *w, const json_t *old, const json_t *now)
{
    if (came(old, now))
        see(w, "ControllerRevision %s created, revision %lld", kube_name(now), (long long)json_int(now, "revision", -1));
    else if (now)
        see(w, "ControllerRevision %s changed", kube_name(now));
    else
        see(w, "ControllerRevision %s gone", kube_name(old));
}

static void see_any(struct world *w, const json_t *old, const json_t *now)
{
    const json_t *o = now ? now : old;

    if (streq(kube_kind(o), "ConfigMap") && (streq(kube_name(o), "kube-root-ca.crt") || !streq(kube_namespace(o), "default")))
        return;
    if (streq(kube_kind(o), "Service") && streq(kube_name(o), "kubernetes"))
        return;
    if (old && now && (json_equal(json_object_get(old, "spec"), json_object_get(now, "spec")) || streq(kube_kind(o), "NodeClaim")))
        return;                         /* status: the cloud's */
    see(w, "%s %s %s", kube_kind(o), kube_name(o), came(old, now) ? "created" : went(old, now) ? "gone" : "changed");
}

static void see_node(struct world *w, const json_t *old, const json_t *now)
{
    const char *key;
    json_t *v;

    if (old && now)
        json_object_foreach(json_at(now, "metadata", "labels", NULL), key, v)
            if (!streq(json_string_value(v), kube_label(old, key)))
                see(w, "Node %s labels: %s=%s", kube_name(now), key, json_string_value(v));
}

static void see_event(struct world *w, const json_t *old, const json_t *now)
{
    const json_t *about = json_object_get(now, "involvedObject");

    if (now)
        see(w, "Event %s %s on %s %s: %s (from %s)", json_cstr(now, "type"), json_cstr(now, "reason"), json_cstr(about, "kind"), json_cstr(about, "name"),
            json_cstr(now, "message"), json_str_at(now, "source", "component", NULL));
}

/* ---- the world ------------------------------------------------------------------------------------------------------------ */

struct watcher { struct world *w; void (*see)(struct world *w, const json_t *old, const json_t *now); };

static void on_event(void *self, const json_t *old, const json_t *now)
{
    struct watcher *x = self;

    x->see(x->w, old, now);
}

static const struct { struct kube_gvr gvr; void (*see)(struct world *w, const json_t *old, const json_t *now); } watched[] = {
    { { "kaito.sh", "v1beta1", "workspaces" }, see_workspace },
    { { "apps", "v1", "controllerrevisions" }, see_revision },
    { { "apps", "v1", "statefulsets" }, see_workload },
    { { "batch", "v1", "jobs" }, see_workload },
    { { "karpenter.sh", "v1", "nodeclaims" }, see_any },
    { { "", "v1", "services" }, see_any },
    { { "", "v1", "configmaps" }, see_any },
    { { "", "v1", "nodes" }, see_node },
    { { "", "v1", "events" }, see_event },
};

static void watch_all(struct world *w, struct watcher watchers[static ARRAY_LEN(watched)])
{
    struct err e;

    w->watchers = informers_new(w->t.user);
    for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
        struct informer *informer = informers_get(w->watchers, &(struct informer_opts){ .gvr = watched[i].gvr });

        watchers[i] = (struct watcher){ w, watched[i].see };
        informer_on(informer, &(struct informer_handler){ on_event, &watchers[i] });
    }
    informers_start(w->watchers, w->t.cancel);
    OK(informers_wait_synced(w->watchers, WAIT_MS, &e));
}

static void start(struct world *w, const char *scene, const char *provisioner, struct watcher *watchers)
{
    struct err e;
    struct workspace_manager_opts o = { .install_crds = true, .settings.byo = streq(provisioner, "byo") };

    *w = (struct world){ .scene = scene, .seen = json_array() };
    mutex_init(&w->mu);
    test_manager_open(&w->t);
    OK(test_manager_start(&w->t, &o, &e));
    watch_all(w, watchers);
    test_manager_wait_ready(&w->t, WAIT_MS);
}

static void stop(struct world *w)
{
    cancel_now(w->t.cancel);
    informers_free(w->watchers);
    test_manager_close(&w->t);
    json_decref(w->seen);
    mutex_done(&w->mu);
    free(w->last_claim);
}

/* ---- what user, cloud and kubelet do ----------------------------------------------------------------------------------------- */

/* Upstream's manager calls a Workspace ready without a benchmark only where it is switched off: the recording was made so. */
#define META(name) "apiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata: {name: " name ", namespace: default, " \
                   "annotations: {kaito.sh/disable-benchmark: \"true\"}}\n"
#define MACHINE(type) "resource: {instanceType: " type ", labelSelector: {matchLabels: {apps: demo}}}\n"
#define SERVES "inference: {preset: {name: phi-4-mini-instruct}}\n"
#define TUNES "tuning: {preset: {name: phi-3-mini-128k-instruct}, method: qlora, input: {urls: [\"https://data.example.com/train.parquet\"]}, " \
              "output: {image: \"registry.example.com/team/out:v1\", imagePushSecret: push}}\n"
#define A100 MACHINE("Standard_NC24ads_A100_v4")

/* Upstream's hashes in the recording are those of these specs. */
static const struct { const char *name, *yaml; } workspaces[] = {
    { "ws-a", META("ws-a") A100 SERVES },
    { "ws-t", META("ws-t") A100 TUNES },
    { "ws-w", META("ws-w") A100 SERVES },
    { "ws-u", META("ws-u") A100 SERVES },
    { "ws-d1", META("ws-d1") A100 SERVES },
    { "ws-p", META("ws-p") A100 SERVES },
    { "ws-nc6", META("ws-nc6") MACHINE("Standard_NC6s_v3") TUNES },
    { "ws-byo", META("ws-byo") "resource: {labelSelector: {matchLabels: {apps: demo}}}\n" SERVES },
};

/* The webhook's part; false: refused, and seen. */
static bool admit(struct world *w, const char *operation, const json_t *object, const json_t *old)
{
    AUTO_BUF why = { 0 };
    AUTO_FREE(arena) a = arena_new();
    struct admission_request q = { .operation = operation, .subresource = "", .version = "v1beta1", .kind = "Workspace", .object = object,
                                   .old_object = old, .arena = a };

    if (workspace_admit(w->t.manager, &q, &why) == ERR_OK)
        return true;
    see(w, "refused (400): admission webhook \"validation.workspace.kaito.sh\" denied the request: %s", buf_cstr(&why));
    return false;
}

static void user_creates(struct world *w, const char *name)
{
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(workspaces); i++)
        if (streq(workspaces[i].name, name)) {
            AUTO_JSON ws = test_yaml(workspaces[i].yaml);

            if (admit(w, "CREATE", ws, NULL))
                OK(kube_create(w->t.user, WORKSPACES, NULL, ws, NULL, &e));
            return;
        }
    fail_msg("no Workspace %s here", name);
}

static void user_deletes(struct world *w, const char *name)
{
    struct err e;

    OK(kube_delete(w->t.user, WORKSPACES, "default", name, NULL, &e));
}

static void user_changes(struct world *w, const char *part, const char *yaml)
{
    struct err e;
    errc rc = ERR_CONFLICT;
    AUTO_JSON value = test_yaml(yaml);

    while (rc == ERR_CONFLICT) {        /* the manager writes to it, too */
        AUTO_JSON old = NULL;
        OK(kube_get(w->t.user, WORKSPACES, "default", "ws-u", &old, &e));
        AUTO_JSON now = json_clone(old);
        json_object_update_recursive(json_sub(now, part), value);
        rc = admit(w, "UPDATE", now, old) ? kube_update(w->t.user, WORKSPACES, NULL, now, NULL, &e) : ERR_OK;
    }
    OK(rc);
}

static void user_changes_count(struct world *w, const char *rest)
{
    user_changes(w, "resource", "{count: 2}");
}

static void user_changes_type(struct world *w, const char *rest)
{
    user_changes(w, "resource", "{instanceType: Standard_NC48ads_A100_v4}");
}

static void user_changes_preset(struct world *w, const char *rest)
{
    user_changes(w, "inference", "{preset: {name: phi-4}}");
}

static void user_adds_adapter(struct world *w, const char *rest)
{
    user_changes(w, "inference", "{adapters: [{source: {name: a1, image: \"example.com/a1:1\"}}]}");
}

static void user_removes_adapter(struct world *w, const char *rest)
{
    user_changes(w, "inference", "{adapters: []}");
}

static void user_annotates(struct world *w, const char *rest)
{
    user_changes(w, "metadata", "{annotations: {kaito.sh/performance-mode: throughput}}");
}

static void join_node(struct world *w, const char *name, const json_t *labels, const char *gpus)
{
    struct err e;
    AUTO_JSON node = json_pack("{s:s, s:s, s:{s:s, s:O}}", "apiVersion", "v1", "kind", "Node", "metadata", "name", name, "labels", labels);
    AUTO_JSON status = json_pack("{s:{s:{s:s}, s:[{s:s, s:s, s:s}]}}", "status", "capacity", "nvidia.com/gpu", gpus,
                                 "conditions", "type", "Ready", "status", "True", "reason", "KubeletReady");

    if (streq(gpus, "0"))
        json_object_del(json_object_get(status, "status"), "capacity");
    OK(kube_create(w->t.user, NODES, NULL, node, NULL, &e));
    OK(kube_patch(w->t.user, NODES, NULL, name, "status", KUBE_PATCH_MERGE, status, NULL, &e));
}

static void labelled_node_joins(struct world *w, const char *rest)
{
    AUTO_JSON labels = test_yaml("{apps: demo, nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB, nvidia.com/gpu.count: \"1\", nvidia.com/gpu.memory: \"81920\"}");

    join_node(w, "byo-1", labels, "1");
}

/* Nodes and claims come by watches of their own: the claim is Ready when the manager has heard of its node. */
static void join_node_and_wait(struct world *w, const char *name, const json_t *labels, const char *gpus)
{
    uint64_t before = test_manager_events(&w->t, "nodes");

    join_node(w, name, labels, gpus);
    for (int64_t until = clock_mono_ms() + WAIT_MS; test_manager_events(&w->t, "nodes") < before + 2 && clock_mono_ms() < until; poll(NULL, 0, 2))
        ;
}

static void serve_claim(struct world *w, const json_t *claim)
{
    struct err e;
    AUTO_MEM char *node = xasprintf("node-%s", kube_name(claim));
    AUTO_JSON labels = json_clone(json_at(claim, "metadata", "labels", NULL));
    AUTO_JSON status = json_pack("{s:{s:s, s:[{s:s, s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s, s:s}]}}", "status", "nodeName", node, "conditions",
                                 "type", "Initialized", "status", "True", "reason", "Initialized", "message", "", "lastTransitionTime", "2026-01-01T00:00:00Z",
                                 "type", "Ready", "status", "True", "reason", "Ready", "message", "", "lastTransitionTime", "2026-01-01T00:00:00Z");
    const json_t *r;
    size_t i;

    json_array_foreach(json_at(claim, "spec", "requirements", NULL), i, r)
        if (streq(json_cstr(r, "key"), "node.kubernetes.io/instance-type"))
            json_put(labels, "node.kubernetes.io/instance-type", json_incref(json_array_get(json_object_get(r, "values"), 0)));
    join_node_and_wait(w, node, labels, streq(w->scene, "plugin-late") ? "0" : "1");
    OK(kube_patch(w->t.user, CLAIMS, NULL, kube_name(claim), "status", KUBE_PATCH_MERGE, status, NULL, &e));
}

static void cloud_makes_nodes(struct world *w, const char *rest)
{
    AUTO_JSON claims = NULL;
    const json_t *claim;
    struct err e;
    size_t i;

    OK(kube_list_all(w->t.user, CLAIMS, NULL, &(struct kube_list_opts){ 0 }, &claims, &e));
    assert_true(json_array_size(claims) > 0);
    json_array_foreach(claims, i, claim)
        serve_claim(w, claim);
}

static void plugin_reports(struct world *w, const char *rest)
{
    struct err e;
    AUTO_MEM char *node = xasprintf("node-%s", w->last_claim);
    AUTO_JSON status = test_yaml("{status: {capacity: {nvidia.com/gpu: \"1\"}, allocatable: {nvidia.com/gpu: \"1\"}}}");

    OK(kube_patch(w->t.user, NODES, NULL, node, "status", KUBE_PATCH_MERGE, status, NULL, &e));
}

static void set_pods(struct world *w, const char *rest, int ready)
{
    struct err e;
    AUTO_BUF name = { 0 };
    AUTO_JSON set = NULL;

    buf_add(&name, rest + 1, strlen(rest) - 2);         /* "(ws-a)" */
    OK(kube_get(w->t.user, SETS, "default", buf_cstr(&name), &set, &e));
    AUTO_JSON status = json_pack("{s:{s:i, s:i, s:i, s:I}}", "status", "replicas", 1, "readyReplicas", ready, "availableReplicas", ready,
                                 "observedGeneration", (json_int_t)kube_generation(set));
    OK(kube_patch(w->t.user, SETS, "default", buf_cstr(&name), "status", KUBE_PATCH_MERGE, status, NULL, &e));
}

static void pods_are_ready(struct world *w, const char *rest)
{
    set_pods(w, rest, 1);
}

static void pods_stop(struct world *w, const char *rest)
{
    set_pods(w, rest, 0);
}

static void set_job(struct world *w, const char *yaml)
{
    struct err e;
    AUTO_JSON status = test_yaml(yaml);

    OK(kube_patch(w->t.user, JOBS, "default", "ws-t", "status", KUBE_PATCH_MERGE, status, NULL, &e));
}

static void job_runs(struct world *w, const char *rest)
{
    set_job(w, "{status: {active: 1, ready: 1, startTime: \"2026-01-01T00:00:00Z\"}}");
}

static void job_succeeds(struct world *w, const char *rest)
{
    set_job(w, "{status: {active: 0, ready: 0, succeeded: 1, completionTime: \"2026-01-01T00:01:00Z\", conditions: ["
               "{type: SuccessCriteriaMet, status: \"True\", reason: CompletionsReached}, {type: Complete, status: \"True\", reason: CompletionsReached}]}}");
}

static void somebody_deletes_set(struct world *w, const char *rest)
{
    struct err e;

    OK(kube_delete(w->t.user, SETS, "default", "ws-w", &(struct kube_delete_opts){ .propagation = "Background" }, &e));
}

static void somebody_deletes_service(struct world *w, const char *rest)
{
    struct err e;

    OK(kube_delete(w->t.user, SERVICES, "default", "ws-w", NULL, &e));
}

/* The action begins with the text; what follows is given to the function. */
static const struct { const char *text; void (*act)(struct world *w, const char *rest); } actions[] = {
    { "user creates ", user_creates },
    { "user deletes ", user_deletes },
    { "user changes count to 2", user_changes_count },
    { "user changes the instance type", user_changes_type },
    { "user changes the preset", user_changes_preset },
    { "user adds an adapter", user_adds_adapter },
    { "user removes the adapter", user_removes_adapter },
    { "user sets the performance-mode annotation", user_annotates },
    { "a labelled node joins", labelled_node_joins },
    { "cloud makes the nodes of the claims ready", cloud_makes_nodes },
    { "device plugin reports one GPU", plugin_reports },
    { "pods are ready ", pods_are_ready },
    { "pods stop being ready ", pods_stop },
    { "job runs ", job_runs },
    { "job succeeds", job_succeeds },
    { "somebody deletes the StatefulSet", somebody_deletes_set },
    { "somebody deletes the Service", somebody_deletes_service },
};

static void act(struct world *w, const char *action)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (str_has_prefix(str_of(action), str_of(actions[i].text))) {
            actions[i].act(w, action + strlen(actions[i].text));
            return;
        }
    fail_msg("%s: nobody here can do that", action);
}

/* ---- the comparison ------------------------------------------------------------------------------------------------------------ */

/* Claims have names that nobody can know: the first one is <nodeclaim-0>. */
static json_t *lines_now(struct world *w)
{
    json_t *out = json_array(), *line;
    size_t i;
    LOCK_SCOPE(&w->mu);

    json_array_foreach(w->seen, i, line) {
        struct str text = json_to_str(line), name;

        if (!w->last_claim && str_has_prefix(text, STR("NodeClaim ")) && str_has_suffix(text, STR(" created"))) {
            name = str_n(text.p + 10, text.n - 18);
            w->last_claim = xasprintf("%.*s", STR_ARG(name));
        }
    }
    json_array_foreach(w->seen, i, line) {
        AUTO_BUF text = { 0 };
        const char *at = json_string_value(line), *found;

        while (w->last_claim && (found = strstr(at, w->last_claim))) {
            buf_addf(&text, "%.*s<nodeclaim-0>", (int)(found - at), at);
            at = found + strlen(w->last_claim);
        }
        buf_adds(&text, at);
        json_push(out, json_strn(buf_str(&text)));
    }
    return out;
}

/* Grouped by kind, the order within a kind kept. */
static json_t *by_kind(const json_t *lines)
{
    json_t *groups = json_object(), *line;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)lines, i, line) {
        struct str text = json_to_str(line), kind = text, rest;
        AUTO_BUF key = { 0 };

        (void)str_cut(text, ' ', &kind, &rest);
        buf_addstr(&key, kind);
        if (!json_object_get(groups, buf_cstr(&key)))
            json_put(groups, buf_cstr(&key), json_array());
        json_array_append(json_object_get(groups, buf_cstr(&key)), line);
    }
    return groups;
}

static bool same_lines(const json_t *a, const json_t *b)
{
    AUTO_JSON x = by_kind(a);
    AUTO_JSON y = by_kind(b);

    return json_equal(x, y);
}

static bool manager_rests(struct world *w)
{
    AUTO_JSON state = workspace_manager_state(w->t.manager);
    const json_t *c = json_object_get(state, "controller");
    LOCK_SCOPE(&w->mu);

    return json_int(c, "queued", 1) == 0 && json_int(c, "active", 1) == 0 && clock_mono_ms() - w->news_ms > QUIET_MS;
}

/* What was seen by the time that all of `want` came, or did not come, and nothing more does. New reference. */
static json_t *seen_after(struct world *w, const json_t *want)
{
    int64_t until = clock_mono_ms() + WAIT_MS, quiet = clock_mono_ms() + QUIET_MS;
    bool all = false;

    while (clock_mono_ms() < until && !(all && clock_mono_ms() > quiet && manager_rests(w))) {
        AUTO_JSON now = lines_now(w);

        all = json_array_size(now) >= json_array_size(want);
        poll(NULL, 0, 5);
    }
    json_t *lines = lines_now(w);
    LOCK_SCOPE(&w->mu);
    json_array_clear(w->seen);
    return lines;
}

/* ---- where we differ on purpose --------------------------------------------------------------------------------------------------- */

#define LINES(...) (const char *const[]){ __VA_ARGS__, NULL }
#define ADAPTER_CHANGES "template.spec.containers[0].volumeMounts, template.spec.initContainers, template.spec.volumes"
static const struct { const char *step; const char *const *lines; } instead[] = {
    { "updates/7", LINES("ControllerRevision ws-u-92589 created, revision 2",
                         "Workspace ws-u annotations: workspace.kaito.io/hash=9258922e767528e943f0688359997300677fa27202e758815bab3783a88d0194, "
                         "workspace.kaito.io/revision=2",
                         "StatefulSet ws-u spec changed: template.spec.containers[0].command, " ADAPTER_CHANGES, "StatefulSet ws-u revision 2") },
    { "updates/8", LINES("Workspace ws-u annotations: workspace.kaito.io/hash=d2e3ebcd0ad3dd6a48b0188ec54742f3dcdc736bbaf9890c8a071ee0bcb9bde4, "
                         "workspace.kaito.io/revision=1",
                         "StatefulSet ws-u spec changed: template.spec.containers[0].command, " ADAPTER_CHANGES, "StatefulSet ws-u revision 1") },
    { "tuning-on-unknown-machine/2",
      LINES("Node node-<nodeclaim-0> labels: accelerator=nvidia", "ConfigMap qlora-params-template created", "Job ws-nc6 created, revision 1",
            "Workspace ws-nc6 status: workerNodes=[\"node-<nodeclaim-0>\"]; NodesReady=True NodesReady \"Enough Nodes are ready\"; "
            "NodeClaimReady=True NodeClaimsReady \"Enough NodeClaims are ready\"; "
            "ResourceReady=True workspaceResourceStatusSuccess \"workspace resource is ready\"") },
    { "tuning-on-unknown-machine/3",
      LINES("Workspace ws-nc6 deletionTimestamp set", "NodeClaim <nodeclaim-0> gone", "Workspace ws-nc6 gone") },
};

static json_t *instead_of(const char *step)
{
    for (size_t i = 0; i < ARRAY_LEN(instead); i++)
        if (streq(instead[i].step, step)) {
            json_t *lines = json_array();

            for (const char *const *line = instead[i].lines; *line; line++)
                json_push(lines, json_string(*line));
            return lines;
        }
    return NULL;
}

static bool is_listed(const char *step)
{
    AUTO_MEM char *path = path_join(getenv("KAITO_SOURCE"), "tests/golden/upstream/deviations");
    AUTO_BUF text = { 0 };
    struct err e;
    struct str rest, line, name, reason;

    OK(file_read(path, 1 << 20, &text, &e));
    rest = buf_str(&text);
    while (str_next(&rest, '\n', &line))
        if (str_cut(line, '\t', &name, &reason) && str_is(name, step))
            return true;
    return false;
}

static void print_lines(const char *what, const json_t *lines)
{
    const json_t *line;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)lines, i, line)
        print_message("# %s %s\n", what, json_string_value(line));
}

/* False when the step went otherwise than it must. */
static bool play_step(struct world *w, const char *id, const json_t *step)
{
    AUTO_JSON ours = instead_of(id);
    const json_t *want = ours ? ours : json_object_get(step, "seen");

    if ((ours != NULL) != is_listed(id))
        fail_msg("%s: instead[] and tests/golden/upstream/deviations must name the same steps", id);
    act(w, json_cstr(step, "action"));
    AUTO_JSON seen = seen_after(w, want);
    if (same_lines(want, seen))
        return true;
    print_message("# %s: %s\n", id, json_cstr(step, "action"));
    print_lines("want", want);
    print_lines("seen", seen);
    return false;
}

static void play(void **state)
{
    const json_t *scene = *state, *step;
    const char *name = json_cstr(scene, "name");
    struct watcher watchers[ARRAY_LEN(watched)];
    struct world w;
    size_t i, bad = 0;

    start(&w, name, json_cstr(scene, "provisioner"), watchers);
    AUTO_JSON before = seen_after(&w, NULL);            /* what the manager brings along */
    json_array_foreach(json_object_get(scene, "steps"), i, step) {
        AUTO_MEM char *id = xasprintf("%s/%zu", name, i + 1);

        bad += !play_step(&w, id, step);
    }
    stop(&w);
    assert_int_equal(bad, 0);
}

int main(void)
{
    AUTO_MEM char *path = path_join(getenv("KAITO_SOURCE"), "tests/golden/upstream/traces.json");
    AUTO_JSON scenes = NULL;
    struct err e;
    struct CMUnitTest tests[16] = { 0 };
    json_t *scene;
    size_t i;

    if (json_parse_file(path, 1 << 20, &scenes, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    assert_true(json_array_size(scenes) <= ARRAY_LEN(tests));
    json_array_foreach(scenes, i, scene)
        tests[i] = (struct CMUnitTest){ json_cstr(scene, "name"), play, NULL, NULL, scene };
    return _cmocka_run_group_tests("traces", tests, json_array_size(scenes), NULL, NULL);
}
