/*
 * API objects described once: a `struct type` is a table of fields, and the interpreters here do the rest
 * (decode, encode, default, prune, validate, OpenAPI, CRD). One representation serves three sources:
 *   1. tables written by hand beside a C struct (our own kinds, the parts of built-in kinds that controllers read);
 *   2. the complete built-in Kubernetes kinds (api/k8s, generated; no C struct: size is 0, JSON mode only);
 *   3. types made at run time from the openAPIV3Schema of a CustomResourceDefinition (schema/crd.h).
 * Tables are const and shared by all threads. The interpreters hold no state; JSON mode changes the tree it is given.
 *
 *     static const struct field disk_fields[] = {
 *         FIELD(struct disk, name, STR, "name", .flags = FIELD_REQUIRED),
 *         FIELD(struct disk, count, INT, "count", RULES(.def = "1", AT_LEAST(1), AT_MOST(9), .doc = "How many.")),
 *         FIELD_OBJ(struct disk, meta, struct object_meta, "metadata", &object_meta_type),
 *         FIELD_PTR(struct disk, spec, struct disk_spec, "spec", &disk_spec_type),
 *         FIELD_LIST(struct disk, parts, n_parts, struct part, "parts", ITEM_OBJ(&part_type)),
 *         FIELD_LIST(struct disk, tags, n_tags, struct str, "tags", ITEM_STR),
 *     };
 *     const struct type disk_type = TYPE("io.example.v1.Disk", struct disk, disk_fields);
 */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "schema/field_errors.h"

enum field_kind {
    FIELD_ANY,              /* any JSON */
    FIELD_STR, FIELD_INT, FIELD_NUM, FIELD_BOOL,
    FIELD_OBJECT,           /* .type */
    FIELD_LIST,             /* .item */
    FIELD_MAP,              /* string keys, .item */
    FIELD_TIME,             /* RFC 3339, seconds */
    FIELD_MICROTIME,        /* RFC 3339, microseconds */
    FIELD_QUANTITY,         /* 500m, 2Gi, 1.5 (string or number) */
    FIELD_INT_OR_STR,
    FIELD_BYTES,            /* base64 text */
};

/* How a field lies in the C struct (struct mode). Set by the macros below, never by hand. */
enum field_rep {
    REP_NONE,               /* JSON mode only */
    REP_ANY,                /* json_t *        NULL: absent; owned by the arena of the decode */
    REP_STR,                /* struct str      p NULL: absent (also for quantities and bytes, kept as text) */
    REP_INT,                /* int64_t         absent is 0; times: microseconds since 1970 */
    REP_NUM,                /* double          absent is 0 */
    REP_BOOL,               /* bool            absent is false */
    REP_OPT_INT,            /* struct opt_int */
    REP_OPT_BOOL,           /* struct opt_bool */
    REP_OPT_NUM,            /* struct opt_num */
    REP_INT_OR_STR,         /* struct int_or_str */
    REP_OBJ,                /* the struct itself */
    REP_PTR,                /* pointer to the struct, NULL: absent */
    REP_LIST,               /* ELEM *items at .off, size_t n at .off_n */
    REP_STR_MAP,            /* struct str_map */
};

struct opt_int { bool set; int64_t v; };
struct opt_bool { bool set; bool v; };
struct opt_num { bool set; double v; };
struct int_or_str { bool set; bool is_str; int64_t i; struct str s; };
struct str_pair { struct str key, value; };
struct str_map { struct str_pair *items; size_t n; };       /* order of the JSON text */

struct str str_map_get(const struct str_map *m, const char *key);   /* p NULL when absent */
bool str_map_has(const struct str_map *m, const char *key, const char *value);
void str_map_put(struct arena *a, struct str_map *m, struct str key, struct str value);     /* replaces; borrows both */

enum field_flags {
    FIELD_REQUIRED      = 1 << 0,
    FIELD_NULLABLE      = 1 << 1,
    FIELD_IMMUTABLE     = 1 << 2,   /* checked by schema_validate when the old object is given */
    FIELD_KEEP_EMPTY    = 1 << 3,   /* written also when zero or empty (a Go field without omitempty) */
    FIELD_PRESERVE      = 1 << 4,   /* x-kubernetes-preserve-unknown-fields at this field */
    FIELD_EMBEDDED      = 1 << 5,   /* x-kubernetes-embedded-resource */
    FIELD_LIST_SET      = 1 << 6,   /* lists are atomic unless set or map */
    FIELD_LIST_MAP      = 1 << 7,   /* rules->keys */
    FIELD_ATOMIC        = 1 << 8,   /* an object, map or list that one manager owns as a whole */
    FIELD_PATCH_MERGE   = 1 << 9,   /* strategic merge by rules->merge_key (none: a set of scalars) */
    FIELD_PATCH_KEYS    = 1 << 10,  /* patchStrategy retainKeys */
    FIELD_INT32         = 1 << 11,
    FIELD_INLINE        = 1 << 12,  /* the fields of .type belong to the parent's JSON object (protobuf nests them) */
    FIELD_POINTER       = 1 << 13,  /* built-in: a Go pointer, so zero differs from absent */
    FIELD_UNTYPED       = 1 << 15,  /* run-time: no type was named, any is right */
    FIELD_UNIQUE        = 1 << 16,  /* uniqueItems */
    FIELD_ANY_INT       = 1 << 17,  /* an integer whose schema names no format; int64 otherwise */
    FIELD_GO_VALUE      = 1 << 14,  /* built-in: a Go struct by value, written also when absent (Deployment.status: {}) */
};

struct field;

struct field_cel { const char *rule, *message; };

/* The rarer facts of a field. Zero means "no such rule". */
struct field_rules {
    const char *doc;
    const char *def;                /* JSON text */
    const char *const *enums;       /* NULL-terminated */
    const char *keys;               /* list map keys: "containerPort,protocol" */
    const char *merge_key;          /* strategic merge */
    const char *pattern;            /* ECMA regular expression, unanchored */
    const char *format;             /* date-time, byte, int32, ... */
    const char *go_type;            /* built-in scalars with a Go name of their own: v1.PullPolicy (for error texts) */
    bool has_min, has_max, above_min, below_max;        /* above_min: exclusive */
    double min, max, multiple_of;
    uint32_t min_len, max_len;      /* strings: runes; lists: items; maps: properties. max 0: none */
    const struct field_cel *expressions;        /* CEL that a CustomResourceDefinition asks; ends with a NULL rule. Tables do not evaluate it */
    /* Run-time types only: */
    const json_t *def_json;         /* parsed default (def is NULL then) */
    const json_t *enum_json;        /* allowed values of any type */
    const json_t *cel;              /* x-kubernetes-validations */
    const struct field_logic *logic;
};

/* allOf, anyOf, oneOf, not: each alternative is a field without a name; untyped where it names no type. */
struct field_logic {
    const struct field *all_of, *any_of, *one_of, *not_;
    size_t n_all, n_any, n_one;
};

struct field {
    const char *json;               /* NULL in an item */
    const struct type *type;        /* FIELD_OBJECT */
    const struct field *item;       /* FIELD_LIST, FIELD_MAP */
    const struct field_rules *rules;        /* may be NULL */
    uint8_t kind, rep;
    uint16_t proto;                 /* protobuf field number, 0: none */
    uint32_t flags;
    uint32_t off, off_n;
};

enum type_flags {
    TYPE_PRESERVE = 1 << 0,         /* unknown fields are kept */
    TYPE_ATOMIC   = 1 << 1,         /* +structType=atomic */
    TYPE_BUILTIN  = 1 << 2,         /* type errors are worded as Go's decoder does (400), not as a CRD's (422) */
    TYPE_ROOT     = 1 << 3,         /* has apiVersion, kind and metadata */
    TYPE_HAS_CEL  = 1 << 4,         /* some rule (x-kubernetes-validations) lies inside */
};

struct type {
    const char *name;               /* OpenAPI name: io.k8s.api.core.v1.Pod */
    const struct field *fields;
    uint32_t n_fields;
    uint32_t size;                  /* of the C struct; 0: JSON mode only */
    uint32_t flags;
    const char *group, *version, *kind;     /* roots; group "" is the core group */
    const char *doc;
    const json_t *raw;              /* run-time types: the openAPIV3Schema */
    const struct field_rules *rules;        /* run-time types: rules of the root object itself */
    /* Rules that relate several fields, struct mode; each failure names the JSON path it blames. May be NULL. old may be NULL. */
    void (*check)(const void *self, const void *old, struct field_errors *out);
};

const struct field *type_field(const struct type *t, const char *json_name);    /* looks into inline fields too; NULL: none */

/* ---- writing tables ------------------------------------------------------------------------------------------ */

#define IS_ANY(x)        _Generic((x), json_t *: 0)             /* no association: does not compile */
#define IS_STR(x)        _Generic((x), struct str: 0)
#define IS_INT(x)        _Generic((x), int64_t: 0)
#define IS_NUM(x)        _Generic((x), double: 0)
#define IS_BOOL(x)       _Generic((x), bool: 0)
#define IS_OPT_INT(x)    _Generic((x), struct opt_int: 0)
#define IS_OPT_NUM(x)    _Generic((x), struct opt_num: 0)
#define IS_OPT_BOOL(x)   _Generic((x), struct opt_bool: 0)
#define IS_TIME(x)       IS_INT(x)                              /* microseconds since 1970, 0 absent */
#define IS_MICROTIME(x)  IS_INT(x)
#define IS_QUANTITY(x)   IS_STR(x)
#define IS_BYTES(x)      IS_STR(x)
#define IS_INT_OR_STR(x) _Generic((x), struct int_or_str: 0)
#define IS_STR_MAP(x)    _Generic((x), struct str_map: 0)

#define KIND_REP_ANY        .kind = FIELD_ANY, .rep = REP_ANY
#define KIND_REP_STR        .kind = FIELD_STR, .rep = REP_STR
#define KIND_REP_INT        .kind = FIELD_INT, .rep = REP_INT
#define KIND_REP_NUM        .kind = FIELD_NUM, .rep = REP_NUM
#define KIND_REP_BOOL       .kind = FIELD_BOOL, .rep = REP_BOOL
#define KIND_REP_OPT_INT    .kind = FIELD_INT, .rep = REP_OPT_INT
#define KIND_REP_OPT_NUM    .kind = FIELD_NUM, .rep = REP_OPT_NUM
#define KIND_REP_OPT_BOOL   .kind = FIELD_BOOL, .rep = REP_OPT_BOOL
#define KIND_REP_TIME       .kind = FIELD_TIME, .rep = REP_INT
#define KIND_REP_MICROTIME  .kind = FIELD_MICROTIME, .rep = REP_INT
#define KIND_REP_QUANTITY   .kind = FIELD_QUANTITY, .rep = REP_STR
#define KIND_REP_BYTES      .kind = FIELD_BYTES, .rep = REP_STR
#define KIND_REP_INT_OR_STR .kind = FIELD_INT_OR_STR, .rep = REP_INT_OR_STR
#define KIND_REP_STR_MAP    .kind = FIELD_MAP, .rep = REP_STR_MAP, .item = &schema_item_str

/* One field; the rest of the line sets .flags, .proto and RULES(...). */
#define FIELD(T, member, KIND, name, ...)                                                       \
    { .json = name, KIND_REP_##KIND,                                                            \
      .off = offsetof(T, member) + IS_##KIND(((T *)0)->member), ##__VA_ARGS__ }
/* A struct inside the struct. */
#define FIELD_OBJ(T, member, SUB, name, subtype, ...)                                           \
    { .json = name, .kind = FIELD_OBJECT, .rep = REP_OBJ, .type = (subtype),                    \
      .off = offsetof(T, member) + _Generic(((T *)0)->member, SUB: 0), ##__VA_ARGS__ }
/* A pointer to a struct: NULL when absent. */
#define FIELD_PTR(T, member, SUB, name, subtype, ...)                                           \
    { .json = name, .kind = FIELD_OBJECT, .rep = REP_PTR, .type = (subtype),                    \
      .off = offsetof(T, member) + _Generic(((T *)0)->member, SUB *: 0), ##__VA_ARGS__ }
/* ELEM *items_member; size_t n_member. The item is one of ITEM_*. */
#define FIELD_LIST(T, items_member, n_member, ELEM, name, item_, ...)                           \
    { .json = name, .kind = FIELD_LIST, .rep = REP_LIST, .item = (item_),                       \
      .off = offsetof(T, items_member) + _Generic(((T *)0)->items_member, ELEM *: 0),           \
      .off_n = offsetof(T, n_member) + _Generic(((T *)0)->n_member, size_t: 0), ##__VA_ARGS__ }

#define ITEM_STR        (&schema_item_str)
#define ITEM_INT        (&schema_item_int)
#define ITEM_ANY        (&schema_item_any)
#define ITEM_OBJ(t)     (&(const struct field){ .kind = FIELD_OBJECT, .rep = REP_OBJ, .type = (t) })
extern const struct field schema_item_str, schema_item_int, schema_item_any;

#define RULES(...)      .rules = &(const struct field_rules){ __VA_ARGS__ }
#define AT_LEAST(x)     .has_min = true, .min = (x)
#define AT_MOST(x)      .has_max = true, .max = (x)
#define ENUM(...)       .enums = (const char *const[]){ __VA_ARGS__, NULL }
#define CEL(...)        .expressions = (const struct field_cel[]){ __VA_ARGS__, { 0 } }

#define TYPE(name_, T, fields_, ...)                                                            \
    { .name = name_, .fields = fields_, .n_fields = ARRAY_LEN(fields_), .size = sizeof(T), ##__VA_ARGS__ }

/* ---- struct mode (types with a size) ---------------------------------------------------------------------------- */

/*
 * Fills *out_struct (cleared first) from a JSON object. Strings, lists and sub-structs live in the arena; strings are copies,
 * so the tree may be released at once. Defaults of the table are applied to absent fields. Fields the table does not know are ignored.
 * ERR_INVALID: "spec.resource.count: expected an integer, found a string".
 */
errc schema_decode(const struct type *t, const json_t *j, struct arena *a, void *out_struct, struct err *e);

/* A new tree; absent and zero fields are left out unless FIELD_REQUIRED or FIELD_KEEP_EMPTY. */
json_t *schema_encode(const struct type *t, const void *s);

/* Deep copy into the arena (strings too). */
void schema_copy(const struct type *t, const void *from, struct arena *a, void *to);
/* Same meaning: equal encodings. */
bool schema_equal(const struct type *t, const void *a, const void *b);

/* ---- JSON mode (every type) ------------------------------------------------------------------------------------- */

/*
 * Fields given but not declared, and fields given twice. Paths are in Kubernetes' form: spec.containers[0].imag.
 * Memory is the list's own.
 */
struct path_list { char **items; size_t n, cap; };
void path_list_add(struct path_list *l, const char *fmt, ...) PRINTF(2, 3);
void path_list_done(struct path_list *l);

/*
 * Wrong JSON types (built-in: the whole check that Go's decoder makes). The message is kube-apiserver's own, without the frame
 * around it: `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`. ERR_BAD_REQUEST.
 * The object is then what Go's decode and encode would leave of it: fields in the order of the table, unknown ones gone, quantities
 * canonical, empty optional ones dropped, `status: {}` and `creationTimestamp: null` present.
 * Does nothing for a type without TYPE_BUILTIN (its problems are found by schema_validate), but coerces the metadata of a root.
 */
errc schema_coerce(const struct type *t, json_t *j, struct err *e);

/* Removes what the table does not declare; adds the paths to *unknown (may be NULL) in the order of the text. */
void schema_prune(const struct type *t, json_t *j, struct path_list *unknown);

/* Keys that occur twice in one object of the text: `spec.replicas`. Malformed text adds nothing. */
void schema_find_duplicates(struct str text, struct path_list *out);

/* Fills in absent fields that have a default, also inside lists; null of a field that is not nullable counts as absent. */
void schema_default(const struct type *t, json_t *j);

/*
 * Every problem; old (may be NULL: a create) is for immutable fields and transition rules. Only custom types: what a built-in kind
 * allows is code (api/k8s). Paths and texts are those of kube-apiserver for custom resources.
 */
void schema_validate(const struct type *t, const json_t *j, const json_t *old, struct field_errors *out);

/* ---- quantities ------------------------------------------------------------------------------------------------- */

/* "1500m", "2Gi", "1e3" -> value * 10^9 (saturating); false when it is none. */
bool quantity_parse(struct str s, __int128 *out_nano);
int64_t quantity_value(struct str s, int64_t fallback);         /* rounded up to a whole number: bytes, devices */
int64_t quantity_milli(struct str s, int64_t fallback);         /* rounded up */
/* As resource.Quantity.String() writes it: "1000m" -> "1", "1024Mi" -> "1Gi", "0.5" -> "500m". False when it is none. */
bool quantity_canonical(struct str s, struct buf *out);

#endif
