/* status.conditions. */
#include "base/clock.h"
#include "kube/meta.h"

json_t *kube_condition_in(const json_t *conditions, const char *type)
{
    size_t i;
    json_t *c;
    json_array_foreach(conditions, i, c)
        if (streq(json_cstr(c, "type"), type))
            return c;
    return NULL;
}

const json_t *kube_condition(const json_t *obj, const char *type)
{
    return kube_condition_in(json_at(obj, "status", "conditions", NULL), type);
}

bool kube_condition_is(const json_t *obj, const char *type, const char *status)
{
    return streq(json_cstr(kube_condition(obj, type), "status"), status);
}

static bool put_changed(json_t *o, const char *key, const char *value)
{
    if (!value || streq(json_cstr(o, key), value))
        return false;
    json_put_str(o, key, value);
    return true;
}

bool kube_condition_set(json_t *conditions, const struct kube_condition *c, int64_t now_ms)
{
    json_t *entry = kube_condition_in(conditions, c->type);
    bool changed = !entry;
    if (!entry) {
        entry = json_object();
        json_put_str(entry, "type", c->type);
        json_push(conditions, entry);
    }
    if (put_changed(entry, "status", c->status) || !json_object_get(entry, "lastTransitionTime")) {
        char now[TIME_TEXT_MAX];
        time_rfc3339(now_ms, now);
        json_put_str(entry, "lastTransitionTime", now);
        changed = true;
    }
    changed |= put_changed(entry, "reason", c->reason ? c->reason : "");
    changed |= put_changed(entry, "message", c->message ? c->message : "");
    if (c->generation && json_int(entry, "observedGeneration", 0) != c->generation) {
        json_put_int(entry, "observedGeneration", c->generation);
        changed = true;
    }
    return changed;
}
