/* The table of vector kernels, best first. */
#include <stdatomic.h>

#include "tensor/vec.h"

static const struct vec_ops *const rows[] = {
#ifdef VEC_EMULATED
    &vec_emulated_amx,
    &vec_emulated_bf16,
    &vec_emulated_vnni,
#endif
#ifdef __x86_64__
    &vec_amx,
    &vec_avx512bf16,
    &vec_avx512vnni,
    &vec_avx512,
    &vec_avx2,
#endif
    &vec_portable,
};

const struct vec_ops *const *vec_all(size_t *out_n)
{
    *out_n = ARRAY_LEN(rows);
    return rows;
}

static const struct vec_ops *choose(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i]->supported() && (!name || streq(name, rows[i]->name)))
            return rows[i];
    return NULL;
}

const struct vec_ops *vec_choose(const char *name)
{
    static _Atomic(const struct vec_ops *) best;        /* asking the CPU takes microseconds in a virtual machine */

    if (name)
        return choose(name);
    if (!atomic_load_explicit(&best, memory_order_relaxed))
        atomic_store_explicit(&best, choose(NULL), memory_order_relaxed);
    return atomic_load_explicit(&best, memory_order_relaxed);
}

void vec_nf4_order_x(float *dst, const float *x, size_t in)
{
    for (size_t b = 0; b < in; b += NF4_BLOCK)
        for (size_t i = 0; i < NF4_BLOCK / 2; i++) {
            dst[b + i] = x[b + 2 * i];
            dst[b + NF4_BLOCK / 2 + i] = x[b + 2 * i + 1];
        }
}
