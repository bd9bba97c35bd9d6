/* Thrift's compact protocol, as far as Parquet's footer and page headers need it. Unknown fields are skipped. */
#include "dataset/priv.h"

enum { T_TRUE = 1, T_FALSE, T_BYTE, T_I16, T_I32, T_I64, T_DOUBLE, T_BINARY, T_LIST, T_SET, T_MAP, T_STRUCT };
#define SKIP_DEPTH_MAX 24

bool bytes_varint(struct bytes *b, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && b->p < b->end; shift += 7) {
        uint8_t c = *b->p++;
        v |= (uint64_t)(c & 127) << shift;
        if (c < 128) {
            *out = v;
            return true;
        }
    }
    return false;
}

bool bytes_take(struct bytes *b, size_t n, const uint8_t **out)
{
    if (n > bytes_left(b))
        return false;
    *out = b->p;
    b->p += n;
    return true;
}

bool bytes_u32(struct bytes *b, uint32_t *out)
{
    const uint8_t *p;

    if (!bytes_take(b, 4, &p))
        return false;
    *out = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return true;
}

/* The next field of a struct; false at its end or when the bytes end (*ok tells which). */
static bool field(struct bytes *b, int *id, int *type, bool *ok)
{
    uint64_t v;

    *ok = b->p < b->end;
    if (!*ok || *b->p == 0) {
        b->p += *ok;
        return false;
    }
    *type = *b->p & 15;
    int delta = *b->p++ >> 4;
    if (delta) {
        *id += delta;
        return true;
    }
    *ok = bytes_varint(b, &v) && v < 1 << 16;
    *id = *ok ? (int)zigzag(v) : 0;
    return *ok;
}

static bool integer(struct bytes *b, int type, int64_t *out)
{
    uint64_t v;

    if (type == T_TRUE || type == T_FALSE) {
        *out = type == T_TRUE;
        return true;
    }
    if (type < T_I16 || type > T_I64 || !bytes_varint(b, &v))
        return false;
    *out = zigzag(v);
    return true;
}

static bool small(struct bytes *b, int type, int *out)
{
    int64_t v;

    if (!integer(b, type, &v) || v < INT32_MIN || v > INT32_MAX)
        return false;
    *out = (int)v;
    return true;
}

static bool list_head(struct bytes *b, int type, int *element, uint64_t *n)
{
    if ((type != T_LIST && type != T_SET) || b->p >= b->end)
        return false;
    *element = *b->p & 15;
    *n = *b->p++ >> 4;
    if (*n == 15 && !bytes_varint(b, n))
        return false;
    return *n <= bytes_left(b);         /* an element takes a byte at least */
}

static bool skip(struct bytes *b, int type, int depth);

static bool skip_struct(struct bytes *b, int depth)
{
    int id = 0, type;
    bool ok;

    while (field(b, &id, &type, &ok))
        if (!skip(b, type, depth + 1))
            return false;
    return ok;
}

static bool skip_map(struct bytes *b, int depth)
{
    uint64_t n;

    if (!bytes_varint(b, &n))
        return false;
    if (!n)
        return true;
    if (b->p >= b->end || n > bytes_left(b))
        return false;
    int types = *b->p++;
    for (uint64_t i = 0; i < n; i++)
        if (!skip(b, types >> 4, depth + 1) || !skip(b, types & 15, depth + 1))
            return false;
    return true;
}

static bool skip(struct bytes *b, int type, int depth)
{
    uint64_t n;
    const uint8_t *p;
    int element;

    if (depth > SKIP_DEPTH_MAX)
        return false;
    switch (type) {
    case T_TRUE:
    case T_FALSE:
        return true;
    case T_BYTE:
        return bytes_take(b, 1, &p);
    case T_I16:
    case T_I32:
    case T_I64:
        return bytes_varint(b, &n);
    case T_DOUBLE:
        return bytes_take(b, 8, &p);
    case T_BINARY:
        return bytes_varint(b, &n) && n <= bytes_left(b) && bytes_take(b, (size_t)n, &p);
    case T_LIST:
    case T_SET:
        if (!list_head(b, type, &element, &n))
            return false;
        for (uint64_t i = 0; i < n; i++)
            if (element <= T_FALSE ? !bytes_take(b, 1, &p) : !skip(b, element, depth + 1))
                return false;
        return true;
    case T_MAP:
        return skip_map(b, depth);
    case T_STRUCT:
        return skip_struct(b, depth);
    default:
        return false;
    }
}

enum { LOGICAL_STRING = 1, LOGICAL_MAP = 2, LOGICAL_LIST = 3, LOGICAL_DECIMAL = 5, LOGICAL_INTEGER = 10, LOGICAL_FLOAT16 = 15 };

/* The fields of DECIMAL {1 scale, 2 precision} or INTEGER {1 bitWidth, 2 isSigned} */
static bool logical_part(struct bytes *b, int of, struct pq_element *x)
{
    int id = 0, type;
    bool ok, good = true;

    while (good && field(b, &id, &type, &ok)) {
        x->unsigned_int |= of == LOGICAL_INTEGER && id == 2 && type == T_FALSE;
        good = of == LOGICAL_DECIMAL && id == 1 ? small(b, type, &x->scale) : skip(b, type, 0);
    }
    return good && ok;
}

/* LogicalType: a union */
static bool logical_type(struct bytes *b, struct pq_element *x)
{
    int id = 0, type;
    bool ok, good = true;

    while (good && field(b, &id, &type, &ok)) {
        x->list |= id == LOGICAL_LIST;
        x->map |= id == LOGICAL_MAP;
        x->half |= id == LOGICAL_FLOAT16;
        if (id == LOGICAL_STRING)
            x->converted = 0;
        good = (id == LOGICAL_INTEGER || id == LOGICAL_DECIMAL) && type == T_STRUCT ? logical_part(b, id, x) : skip(b, type, 0);
    }
    return good && ok;
}

static bool element(struct bytes *b, struct pq_element *x)
{
    int id = 0, type;
    bool ok, good = true;
    uint64_t n;
    const uint8_t *p;

    *x = (struct pq_element){ .type = -1, .converted = -1, .repetition = PQ_REQUIRED, .scale = -1 };
    while (good && field(b, &id, &type, &ok)) {
        if (id == 1)
            good = small(b, type, &x->type);
        else if (id == 2)
            good = small(b, type, &x->type_length);
        else if (id == 3)
            good = small(b, type, &x->repetition);
        else if (id == 4 && type == T_BINARY) {
            good = bytes_varint(b, &n) && n < 1 << 16 && bytes_take(b, (size_t)n, &p);
            if (good)
                x->name = str_n((const char *)p, (size_t)n);
        } else if (id == 5)
            good = small(b, type, &x->children);
        else if (id == 6)
            good = small(b, type, &x->converted);
        else if (id == 7)
            good = small(b, type, &x->scale);
        else if (id == 10 && type == T_STRUCT)
            good = logical_type(b, x);
        else
            good = skip(b, type, 0);
    }
    if (x->scale < 0 && x->converted == 5)
        x->scale = 0;
    x->list |= x->converted == 3;
    x->map |= x->converted == 1 || x->converted == 2;
    x->unsigned_int |= x->converted >= 11 && x->converted <= 14;
    return good && ok && x->children >= 0 && x->repetition >= PQ_REQUIRED && x->repetition <= PQ_REPEATED;
}

static bool column_meta(struct bytes *b, struct pq_chunk *c)
{
    int id = 0, type;
    bool ok, good = true;

    while (good && field(b, &id, &type, &ok))
        good = id == 1 ? small(b, type, &c->type) : id == 4 ? small(b, type, &c->codec) : id == 5 ? integer(b, type, &c->values) :
               id == 7 ? integer(b, type, &c->compressed) : id == 9 ? integer(b, type, &c->data_at) :
               id == 11 ? integer(b, type, &c->dict_at) : skip(b, type, 0);
    return good && ok;
}

static bool chunk(struct bytes *b, struct pq_meta *m)
{
    int id = 0, type;
    bool ok, good = true, seen = false;
    struct pq_chunk c = { .type = -1 };

    while (good && field(b, &id, &type, &ok))
        if (id == 3 && type == T_STRUCT)
            good = seen = column_meta(b, &c);
        else
            good = skip(b, type, 0);
    vec_grow(m->chunks, m->n_chunks, m->cap_chunks);
    m->chunks[m->n_chunks++] = c;
    return good && ok && seen;
}

static bool group(struct bytes *b, struct pq_meta *m)
{
    int id = 0, type, inner;
    bool ok, good = true;
    uint64_t n;
    struct pq_group g = { .first_chunk = m->n_chunks };

    while (good && field(b, &id, &type, &ok))
        if (id == 1) {
            good = list_head(b, type, &inner, &n) && inner == T_STRUCT;
            for (uint64_t i = 0; good && i < n; i++)
                good = chunk(b, m);
        } else if (id == 3) {
            good = integer(b, type, &g.rows);
        } else {
            good = skip(b, type, 0);
        }
    g.n_chunks = m->n_chunks - g.first_chunk;
    vec_grow(m->groups, m->n_groups, m->cap_groups);
    m->groups[m->n_groups++] = g;
    return good && ok;
}

static bool meta(struct bytes *b, struct pq_meta *m)
{
    int id = 0, type, inner;
    bool ok, good = true;
    uint64_t n;

    while (good && field(b, &id, &type, &ok)) {
        if (id != 2 && id != 4) {
            good = id == 3 ? integer(b, type, &m->rows) : skip(b, type, 0);
            continue;
        }
        good = list_head(b, type, &inner, &n) && inner == T_STRUCT;
        for (uint64_t i = 0; good && i < n; i++)
            if (id == 4) {
                good = group(b, m);
            } else {
                vec_grow(m->elements, m->n_elements, m->cap_elements);
                good = element(b, &m->elements[m->n_elements++]);
            }
    }
    return good && ok;
}

errc pq_meta_read(struct str footer, struct pq_meta *out, struct err *e)
{
    const uint8_t *p = (const uint8_t *)footer.p;
    struct bytes b = { p, p + footer.n };

    *out = (struct pq_meta){ 0 };
    if (meta(&b, out))
        return ERR_OK;
    size_t at = (size_t)(b.p - p);
    pq_meta_done(out);
    return err_set(e, ERR_CORRUPT, "the Parquet footer is damaged (byte %zu of %zu): download the file again", at, footer.n);
}

void pq_meta_done(struct pq_meta *m)
{
    free(m->elements);
    free(m->chunks);
    free(m->groups);
    *m = (struct pq_meta){ 0 };
}

/* DataPageHeader, DictionaryPageHeader and DataPageHeaderV2 by field id; the fields of each follow the specification. */
static bool page_part(struct bytes *b, int part, struct pq_page *x)
{
    int id = 0, type;
    bool ok, good = true;
    int64_t v;

    while (good && field(b, &id, &type, &ok)) {
        if (type > T_I64) {
            good = skip(b, type, 0);
            continue;
        }
        good = integer(b, type, &v);
        if (!good)
            break;
        if (id == 1)
            x->values = v;
        else if (part == 8 ? id == 4 : id == 2)
            x->encoding = (int)v;
        else if (part == 5 && id == 3)
            x->def_encoding = (int)v;
        else if (part == 5 && id == 4)
            x->rep_encoding = (int)v;
        else if (part == 8 && id == 5)
            x->def_bytes = v;
        else if (part == 8 && id == 6)
            x->rep_bytes = v;
        else if (part == 8 && id == 7)
            x->is_compressed = v != 0;
    }
    return good && ok;
}

errc pq_page_read(struct bytes *b, struct pq_page *out, struct err *e)
{
    int id = 0, type;
    bool ok = false, good = true;

    *out = (struct pq_page){ .type = -1, .values = -1, .is_compressed = true, .def_encoding = ENC_RLE, .rep_encoding = ENC_RLE };
    while (good && field(b, &id, &type, &ok))
        good = id == 1 ? small(b, type, &out->type) : id == 2 ? integer(b, type, &out->uncompressed) :
               id == 3 ? integer(b, type, &out->compressed) : (id == 5 || id == 7 || id == 8) && type == T_STRUCT ? page_part(b, id, out) :
               skip(b, type, 0);
    if (!good || !ok)
        return err_set(e, ERR_CORRUPT, "a page header is damaged");
    if (out->compressed < 0 || out->uncompressed < 0 || (uint64_t)out->uncompressed > PAGE_MAX_BYTES || (uint64_t)out->compressed > bytes_left(b))
        return err_set(e, ERR_CORRUPT, "a page of %lld bytes (%lld uncompressed) does not fit: the file is cut short or damaged",
                       (long long)out->compressed, (long long)out->uncompressed);
    return ERR_OK;
}
