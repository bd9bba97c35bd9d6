#include "workspace/doctor.h"

#include "workspace/doctor/priv.h"
#include "workspace/reasons.h"

/* ---- conditions ---------------------------------------------------------------------------------------------------------- */

static void add_next(json_t *f, const struct patient *p, const struct reason_row *row)
{
    AUTO_BUF next = { 0 };

    if (!row || !row->next)
        return;
    reason_next(row, p->ns, p->name, &next);
    finding_next(f, "%s", buf_cstr(&next));
}

/* Not yet, and nothing is wrong. */
static bool only_waits(const char *reason)
{
    static const char *const reasons[] = { "WorkspaceTuningJobStatusPending", "WorkspaceInferenceStatusPending", "AwaitingReconciliation", "NodeClaimNotReady", "NodeNotReady",
                                           "NodePluginsNotReady", "ModelMirrorPending", "ModelMirrorNotReady" };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (streq(reasons[i], reason))
            return true;
    return false;
}

/* A condition as a finding; NULL when it is True. What another part of the tree explains better is only told. */
static json_t *of_condition(const struct patient *p, const char *type)
{
    const json_t *c = kube_condition(p->ws_json, type);
    const char *reason = json_cstr(c, "reason"), *message = json_cstr(c, "message");

    if (!c || streq(json_cstr(c, "status"), "True"))
        return NULL;
    const struct reason_row *row = reason_find(type, reason);
    json_t *f = finding(only_waits(reason) ? "wait" : "fail", "%s: %s: %s", type, reason ? reason : "no reason", message ? message : "");

    if (row)
        finding_add(f, finding("note", "%s", row->meaning));
    add_next(f, p, row);
    return f;
}

static bool is_true(const struct patient *p, const char *type)
{
    return kube_condition_is(p->ws_json, type, "True");
}

/* ---- the workload ---------------------------------------------------------------------------------------------------------- */

/* It may warn of what would keep its pods from starting again. */
static json_t *finding_of_true(const struct patient *p, const char *type, const char *message)
{
    bool warns = message && strstr(message, "; warning: ");
    json_t *f = finding(warns ? "warn" : "ok", "%s: %s", type, message ? message : "");

    if (warns && p->ws.inference && p->ws.inference->config.n > 0)
        finding_next(f, "kubectl create configmap -n %s %.*s --from-file=inference_config.yaml", p->ns, STR_ARG(p->ws.inference->config));
    return f;
}

static void add_workload(const struct patient *p, json_t *root, const char *type, const char *kind, const json_t *object)
{
    json_t *f = of_condition(p, type);

    if (!f) {
        const json_t *c = kube_condition(p->ws_json, type);

        if (c)
            finding_add(root, finding_of_true(p, type, json_cstr(c, "message")));
        return;
    }
    diagnose_pods(p, kind, f);
    if (object && json_array_size(json_object_get(f, "children")) <= 1)
        diagnose_events(p, kind, kube_name(object), f);
    finding_add(root, f);
}

/* Conditions that nothing else in the tree explains. */
static void add_other(const struct patient *p, json_t *root)
{
    static const char *const types[] = { "ModelMirrorReady", "BenchmarkCompleted" };

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        json_t *f = of_condition(p, types[i]);

        if (f)
            finding_add(root, f);
    }
}

/* Said only while something is wrong: it may be the cause and it may not. */
static void add_model_hints(const struct patient *p, json_t *root)
{
    const struct preset *m = ws_preset(&p->ws);
    const struct ws_preset *asked = p->ws.inference ? p->ws.inference->preset : p->ws.tuning ? p->ws.tuning->preset : NULL;

    if (!m || !asked || !preset_needs_token(m) || asked->options.model_access_secret.n > 0)
        return;
    json_t *f = finding_add(root, finding("warn", "%s is under a licence that must be accepted on the hub, and the Workspace names no presetOptions.modelAccessSecret", m->name));

    finding_next(f, "kubectl create secret generic hf-token -n %s --from-literal=HF_TOKEN=...", p->ns);
}

/* ---- the whole -------------------------------------------------------------------------------------------------------------- */

static json_t *head(const struct patient *p)
{
    struct str model = ws_preset_name(&p->ws), type = ws_instance_type(&p->ws), state = p->ws.status.state;
    AUTO_BUF text = { 0 };

    buf_addf(&text, "Workspace %s/%s: %s", p->ns, p->name, p->ws.tuning ? "tunes" : "serves");
    buf_addf(&text, " %.*s", STR_ARG(model.n > 0 ? model : STR("a pod template of its own")));
    if (p->ws.status.target_node_count > 0)
        buf_addf(&text, " on %lld x %.*s", (long long)p->ws.status.target_node_count, STR_ARG(type.n > 0 ? type : STR("your own node")));
    if (state.n > 0)
        buf_addf(&text, "; state %.*s", STR_ARG(state));
    return finding("ok", "%s", buf_cstr(&text));
}

static void add_deletion(const struct patient *p, json_t *root)
{
    const json_t *f;
    size_t i;
    json_t *d = finding_add(root, finding("wait", "is being deleted since %s", json_str_at(p->ws_json, "metadata", "deletionTimestamp", NULL)));

    json_array_foreach(json_at(p->ws_json, "metadata", "finalizers", NULL), i, f)
        finding_add(d, finding("note", "waits for whoever owns the finalizer %s%s", json_string_value(f),
                               streq(json_string_value(f), WORKSPACE_FINALIZER) ? " (the manager: is one running?)" : ""));
    finding_next(d, "kaito doctor");
}

/* No condition at all, or one of an older generation. */
static void add_attention(const struct patient *p, json_t *root)
{
    const json_t *list = json_at(p->ws_json, "status", "conditions", NULL);
    int64_t seen = json_int(json_array_get(list, 0), "observedGeneration", 0), now = kube_generation(p->ws_json);
    int64_t age_s = (p->now_ms - kube_created_ms(p->ws_json)) / 1000;

    if (json_array_size(list) == 0) {
        json_t *f = finding_add(root, finding(age_s > 10 ? "fail" : "wait", "no manager has written a condition yet, %lld s after it was made", (long long)age_s));
        finding_next(f, "kaito doctor");
    } else if (seen > 0 && seen < now) {
        finding_add(root, finding("wait", "the manager has not seen the last change yet (generation %lld, it saw %lld)", (long long)now, (long long)seen));
    }
}

/* It says more than that it waits for machines. */
static bool has_own_cause(const struct patient *p, const char *type)
{
    const json_t *c = kube_condition(p->ws_json, type);

    return c && !streq(json_cstr(c, "status"), "True") && !only_waits(json_cstr(c, "reason"));
}

static void add_parts(const struct patient *p, json_t *root)
{
    json_t *refused = streq(json_cstr(kube_condition(p->ws_json, "ResourceReady"), "reason"), "ValidationFailed") ? of_condition(p, "ResourceReady") : NULL;

    if (refused) {
        finding_add(root, refused);
        return;
    }
    if (kube_condition(p->ws_json, "ResourceReady"))
        diagnose_nodes(p, is_true(p, "ResourceReady") ? NULL : of_condition(p, "ResourceReady"), root);
    /* what was made before the machines went wrong may have a cause of its own */
    if (!is_true(p, "ResourceReady") && !p->statefulset && !p->job && !has_own_cause(p, p->ws.tuning ? "JobStarted" : "InferenceReady"))
        return;
    if (p->ws.tuning)
        add_workload(p, root, "JobStarted", "Job", p->job);
    if (!p->ws.tuning || p->statefulset)
        add_workload(p, root, "InferenceReady", "StatefulSet", p->statefulset);
}

json_t *workspace_diagnose(const json_t *facts, int64_t now_ms)
{
    AUTO_FREE(arena) a = arena_new();
    struct patient p;
    struct err e;

    if (patient_read(facts, now_ms, a, &p, &e)) {
        json_t *f = finding("fail", "Workspace %s/%s: %s", kube_namespace(json_object_get(facts, "workspace")), kube_name(json_object_get(facts, "workspace")), e.text);
        return f;
    }
    json_t *root = head(&p);

    if (kube_deleting(p.ws_json)) {
        add_deletion(&p, root);
        return root;
    }
    add_attention(&p, root);
    add_parts(&p, root);
    add_other(&p, root);
    if (is_true(&p, "WorkspaceSucceeded"))
        return root;
    if (streq(json_cstr(root, "level"), "ok"))
        finding_add(root, finding("wait", "WorkspaceSucceeded: %s", json_cstr(kube_condition(p.ws_json, "WorkspaceSucceeded"), "message")
                                                                         ? json_cstr(kube_condition(p.ws_json, "WorkspaceSucceeded"), "message") : "not told yet"));
    add_model_hints(&p, root);
    return root;
}
