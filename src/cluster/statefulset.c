/*
 * StatefulSets: pods NAME-0..NAME-(n-1), made in order, removed from the end, replaced from the end when the template changes.
 * Names are derived, so that a lagging cache makes no second pod. Revisions are a hash of the template; no ControllerRevision objects.
 */
#include "api/k8s/workload.h"
#include "base/hash.h"
#include "cluster/priv.h"

#define REVISION_LABEL "controller-revision-hash"

struct set {
    struct cluster *c;
    const json_t *obj;
    struct stateful_set *s;
    char revision[128];                 /* NAME-hash */
    int64_t replicas, start;
    bool ordered;
    json_t **pods;                      /* by ordinal - start; borrowed, NULL where there is none */
    json_t **condemned;                 /* the others, any order */
    size_t n_condemned;
    int64_t now_ms, wait_ms;
};

static void revision_name(const struct stateful_set *s, char out[128])
{
    AUTO_BUF text = { 0 };
    if (s->spec.template)
        json_write_sorted(s->spec.template, &text);
    snprintf(out, 128, "%.*s-%x", 100, s->meta.name.p, fnv1a_32(buf_cstr(&text), text.n));
}

/* The ordinal in "NAME-<ordinal>"; false for another name. */
static bool ordinal_of(const struct set *t, const json_t *pod, int64_t *out)
{
    struct str name = str_of(kube_name(pod)), base, number;
    return str_rcut(name, '-', &base, &number) && str_eq(base, t->s->meta.name) && str_to_i64(number, out) && *out >= 0;
}

static void sort_pods(struct set *t, const json_t *pods, struct arena *a)
{
    size_t i;
    json_t *pod;
    t->pods = arena_calloc(a, (size_t)t->replicas + 1, sizeof *t->pods);
    t->condemned = arena_calloc(a, json_array_size(pods) + 1, sizeof *t->condemned);
    json_array_foreach(pods, i, pod) {
        const json_t *owner = kube_controller_of(pod);
        int64_t ordinal;
        if (!streq(json_cstr(owner, "uid"), t->s->meta.uid.p) || !ordinal_of(t, pod, &ordinal))
            continue;
        if (ordinal >= t->start && ordinal < t->start + t->replicas)
            t->pods[ordinal - t->start] = pod;
        else
            t->condemned[t->n_condemned++] = pod;
    }
}

/* The claims of a pod, and the volumes that name them (a claim template's name wins over a volume of the pod template). */
static errc make_claims(struct set *t, json_t *pod, struct err *e)
{
    json_t *spec = json_object_get(pod, "spec"), *volumes = json_object_get(spec, "volumes");
    if (t->s->spec.n_claims && !json_is_array(volumes)) {
        volumes = json_array();
        json_put(spec, "volumes", volumes);
    }
    for (size_t i = 0; i < t->s->spec.n_claims; i++) {
        const char *name = kube_name(t->s->spec.claims[i]);
        AUTO_MEM char *claim_name = xasprintf("%s-%s", name, kube_name(pod));
        AUTO_JSON claim = kube_object("v1", "PersistentVolumeClaim", kube_namespace(pod), claim_name);
        json_t *labels = json_at(t->s->spec.selector, "matchLabels", NULL), *volume = json_object();
        if (labels)
            json_put(json_object_get(claim, "metadata"), "labels", json_clone(labels));
        json_put(claim, "spec", json_clone(json_object_get(t->s->spec.claims[i], "spec")));
        TRY(ok_if(kube_create(t->c->client, &gvr_claims, NULL, claim, NULL, e), ERR_EXISTS));
        json_put_str(volume, "name", name);
        json_put_str(json_sub(volume, "persistentVolumeClaim"), "claimName", claim_name);
        json_push(volumes, volume);
    }
    return ERR_OK;
}

static errc make_pod(struct set *t, int64_t ordinal, struct err *e)
{
    AUTO_MEM char *name = xasprintf("%s-%lld", t->s->meta.name.p, (long long)ordinal);
    AUTO_MEM char *index = xasprintf("%lld", (long long)ordinal);
    AUTO_JSON pod = pod_from_template(t->s->spec.template, t->obj, name);
    json_t *spec = json_object_get(pod, "spec");
    kube_set_label(pod, "statefulset.kubernetes.io/pod-name", name);
    kube_set_label(pod, "apps.kubernetes.io/pod-index", index);
    kube_set_label(pod, REVISION_LABEL, t->revision);
    json_put_str(spec, "hostname", name);
    if (t->s->spec.service_name.n)
        json_put_str(spec, "subdomain", t->s->spec.service_name.p);
    TRY(make_claims(t, pod, e));
    errc rc = kube_create(t->c->client, &gvr_pods, NULL, pod, NULL, e);
    if (!rc)
        recorder_event(t->c->set_events, t->obj, EVENT_NORMAL, "SuccessfulCreate", "create Pod %s in StatefulSet %s successful", name,
                       t->s->meta.name.p);
    else if (rc != ERR_EXISTS && e)
        recorder_event(t->c->set_events, t->obj, EVENT_WARNING, "FailedCreate", "create Pod %s in StatefulSet %s failed error: %s", name,
                       t->s->meta.name.p, e->text);
    return ok_if(rc, ERR_EXISTS);
}

static errc delete_pod(struct set *t, const json_t *pod, struct err *e)
{
    if (kube_deleting(pod))
        return ERR_OK;
    struct kube_delete_opts o = { .uid = kube_uid(pod) };
    errc rc = kube_delete(t->c->client, &gvr_pods, kube_namespace(pod), kube_name(pod), &o, e);
    return ok_if(ok_if(rc, ERR_NOT_FOUND), ERR_CONFLICT);       /* gone, or already another pod */
}

/* Makes what is missing; *out_steady is false when an ordered set must wait for a pod. */
static errc fill(struct set *t, bool *out_steady, struct err *e)
{
    *out_steady = true;
    for (int64_t i = 0; i < t->replicas; i++) {
        const json_t *pod = t->pods[i];
        if (!pod)
            TRY(make_pod(t, t->start + i, e));
        else if (pod_is_finished(pod))
            TRY(delete_pod(t, pod, e));
        if (pod && pod_is_available(pod, t->s->spec.min_ready_s, t->now_ms, &t->wait_ms) && !kube_deleting(pod))
            continue;
        *out_steady = false;
        if (t->ordered)
            return ERR_OK;
    }
    return ERR_OK;
}

static errc shrink(struct set *t, bool *out_steady, struct err *e)
{
    *out_steady = t->n_condemned == 0;
    const json_t *last = NULL;
    int64_t highest = -1, ordinal;
    for (size_t i = 0; i < t->n_condemned; i++) {
        if (!t->ordered)
            TRY(delete_pod(t, t->condemned[i], e));
        if (ordinal_of(t, t->condemned[i], &ordinal) && ordinal > highest) {
            highest = ordinal;
            last = t->condemned[i];
        }
    }
    return t->ordered && last ? delete_pod(t, last, e) : ERR_OK;
}

static bool is_current(const struct set *t, const json_t *pod) { return streq(kube_label(pod, REVISION_LABEL), t->revision); }

/* Replaces pods of an old template from the end, one at a time. */
static errc roll(struct set *t, struct err *e)
{
    if (str_is(t->s->spec.update.type, "OnDelete"))
        return ERR_OK;
    int64_t partition = t->s->spec.update.rolling ? t->s->spec.update.rolling->partition : 0;
    for (int64_t i = t->replicas - 1; i >= 0 && t->start + i >= partition; i--) {
        const json_t *pod = t->pods[i];
        if (!pod)
            return ERR_OK;
        if (!is_current(t, pod))
            return delete_pod(t, pod, e);
        if (!pod_is_ready(pod))
            return ERR_OK;
    }
    return ERR_OK;
}

static json_t *set_status(struct set *t)
{
    int64_t replicas = 0, ready = 0, available = 0, updated = 0;
    for (int64_t i = 0; i < t->replicas; i++) {
        const json_t *pod = t->pods[i];
        if (!pod)
            continue;
        replicas++;
        ready += pod_is_ready(pod) ? 1 : 0;
        available += pod_is_available(pod, t->s->spec.min_ready_s, t->now_ms, &t->wait_ms) ? 1 : 0;
        updated += is_current(t, pod) && !kube_deleting(pod) ? 1 : 0;
    }
    for (size_t i = 0; i < t->n_condemned; i++) {
        replicas++;
        ready += pod_is_ready(t->condemned[i]) ? 1 : 0;
    }
    const json_t *old = json_object_get(t->obj, "status");
    const char *current = json_cstr(old, "currentRevision");
    bool all_new = !str_set(current) || (updated == t->replicas && ready == t->replicas && replicas == t->replicas);
    json_t *s = json_is_object(old) ? json_clone(old) : json_object();
    current = all_new ? t->revision : current;
    json_put_int(s, "observedGeneration", t->s->meta.generation);
    json_put_int(s, "replicas", replicas);
    json_put_int(s, "readyReplicas", ready);
    json_put_int(s, "availableReplicas", available);
    json_put_int(s, "updatedReplicas", updated);
    json_put_int(s, "currentReplicas", streq(current, t->revision) ? updated : replicas - updated);
    json_put_str(s, "currentRevision", current);
    json_put_str(s, "updateRevision", t->revision);
    json_put_int(s, "collisionCount", 0);
    static const char *const omitted_when_zero[] = { "readyReplicas", "updatedReplicas", "currentReplicas" };   /* as Go writes them */
    for (size_t i = 0; i < ARRAY_LEN(omitted_when_zero); i++)
        if (!json_int(s, omitted_when_zero[i], 0))
            json_object_del(s, omitted_when_zero[i]);
    return s;
}

static errc set_work(struct set *t, struct err *e)
{
    bool filled, shrunk;
    TRY(fill(t, &filled, e));
    if (!filled && t->ordered)
        return ERR_OK;
    TRY(shrink(t, &shrunk, e));
    return shrunk ? roll(t, e) : ERR_OK;
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct cluster *c = self;
    AUTO_JSON obj = informer_get(cluster_informer(c, &gvr_statefulsets), key->ns, key->name);
    if (!obj || kube_deleting(obj))
        return ERR_OK;          /* its pods go through their owner reference */
    struct stateful_set *s = arena_new_of(op->arena, struct stateful_set);
    TRY(schema_decode(&k8s_stateful_set_type, obj, op->arena, s, e));
    AUTO_JSON pods = informer_owned_by(cluster_informer(c, &gvr_pods), kube_uid(obj));
    struct set t = {
        .c = c, .obj = obj, .s = s, .now_ms = op->now_ms, .start = s->spec.ordinals.start,
        .replicas = s->spec.replicas.set ? s->spec.replicas.v : 1, .ordered = !str_is(s->spec.pod_management, "Parallel"),
    };
    revision_name(s, t.revision);
    sort_pods(&t, pods, op->arena);
    errc rc = set_work(&t, e);
    struct err second;
    errc status = cluster_put_status(c, &gvr_statefulsets, obj, set_status(&t), rc ? &second : e);
    out->requeue_after_ms = t.wait_ms;
    return rc ? rc : status;
}

static struct controller *make(struct cluster *c)
{
    struct controller *k = controller_new(&(struct controller_opts){ .name = "statefulset", .workers = 2, .reconcile = reconcile, .self = c });
    c->set_events = recorder_new(c->client, "statefulset-controller", NULL);
    controller_watch(k, cluster_informer(c, &gvr_statefulsets));
    controller_watch_owned(k, cluster_informer(c, &gvr_pods), "StatefulSet", true);
    return k;
}

static void done(struct cluster *c) { recorder_free(c->set_events); }

const struct part part_statefulset = { "statefulset", make, done };
