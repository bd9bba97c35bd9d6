/* From a request's fields to what the sampler, the stops and the lengths are told. */
#include "base/file.h"
#include "serve/openai.h"

#define STOPS_MAX 64
#define GREEDY_BELOW 1e-5       /* vLLM's */
#define TEMPERATURE_MIN 1e-2    /* the same: less is raised to this */

void sampling_done(struct sampling *l)
{
    strv_free(l->stops.v, l->stops.n);
    free(l->stop_ids);
    free(l->bias);
    free(l->allowed);
    free(l->word_ids);
    free(l->words);
    *l = (struct sampling){ 0 };
}

static errc read_bias(const struct server *s, const json_t *in, struct sampling *l, struct err *e)
{
    const char *key;
    json_t *v;

    l->bias = xcalloc(json_object_size(in) + 1, sizeof *l->bias);
    json_object_foreach((json_t *)(uintptr_t)in, key, v) {
        int64_t id;
        if (!str_to_i64(str_of(key), &id) || id < 0 || (size_t)id >= s->vocab)
            return err_set(e, ERR_BAD_REQUEST, "logit_bias: \"%s\" is not a token id from 0 to %zu", key, s->vocab - 1);
        if (!json_is_number(v))
            return param_refuse(e, "logit_bias", v, "is not a number");
        double add = json_number_value(v);
        l->bias[l->params.n_bias++] = (struct token_bias){ (int32_t)id, (float)(add < -100 ? -100 : add > 100 ? 100 : add) };
    }
    l->params.bias = l->bias;
    return ERR_OK;
}

static errc read_ids(const struct server *s, const char *name, const json_t *in, int32_t *out, struct err *e)
{
    for (size_t i = 0; i < json_array_size(in); i++) {
        const json_t *v = json_array_get(in, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || (size_t)json_integer_value(v) >= s->vocab)
            return err_set(e, ERR_BAD_REQUEST, "%s[%zu]: must be a token id from 0 to %zu", name, i, s->vocab - 1);
        out[i] = (int32_t)json_integer_value(v);
    }
    return ERR_OK;
}

static errc read_allowed(const struct server *s, const json_t *in, struct sampling *l, struct err *e)
{
    if (!in)
        return ERR_OK;
    if (!json_array_size(in))
        return err_set(e, ERR_BAD_REQUEST, "allowed_token_ids: an empty list allows nothing");
    l->allowed = xcalloc(json_array_size(in), sizeof *l->allowed);
    TRY(read_ids(s, "allowed_token_ids", in, l->allowed, e));
    l->params.allowed = l->allowed;
    l->params.n_allowed = json_array_size(in);
    return ERR_OK;
}

/* A word counts at the beginning of a text and after a space; the second form only when it is one token sequence of the same length. */
static errc word_tokens(const struct server *s, size_t at, struct str word, struct token_ids *ids, size_t lengths[2], struct err *e)
{
    AUTO_BUF spaced = { 0 };
    size_t start = ids->n;

    buf_addc(&spaced, ' ');
    buf_addstr(&spaced, str_trim(word));
    TRY(tokenizer_encode(s->tokenizer, str_trim(word), false, ids, e));
    lengths[0] = ids->n - start;
    if (!lengths[0])
        return err_set(e, ERR_BAD_REQUEST, "bad_words[%zu]: gives no tokens", at);
    TRY(tokenizer_encode(s->tokenizer, buf_str(&spaced), false, ids, e));
    lengths[1] = ids->n - start - lengths[0];
    if (lengths[1] != lengths[0] || ids->v[start] == ids->v[start + lengths[0]])
        lengths[1] = 0;
    ids->n = start + lengths[0] + lengths[1];
    return ERR_OK;
}

static errc read_words(const struct server *s, const json_t *in, struct sampling *l, struct err *e)
{
    AUTO_IDS ids = { 0 };
    size_t n = json_array_size(in);
    AUTO_MEM size_t *lengths = xcalloc(2 * n + 1, sizeof *lengths);

    for (size_t i = 0; i < n; i++) {
        struct str word = json_to_str(json_array_get(in, i));
        if (!word.n)
            return err_set(e, ERR_BAD_REQUEST, "bad_words[%zu]: must be a string that is not empty", i);
        TRY(word_tokens(s, i, word, &ids, lengths + 2 * i, e));
    }
    l->words = xcalloc(2 * n + 1, sizeof *l->words);
    l->word_ids = TAKE(ids.v);
    for (size_t i = 0, at = 0; i < 2 * n; at += lengths[i++])
        if (lengths[i])
            l->words[l->params.n_bad_words++] = (struct token_words){ l->word_ids + at, lengths[i] };
    l->params.bad_words = l->words;
    return ERR_OK;
}

/* Strings that end the answer, and ids beside the model's own. */
static errc read_stops(const struct server *s, const struct completion_request *r, struct sampling *l, struct err *e)
{
    bool one = json_is_string(r->stop);
    size_t n = one ? 1 : json_array_size(r->stop), own = r->ignore_eos ? 0 : s->n_eos, more = json_array_size(r->stop_token_ids);

    if (n > STOPS_MAX || (r->stop && !one && !json_is_array(r->stop)))
        return err_set(e, ERR_BAD_REQUEST, "stop: must be a string or a list of at most %d strings", STOPS_MAX);
    l->stops.v = xcalloc(n + 1, sizeof *l->stops.v);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = one ? r->stop : json_array_get(r->stop, i);
        if (!json_to_str(v).n || strlen(json_string_value(v)) != json_string_length(v))
            return err_set(e, ERR_BAD_REQUEST, "stop[%zu]: must be a string that is not empty", i);
        l->stops.v[l->stops.n++] = xstrdup(json_string_value(v));
    }
    l->stop_ids = xcalloc(own + more + 1, sizeof *l->stop_ids);
    if (own)
        memcpy(l->stop_ids, s->eos, own * sizeof *s->eos);
    TRY(read_ids(s, "stop_token_ids", r->stop_token_ids, l->stop_ids + own, e));
    l->n_stop_ids = own + more;
    return ERR_OK;
}

static void read_numbers(const struct completion_request *r, struct sample_params *p)
{
    p->do_sample = r->temperature >= GREEDY_BELOW;
    p->temperature = !p->do_sample ? 1 : r->temperature < TEMPERATURE_MIN ? TEMPERATURE_MIN : r->temperature;
    p->min_p_first = true;
    p->top_k = r->top_k < 1 ? 0 : r->top_k < 1000000000 ? r->top_k : 1000000000;
    p->top_p = r->top_p;
    p->min_p = r->min_p;
    p->repetition_penalty = r->repetition_penalty;
    p->presence_penalty = r->presence_penalty;
    p->frequency_penalty = r->frequency_penalty;
    p->logprobs = r->logprobs ? (int)r->top_logprobs : (int)r->text_logprobs;
    if (p->logprobs < r->prompt_logprobs)
        p->logprobs = (int)r->prompt_logprobs;
    if (p->logprobs < 0 && r->best_of > r->n)           /* what the best are chosen by */
        p->logprobs = 0;
}

errc sampling_of(const struct server *s, const struct completion_request *r, struct sampling *out, struct err *e)
{
    out->params = SAMPLE_DEFAULTS;
    read_numbers(r, &out->params);
    TRY(sample_params_check(&out->params, e));
    TRY(read_bias(s, r->logit_bias, out, e));
    TRY(read_allowed(s, r->allowed_token_ids, out, e));
    TRY(read_words(s, r->bad_words, out, e));
    return read_stops(s, r, out, e);
}

/* What an answer may have when nobody says: the model's own max_new_tokens, within what the context leaves. */
static size_t default_length(const struct server *s, size_t left)
{
    int64_t own = json_int(tokenizer_info(s->tokenizer)->generation_config, "max_new_tokens", 0);

    return own > 0 && (size_t)own < left ? (size_t)own : left;
}

errc lengths_of(const struct server *s, unsigned on, const struct completion_request *r, size_t n, size_t *max_new, size_t *min_new, struct err *e)
{
    size_t room = engine_max_len(s->engine);
    const char *name = r->max_completion_tokens >= 0 ? "max_completion_tokens" : "max_tokens";

    if (n >= room)
        return err_set(e, ERR_BAD_REQUEST, "This model's maximum context length is %zu tokens. However, your request has %zu input tokens. "
                       "Please reduce the length of the input messages.", room, n);
    if (r->max_tokens == 0 && !(on & ON_TEXT && r->echo))
        return err_set(e, ERR_BAD_REQUEST, "%s: must be at least 1, got 0.", name);
    if (r->max_tokens > 0 && (uint64_t)r->max_tokens > room - n)
        return err_set(e, ERR_BAD_REQUEST, "%s: This model's maximum context length is %zu tokens. However, you requested %llu tokens (%zu in the %s, %lld in the "
                       "completion). Please reduce the length of the messages or completion.", name, room, (unsigned long long)r->max_tokens + n, n,
                       on & ON_CHAT ? "messages" : "prompt", (long long)r->max_tokens);
    *max_new = r->max_tokens >= 0 ? (size_t)r->max_tokens : default_length(s, room - n);
    if (r->min_tokens > (int64_t)*max_new)
        return err_set(e, ERR_BAD_REQUEST, "min_tokens: %lld is more than %s, which is %zu", (long long)r->min_tokens, name, *max_new);
    *min_new = (size_t)r->min_tokens;
    return ERR_OK;
}
