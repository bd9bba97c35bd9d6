/* What the files of the Azure cloud share. */
#ifndef PROVISIONER_AZURE_PRIV_H
#define PROVISIONER_AZURE_PRIV_H

#include <stdatomic.h>

#include "base/map.h"
#include "provisioner/azure/arm.h"
#include "provisioner/azure/cloud_azure.h"
#include "provisioner/azure/endpoints.h"

/*
 * All pools of the cluster as one LIST saw them. What looks like many GETs is answered from it, because AKS allows one read a second;
 * ARM is eventually consistent, so a look after a write asks for a snapshot that began later.
 */
struct pools;
struct pools *pools_new(struct arm *arm, const char *url);
void pools_free(struct pools *p);
DEFINE_AUTO_FREE(pools)
#define POOLS_AGE_MS 10000
/* *out: name -> pool, yours; taken after `after_ms` (monotonic) and at most POOLS_AGE_MS ago. One thread lists, the others wait. */
errc pools_look(struct pools *p, int64_t after_ms, json_t **out, struct arm_refusal *why, struct err *e);
json_t *pools_known(struct pools *p, int64_t after_ms);      /* the same where nothing need be asked; NULL: it must. New reference */
json_t *pools_last(struct pools *p);    /* the last look, however old; NULL: there was none. New reference */
size_t pools_pages(struct pools *p);    /* requests that the last LIST took; 0: there was none */
void pools_forget(struct pools *p);     /* what is known is old: somebody else writes too */

/* What this process did to a pool and when (monotonic): a restart forgets it, and finds out from the pools again. */
struct pool_writes {
    int64_t put_ms, delete_ms;          /* 0: never */
    int64_t seen_ms;                    /* when a look by name, not a list, showed it last; 0: none did */
    int64_t followed_ms;                /* since when this process looks at its creation, which another one began; 0: it does not */
    int64_t near_ms;                    /* since when its Node has been ready before its creation was done; 0: it has not */
    int64_t going_ms;                   /* since when a creation has been waiting for one that goes; 0: it does not, or has made the next */
    int64_t unfinished_ms;              /* when it was seen on its way, in or out: the next look wants a newer list; 0: never */
    struct arm_operation deletion;      /* style 0: none is followed */
    int64_t look_ms;                    /* no operation of it is looked at before, */
    int64_t soonest_ms;                 /* and when there is a reason to hurry, not before this: what ARM asked for, or a second */
    bool making;                        /* its creation is counted in azure.making */
    bool met, inherited;                /* this process has asked for it, or was the one to take its claim; another one may have begun it, which no look by name has told yet */
    bool hurried, asked;                /* its Node says that the end is near; ARM said when to look */
    unsigned unanswered;                /* looks at it, one after the other, that said nothing */
    int64_t busy_ms;                    /* since when another operation keeps its deletion from beginning; 0: none does */
    uint64_t spent;                     /* the operation that failed and was dealt with, as a hash of its text in the claim; 0: none was */
    uint64_t done;                      /* the one that made the machine, likewise: the claim may not say so yet */
    char *image;                        /* what ARM says its Node runs (nodeImageVersion); NULL: not known */
};

#define AZURE_LAG_MS 60000              /* a LIST may miss what was made so short ago */
/* What a look must be younger than: the last write, and while something is on its way a few seconds, as often as the budget allows a LIST. */
int64_t pools_after(const struct pool_writes *w, int64_t now_ms);

struct azure {
    struct cloud cloud;
    struct azure_endpoints endpoints;
    struct http_client *http;
    struct azure_auth *auth;
    struct cancel *cancel;              /* NULL: none */
    struct arm *arm;
    struct pools *pools;
    char *pools_url;                    /* without the query */
    struct pool_settings settings;
    struct http_pairs headers;

    atomic_int making;                  /* creations on their way, as far as this process knows */
    struct mutex mu;                    /* a leaf; guards writes, not what they point to: no two calls are for the same claim */
    struct map *writes;                 /* pool name -> struct pool_writes */
};

struct pool_writes *azure_writes(struct azure *a, const char *pool);    /* made when absent */
void azure_writes_forget(struct azure *a, const char *pool);
void azure_making(struct azure *a, struct pool_writes *w, bool making);         /* its creation is on its way, or no more */
bool azure_is_young(const struct azure *a, const struct pool_writes *w);        /* made by this process so short ago that a LIST may miss it */
bool azure_is_asked_to_end(const struct pool_writes *w);        /* by this process, since it was made */
char *azure_pool_url(const struct azure *a, const char *pool);          /* malloc'd */
/* One pool as it is now, yours; NULL: there is none. */
errc azure_pool_by_name(struct azure *a, const char *name, json_t **out, struct arm_refusal *why, struct err *e);
/* Not a foreign pool, not one of mode System; *out is filled then. */
bool azure_pool_is_ours(const json_t *pool, struct cloud_instance *out);
/* Sends DELETE for a pool as it was seen. *gone: it was not there. */
errc azure_delete_pool(struct azure *a, const char *name, const json_t *seen, struct pool_writes *w, bool *gone, struct arm_refusal *why, struct err *e);

/*
 * How long to leave ARM alone: what it asked for, else patience_ms within bounds. Few looks are needed: a Node that becomes ready or goes brings one
 * (hurry). Those in between find what failed: after 4 s, after 8, and then each time when three times as much time has passed.
 */
int64_t azure_look_ms(int64_t patience_ms, int64_t asked_ms);
int64_t azure_patience_ms(int64_t elapsed_ms);
#define AZURE_DELETION_MS 15000         /* to the first look at a deletion: nothing is wrong while it lasts */
/* When an operation is looked at next. */
void azure_look_later(struct pool_writes *w, int64_t now_ms, int64_t look_ms, int64_t asked_ms);

errc azure_create(void *self, const struct node_claim *claim, struct cloud_instance *out, struct cloud_failure *why, struct err *e);
errc azure_get(void *self, const char *claim_name, struct cloud_instance *out, struct err *e);
errc azure_list(void *self, struct cloud_instances *out, struct err *e);
void azure_taken(void *self, const char *claim_name);
void azure_hurry(void *self, const char *claim_name);
errc azure_delete(void *self, const char *claim_name, int64_t *out_look_ms, struct err *e);
bool azure_ends(void *self, const char *claim_name);     /* where an answer was lost it is not known, and false, until the pool is gone */

#endif
