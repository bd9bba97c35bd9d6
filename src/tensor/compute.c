/* The compute: threads, kernel row, scratch. */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tensor/priv.h"

#define THREADS_MAX 1024

static int cpus_allowed(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

errc compute_new(int threads, const char *kernels, struct compute **out, struct err *e)
{
    const struct vec_ops *vec = vec_choose(kernels);

    if (!vec)
        return err_set(e, ERR_UNSUPPORTED, "kernels %s: unknown, or not possible on this CPU; portable always is", kernels);
    if (threads < 0 || threads > THREADS_MAX)
        return err_set(e, ERR_INVALID, "threads: %d is outside 0..%d (0: one per CPU)", threads, THREADS_MAX);
    struct compute *c = xzalloc(sizeof *c);
    c->threads = threads ? threads : cpus_allowed();
    c->vec = vec;
    *out = c;
    return ERR_OK;
}

void compute_free(struct compute *c)
{
    if (!c)
        return;
    pool_free(c->pool);
    for (size_t i = 0; i < SCRATCH_COUNT_; i++)
        free(c->scratch[i].p);
    free(c);
}

int compute_threads(const struct compute *c) { return c->threads; }
const char *compute_kernels(const struct compute *c) { return c->vec->name; }
const struct vec_ops *compute_vec(const struct compute *c) { return c->vec; }
void compute_set_math(struct compute *c, enum gemm_math math) { c->math = math; }
void compute_set_rounding(struct compute *c, bool factors, bool results)
{
    c->round_factors = factors;
    c->round_results = results;
}

void compute_set_rows(struct compute *c, enum gemm_rows rows) { c->rows = rows; }
enum gemm_rows compute_rows(const struct compute *c) { return c->rows; }
bool compute_bf16_is_fast(const struct compute *c) { return c->vec->tiles_bf16 != NULL; }

void *compute_scratch(struct compute *c, enum scratch use, size_t n, size_t size)
{
    size_t bytes;

    if (!size_mul(n, size, &bytes))
        abort();
    if (c->scratch[use].size < bytes) {
        free(c->scratch[use].p);
        c->scratch[use].p = mem_try_alloc(bytes, 1);
        c->scratch[use].size = bytes;
        if (!c->scratch[use].p)
            abort();
    }
    return c->scratch[use].p;
}

static struct pool *pool_of(struct compute *c)
{
    if (!c->pool)
        c->pool = pool_new(c->threads);
    return c->pool;
}

struct region {
    void (*fn)(void *arg, size_t begin, size_t end);
    void *arg;
    size_t n, parts;            /* fixed parts */
    size_t step;                /* shared out: so many at a time */
    _Atomic size_t next;
};

static void run_part(void *arg, size_t part)
{
    const struct region *r = arg;

    r->fn(r->arg, r->n * part / r->parts, r->n * (part + 1) / r->parts);
}

void compute_parallel(struct compute *c, size_t n, size_t grain, void (*fn)(void *arg, size_t begin, size_t end), void *arg)
{
    size_t parts = (n + (grain ? grain : 1) - 1) / (grain ? grain : 1);
    struct region r = { .fn = fn, .arg = arg, .n = n, .parts = parts > (size_t)c->threads ? (size_t)c->threads : parts };

    if (r.parts > 1)
        pool_run(pool_of(c), r.parts, run_part, &r);
    else if (n)
        fn(arg, 0, n);
}

static void take_steps(void *arg, size_t part)
{
    struct region *r = arg;

    for (size_t begin; (begin = atomic_fetch_add_explicit(&r->next, r->step, memory_order_relaxed)) < r->n; )
        r->fn(r->arg, begin, begin + r->step < r->n ? begin + r->step : r->n);
}

void compute_share(struct compute *c, size_t n, size_t step, void (*fn)(void *arg, size_t begin, size_t end), void *arg)
{
    struct region r = { .fn = fn, .arg = arg, .n = n, .step = step ? step : 1 };
    size_t steps = (n + r.step - 1) / r.step;

    if (c->threads > 1 && steps > 1)
        pool_run(pool_of(c), steps < (size_t)c->threads ? steps : (size_t)c->threads, take_steps, &r);
    else
        take_steps(&r, 0);
}
