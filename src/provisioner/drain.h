/*
 * How a Node is emptied: which of its pods leave now, by which way, and which are only waited for. Pure: unit-tested with tables.
 * Source: reference dossier, provisioner, 2.5.
 *
 * Four groups, one after another: pods, pods of DaemonSets, critical pods, critical pods of DaemonSets. Nobody waits for pods that have
 * ended, static pods, pods that tolerate the taint of a Node on its way out, and pods that should have ended a minute ago.
 */
#ifndef PROVISIONER_DRAIN_H
#define PROVISIONER_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define DISRUPTED_TAINT "karpenter.sh/disrupted"

enum drain_step {
    DRAIN_WAIT,                         /* it leaves by itself, or asked not to be disturbed before the deadline */
    DRAIN_EVICT,                        /* PodDisruptionBudgets may refuse */
    DRAIN_DELETE,                       /* the deadline is so near that its grace period must begin; budgets hold no longer */
};
struct drain_pod { const json_t *pod; enum drain_step step; int64_t grace_s; };        /* grace_s: of DRAIN_DELETE */
struct drain { struct drain_pod *items; size_t n, cap; };       /* the group whose turn it is; none: the Node is empty */
void drain_done(struct drain *d);

/* pods: an array, those of the Node; borrowed by *out. deadline_ms: wall time; 0: there is none. */
void drain_plan(const json_t *pods, int64_t now_ms, int64_t deadline_ms, struct drain *out);
bool drain_ignores(const json_t *pod, int64_t now_ms);

#endif
