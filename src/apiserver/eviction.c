/*
 * pods/eviction: a deletion that PodDisruptionBudgets may refuse. As in kube-apiserver the budget's status decides (a controller keeps it:
 * disruptionsAllowed), an eviction that is granted takes one off, a pod behind two budgets is not evicted, a pod that has ended, never ran or is not
 * ready (while the others are enough) is.
 */
#include "apiserver/priv.h"

#define BUDGETS "policy/poddisruptionbudgets"

struct budget_walk { struct req *r; const json_t *pod; json_t *found; size_t n; };

static void add_expression(struct buf *out, const json_t *x)
{
    const char *key = json_cstr(x, "key"), *op = json_cstr(x, "operator");
    const json_t *v;
    size_t i;

    buf_addf(out, "%s%s%s", out->n ? "," : "", streq(op, "DoesNotExist") ? "!" : "", key ? key : "");
    if (!streq(op, "In") && !streq(op, "NotIn"))
        return;
    buf_addf(out, " %s (", streq(op, "In") ? "in" : "notin");
    json_array_foreach(json_object_get(x, "values"), i, v)
        buf_addf(out, "%s%s", i ? "," : "", json_string_value(v) ? json_string_value(v) : "");
    buf_addc(out, ')');
}

/* A LabelSelector as the text that a list takes. */
static void selector_text(const json_t *selector, struct buf *out)
{
    const char *key;
    json_t *v;
    size_t i;

    json_object_foreach(json_object_get(selector, "matchLabels"), key, v)
        buf_addf(out, "%s%s=%s", out->n ? "," : "", key, json_string_value(v) ? json_string_value(v) : "");
    json_array_foreach(json_object_get(selector, "matchExpressions"), i, v)
        add_expression(out, v);
}

static bool covers(struct req *r, const json_t *budget, const json_t *pod)
{
    const json_t *selector = json_at(budget, "spec", "selector", NULL);
    struct selector *parsed = NULL;
    AUTO_BUF text = { 0 };
    struct err ignored;

    if (!selector)
        return false;
    selector_text(selector, &text);
    return selector_parse_labels(r->a, buf_cstr(&text), &parsed, &ignored) == ERR_OK && selector_matches(parsed, NULL, NULL, pod);
}

static bool visit_budget(void *arg, const struct store_row *row)
{
    struct budget_walk *w = arg;
    json_t *budget = NULL;
    struct err ignored;

    if (json_parse(row->text, &budget, &ignored))
        return true;
    json_arena_own(w->r->a, budget);
    if (covers(w->r, budget, w->pod)) {
        w->found = budget;
        w->n++;
    }
    return true;
}

static errc refused(struct req *r, const char *what)
{
    json_t *d = json_pack("{s:[{s:s, s:s}]}", "causes", "reason", "DisruptionBudget", "message", what);

    return fail(r, ERR_THROTTLED, 429, "TooManyRequests", d, "Cannot evict pod as it would violate the pod's disruption budget.");
}

static errc take_one(struct req *r, void *self, const json_t *cur, json_t **out)
{
    const json_t *status = json_object_get(cur, "status");
    const char *name = json_str_at(cur, "metadata", "name", NULL), *pod = self;
    int64_t allowed = json_int(status, "disruptionsAllowed", 0);

    if (json_int(status, "observedGeneration", 0) < json_int(json_object_get(cur, "metadata"), "generation", 0))
        return refused(r, arena_printf(r->a, "The disruption budget %s is still being processed by the server.", name));
    if (allowed <= 0)
        return refused(r, arena_printf(r->a, "The disruption budget %s needs %lld healthy pods and has %lld currently", name,
                                       (long long)json_int(status, "desiredHealthy", 0), (long long)json_int(status, "currentHealthy", 0)));
    *out = json_deep_copy(cur);
    json_arena_own(r->a, *out);
    json_put_int(json_sub(*out, "status"), "disruptionsAllowed", allowed - 1);
    json_put_str(json_sub(json_sub(*out, "status"), "disruptedPods"), pod, r->now);
    return ERR_OK;
}

static bool needs_no_budget(const json_t *pod)
{
    const char *phase = json_str_at(pod, "status", "phase", NULL);

    return streq(phase, "Succeeded") || streq(phase, "Failed") || streq(phase, "Pending") || json_at(pod, "metadata", "deletionTimestamp", NULL);
}

static bool is_ready(const json_t *pod)
{
    const json_t *c;
    size_t i;

    json_array_foreach(json_at(pod, "status", "conditions", NULL), i, c)
        if (streq(json_cstr(c, "type"), "Ready"))
            return streq(json_cstr(c, "status"), "True");
    return false;
}

/* unhealthyPodEvictionPolicy: a pod that is not ready counts for no budget, by default only while the others are enough. */
static bool spares_unhealthy(const json_t *budget, const json_t *pod)
{
    const json_t *status = json_object_get(budget, "status");
    int64_t desired = json_int(status, "desiredHealthy", 0);

    if (is_ready(pod))
        return false;
    return streq(json_str_at(budget, "spec", "unhealthyPodEvictionPolicy", NULL), "AlwaysAllow") ||
           (desired > 0 && json_int(status, "currentHealthy", 0) >= desired);
}

static errc ask_budgets(struct req *r, const json_t *pod)
{
    const struct resource *res = registry_find(r->registry, "policy", "v1", "poddisruptionbudgets");
    struct budget_walk w = { .r = r, .pod = pod };
    json_t *taken;

    if (needs_no_budget(pod) || !res)
        return ERR_OK;
    TRY(store_list(r->s->store, &(struct store_list){ .resource = BUDGETS, .ns = r->ns }, visit_budget, &w, NULL, &r->e));
    if (w.n > 1)
        return fail(r, ERR_INTERNAL, 500, "InternalError", NULL, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
    if (w.n == 0 || spares_unhealthy(w.found, pod))
        return ERR_OK;
    struct change c = { .make = take_one, .self = (void *)(uintptr_t)r->name, .sub = "status", .managed = true };

    return object_change(r, res, r->ns, json_str_at(w.found, "metadata", "name", NULL), &c, &taken, NULL);
}

static errc check_uid(struct req *r, const json_t *eviction, const json_t *pod)
{
    const char *want = json_str_at(eviction, "deleteOptions", "preconditions", "uid", NULL), *uid = json_str_at(pod, "metadata", "uid", NULL);

    if (!str_set(want) || streq(want, uid))
        return ERR_OK;
    return fail_conflict(r, r->res, r->name, "the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted "
                         "and then recreated", want, uid);
}

errc serve_eviction(struct req *r)
{
    json_t *eviction = NULL;
    struct found cur = { 0 };

    TRY(options_write(r, "CreateOptions"));
    TRY(body_decode(r, NULL, "Eviction", "policy/v1", &eviction));
    TRY(object_load(r, r->res, r->ns, r->name, &cur));
    TRY(check_uid(r, eviction, cur.obj));
    if (!r->dry_run) {
        TRY(ask_budgets(r, cur.obj));
        TRY(object_delete(r, r->res, r->ns, r->name));
    }
    reply_created(r);
    return ERR_OK;
}
