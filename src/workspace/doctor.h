/*
 * Why a Workspace is not ready, as a tree: conditions, NodeClaims with their cloud's error, nodes, pods with image, probe, exit code and last
 * log line; each with the next command. Made of what was read from the API; pure. `kaito doctor`.
 *
 * A finding: {level, text, next: [command], children: [finding]}; levels are "ok", "note", "wait", "warn", "fail".
 */
#ifndef WORKSPACE_DOCTOR_H
#define WORKSPACE_DOCTOR_H

#include "base/json.h"

/*
 * facts: {workspace, claims, nodes, pods, events, statefulset, job, logs: {"POD/CONTAINER": last line}}; what is absent counts as "there is
 * none". nodes are all of the cluster; pods and claims may be of others too. New reference.
 */
json_t *workspace_diagnose(const json_t *facts, int64_t now_ms);
/* The containers whose last log line would tell something: [{pod, container, previous}]. New reference. */
json_t *workspace_log_wishes(const json_t *facts);

json_t *finding(const char *level, const char *fmt, ...) PRINTF(2, 3);
json_t *finding_add(json_t *parent, json_t *child);     /* takes child and returns it, borrowed; the parent becomes at least as bad */
void finding_next(json_t *f, const char *fmt, ...) PRINTF(2, 3);
bool finding_is_bad(const json_t *f);                   /* fail */
void findings_text(const json_t *f, struct buf *out);

#endif
