#include "cluster/fit.h"

#include <stdarg.h>
#include <stdio.h>

static __int128 amounts_get(const struct amounts *a, struct str name)
{
    for (size_t i = 0; i < a->n; i++)
        if (str_eq(a->items[i].name, name))
            return a->items[i].nano;
    return 0;
}

static struct amount *amount_of(struct amounts *a, struct str name)
{
    for (size_t i = 0; i < a->n; i++)
        if (str_eq(a->items[i].name, name))
            return &a->items[i];
    if (a->n == ARRAY_LEN(a->items))
        return NULL;
    a->items[a->n] = (struct amount){ name, 0 };
    return &a->items[a->n++];
}

void amounts_add(struct amounts *a, const struct amounts *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct amount *to = amount_of(a, b->items[i].name);
        if (to)
            to->nano += b->items[i].nano;
    }
}

static void container_requests(const struct container *c, struct amounts *out)
{
    const struct str_map *maps[] = { &c->resources.limits, &c->resources.requests };    /* a limit without a request is one */
    for (size_t m = 0; m < ARRAY_LEN(maps); m++)
        for (size_t i = 0; i < maps[m]->n; i++) {
            struct amount *to = amount_of(out, maps[m]->items[i].key);
            __int128 nano;
            if (to && quantity_parse(maps[m]->items[i].value, &nano))
                to->nano = nano;
        }
}

void pod_requests(const struct pod_spec *spec, struct amounts *out)
{
    *out = (struct amounts){ 0 };
    for (size_t i = 0; i < spec->n_containers; i++) {
        struct amounts one = { 0 };
        container_requests(&spec->containers[i], &one);
        amounts_add(out, &one);
    }
    for (size_t i = 0; i < spec->n_init; i++) {
        struct amounts one = { 0 };
        container_requests(&spec->init[i], &one);
        for (size_t k = 0; k < one.n; k++) {
            struct amount *to = amount_of(out, one.items[k].name);
            if (to && one.items[k].nano > to->nano)
                to->nano = one.items[k].nano;
        }
    }
}

static bool value_listed(const struct selector_requirement *r, struct str value)
{
    for (size_t i = 0; i < r->n_values; i++)
        if (str_eq(r->values[i], value))
            return true;
    return false;
}

static bool number_holds(const struct selector_requirement *r, struct str value)
{
    int64_t have, want;
    if (r->n_values != 1 || !str_to_i64(value, &have) || !str_to_i64(r->values[0], &want))
        return false;
    return str_is(r->op, "Gt") ? have > want : have < want;
}

static bool requirement_holds(const struct selector_requirement *r, struct str value)
{
    if (str_is(r->op, "In"))
        return value.p && value_listed(r, value);
    if (str_is(r->op, "NotIn"))
        return !value.p || !value_listed(r, value);
    if (str_is(r->op, "Exists"))
        return value.p;
    if (str_is(r->op, "DoesNotExist"))
        return !value.p;
    return value.p && (str_is(r->op, "Gt") || str_is(r->op, "Lt")) && number_holds(r, value);
}

static struct str label_of(const struct node *node, struct str key)
{
    for (size_t i = 0; i < node->meta.labels.n; i++)
        if (str_eq(node->meta.labels.items[i].key, key))
            return node->meta.labels.items[i].value;
    return (struct str){ 0 };
}

static bool term_matches(const struct node_term *t, const struct node *node)
{
    if (!t->n_labels && !t->n_fields)
        return false;           /* an empty term selects nothing */
    for (size_t i = 0; i < t->n_labels; i++)
        if (!requirement_holds(&t->labels[i], label_of(node, t->labels[i].key)))
            return false;
    for (size_t i = 0; i < t->n_fields; i++)
        if (!str_is(t->fields[i].key, "metadata.name") || !requirement_holds(&t->fields[i], node->meta.name))
            return false;
    return true;
}

static bool node_selector_matches(const struct node_selector *s, const struct node *node)
{
    for (size_t i = 0; i < s->n_terms; i++)
        if (term_matches(&s->terms[i], node))
            return true;
    return false;
}

static bool tolerates(const struct toleration *t, const struct taint *taint)
{
    if (t->effect.n && !str_eq(t->effect, taint->effect))
        return false;
    if (t->key.n && !str_eq(t->key, taint->key))
        return false;
    if (str_is(t->op, "Exists"))
        return true;
    return t->key.n && str_eq(t->value, taint->value);
}

static bool taint_is_tolerated(const struct taint *t, const struct toleration *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tolerates(&list[i], t))
            return true;
    return false;
}

static void reason(struct fit_reasons *out, const char *fmt, ...) PRINTF(2, 3);
static void reason(struct fit_reasons *out, const char *fmt, ...)
{
    va_list ap;
    if (out->n == ARRAY_LEN(out->text))
        return;
    va_start(ap, fmt);
    vsnprintf(out->text[out->n++], sizeof out->text[0], fmt, ap);
    va_end(ap);
}

static bool labels_match(const struct node *node, const struct pod_spec *spec, const struct affinity *affinity)
{
    for (size_t i = 0; i < spec->node_selector.n; i++)
        if (!str_eq(label_of(node, spec->node_selector.items[i].key), spec->node_selector.items[i].value) ||
            !label_of(node, spec->node_selector.items[i].key).p)
            return false;
    const struct node_affinity *na = affinity ? affinity->node : NULL;
    return !na || !na->required || node_selector_matches(na->required, node);
}

static const struct taint *first_untolerated(const struct node *node, const struct pod_spec *spec)
{
    static const struct taint cordon = { { "node.kubernetes.io/unschedulable", 32 }, { "", 0 }, { "NoSchedule", 10 } };
    for (size_t i = 0; i < node->spec.n_taints; i++) {
        const struct taint *t = &node->spec.taints[i];
        bool counts = str_is(t->effect, "NoSchedule") || str_is(t->effect, "NoExecute");
        if (counts && !taint_is_tolerated(t, spec->tolerations, spec->n_tolerations))
            return t;
    }
    return node->spec.unschedulable && !taint_is_tolerated(&cordon, spec->tolerations, spec->n_tolerations) ? &cordon : NULL;
}

static void check_resources(const struct node *node, const struct amounts *wants, const struct amounts *used, size_t pods_there,
                            struct fit_reasons *out)
{
    const struct str_map *have = node->status.allocatable.n ? &node->status.allocatable : &node->status.capacity;
    int64_t max_pods = quantity_value(str_map_get(have, "pods"), 110);
    if ((int64_t)pods_there + 1 > max_pods)
        reason(out, "Too many pods");
    for (size_t i = 0; i < wants->n; i++) {
        __int128 total = 0, nano;
        for (size_t k = 0; k < have->n; k++)
            if (str_eq(have->items[k].key, wants->items[i].name) && quantity_parse(have->items[k].value, &nano))
                total = nano;
        if (wants->items[i].nano && wants->items[i].nano > total - amounts_get(used, wants->items[i].name))
            reason(out, "Insufficient %.*s", STR_ARG(wants->items[i].name));
    }
}

bool node_fits(const struct node *node, const struct pod_spec *spec, const struct affinity *affinity, const struct amounts *wants,
               const struct amounts *used, size_t pods_there, struct fit_reasons *out)
{
    *out = (struct fit_reasons){ 0 };
    const struct taint *t = first_untolerated(node, spec);
    if (t && str_is(t->key, "node.kubernetes.io/unschedulable"))
        reason(out, "node(s) were unschedulable");
    else if (t)
        reason(out, "node(s) had untolerated taint {%.*s: %.*s}", STR_ARG(t->key), (int)t->value.n, t->value.p ? t->value.p : "");
    else if (!labels_match(node, spec, affinity))
        reason(out, "node(s) didn't match Pod's node affinity/selector");
    if (out->n)
        return false;
    check_resources(node, wants, used, pods_there, out);
    out->resolvable = true;
    return out->n == 0;
}
