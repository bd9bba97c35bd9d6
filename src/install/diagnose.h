/* Whether the installation itself is well: definitions, manager, lease, webhook. Pure; the findings are those of workspace/doctor.h. */
#ifndef INSTALL_DIAGNOSE_H
#define INSTALL_DIAGNOSE_H

#include "workspace/doctor.h"

/*
 * facts: {crds, deployments, pods, leases, webhooks, endpoints} as arrays of objects, each absent when it could not be read: then `unread`
 * ({what: error}) says why. New reference.
 */
json_t *install_diagnose(const json_t *facts, int64_t now_ms);

#endif
