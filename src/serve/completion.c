/* A completion request's life: read, queue its generations, answer whole or as a stream. */
#include "base/clock.h"
#include "serve/openai.h"

#define GENERATIONS_MAX 4096    /* of one request: prompts times samples */

void completion_free(struct completion *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_choices; i++)
        generation_free(c->choices[i].g);
    free(c->choices);
    prompts_done(&c->prompts);
    sampling_done(&c->sampling);
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

static size_t samples_each(const struct completion_request *r) { return (size_t)(r->best_of > r->n ? r->best_of : r->n); }

static errc make_choice(struct completion *c, struct choice *k, size_t prompt, size_t sample, struct err *e)
{
    struct generation *g = k->g = generation_new(c->s->scheduler, c->s->tokenizer);
    const struct token_ids *ids = &c->prompts.v[prompt].ids;

    k->prompt = prompt;
    g->skip_special = c->r.skip_special_tokens;
    g->include_stop = c->r.include_stop_str_in_output;
    g->stops = c->sampling.stops;
    g->job.adapter = c->adapter ? adapter_ref(c->adapter) : NULL;
    g->job.stop_ids = c->sampling.stop_ids;
    g->job.n_stop_ids = c->sampling.n_stop_ids;
    g->job.sample = c->sampling.params;
    g->job.sample.n_prompt = ids->n;
    g->job.sample.seed = c->r.seed == -1 ? random_u64() : (uint64_t)c->r.seed + sample;
    for (size_t i = 0; i < ids->n; i++)
        token_ids_add(&g->job.prompt, ids->v[i]);
    return lengths_of(c->s, c->on, &c->r, ids->n, &g->job.max_new, &g->job.min_new, e);
}

static errc make_choices(struct completion *c, struct err *e)
{
    size_t each = samples_each(&c->r), n = c->prompts.n * each;

    if (n > GENERATIONS_MAX)
        return err_set(e, ERR_BAD_REQUEST, "n: %zu prompts with %zu answers each are more than %d generations in one request", c->prompts.n, each, GENERATIONS_MAX);
    c->choices = xcalloc(n, sizeof *c->choices);
    for (; c->n_choices < n; c->n_choices++) {
        struct choice *k = &c->choices[c->n_choices];
        k->index = c->n_choices;
        if (make_choice(c, k, c->n_choices / each, c->n_choices % each, e)) {
            c->n_choices++;
            return e->code;
        }
    }
    return ERR_OK;
}

/* What the engine cannot do yet is refused, not ignored. */
static errc refuse_unbuilt(const struct completion *c, struct err *e)
{
    if (c->sampling.params.logprobs >= 0)
        return err_set(e, ERR_BAD_REQUEST, "logprobs: is not supported yet");
    if (c->r.prompt_logprobs >= 0)
        return err_set(e, ERR_BAD_REQUEST, "prompt_logprobs: is not supported yet");
    if (c->on & ON_TEXT && c->r.max_tokens == 0)
        return err_set(e, ERR_BAD_REQUEST, "max_tokens: must be at least 1, got 0.");
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
    TRY(constraint_of(c->s, &c->r, e));
    TRY(sampling_of(c->s, &c->r, &c->sampling, e));
    TRY(refuse_unbuilt(c, e));
    TRY(prompts_of(c->s, c->on, &c->r, &c->prompts, e));
    return make_choices(c, e);
}

/* The first may be refused for want of room in the queue; then the others come along. */
static errc submit(struct completion *c, struct http_exchange *x, struct err *e)
{
    struct cancel *gone = c->r.stream ? NULL : http_gone(x);

    for (size_t i = 0; i < c->n_choices; i++) {
        c->choices[i].g->job.gone = gone;
        TRY(generation_start(c->choices[i].g, i == 0, e));
    }
    return ERR_OK;
}

static errc answer_whole(struct completion *c, struct http_exchange *x, struct err *e)
{
    struct buf *texts = xcalloc(c->n_choices, sizeof *texts);
    errc rc = ERR_OK;

    for (size_t i = 0; !rc && i < c->n_choices; i++) {
        buf_addstr(&texts[i], buf_str(&c->prompts.v[c->choices[i].prompt].text));
        rc = generation_all(c->choices[i].g, &texts[i], e);
    }
    if (!rc)
        completion_reply(c, x, texts);
    for (size_t i = 0; i < c->n_choices; i++)
        buf_done(&texts[i]);
    free(texts);
    return rc;
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
