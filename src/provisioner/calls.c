/* The cloud's functions as the life cycle calls them: timed, their failures counted, under Karpenter's names. */
#include "base/clock.h"
#include "base/mem.h"
#include "provisioner/priv.h"

static errc counted(struct provisioner *p, const char *method, int64_t started_ms, errc rc)
{
    metrics_observe(p->metrics, "karpenter_cloudprovider_duration_seconds", (double)(clock_mono_ms() - started_ms) / 1000,
                    "controller=\"nodeclaim.lifecycle\",method=\"%s\",provider=\"%s\"", method, p->cloud->name);
    if (rc && rc != ERR_NOT_FOUND)
        metrics_add(p->metrics, "karpenter_cloudprovider_errors_total", "controller=\"nodeclaim.lifecycle\",method=\"%s\",provider=\"%s\",error=\"%s\"", method,
                    p->cloud->name, err_name(rc));
    return rc;
}

errc ask_create(struct provisioner *p, const struct node_claim *c, struct cloud_instance *out, struct cloud_failure *why, struct err *e)
{
    int64_t started = clock_mono_ms();

    return counted(p, "Create", started, p->cloud->create(p->cloud->self, c, out, why, e));
}

errc ask_get(struct provisioner *p, const char *claim, struct cloud_instance *out, struct err *e)
{
    int64_t started = clock_mono_ms();

    return counted(p, "Get", started, p->cloud->get(p->cloud->self, claim, out, e));
}

errc ask_list(struct provisioner *p, struct cloud_instances *out, struct err *e)
{
    int64_t started = clock_mono_ms();

    return counted(p, "List", started, p->cloud->list(p->cloud->self, out, e));
}

errc ask_delete(struct provisioner *p, const char *claim, int64_t *out_look_ms, struct err *e)
{
    int64_t started = clock_mono_ms();

    return counted(p, "Delete", started, p->cloud->delete(p->cloud->self, claim, out_look_ms, e));
}

#define RETRY_MS 1000
#define GONE_MS 1000                    /* until our cache knows that the claim went with its machine */

/* As long again as it has failed. */
static int64_t retry_ms(struct provisioner *p, const char *key, int64_t max_ms)
{
    int64_t ms = failing_for_ms(p, key, clock_wall_ms());

    return ms < RETRY_MS ? RETRY_MS : ms > max_ms ? max_ms : ms;
}

errc ask_end(struct provisioner *p, const char *claim, int64_t retry_max_ms, int64_t *out_look_ms, bool *out_held, struct err *e)
{
    AUTO_MEM char *key = end_key(claim);

    *out_look_ms = hold_left_ms(p, key);
    *out_held = *out_look_ms > 0;
    if (*out_held)
        return ERR_OK;
    errc rc = ask_delete(p, claim, out_look_ms, e);

    if (!rc)
        no_longer_failing(p, key);
    hold(p, key, rc ? retry_ms(p, key, retry_max_ms) : *out_look_ms > 0 ? *out_look_ms : GONE_MS);
    return rc;
}
