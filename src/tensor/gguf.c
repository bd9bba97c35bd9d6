/*
 * Reading the file: header, key-value pairs, tensor infos, data. The header comes from a stranger, so a cursor that knows
 * what is left stands between every number and every address.
 */
#include "tensor/gguf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"

#define NAME_MAX_BYTES  256             /* the format says 64 for tensors; keys are dotted paths */
#define KEY_MAX_BYTES   1024
#define NESTING_MAX     4               /* arrays within arrays */
#define ALIGNMENT_MAX   (1u << 20)
#define ALIGNMENT_DEFAULT 32

struct entry { char *key; struct gguf_value value; };

struct gguf {
    char *path;
    struct file_map file;
    struct entry *entries;
    size_t n_entries, cap_entries;
    struct gguf_tensor *tensors;
    size_t n_tensors, cap_tensors;
    struct map *keys, *names;           /* to struct gguf_value, struct gguf_tensor; built when the arrays are complete */
};

void gguf_free(struct gguf *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_entries; i++)
        free(g->entries[i].key);
    for (size_t i = 0; i < g->n_tensors; i++)
        free(g->tensors[i].name);
    free(g->entries);
    free(g->tensors);
    map_free(g->keys);
    map_free(g->names);
    file_map_close(&g->file);
    free(g->path);
    free(g);
}

/* ── the cursor ── */

struct cursor {
    const char *file;
    const uint8_t *begin, *at, *end;
};

static size_t left(const struct cursor *c) { return (size_t)(c->end - c->at); }

static errc cut_short(const struct cursor *c, const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "%s: ends at byte %zu within %s (is the file cut short? download it again)", c->file,
                   (size_t)(c->end - c->begin), what);
}

static uint64_t little(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    while (n--)
        v = v << 8 | p[n];
    return v;
}

static errc take_number(struct cursor *c, size_t bytes, const char *what, uint64_t *out, struct err *e)
{
    if (left(c) < bytes)
        return cut_short(c, what, e);
    *out = little(c->at, bytes);
    c->at += bytes;
    return ERR_OK;
}

static errc take_string(struct cursor *c, const char *what, struct str *out, struct err *e)
{
    uint64_t n = 0;

    TRY(take_number(c, 8, what, &n, e));
    if (n > left(c))
        return err_set(e, ERR_CORRUPT, "%s: %s: a text of %llu bytes where %zu are left", c->file, what, (unsigned long long)n, left(c));
    *out = str_n((const char *)c->at, (size_t)n);
    c->at += n;
    return ERR_OK;
}

/* A key or a tensor's name: short valid text, so that messages can show it. */
static errc take_name(struct cursor *c, const char *what, size_t max, char **out, struct err *e)
{
    struct str s = { 0 };

    TRY(take_string(c, what, &s, e));
    if (s.n == 0 || s.n > max || memchr(s.p, 0, s.n) || !str_utf8_valid(s))
        return err_set(e, ERR_CORRUPT, "%s: %s of %zu bytes must be text of 1 to %zu bytes", c->file, what, s.n, max);
    *out = xstrndup(s.p, s.n);
    return ERR_OK;
}

/* ── values ── */

static const struct { const char *name; uint8_t bytes; } types[GGUF_TYPE_COUNT_] = {
    [GGUF_U8] = { "uint8", 1 }, [GGUF_I8] = { "int8", 1 }, [GGUF_U16] = { "uint16", 2 }, [GGUF_I16] = { "int16", 2 },
    [GGUF_U32] = { "uint32", 4 }, [GGUF_I32] = { "int32", 4 }, [GGUF_F32] = { "float32", 4 }, [GGUF_BOOL] = { "bool", 1 },
    [GGUF_STRING] = { "string", 0 }, [GGUF_ARRAY] = { "array", 0 }, [GGUF_U64] = { "uint64", 8 }, [GGUF_I64] = { "int64", 8 },
    [GGUF_F64] = { "float64", 8 },
};

const char *gguf_type_name(enum gguf_type t) { return t < GGUF_TYPE_COUNT_ ? types[t].name : "?"; }

static errc take_type(struct cursor *c, const char *key, enum gguf_type *out, struct err *e)
{
    uint64_t t = 0;

    TRY(take_number(c, 4, key, &t, e));
    if (t >= GGUF_TYPE_COUNT_)
        return err_set(e, ERR_CORRUPT, "%s: key %s: value type %llu is not known", c->file, key, (unsigned long long)t);
    *out = (enum gguf_type)t;
    return ERR_OK;
}

static errc take_value(struct cursor *c, const char *key, enum gguf_type type, int depth, struct gguf_value *out, struct err *e);

static errc skip_items(struct cursor *c, const char *key, const struct gguf_value *array, int depth, struct err *e)
{
    size_t bytes = types[array->of].bytes;
    struct gguf_value item;

    if (bytes) {
        if (array->n > left(c) / bytes)
            return err_set(e, ERR_CORRUPT, "%s: key %s: an array of %zu %s where %zu bytes are left", c->file, key, array->n,
                           types[array->of].name, left(c));
        for (size_t i = 0; array->of == GGUF_BOOL && i < array->n; i++)
            if (c->at[i] > 1)
                return err_set(e, ERR_CORRUPT, "%s: key %s[%zu]: a bool must be 0 or 1, found %u", c->file, key, i, c->at[i]);
        c->at += array->n * bytes;
        return ERR_OK;
    }
    for (size_t i = 0; i < array->n; i++)               /* each takes at least 8 bytes, so a huge n ends soon */
        TRY(take_value(c, key, array->of, depth + 1, &item, e));
    return ERR_OK;
}

static errc take_array(struct cursor *c, const char *key, int depth, struct gguf_value *out, struct err *e)
{
    uint64_t n = 0;

    if (depth >= NESTING_MAX)
        return err_set(e, ERR_CORRUPT, "%s: key %s: arrays are nested more than %d deep", c->file, key, NESTING_MAX);
    TRY(take_type(c, key, &out->of, e));
    TRY(take_number(c, 8, key, &n, e));
    out->n = (size_t)n;
    out->p = c->at;
    return skip_items(c, key, out, depth, e);
}

static errc take_value(struct cursor *c, const char *key, enum gguf_type type, int depth, struct gguf_value *out, struct err *e)
{
    *out = (struct gguf_value){ .type = type, .p = c->at };
    if (type == GGUF_ARRAY)
        return take_array(c, key, depth, out, e);
    if (type == GGUF_STRING) {
        struct str s = { 0 };

        TRY(take_string(c, key, &s, e));
        out->p = (const uint8_t *)s.p;
        out->n = s.n;
        return ERR_OK;
    }
    if (left(c) < types[type].bytes)
        return cut_short(c, key, e);
    if (type == GGUF_BOOL && *c->at > 1)
        return err_set(e, ERR_CORRUPT, "%s: key %s: a bool must be 0 or 1, found %u", c->file, key, *c->at);
    c->at += types[type].bytes;
    return ERR_OK;
}

static errc read_entries(struct gguf *g, struct cursor *c, uint64_t n, struct err *e)
{
    for (uint64_t i = 0; i < n; i++) {
        struct entry one = { 0 };
        enum gguf_type type = GGUF_U8;

        TRY(take_name(c, "a metadata key", KEY_MAX_BYTES, &one.key, e));
        vec_grow(g->entries, g->n_entries, g->cap_entries);
        g->entries[g->n_entries++] = one;               /* g owns the key from here */
        TRY(take_type(c, one.key, &type, e));
        TRY(take_value(c, one.key, type, 0, &g->entries[g->n_entries - 1].value, e));
    }
    g->keys = map_new(NULL);
    for (size_t i = 0; i < g->n_entries; i++) {
        if (map_get(g->keys, str_of(g->entries[i].key)))
            return err_set(e, ERR_CORRUPT, "%s: key %s is there twice", g->path, g->entries[i].key);
        map_put(g->keys, str_of(g->entries[i].key), &g->entries[i].value);
    }
    return ERR_OK;
}

/* ── tensors ── */

/* Known to others, but not read here: so that a message can say what it is. */
static const struct { uint32_t type; const char *name; } foreign[] = {
    { 9, "Q8_1" }, { 15, "Q8_K" }, { 16, "IQ2_XXS" }, { 17, "IQ2_XS" }, { 18, "IQ3_XXS" }, { 19, "IQ1_S" }, { 21, "IQ3_S" }, { 22, "IQ2_S" },
    { 24, "I8" }, { 25, "I16" }, { 26, "I32" }, { 27, "I64" }, { 28, "F64" }, { 29, "IQ1_M" }, { 34, "TQ1_0" }, { 35, "TQ2_0" }, { 39, "MXFP4" },
};

static errc refuse_format(const struct cursor *c, const char *name, uint64_t type, struct err *e)
{
    AUTO_BUF known = { 0 };
    const char *called = "unknown";

    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        if (foreign[i].type == type)
            called = foreign[i].name;
    for (size_t i = 0; block_format_at(i); i++)
        buf_addf(&known, "%s%s", i ? ", " : "", block_format_at(i)->name);
    return err_set(e, ERR_UNSUPPORTED, "%s: tensor %s: format %llu (%s) is not read; %s are", c->file, name, (unsigned long long)type, called,
                   buf_cstr(&known));
}

static errc take_shape(struct cursor *c, struct gguf_tensor *t, struct err *e)
{
    uint64_t ndim = 0, size = 0;

    TRY(take_number(c, 4, t->name, &ndim, e));
    if (ndim < 1 || ndim > GGUF_DIMS_MAX)
        return err_set(e, ERR_CORRUPT, "%s: tensor %s: %llu dimensions, expected 1 to %d", c->file, t->name, (unsigned long long)ndim, GGUF_DIMS_MAX);
    t->ndim = (size_t)ndim;
    t->len = 1;
    for (size_t i = t->ndim; i--;) {
        TRY(take_number(c, 8, t->name, &size, e));
        t->shape[i] = (size_t)size;
        if (!size || !size_mul(t->len, t->shape[i], &t->len))
            return err_set(e, ERR_CORRUPT, "%s: tensor %s: a dimension of %llu makes no size", c->file, t->name, (unsigned long long)size);
    }
    return ERR_OK;
}

static errc take_format(struct cursor *c, struct gguf_tensor *t, struct err *e)
{
    size_t row = t->shape[t->ndim - 1];
    uint64_t type = 0;

    TRY(take_number(c, 4, t->name, &type, e));
    t->format = type <= UINT32_MAX ? block_format_by_type((uint32_t)type) : NULL;
    if (!t->format)
        return refuse_format(c, t->name, type, e);
    if (row % t->format->elements)
        return err_set(e, ERR_CORRUPT, "%s: tensor %s: rows of %zu elements are no multiple of the %u of a %s block", c->file, t->name, row,
                       t->format->elements, t->format->name);
    if (!size_mul(t->len / t->format->elements, t->format->bytes, &t->bytes))
        return err_set(e, ERR_CORRUPT, "%s: tensor %s: its size overflows", c->file, t->name);
    return ERR_OK;
}

/* Offsets are relative to data that is found only after all infos: they wait in `offsets`. */
static errc read_tensors(struct gguf *g, struct cursor *c, uint64_t n, struct buf *offsets, struct err *e)
{
    for (uint64_t i = 0; i < n; i++) {
        struct gguf_tensor one = { 0 };
        uint64_t offset = 0;

        TRY(take_name(c, "a tensor's name", NAME_MAX_BYTES, &one.name, e));
        vec_grow(g->tensors, g->n_tensors, g->cap_tensors);
        struct gguf_tensor *t = &g->tensors[g->n_tensors++];
        *t = one;
        TRY(take_shape(c, t, e));
        TRY(take_format(c, t, e));
        TRY(take_number(c, 8, t->name, &offset, e));
        buf_add(offsets, &offset, sizeof offset);
    }
    return ERR_OK;
}

static errc index_tensors(struct gguf *g, struct err *e)
{
    g->names = map_new(NULL);
    for (size_t i = 0; i < g->n_tensors; i++) {
        if (map_get(g->names, str_of(g->tensors[i].name)))
            return err_set(e, ERR_CORRUPT, "%s: tensor %s is there twice", g->path, g->tensors[i].name);
        map_put(g->names, str_of(g->tensors[i].name), &g->tensors[i]);
    }
    return ERR_OK;
}

static int by_data(const void *a, const void *b)
{
    const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a, *y = *(const struct gguf_tensor *const *)b;

    return x->data < y->data ? -1 : x->data > y->data;
}

static errc check_overlap(const struct gguf *g, struct err *e)
{
    AUTO_MEM const struct gguf_tensor **sorted = xcalloc(g->n_tensors + 1, sizeof *sorted);

    for (size_t i = 0; i < g->n_tensors; i++)
        sorted[i] = &g->tensors[i];
    qsort(sorted, g->n_tensors, sizeof *sorted, by_data);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (sorted[i]->data < sorted[i - 1]->data + sorted[i - 1]->bytes)
            return err_set(e, ERR_CORRUPT, "%s: tensors %s and %s overlap", g->path, sorted[i - 1]->name, sorted[i]->name);
    return ERR_OK;
}

static errc read_alignment(const struct gguf *g, size_t *out, struct err *e)
{
    int64_t alignment = ALIGNMENT_DEFAULT;

    TRY(gguf_int(g, "general.alignment", 1, ALIGNMENT_MAX, &alignment, e));
    *out = (size_t)alignment;
    return *out & (*out - 1) ? err_set(e, ERR_CORRUPT, "%s: general.alignment %zu is no power of two", g->path, *out) : ERR_OK;
}

static errc place_tensors(struct gguf *g, const struct cursor *c, const struct buf *offsets, struct err *e)
{
    size_t alignment, used = (size_t)(c->at - c->begin), total = (size_t)(c->end - c->begin);

    TRY(read_alignment(g, &alignment, e));
    size_t start = (used + alignment - 1) & ~(alignment - 1), room = total > start ? total - start : 0;
    for (size_t i = 0; i < g->n_tensors; i++) {
        struct gguf_tensor *t = &g->tensors[i];
        uint64_t offset = 0;

        memcpy(&offset, offsets->p + i * sizeof offset, sizeof offset);
        if (offset % alignment)
            return err_set(e, ERR_CORRUPT, "%s: tensor %s: offset %llu is no multiple of the alignment %zu", g->path, t->name,
                           (unsigned long long)offset, alignment);
        if (offset > room || t->bytes > room - offset)
            return err_set(e, ERR_CORRUPT, "%s: tensor %s: %zu bytes at offset %llu lie outside the file's %zu data bytes "
                           "(is the file cut short? download it again)", g->path, t->name, t->bytes, (unsigned long long)offset, room);
        t->data = c->begin + start + offset;
    }
    return check_overlap(g, e);
}

/* ── the whole ── */

static errc read_version(struct cursor *c, struct err *e)
{
    uint64_t version = 0;

    if (left(c) < 4 || memcmp(c->at, "GGUF", 4) != 0)
        return err_set(e, ERR_CORRUPT, "%s: is no GGUF file: it does not begin with \"GGUF\"", c->file);
    c->at += 4;
    TRY(take_number(c, 4, "the header", &version, e));
    if (version >> 16 && !(version & 0xffff))
        return err_set(e, ERR_UNSUPPORTED, "%s: a big-endian GGUF file; only little-endian ones are read", c->file);
    if (version != 2 && version != 3)
        return err_set(e, ERR_UNSUPPORTED, "%s: GGUF version %llu; versions 2 and 3 are read", c->file, (unsigned long long)version);
    return ERR_OK;
}

static errc read_all(struct gguf *g, struct str bytes, struct err *e)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    struct cursor c = { .file = g->path, .begin = p, .at = p, .end = p + bytes.n };
    AUTO_BUF offsets = { 0 };
    uint64_t n_tensors = 0, n_entries = 0;

    TRY(read_version(&c, e));
    TRY(take_number(&c, 8, "the header", &n_tensors, e));
    TRY(take_number(&c, 8, "the header", &n_entries, e));
    TRY(read_entries(g, &c, n_entries, e));
    TRY(read_tensors(g, &c, n_tensors, &offsets, e));
    TRY(index_tensors(g, e));
    return place_tensors(g, &c, &offsets, e);
}

errc gguf_parse(const char *name, struct str bytes, struct gguf **out, struct err *e)
{
    AUTO_FREE(gguf) g = xzalloc(sizeof *g);

    g->path = xstrdup(name);
    TRY(read_all(g, bytes, e));
    *out = TAKE(g);
    return ERR_OK;
}

errc gguf_open(const char *path, struct gguf **out, struct err *e)
{
    AUTO_FREE(gguf) g = xzalloc(sizeof *g);

    g->path = xstrdup(path);
    TRY(file_map_open(path, &g->file, e));
    TRY(read_all(g, str_n((const char *)g->file.p, g->file.n), e));
    *out = TAKE(g);
    return ERR_OK;
}

bool gguf_is(const char *path)
{
    char magic[4] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    ssize_t n = read(fd, magic, sizeof magic);
    close(fd);
    return n == sizeof magic && memcmp(magic, "GGUF", 4) == 0;
}

/* ── looking ── */

const char *gguf_path(const struct gguf *g) { return g->path; }
const struct gguf_value *gguf_find(const struct gguf *g, const char *key) { return map_get(g->keys, str_of(key)); }
size_t gguf_key_count(const struct gguf *g) { return g->n_entries; }
const char *gguf_key(const struct gguf *g, size_t i) { return g->entries[i].key; }
const struct gguf_value *gguf_value_at(const struct gguf *g, size_t i) { return &g->entries[i].value; }
const struct gguf_tensor *gguf_tensor(const struct gguf *g, const char *name) { return map_get(g->names, str_of(name)); }
size_t gguf_tensor_count(const struct gguf *g) { return g->n_tensors; }
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i) { return &g->tensors[i]; }
