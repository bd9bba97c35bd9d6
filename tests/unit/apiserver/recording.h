/* Reads tests/golden/apiserver/NAME.json (recorded from kube-apiserver 1.32.3; how: shared/golden/apiserver/RECORDINGS.md). */
#ifndef TEST_RECORDING_H
#define TEST_RECORDING_H

#include "base/json.h"

/* {steps: [{request: {method, path, headers, body}, response: {status, headers, body}}]}; ends the test when it cannot be read. */
json_t *recording_open(const char *name);

/* /apis/apps/v1/namespaces/n/deployments/web/status?x -> kind's path without subresource and query (malloc'd). */
char *recording_object_path(const char *path, const char **subresource);

/* Leaves out what a server makes up: resourceVersion, uid, generation, times, managedFields, status when asked. */
void recording_strip(json_t *object, bool managed_fields);

#endif
