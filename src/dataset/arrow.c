/*
 * Arrow IPC streams and files (also Feather 2, and what `datasets` caches) as rows. One record batch is laid over the mapped bytes at a time;
 * compressed buffers live as long as their batch. Source: Arrow columnar format, "Serialization and Interprocess Communication".
 */
#include "dataset/arrow.h"

#define BATCH_ROWS_MAX  INT32_MAX
#define ROW_VALUES_MAX  (16u << 20)     /* values in one row: lists of nulls cost no bytes in the file */
#define BUFFER_MAX_BYTES ((int64_t)2 << 30)

enum { HEADER_SCHEMA = 1, HEADER_DICTIONARY = 2, HEADER_BATCH = 3 };

struct arrow_dictionary { int64_t id; json_t *values; };      /* an array */

struct reader {
    struct bytes whole, left;           /* of the stream */
    struct arena *arena, *batch_arena;
    struct arrow_field root;
    struct arrow_dictionary *dictionaries;
    size_t n_dictionaries, dictionaries_cap;
    void **unpacked;                    /* buffers of the batch that were compressed */
    size_t n_unpacked, unpacked_cap;
    size_t batch, row, rows;            /* batches begun, row of the batch, rows in it */
    size_t values_left;                 /* of a row */
};

/* ---- messages ---- */

struct message { int type; struct fb_table header; const uint8_t *body; size_t body_n; };

static errc cut_short(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "the Arrow data is cut short or damaged: download or write it again");
}

/* The next message; type 0 at the end. Before Arrow 0.15 the length had no mark before it. */
static errc next_message(struct reader *r, struct message *out, struct err *e)
{
    const uint8_t *meta;
    uint32_t n = 0;

    *out = (struct message){ 0 };
    if (!bytes_left(&r->left))
        return ERR_OK;
    if (!bytes_u32(&r->left, &n) || (n == UINT32_MAX && !bytes_u32(&r->left, &n)))
        return cut_short(e);
    if (n == 0)
        return ERR_OK;
    if (!bytes_take(&r->left, n, &meta))
        return cut_short(e);
    struct fb_table m = fb_root(meta, n);
    int64_t body = fb_int(m, 3, 8, 0);
    out->type = (int)fb_int(m, 1, 1, 0);
    out->header = fb_sub(m, 2);
    if (!fb_has(out->header) || body < 0 || (uint64_t)body > bytes_left(&r->left))
        return cut_short(e);
    out->body_n = (size_t)body;
    (void)bytes_take(&r->left, out->body_n, &out->body);
    return ERR_OK;
}

/* ---- a batch ---- */

struct loading {
    struct reader *r;
    const struct message *m;
    struct fb_vector nodes, buffers, variadic;
    size_t node, buffer, variadic_at;
    int codec;                          /* -1: none, 0: LZ4 frames, 1: zstd */
};

static errc unpack(struct loading *l, struct bytes packed, struct bytes *out, struct err *e)
{
    int64_t n = fb_load(packed.p, 8);

    packed.p += 8;
    if (n == -1) {
        *out = packed;
        return ERR_OK;
    }
    if (n < 0 || n > BUFFER_MAX_BYTES)
        return cut_short(e);
    uint8_t *made = mem_try_alloc((size_t)n + 1, 1);
    if (!made)
        return err_set(e, ERR_TOO_LARGE, "no memory for a buffer of %lld bytes", (long long)n);
    vec_grow(l->r->unpacked, l->r->n_unpacked, l->r->unpacked_cap);
    l->r->unpacked[l->r->n_unpacked++] = made;
    *out = (struct bytes){ made, made + n };
    return arrow_decompress(l->codec, str_n((const char *)packed.p, bytes_left(&packed)), made, (size_t)n, e);
}

static errc next_buffer(struct loading *l, struct bytes *out, struct err *e)
{
    if (l->buffer >= l->buffers.n)
        return cut_short(e);
    const uint8_t *b = l->buffers.p + 16 * l->buffer++;
    int64_t at = fb_load(b, 8), n = fb_load(b + 8, 8);
    if (at < 0 || n < 0 || (uint64_t)at > l->m->body_n || (uint64_t)n > l->m->body_n - (uint64_t)at)
        return cut_short(e);
    *out = (struct bytes){ l->m->body + at, l->m->body + at + n };
    return l->codec >= 0 && n >= 8 ? unpack(l, *out, out, e) : ERR_OK;
}

static errc load_views(struct loading *l, struct arrow_field *f, struct err *e)
{
    if (l->variadic_at >= l->variadic.n)
        return cut_short(e);
    int64_t n = fb_load(l->variadic.p + 8 * l->variadic_at++, 8);
    if (n < 0 || (uint64_t)n > l->buffers.n)
        return cut_short(e);
    f->n_more = (size_t)n;
    f->more = arena_calloc(l->r->batch_arena, f->n_more + 1, sizeof *f->more);
    for (size_t i = 0; i < f->n_more; i++)
        TRY(next_buffer(l, &f->more[i], e));
    return ERR_OK;
}

static errc load_field(struct loading *l, struct arrow_field *f, struct err *e)
{
    if (l->node >= l->nodes.n)
        return cut_short(e);
    int64_t n = fb_load(l->nodes.p + 16 * l->node, 8), nulls = fb_load(l->nodes.p + 16 * l->node + 8, 8);
    l->node++;
    if (n < 0 || n > BATCH_ROWS_MAX)
        return cut_short(e);
    f->n = (size_t)n;
    f->validity = f->offsets = f->data = (struct bytes){ 0 };
    if (f->kind == ARROW_NULL)
        return ERR_OK;
    TRY(next_buffer(l, &f->validity, e));
    if (nulls == 0 || !bytes_left(&f->validity))
        f->validity = (struct bytes){ 0 };
    else if (bytes_left(&f->validity) < (f->n + 7) / 8)
        return cut_short(e);
    if (f->kind == ARROW_BYTES || f->kind == ARROW_LIST)
        TRY(next_buffer(l, &f->offsets, e));
    if (f->kind != ARROW_LIST && f->kind != ARROW_FIXED_LIST && f->kind != ARROW_STRUCT)
        TRY(next_buffer(l, &f->data, e));
    if (f->kind == ARROW_VIEW)
        TRY(load_views(l, f, e));
    for (size_t i = 0; i < f->n_children; i++)
        TRY(load_field(l, &f->children[i], e));
    return ERR_OK;
}

static void forget_batch(struct reader *r)
{
    for (size_t i = 0; i < r->n_unpacked; i++)
        free(r->unpacked[i]);
    r->n_unpacked = 0;
    arena_free(r->batch_arena);
    r->batch_arena = arena_new();
    r->row = r->rows = 0;
}

/* Lays the batch over the columns of `root`. */
static errc load_batch(struct reader *r, const struct message *m, struct fb_table batch, struct arrow_field *root, struct err *e)
{
    struct fb_table compression = fb_sub(batch, 3);
    struct loading l = { .r = r, .m = m, .nodes = fb_vec(batch, 1, 16), .buffers = fb_vec(batch, 2, 16), .variadic = fb_vec(batch, 4, 8),
                         .codec = fb_has(compression) ? (int)fb_int(compression, 0, 1, 0) : -1 };
    int64_t rows = fb_int(batch, 0, 8, 0);

    forget_batch(r);
    if (rows < 0 || rows > BATCH_ROWS_MAX)
        return cut_short(e);
    for (size_t i = 0; i < root->n_children; i++) {
        struct arrow_field *f = &root->children[i];
        errc rc = load_field(&l, f, e);
        if (!rc && f->n < (size_t)rows)
            rc = cut_short(e);
        if (rc)
            return err_wrap(e, "column %.*s, batch %zu", STR_ARG(f->name), r->batch);
    }
    root->n = (size_t)rows;
    return ERR_OK;
}

/* ---- values ---- */

static errc value_at(struct reader *r, const struct arrow_field *f, size_t i, json_t **out, struct err *e);

static bool is_null(const struct arrow_field *f, size_t i)
{
    return f->kind == ARROW_NULL || (f->validity.p && !(f->validity.p[i >> 3] >> (i & 7) & 1));
}

/* Value i of a buffer of `width`-byte values; NULL beyond its end. */
static const uint8_t *element(struct bytes b, size_t i, size_t width)
{
    return width && i < bytes_left(&b) / width ? b.p + i * width : NULL;
}

static json_t *float_value(const uint8_t *p, size_t width)
{
    float f;
    double d;

    if (width == 2)
        return row_half((uint16_t)fb_load(p, 2));
    if (width == 8)
        memcpy(&d, p, 8);
    else {
        memcpy(&f, p, 4);
        d = (double)f;
    }
    return row_real(d);
}

static json_t *unsigned_value(const uint8_t *p, size_t width)
{
    uint64_t v = (uint64_t)fb_load(p, width);

    if (width < 8)
        v &= ((uint64_t)1 << 8 * width) - 1;
    return row_unsigned(v);
}

/* Two neighbouring offsets, in order and within `end`. */
static bool offsets_at(const struct arrow_field *f, size_t i, size_t end, size_t *from, size_t *to)
{
    const uint8_t *a = element(f->offsets, i, f->width), *b = element(f->offsets, i + 1, f->width);

    if (!a || !b)
        return false;
    int64_t x = fb_load(a, f->width), y = fb_load(b, f->width);
    *from = (size_t)x;
    *to = (size_t)y;
    return x >= 0 && x <= y && (uint64_t)y <= end;
}

/* 16 bytes: a length, then up to 12 bytes in place, or four, the number of a buffer and a place in it. */
static json_t *view_value(const struct arrow_field *f, const uint8_t *p)
{
    size_t n = (uint32_t)fb_load(p, 4), buffer = (uint32_t)fb_load(p + 8, 4), at = (uint32_t)fb_load(p + 12, 4);

    if (n <= 12)
        return row_text(str_n((const char *)p + 4, n));
    if (buffer >= f->n_more || at > bytes_left(&f->more[buffer]) || n > bytes_left(&f->more[buffer]) - at)
        return NULL;
    return row_text(str_n((const char *)f->more[buffer].p + at, n));
}

static json_t *bytes_value(const struct arrow_field *f, size_t i)
{
    size_t from, to;

    if (!offsets_at(f, i, bytes_left(&f->data), &from, &to))
        return NULL;
    return row_text(str_n((const char *)f->data.p + from, to - from));
}

/* A value without parts; NULL: its bytes are not there. */
static json_t *plain_value(const struct arrow_field *f, size_t i)
{
    const uint8_t *p = element(f->data, f->kind == ARROW_BOOL ? i / 8 : i, f->kind == ARROW_BOOL ? 1 : f->width);

    if (f->kind == ARROW_BYTES)
        return bytes_value(f, i);
    if (f->kind == ARROW_FIXED && !f->width)
        return json_string("");
    if (!p)
        return NULL;
    switch (f->kind) {
    case ARROW_BOOL:
        return json_boolean(*p >> (i & 7) & 1);
    case ARROW_INT:
        return json_integer(fb_load(p, f->width));
    case ARROW_UINT:
        return unsigned_value(p, f->width);
    case ARROW_FLOAT:
        return float_value(p, f->width);
    case ARROW_VIEW:
        return view_value(f, p);
    case ARROW_DECIMAL:
        return row_decimal(p, f->width, false, f->scale);
    default:
        return row_text(str_n((const char *)p, f->width));
    }
}

static errc damaged_value(const struct arrow_field *f, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "column %.*s: a value lies outside the file: download or write it again", STR_ARG(f->name));
}

static errc items(struct reader *r, const struct arrow_field *f, size_t from, size_t to, json_t **out, struct err *e)
{
    AUTO_JSON list = json_array();

    for (size_t i = from; i < to; i++) {
        json_t *v = NULL;
        TRY(value_at(r, &f->children[0], i, &v, e));
        json_push(list, v);
    }
    *out = TAKE(list);
    return ERR_OK;
}

static errc members(struct reader *r, const struct arrow_field *f, size_t i, json_t **out, struct err *e)
{
    AUTO_JSON object = json_object();

    for (size_t k = 0; k < f->n_children; k++) {
        AUTO_JSON name = json_strn(f->children[k].name);
        json_t *v = NULL;
        TRY(value_at(r, &f->children[k], i, &v, e));
        json_put(object, json_string_value(name), v);
    }
    *out = TAKE(object);
    return ERR_OK;
}

static errc from_dictionary(struct reader *r, const struct arrow_field *f, size_t i, json_t **out, struct err *e)
{
    AUTO_JSON index = plain_value(f, i);
    json_t *found = NULL;

    for (size_t k = 0; k < r->n_dictionaries; k++)
        if (r->dictionaries[k].id == f->dictionary && json_is_integer(index) && json_integer_value(index) >= 0)
            found = json_array_get(r->dictionaries[k].values, (size_t)json_integer_value(index));
    if (!found)
        return damaged_value(f, e);
    *out = json_incref(found);
    return ERR_OK;
}

static errc value_at(struct reader *r, const struct arrow_field *f, size_t i, json_t **out, struct err *e)
{
    size_t from, to;

    if (i >= f->n)
        return damaged_value(f, e);
    if (!r->values_left--)
        return err_set(e, ERR_TOO_LARGE, "column %.*s: a row has more than %u values", STR_ARG(f->name), ROW_VALUES_MAX);
    if (is_null(f, i)) {
        *out = json_null();
        return ERR_OK;
    }
    if (f->values)
        return from_dictionary(r, f, i, out, e);
    switch (f->kind) {
    case ARROW_STRUCT:
        return members(r, f, i, out, e);
    case ARROW_LIST:
        return offsets_at(f, i, f->children[0].n, &from, &to) ? items(r, f, from, to, out, e) : damaged_value(f, e);
    case ARROW_FIXED_LIST:
        return items(r, f, i * f->width, i * f->width + f->width, out, e);
    default:
        *out = plain_value(f, i);
        return *out ? ERR_OK : damaged_value(f, e);
    }
}

/* ---- dictionaries ---- */

static struct arrow_field *find_dictionary(struct arrow_field *f, int64_t id)
{
    struct arrow_field *found = f->values && f->dictionary == id ? f->values : f->values ? find_dictionary(f->values, id) : NULL;

    for (size_t i = 0; i < f->n_children && !found; i++)
        found = find_dictionary(&f->children[i], id);
    return found;
}

static json_t **dictionary_slot(struct reader *r, int64_t id)
{
    for (size_t i = 0; i < r->n_dictionaries; i++)
        if (r->dictionaries[i].id == id)
            return &r->dictionaries[i].values;
    vec_grow(r->dictionaries, r->n_dictionaries, r->dictionaries_cap);
    r->dictionaries[r->n_dictionaries] = (struct arrow_dictionary){ .id = id };
    return &r->dictionaries[r->n_dictionaries++].values;
}

static errc read_dictionary(struct reader *r, const struct message *m, struct err *e)
{
    int64_t id = fb_int(m->header, 0, 8, 0);
    struct arrow_field *values = find_dictionary(&r->root, id), root = { .children = values, .n_children = 1 };
    AUTO_JSON made = NULL;

    if (!values)
        return err_set(e, ERR_CORRUPT, "dictionary %lld belongs to no column", (long long)id);
    TRY(load_batch(r, m, fb_sub(m->header, 1), &root, e));
    r->values_left = ROW_VALUES_MAX;
    TRY(items(r, &root, 0, root.n, &made, e));
    json_t **slot = dictionary_slot(r, id);
    if (fb_int(m->header, 2, 1, 0) && *slot)
        json_array_extend(*slot, made);
    else {
        json_decref(*slot);
        *slot = TAKE(made);
    }
    forget_batch(r);
    return ERR_OK;
}

/* ---- the reader ---- */

static void arrow_free(struct reader *r)
{
    if (!r)
        return;
    forget_batch(r);
    for (size_t i = 0; i < r->n_dictionaries; i++)
        json_decref(r->dictionaries[i].values);
    free(r->dictionaries);
    free(r->unpacked);
    arena_free(r->batch_arena);
    arena_free(r->arena);
    free(r);
}

/* The stream inside a file: between the opening mark and the footer, whose length stands before the closing mark. */
static errc find_stream(struct reader *r, struct file_map map, struct err *e)
{
    static const char mark[] = "ARROW1";
    enum { MARK = 6, HEAD = 8, TAIL = 10 };

    r->whole = (struct bytes){ map.p, map.p + map.n };
    if (map.n < HEAD || memcmp(map.p, mark, MARK) != 0)
        return ERR_OK;
    if (map.n < HEAD + TAIL || memcmp(map.p + map.n - MARK, mark, MARK) != 0)
        return err_set(e, ERR_CORRUPT, "the Arrow file is cut short: it has %zu bytes and does not end with ARROW1; download it again", map.n);
    size_t footer = (uint32_t)fb_load(map.p + map.n - TAIL, 4);
    if (footer > map.n - HEAD - TAIL)
        return cut_short(e);
    r->whole = (struct bytes){ map.p + HEAD, map.p + map.n - TAIL - footer };
    return ERR_OK;
}

static errc read_schema(struct reader *r, struct err *e)
{
    struct message m;

    r->left = r->whole;
    TRY(next_message(r, &m, e));
    if (m.type != HEADER_SCHEMA)
        return err_set(e, ERR_CORRUPT, "the Arrow data does not begin with a schema: download or write it again");
    return r->root.children ? ERR_OK : arrow_schema(r->arena, m.header, &r->root, e);
}

static errc arrow_open(struct file_map map, struct reader **out, struct err *e)
{
    struct reader *r = xzalloc(sizeof *r);

    r->arena = arena_new();
    r->batch_arena = arena_new();
    errc rc = find_stream(r, map, e);
    if (!rc)
        rc = read_schema(r, e);
    if (rc) {
        arrow_free(r);
        return rc;
    }
    *out = r;
    return ERR_OK;
}

/* Reads messages up to a batch with rows; r->rows 0: there is none. */
static errc next_batch(struct reader *r, struct err *e)
{
    struct message m;

    for (;;) {
        TRY(next_message(r, &m, e));
        if (m.type == HEADER_DICTIONARY)
            TRY(read_dictionary(r, &m, e));
        if (m.type == HEADER_BATCH) {
            TRY(load_batch(r, &m, m.header, &r->root, e));
            r->rows = r->root.n;
            r->batch++;
        }
        if (!m.type || r->rows)
            return ERR_OK;
    }
}

static errc arrow_next(struct reader *r, json_t **out, struct err *e)
{
    *out = NULL;
    if (r->row >= r->rows) {
        r->rows = r->row = 0;
        TRY(next_batch(r, e));
        if (!r->rows)
            return ERR_OK;
    }
    r->values_left = ROW_VALUES_MAX;
    if (members(r, &r->root, r->row, out, e))
        return err_wrap(e, "row %zu of batch %zu", r->row, r->batch - 1);
    r->row++;
    return ERR_OK;
}

static errc arrow_rewind(struct reader *r, struct err *e)
{
    r->batch = 0;
    forget_batch(r);
    return read_schema(r, e);
}

const struct reader_ops arrow_reader = { "arrow", arrow_open, arrow_next, arrow_rewind, arrow_free };
