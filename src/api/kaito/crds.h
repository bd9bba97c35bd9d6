/* The CustomResourceDefinitions that this program brings: Workspace and, when the cluster has none, NodeClaim. */
#ifndef API_KAITO_CRDS_H
#define API_KAITO_CRDS_H

#include "base/json.h"

/* An array of manifests in the order to apply them. New reference. */
void api_kaito_crds(json_t **out);

#endif
