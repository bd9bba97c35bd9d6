/*
 * The machine's limits as JSON lines: `build/bench/bench_limits [THREADS [RUNS]]`, one line for memory and one for each dense
 * product. THREADS 0 or none: one per CPU.
 */
#include <stdio.h>
#include <stdlib.h>

#include "limits.h"

static size_t number(const char *s, size_t fallback)
{
    uint64_t n;

    return s && str_to_u64(str_of(s), &n) ? (size_t)n : fallback;
}

static void print(const char *what, const char *unit, int threads, const double *v, size_t n)
{
    printf("{\"limit\":\"%s\",\"unit\":\"%s\",\"threads\":%d,\"values\":[", what, unit, threads);
    for (size_t i = 0; i < n; i++)
        printf("%s%.4g", i ? "," : "", v[i] / 1e9);
    printf("]}\n");
}

int main(int argc, char **argv)
{
    int threads = (int)number(argc > 1 ? argv[1] : NULL, 0);
    size_t runs = number(argc > 2 ? argv[2] : NULL, 3);
    AUTO_FREE(compute) c = NULL;
    struct err e = { 0 };
    double v[100];

    if (runs < 1 || runs > ARRAY_LEN(v) || compute_new(threads, NULL, &c, &e)) {
        fprintf(stderr, "bench_limits: %s\n", *e.text ? e.text : "RUNS must be from 1 to 100");
        return 2;
    }
    AUTO_FREE(limits) l = limits_new(c);
    for (size_t i = 0; i < runs; i++)
        v[i] = limits_read(l);
    print("read", "GB/s", compute_threads(c), v, runs);
    for (enum product p = 0; p < PRODUCT_COUNT_; p++) {
        for (size_t i = 0; i < runs; i++)
            v[i] = limits_product(l, p);
        print(product_name(p), "GFLOP/s", compute_threads(c), v, runs);
    }
    return 0;
}
