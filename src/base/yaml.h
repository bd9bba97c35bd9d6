/*
 * YAML text to jansson trees, as Kubernetes reads it (sigs.k8s.io/yaml: on, off, yes, no are booleans; a key set twice is
 * an error). Anchors and merge keys are resolved; 200,000 values, counted each time an alias is used, are the limit.
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
