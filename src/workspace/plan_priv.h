/* What the files of the plan share. */
#ifndef WORKSPACE_PLAN_PRIV_H
#define WORKSPACE_PLAN_PRIV_H

#include "workspace/priv.h"

struct planner {
    const struct ws_view *v;
    int64_t now_ms;
    struct ws_plan *out;
    struct node_state nodes;
    struct status_builder status;
    char hash[65], revision[24];
    const char *state;
    bool streams, stream_waits;         /* weights come from a mirror; it is not ready */
};

/* By uid, so that a stale cache can never delete the successor of the same name. */
void remove_object(struct planner *p, const char *api, const char *kind, const json_t *object);
void requeue(struct planner *p, int64_t ms);
bool is_of_revision(const struct planner *p, const json_t *object);
/* What cannot be done now and is tried again: every condition ends with it (status_finish), an event tells it once. */
void plan_fails(struct planner *p, const char *reason, const struct err *e);

bool plan_stream(struct planner *p);            /* false: it cannot be; told */
bool report_stream(struct planner *p);          /* after the nodes; false: the mirror is waited for */
bool plan_serving(struct planner *p);           /* sets InferenceReady; true when it is True */
void plan_inference(struct planner *p);
void plan_tuning(struct planner *p);

#endif
