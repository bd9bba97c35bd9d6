/* Numbers that look random and are the same in every run: uniform in [-1, 1). */
#ifndef TESTS_NOISE_H
#define TESTS_NOISE_H

#include "base/mem.h"

static inline float noise(void)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(state >> 33) / 0x1p30 - 1.0);
}

static inline float *noises(size_t n)
{
    float *f = xcalloc(n ? n : 1, sizeof *f);

    for (size_t i = 0; i < n; i++)
        f[i] = noise();
    return f;
}

#endif
