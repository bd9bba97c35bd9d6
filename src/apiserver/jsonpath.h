/*
 * The part of JSONPath that printer columns use: .a.b, ['key'], [0], [*], [?(@.type=="Ready")]. Dots in keys are escaped
 * with a backslash.
 */
#ifndef APISERVER_JSONPATH_H
#define APISERVER_JSONPATH_H

#include "base/json.h"

/* The values a path leads to, in order, as a new array; empty when it leads nowhere or is malformed. */
json_t *jsonpath_find(const json_t *root, const char *path);

#endif
