#include "provisioner/doubt.h"

#include "base/mem.h"
#include "kube/meta.h"

struct doubt { int64_t since_ms; const char *name; };

/* The newest of its conditions, or its creation where it has none yet. */
static int64_t said_ms(const json_t *claim)
{
    static const char *const stages[] = { "Launched", "Registered", "Initialized" };
    int64_t said = kube_created_ms(claim);

    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        int64_t at = kube_time_ms(json_cstr(kube_condition(claim, stages[i]), "lastTransitionTime"));

        said = at > said ? at : said;
    }
    return said;
}

static bool tells_its_end(const json_t *claim)
{
    return kube_condition(claim, "Drained") || kube_condition(claim, "VolumesDetached") || kube_condition(claim, "InstanceTerminating");
}

int64_t claim_doubt_ms(const json_t *claim)
{
    const char *deleted = json_str_at(claim, "metadata", "deletionTimestamp", NULL);

    if (deleted)
        return tells_its_end(claim) ? INT64_MAX : kube_time_ms(deleted);
    return kube_condition_is(claim, "Ready", "True") ? INT64_MAX : said_ms(claim);
}

static int by_time(const void *a, const void *b)
{
    const struct doubt *x = a, *y = b;

    return (x->since_ms > y->since_ms) - (x->since_ms < y->since_ms);
}

const char **claims_by_doubt(const json_t *claims)
{
    size_t i, n = json_array_size(claims);
    AUTO_MEM struct doubt *all = xcalloc(n + 1, sizeof *all);
    const char **names = xcalloc(n + 1, sizeof *names);
    const json_t *c;

    json_array_foreach(claims, i, c)
        all[i] = (struct doubt){ claim_doubt_ms(c), kube_name(c) };
    qsort(all, n, sizeof *all, by_time);
    for (i = 0; i < n; i++)
        names[i] = all[i].name;
    return names;
}
