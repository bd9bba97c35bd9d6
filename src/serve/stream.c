/*
 * The completion routes as server-sent events: of each choice first its role (chat) or its echo, then text as it becomes
 * certain, then why it ended; at last the usage when it was asked for, and [DONE].
 */
#include "serve/openai.h"

static const char *object_of(const struct completion *c) { return c->on & ON_CHAT ? "chat.completion.chunk" : "text_completion"; }

static void event(const json_t *j, struct buf *out)
{
    buf_adds(out, "data: ");
    json_write(j, out);
    buf_adds(out, "\n\n");
}

/* first: of a chat's choice, which brings the prompt's tokens when they are wanted. */
static void send_choice(const struct completion *c, const struct choice *k, json_t *choice, bool first, struct buf *out)
{
    AUTO_JSON j = completion_envelope(c, object_of(c));

    json_put(j, "choices", json_pack("[o]", choice));
    if (first && c->r.return_token_ids)
        json_put(j, "prompt_token_ids", prompt_token_ids(c, k));
    if (c->usage_always)
        json_put(j, "usage", completion_usage(c, k));
    event(j, out);
}

static json_t *choice_head(const struct choice *k) { return json_pack("{s:I}", "index", (json_int_t)k->index); }

static void role_chunk(const struct completion *c, const struct choice *k, struct buf *out)
{
    json_t *j = choice_head(k);

    json_put(j, "delta", json_pack("{s:s, s:s}", "role", answer_role(&c->r), "content", ""));
    json_put(j, "logprobs", json_null());
    json_put(j, "finish_reason", json_null());
    send_choice(c, k, j, true, out);
}

/* The log-probabilities of what this chunk brings. */
static json_t *chunk_logprobs(const struct completion *c, struct choice *k, bool echo)
{
    size_t from = k->told;

    k->told = k->g->n_results;
    return choice_logprobs(c, k, from, k->told, echo, &k->offset);
}

static void put_token_ids(const struct completion *c, struct choice *k, json_t *j)
{
    if (!c->r.return_token_ids)
        return;
    if (c->on & ON_TEXT && !k->told_ids)
        json_put(j, "prompt_token_ids", prompt_token_ids(c, k));
    json_put(j, "token_ids", choice_token_ids(k, k->told_ids));
    k->told_ids = k->g->ids.n;
}

/* What a chat's chunk brings: thoughts, content, calls, or at the end nothing. NULL: nothing that may be sent yet. */
static json_t *delta_of(struct choice *k)
{
    AUTO_BUF thoughts = { 0 };
    AUTO_BUF answer = { 0 };
    AUTO_BUF content = { 0 };
    struct str text = buf_str(&k->text);
    json_t *calls = NULL, *delta = json_object();

    if (!k->tools && !k->reasoning) {
        json_put(delta, "content", json_strn(text));
        return delta;
    }
    if (k->reasoning) {
        reasoning_reader_add(k->reasoning, text, k->ended, &thoughts, &answer);
        text = buf_str(&answer);
    }
    if (k->tools)
        tool_reader_add(k->tools, text, k->ended, &content, &calls);
    else
        buf_addstr(&content, text);
    if (thoughts.n) {
        json_put(delta, "reasoning", json_strn(buf_str(&thoughts)));
        json_put(delta, "reasoning_content", json_strn(buf_str(&thoughts)));
    }
    if (content.n)
        json_put(delta, "content", json_strn(buf_str(&content)));
    if (calls)
        json_put(delta, "tool_calls", calls);
    if (!json_object_size(delta) && !k->ended) {
        json_decref(delta);
        return NULL;
    }
    return delta;
}

/* What there is of k->text, or the end of the choice, or both. */
static void text_chunk(const struct completion *c, struct choice *k, struct buf *out)
{
    bool chat = c->on & ON_CHAT, echo = choice_echoes(c) && !k->echoed;
    json_t *text = chat ? delta_of(k) : json_strn(buf_str(&k->text)), *j;

    buf_clear(&k->text);
    if (!text)
        return;
    j = choice_head(k);
    json_put(j, chat ? "delta" : "text", text);
    json_put(j, "logprobs", chunk_logprobs(c, k, echo));
    json_put(j, "finish_reason", k->ended ? json_string(choice_finish(c, k)) : json_null());
    if (k->ended || c->on & ON_TEXT)
        json_put(j, "stop_reason", k->ended ? choice_stop_reason(c, k) : json_null());
    put_token_ids(c, k, j);
    k->echoed = true;
    send_choice(c, k, j, false, out);
}

static void last_events(struct completion *c, struct buf *out)
{
    if (c->usage) {
        AUTO_JSON j = completion_envelope(c, object_of(c));
        json_put(j, "choices", json_array());
        json_put(j, "usage", completion_usage(c, NULL));
        event(j, out);
    }
    buf_adds(out, "data: [DONE]\n\n");
    c->ended = true;
}

static void error_event(struct completion *c, const struct err *e, struct buf *out)
{
    AUTO_JSON j = openai_error_json(e);

    event(j, out);
    buf_adds(out, "data: [DONE]\n\n");
    c->ended = true;
}

static void begin(struct completion *c, struct cancel *gone, struct buf *out)
{
    for (size_t i = 0; i < c->n_choices; i++) {
        scheduler_watch(c->s->scheduler, &c->choices[i].g->job, gone);
        if (c->on & ON_CHAT)
            role_chunk(c, &c->choices[i], out);
    }
    c->started = true;
}

static errc go_on(struct completion *c, struct choice *k, struct buf *out, struct err *e)
{
    if (choice_echoes(c) && !k->echoed && !k->text.n)
        buf_addstr(&k->text, buf_str(&c->prompts.v[k->prompt].text));
    TRY(generation_pull(k->g, &k->text, e));
    k->ended = k->g->done;
    if (k->text.n || k->ended)
        text_chunk(c, k, out);
    return ERR_OK;
}

/* The choice that has news first; NULL when all have ended. */
static struct choice *next_choice(struct completion *c)
{
    AUTO_MEM struct generation **all = xcalloc(c->n_choices, sizeof *all);

    for (size_t i = 0; i < c->n_choices; i++)
        all[i] = c->choices[i].g;
    size_t i = generations_wait(all, c->n_choices);
    return i < c->n_choices ? &c->choices[i] : NULL;
}

static enum http_more next_events(void *self, struct cancel *gone, struct buf *out)
{
    struct completion *c = self;
    struct choice *k;
    struct err e = { 0 };

    if (c->ended)
        return HTTP_END;
    if (!c->started) {
        begin(c, gone, out);
    } else if (!(k = next_choice(c))) {
        last_events(c, out);
    } else if (go_on(c, k, out, &e)) {
        if (e.code == ERR_CANCELLED)
            return HTTP_ABORT;
        error_event(c, &e, out);
    }
    return HTTP_MORE;
}

static void free_events(void *self) { completion_free(self); }

void completion_stream(struct completion *c, struct http_exchange *x)
{
    http_reply_header(x, "Cache-Control", "no-cache");
    http_reply_stream(x, 200, "text/event-stream; charset=utf-8", &(struct http_source){ next_events, free_events, c });
}
