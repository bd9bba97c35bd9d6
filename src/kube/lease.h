/*
 * Leader election over a coordination.k8s.io/v1 Lease, with client-go's times: a lease of 15 s, renewed every 2 s, given up when it could
 * not be renewed for 10 s; who waits looks twice as often, and when the lease runs out, so that a hand-over takes little more than a second, after a
 * leader's death little more than its lease. Released on a clean stop, so that the next one starts at once.
 */
#ifndef KUBE_LEASE_H
#define KUBE_LEASE_H

#include "kube/kube.h"

/*
 * The client should have no cancel token of its own, or the lease cannot be released when everything stops, and be in a hurry
 * (kube_client_hurry, half of renew_ms), or an API that does not answer hides that the lease has run out.
 */
struct leader;
struct leader_opts {
    const char *ns, *name;              /* of the Lease */
    const char *identity;               /* NULL: <hostname>_<uuid> */
    int64_t lease_ms, renew_ms, retry_ms;       /* 0: 15000, 10000, 2000 */
};
struct leader *leader_new(struct kube_client *c, const struct leader_opts *o);
/* Blocks until we lead (ERR_OK) or stop fires (CANCELLED). */
errc leader_acquire(struct leader *l, struct cancel *stop, struct err *e);
/* Renews on a thread from now on; `lost` is cancelled when leadership is lost. */
void leader_hold(struct leader *l, struct cancel *lost);
/*
 * We hold it, and nobody else can: not when it ran out, which who was stopped and wakes up would not know yet. To be asked right before what must not be
 * done twice; any thread.
 */
bool leader_is(const struct leader *l);
void leader_free(struct leader *l);             /* stops renewing, releases the lease when we hold it */
DEFINE_AUTO_FREE(leader)

#endif
