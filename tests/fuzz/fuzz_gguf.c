/* Bytes as a GGUF file: every value and every tensor it hands out must lie within them. */
#include <stdint.h>
#include <stdlib.h>

#include "tensor/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct range { const uint8_t *begin, *end; };

static void check_within(const struct range *r, const uint8_t *p, size_t n)
{
    if (p < r->begin || p > r->end || n > (size_t)(r->end - p))
        abort();
}

static void check_value(const struct range *r, const struct gguf_value *v)
{
    struct gguf_value item;
    int64_t whole;
    double real;

    if (v->type == GGUF_STRING)
        check_within(r, v->p, v->n);
    if (gguf_as_int(v, &whole) || gguf_as_real(v, &real))
        check_within(r, v->p, 1);
    for (struct gguf_items it = gguf_items(v); gguf_next(&it, &item);)
        check_value(r, &item);
}

static void check_tensor(const struct range *r, const struct gguf_tensor *t)
{
    float block[BLOCK_ELEMENTS_MAX];

    check_within(r, t->data, t->bytes);
    if (t->bytes)
        t->format->dequantize(block, t->data + t->bytes - t->format->bytes, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct range r = { data, data + size };
    AUTO_FREE(gguf) g = NULL;
    struct err e;

    if (gguf_parse("fuzz", str_n((const char *)data, size), &g, &e))
        return 0;
    for (size_t i = 0; i < gguf_key_count(g); i++)
        check_value(&r, gguf_value_at(g, i));
    for (size_t i = 0; i < gguf_tensor_count(g); i++)
        check_tensor(&r, gguf_tensor_at(g, i));
    return 0;
}
