/* The scheduler on the stand-in model: the same text in any company, shared prompts, order, ends, and nothing left behind. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "serve/job_queue.h"
#include "serve/scheduler.h"

#define JOBS 20
#define TOKENS 24

struct world { struct engine *g; struct scheduler *s; };

static struct world open_world(struct engine_opts eo, struct scheduler_opts so)
{
    AUTO_MEM char *dir = path_join(getenv("KAITO_SOURCE"), "examples/standin/model");
    struct world w = { 0 };
    struct err e;

    eo.threads = eo.threads ? eo.threads : 2;
    if (engine_open(dir, &eo, &w.g, &e) || scheduler_new(w.g, &so, &w.s, &e))
        fail_msg("%s", e.text);
    return w;
}

static size_t blocks_in_use(struct world *w)
{
    struct stats st;

    scheduler_stats(w->s, &st);
    return st.kv.used;
}

static void close_world(struct world *w)
{
    scheduler_drain(w->s, 5000);
    scheduler_free(w->s);
    assert_int_equal(engine_kv_stats(w->g).used, 0);
    engine_free(w->g);
}

static struct stats stats_of(struct world *w)
{
    struct stats st;

    scheduler_stats(w->s, &st);
    return st;
}

/* Request i: a prompt of its own after some words that a third of them share, sampled or greedy. */
static void fill(struct job *j, size_t i, size_t prompt_tokens)
{
    job_init(j);
    for (size_t k = 0; k < prompt_tokens; k++)
        token_ids_add(&j->prompt, (int32_t)(k < 40 ? 7 + (i % 3) * 100 + k : 3 + (i * 131 + k * 17) % 1900));
    j->max_new = TOKENS;
    j->sample.logprobs = 3;
    j->sample.seed = i;
    j->sample.do_sample = i % 2;
}

static size_t prompt_tokens(size_t i) { return 5 + i * i * 2 % 301; }

struct answer { int32_t ids[TOKENS]; size_t n; struct token_logprobs p[TOKENS]; };

static void collect(struct world *w, struct job *j, struct answer *a)
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

static void assert_same(const struct answer *a, const struct answer *b, size_t i)
{
    for (size_t k = 0; k < TOKENS; k++) {
        if (a->ids[k] != b->ids[k] || memcmp(&a->p[k].logprob, &b->p[k].logprob, sizeof(float)) || a->p[k].rank != b->p[k].rank ||
            memcmp(a->p[k].top, b->p[k].top, 3 * sizeof *a->p[k].top))
            fail_msg("request %zu, token %zu: %d (%.9g), alone it was %d (%.9g)", i, k, b->ids[k], (double)b->p[k].logprob, a->ids[k],
                     (double)a->p[k].logprob);
    }
}

static void submit(struct world *w, struct job *j)
{
    struct err e;

    if (scheduler_submit(w->s, j, false, &e))
        fail_msg("%s", e.text);
}

/* Each alone on an engine without prefix cache; then all of them twice at the same time under the given settings. */
static void check_company(struct engine_opts eo, struct scheduler_opts so, uint64_t *out_preemptions)
{
    struct engine_opts plain = { .math = eo.math, .kv_dtype = eo.kv_dtype, .batch_invariant = eo.batch_invariant };
    struct world alone = open_world(plain, (struct scheduler_opts){ .max_seqs = 1 }), together = open_world(eo, so);
    struct answer *want = xcalloc(JOBS, sizeof *want), got;
    struct job jobs[JOBS];

    for (size_t i = 0; i < JOBS; i++) {
        fill(&jobs[i], i, prompt_tokens(i));
        submit(&alone, &jobs[i]);
        collect(&alone, &jobs[i], &want[i]);
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < JOBS; i++) {
            fill(&jobs[i], i, prompt_tokens(i));
            submit(&together, &jobs[i]);
        }
        for (size_t i = 0; i < JOBS; i++) {
            collect(&together, &jobs[i], &got);
            assert_same(&want[i], &got, i);
        }
    }
    *out_preemptions = stats_of(&together).preemptions;
    if (eo.prefix_caching)
        assert_true(stats_of(&together).kv.hits > 0);
    free(want);
    close_world(&alone);
    close_world(&together);
}

static void company_changes_neither_text_nor_logprobs(void **state)
{
    uint64_t preemptions;

    (void)state;
    check_company((struct engine_opts){ .prefix_caching = true }, (struct scheduler_opts){ .max_seqs = 7, .max_waiting = 100 }, &preemptions);
    check_company((struct engine_opts){ .prefix_caching = true, .batch_invariant = true, .threads = 1 }, (struct scheduler_opts){ .max_seqs = 20 }, &preemptions);
    check_company((struct engine_opts){ .prefix_caching = true, .math = GEMM_BF16, .kv_dtype = KV_BF16 }, (struct scheduler_opts){ .max_seqs = 9 },
                  &preemptions);
}

static void who_is_sent_back_says_the_same_in_the_end(void **state)
{
    uint64_t preemptions;

    (void)state;
    check_company((struct engine_opts){ .prefix_caching = true, .max_kv_tokens = 400 }, (struct scheduler_opts){ .max_seqs = 20 }, &preemptions);
    assert_true(preemptions > 0);
    check_company((struct engine_opts){ .max_kv_tokens = 400 }, (struct scheduler_opts){ .max_seqs = 20 }, &preemptions);
    assert_true(preemptions > 0);
}

static void a_known_beginning_is_not_computed_again(void **state)
{
    struct world w = open_world((struct engine_opts){ .prefix_caching = true }, (struct scheduler_opts){ .max_seqs = 4 });
    struct answer first, second;
    struct job j;

    (void)state;
    fill(&j, 1, 100);
    submit(&w, &j);
    collect(&w, &j, &first);
    assert_int_equal(stats_of(&w).kv.queries, 100);
    assert_int_equal(stats_of(&w).kv.hits, 0);
    fill(&j, 1, 100);
    submit(&w, &j);
    collect(&w, &j, &second);
    assert_same(&first, &second, 1);
    assert_int_equal(stats_of(&w).kv.hits, 96);
    assert_int_equal(blocks_in_use(&w), 0);
    close_world(&w);
}

/* n samples: the prompt is read once, and its blocks are held once. */
static void samples_of_a_prompt_share_it(void **state)
{
    struct world w = open_world((struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 8 });
    struct job jobs[4], *list[4], alone;
    struct answer want, got[4];
    uint64_t group = scheduler_group(w.s);
    struct err e;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        fill(&jobs[i], 1, 200);
        jobs[i].sample.seed = i;
        jobs[i].group = group;
        list[i] = &jobs[i];
    }
    assert_int_equal(scheduler_submit_all(w.s, list, 4, true, &e), ERR_OK);
    for (size_t i = 0; i < 4; i++)
        collect(&w, &jobs[i], &got[i]);
    for (size_t i = 0; i < 4; i++) {
        fill(&alone, 1, 200);
        alone.sample.seed = i;
        submit(&w, &alone);
        collect(&w, &alone, &want);
        assert_same(&want, &got[i], i);
    }
    assert_int_not_equal(memcmp(got[0].ids, got[1].ids, sizeof got[0].ids), 0);
    assert_int_equal(stats_of(&w).prompt_computed, 200 + 4 * 200);
    close_world(&w);
}

static void prompts_are_scored_token_by_token(void **state)
{
    struct world w = open_world((struct engine_opts){ .prefix_caching = true }, (struct scheduler_opts){ .max_seqs = 4 });
    size_t vocab = engine_model(w.g)->config.vocab, n = 50;
    AUTO_MEM float *logits = xcalloc(n * vocab, sizeof *logits);
    struct token_logprobs want;
    struct job j;
    AUTO_IDS ids = { 0 };

    (void)state;
    for (int round = 0; round < 2; round++) {           /* the second time the prefix cache knows it, and is not asked */
        fill(&j, 2, n);
        j.want_prompt_logprobs = true;
        j.max_new = 0;
        submit(&w, &j);
        assert_true(scheduler_wait(w.s, &j, 0, &ids));
        assert_int_equal(j.finish, FINISH_LENGTH);
        assert_int_equal(ids.n, 0);
        assert_true(isnan(j.prompt_results[0].logprob));
        for (size_t i = 1; i < n; i++)
            assert_true(j.prompt_results[i].id == j.prompt.v[i] && j.prompt_results[i].n_top == 3 && j.prompt_results[i].logprob < 0);
        want = j.prompt_results[n - 1];
        scheduler_release(w.s, &j);
    }
    scheduler_drain(w.s, 1000);
    fill(&j, 2, n);
    struct err e;
    assert_int_equal(engine_score(w.g, NULL, j.prompt.v, n, logits, &e), ERR_OK);
    struct token_logprobs direct;
    logprobs_of(logits + (n - 2) * vocab, vocab, j.prompt.v[n - 1], 3, &direct);
    assert_memory_equal(&direct.logprob, &want.logprob, sizeof want.logprob);
    scheduler_release(w.s, &j);
    close_world(&w);
}

/* ── ends ── */

static void time_and_clients_end_what_waits_and_what_runs(void **state)
{
    struct world w = open_world((struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 1, .max_waiting = 10 });
    AUTO_FREE(cancel) gone = cancel_new();
    struct job runs, waits, late;
    AUTO_IDS ids = { 0 };

    (void)state;
    fill(&runs, 1, 10);
    fill(&waits, 2, 10);
    fill(&late, 3, 10);
    runs.max_new = waits.max_new = late.max_new = 4000;
    waits.gone = gone;
    late.deadline_ms = clock_mono_ms() + 50;
    submit(&w, &runs);
    submit(&w, &waits);
    submit(&w, &late);
    (void)scheduler_wait(w.s, &runs, 0, &ids);
    assert_true(scheduler_wait(w.s, &late, 0, &ids));
    assert_int_equal(late.finish, FINISH_ERROR);
    assert_int_equal(late.err.code, ERR_TIMEOUT);
    cancel_now(gone);
    assert_true(scheduler_wait(w.s, &waits, 0, &ids));
    assert_int_equal(waits.finish, FINISH_ABORT);
    scheduler_cancel(w.s, &runs);
    while (!scheduler_wait(w.s, &runs, SIZE_MAX, &ids))
        ;
    assert_int_equal(runs.finish, FINISH_ABORT);
    assert_int_equal(stats_of(&w).finished[FINISH_ABORT], 2);
    scheduler_release(w.s, &runs);
    scheduler_release(w.s, &waits);
    scheduler_release(w.s, &late);
    close_world(&w);
}

static void a_full_queue_and_a_draining_server_refuse(void **state)
{
    struct world w = open_world((struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 1, .max_waiting = 2 });
    struct job jobs[8];
    size_t refused = 0;
    AUTO_IDS ids = { 0 };
    struct err e;

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        fill(&jobs[i], i, 10);
        jobs[i].max_new = i ? TOKENS : 3000;
        if (i == 1)
            (void)scheduler_wait(w.s, &jobs[0], 0, &ids);
        if (scheduler_submit(w.s, &jobs[i], true, &e)) {
            assert_int_equal(e.code, ERR_THROTTLED);
            refused++;
        }
    }
    assert_string_equal(e.text, "Too many requests: waiting queue (3) exceeds max-num-seqs (2).");
    assert_int_equal(refused, 4);
    assert_int_equal(stats_of(&w).rejected, 4);
    for (size_t i = 0; i < 8; i++)
        scheduler_release(w.s, &jobs[i]);
    scheduler_drain(w.s, 1000);
    fill(&jobs[0], 0, 10);
    assert_int_equal(scheduler_submit(w.s, &jobs[0], true, &e), ERR_UNAVAILABLE);
    scheduler_release(w.s, &jobs[0]);
    close_world(&w);
}

/* Only ids from 100 on, each larger than the one before; done after five. */
struct rising { int32_t last; size_t n; int *freed; };

static void rising_mask(void *self, uint64_t *allowed)
{
    const struct rising *r = self;

    for (size_t i = 0; i < 2048 / 64; i++)
        allowed[i] = 0;
    for (int32_t id = r->last + 1; id < 2000; id++)
        allowed[id / 64] |= 1ull << id % 64;
}

static bool rising_accept(void *self, int32_t id)
{
    struct rising *r = self;
    bool ok = id > r->last;

    r->last = id;
    r->n++;
    return ok;
}

static bool rising_done(void *self) { return ((struct rising *)self)->n == 5; }

static void rising_free(void *self)
{
    struct rising *r = self;

    ++*r->freed;
    free(r);
}

static void a_constraint_rules_and_ends_the_text(void **state)
{
    struct world w = open_world((struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 4 });
    struct rising *r = xzalloc(sizeof *r);
    struct job j;
    AUTO_IDS ids = { 0 };
    int freed = 0;

    (void)state;
    *r = (struct rising){ .last = 99, .freed = &freed };
    fill(&j, 1, 20);
    j.constraint = (struct constraint){ r, rising_mask, rising_accept, rising_done, rising_free };
    submit(&w, &j);
    while (!scheduler_wait(w.s, &j, ids.n, &ids))
        ;
    assert_int_equal(j.finish, FINISH_STOP);
    assert_int_equal(ids.n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(ids.v[i] > (i ? ids.v[i - 1] : 99));
    scheduler_release(w.s, &j);
    assert_int_equal(freed, 1);
    close_world(&w);
}

static void one_thread_waits_for_several_jobs(void **state)
{
    struct world w = open_world((struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 4 });
    struct job jobs[3], *list[3] = { &jobs[0], &jobs[1], &jobs[2] };
    size_t have[3] = { 0 }, k;
    bool ended[3] = { 0 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fill(&jobs[i], i, 10);
        submit(&w, &jobs[i]);
    }
    while ((k = scheduler_wait_any(w.s, list, have, ended, 3)) < 3) {
        AUTO_IDS ids = { 0 };
        ended[k] = scheduler_wait(w.s, list[k], have[k], &ids);
        have[k] += ids.n;
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(have[i], TOKENS);
        scheduler_release(w.s, &jobs[i]);
    }
    close_world(&w);
}

/* ── the queue, pure ── */

static void the_queue_is_fair(void **state)
{
    struct job a = { .queued_us = 1, .priority = 5 }, b = { .queued_us = 2 }, c = { .queued_us = 3 };
    struct job_queue q = { 0 };

    (void)state;
    assert_null(job_queue_next(&q, 0));
    job_queue_put(&q, &a);
    job_queue_put(&q, &c);
    job_queue_put(&q, &b);
    assert_ptr_equal(job_queue_next(&q, 10), &b);               /* priority, then arrival */
    job_queue_remove(&q, &b);
    assert_ptr_equal(job_queue_next(&q, 10), &c);
    assert_ptr_equal(job_queue_next(&q, STARVED_US + 2), &a);   /* a waited long enough, c did not */
    job_queue_remove(&q, &c);
    job_queue_put(&q, &c);
    job_queue_remove(&q, &a);
    job_queue_remove(&q, &c);
    assert_int_equal(q.n, 0);
    assert_null(q.first);
    assert_null(q.last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(company_changes_neither_text_nor_logprobs),
        cmocka_unit_test(who_is_sent_back_says_the_same_in_the_end),
        cmocka_unit_test(a_known_beginning_is_not_computed_again),
        cmocka_unit_test(samples_of_a_prompt_share_it),
        cmocka_unit_test(prompts_are_scored_token_by_token),
        cmocka_unit_test(time_and_clients_end_what_waits_and_what_runs),
        cmocka_unit_test(a_full_queue_and_a_draining_server_refuse),
        cmocka_unit_test(a_constraint_rules_and_ends_the_text),
        cmocka_unit_test(one_thread_waits_for_several_jobs),
        cmocka_unit_test(the_queue_is_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
