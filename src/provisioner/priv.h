/* What the life cycle's files share: the provisioner itself, one reconcile's view of a claim, and the verbs of its stages. */
#ifndef PROVISIONER_PRIV_H
#define PROVISIONER_PRIV_H

#include "api/karpenter/claim_kind.h"
#include "base/map.h"
#include "kube/behind.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/meta.h"
#include "provisioner/lifecycle.h"
#include "provisioner/metrics.h"
#include "provisioner/provisioner.h"

struct collector;

struct provisioner {
    struct kube_client *client;
    struct cloud *cloud;
    struct cancel *cancel;
    struct provisioner_opts o;          /* timers filled in */
    const struct claim_kind *kind;
    struct informers *informers;
    struct informer *claims, *nodes, *pods;
    struct controller *controller;
    struct recorder *recorder;
    struct metrics *metrics;
    struct collector *collector;        /* NULL: not wanted, or we do not lead yet */
    struct behind *behind;              /* claims that the cache shows as they were before our writes */

    struct mutex mu;                    /* a leaf; guards what follows */
    struct map *holds;                  /* claim name, or end_key -> int64_t: until then (monotonic ms) the cloud is not asked */
    struct map *failing;                /* claim name, or end_key -> int64_t: since when the cloud gives no good answer (wall ms) */
    struct map *types;                  /* claim name -> size_t: which of its instance types is tried */
    struct map *lost;                   /* names of claims that went while their machine was made */
    struct map *noticed;                /* keys of claims whose Node's coming or going was acted on */
    int64_t repaired_ms;                /* monotonic; 0: nothing yet */
};

struct work {                           /* one reconcile */
    struct provisioner *p;
    struct op *op;
    json_t *object;                     /* the arena's; follows what this reconcile writes */
    bool written;                       /* object is the API server's answer to a write, not the cache's copy */
    bool taken;                         /* the claim got its finalizer in this reconcile */
    bool making;                        /* the cloud was asked in this reconcile, and makes the machine still */
    struct node_claim claim;            /* as it was read */
    json_t *nodes;                      /* with the claim's providerID or label, or owned by it */
};

extern const struct kube_gvr nodes_gvr, pods_gvr;

/* ---- claim.c ---- */

/* Those of the claim; of two the one that is its own while the claim lives. The arena's. */
json_t *claim_nodes(struct work *w);
/* Writes a claim with the resourceVersion that this reconcile last saw; takes patch. `sub`: NULL or "status". */
errc claim_patch(struct work *w, const char *sub, json_t *patch, struct err *e);
errc claim_annotate(struct work *w, const char *key, const char *value /* NULL removes */, struct err *e);
errc claim_set_finalizer(struct work *w, bool present, struct err *e);
/* Sets one condition when it differs. */
errc claim_tell(struct work *w, const struct kube_condition *c, struct err *e);
/* Deletes it for a reason of ours, which the condition DisruptionReason (upstream's type) says until it is gone. */
errc claim_disrupt(struct work *w, const char *reason, const char *text, struct err *e);
const char *claim_pool(const json_t *claim);    /* for metrics; "" when it has none */

/* ---- holds.c ---- */

void hold(struct provisioner *p, const char *claim, int64_t ms);        /* 0: no longer */
int64_t hold_left_ms(struct provisioner *p, const char *claim);
/* What the cloud said could not be written down: it is asked again soon, however long it wanted to be left alone. */
void hold_briefly(struct provisioner *p, const char *claim);
char *end_key(const char *claim);        /* of the holds of its deletion; no claim is called so. Yours */
/* How long the cloud has given no good answer about it, for one that it gives none; 0: this is the first. */
int64_t failing_for_ms(struct provisioner *p, const char *key, int64_t now_ms);
void no_longer_failing(struct provisioner *p, const char *key);
/* The Node told something that the cloud will say as well: the first time for this key the hold ends. The key is that of a hold. */
void notice(struct provisioner *p, const char *key);
bool forget_notice(struct provisioner *p, const char *key);     /* true: it was noticed */
void forget_claim(struct provisioner *p, const char *claim);
/* The claim was gone when its machine was to be written down: the machine is deleted once the cache knows, too. */
void lose_claim(struct provisioner *p, const char *claim);
bool claim_is_lost(struct provisioner *p, const char *claim);
/* The sooner of two waits; 0: none. */
int64_t sooner_ms(int64_t a, int64_t b);

/* The cloud's functions, counted and timed (calls.c). */
errc ask_create(struct provisioner *p, const struct node_claim *c, struct cloud_instance *out, struct cloud_failure *why, struct err *e);
errc ask_get(struct provisioner *p, const char *claim, struct cloud_instance *out, struct err *e);
errc ask_list(struct provisioner *p, struct cloud_instances *out, struct err *e);
errc ask_delete(struct provisioner *p, const char *claim, int64_t *out_look_ms, struct err *e);
/*
 * The same for the reconciles of a claim, which every event of the claim or its Node brings back: not before the cloud's own time, and after a
 * failure not for a second, then as long as it has been failing, at most retry_max_ms. *out_held: it was not asked.
 */
errc ask_end(struct provisioner *p, const char *claim, int64_t retry_max_ms, int64_t *out_look_ms, bool *out_held, struct err *e);

/* Stages (launch.c, replace.c, repair.c, drift.c, terminate.c). Each may ask to be called again through *out. */
errc advance(struct work *w, struct reconcile_result *out, struct err *e);
/* A machine that is given up: *out_done false while that goes on. */
errc replace(struct work *w, bool *out_done, struct reconcile_result *out, struct err *e);
errc replace_begin(struct work *w, const char *reason, struct err *e);
/* A launch that takes too long: the machine is given up once the cloud, asked now, has not finished it and takes its deletion. */
errc replace_launch(struct work *w, struct reconcile_result *out, struct err *e);
errc repair(struct work *w, bool *out_deleted, struct reconcile_result *out, struct err *e);
errc drift(struct work *w, bool *out_deleted, struct reconcile_result *out, struct err *e);
/* Until another claim may be given up (repair, drift): one in repair_pause_ms. 0: now, and the turn is taken. */
int64_t disruption_turn_ms(struct provisioner *p);
errc finalize(struct work *w, struct reconcile_result *out, struct err *e);

/* Lets a Node go whose machine is gone: deletes it, forces out what is left of its ended pods, takes our finalizer off. */
errc node_release(struct provisioner *p, const json_t *node, struct err *e);

struct collector *collector_start(struct provisioner *p, struct cancel *cancel);
void collector_join(struct collector *c);       /* after cancel; NULL is fine */

#endif
