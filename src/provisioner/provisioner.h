/*
 * The node provisioner: a NodeClaim becomes a machine (cloud.h), its Node is registered and initialized, and when the claim goes the
 * Node is emptied, the machine deleted, the finalizer removed last. Works on any Kubernetes; may be killed at any instant.
 *
 * Ours are claims of nodeClassRef kaito.sh/KaitoNodeClass and those labelled kaito.sh/workspace or kaito.sh/ragengine.
 * Conditions and texts: reference dossier, provisioner, 1.2 and 2.3.
 */
#ifndef PROVISIONER_PROVISIONER_H
#define PROVISIONER_PROVISIONER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "base/thread.h"
#include "provisioner/cloud.h"
#include "provisioner/timers.h"

struct kube_client;

enum collect_mode { COLLECT_ON, COLLECT_DRY_RUN, COLLECT_OFF };

struct provisioner_opts {
    struct cloud *cloud;                /* borrowed until _join returned */
    const char *name;                   /* of this provisioner, on its claims; NULL: they are not marked */
    const char *class_group;            /* claims of this nodeClassRef group are ours as well; NULL: none */
    bool install_crds;                  /* create the NodeClaim CRD when there is neither it nor the Machine's */
    bool wait_to_lead;                  /* nothing is written before provisioner_lead */
    bool node_repair, expiration, drift;        /* feature gates */
    enum collect_mode collect;
    int workers;                        /* 0: 4 */
    struct claim_timers timers;
};

struct provisioner;
errc provisioner_start(struct kube_client *client, const struct provisioner_opts *o, struct cancel *cancel, struct provisioner **out, struct err *e);
void provisioner_lead(struct provisioner *p);   /* once, after a start with wait_to_lead */
/* Waits until cancel; what a burst of work leaves free goes back to the system once it is over. */
void provisioner_idle(struct provisioner *p, struct cancel *cancel);
bool provisioner_ready(const struct provisioner *p);
void provisioner_metrics(struct provisioner *p, struct buf *out);
void provisioner_join(struct provisioner *p);   /* after cancel; NULL is fine */

/* What the collectors would delete if they ran now, whatever its age: array of {kind, name, providerID, ageSeconds, next}. New reference. */
errc provisioner_orphans(struct kube_client *client, struct cloud *cloud, const char *class_group, json_t **out, struct err *e);

#endif
