/*
 * Whom a leader that has just begun looks at first: nobody looked for a while, and what a claim says may have become untrue at any time since it was said. Pure.
 */
#ifndef PROVISIONER_DOUBT_H
#define PROVISIONER_DOUBT_H

#include "base/json.h"

/* Since when what the claim says may be untrue, at the longest (wall ms); INT64_MAX: nobody waits for another word of it. */
int64_t claim_doubt_ms(const json_t *claim);
/* The claims' names, those in doubt for longest first; malloc'd, the texts are the claims'. */
const char **claims_by_doubt(const json_t *claims);

#endif
