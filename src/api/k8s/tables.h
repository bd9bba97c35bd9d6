/* The short words of the generated tables.c. Private to that file and types.c. */
#ifndef API_K8S_TABLES_H
#define API_K8S_TABLES_H

#include "api/k8s/k8s.h"

enum {
    REQ = FIELD_REQUIRED, PTR = FIELD_POINTER, KEEP = FIELD_KEEP_EMPTY, VAL = FIELD_GO_VALUE, SET = FIELD_LIST_SET,
    LMAP = FIELD_LIST_MAP, ATOM = FIELD_ATOMIC, MERGE = FIELD_PATCH_MERGE, KEYS = FIELD_PATCH_KEYS, I32 = FIELD_INT32,
    INL = FIELD_INLINE,
};

#define F(name_, kind_, proto_, ...) { .json = name_, .kind = FIELD_##kind_, .proto = proto_, ##__VA_ARGS__ }
#define LIST_OF(f) .fields = f, .n_fields = ARRAY_LEN(f)

extern const struct type *const k8s_table;      /* sorted by name */
extern const size_t k8s_table_len;
#define K8S_TABLE(t, n) const struct type *const k8s_table = t; const size_t k8s_table_len = n;

#endif
