/* The scheduler on the stand-in model: shared prompts, order, ends, and nothing left behind. What company does: test_company.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "serve/job_queue.h"
#include "world.h"

static void a_known_beginning_is_not_computed_again(void **state)
{
    struct world w = open_world(STANDIN, (struct engine_opts){ .prefix_caching = true }, (struct scheduler_opts){ .max_seqs = 4 });
    struct answer first, second;
    struct job j;

    (void)state;
    fill_job(&j, 1, 100);
    submit_job(&w, &j);
    collect_job(&w, &j, &first);
    assert_int_equal(stats_of(&w).kv.queries, 100);
    assert_int_equal(stats_of(&w).kv.hits, 0);
    fill_job(&j, 1, 100);
    submit_job(&w, &j);
    collect_job(&w, &j, &second);
    assert_same(&first, &second, 1);
    assert_int_equal(stats_of(&w).kv.hits, 96);
    assert_int_equal(blocks_in_use(&w), 0);
    close_world(&w);
}

/* n samples: the prompt is read once, and its blocks are held once. */
static void samples_of_a_prompt_share_it(void **state)
{
    struct world w = open_world(STANDIN, (struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 8 });
    struct job jobs[4], *list[4], alone;
    struct answer want, got[4];
    uint64_t group = scheduler_group(w.s);
    struct err e;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        fill_job(&jobs[i], 1, 200);
        jobs[i].sample.seed = i;
        jobs[i].group = group;
        list[i] = &jobs[i];
    }
    assert_int_equal(scheduler_submit_all(w.s, list, 4, true, &e), ERR_OK);
    for (size_t i = 0; i < 4; i++)
        collect_job(&w, &jobs[i], &got[i]);
    for (size_t i = 0; i < 4; i++) {
        fill_job(&alone, 1, 200);
        alone.sample.seed = i;
        submit_job(&w, &alone);
        collect_job(&w, &alone, &want);
        assert_same(&want, &got[i], i);
    }
    assert_int_not_equal(memcmp(got[0].ids, got[1].ids, sizeof got[0].ids), 0);
    assert_int_equal(stats_of(&w).prompt_computed, 200 + 4 * 200);
    close_world(&w);
}

static void prompts_are_scored_token_by_token(void **state)
{
    struct world w = open_world(STANDIN, (struct engine_opts){ .prefix_caching = true }, (struct scheduler_opts){ .max_seqs = 4 });
    size_t vocab = engine_model(w.g)->config.vocab, n = 50;
    AUTO_MEM float *logits = xcalloc(n * vocab, sizeof *logits);
    struct token_logprobs want;
    struct job j;
    AUTO_IDS ids = { 0 };

    (void)state;
    for (int round = 0; round < 2; round++) {           /* the second time the prefix cache knows it, and is not asked */
        fill_job(&j, 2, n);
        j.want_prompt_logprobs = true;
        j.max_new = 0;
        submit_job(&w, &j);
        assert_true(scheduler_wait(w.s, &j, 0, &ids));
        assert_int_equal(j.finish, FINISH_LENGTH);
        assert_int_equal(ids.n, 0);
        assert_true(isnan(j.prompt_results[0].logprob));
        for (size_t i = 1; i < n; i++)
            assert_true(j.prompt_results[i].id == j.prompt.v[i] && j.prompt_results[i].n_top == 3 && j.prompt_results[i].logprob < 0);
        want = j.prompt_results[n - 1];
        scheduler_release(w.s, &j);
    }
    fill_job(&j, 2, n);
    AUTO_MEM char *dir = path_join(getenv("KAITO_SOURCE"), STANDIN);
    AUTO_FREE(engine) alone = NULL;         /* the other one is its scheduler's */
    struct err e;
    assert_int_equal(engine_open(dir, &(struct engine_opts){ .threads = 2 }, &alone, &e), ERR_OK);
    assert_int_equal(engine_score(alone, NULL, j.prompt.v, n, logits, &e), ERR_OK);
    struct token_logprobs direct;
    logprobs_of(logits + (n - 2) * vocab, vocab, j.prompt.v[n - 1], 3, &direct);
    assert_memory_equal(&direct.logprob, &want.logprob, sizeof want.logprob);
    scheduler_release(w.s, &j);
    close_world(&w);
}

/* ── ends ── */

static void time_and_clients_end_what_waits_and_what_runs(void **state)
{
    struct world w = open_world(STANDIN, (struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 1, .max_waiting = 10 });
    AUTO_FREE(cancel) gone = cancel_new();
    struct job runs, waits, late;
    AUTO_IDS ids = { 0 };

    (void)state;
    fill_job(&runs, 1, 10);
    fill_job(&waits, 2, 10);
    fill_job(&late, 3, 10);
    runs.max_new = waits.max_new = late.max_new = 4000;
    waits.gone = gone;
    late.deadline_ms = clock_mono_ms() + 50;
    submit_job(&w, &runs);
    submit_job(&w, &waits);
    submit_job(&w, &late);
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

/* What a server that stops cuts off is not the client's doing. */
static void a_drain_without_patience_says_why(void **state)
{
    struct world w = open_world(STANDIN, (struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 1, .max_waiting = 10 });
    struct job runs, waits;
    AUTO_IDS ids = { 0 };

    (void)state;
    fill_job(&runs, 1, 10);
    fill_job(&waits, 2, 10);
    runs.max_new = waits.max_new = 4000;
    submit_job(&w, &runs);
    submit_job(&w, &waits);
    (void)scheduler_wait(w.s, &runs, 0, &ids);
    scheduler_drain(w.s, 0);
    while (!scheduler_wait(w.s, &runs, SIZE_MAX, &ids) || !scheduler_wait(w.s, &waits, SIZE_MAX, &ids))
        ;
    assert_int_equal(runs.finish, FINISH_ABORT);
    assert_int_equal(runs.err.code, ERR_UNAVAILABLE);
    assert_int_equal(waits.err.code, ERR_UNAVAILABLE);
    scheduler_release(w.s, &runs);
    scheduler_release(w.s, &waits);
    close_world(&w);
}

static void a_full_queue_and_a_draining_server_refuse(void **state)
{
    struct world w = open_world(STANDIN, (struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 1, .max_waiting = 2 });
    struct job jobs[8];
    size_t refused = 0;
    AUTO_IDS ids = { 0 };
    struct err e;

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        fill_job(&jobs[i], i, 10);
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
    fill_job(&jobs[0], 0, 10);
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
    struct world w = open_world(STANDIN, (struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 4 });
    struct rising *r = xzalloc(sizeof *r);
    struct job j;
    AUTO_IDS ids = { 0 };
    int freed = 0;

    (void)state;
    *r = (struct rising){ .last = 99, .freed = &freed };
    fill_job(&j, 1, 20);
    j.constraint = (struct constraint){ r, rising_mask, rising_accept, rising_done, rising_free };
    submit_job(&w, &j);
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
    struct world w = open_world(STANDIN, (struct engine_opts){ 0 }, (struct scheduler_opts){ .max_seqs = 4 });
    struct job jobs[3], *list[3] = { &jobs[0], &jobs[1], &jobs[2] };
    size_t have[3] = { 0 }, k;
    bool ended[3] = { 0 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fill_job(&jobs[i], i, 10);
        submit_job(&w, &jobs[i]);
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
        cmocka_unit_test(a_known_beginning_is_not_computed_again),
        cmocka_unit_test(samples_of_a_prompt_share_it),
        cmocka_unit_test(prompts_are_scored_token_by_token),
        cmocka_unit_test(time_and_clients_end_what_waits_and_what_runs),
        cmocka_unit_test(a_drain_without_patience_says_why),
        cmocka_unit_test(a_full_queue_and_a_draining_server_refuse),
        cmocka_unit_test(a_constraint_rules_and_ends_the_text),
        cmocka_unit_test(one_thread_waits_for_several_jobs),
        cmocka_unit_test(the_queue_is_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
