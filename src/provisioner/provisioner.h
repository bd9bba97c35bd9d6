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

struct kube_client;

struct provisioner_opts {
    struct cloud *cloud;                /* borrowed until _join returned */
    bool install_crds;                  /* create the NodeClaim CRD when absent */
    int workers;                        /* 0: 4 */
};

struct provisioner;
errc provisioner_start(struct kube_client *client, const struct provisioner_opts *o, struct cancel *cancel, struct provisioner **out, struct err *e);
bool provisioner_ready(const struct provisioner *p);
void provisioner_metrics(struct provisioner *p, struct buf *out);
void provisioner_join(struct provisioner *p);   /* after cancel; NULL is fine */

#endif
