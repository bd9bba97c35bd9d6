/*
 * Reading: the header is JSON from a stranger, so every number is checked before an address is made of it.
 * Duplicate names are found with jansson's JSON_REJECT_DUPLICATES.
 */
#include "tensor/safetensors.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"

#define INDEX_MAX_BYTES (64u << 20)

struct entry {
    char *name;
    struct tensor tensor;
    size_t begin, end;          /* within the data buffer of its file */
    size_t file;                /* index in files */
};

struct safetensors {
    char *path;
    struct entry *entries;
    size_t n, cap;
    struct map *by_name;        /* to struct entry, built when entries is complete */
    struct map *meta;           /* of the first file that has any; values malloc'd */
    struct file_map *maps;
    size_t n_maps, cap_maps;
    char **files;               /* paths, one for each header read */
    size_t n_files, cap_files;
};

void safetensors_free(struct safetensors *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        free(s->entries[i].name);
    free(s->entries);
    map_free(s->by_name);
    map_free(s->meta);
    for (size_t i = 0; i < s->n_maps; i++)
        file_map_close(&s->maps[i]);
    free(s->maps);
    for (size_t i = 0; i < s->n_files; i++)
        free(s->files[i]);
    free(s->files);
    free(s->path);
    free(s);
}

static struct safetensors *set_new(const char *path)
{
    struct safetensors *s = xzalloc(sizeof *s);

    s->path = xstrdup(path);
    s->meta = map_new(free);
    return s;
}

/* ── one header ── */

static bool json_to_size(const json_t *j, size_t *out)
{
    if (!json_is_integer(j) || json_integer_value(j) < 0)
        return false;
    *out = (size_t)json_integer_value(j);
    return true;
}

static errc read_shape(const char *file, const char *name, const json_t *shape, struct tensor *t, struct err *e)
{
    if (!json_is_array(shape) || json_array_size(shape) > TENSOR_DIMS_MAX)
        return err_set(e, ERR_CORRUPT, "%s: tensor %s: shape must be a list of at most %d sizes", file, name, TENSOR_DIMS_MAX);
    t->ndim = json_array_size(shape);
    t->len = 1;
    for (size_t i = 0; i < t->ndim; i++) {
        if (!json_to_size(json_array_get(shape, i), &t->shape[i]))
            return err_set(e, ERR_CORRUPT, "%s: tensor %s: shape[%zu] is not a size", file, name, i);
        if (!size_mul(t->len, t->shape[i], &t->len))
            return err_set(e, ERR_CORRUPT, "%s: tensor %s: the product of its shape overflows", file, name);
    }
    return ERR_OK;
}

static errc read_entry(const char *file, const char *name, const json_t *j, const uint8_t *data, size_t data_size,
                       struct entry *out, struct err *e)
{
    const char *dtype = json_cstr(j, "dtype");
    const json_t *offsets = json_object_get(j, "data_offsets");
    size_t bytes;

    if (!dtype || !dtype_parse(str_of(dtype), &out->tensor.dtype))
        return err_set(e, ERR_CORRUPT, "%s: tensor %s: dtype %.20s is not known", file, name, dtype ? dtype : "(absent)");
    TRY(read_shape(file, name, json_object_get(j, "shape"), &out->tensor, e));
    if (json_array_size(offsets) != 2 || !json_to_size(json_array_get(offsets, 0), &out->begin) ||
        !json_to_size(json_array_get(offsets, 1), &out->end))
        return err_set(e, ERR_CORRUPT, "%s: tensor %s: data_offsets must be two sizes", file, name);
    if (out->begin > out->end || out->end > data_size)
        return err_set(e, ERR_CORRUPT, "%s: tensor %s: data_offsets [%zu, %zu] lie outside the file's %zu data bytes "
                       "(is the file cut short? download it again)", file, name, out->begin, out->end, data_size);
    if (!size_mul(out->tensor.len, dtype_size(out->tensor.dtype), &bytes) || bytes != out->end - out->begin) {
        char text[TENSOR_SHAPE_TEXT_MAX];
        return err_set(e, ERR_CORRUPT, "%s: tensor %s: %s of shape %s does not fit its %zu bytes", file, name, dtype,
                       tensor_shape_text(&out->tensor, text), out->end - out->begin);
    }
    out->tensor.data = data + out->begin;
    return ERR_OK;
}

static int by_begin(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Sorted by offset, each tensor begins where the one before ended, and the last ends with the file. */
static errc check_layout(const char *file, struct entry *entries, size_t n, size_t data_size, struct err *e)
{
    size_t at = 0;

    if (n)
        qsort(entries, n, sizeof *entries, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (entries[i].begin != at)
            return err_set(e, ERR_CORRUPT, "%s: tensor %s: begins at byte %zu, but the one before it ends at %zu", file,
                           entries[i].name, entries[i].begin, at);
        at = entries[i].end;
    }
    if (at != data_size)
        return err_set(e, ERR_CORRUPT, "%s: holds %zu data bytes, its header describes %zu", file, data_size, at);
    return ERR_OK;
}

static errc read_meta(struct safetensors *s, const char *file, const json_t *meta, struct err *e)
{
    const char *key;
    json_t *value;

    if (!json_is_object(meta))
        return err_set(e, ERR_CORRUPT, "%s: __metadata__ must be an object", file);
    json_object_foreach((json_t *)(uintptr_t)meta, key, value) {
        if (!json_is_string(value))
            return err_set(e, ERR_CORRUPT, "%s: __metadata__.%.60s must be a string", file, key);
        if (!map_get(s->meta, str_of(key)))
            map_put(s->meta, str_of(key), xstrdup(json_string_value(value)));
    }
    return ERR_OK;
}

static errc header_json(const char *file, struct str bytes, json_t **out, struct str *out_data, struct err *e)
{
    uint64_t size = 0;
    json_error_t why;

    if (bytes.n < 8)
        return err_set(e, ERR_CORRUPT, "%s: %zu bytes are too few for a safetensors file", file, bytes.n);
    for (int i = 7; i >= 0; i--)
        size = size << 8 | (uint8_t)bytes.p[i];
    if (size > SAFETENSORS_HEADER_MAX || size > bytes.n - 8)
        return err_set(e, ERR_CORRUPT, "%s: header of %llu bytes in a file of %zu (limit %u): not a safetensors file, or cut short",
                       file, (unsigned long long)size, bytes.n, SAFETENSORS_HEADER_MAX);
    if (size == 0 || bytes.p[8] != '{')
        return err_set(e, ERR_CORRUPT, "%s: the header must begin with '{'", file);
    *out = json_loadb(bytes.p + 8, (size_t)size, JSON_REJECT_DUPLICATES, &why);
    if (!*out)
        return err_set(e, ERR_CORRUPT, "%s: header: %s at byte %d", file, why.text, why.position);
    *out_data = str_n(bytes.p + 8 + size, bytes.n - 8 - (size_t)size);
    if (!json_is_object(*out))
        return err_set(e, ERR_CORRUPT, "%s: the header must be an object", file);
    return ERR_OK;
}

static errc add_file(struct safetensors *s, const char *file, struct str bytes, struct err *e)
{
    AUTO_JSON header = NULL;
    struct str data = { 0 };
    size_t first = s->n;
    const char *name;
    json_t *value;

    vec_grow(s->files, s->n_files, s->cap_files);
    s->files[s->n_files++] = xstrdup(file);
    TRY(header_json(file, bytes, &header, &data, e));
    json_object_foreach(header, name, value) {
        if (streq(name, "__metadata__")) {
            TRY(read_meta(s, file, value, e));
            continue;
        }
        struct entry one = { .file = s->n_files - 1 };
        TRY(read_entry(file, name, value, (const uint8_t *)data.p, data.n, &one, e));
        one.name = xstrdup(name);
        vec_grow(s->entries, s->n, s->cap);
        s->entries[s->n++] = one;
    }
    return check_layout(file, s->entries ? s->entries + first : NULL, s->n - first, data.n, e);
}

static errc add_path(struct safetensors *s, const char *path, struct err *e)
{
    struct file_map m;

    TRY(file_map_open(path, &m, e));
    vec_grow(s->maps, s->n_maps, s->cap_maps);
    s->maps[s->n_maps++] = m;
    return add_file(s, path, str_n((const char *)m.p, m.n), e);
}

static errc index_names(struct safetensors *s, struct err *e)
{
    s->by_name = map_new(NULL);
    for (size_t i = 0; i < s->n; i++) {
        struct str name = str_of(s->entries[i].name);

        if (map_get(s->by_name, name))
            return err_set(e, ERR_CORRUPT, "%s: tensor %s is in two files", s->path, s->entries[i].name);
        map_put(s->by_name, name, &s->entries[i]);
    }
    return ERR_OK;
}

/* ── opening ── */

errc safetensors_parse(const char *name, struct str bytes, struct safetensors **out, struct err *e)
{
    AUTO_FREE(safetensors) s = set_new(name);

    TRY(add_file(s, name, bytes, e));
    TRY(index_names(s, e));
    *out = TAKE(s);
    return ERR_OK;
}

errc safetensors_open(const char *path, struct safetensors **out, struct err *e)
{
    AUTO_FREE(safetensors) s = set_new(path);

    TRY(add_path(s, path, e));
    TRY(index_names(s, e));
    *out = TAKE(s);
    return ERR_OK;
}

/* A shard's name comes from a file somebody sent: it may not lead out of the folder. */
static bool plain_name(const char *name) { return str_set(name) && !strchr(name, '/') && name[0] != '.'; }

static errc add_shards(struct safetensors *s, const char *dir, const json_t *weight_map, struct err *e)
{
    AUTO_FREE(map) seen = map_new(NULL);
    const char *tensor;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)weight_map, tensor, value) {
        const char *shard = json_string_value(value);

        if (!plain_name(shard))
            return err_set(e, ERR_CORRUPT, "%s: weight_map.%.120s must name a file of this folder", s->path, tensor);
        if (map_get(seen, str_of(shard)))
            continue;
        map_put(seen, str_of(shard), s);
        AUTO_MEM char *path = path_join(dir, shard);
        if (add_path(s, path, e))
            return err_wrap(e, "shard named by %s", s->path);
    }
    return ERR_OK;
}

static errc check_weight_map(const struct safetensors *s, const json_t *weight_map, struct err *e)
{
    const char *tensor;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)weight_map, tensor, value)
        if (!safetensors_get(s, tensor))
            return err_set(e, ERR_CORRUPT, "%s: tensor %s should be in %s, which does not hold it", s->path, tensor,
                           json_string_value(value));
    return ERR_OK;
}

static errc open_index(const char *dir, const char *path, struct safetensors **out, struct err *e)
{
    AUTO_FREE(safetensors) s = set_new(path);
    AUTO_JSON index = NULL;

    TRY(json_parse_file(path, INDEX_MAX_BYTES, &index, e));
    const json_t *weight_map = json_object_get(index, "weight_map");
    if (json_object_size(weight_map) == 0)
        return err_set(e, ERR_CORRUPT, "%s: weight_map must be an object from tensor to file", path);
    TRY(add_shards(s, dir, weight_map, e));
    TRY(index_names(s, e));
    TRY(check_weight_map(s, weight_map, e));
    *out = TAKE(s);
    return ERR_OK;
}

errc safetensors_open_dir(const char *dir, struct safetensors **out, struct err *e)
{
    AUTO_MEM char *single = path_join(dir, "model.safetensors");
    AUTO_MEM char *index = path_join(dir, "model.safetensors.index.json");

    if (file_exists(single))
        return safetensors_open(single, out, e);
    if (file_exists(index))
        return open_index(dir, index, out, e);
    return err_set(e, ERR_NOT_FOUND, "%s: holds neither model.safetensors nor model.safetensors.index.json", dir);
}

/* ── looking ── */

const struct tensor *safetensors_get(const struct safetensors *s, const char *name)
{
    const struct entry *found = map_get(s->by_name, str_of(name));

    return found ? &found->tensor : NULL;
}

errc safetensors_need(const struct safetensors *s, const char *name, const struct tensor **out, struct err *e)
{
    *out = safetensors_get(s, name);
    return *out ? ERR_OK : err_set(e, ERR_NOT_FOUND, "%s: tensor %s is missing", s->path, name);
}

const char *safetensors_meta(const struct safetensors *s, const char *key) { return map_get(s->meta, str_of(key)); }
size_t safetensors_count(const struct safetensors *s) { return s->n; }
const char *safetensors_name(const struct safetensors *s, size_t i) { return s->entries[i].name; }
const struct tensor *safetensors_at(const struct safetensors *s, size_t i) { return &s->entries[i].tensor; }
const char *safetensors_path(const struct safetensors *s) { return s->path; }

const char *safetensors_file(const struct safetensors *s, const char *name)
{
    const struct entry *found = map_get(s->by_name, str_of(name));

    return found ? s->files[found->file] : s->path;
}

size_t safetensors_bytes(const struct safetensors *s)
{
    size_t sum = 0;

    for (size_t i = 0; i < s->n; i++)
        sum += s->entries[i].end - s->entries[i].begin;
    return sum;
}
