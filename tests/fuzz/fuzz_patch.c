/* Any JSON as an object and three kinds of patch on it: {"object": ..., "patch": ...}. Also the search for doubled keys. */
#include "api/k8s/k8s.h"
#include "apiserver/patch.h"
#include "apiserver/ssa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_apply(const struct type *t, const json_t *object, const json_t *patch)
{
    struct ssa_opts o = { .manager = "m", .api_version = "apps/v1", .time = "2024-01-01T00:00:00Z" };
    AUTO(ssa_conflicts_done) struct ssa_conflicts conflicts = { 0 };
    AUTO_JSON out = NULL;
    struct err e;

    if (ssa_apply(t, object, patch, &o, &conflicts, &out, &e) == ERR_OK && ssa_update(t, object, out, &o, &e))
        abort();        /* an update is never refused */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct type *t = k8s_kind("apps", "v1", "Deployment");
    struct path_list doubled = { 0 };
    AUTO_JSON j = NULL;
    AUTO_JSON a = NULL;
    AUTO_JSON b = NULL;
    AUTO_JSON c = NULL;
    struct err e;

    schema_find_duplicates(str_n((const char *)data, size), &doubled);
    path_list_done(&doubled);
    if (json_parse(str_n((const char *)data, size), &j, &e))
        return 0;
    const json_t *object = json_object_get(j, "object"), *patch = json_object_get(j, "patch");
    if (!json_is_object(object) || !patch)
        return 0;
    (void)patch_json(object, patch, &a, &e);            /* refusals are fine */
    (void)patch_merge(object, patch, &b, &e);
    (void)patch_strategic(t, object, patch, &c, &e);
    if (json_is_object(patch))
        try_apply(t, object, patch);
    return 0;
}
