/*
 * The same request has the same tokens and log-probabilities, to the bit, alone and in any company: on other threads, beside other
 * adapters, with prompts that share blocks, sent back for want of cache. Models whose mathematics could see their neighbours: experts
 * that rows of a batch share, positions that change their rotation with a sequence's length, windows.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define JOBS 20
#define HF "tests/golden/hf/models/"

struct party {
    const char *model;
    size_t longest;                     /* prompts are up to 5 tokens longer */
    const char *adapter;                /* a folder: jobs use it, use it at half its strength, or do without; NULL: none */
};

static const struct party standin = { STANDIN, 301, NULL };

static size_t prompt_tokens(const struct party *p, size_t i) { return 5 + i * i * 2 % p->longest; }

static struct world open_party(const struct party *p, struct engine_opts eo, struct scheduler_opts so)
{
    struct world w = open_world(p->model, eo, so);
    AUTO_MEM char *dir = p->adapter ? path_join(getenv("KAITO_SOURCE"), p->adapter) : NULL;
    struct err e;

    if (dir && (adapters_load(engine_adapters(w.g), dir, "1", 1, false, NULL, &e) || adapters_load(engine_adapters(w.g), dir, "2", 0.5f, false, NULL, &e)))
        fail_msg("%s", e.text);
    return w;
}

static void submit_guest(struct world *w, const struct party *p, struct job *j, size_t i)
{
    size_t which = i / 3 % 3;           /* not i % 3, which says whose beginning it shares */
    const char name[] = { (char)('0' + which), 0 };

    fill_job(j, i, prompt_tokens(p, i));
    if (p->adapter && which) {
        j->adapter = adapters_get(engine_adapters(w->g), name);
        assert_non_null(j->adapter);
    }
    submit_job(w, j);
}

/* Each alone on an engine without prefix cache; then all of them twice at the same time under the given settings. */
static void check_company(const struct party *p, struct engine_opts eo, struct scheduler_opts so, uint64_t *out_preemptions)
{
    struct engine_opts plain = { .math = eo.math, .kv_dtype = eo.kv_dtype, .batch_invariant = eo.batch_invariant };
    struct world alone = open_party(p, plain, (struct scheduler_opts){ .max_seqs = 1 }), together = open_party(p, eo, so);
    struct answer *want = xcalloc(JOBS, sizeof *want), got;
    struct job jobs[JOBS];

    for (size_t i = 0; i < JOBS; i++) {
        submit_guest(&alone, p, &jobs[i], i);
        collect_job(&alone, &jobs[i], &want[i]);
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < JOBS; i++)
            submit_guest(&together, p, &jobs[i], i);
        for (size_t i = 0; i < JOBS; i++) {
            collect_job(&together, &jobs[i], &got);
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
    check_company(&standin, (struct engine_opts){ .prefix_caching = true }, (struct scheduler_opts){ .max_seqs = 7, .max_waiting = 100 }, &preemptions);
    check_company(&standin, (struct engine_opts){ .prefix_caching = true, .batch_invariant = true, .threads = 1 }, (struct scheduler_opts){ .max_seqs = 20 },
                  &preemptions);
    check_company(&standin, (struct engine_opts){ .prefix_caching = true, .math = GEMM_BF16, .kv_dtype = KV_BF16 }, (struct scheduler_opts){ .max_seqs = 9 },
                  &preemptions);
}

static void who_is_sent_back_says_the_same_in_the_end(void **state)
{
    uint64_t preemptions;

    (void)state;
    check_company(&standin, (struct engine_opts){ .prefix_caching = true, .max_kv_tokens = 400 }, (struct scheduler_opts){ .max_seqs = 20 }, &preemptions);
    assert_true(preemptions > 0);
    check_company(&standin, (struct engine_opts){ .max_kv_tokens = 400 }, (struct scheduler_opts){ .max_seqs = 20 }, &preemptions);
    assert_true(preemptions > 0);
}

/* With room for all, with as little as makes them take turns, and batch-invariant: then blocks of answers are shared too. */
static void check_settings(const struct party *p)
{
    uint64_t preemptions;

    check_company(p, (struct engine_opts){ .prefix_caching = true }, (struct scheduler_opts){ .max_seqs = 20 }, &preemptions);
    check_company(p, (struct engine_opts){ .prefix_caching = true, .max_kv_tokens = 400 }, (struct scheduler_opts){ .max_seqs = 20 }, &preemptions);
    assert_true(preemptions > 0);
    check_company(p, (struct engine_opts){ .prefix_caching = true, .batch_invariant = true }, (struct scheduler_opts){ .max_seqs = 7 }, &preemptions);
}

static void experts_do_not_see_the_batch(void **state)
{
    (void)state;
    check_settings(&(struct party){ HF "mixtral", 201, NULL });
}

/* 32 tokens with the short factors, then the long ones: some prompts are beyond, some answers get there, and the first 40 are shared. */
static void a_rotation_that_changes_with_length_shares_no_wrong_block(void **state)
{
    (void)state;
    check_settings(&(struct party){ HF "phi3-longrope", 61, NULL });
}

static void windows_and_caps_hold_in_company(void **state)
{
    (void)state;
    check_settings(&(struct party){ HF "gemma2", 201, NULL });
}

/* Three in a batch: the adapter, the same at half its strength, none. They share tokens, and must not share blocks. */
static void adapters_mix_in_a_batch(void **state)
{
    (void)state;
    check_settings(&(struct party){ HF "llama3", 201, "tests/golden/hf/lora/llama3/trained" });
}

/* Its name goes at once; who was asked before gets its answer to the end. */
static void an_adapter_is_unloaded_while_it_answers(void **state)
{
    const struct party p = { HF "llama3", 201, "tests/golden/hf/lora/llama3/trained" };
    struct world w = open_party(&p, (struct engine_opts){ .prefix_caching = true }, (struct scheduler_opts){ .max_seqs = 4 });
    struct answer want, got;
    struct job runs, waits[5];
    AUTO_IDS ids = { 0 };
    struct err e;

    (void)state;
    submit_guest(&w, &p, &runs, 4);
    collect_job(&w, &runs, &want);
    submit_guest(&w, &p, &runs, 4);
    for (size_t i = 0; i < 5; i++)
        submit_guest(&w, &p, &waits[i], 4);
    (void)scheduler_wait(w.s, &runs, 0, &ids);
    assert_int_equal(adapters_remove(engine_adapters(w.g), "1", &e), ERR_OK);
    assert_null(adapters_get(engine_adapters(w.g), "1"));
    collect_job(&w, &runs, &got);
    assert_same(&want, &got, 4);
    for (size_t i = 0; i < 5; i++) {
        collect_job(&w, &waits[i], &got);
        assert_same(&want, &got, 4);
    }
    close_world(&w);
}

/* More than the cache holds, so that some always wait with a part of their text; every third client leaves at some point. */
static void who_leaves_while_sent_back_leaves_nothing(void **state)
{
    struct world w = open_world(STANDIN, (struct engine_opts){ .prefix_caching = true, .max_kv_tokens = 400 }, (struct scheduler_opts){ .max_seqs = 20 });
    struct answer want[JOBS], got;
    struct job jobs[JOBS];

    (void)state;
    for (size_t i = 0; i < JOBS; i++) {
        submit_guest(&w, &standin, &jobs[i], i);
        collect_job(&w, &jobs[i], &want[i]);
    }
    for (size_t round = 0; round < 6; round++) {
        for (size_t i = 0; i < JOBS; i++)
            submit_guest(&w, &standin, &jobs[i], i);
        AUTO_IDS ids = { 0 };
        (void)scheduler_wait(w.s, &jobs[1], 4 * round, &ids);
        for (size_t i = 0; i < JOBS; i += 3)
            scheduler_release(w.s, &jobs[i]);
        for (size_t i = 0; i < JOBS; i++)
            if (i % 3) {
                collect_job(&w, &jobs[i], &got);
                assert_same(&want[i], &got, i);
            }
    }
    assert_true(stats_of(&w).finished[FINISH_ABORT] > 0 && stats_of(&w).preemptions > 0);
    assert_int_equal(blocks_in_use(&w), 0);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(company_changes_neither_text_nor_logprobs),
        cmocka_unit_test(who_is_sent_back_says_the_same_in_the_end),
        cmocka_unit_test(experts_do_not_see_the_batch),
        cmocka_unit_test(a_rotation_that_changes_with_length_shares_no_wrong_block),
        cmocka_unit_test(windows_and_caps_hold_in_company),
        cmocka_unit_test(adapters_mix_in_a_batch),
        cmocka_unit_test(an_adapter_is_unloaded_while_it_answers),
        cmocka_unit_test(who_leaves_while_sent_back_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
