/*
 * What an API server asks before it stores a Workspace, from the JSON it sends: decoding as strictly as Go does, then the rules of
 * workspace/validate.h with what they must know of the cluster. For admission webhooks and `kaito validate`.
 */
#ifndef WORKSPACE_REVIEW_H
#define WORKSPACE_REVIEW_H

#include "workspace/models.h"
#include "workspace/validate.h"

/* How to look into the cluster. get: a new reference, or NULL when there is none; ns NULL or "" for cluster-scoped kinds. */
struct ws_cluster {
    json_t *(*get)(void *self, const char *kind, const char *ns, const char *name);
    /* New reference: the Nodes with all of these labels, as an array; at least those. Without labels: all. */
    json_t *(*nodes)(void *self, const json_t *labels);
    void *self;
    const struct model_hub *hub;                /* NULL: only models of the catalogue are known */
    /* Instead of the hub, when set: of inference.preset, *out or why it is refused; both NULL lets it through. */
    void (*model)(void *self, const struct workspace *ws, struct arena *a, const struct preset **out, const char **problem);
};

/*
 * What the preset of inference or tuning is, for the planner: *out, or why it is not known, in the words of upstream's reconciler.
 * Both NULL when there is no preset. Results live in the arena or for ever.
 */
void ws_model_look_up(const struct ws_cluster *c, const struct workspace *ws, struct arena *a, const struct preset **out, const char **problem);

/*
 * ERR_OK: admitted. ERR_INVALID: *refusal holds the text behind `admission webhook "..." denied the request: `.
 * object (and old, for WS_UPDATE) as sent by the API server: pruned and defaulted, of either version.
 */
errc workspace_review(enum ws_operation op, const json_t *object, const json_t *old, const struct workspace_settings *s,
                     const struct ws_cluster *cluster, struct buf *refusal);

#endif
