/*
 * Kubernetes' protobuf bodies: `k8s\0` and a runtime.Unknown around the object. Only decoding: answers are JSON (every client that sends
 * protobuf accepts it). The bytes are foreign: lengths are checked, depth and size limited.
 */
#ifndef APISERVER_PROTOBUF_H
#define APISERVER_PROTOBUF_H

#include "schema/schema.h"

/* Finds the type of a kind; NULL: unknown. */
typedef const struct type *protobuf_find_type(void *self, const char *api_version, const char *kind);

/*
 * The object as JSON, apiVersion and kind included. ERR_BAD_REQUEST: no envelope, cut short, or of a kind that find does not know.
 */
errc protobuf_decode(struct str body, protobuf_find_type *find, void *self, json_t **out, struct err *e);
bool protobuf_is(struct str body);      /* starts with k8s\0 */

#endif
