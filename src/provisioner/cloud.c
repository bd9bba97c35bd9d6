/* What every cloud shares: the values it returns and the table of its failures. */
#include "provisioner/cloud.h"

#include "base/mem.h"

#define SECOND 1000LL
#define MINUTE (60 * SECOND)

void cloud_instance_done(struct cloud_instance *i)
{
    free(i->claim);
    free(i->provider_id);
    free(i->image_id);
    free(i->instance_type);
    free(i->operation);
    json_decref(i->labels);
    *i = (struct cloud_instance){ 0 };
}

void cloud_instances_done(struct cloud_instances *l)
{
    for (size_t i = 0; i < l->n; i++)
        cloud_instance_done(&l->items[i]);
    free(l->items);
    *l = (struct cloud_instances){ 0 };
}

struct cloud_instance *cloud_instances_add(struct cloud_instances *l)
{
    vec_grow(l->items, l->n, l->cap);
    l->items[l->n] = (struct cloud_instance){ 0 };
    return &l->items[l->n++];
}

void cloud_free(struct cloud *c)
{
    if (c)
        c->free(c->self);
}

/* Source: reference dossier, provisioner, 3.7 (classes) and 8.2 (times). */
static const struct cloud_fault_row rows[FAULT_COUNT] = {
    [FAULT_OTHER] = { "LaunchFailed", "Unknown", SECOND, MINUTE, "it is tried again" },
    [FAULT_TRANSIENT] = { "LaunchRetrying", "Unknown", SECOND, MINUTE, "it is tried again" },
    [FAULT_THROTTLED] = { "Throttled", "Unknown", 5 * SECOND, 5 * MINUTE, "the cloud asked to wait; it is tried again then" },
    [FAULT_BUSY] = { "CloudBusy", "Unknown", 15 * SECOND, MINUTE, "another operation runs on the cluster; it is tried again after it" },
    [FAULT_QUOTA] = { "QuotaExceeded", "False", 10 * MINUTE, 60 * MINUTE, "ask for more quota of this machine family or free some; it is tried again" },
    [FAULT_CAPACITY] = { "InsufficientCapacity", "Unknown", MINUTE, 15 * MINUTE, "the region has none left now; it is tried again, or choose another instance type" },
    [FAULT_TYPE] = { "InstanceTypeUnavailable", "False", 0, 0, "choose an instance type that the subscription may use in this region" },
    [FAULT_SPEC] = { "InvalidSpec", "False", 0, 0, "a claim's spec cannot change: delete the claim and make a right one" },
    [FAULT_AUTH] = { "Unauthorized", "Unknown", MINUTE, 5 * MINUTE, "check the identity, its federated credential and its role; it is tried again" },
    [FAULT_POLICY] = { "DeniedByPolicy", "False", 60 * MINUTE, 60 * MINUTE, "a policy or a lock of the subscription forbids it; it is tried again each hour" },
    [FAULT_CLUSTER_GONE] = { "ClusterNotFound", "False", 5 * MINUTE, 60 * MINUTE, "check subscription, resource group and cluster name; it is tried again" },
    [FAULT_NOT_OURS] = { "NameTaken", "False", 0, 0, "a machine of that name belongs to somebody else and is left alone: delete the claim" },
    [FAULT_PROVISIONING] = { "ProvisioningFailed", "Unknown", MINUTE, 15 * MINUTE, "what was left of it is deleted, then it is tried again" },
};

const struct cloud_fault_row *cloud_fault_row(enum cloud_fault f)
{
    return &rows[f];
}

int64_t cloud_fault_wait_ms(enum cloud_fault f, int64_t failing_ms)
{
    const struct cloud_fault_row *r = &rows[f];

    if (!r->max_ms)
        return -1;
    return failing_ms < r->first_ms ? r->first_ms : failing_ms > r->max_ms ? r->max_ms : failing_ms;
}

bool cloud_fault_is_final(const char *reason)
{
    for (size_t i = 0; i < FAULT_COUNT; i++)
        if (streq(rows[i].reason, reason))
            return !rows[i].max_ms;
    return false;
}
