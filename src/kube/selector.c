/* Label selectors (metav1.LabelSelector and plain maps). */
#include "kube/meta.h"

static bool values_hold(const json_t *values, const char *label)
{
    size_t i;
    json_t *v;
    json_array_foreach(values, i, v)
        if (streq(json_string_value(v), label))
            return true;
    return false;
}

/* An expression with an operator we do not know matches nothing: the server validates them. */
static bool expression_matches(const json_t *x, const json_t *labels)
{
    const char *op = json_cstr(x, "operator"), *key = json_cstr(x, "key");
    const char *label = key ? json_cstr(labels, key) : NULL;
    const json_t *values = json_object_get(x, "values");
    if (streq(op, "In"))
        return label && values_hold(values, label);
    if (streq(op, "NotIn"))
        return !label || !values_hold(values, label);
    if (streq(op, "Exists"))
        return label != NULL;
    if (streq(op, "DoesNotExist"))
        return label == NULL;
    return false;
}

static bool all_equal(const json_t *map, const json_t *labels)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
        if (!streq(json_string_value(value), json_cstr(labels, key)))
            return false;
    return true;
}

bool kube_selector_matches(const json_t *selector, const json_t *labels)
{
    if (!json_is_object(selector))
        return false;
    size_t i;
    json_t *x;
    json_array_foreach(json_object_get(selector, "matchExpressions"), i, x)
        if (!expression_matches(x, labels))
            return false;
    return all_equal(json_object_get(selector, "matchLabels"), labels);
}

bool kube_map_matches(const json_t *map, const json_t *labels)
{
    return json_object_size(map) > 0 && all_equal(map, labels);
}

static void add_values(struct buf *out, const json_t *values)
{
    size_t i;
    json_t *v;
    json_array_foreach(values, i, v)
        buf_addf(out, "%s%s", i ? "," : "", json_string_value(v));
}

void kube_selector_text(const json_t *selector, struct buf *out)
{
    const char *key;
    json_t *value, *x;
    size_t i;
    json_object_foreach(json_object_get(selector, "matchLabels"), key, value)
        buf_addf(out, "%s%s=%s", out->n ? "," : "", key, json_string_value(value));
    json_array_foreach(json_object_get(selector, "matchExpressions"), i, x) {
        const char *op = json_cstr(x, "operator"), *k = json_cstr(x, "key");
        buf_adds(out, out->n ? "," : "");
        if (streq(op, "In") || streq(op, "NotIn")) {
            buf_addf(out, "%s %s (", k, streq(op, "In") ? "in" : "notin");
            add_values(out, json_object_get(x, "values"));
            buf_addc(out, ')');
        } else {
            buf_addf(out, "%s%s", streq(op, "DoesNotExist") ? "!" : "", k);
        }
    }
}
