/*
 * YAML text to jansson trees, as Kubernetes reads it (YAML 1.2 core schema plus YAML 1.1 yes/no left as strings by sigs.k8s.io/yaml: on/off/yes/no unquoted
 * are booleans there, and here). Anchors and merge keys are resolved; more than 10,000 nodes by alias are refused.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/json.h"

/* The one document of text (the first, when there are several). Empty text gives JSON null. *out is yours. */
errc yaml_parse(struct str text, json_t **out, struct err *e);
/* Every document, as an array; empty documents are left out. */
errc yaml_parse_all(struct str text, json_t **out, struct err *e);
/* Block style with sorted keys kept in insertion order; enough to print kubeconfigs and manifests. */
void yaml_write(const json_t *j, struct buf *out);

#endif
