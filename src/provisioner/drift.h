/* Drift: the Node of a claim is no longer what the claim asks for. Pure: unit-tested with tables. */
#ifndef PROVISIONER_DRIFT_H
#define PROVISIONER_DRIFT_H

#include "api/karpenter/node_claim.h"
#include "base/json.h"

/*
 * The first requirement that a label of the Node contradicts: *text says which (yours). A label that the Node lacks contradicts nothing; one that the claim
 * carries itself is put back by the life cycle.
 */
bool claim_has_drifted(const struct node_claim *claim, const json_t *node, char **text);

#endif
