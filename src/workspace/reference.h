/* docs/api-reference.md: the Workspace in both versions, from the tables that the program itself works by. Pure. */
#ifndef WORKSPACE_REFERENCE_H
#define WORKSPACE_REFERENCE_H

#include "base/str.h"

void workspace_reference(struct buf *out);
/* Is there a field of this path ("inference.adapters[].source") in v1beta1? */
bool workspace_has_field(const char *path);

#endif
