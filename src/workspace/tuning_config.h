/* The checks of a training_config.yaml ConfigMap (dossier, Workspace, 2.5), one problem a line in upstream's words. Pure. */
#ifndef WORKSPACE_TUNING_CONFIG_H
#define WORKSPACE_TUNING_CONFIG_H

#include "base/json.h"

void tuning_config_problems(const json_t *config_map, struct str method, struct str ns, struct buf *out);

#endif
