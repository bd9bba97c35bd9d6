/* What may not change: U1 to U24. */
#include "workspace/validate/priv.h"

/* C1 and U1: what the API server's own subdomain rule lets through. */
void check_name(struct check *c)
{
    struct str name = c->ws->meta.name;

    if (name.n > 63)
        problem_add(c->out, "name", "invalid value: must be no more than 63 characters");
    else if (memchr(name.p ? name.p : "", '.', name.n))
        problem_add(c->out, "name", "invalid value: must not contain dots");
}

static bool partition_changed(const struct ws_resource *a, const struct ws_resource *b)
{
    struct ws_resource x = { .partition = a ? a->partition : NULL }, y = { .partition = b ? b->partition : NULL };

    return !schema_equal(&ws_resource_type, &x, &y);
}

/* ---- selectors: compared as the maps that they stand for ----------------------------------------------------------- */

static const struct label_selector *selector_of(const struct workspace *ws)
{
    return ws->resource ? ws->resource->label_selector : NULL;
}

/* An expression goes before a label of its key, a later one before an earlier. Absent: p is NULL. */
static struct str selected_value(const struct label_selector *s, struct str key)
{
    for (size_t i = s->n_match_expressions; i-- > 0;)
        if (str_eq(s->match_expressions[i].key, key))
            return s->match_expressions[i].values[0];
    return str_map_get(&s->match_labels, key.p);
}

static bool holds(const struct label_selector *s, const struct label_selector *of, struct str key)
{
    struct str have = selected_value(s, key);

    return have.p && str_eq(have, selected_value(of, key));
}

static bool holds_all(const struct label_selector *s, const struct label_selector *of)
{
    for (size_t i = 0; i < of->match_labels.n; i++)
        if (!holds(s, of, of->match_labels.items[i].key))
            return false;
    for (size_t i = 0; i < of->n_match_expressions; i++)
        if (!holds(s, of, of->match_expressions[i].key))
            return false;
    return true;
}

static void check_selector_update(struct check *c)
{
    const struct label_selector *is = selector_of(c->ws), *was = selector_of(c->old);
    AUTO_BUF why = { 0 };

    if (!selector_is_map(is, &why) || !selector_is_map(was, &why))
        problem_add(c->out, "resource.labelSelector", "Only allow matchLabels or 'IN' matchExpression");
    else if (!is != !was || (is && (!holds_all(is, was) || !holds_all(was, is))))
        problem_add(c->out, "resource.labelSelector", "field is immutable");
}

static void check_update_type(struct check *c)
{
    struct str was = ws_instance_type(c->old), is = ws_instance_type(c->ws);

    if (c->v1alpha1) {
        if (!str_eq(was, is))
            problem_add(c->out, "resource.instanceType", "field is immutable");
    } else if (c->env->settings->byo) {
        if (was.n == 0 && is.n > 0)
            problem_add(c->out, "resource.instanceType", "invalid value: instanceType must be empty when node auto-provisioning is disabled (BYO scenario)");
        else if (was.n > 0 && is.n > 0 && !str_eq(was, is))
            problem_add(c->out, "resource.instanceType", "invalid value: instanceType cannot be changed once set");
    } else if (is.n == 0) {
        problem_add(c->out, "resource.instanceType", MISSING);
        problem_add(c->out, "resource.instanceType is required when node auto-provisioning is enabled", MISSING);
    } else if (was.n > 0 && !str_eq(was, is)) {
        problem_add(c->out, "resource.instanceType", "instanceType cannot be changed once set when node auto-provisioning is enabled");
    }
}

static bool preset_changed(const struct ws_preset *a, const struct ws_preset *b)
{
    struct ws_inference x = { .preset = a ? &(struct ws_preset){ a->name, a->access_mode, a->options } : NULL };
    struct ws_inference y = { .preset = b ? &(struct ws_preset){ b->name, b->access_mode, b->options } : NULL };

    return !schema_equal(&ws_inference_type, &x, &y);
}

/* U10, U11 */
static void check_annotations_update(struct check *c)
{
    if (c->v1alpha1)
        return;
    if (!str_eq(ws_annotation(c->ws, NODE_CLASS_ANNOTATION), ws_annotation(c->old, NODE_CLASS_ANNOTATION)))
        check_node_class(c);
    if (c->env->settings->model_streaming && !str_eq(ws_annotation(c->ws, STREAMING_ANNOTATION), ws_annotation(c->old, STREAMING_ANNOTATION)))
        problem_add(c->out, "metadata.annotations[" STREAMING_ANNOTATION "]", "annotation " STREAMING_ANNOTATION " is immutable after creation");
}

void check_update(struct check *c)
{
    const struct workspace *ws = c->ws, *old = c->old;

    check_name(c);
    if (!ws->inference != !old->inference)
        problem_add(c->out, "spec.inference", "Inference field cannot be toggled once set");
    if (!ws->tuning != !old->tuning)
        problem_add(c->out, "spec.tuning", "Tuning field cannot be toggled once set");
    if (ws->resource && old->resource && ws->resource->count.set && old->resource->count.set && ws->resource->count.v != old->resource->count.v)
        problem_add(c->out, "resource.count", "field is immutable");
    if (partition_changed(old->resource, ws->resource))
        problem_add(c->out, "resource.partition", "field is immutable");
    check_update_type(c);
    check_selector_update(c);
    check_annotations_update(c);
    if (ws->inference && old->inference) {
        if (preset_changed(old->inference->preset, ws->inference->preset))
            problem_add(c->out, "inference.preset", "field is immutable");
        if (!ws->inference->pod_template != !old->inference->pod_template)
            problem_add(c->out, "inference.template", "field cannot be unset/set if it was set/unset");
        check_adapters_update(c);
    }
    if (ws->tuning && old->tuning) {
        if (ws->tuning->input)
            check_source_image(c, ws->tuning->input, "tuning.Input");
        if (ws->tuning->output)
            check_destination_image(c, ws->tuning->output);
        if (preset_changed(old->tuning->preset, ws->tuning->preset))
            problem_add(c->out, "tuning.Preset", "Preset cannot be changed");
        if (!str_ieq(ws->tuning->method, old->tuning->method))
            problem_add(c->out, "tuning.Method", "Method cannot be changed");
        if (ws->tuning->input && old->tuning->input && !str_eq(ws->tuning->input->name, old->tuning->input->name))
            problem_add(c->out, "tuning.Input.Name", "invalid value: During tuning Name field cannot be changed once set");
    }
}

