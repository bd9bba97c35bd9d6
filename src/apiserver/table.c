/*
 * Tables (what kubectl get prints) and metadata-only objects.
 */
#include "apiserver/cells.h"
#include "apiserver/jsonpath.h"
#include "apiserver/strategy.h"

json_t *partial_of(struct req *r, const json_t *obj)
{
    json_t *o = json_object();

    json_put_str(o, "kind", "PartialObjectMetadata");
    json_put(o, "apiVersion", json_strf("meta.k8s.io/%s", str_set(r->form_version) ? r->form_version : "v1"));
    json_put(o, "metadata", json_incref(json_object_get(obj, "metadata")));
    return o;
}

/* A date of a custom column is shown as an age; other values as kubectl prints them. */
static json_t *custom_cell(const struct column *c, const json_t *obj, int64_t now_ms)
{
    AUTO_JSON found = jsonpath_find(obj, c->path);
    const json_t *first = json_array_get(found, 0);
    int64_t us = 0;
    char age[TIME_TEXT_MAX];

    if (!first || json_is_null(first))
        return json_null();
    if (streq(c->type, "date")) {
        if (!json_is_string(first) || !time_parse(json_to_str(first), &us))
            return json_string("<invalid>");
        time_human_age(now_ms - us / 1000, age);
        return json_string(age);
    }
    if (streq(c->type, "integer"))
        return json_is_integer(first) ? json_incref((json_t *)(uintptr_t)first)
             : json_is_real(first) ? json_integer((json_int_t)json_real_value(first)) : json_null();
    if (streq(c->type, "number"))
        return json_is_number(first) ? json_incref((json_t *)(uintptr_t)first) : json_null();
    if (streq(c->type, "boolean"))
        return json_is_boolean(first) ? json_incref((json_t *)(uintptr_t)first) : json_null();
    if (json_is_string(first))
        return json_incref((json_t *)(uintptr_t)first);
    AUTO_MEM char *text = json_text(first);
    return json_string(text);
}

static json_t *definitions_json(const struct columns *cols)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cols->n; i++) {
        const struct column *c = &cols->items[i];
        json_t *o = json_object();
        json_put_str(o, "name", c->name);
        json_put_str(o, "type", c->type);
        json_put_str(o, "format", c->format);
        json_put_str(o, "description", c->description);
        json_put_int(o, "priority", c->priority);
        json_push(list, o);
    }
    return list;
}

static json_t *row_object(struct req *r, const json_t *obj)
{
    if (streq(r->include_object, "None"))
        return json_null();
    if (streq(r->include_object, "Object"))
        return json_incref((json_t *)(uintptr_t)obj);
    return partial_of(r, obj);
}

/* Clients may grey out what is over. */
static void put_conditions(json_t *row, const json_t *pod)
{
    const char *phase = json_str_at(pod, "status", "phase", NULL);
    bool good = streq(phase, "Succeeded");

    if (!good && !streq(phase, "Failed"))
        return;
    json_t *list = json_array(), *c = json_object();
    json_put_str(c, "type", "Completed");
    json_put_str(c, "status", "True");
    json_put_str(c, "reason", phase);
    json_put_str(c, "message", good ? "The pod has completed successfully." : "The pod failed.");
    json_push(list, c);
    json_put(row, "conditions", list);
}

json_t *table_of(struct req *r, const struct resource *res, json_t *const *objs, size_t n, bool with_columns)
{
    const struct columns *cols = res->columns ? res->columns : res->custom ? &columns_custom : &columns_default;
    json_t *t = json_object(), *rows = json_array(), *meta = json_object();

    json_put_str(t, "kind", "Table");
    json_put(t, "apiVersion", json_strf("meta.k8s.io/%s", str_set(r->form_version) ? r->form_version : "v1"));
    if (n == 1 && objs[0])
        json_put(meta, "resourceVersion", json_incref(json_at(objs[0], "metadata", "resourceVersion", NULL)));
    json_put(t, "metadata", meta);
    json_put(t, "columnDefinitions", with_columns ? definitions_json(cols) : json_null());
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_object(), *cells = json_array();
        for (size_t k = 0; k < cols->n; k++)
            json_push(cells, cols->items[k].cell ? cols->items[k].cell(objs[i], r->now_ms) : custom_cell(&cols->items[k], objs[i], r->now_ms));
        json_put(row, "cells", cells);
        if (streq(res->plural, "pods"))
            put_conditions(row, objs[i]);
        json_put(row, "object", row_object(r, objs[i]));
        json_push(rows, row);
    }
    bool plain = cols->n == 2 && streq(cols->items[1].name, "Created At");
    if (plain && !n && !res->custom) {          /* upstream's general table leaves its list nil */
        json_decref(rows);
        rows = json_null();
    }
    json_put(t, "rows", rows);
    return t;
}
