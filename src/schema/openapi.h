/*
 * The OpenAPI v3 document of one group-version, as `/openapi/v3/apis/GROUP/VERSION` serves it: what kubectl's apply, explain and
 * strict validation read.
 */
#ifndef SCHEMA_OPENAPI_H
#define SCHEMA_OPENAPI_H

#include "schema/schema.h"

struct openapi_resource {
    const struct type *type;
    const char *plural;
    bool namespaced, status, scale;
};

/* group "" is the core group (paths below /api/v1). New reference. */
json_t *openapi_v3(const char *group, const char *version, const struct openapi_resource *rows, size_t n);

/* Adds the component schema of t and of all it refers to. */
void openapi_component(json_t *schemas, const struct type *t);

#endif
