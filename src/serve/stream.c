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

static void send_choice(const struct completion *c, const struct choice *k, json_t *choice, struct buf *out)
{
    AUTO_JSON j = completion_envelope(c, object_of(c));

    json_put(j, "choices", json_pack("[o]", choice));
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
    send_choice(c, k, j, out);
}

/* Text, or the end of the choice, or both. */
static void text_chunk(const struct completion *c, const struct choice *k, struct str text, bool last, struct buf *out)
{
    json_t *j = choice_head(k);

    if (c->on & ON_CHAT)
        json_put(j, "delta", json_pack("{s:o}", "content", json_strn(text)));
    else
        json_put(j, "text", json_strn(text));
    json_put(j, "logprobs", json_null());
    json_put(j, "finish_reason", last ? json_string(choice_finish(k)) : json_null());
    if (last || c->on & ON_TEXT)
        json_put(j, "stop_reason", last ? choice_stop_reason(c, k) : json_null());
    send_choice(c, k, j, out);
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

static void begin_choice(struct completion *c, struct choice *k, struct cancel *gone, struct buf *out)
{
    struct str echo = buf_str(&c->prompts.v[k->prompt].text);

    scheduler_watch(c->s->scheduler, &k->g->job, gone);
    if (c->on & ON_CHAT)
        role_chunk(c, k, out);
    if (echo.n)
        text_chunk(c, k, echo, false, out);
    k->started = true;
}

/* The choice whose turn it is; NULL when all have ended. */
static struct choice *next_choice(struct completion *c)
{
    for (size_t i = 0; i < c->n_choices; i++) {
        struct choice *k = &c->choices[(c->turn + i) % c->n_choices];
        if (!k->ended) {
            c->turn = k->index + 1;
            return k;
        }
    }
    return NULL;
}

static errc go_on(struct completion *c, struct choice *k, struct buf *out, struct err *e)
{
    AUTO_BUF text = { 0 };

    TRY(generation_pull(k->g, &text, e));
    k->ended = k->g->done;
    if (text.n || k->ended)
        text_chunk(c, k, buf_str(&text), k->ended, out);
    return ERR_OK;
}

static enum http_more next_events(void *self, struct cancel *gone, struct buf *out)
{
    struct completion *c = self;
    struct err e = { 0 };

    if (c->ended)
        return HTTP_END;
    if (!c->choices[0].started) {
        for (size_t i = 0; i < c->n_choices; i++)
            begin_choice(c, &c->choices[i], gone, out);
        return HTTP_MORE;
    }
    struct choice *k = next_choice(c);
    if (!k) {
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
