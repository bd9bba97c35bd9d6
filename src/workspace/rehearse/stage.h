/* A cluster in memory, made of the input of `kaito render` and `kaito validate`. One thread. */
#ifndef WORKSPACE_REHEARSE_STAGE_H
#define WORKSPACE_REHEARSE_STAGE_H

#include "workspace/review.h"
#include "workspace/priv.h"

struct stage {
    struct workspace_settings settings;
    const char **node_classes;          /* behind settings */
    json_t *ws;                         /* the Workspace as stored */
    json_t *objects;                    /* the cluster */
    json_t *writes;
    const json_t *huggingface;          /* what the hub answers, by id; borrowed */
    bool auto_nodes;
    int nodes_made;
};

/* ERR_BAD_REQUEST: an object without kind or name. */
errc stage_init(struct stage *st, const json_t *in, struct err *e);
void stage_done(struct stage *st);

/* As the API server stores it: pruned, defaulted, in a namespace. New reference. */
json_t *as_stored(const json_t *object);

json_t *stage_find(const struct stage *st, const char *kind, const char *ns, const char *name);        /* borrowed; NULL */
/* New reference: objects of this kind that carry the label (key NULL: all). */
json_t *stage_select(const struct stage *st, const char *kind, const char *key, const char *value);
/* The stage as what admission and model look-ups ask. */
struct model_hub stage_hub(struct stage *st);
struct ws_cluster stage_cluster(struct stage *st, const struct model_hub *hub);

#endif
