/*
 * What is left over: machines without a claim, claims without a machine, Nodes without both. Pure: unit-tested with tables.
 * Sources: reference dossier, provisioner, 2.7 and 8.1 (3, 4).
 *
 * The caller lists the cloud before the claims, the claims from the API (never from a cache that may be empty), and gives up the round
 * when one of the lists fails. What is left over once may be on its way: it is due when an earlier round saw it too, and long enough ago.
 */
#ifndef PROVISIONER_COLLECT_H
#define PROVISIONER_COLLECT_H

#include "base/map.h"
#include "provisioner/cloud.h"

enum orphan_kind { ORPHAN_MACHINE, ORPHAN_CLAIM, ORPHAN_NODE, ORPHAN_KINDS };
const char *orphan_kind_name(enum orphan_kind k);       /* "Machine", "NodeClaim", "Node" */

struct orphan {
    enum orphan_kind kind;
    char *name;                         /* the claim's for a machine */
    char *provider_id;                  /* NULL: not known */
    int64_t age_ms;                     /* since it was made; -1: not known */
    bool due;
};
struct orphans { struct orphan *items; size_t n, cap; };
void orphans_done(struct orphans *l);

struct collect_view {
    const struct cloud_instances *instances;
    const json_t *claims;               /* array: every claim of the cluster, whosever */
    const json_t *nodes;                /* array: every Node */
    const char *node_label, *class_group;
    int64_t now_ms, grace_ms;           /* now_ms: monotonic, for the sightings */
    int64_t wall_ms;                    /* for ages */
};
/* seen: key -> int64_t, when it was first seen left over; the caller keeps it from round to round. */
void collect_plan(const struct collect_view *v, struct map *seen, struct orphans *out);

#endif
