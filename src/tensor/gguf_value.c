/* Values of a GGUF file's metadata as C values. Their bytes were checked when the file was opened. */
#include "tensor/gguf.h"

#include <math.h>

bool gguf_as_int(const struct gguf_value *v, int64_t *out)
{
#define CASE(TYPE, type) case TYPE: { type x; memcpy(&x, v->p, sizeof x); *out = (int64_t)x; return true; }
    switch (v->type) {
    CASE(GGUF_U8, uint8_t) CASE(GGUF_I8, int8_t) CASE(GGUF_U16, uint16_t) CASE(GGUF_I16, int16_t)
    CASE(GGUF_U32, uint32_t) CASE(GGUF_I32, int32_t) CASE(GGUF_I64, int64_t)
    case GGUF_U64: {
        uint64_t x;

        memcpy(&x, v->p, sizeof x);
        *out = (int64_t)x;
        return x <= INT64_MAX;
    }
    default:
        return false;
    }
#undef CASE
}

bool gguf_as_real(const struct gguf_value *v, double *out)
{
    int64_t whole;
    float f;

    if (v->type == GGUF_F32) {
        memcpy(&f, v->p, sizeof f);
        *out = (double)f;
        return true;
    }
    if (v->type == GGUF_F64) {
        memcpy(out, v->p, sizeof *out);
        return true;
    }
    if (!gguf_as_int(v, &whole))
        return false;
    *out = (double)whole;
    return true;
}

bool gguf_as_bool(const struct gguf_value *v, bool *out)
{
    if (v->type != GGUF_BOOL)
        return false;
    *out = *v->p != 0;
    return true;
}

bool gguf_as_str(const struct gguf_value *v, struct str *out)
{
    if (v->type != GGUF_STRING)
        return false;
    *out = str_n((const char *)v->p, v->n);
    return true;
}

/* ── arrays ── */

static size_t size_at(const uint8_t *p)
{
    uint64_t n;

    memcpy(&n, p, sizeof n);
    return (size_t)n;
}

struct gguf_items gguf_items(const struct gguf_value *array)
{
    if (!array || array->type != GGUF_ARRAY)
        return (struct gguf_items){ 0 };
    return (struct gguf_items){ .array = *array, .left = array->n, .at = array->p };
}

/* Past one item of an array of arrays: its length is only known by walking it. */
static const uint8_t *array_end(const struct gguf_value *array)
{
    struct gguf_items it = gguf_items(array);
    struct gguf_value item;

    while (gguf_next(&it, &item))
        ;
    return it.at;
}

static size_t scalar_bytes(enum gguf_type t)
{
    static const uint8_t bytes[GGUF_TYPE_COUNT_] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

    return bytes[t];
}

bool gguf_next(struct gguf_items *it, struct gguf_value *out)
{
    if (!it->left)
        return false;
    it->left--;
    *out = (struct gguf_value){ .type = it->array.of, .p = it->at };
    if (out->type == GGUF_STRING) {
        out->n = size_at(it->at);
        out->p = it->at + 8;
        it->at = out->p + out->n;
    } else if (out->type == GGUF_ARRAY) {
        uint32_t of;

        memcpy(&of, it->at, sizeof of);
        out->of = (enum gguf_type)of;
        out->n = size_at(it->at + 4);
        out->p = it->at + 12;
        it->at = array_end(out);
    } else
        it->at += scalar_bytes(out->type);
    return true;
}

/* ── by key ── */

static errc wrong_kind(const struct gguf *g, const char *key, const char *expected, const struct gguf_value *v, struct err *e)
{
    return err_set(e, ERR_INVALID, "%s: key %s: expected %s, found %s%s%s", gguf_path(g), key, expected, gguf_type_name(v->type),
                   v->type == GGUF_ARRAY ? " of " : "", v->type == GGUF_ARRAY ? gguf_type_name(v->of) : "");
}

errc gguf_int(const struct gguf *g, const char *key, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    const struct gguf_value *v = gguf_find(g, key);
    int64_t x;

    if (!v)
        return ERR_OK;
    if (!gguf_as_int(v, &x))
        return wrong_kind(g, key, "a whole number", v, e);
    if (x < min || x > max)
        return err_set(e, ERR_INVALID, "%s: key %s: expected %lld to %lld, found %lld", gguf_path(g), key, (long long)min, (long long)max, (long long)x);
    *out = x;
    return ERR_OK;
}

errc gguf_real(const struct gguf *g, const char *key, double *out, struct err *e)
{
    const struct gguf_value *v = gguf_find(g, key);

    if (!v)
        return ERR_OK;
    if (!gguf_as_real(v, out))
        return wrong_kind(g, key, "a number", v, e);
    return isfinite(*out) ? ERR_OK : err_set(e, ERR_CORRUPT, "%s: key %s is %g, expected a finite number", gguf_path(g), key, *out);
}

errc gguf_flag(const struct gguf *g, const char *key, bool *out, struct err *e)
{
    const struct gguf_value *v = gguf_find(g, key);

    return !v || gguf_as_bool(v, out) ? ERR_OK : wrong_kind(g, key, "a bool", v, e);
}

errc gguf_text(const struct gguf *g, const char *key, struct str *out, struct err *e)
{
    const struct gguf_value *v = gguf_find(g, key);

    return !v || gguf_as_str(v, out) ? ERR_OK : wrong_kind(g, key, "a string", v, e);
}

errc gguf_list(const struct gguf *g, const char *key, enum gguf_type of, const struct gguf_value **out, struct err *e)
{
    const struct gguf_value *v = gguf_find(g, key);

    *out = v;
    if (!v || (v->type == GGUF_ARRAY && v->of == of))
        return ERR_OK;
    AUTO_BUF expected = { 0 };
    buf_addf(&expected, "an array of %s", gguf_type_name(of));
    return wrong_kind(g, key, buf_cstr(&expected), v, e);
}
