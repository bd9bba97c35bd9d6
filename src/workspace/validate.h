/*
 * The create and update rules of a Workspace with upstream's exact text (dossier, Workspace, 2.2 to 2.5). Pure: asked by the
 * reconciler now and by an admission webhook later.
 */
#ifndef WORKSPACE_VALIDATE_H
#define WORKSPACE_VALIDATE_H

#include "api/kaito/workspace.h"
#include "workspace/workspace.h"

enum ws_operation { WS_CREATE, WS_UPDATE };

struct ws_validate_env {
    const struct workspace_settings *settings;  /* defaults filled in */
    const json_t *tuning_config;        /* the ConfigMap named by tuning.config; NULL: absent */
    const json_t *tuning_template;      /* the default of the method in the release namespace; NULL: absent */
    bool config_may_come;               /* an absent ConfigMap is no error: the reconciler waits for it */
};

/* ERR_INVALID with all problems in *errors, as knative renders them: merged, sorted, one a line. old is for WS_UPDATE. */
errc workspace_validate(enum ws_operation op, const struct workspace *old, const struct workspace *new_,
                        const struct ws_validate_env *env, struct buf *errors);

#endif
