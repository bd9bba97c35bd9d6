/* A completion request's life: read, queue its generations, answer whole or as a stream. */
#include "base/clock.h"
#include "serve/openai.h"

#define GENERATIONS_MAX 4096    /* of one request: prompts times samples */
#define TOKENS_MAX ((size_t)16 << 20)   /* of all their prompts together */

static void choice_done(struct choice *k)
{
    generation_free(k->g);
    tool_reader_free(k->tools);
    reasoning_reader_free(k->reasoning);
    buf_done(&k->text);
}

void completion_free(struct completion *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_choices; i++)
        choice_done(&c->choices[i]);
    free(c->choices);
    prompts_done(&c->prompts);
    sampling_done(&c->sampling);
    text_rule_free(c->rule);
    json_decref(c->body);
    adapter_free(c->adapter);
    free(c->id);
    free(c->model);
    free(c);
}

static struct completion *completion_new(struct server *s, unsigned on)
{
    struct completion *c = xzalloc(sizeof *c);

    c->s = s;
    c->on = on;
    c->created = clock_wall_ms() / 1000;
    return c;
}

/* The client's own id goes into ours: of the header, else of the body. */
static void name_it(struct completion *c, struct http_exchange *x)
{
    const char *given = http_header_get(&x->headers, "X-Request-Id");
    char uuid[37];

    random_uuid(uuid);
    if (!given || !*given)
        given = c->r.request_id && *c->r.request_id ? c->r.request_id : uuid;
    c->id = xasprintf("%s-%.128s", c->on & ON_CHAT ? "chatcmpl" : "cmpl", given);
}

static bool on_chat(const struct completion *c) { return c->on & ON_CHAT; }

static size_t samples_each(const struct completion_request *r) { return (size_t)(r->best_of > r->n ? r->best_of : r->n); }

static errc make_choice(struct completion *c, struct choice *k, size_t prompt, size_t sample, struct err *e)
{
    struct generation *g = k->g = generation_new(c->s->scheduler, c->s->tokenizer);
    const struct token_ids *ids = &c->prompts.v[prompt].ids;

    k->prompt = prompt;
    g->skip_special = c->r.skip_special_tokens;
    g->include_stop = c->r.include_stop_str_in_output;
    g->keep_ids = c->r.return_token_ids;
    g->stops = c->sampling.stops;
    g->job.adapter = c->adapter ? adapter_ref(c->adapter) : NULL;
    g->job.stop_ids = c->sampling.stop_ids;
    g->job.n_stop_ids = c->sampling.n_stop_ids;
    g->job.priority = (int)c->r.priority;
    g->job.want_prompt_logprobs = c->r.prompt_logprobs >= 0 || (choice_echoes(c) && c->r.text_logprobs >= 0);
    g->job.sample = c->sampling.params;
    g->job.sample.n_prompt = ids->n;
    g->job.sample.seed = c->r.seed == -1 ? random_u64() : (uint64_t)c->r.seed + sample;
    for (size_t i = 0; i < ids->n; i++)
        token_ids_add(&g->job.prompt, ids->v[i]);
    k->tools = on_chat(c) ? tool_reader_new(c->s, &c->r) : NULL;
    k->reasoning = on_chat(c) && c->s->reasoning_format && !c->rule ? reasoning_reader_new(c->s->reasoning_format) : NULL;
    TRY(lengths_of(c->s, c->on, &c->r, ids->n, &g->job.max_new, &g->job.min_new, e));
    return c->rule ? text_rule_bind(c->rule, &g->job, e) : ERR_OK;
}

static errc check_size(const struct completion *c, size_t each, struct err *e)
{
    size_t tokens = 0;

    for (size_t i = 0; i < c->prompts.n; i++)
        tokens += c->prompts.v[i].ids.n * each;
    if (c->prompts.n * each > GENERATIONS_MAX || tokens > TOKENS_MAX)
        return err_set(e, ERR_BAD_REQUEST, "n: %zu prompts with %zu answers each and %zu tokens in all are more than one request may ask for (%d answers, %zu tokens)",
                       c->prompts.n, each, tokens, GENERATIONS_MAX, TOKENS_MAX);
    return ERR_OK;
}

/* The samples of one prompt are a group: the engine reads the prompt once. */
static errc make_choices(struct completion *c, struct err *e)
{
    size_t each = samples_each(&c->r), n = c->prompts.n * each;
    uint64_t group = 0;

    TRY(check_size(c, each, e));
    c->choices = xcalloc(n, sizeof *c->choices);
    while (c->n_choices < n) {
        size_t i = c->n_choices++;
        c->choices[i].index = i;
        if (each > 1 && i % each == 0)
            group = scheduler_group(c->s->scheduler);
        TRY(make_choice(c, &c->choices[i], i / each, i % each, e));
        c->choices[i].g->job.group = group;
    }
    return ERR_OK;
}

static void read_stream_options(struct completion *c)
{
    c->usage = c->r.stream_options && json_flag(c->r.stream_options, "include_usage", true);
    c->usage_always = c->usage && json_flag(c->r.stream_options, "continuous_usage_stats", false);
}

static errc prepare(struct completion *c, struct http_exchange *x, struct err *e)
{
    TRY(json_parse(x->body, &c->body, e));
    TRY(completion_read(c->s, c->on, c->body, &c->r, e));
    TRY(completion_model(c->s, c->r.model, &c->adapter, e));
    c->model = xstrdup(c->r.model && *c->r.model ? c->r.model : c->adapter ? c->adapter->name : c->s->name);
    name_it(c, x);
    read_stream_options(c);
    if (on_chat(c))
        TRY(tools_check(c->s, &c->r, e));
    TRY(text_rule_of(c->s, &c->r, &c->rule, e));
    TRY(sampling_of(c->s, &c->r, &c->sampling, e));
    TRY(prompts_of(c->s, c->on, &c->r, &c->prompts, e));
    return make_choices(c, e);
}

static errc submit(struct completion *c, struct http_exchange *x, struct err *e)
{
    AUTO_MEM struct generation **all = xcalloc(c->n_choices, sizeof *all);

    for (size_t i = 0; i < c->n_choices; i++) {
        all[i] = c->choices[i].g;
        all[i]->job.gone = c->r.stream ? NULL : http_gone(x);
    }
    return generations_start(all, c->n_choices, !c->s->no_rate_limit, e);
}

/* ---- best_of ---- */

static double likelihood(const struct choice *k)
{
    double sum = 0;

    for (size_t i = 0; i < k->g->n_results; i++)
        sum += (double)k->g->results[i].logprob;
    return sum;
}

static int by_likelihood(const void *a, const void *b)
{
    double x = likelihood(a), y = likelihood(b);

    return x > y ? -1 : x < y ? 1 : ((const struct choice *)a)->index < ((const struct choice *)b)->index ? -1 : 1;
}

/* Of each prompt's answers the n likeliest stay. */
static void keep_best(struct completion *c)
{
    size_t each = samples_each(&c->r), n = (size_t)c->r.n, kept = 0;

    if (each == n)
        return;
    for (size_t p = 0; p < c->prompts.n; p++) {
        struct choice *of = c->choices + p * each;
        qsort(of, each, sizeof *of, by_likelihood);
        for (size_t i = n; i < each; i++)
            choice_done(&of[i]);
        memmove(c->choices + kept, of, n * sizeof *of);
        kept += n;
    }
    c->n_choices = kept;
}

static errc answer_whole(struct completion *c, struct http_exchange *x, struct err *e)
{
    for (size_t i = 0; i < c->n_choices; i++)
        TRY(generation_all(c->choices[i].g, &c->choices[i].text, e));
    keep_best(c);
    completion_reply(c, x);
    return ERR_OK;
}

static void complete(struct server *s, struct http_exchange *x, unsigned on)
{
    AUTO_FREE(completion) c = completion_new(s, on);
    struct err e = { 0 };
    errc rc = prepare(c, x, &e);

    if (!rc)
        rc = submit(c, x, &e);
    if (!rc && c->r.stream) {
        completion_stream(TAKE(c), x);
        return;
    }
    if (!rc)
        rc = answer_whole(c, x, &e);
    if (rc)
        reply_openai_err(x, &e);
}

void openai_chat(struct server *s, struct http_exchange *x) { complete(s, x, ON_CHAT); }
void openai_completions(struct server *s, struct http_exchange *x) { complete(s, x, ON_TEXT); }
