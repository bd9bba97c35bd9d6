#include "catalog/partition.h"

#include <stdlib.h>

/* A30, A100 40 and 80 GB, H100 80 and 94 GB, GH200, H200, B200; sorted. */
static const char *const known[] = {
    "1g.10gb", "1g.12gb", "1g.18gb", "1g.20gb", "1g.23gb", "1g.24gb", "1g.35gb", "1g.45gb", "1g.5gb", "1g.6gb",
    "2g.10gb", "2g.12gb", "2g.20gb", "2g.24gb", "2g.35gb", "2g.45gb", "3g.20gb", "3g.40gb", "3g.47gb", "3g.48gb", "3g.71gb", "3g.90gb",
    "4g.20gb", "4g.24gb", "4g.40gb", "4g.47gb", "4g.48gb", "4g.71gb", "4g.90gb", "7g.141gb", "7g.180gb", "7g.40gb", "7g.80gb", "7g.94gb", "7g.96gb",
};

errc mig_profile_parse(struct str profile, struct mig_profile *out, struct err *e)
{
    struct str slices, memory;
    int64_t n = 0;
    double gb = 0;

    if (!str_cut(profile, '.', &slices, &memory) || !str_has_suffix(slices, STR("g")) || !str_has_suffix(memory, STR("gb")) ||
        !str_to_i64(str_n(slices.p, slices.n - 1), &n) || n < 1 || n > 99 || !str_to_f64(str_n(memory.p, memory.n - 2), &gb) || gb < 1 || gb > 1e6)
        return err_set(e, ERR_INVALID, "invalid MIG profile format \"%.*s\": expected format like '1g.10gb'", STR_ARG(profile));
    *out = (struct mig_profile){ (int)n, (int)gb };
    return ERR_OK;
}

errc mig_profile_check(struct str profile, struct buf *problem)
{
    struct mig_profile parsed;
    struct err e;

    if (mig_profile_parse(profile, &parsed, &e)) {
        buf_adds(problem, e.text);
        return ERR_INVALID;
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_is(profile, known[i]))
            return ERR_OK;
    buf_addf(problem, "unknown MIG profile \"%.*s\": must be one of [", STR_ARG(profile));
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        buf_addf(problem, "%s%s", i ? " " : "", known[i]);
    buf_addc(problem, ']');
    return ERR_INVALID;
}
