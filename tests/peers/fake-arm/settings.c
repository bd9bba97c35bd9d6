/* The settings by name: one table for reading, showing and their bounds. */
#include <stddef.h>

#include "sim.h"

/* AKS as it was seen: operations of minutes are short here, the rest as recorded (no Retry-After, both headers on DELETE, 204). */
const struct sim_settings sim_settings_default = {
    .create_ms = 20000, .delete_ms = 10000, .update_ms = 5000, .spread_percent = 20, .retry_after_s = -1,
    .page_size = 50, .max_pools = 100, .token_ms = 3600000, .join_ms = -2000, .ready_ms = 3000, .gpu_ms = 2000,
    .throttle = 1, .throttle_scale = 1, .delete_absent_status = 204, .quota_cores = 100000, .min_poll_ms = 900,
};

#define ROW(field, low, high) { #field, offsetof(struct sim_settings, field), (low), (high) }
#define YEAR_MS 31536000000LL
static const struct row { const char *name; size_t offset; int64_t min, max; } rows[] = {
    ROW(create_ms, 0, YEAR_MS), ROW(delete_ms, 0, YEAR_MS), ROW(update_ms, 0, YEAR_MS), ROW(spread_percent, 0, 100),
    ROW(retry_after_s, -1, 86400), ROW(retry_after_date, 0, 1), ROW(next_link, 0, 2), ROW(list_lag_ms, 0, YEAR_MS), ROW(get_lag_ms, 0, YEAR_MS),
    ROW(page_size, 1, 1000), ROW(empty_first_page, 0, 1), ROW(max_pools, 0, 100000), ROW(max_operations, 0, 100000),
    ROW(token_ms, 1, YEAR_MS), ROW(join_ms, -YEAR_MS, YEAR_MS), ROW(ready_ms, 0, YEAR_MS), ROW(gpu_ms, 0, YEAR_MS),
    ROW(throttle, 0, 1), ROW(throttle_scale, 1, 100000), ROW(delete_while_creating, 0, 1),
    ROW(delete_absent_status, 204, 404), ROW(delete_location_only, 0, 1), ROW(quota_cores, 0, 1000000000), ROW(min_poll_ms, 0, YEAR_MS),
};

static const struct row *row_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(rows[i].name, name))
            return &rows[i];
    return NULL;
}

static int64_t *value_of(struct sim_settings *s, const struct row *r)
{
    return (int64_t *)(void *)((char *)s + r->offset);
}

errc sim_settings_read(struct sim_settings *s, const json_t *j, struct err *e)
{
    struct sim_settings next = *s;
    const char *name;
    json_t *value;

    if (!json_is_object(j))
        return err_set(e, ERR_BAD_REQUEST, "settings: is no JSON object");
    json_object_foreach((json_t *)(uintptr_t)j, name, value) {
        const struct row *r = row_named(name);

        if (!r)
            return err_set(e, ERR_BAD_REQUEST, "settings: there is no %s; GET /control/settings shows all", name);
        if (!json_is_integer(value) || json_integer_value(value) < r->min || json_integer_value(value) > r->max)
            return err_set(e, ERR_BAD_REQUEST, "settings.%s: is no integer from %lld to %lld", name, (long long)r->min, (long long)r->max);
        *value_of(&next, r) = json_integer_value(value);
    }
    *s = next;
    return ERR_OK;
}

json_t *sim_settings_json(const struct sim_settings *s)
{
    struct sim_settings copy = *s;
    json_t *out = json_object();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        json_put_int(out, rows[i].name, *value_of(&copy, &rows[i]));
    return out;
}
