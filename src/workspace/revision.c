/* A Workspace's spec as Go encodes it, and upstream's hash of it (dossier 4.3). */
#include "api/k8s/k8s.h"
#include "base/hash.h"
#include "base/mem.h"
#include "workspace/priv.h"

#include <stdlib.h>

#define POD_TEMPLATE  "io.k8s.api.core.v1.PodTemplateSpec"
#define VOLUME_SOURCE "io.k8s.api.core.v1.VolumeSource"

/* Upstream's Kubernetes writes no creationTimestamp where there is none. */
static void drop_null_times(json_t *j)
{
    const char *key;
    json_t *value;
    void *next;
    size_t i;

    if (json_is_array(j)) {
        json_array_foreach(j, i, value)
            drop_null_times(value);
        return;
    }
    json_object_foreach_safe(j, next, key, value) {
        if (json_is_null(value) && streq(key, "creationTimestamp"))
            json_object_del(j, key);
        else
            drop_null_times(value);
    }
}

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_keys(json_t *object)
{
    size_t n = 0, size = json_object_size(object);
    AUTO_MEM const char **keys = xcalloc(size + 1, sizeof *keys);
    json_t *sorted = json_object(), *value;
    const char *key;

    json_object_foreach(object, key, value)
        keys[n++] = key;
    qsort(keys, n, sizeof *keys, by_key);
    for (size_t i = 0; i < n; i++)
        json_put(sorted, keys[i], json_incref(json_object_get(object, keys[i])));
    json_object_clear(object);
    json_object_update(object, sorted);
    json_decref(sorted);
}

/* Go writes structs in the order of their fields, but maps in that of their keys. */
static bool is_map(const char *name)
{
    static const char *const maps[] = { "matchLabels", "labels", "annotations", "nodeSelector", "limits", "requests", "overhead", "volumeAttributes", "options" };

    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        if (streq(maps[i], name))
            return true;
    return false;
}

static void sort_maps(json_t *j)
{
    const char *key;
    json_t *value;
    size_t i;

    json_array_foreach(j, i, value)
        sort_maps(value);
    json_object_foreach(j, key, value) {
        if (json_is_object(value) && is_map(key))
            sort_keys(value);
        sort_maps(value);
    }
}

/* The part of object under key, in the form that a decoder and encoder of Go would leave it in. What they cannot read stays as it is. */
static void as_go(json_t *object, const char *key, const char *type_name)
{
    json_t *part = json_object_get(object, key);
    AUTO_JSON copy = json_is_object(part) ? json_clone(part) : NULL;
    struct err e;

    if (!copy || schema_coerce(k8s_type(type_name), copy, &e))
        return;
    drop_null_times(copy);
    json_put(object, key, json_incref(copy));
}

json_t *ws_resource_json(const struct workspace *ws)
{
    return ws->resource ? schema_encode(&ws_resource_type, ws->resource) : json_null();
}

json_t *ws_inference_json(const struct workspace *ws)
{
    json_t *j = ws->inference ? schema_encode(&ws_inference_type, ws->inference) : json_null(), *adapter;
    size_t i;

    as_go(j, "template", POD_TEMPLATE);
    json_array_foreach(json_object_get(j, "adapters"), i, adapter)
        as_go(json_object_get(adapter, "source"), "volumeSource", VOLUME_SOURCE);
    return j;
}

json_t *ws_tuning_json(const struct workspace *ws)
{
    json_t *j = ws->tuning ? schema_encode(&ws_tuning_type, ws->tuning) : json_null();

    as_go(json_object_get(j, "input"), "volumeSource", VOLUME_SOURCE);
    as_go(json_object_get(j, "output"), "volumeSource", VOLUME_SOURCE);
    return j;
}

/* Go's encoder escapes these three in strings, and upstream hashes Go's bytes. */
static void add_go_json(struct buf *out, json_t *j)
{
    AUTO_BUF plain = { 0 };

    sort_maps(j);
    json_write(j, &plain);
    for (size_t i = 0; i < plain.n; i++)
        switch (plain.p[i]) {
        case '<': buf_adds(out, "\\u003c"); break;
        case '>': buf_adds(out, "\\u003e"); break;
        case '&': buf_adds(out, "\\u0026"); break;
        default: buf_addc(out, plain.p[i]);
        }
    buf_addc(out, '\n');
}

void ws_hash(const struct workspace *ws, char out[65])
{
    AUTO_BUF text = { 0 };
    AUTO_JSON resource = ws_resource_json(ws);
    AUTO_JSON inference = ws_inference_json(ws);
    AUTO_JSON tuning = ws_tuning_json(ws);

    add_go_json(&text, resource);
    add_go_json(&text, inference);
    add_go_json(&text, tuning);
    sha256_hex(text.p, text.n, out);
}

bool ws_has_revision(const struct workspace *ws, const char *hash, int64_t *number)
{
    *number = 0;
    (void)str_to_i64(ws_annotation(ws, REVISION_ANNOTATION), number);
    return *number > 0 && str_is(ws_annotation(ws, HASH_ANNOTATION), hash);
}
