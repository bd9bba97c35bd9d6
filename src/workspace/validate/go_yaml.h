/*
 * YAML as Go's yaml.v2 reads it, for its answers: the same scanner (libyaml's), the same words. Nodes keep the raw text of scalars,
 * which JSON values lose. A document is freed by go_yaml_done.
 */
#ifndef WORKSPACE_VALIDATE_GO_YAML_H
#define WORKSPACE_VALIDATE_GO_YAML_H

#include "base/err.h"
#include "base/str.h"

struct go_yaml;

/* *out NULL: an empty document. ERR_INVALID: why holds "yaml: line 2: ...". */
errc go_yaml_parse(struct str text, struct go_yaml **out, struct buf *why);
/* ERR_INVALID: a list or map holds an alias of itself, which Go finds when it decodes all of the document; why names the anchor. */
errc go_yaml_check_aliases(struct str text, struct buf *why);
void go_yaml_free(struct go_yaml *y);
DEFINE_AUTO_FREE(go_yaml)

enum go_kind { GO_SCALAR, GO_SEQ, GO_MAP };
typedef int go_ref;                     /* a node; 0: none */

go_ref go_yaml_root(const struct go_yaml *y);
enum go_kind go_yaml_kind(const struct go_yaml *y, go_ref node);
struct str go_yaml_text(const struct go_yaml *y, go_ref node);          /* of a scalar */
bool go_yaml_is_null(const struct go_yaml *y, go_ref node);
bool go_yaml_is_string(const struct go_yaml *y, go_ref node);           /* a scalar that is no number, bool or null */
bool go_yaml_is_bool(const struct go_yaml *y, go_ref node, bool *value);
/* The name of the type that Go decodes a node to: "int", "[]interface {}". */
const char *go_yaml_type(const struct go_yaml *y, go_ref node);
/* The i-th pair of a map; false past the end. */
bool go_yaml_pair(const struct go_yaml *y, go_ref map, size_t i, go_ref *key, go_ref *value);
/* The i-th item of a list; false past the end. */
bool go_yaml_item(const struct go_yaml *y, go_ref list, size_t i, go_ref *item);
bool go_yaml_is_merge(const struct go_yaml *y, go_ref key);             /* "<<": the value is a map, or a list of maps, whose pairs are meant */
/* The last of that name, also from maps merged by "<<"; 0: none. */
go_ref go_yaml_get(const struct go_yaml *y, go_ref map, const char *key);
/* "  line 2: cannot unmarshal !!seq into string" */
void go_yaml_mismatch(const struct go_yaml *y, go_ref node, const char *into, struct buf *out);
/* The same of a node that was written out and read again: on its first line. */
void go_yaml_mismatch_alone(const struct go_yaml *y, go_ref node, const char *into, struct buf *out);

#endif
