#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

struct world open_world(const char *model, struct engine_opts eo, struct scheduler_opts so)
{
    AUTO_MEM char *dir = path_join(getenv("KAITO_SOURCE"), model);
    struct world w = { 0 };
    struct err e;

    eo.threads = eo.threads ? eo.threads : 2;
    if (engine_open(dir, &eo, &w.g, &e) || scheduler_new(w.g, &so, &w.s, &e))
        fail_msg("%s", e.text);
    return w;
}

size_t blocks_in_use(struct world *w)
{
    struct stats st;

    scheduler_stats(w->s, &st);
    return st.kv.used;
}

void close_world(struct world *w)
{
    scheduler_drain(w->s, 5000);
    scheduler_free(w->s);
    assert_int_equal(engine_kv_stats(w->g).used, 0);
    engine_free(w->g);
}

struct stats stats_of(struct world *w)
{
    struct stats st;

    scheduler_stats(w->s, &st);
    return st;
}

void fill_job(struct job *j, size_t i, size_t prompt_tokens)
{
    job_init(j);
    for (size_t k = 0; k < prompt_tokens; k++)
        token_ids_add(&j->prompt, (int32_t)(k < 40 ? 7 + (i % 3) * 100 + k : 3 + (i * 131 + k * 17) % 600));
    j->max_new = TOKENS;
    j->sample.logprobs = 3;
    j->sample.seed = i;
    j->sample.do_sample = i % 2;
}

void collect_job(struct world *w, struct job *j, struct answer *a)
{
    AUTO_IDS ids = { 0 };

    while (!scheduler_wait(w->s, j, ids.n, &ids))
        ;
    if (j->finish == FINISH_ERROR)
        print_error("%s\n", j->err.text);
    assert_int_equal(j->finish, FINISH_LENGTH);
    assert_int_equal(ids.n, TOKENS);
    a->n = ids.n;
    memcpy(a->ids, ids.v, ids.n * sizeof *ids.v);
    memset(a->p, 0, sizeof a->p);
    assert_int_equal(scheduler_results(w->s, j, 0, TOKENS, a->p), TOKENS);
    scheduler_release(w->s, j);
}

void assert_same(const struct answer *alone, const struct answer *other, size_t i)
{
    const struct answer *a = alone, *b = other;

    for (size_t k = 0; k < TOKENS; k++) {
        if (a->ids[k] != b->ids[k] || memcmp(&a->p[k].logprob, &b->p[k].logprob, sizeof(float)) || a->p[k].rank != b->p[k].rank ||
            memcmp(a->p[k].top, b->p[k].top, 3 * sizeof *a->p[k].top))
            fail_msg("request %zu, token %zu: %d (%.9g), alone it was %d (%.9g)", i, k, b->ids[k], (double)b->p[k].logprob, a->ids[k],
                     (double)a->p[k].logprob);
    }
}

void submit_job(struct world *w, struct job *j)
{
    struct err e;

    if (scheduler_submit(w->s, j, false, &e))
        fail_msg("%s", e.text);
}
