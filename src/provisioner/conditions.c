/* A claim's conditions as one list: what a claim begins with, what Ready says of the others, and their order. Source: dossier, provisioner, 1.2. */
#include "provisioner/lifecycle.h"

#include "base/mem.h"
#include "kube/meta.h"

#define ROOT "Ready"
#define DEPENDENTS_MAX 3

/* In the order in which upstream's list has those that changed in the same second. */
static const char *const dependents[DEPENDENTS_MAX] = { "Initialized", "Registered", "Launched" };

static int64_t changed_ms(const json_t *condition)
{
    return kube_time_ms(json_cstr(condition, "lastTransitionTime"));
}

void claim_conditions_begin(json_t *conditions, int64_t created_ms, int64_t generation)
{
    static const char *const types[] = { "Launched", "Registered", "Initialized", ROOT };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (!kube_condition_in(conditions, types[i]))
            kube_condition_set(conditions, &(struct kube_condition){ types[i], "Unknown", "AwaitingReconciliation", "object is awaiting reconciliation", generation }, created_ms);
}

/* How many are not True; the one that changed last comes first. */
static size_t unhealthy(const json_t *conditions, const json_t *out[static DEPENDENTS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < DEPENDENTS_MAX; i++) {
        const json_t *c = kube_condition_in(conditions, dependents[i]);
        size_t at = n;

        if (!c || streq(json_cstr(c, "status"), "True"))
            continue;
        for (; at > 0 && changed_ms(out[at - 1]) < changed_ms(c); at--)
            out[at] = out[at - 1];
        out[at] = c;
        n++;
    }
    return n;
}

void claim_conditions_end(json_t *conditions, int64_t now_ms, int64_t generation)
{
    const json_t *bad[DEPENDENTS_MAX];
    size_t n = unhealthy(conditions, bad);
    AUTO_BUF text = { 0 };
    bool failed = false;

    for (size_t i = 0; i < n; i++) {
        buf_addf(&text, "%s%s=%s", i > 0 ? ", " : "", json_cstr(bad[i], "type"), json_cstr(bad[i], "status"));
        failed = failed || streq(json_cstr(bad[i], "status"), "False");
    }
    struct kube_condition root = { ROOT, failed ? "False" : "Unknown", failed ? "UnhealthyDependents" : "ReconcilingDependents", buf_cstr(&text), generation };

    if (n == 0)
        root = (struct kube_condition){ ROOT, "True", ROOT, "", generation };
    kube_condition_set(conditions, &root, now_ms);
    claim_conditions_order(conditions);
}

static bool comes_after(const json_t *a, const json_t *b)
{
    if (streq(json_cstr(a, "type"), ROOT) || streq(json_cstr(b, "type"), ROOT))
        return streq(json_cstr(a, "type"), ROOT);
    return changed_ms(a) > changed_ms(b);
}

void claim_conditions_order(json_t *conditions)
{
    for (size_t i = 1; i < json_array_size(conditions); i++) {
        json_t *c = json_incref(json_array_get(conditions, i));
        size_t at = i;

        while (at > 0 && comes_after(json_array_get(conditions, at - 1), c))
            at--;
        if (at < i) {
            json_array_remove(conditions, i);
            json_array_insert(conditions, at, c);
        }
        json_decref(c);
    }
}

void claim_conditions_stamp(json_t *conditions, int64_t generation)
{
    json_t *c;
    size_t i;

    json_array_foreach(conditions, i, c)
        json_put_int(c, "observedGeneration", generation);
}
