/*
 * What names, label keys and values and annotations may be, in the words of k8s.io/apimachinery/pkg/util/validation. Pure.
 * The _problem functions are true when there is one; out then tells it.
 */
#ifndef SCHEMA_NAMES_H
#define SCHEMA_NAMES_H

#include "schema/field_errors.h"

enum name_rule { NAME_SUBDOMAIN, NAME_LABEL, NAME_LABEL_1035, NAME_PATH };

/* prefix: it is a generateName, whose end the server completes. */
bool name_problem(enum name_rule rule, const char *name, bool prefix, struct buf *out);
bool label_value_problem(const char *v, struct buf *out);
bool qualified_name_problem(const char *v, struct buf *out);

/* Every bad key or value of an object, as problems at path; NULL has none. */
void labels_check(const json_t *labels, const char *path, struct field_errors *out);
void annotations_check(const json_t *annotations, const char *path, struct field_errors *out);

#endif
