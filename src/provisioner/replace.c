/*
 * A machine that did not come, join or become usable in time is deleted and made anew; the claim stays, because its owner would only write
 * another one. What goes on is kept in two annotations, so that a restart goes on with it: the reason, and how many machines were given up.
 */
#include "base/log.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/priv.h"
#include "provisioner/timers.h"

#define REPLACE_ANNOTATION  "kaito.sh/replace"
#define ATTEMPTS_ANNOTATION "kaito.sh/launch-attempts"
#define ATTEMPTS_MAX        5
#define PAUSE_MAX_MS        3600000LL
#define RETRY_MAX_MS        10000       /* when the cloud does not take the deletion */

/* stage: the condition that did not come; because: what it says is the reason's reason. */
static const struct lateness { const char *reason, *text, *stage; bool because; } reasons[] = {
    { LAUNCH_TIMEOUT, "the cloud did not finish the machine in time", "Launched", false },
    { "RegistrationTimeout", "the machine's Node did not join the cluster in time; look at its network, identity and boot log", "Registered", false },
    { "InitializationTimeout", "the machine's Node did not become usable in time", "Initialized", true },
    { "ProvisioningFailed", "the cloud could not make the machine work", "Launched", true },
};

errc replace_begin(struct work *w, const char *reason, struct err *e)
{
    if (kube_annotation(w->object, REPLACE_ANNOTATION))
        return ERR_OK;
    recorder_event(w->p->recorder, w->object, EVENT_WARNING, reason, "the machine is deleted and made anew");
    log_warn("provisioner", "a machine is given up", KV("name", kube_name(w->object)), KV("reason", reason));
    metrics_add(w->p->metrics, "kaito_provisioner_replacements_total", "reason=\"%s\"", reason);
    return claim_annotate(w, REPLACE_ANNOTATION, reason, e);
}

/* The cloud deletes the machine, or has; look_ms and held as ask_end said. A cloud that does not tell has begun when it took what it was asked. */
static bool has_begun(const struct work *w, int64_t look_ms, bool held)
{
    const struct cloud *cloud = w->p->cloud;

    return look_ms == 0 || (cloud->ends ? cloud->ends(cloud->self, kube_name(w->object)) : !held);
}

/*
 * A cloud that refuses to delete what it still makes would delete it as soon as it is there, only to make another: what comes late is kept. So a deletion is
 * asked for only where a look has just said that the machine is on its way, and nothing is told before it has begun.
 */
errc replace_launch(struct work *w, struct reconcile_result *out, struct err *e)
{
    int64_t look_ms;
    bool held;

    TRY(advance(w, out, e));
    if (!w->making)
        return ERR_OK;
    if (ask_end(w->p, kube_name(w->object), RETRY_MAX_MS, &look_ms, &held, e))
        return err_wrap(e, "delete the machine of %s", kube_name(w->object));
    if (held || !has_begun(w, look_ms, false)) {
        out->requeue_after_ms = sooner_ms(out->requeue_after_ms, look_ms);
        return ERR_OK;
    }
    return replace_begin(w, LAUNCH_TIMEOUT, e);
}

static const struct lateness *lateness_of(const char *reason)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (streq(reasons[i].reason, reason))
            return &reasons[i];
    return NULL;
}

/* The message is written once, while the stage still says why. */
static char *text_of(const json_t *claim, const char *reason, const struct lateness *late)
{
    const json_t *stage = late ? kube_condition(claim, late->stage) : NULL, *launched = kube_condition(claim, "Launched");
    const json_t *told = streq(json_cstr(stage, "reason"), reason) ? stage : streq(json_cstr(launched, "reason"), reason) ? launched : NULL;
    const char *why = late && late->because ? json_cstr(stage, "message") : NULL;

    if (told)
        return xstrdup(json_cstr(told, "message"));
    return xasprintf("%s%s%s; next: the machine is deleted and made anew", late ? late->text : reason, str_set(why) ? ": " : "", str_set(why) ? why : "");
}

static int64_t attempts_of(const json_t *claim)
{
    const char *text = kube_annotation(claim, ATTEMPTS_ANNOTATION);
    int64_t n = 0;

    return text && str_to_i64(str_of(text), &n) && n > 0 ? n : 0;
}

/* first_ms after the first machine; doubles. Below 0: none. */
static int64_t pause_ms(int64_t first_ms, int64_t attempts)
{
    int64_t ms = first_ms;

    if (first_ms < 0)
        return 0;
    for (int64_t i = 1; i < attempts && ms < PAUSE_MAX_MS; i++)
        ms *= 2;
    return attempts >= ATTEMPTS_MAX || ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : ms;
}

static bool is_lost(const json_t *claim, const char *reason)
{
    const json_t *launched = kube_condition(claim, "Launched");

    return streq(json_cstr(launched, "reason"), reason) && !streq(json_cstr(launched, "status"), "True");
}

enum telling { TELL_LATE, TELL_LOST, TELL_LOST_FOR_GOOD };

static errc tell(struct work *w, const char *reason, enum telling what, struct err *e)
{
    const struct lateness *late = lateness_of(reason);
    bool there = what == TELL_LATE && late && !streq(late->stage, "Launched") && !is_lost(w->object, reason);
    AUTO_MEM char *text = text_of(w->object, reason, late);
    AUTO(claim_plan_done) struct claim_plan plan = { 0 };
    const struct claim_view view = { .claim = &w->claim, .object = w->object, .nodes = w->nodes,
                                     .late = there ? reason : NULL, .late_stage = there ? late->stage : NULL, .late_text = text,
                                     .lost = there ? NULL : reason, .lost_text = text, .lost_for_good = what == TELL_LOST_FOR_GOOD };

    claim_plan(&view, w->op->now_ms, &plan);
    if (!plan.status)
        return ERR_OK;
    json_t *patch = json_object();

    json_put(patch, "status", json_incref(plan.status));
    return claim_patch(w, "status", patch, e);
}

static errc replaced(struct work *w, const char *reason, struct reconcile_result *out, struct err *e)
{
    int64_t attempts = attempts_of(w->object) + 1;
    json_t *patch = json_object(), *notes = json_sub(json_sub(patch, "metadata"), "annotations");

    TRY(tell(w, reason, attempts >= ATTEMPTS_MAX ? TELL_LOST_FOR_GOOD : TELL_LOST, e));
    json_put(notes, REPLACE_ANNOTATION, json_null());
    json_put(notes, ATTEMPTS_ANNOTATION, json_strf("%lld", (long long)attempts));
    json_put(notes, CLOUD_OPERATION_ANNOTATION, json_null());
    json_put(notes, LAUNCH_STARTED_ANNOTATION, json_null());
    TRY(claim_patch(w, NULL, patch, e));
    out->requeue_after_ms = pause_ms(w->p->o.timers.replace_pause_ms, attempts);
    (void)forget_notice(w->p, kube_name(w->object));
    hold(w->p, kube_name(w->object), out->requeue_after_ms);
    return ERR_OK;
}

errc replace(struct work *w, bool *out_done, struct reconcile_result *out, struct err *e)
{
    const char *annotated = kube_annotation(w->object, REPLACE_ANNOTATION);
    const json_t *node;
    bool held;
    size_t i;

    *out_done = !annotated;
    if (!annotated)
        return ERR_OK;
    AUTO_MEM char *reason = xstrdup(annotated);

    TRY(tell(w, reason, TELL_LATE, e));
    if (ask_end(w->p, kube_name(w->object), RETRY_MAX_MS, &out->requeue_after_ms, &held, e))
        return err_wrap(e, "delete the machine of %s", kube_name(w->object));
    if (has_begun(w, out->requeue_after_ms, held))
        TRY(tell(w, reason, TELL_LOST, e));
    if (out->requeue_after_ms > 0)
        return ERR_OK;
    json_array_foreach(w->nodes, i, node)
        TRY(node_release(w->p, node, e));
    return replaced(w, reason, out, e);
}
