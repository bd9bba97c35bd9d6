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
    const char *stream_reason;          /* why there can be none; NULL */
    const json_t *other_job, *other_serving;    /* somebody else's objects that have names we need; NULL: none */
};

/* By uid, so that a stale cache can never delete the successor of the same name. */
void remove_object(struct planner *p, const char *api, const char *kind, const json_t *object);
void requeue(struct planner *p, int64_t ms);
bool is_of_revision(const struct planner *p, const json_t *object);
/* What cannot be done now and is tried again: every condition ends with it (status_finish), an event tells it once. */
void plan_fails(struct planner *p, const char *reason, const struct err *e);
bool was_told(const struct workspace *ws, const char *text);            /* by one of its conditions */

bool plan_stream(struct planner *p);            /* false: it cannot be */
void report_stream_failure(struct planner *p);  /* then, after the nodes */
bool report_stream(struct planner *p);          /* after the nodes; false: the mirror is waited for */
/* A merge patch of what is there, for the caller to fill; it meets no successor of the same name. Borrowed. */
json_t *mend_object(struct planner *p, const char *api, const char *kind, const json_t *object);
/* owner.c: hides objects of others from the view, and plans to adopt ours that lost their owner. */
void plan_owners(struct planner *p, struct ws_view *view);
/* True when `by` is somebody else's object: condition `type` says whose. */
bool name_is_taken(struct planner *p, const char *type, const json_t *by);

bool plan_serving(struct planner *p);           /* sets InferenceReady; true when it is True */
void plan_inference(struct planner *p);
void plan_tuning(struct planner *p);

#endif
