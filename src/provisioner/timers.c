#include "provisioner/timers.h"

#include "base/clock.h"
#include "kube/meta.h"

#define MINUTE 60000LL

static int64_t given(int64_t value, int64_t fallback)
{
    return value ? value : fallback;
}

void claim_timers_fill(struct claim_timers *t)
{
    *t = (struct claim_timers){
        .launch_ms = given(t->launch_ms, 30 * MINUTE), .registration_ms = given(t->registration_ms, 15 * MINUTE),
        .initialization_ms = given(t->initialization_ms, 20 * MINUTE), .replace_pause_ms = given(t->replace_pause_ms, MINUTE),
        .drain_ms = given(t->drain_ms, 30 * MINUTE), .alarm_ms = given(t->alarm_ms, 30 * MINUTE),
        .repair_ms = given(t->repair_ms, 10 * MINUTE), .repair_pause_ms = given(t->repair_pause_ms, 10 * MINUTE),
        .collect_ms = given(t->collect_ms, 2 * MINUTE), .collect_grace_ms = given(t->collect_grace_ms, 2 * MINUTE),
    };
}

static int64_t since_ms(const json_t *claim, const char *condition)
{
    return kube_time_ms(json_cstr(kube_condition(claim, condition), "lastTransitionTime"));
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

struct stage { const char *reason; int64_t start_ms, limit_ms; };       /* start_ms 0: not begun */

static struct stage stage_of(const json_t *claim, const struct claim_timers *t)
{
    if (!kube_condition_is(claim, "Launched", "True"))
        return (struct stage){ LAUNCH_TIMEOUT, kube_time_ms(kube_annotation(claim, LAUNCH_STARTED_ANNOTATION)), t->launch_ms };
    if (streq(json_cstr(kube_condition(claim, "Registered"), "reason"), "MultipleNodesFound"))
        return (struct stage){ 0 };     /* a person must say which Node is the right one */
    if (!kube_condition_is(claim, "Registered", "True"))
        return (struct stage){ "RegistrationTimeout", later(since_ms(claim, "Launched"), since_ms(claim, "Registered")), t->registration_ms };
    if (!kube_condition_is(claim, "Initialized", "True"))
        return (struct stage){ "InitializationTimeout", since_ms(claim, "Registered"), t->initialization_ms };
    return (struct stage){ 0 };
}

const char *claim_overdue(const json_t *claim, const struct claim_timers *t, int64_t now_ms, int64_t *out_left_ms)
{
    struct stage s = stage_of(claim, t);

    *out_left_ms = 0;
    if (!s.start_ms || s.limit_ms < 0)
        return NULL;
    if (now_ms >= s.start_ms + s.limit_ms)
        return s.reason;
    *out_left_ms = s.start_ms + s.limit_ms - now_ms;
    return NULL;
}

int64_t launch_late_ms(const json_t *claim, const struct claim_timers *t, int64_t now_ms)
{
    struct stage s = stage_of(claim, t);

    return s.start_ms && s.limit_ms >= 0 && streq(s.reason, LAUNCH_TIMEOUT) ? now_ms - s.start_ms - s.limit_ms : -1;
}

int64_t node_repair_wait_ms(const json_t *node, const struct claim_timers *t, int64_t now_ms)
{
    const json_t *ready = kube_condition(node, "Ready");
    int64_t since = kube_time_ms(json_cstr(ready, "lastTransitionTime"));

    if (!ready || !since || t->repair_ms < 0 || streq(json_cstr(ready, "status"), "True"))
        return -1;
    return later(since + t->repair_ms - now_ms, 0);
}

bool node_repair_is_braked(size_t nodes, size_t unready)
{
    return nodes >= 3 && 2 * unready > nodes;
}

int64_t claim_expiry_wait_ms(const struct node_claim *c, int64_t now_ms)
{
    int64_t lasts;

    if (str_empty(c->spec.expire_after) || str_is(c->spec.expire_after, "Never") || !duration_parse_ms(c->spec.expire_after, &lasts))
        return -1;
    return later(c->meta.created_us / 1000 + lasts - now_ms, 0);
}

int64_t claim_drain_deadline_ms(const struct node_claim *c, const json_t *claim, const struct claim_timers *t)
{
    int64_t said = kube_time_ms(kube_annotation(claim, TERMINATION_ANNOTATION)), deleted = c->meta.deleted_us / 1000, lasts;

    if (said)
        return said;
    if (!str_empty(c->spec.termination_grace_period) && duration_parse_ms(c->spec.termination_grace_period, &lasts))
        return deleted + lasts;
    return t->drain_ms < 0 ? 0 : deleted + t->drain_ms;
}
