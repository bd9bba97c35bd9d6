/* A job as text: tokens are decoded as they come, and text that may begin a stop string is held back. */
#include "base/file.h"
#include "serve/priv.h"

struct generation *generation_new(struct scheduler *s, const struct tokenizer *t)
{
    struct generation *g = xzalloc(sizeof *g);

    g->scheduler = s;
    g->t = t;
    g->skip_special = true;
    job_init(&g->job);
    return g;
}

void generation_free(struct generation *g)
{
    if (!g)
        return;
    scheduler_release(g->scheduler, &g->job);
    token_stream_free(g->stream);
    free(g->results);
    token_ids_done(&g->ids);
    buf_done(&g->held);
    free(g);
}

#define CONTEXT_TOKENS 8        /* of the prompt, so that the first word keeps the space before it */

static void open_stream(struct generation *g)
{
    const struct token_ids *p = &g->job.prompt;
    AUTO_BUF context = { 0 };

    g->stream = token_stream_new(g->t, g->skip_special);
    for (size_t i = p->n > CONTEXT_TOKENS ? p->n - CONTEXT_TOKENS : 0; i < p->n; i++)
        token_stream_add(g->stream, p->v[i], &context);
}

errc generations_start(struct generation *const *all, size_t n, bool limited, struct err *e)
{
    AUTO_MEM struct job **jobs = xcalloc(n, sizeof *jobs);

    for (size_t i = 0; i < n; i++) {
        open_stream(all[i]);
        jobs[i] = &all[i]->job;
    }
    return scheduler_submit_all(all[0]->scheduler, jobs, n, limited, e);
}

size_t generations_wait(struct generation *const *all, size_t n)
{
    AUTO_MEM struct job **jobs = xcalloc(n, sizeof *jobs);
    AUTO_MEM size_t *have = xcalloc(n, sizeof *have);
    AUTO_MEM bool *ended = xcalloc(n, sizeof *ended);

    for (size_t i = 0; i < n; i++) {
        jobs[i] = &all[i]->job;
        have[i] = all[i]->seen;
        ended[i] = all[i]->done;
    }
    return scheduler_wait_any(all[0]->scheduler, jobs, have, ended, n);
}

/* The first stop string in text; false when there is none. */
static bool find_stop(struct generation *g, struct str text, size_t *at)
{
    bool found = false;

    for (size_t i = 0; i < g->stops.n; i++) {
        size_t here;
        if (str_find(text, str_of(g->stops.v[i]), &here) && (!found || here < *at)) {
            *at = here;
            g->stop_string = g->stops.v[i];
            found = true;
        }
    }
    return found;
}

/* How much of text cannot be the beginning of a stop string that later text completes. */
static size_t certain(const struct generation *g, struct str text)
{
    size_t keep = 0;

    for (size_t i = 0; i < g->stops.n; i++) {
        struct str stop = str_of(g->stops.v[i]);
        for (size_t n = stop.n - 1; n > keep; n--)
            if (str_has_suffix(text, str_n(stop.p, n))) {
                keep = n;
                break;
            }
    }
    return text.n - keep;
}

static void pass_on(struct generation *g, bool end, struct buf *out)
{
    size_t at = 0;

    if (g->stops.n && find_stop(g, buf_str(&g->held), &at)) {
        buf_add(out, g->held.p, at + (g->include_stop ? strlen(g->stop_string) : 0));
        buf_clear(&g->held);
        g->done = true;                 /* the job itself may still run: it is abandoned when g is freed */
        return;
    }
    at = end ? g->held.n : certain(g, buf_str(&g->held));
    buf_add(out, buf_cstr(&g->held), at);
    buf_cut(&g->held, at);
}

/* Keeps what is known of the tokens seen, and of the stop token at the end. */
static void keep_results(struct generation *g)
{
    size_t want = generation_tokens(g);

    if (g->job.sample.logprobs < 0 || want <= g->n_results)
        return;
    g->results = xreallocarray(g->results, want, sizeof *g->results);
    g->n_results += scheduler_results(g->scheduler, &g->job, g->n_results, want - g->n_results, g->results + g->n_results);
}

static errc pull(struct generation *g, struct buf *out, struct err *e)
{
    AUTO_IDS ids = { 0 };
    bool done = scheduler_wait(g->scheduler, &g->job, g->seen, &ids);

    for (size_t i = 0; i < ids.n && !g->stop_string; i++) {
        g->seen++;
        if (g->keep_ids)
            token_ids_add(&g->ids, ids.v[i]);
        token_stream_add(g->stream, ids.v[i], &g->held);
        if (g->seen > g->job.min_new) {
            pass_on(g, false, out);
        } else {                        /* no stop string counts before min_new */
            buf_addstr(out, buf_str(&g->held));
            buf_clear(&g->held);
        }
    }
    if (g->stop_string || !done)
        return ERR_OK;
    g->done = true;
    if (g->job.err.code) {
        *e = g->job.err;
        return e->code;
    }
    if (g->job.finish == FINISH_ABORT)
        return err_set(e, ERR_CANCELLED, "the client has left, or closed its sending side: the generation was cancelled");
    if (g->keep_ids && g->job.stop_id >= 0)
        token_ids_add(&g->ids, g->job.stop_id);
    if (g->include_stop && g->job.stop_id >= 0)
        token_stream_add(g->stream, g->job.stop_id, &g->held);
    token_stream_end(g->stream, &g->held);
    pass_on(g, true, out);
    return ERR_OK;
}

errc generation_pull(struct generation *g, struct buf *out, struct err *e)
{
    errc rc = pull(g, out, e);

    keep_results(g);
    return rc;
}

errc generation_all(struct generation *g, struct buf *out, struct err *e)
{
    while (!g->done)
        TRY(generation_pull(g, out, e));
    return ERR_OK;
}

size_t generation_tokens(const struct generation *g)
{
    return g->seen + (g->done && !g->stop_string && g->job.stop_id >= 0);
}
