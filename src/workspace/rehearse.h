/*
 * A reconcile without a cluster: the same plan, run against objects in memory until nothing changes. Backs `kaito render` and
 * `kaito validate`, which read one JSON and print one (the interface of upstream's recorded answers).
 */
#ifndef WORKSPACE_REHEARSE_H
#define WORKSPACE_REHEARSE_H

#include "base/json.h"

/* in: {object, cluster, settings, autoNodes}; *out: {writes: [{verb, object}], workspace: {annotations, finalizers, status}}. */
errc workspace_render(const json_t *in, json_t **out, struct err *e);
/* in: {operation, object, oldObject, cluster, settings}; *out: {allowed, defaulted} or {allowed: false, stage, message}. */
errc workspace_check(const json_t *in, json_t **out, struct err *e);

#endif
