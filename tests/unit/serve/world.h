/* An engine and its scheduler without a server, jobs that look random and are the same in every run, and what came of them. */
#ifndef TESTS_SERVE_WORLD_H
#define TESTS_SERVE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "serve/scheduler.h"

#define STANDIN "examples/standin/model"        /* below the repository's root, as all model folders here */
#define TOKENS 24                               /* of each answer */

struct world { struct engine *g; struct scheduler *s; };

struct world open_world(const char *model, struct engine_opts eo, struct scheduler_opts so);    /* two threads unless eo says */
void close_world(struct world *w);              /* fails when a block is left in use */
struct stats stats_of(struct world *w);
size_t blocks_in_use(struct world *w);

/* Request i: a prompt of its own after 40 tokens that a third of them share, sampled or greedy, TOKENS long. */
void fill_job(struct job *j, size_t i, size_t prompt_tokens);
void submit_job(struct world *w, struct job *j);

struct answer { int32_t ids[TOKENS]; size_t n; struct token_logprobs p[TOKENS]; };
void collect_job(struct world *w, struct job *j, struct answer *a);     /* waits for the end and releases */
void assert_same(const struct answer *alone, const struct answer *other, size_t i);     /* to the bit */

#endif
