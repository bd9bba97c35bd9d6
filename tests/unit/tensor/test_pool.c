/* Parallel regions: every part once, whatever their number, also when workers have gone to sleep in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/pool.h"

#define PARTS 5

struct counts {
    _Atomic int at[100];
    size_t longest;             /* a range may be; 0: any */
};

static void count_part(void *arg, size_t part) { atomic_fetch_add(&((struct counts *)arg)->at[part], 1); }

static void count_range(void *arg, size_t begin, size_t end)
{
    const struct counts *c = arg;

    assert_true(begin < end);
    assert_true(!c->longest || end - begin <= c->longest);
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&((struct counts *)arg)->at[i], 1);
}

static void each_part_runs_once(void **state)
{
    AUTO_FREE(pool) p = pool_new(PARTS);

    for (int round = 0; round < 2000; round++) {
        struct counts c = { 0 };
        size_t parts = (size_t)round % (PARTS + 1);

        pool_run(p, parts, count_part, &c);
        for (size_t i = 0; i < PARTS; i++)
            assert_int_equal(c.at[i], i < parts);
        if (round % 500 == 0)
            usleep(2000);       /* long enough for everybody to sleep */
    }
}

static void ranges_cover_everything_once(void **state)
{
    static const int threads[] = { 1, 2, 7 };

    for (size_t t = 0; t < ARRAY_LEN(threads); t++) {
        AUTO_FREE(compute) c = NULL;
        struct err e;

        assert_int_equal(compute_new(threads[t], NULL, &c, &e), ERR_OK);
        for (size_t n = 0; n <= 100; n++)
            for (size_t step = 0; step < 12; step++) {
                struct counts fixed = { 0 }, shared = { .longest = step ? step : 1 };

                compute_parallel(c, n, step, count_range, &fixed);
                compute_share(c, n, step, count_range, &shared);
                for (size_t i = 0; i < 100; i++) {
                    assert_int_equal(fixed.at[i], i < n);
                    assert_int_equal(shared.at[i], i < n);
                }
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_runs_once),
        cmocka_unit_test(ranges_cover_everything_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
