/*
 * Log-probabilities as vLLM tells them: of the unchanged logits; the chosen token first, then the likeliest. A chat has a list of
 * objects, a completion four parallel lists, a prompt an object per position.
 */
#include <math.h>

#include "serve/openai.h"

#define LOGPROB_MIN -9999.0     /* for minus infinity, which JSON does not have */

/* A token as it reads inside a text: with the space that a tokenizer drops at the beginning. */
static json_t *token_text(const struct completion *c, int32_t id)
{
    AUTO_BUF one = { 0 };
    AUTO_BUF two = { 0 };

    if (c->r.return_tokens_as_token_ids)
        return json_strf("token_id:%d", id);
    tokenizer_decode(c->s->tokenizer, &id, 1, false, &one);
    tokenizer_decode(c->s->tokenizer, (int32_t[]){ id, id }, 2, false, &two);
    return json_strn(str_has_prefix(buf_str(&two), buf_str(&one)) ? str_from(buf_str(&two), one.n) : buf_str(&one));
}

/* NAN, of the first token of a prompt, is null. */
static json_t *number(float logprob)
{
    return isnan(logprob) ? json_null() : json_real(logprob < LOGPROB_MIN ? LOGPROB_MIN : (double)logprob);
}

/* The chosen token and the likeliest, each once: entry i of them, false past the end. */
static bool entry(const struct token_logprobs *l, int i, struct token_logprob *out, int *rank)
{
    if (i == 0) {
        *out = (struct token_logprob){ l->id, l->logprob };
        *rank = l->rank;
        return true;
    }
    for (int k = 0; k < l->n_top; k++) {
        i -= l->top[k].id != l->id;
        if (i == 0) {
            *out = l->top[k];
            *rank = k + 1;
            return true;
        }
    }
    return false;
}

/* ---- a chat ---- */

static json_t *chat_entry(const struct completion *c, struct token_logprob t)
{
    json_t *text = token_text(c, t.id), *bytes = json_array();
    struct str s = json_to_str(text);

    for (size_t i = 0; i < s.n; i++)
        json_push(bytes, json_integer((unsigned char)s.p[i]));
    return json_pack("{s:o, s:o, s:o}", "token", text, "logprob", number(t.logprob), "bytes", bytes);
}

static json_t *chat_token(const struct completion *c, const struct token_logprobs *l)
{
    json_t *j = chat_entry(c, (struct token_logprob){ l->id, l->logprob }), *top = json_array();
    struct token_logprob t;
    int rank;

    for (int i = 0; i < c->r.top_logprobs && entry(l, i, &t, &rank); i++)
        json_push(top, chat_entry(c, t));
    json_put(j, "top_logprobs", top);
    return j;
}

static json_t *chat_logprobs(const struct completion *c, const struct choice *k, size_t from, size_t to)
{
    json_t *content = json_array();

    for (size_t i = from; i < to; i++)
        json_push(content, chat_token(c, &k->g->results[i]));
    return json_pack("{s:o}", "content", content);
}

/* ---- a completion ---- */

struct lists { json_t *tokens, *logprobs, *offsets, *top; };

static size_t code_points(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static json_t *likeliest(const struct completion *c, const struct token_logprobs *l)
{
    json_t *top = json_object();
    struct token_logprob t;
    int rank;

    for (int i = 0; i <= c->r.text_logprobs && entry(l, i, &t, &rank); i++) {
        AUTO_JSON key = token_text(c, t.id);
        if (!json_object_get(top, json_string_value(key)))      /* two tokens may read alike: the likelier one */
            json_put(top, json_string_value(key), number(t.logprob));
    }
    return top;
}

static void add_token(const struct completion *c, const struct token_logprobs *l, size_t *offset, struct lists *out)
{
    json_t *text = token_text(c, l->id);

    json_push(out->offsets, json_integer((json_int_t)*offset));
    *offset += code_points(json_to_str(text));
    json_push(out->tokens, text);
    json_push(out->logprobs, number(l->logprob));
    json_push(out->top, isnan(l->logprob) ? json_null() : likeliest(c, l));
}

static json_t *text_logprobs(const struct completion *c, const struct choice *k, size_t from, size_t to, bool echo, size_t *offset)
{
    struct lists l = { json_array(), json_array(), json_array(), json_array() };

    for (size_t i = 0; echo && i < k->g->job.prompt.n; i++)
        add_token(c, &k->g->job.prompt_results[i], offset, &l);
    for (size_t i = from; i < to; i++)
        add_token(c, &k->g->results[i], offset, &l);
    return json_pack("{s:o, s:o, s:o, s:o}", "text_offset", l.offsets, "token_logprobs", l.logprobs, "tokens", l.tokens, "top_logprobs", l.top);
}

json_t *choice_logprobs(const struct completion *c, const struct choice *k, size_t from, size_t to, bool echo, size_t *offset)
{
    if (c->on & ON_CHAT)
        return c->r.logprobs ? chat_logprobs(c, k, from, to) : json_null();
    return c->r.text_logprobs >= 0 ? text_logprobs(c, k, from, to, echo, offset) : json_null();
}

/* ---- a prompt ---- */

static json_t *prompt_token(const struct completion *c, const struct token_logprobs *l)
{
    json_t *j = json_object();
    struct token_logprob t;
    int rank;

    for (int i = 0; i <= c->r.prompt_logprobs && entry(l, i, &t, &rank); i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", t.id);
        json_put(j, id, json_pack("{s:o, s:i, s:o}", "logprob", number(t.logprob), "rank", rank, "decoded_token", token_text(c, t.id)));
    }
    return j;
}

json_t *choice_prompt_logprobs(const struct completion *c, const struct choice *k)
{
    const struct token_logprobs *l = k->g->job.prompt_results;
    json_t *list;

    if (c->r.prompt_logprobs < 0 || !l)
        return json_null();
    list = json_pack("[n]");
    for (size_t i = 1; i < k->g->job.prompt.n; i++)
        json_push(list, prompt_token(c, &l[i]));
    return list;
}
