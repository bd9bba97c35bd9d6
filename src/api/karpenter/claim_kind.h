/*
 * The two kinds of objects that ask for a machine: karpenter.sh/v1 NodeClaim, and the legacy karpenter.sh/v1alpha5 Machine where the cluster
 * knows no other. Everything is planned and read as a NodeClaim; where objects come and go they are translated. A Machine's conditions are
 * called MachineLaunched ..., it names no NodeClass and does not expire, and another label says in which pool its Node is.
 * Source: reference dossier, provisioner, 1.5; the requirements are those of upstream's manager of that time. Used by both who asks for
 * machines and who makes them.
 */
#ifndef API_KARPENTER_CLAIM_KIND_H
#define API_KARPENTER_CLAIM_KIND_H

#include "kube/kube.h"

#define UID_ANNOTATION      "kaito.sh/workspace-uid"    /* on what brings machines: of the Workspace that it was made for */
#define PROVISIONER_ANNOTATION "kaito.sh/provisioner"   /* on every claim that a provisioner took: which one; others leave it alone */

struct claim_kind {
    struct kube_gvr gvr;
    const char *kind, *api_version;
    const char *prefix;                 /* of the condition types Launched, Registered, Initialized; "" for NodeClaims */
    const char *pool_label, *pool;      /* on what we ask with, and so on its Node: those of the user's own have no such label */
};
extern const struct claim_kind claim_kind_node_claim, claim_kind_machine;

/* Of an object by its apiVersion and kind; NULL: it asks for no machine. */
const struct claim_kind *claim_kind_of(const json_t *obj);

/* Changes status.conditions from the kind's names to a NodeClaim's, or back. obj is the caller's own. */
void claim_kind_in(const struct claim_kind *k, json_t *obj);
void claim_kind_out(const struct claim_kind *k, json_t *obj);
json_t *machine_read(json_t *obj);      /* an informer's transform: claim_kind_in for Machines */

/* Takes a NodeClaim that is to be created and returns what asks for the same in this kind. */
json_t *claim_kind_render(const struct claim_kind *k, json_t *claim);

/*
 * Which kind to ask with: NodeClaims where they are served, Machines where only they are. Where both are, a manager or provisioner of ours may
 * have begun with Machines (one of its annotations is on them): as long as such a one is there, and no NodeClaim like it, they stay the kind,
 * so that nobody loses sight of them. NULL: neither is served.
 */
struct claim_kinds_seen { bool claims_served, machines_served, our_claims, our_machines; };
const struct claim_kind *claim_kind_choice(const struct claim_kinds_seen *s);
/* What the API says now. */
errc claim_kinds_see(struct kube_client *client, struct claim_kinds_seen *out, struct err *e);
/* CANCELLED: it is the other one by now, and whoever goes on with k does not see what is asked for. Fine where neither is served just now. */
errc claim_kind_holds(struct kube_client *client, const struct claim_kind *k, struct err *e);

#endif
