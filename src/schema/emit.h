/* A type as a JSON schema: shared by CRD manifests (everything inlined) and OpenAPI documents (objects by reference). Private. */
#ifndef SCHEMA_EMIT_H
#define SCHEMA_EMIT_H

#include "schema/schema.h"

enum emit_style { EMIT_INLINE, EMIT_REFS };

json_t *emit_type(const struct type *t, enum emit_style style);

#endif
