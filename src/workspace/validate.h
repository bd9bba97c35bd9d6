/*
 * The create and update rules of a Workspace with upstream's exact text (dossier, Workspace, 2.2 to 2.6). Pure: what the rules must know
 * of the cluster is looked up before (workspace/review.h does, for webhooks; the reconciler from its view).
 */
#ifndef WORKSPACE_VALIDATE_H
#define WORKSPACE_VALIDATE_H

#include "api/kaito/workspace.h"
#include "catalog/presets.h"
#include "workspace/workspace.h"

enum ws_operation { WS_CREATE, WS_UPDATE };

struct ws_validate_env {
    const struct workspace_settings *settings;  /* defaults filled in */
    const json_t *tuning_config;        /* the ConfigMap named by tuning.config; NULL: absent */
    const json_t *tuning_template;      /* the default of the method in the release namespace; NULL: absent */
    const json_t *inference_config;     /* the ConfigMap named by inference.config (v1alpha1: else the default one); NULL: absent */
    const json_t *nodes;                /* byo: the Nodes that match; NULL: none */
    bool blob_driver;                   /* the CSIDriver blob.csi.azure.com exists */
    const struct preset *model;         /* of inference.preset; NULL: unknown, then model_problem says why (or nobody looked) */
    const char *model_problem;
    bool config_may_come;               /* an absent ConfigMap is no error: the reconciler waits for it */
    bool nodes_may_come;                /* the same of Nodes */
};

/*
 * ERR_INVALID with all problems in *errors, as knative renders them: merged, sorted, one a line. old is for WS_UPDATE. new_ may be of
 * either API version (its apiVersion tells): v1alpha1 has older rules.
 */
errc workspace_validate(enum ws_operation op, const struct workspace *old, const struct workspace *new_,
                        const struct ws_validate_env *env, struct buf *errors);

#endif
