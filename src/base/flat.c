/*
 * A value is a tag and what the tag says. Texts: length, bytes, NUL. Containers: the size of their body in 4 bytes, so that a reader
 * can pass over them, then their members; a member of an object is its key as a text, then its value. Keys are sorted, so that equal
 * values have equal bytes.
 */
#include "base/flat.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

enum tag { TAG_NULL = 'n', TAG_TRUE = 't', TAG_FALSE = 'f', TAG_INT = 'i', TAG_REAL = 'r', TAG_TEXT = 's', TAG_ARRAY = '[', TAG_OBJECT = '{' };

struct flat {
    size_t n;
    unsigned char p[];
};

/* ---- from a tree ------------------------------------------------------------------------------------------------------ */

/* Seven bits a byte, the lowest first; the eighth says that more follow. */
static void add_length(struct buf *out, size_t n)
{
    for (; n > 0x7F; n >>= 7)
        buf_addc(out, (char)(n | 0x80));
    buf_addc(out, (char)n);
}

static void add_text(struct buf *out, const char *p, size_t n)
{
    add_length(out, n);
    buf_add(out, p, n);
    buf_addc(out, 0);
}

static void add_value(struct buf *out, const json_t *v);

struct member { struct str key; const json_t *value; };

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    return str_cmp(x->key, y->key);
}

static void add_object(struct buf *out, const json_t *object)
{
    AUTO_MEM struct member *members = xcalloc(json_object_size(object), sizeof *members);
    const char *key;
    json_t *value;
    size_t key_n, n = 0;

    json_object_keylen_foreach((json_t *)(uintptr_t)object, key, key_n, value)
        members[n++] = (struct member){ str_n(key, key_n), value };
    if (n > 1)
        qsort(members, n, sizeof *members, by_key);
    for (size_t i = 0; i < n; i++) {
        add_text(out, members[i].key.p, members[i].key.n);
        add_value(out, members[i].value);
    }
}

static void add_array(struct buf *out, const json_t *array)
{
    json_t *value;
    size_t i;

    json_array_foreach(array, i, value)
        add_value(out, value);
}

static void add_container(struct buf *out, const json_t *v)
{
    uint32_t size = 0;

    buf_addc(out, json_is_array(v) ? TAG_ARRAY : TAG_OBJECT);
    size_t at = out->n;

    buf_add(out, &size, sizeof size);
    json_is_array(v) ? add_array(out, v) : add_object(out, v);
    size = (uint32_t)(out->n - at - sizeof size);
    memcpy(out->p + at, &size, sizeof size);
}

static void add_number(struct buf *out, enum tag tag, const void *value)
{
    buf_addc(out, (char)tag);
    buf_add(out, value, sizeof(int64_t));
}

static void add_value(struct buf *out, const json_t *v)
{
    int64_t whole = json_integer_value(v);
    double real = json_real_value(v);

    switch (json_typeof(v)) {
    case JSON_NULL: buf_addc(out, TAG_NULL); break;
    case JSON_TRUE: buf_addc(out, TAG_TRUE); break;
    case JSON_FALSE: buf_addc(out, TAG_FALSE); break;
    case JSON_INTEGER: add_number(out, TAG_INT, &whole); break;
    case JSON_REAL: add_number(out, TAG_REAL, &real); break;
    case JSON_STRING:
        buf_addc(out, TAG_TEXT);
        add_text(out, json_string_value(v), json_string_length(v));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT: add_container(out, v); break;
    }
}

struct flat *flat_new(const json_t *value)
{
    AUTO_BUF bytes = { 0 };

    add_value(&bytes, value);
    struct flat *f = xmalloc(sizeof *f + bytes.n);

    f->n = bytes.n;
    memcpy(f->p, bytes.p, bytes.n);
    return f;
}

void flat_free(struct flat *f) { free(f); }
size_t flat_bytes(const struct flat *f) { return sizeof *f + f->n; }
bool flat_same(const struct flat *a, const struct flat *b) { return a->n == b->n && memcmp(a->p, b->p, a->n) == 0; }

/* ---- and back: each reader moves *p past what it has read ------------------------------------------------------------- */

static size_t take_length(const unsigned char **p)
{
    size_t n = 0;

    for (unsigned shift = 0;; shift += 7) {
        unsigned char byte = *(*p)++;

        n |= (size_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return n;
    }
}

static struct str take_text(const unsigned char **p)
{
    size_t n = take_length(p);
    struct str text = str_n((const char *)*p, n);

    *p += n + 1;
    return text;
}

/* The end of the container whose tag was just read. */
static const unsigned char *take_end(const unsigned char **p)
{
    uint32_t size;

    memcpy(&size, *p, sizeof size);
    *p += sizeof size;
    return *p + size;
}

static void take_number(const unsigned char **p, void *out)
{
    memcpy(out, *p, sizeof(int64_t));
    *p += sizeof(int64_t);
}

static json_t *take_value(const unsigned char **p);

static json_t *take_array(const unsigned char **p)
{
    json_t *array = json_array();

    for (const unsigned char *end = take_end(p); *p < end;)
        json_array_append_new(array, take_value(p));
    return array;
}

static json_t *take_object(const unsigned char **p)
{
    json_t *object = json_object();

    for (const unsigned char *end = take_end(p); *p < end;) {
        struct str key = take_text(p);

        json_object_setn_new_nocheck(object, key.p, key.n, take_value(p));
    }
    return object;
}

static json_t *take_value(const unsigned char **p)
{
    int64_t whole;
    double real;
    struct str text;

    switch (*(*p)++) {
    case TAG_TRUE: return json_true();
    case TAG_FALSE: return json_false();
    case TAG_INT: take_number(p, &whole); return json_integer(whole);
    case TAG_REAL: take_number(p, &real); return json_real(real);
    case TAG_TEXT: text = take_text(p); return json_stringn_nocheck(text.p, text.n);
    case TAG_ARRAY: return take_array(p);
    case TAG_OBJECT: return take_object(p);
    default: return json_null();
    }
}

json_t *flat_tree(const struct flat *f)
{
    const unsigned char *p = f->p;

    return take_value(&p);
}

static void skip_value(const unsigned char **p)
{
    switch (*(*p)++) {
    case TAG_INT:
    case TAG_REAL: *p += sizeof(int64_t); break;
    case TAG_TEXT: take_text(p); break;
    case TAG_ARRAY:
    case TAG_OBJECT: *p = take_end(p); break;
    default: break;
    }
}

/* The value under key; NULL: none, or this is no object. */
static const unsigned char *member(const unsigned char *p, const char *key)
{
    if (*p++ != TAG_OBJECT)
        return NULL;
    for (const unsigned char *end = take_end(&p); p < end; skip_value(&p))
        if (str_is(take_text(&p), key))
            return p;
    return NULL;
}

const char *flat_str_at(const struct flat *f, ...)
{
    const unsigned char *p = f->p;
    const char *key;
    va_list ap;

    va_start(ap, f);
    while (p && (key = va_arg(ap, const char *)))
        p = member(p, key);
    va_end(ap);
    if (!p || *p++ != TAG_TEXT)
        return NULL;
    return take_text(&p).p;
}
