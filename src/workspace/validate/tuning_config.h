/* The checks of a training_config.yaml ConfigMap (dossier, Workspace, 2.5), in upstream's words. Pure. */
#ifndef WORKSPACE_TUNING_CONFIG_H
#define WORKSPACE_TUNING_CONFIG_H

#include "base/json.h"
#include "workspace/validate/problems.h"

void tuning_config_problems(const json_t *config_map, struct str method, struct str ns, struct problems *out);

#endif
