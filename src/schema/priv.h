/* What the interpreters share: where we are in an object, spelled only when something is wrong. */
#ifndef SCHEMA_PRIV_H
#define SCHEMA_PRIV_H

#include "base/clock.h"
#include "schema/schema.h"

/* A path kept as a chain on the stack: `name` for a field, `key` in brackets for a map entry, else an index. */
struct path {
    const struct path *up;
    const char *name;
    const char *key;
    size_t index;
};

#define PATH_FIELD(up_, name_)   (&(const struct path){ .up = (up_), .name = (name_) })
#define PATH_KEY(up_, key_)      (&(const struct path){ .up = (up_), .key = (key_) })
#define PATH_INDEX(up_, i_)      (&(const struct path){ .up = (up_), .index = (i_) })

void path_add(const struct path *p, struct buf *out);           /* spec.containers[0].name; map keys as labels[a] */
void path_add_dotted(const struct path *p, struct buf *out);    /* map keys as fields: labels.a (strict decoding, schemas) */
char *path_text(const struct path *p);                          /* malloc'd */

const char *json_type_word(const json_t *j);                    /* object, array, string, number, bool, null */

/* Go's "v1.PodSpec" of io.k8s.api.core.v1.PodSpec; *bare gets "PodSpec". */
void type_go_name(const struct type *t, struct buf *out);
const char *type_bare_name(const struct type *t);

bool time_normal(struct str s, bool micro, char out[TIME_TEXT_MAX]);    /* false: no RFC 3339 time */

/* ECMA-like, unanchored. A pattern that does not compile or runs away matches nothing. */
bool regex_matches(const char *pattern, struct str s);
bool regex_find(const char *pattern, struct str s, struct str *out);     /* out: the first match, in s */
bool format_holds(const char *format, const json_t *value);     /* unknown formats hold */

/* One value by one schema. The schema must outlive the arena. */
errc crd_field_build(const json_t *schema, struct arena *a, struct field *out, struct err *e);
void validate_field(const struct field *f, const json_t *value, struct field_errors *out);

#endif
