/* What the files of the diagnosis share. */
#ifndef WORKSPACE_DOCTOR_PRIV_H
#define WORKSPACE_DOCTOR_PRIV_H

#include "workspace/doctor.h"
#include "workspace/priv.h"

/* One Workspace and what belongs to it. Borrowed from the facts and the arena. */
struct patient {
    const json_t *ws_json;
    const char *ns, *name;
    struct workspace ws;
    struct workspace_settings settings; /* as far as the objects tell */
    json_t *claims, *nodes, *pods;      /* its own */
    const json_t *statefulset, *job, *events, *logs;
    int64_t now_ms;
};
errc patient_read(const json_t *facts, int64_t now_ms, struct arena *a, struct patient *out, struct err *e);

/* nodes.c: claims and nodes, under `told` (taken; NULL: all is well). Adds to root. */
void diagnose_nodes(const struct patient *p, json_t *told, json_t *root);
/* pods.c: the pods of a Job or StatefulSet, below f */
void diagnose_pods(const struct patient *p, const char *owner_kind, json_t *f);
/* The newest Warning about an object, below f. */
void diagnose_events(const struct patient *p, const char *kind, const char *name, json_t *f);

#endif
