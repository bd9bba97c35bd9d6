/*
 * A reconcile without a cluster: the same plan, run against objects in memory until nothing changes. Backs `kaito render`,
 * `kaito validate` and `kaito estimate`, which read one JSON and print one (the interface of upstream's recorded answers).
 */
#ifndef WORKSPACE_REHEARSE_H
#define WORKSPACE_REHEARSE_H

#include "base/json.h"

/*
 * in: {object, updates, cluster, settings, huggingface, autoNodes}, a Workspace that was admitted; *out: {writes: [{verb, object}], error,
 * workspace: {annotations, finalizers, status}, afterUpdates: [{writes, error, workspace}]}.
 */
errc workspace_render(const json_t *in, json_t **out, struct err *e);
/* in: {operation, object, oldObject, cluster, settings, huggingface}; *out: {allowed, defaulted} or {allowed: false, stage, message}. */
errc workspace_check(const json_t *in, json_t **out, struct err *e);

/* in: {model, sku, contextSize, cloudProvider}; *out: {nodes} or {error}. */
errc workspace_estimate(const json_t *in, json_t **out, struct err *e);

#endif
