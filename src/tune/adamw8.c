#include "tune/adamw8.h"

#include <math.h>
#include <stdlib.h>

#define EXPONENTS 7

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

/* torch.linspace(0.1, 1, n) counts from both ends and rounds once; the published map depends on it. */
static float boundary(size_t i, size_t n)
{
    float step = (1.0F - 0.1F) / (float)(n - 1);

    return i < n / 2 ? fmaf(step, (float)i, 0.1F) : fmaf(-step, (float)(n - 1 - i), 1.0F);
}

/* For every power of ten from 1e-6 to 1 the middles of a number of equal parts of [0.1, 1], twice as many each time; and 0 and 1. */
static void make_map(float map[256], bool is_signed)
{
    size_t n = 0;

    for (int e = 0; e < EXPONENTS; e++) {
        size_t points = ((size_t)1 << (is_signed ? e : e + 1)) + 1;
        float power = (float)pow(10, e - (EXPONENTS - 1));
        for (size_t i = 0; i + 1 < points; i++) {
            float middle = power * ((boundary(i, points) + boundary(i + 1, points)) / 2);
            map[n++] = middle;
            if (is_signed)
                map[n++] = -middle;
        }
    }
    map[n++] = 0;
    map[n++] = 1;
    qsort(map, n, sizeof *map, by_value);
}

void adamw8_init(struct adamw8 *m)
{
    make_map(m->signed_map, true);
    make_map(m->unsigned_map, false);
}

/* The nearest entry of a sorted map. */
static uint8_t nearest(const float map[256], float x)
{
    size_t low = 0, high = 255;

    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (map[mid] <= x)
            low = mid;
        else
            high = mid;
    }
    return (uint8_t)(x - map[low] <= map[high] - x ? low : high);
}

void adamw8_quantise(const float map[256], const float *x, size_t n, uint8_t *codes, float *scale)
{
    float largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(x[i]));
    float inverse = largest > 0 ? 1 / largest : 0;
    for (size_t i = 0; i < n; i++)
        codes[i] = nearest(map, x[i] * inverse);
    *scale = largest;
}

void adamw8_expand(const float map[256], const uint8_t *codes, float scale, size_t n, float *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = map[codes[i]] * scale;
}
