/* Look-ups in the generated table. */
#include "api/k8s/tables.h"

static int by_name(const void *key, const void *row) { return strcmp(key, ((const struct type *)row)->name); }

const struct type *k8s_type(const char *name)
{
    return bsearch(name, k8s_table, k8s_table_len, sizeof *k8s_table, by_name);
}

const struct type *k8s_kind(const char *group, const char *version, const char *kind)
{
    for (size_t i = 0; i < k8s_table_len; i++)
        if (streq(k8s_table[i].kind, kind) && streq(k8s_table[i].group, group) && streq(k8s_table[i].version, version))
            return &k8s_table[i];
    return NULL;
}

const struct type *k8s_types(size_t *n)
{
    *n = k8s_table_len;
    return k8s_table;
}
