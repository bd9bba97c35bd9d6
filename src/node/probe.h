/*
 * Probes of one container: startup, then readiness and liveness, as the kubelet runs them. A thread of its own per container with
 * probes; it tells its owner through a callback and knows nothing of processes.
 */
#ifndef NODE_PROBE_H
#define NODE_PROBE_H

#include "base/thread.h"
#include "node/pod_files.h"

enum probe_verdict {
    PROBE_STARTED,          /* the startup probe succeeded (or there is none) */
    PROBE_READY, PROBE_NOT_READY,
    PROBE_KILL,             /* startup or liveness failed too often: the container must be restarted */
    PROBE_FAILED,           /* one failure, for an event; message says what */
};
typedef void probe_told(void *self, enum probe_verdict v, const char *message);

struct prober;
/* told runs on the prober's thread. The plan is lent until prober_stop. */
struct prober *prober_start(const struct container_plan *plan, probe_told *told, void *self);
void prober_stop(struct prober *p);     /* joins and frees; NULL is fine; told is not called afterwards */

#endif
