/*
 * POST /chat as KAITO's transformers server of v0.3 to v0.8 has it: body, defaults, {"Result": ...}, FastAPI's errors.
 * What differs on purpose: the model's whole set of end tokens stops a generation unless eos_token_id is given; a prompt
 * that fills max_length and an unknown key of generate_kwargs are 400 and 422 that say so, where upstream's 500 says
 * nothing; return_full_text=false with messages gives the answer alone.
 */
#include "base/clock.h"
#include "base/file.h"
#include "serve/chat_body.h"
#include "serve/priv.h"

/* ---- from the request to a job ---- */

/* Accepted with this value (or null) alone. */
static const struct { const char *name; double only; const char *why; } fixed[] = {
    { "num_beams", 1, "beam search is not built; use 1" }, { "num_beam_groups", 1, "beam search is not built; use 1" },
    { "diversity_penalty", 0, "beam search is not built; use 0" }, { "encoder_no_repeat_ngram_size", 0, "is not built; use no_repeat_ngram_size" },
    { "return_dict_in_generate", 0, "the reply holds text alone; use false" }, { "forced_bos_token_id", -1, "is not built; leave it out" },
    { "forced_eos_token_id", -1, "is not built; leave it out" },
};

#define SEQUENCES_MAX 64

struct chat {
    struct server *s;
    json_t *body, *kwargs;      /* checked; kwargs NULL when the client sent null: then only the model's own settings count */
    struct buf prompt;          /* what is tokenised */
    bool turns;                 /* from messages */
    int32_t eos[16];            /* the client's own */
    const int32_t *stop_ids;    /* those, or the model's */
    size_t n_stop_ids;
    struct stops stops;
    struct token_words *words;  /* bad_words_ids */
    int32_t *word_ids;
    struct sample_params sample;
};

/* A setting: the request's (its defaults included), else the model's generation_config.json. */
static const json_t *setting(const struct chat *c, const char *name)
{
    const json_t *v = json_object_get(c->kwargs, name);
    return v && !json_is_null(v) ? v : json_object_get(tokenizer_info(c->s->tokenizer)->generation_config, name);
}

static int64_t set_int(const struct chat *c, const char *name, int64_t fallback)
{
    const json_t *v = setting(c, name);
    return json_is_number(v) ? (int64_t)json_number_value(v) : fallback;
}

static double set_num(const struct chat *c, const char *name, double fallback)
{
    const json_t *v = setting(c, name);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

static bool set_bool(const struct chat *c, const char *name, bool fallback)
{
    const json_t *v = setting(c, name);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

static errc refuse_unbuilt(const struct chat *c, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        const json_t *v = setting(c, fixed[i].name);
        double x = json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
        if (v && !json_is_null(v) && x != fixed[i].only)
            return err_set(e, ERR_BAD_REQUEST, "%s: %s", fixed[i].name, fixed[i].why);
    }
    return ERR_OK;
}

static errc set_bad_words(struct chat *c, struct sample_params *p, struct err *e)
{
    const json_t *lists = json_object_get(c->kwargs, "bad_words_ids");
    size_t total = 0, at = 0;

    for (size_t i = 0; i < json_array_size(lists); i++)
        total += json_array_size(json_array_get(lists, i));
    c->words = xcalloc(json_array_size(lists) + 1, sizeof *c->words);
    c->word_ids = xcalloc(total + 1, sizeof *c->word_ids);
    for (size_t i = 0; i < json_array_size(lists); i++) {
        const json_t *ids = json_array_get(lists, i);
        c->words[i] = (struct token_words){ c->word_ids + at, json_array_size(ids) };
        for (size_t k = 0; k < json_array_size(ids); k++) {
            int64_t id = json_integer_value(json_array_get(ids, k));
            if (id < 0 || (size_t)id >= c->s->vocab)
                return err_set(e, ERR_BAD_REQUEST, "bad_words_ids: %lld is not a token of this model (0 to %zu)", (long long)id, c->s->vocab - 1);
            c->word_ids[at++] = (int32_t)id;
        }
    }
    p->bad_words = c->words;
    p->n_bad_words = json_array_size(lists);
    return ERR_OK;
}

static errc set_sampling(struct chat *c, struct err *e)
{
    struct sample_params *p = &c->sample;
    int64_t seed = set_int(c, "seed", -1), ngram = set_int(c, "no_repeat_ngram_size", 0);

    *p = SAMPLE_DEFAULTS;
    TRY(refuse_unbuilt(c, e));
    if (ngram < 0)
        return err_set(e, ERR_BAD_REQUEST, "no_repeat_ngram_size: %lld is below 0", (long long)ngram);
    p->no_repeat_ngram = (size_t)ngram;
    TRY(set_bad_words(c, p, e));
    p->do_sample = set_bool(c, "do_sample", false);
    if (p->do_sample) {                 /* else nothing looks at them, as in transformers: a temperature of 0 is fine */
        p->temperature = set_num(c, "temperature", 1);
        p->top_k = set_int(c, "top_k", 50);     /* transformers' own default, when generate_kwargs is null */
        p->top_p = set_num(c, "top_p", 1);
        p->min_p = set_num(c, "min_p", 0);
        p->typical_p = set_num(c, "typical_p", 1);
    }
    p->repetition_penalty = set_num(c, "repetition_penalty", 1);
    p->seed = seed >= 0 ? (uint64_t)seed : random_u64();
    return sample_params_check(p, e);
}

static errc set_lengths(const struct chat *c, struct job *j, struct err *e)
{
    int64_t max_new = set_int(c, "max_new_tokens", -1), max_length = set_int(c, "max_length", 20), min = set_int(c, "min_length", 0);
    size_t room = engine_max_len(c->s->engine), n = j->prompt.n;

    if (max_new == 0 || max_new < -1 || max_length < 0 || min < 0)
        return err_set(e, ERR_BAD_REQUEST, "max_new_tokens must be at least 1, max_length and min_length at least 0");
    if (n >= room)
        return err_set(e, ERR_BAD_REQUEST, "the prompt has %zu tokens; this model reads at most %zu with its answer: shorten it, or set "
                       "handle_long_generation to \"hole\"", n, room);
    if (max_new < 0 && (size_t)max_length <= n)
        return err_set(e, ERR_BAD_REQUEST, "the prompt has %zu tokens and max_length, which counts them, is %lld: raise max_length or set max_new_tokens",
                       n, (long long)max_length);
    size_t want = max_new > 0 ? (size_t)max_new : (size_t)max_length - n;
    j->max_new = want < room - n ? want : room - n;
    j->min_new = (size_t)min > n ? (size_t)min - n : 0;
    int64_t min_new = set_int(c, "min_new_tokens", 0);
    if (min_new > 0 && (size_t)min_new > j->min_new)
        j->min_new = (size_t)min_new;
    return ERR_OK;
}

static errc set_stops(struct chat *c, struct err *e)
{
    const json_t *eos = json_object_get(c->kwargs, "eos_token_id"), *stop = json_object_get(c->kwargs, "stop");
    size_t n = json_is_integer(eos) ? 1 : json_array_size(eos);

    if (json_array_size(stop) == 0)
        stop = json_object_get(c->kwargs, "stop_strings");
    c->stop_ids = c->s->eos;
    c->n_stop_ids = c->s->n_eos;
    if (n > ARRAY_LEN(c->eos))
        return err_set(e, ERR_BAD_REQUEST, "eos_token_id: more than %zu ids", ARRAY_LEN(c->eos));
    for (size_t i = 0; i < n; i++) {
        int64_t id = json_integer_value(json_is_integer(eos) ? eos : json_array_get(eos, i));
        if (id < 0 || (size_t)id >= c->s->vocab)
            return err_set(e, ERR_BAD_REQUEST, "eos_token_id: %lld is not a token of this model (0 to %zu)", (long long)id, c->s->vocab - 1);
        c->eos[i] = (int32_t)id;
    }
    if (n) {
        c->stop_ids = c->eos;
        c->n_stop_ids = n;
    }
    c->stops.v = xcalloc(json_array_size(stop) + 1, sizeof *c->stops.v);
    for (size_t i = 0; i < json_array_size(stop); i++)
        c->stops.v[c->stops.n++] = xstrdup(json_string_value(json_array_get(stop, i)));
    return ERR_OK;
}

/* "hole": drops the oldest tokens so that the answer fits. */
static errc cut_long(const struct chat *c, struct token_ids *ids, struct err *e)
{
    const char *how = json_cstr(c->body, "handle_long_generation");
    size_t room = engine_max_len(c->s->engine);
    int64_t want = set_int(c, "max_new_tokens", 0);

    if (!how)
        return ERR_OK;
    if (!streq(how, "hole"))
        return err_set(e, ERR_BAD_REQUEST, "handle_long_generation: \"%s\" is not known; \"hole\" is", how);
    if (want <= 0) {
        int64_t max_length = set_int(c, "max_length", 20);
        want = max_length > (int64_t)ids->n ? max_length - (int64_t)ids->n : 1;
    }
    if (ids->n + (size_t)want <= room)
        return ERR_OK;
    if ((size_t)want >= room)
        return err_set(e, ERR_BAD_REQUEST, "no room is left for the prompt: the answer may take %lld of the model's %zu tokens", (long long)want, room);
    size_t keep = room - (size_t)want;
    memmove(ids->v, ids->v + ids->n - keep, keep * sizeof *ids->v);
    ids->n = keep;
    return ERR_OK;
}

static errc make_prompt(struct chat *c, struct token_ids *ids, struct err *e)
{
    const json_t *messages = json_object_get(c->body, "messages");

    if (!c->turns) {
        buf_addstr(&c->prompt, json_to_str(json_object_get(c->body, "prefix")));
        buf_addstr(&c->prompt, json_to_str(json_object_get(c->body, "prompt")));
        TRY(tokenizer_encode(c->s->tokenizer, buf_str(&c->prompt), true, ids, e));
    } else {
        const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
        TRY(server_chat_text(c->s, messages, !streq(json_cstr(last, "role"), "assistant"), NULL, &c->prompt, e));
        TRY(tokenizer_encode(c->s->tokenizer, buf_str(&c->prompt), false, ids, e));
    }
    return cut_long(c, ids, e);
}

static errc make_generation(struct chat *c, const struct token_ids *ids, struct generation *g, struct err *e)
{
    for (size_t i = 0; i < ids->n; i++)
        token_ids_add(&g->job.prompt, ids->v[i]);
    g->job.sample = c->sample;
    g->job.sample.n_prompt = ids->n;
    TRY(set_lengths(c, &g->job, e));
    if (!c->stops.v)
        TRY(set_stops(c, e));
    g->job.stop_ids = c->stop_ids;
    g->job.n_stop_ids = c->n_stop_ids;
    g->stops = c->stops;
    g->job.adapter = server_adapter(c->s, NULL);
    return ERR_OK;
}

/* The texts of all returned sequences, one after the other, as upstream's loop puts them together. */
static errc run_all(struct chat *c, struct http_exchange *x, struct generation **all, size_t n, const struct token_ids *ids, struct buf *texts, struct err *e)
{
    uint64_t group = n > 1 ? scheduler_group(c->s->scheduler) : 0;

    for (size_t i = 0; i < n; i++) {
        all[i] = generation_new(c->s->scheduler, c->s->tokenizer);
        TRY(make_generation(c, ids, all[i], e));
        all[i]->job.sample.seed += i;
        all[i]->job.group = group;
        all[i]->job.gone = http_gone(x);
    }
    TRY(generations_start(all, n, false, e));
    for (size_t i = 0; i < n; i++)
        TRY(generation_all(all[i], &texts[i], e));
    return ERR_OK;
}

static errc answer(struct chat *c, struct http_exchange *x, struct buf *texts, size_t n, struct err *e)
{
    AUTO_MEM struct generation **all = xcalloc(n, sizeof *all);
    AUTO_IDS ids = { 0 };

    TRY(make_prompt(c, &ids, e));
    if (!ids.n)
        return err_set(e, ERR_BAD_REQUEST, "the prompt gives no tokens");
    TRY(set_sampling(c, e));
    if (n > 1 && !c->sample.do_sample)
        return err_set(e, ERR_BAD_REQUEST, "num_return_sequences: more than 1 needs do_sample");
    errc rc = run_all(c, x, all, n, &ids, texts, e);
    for (size_t i = 0; i < n; i++)
        generation_free(all[i]);
    return rc;
}

/* ---- from the text to the reply ---- */

/* Hugging Face's clean_up_tokenization. */
static void clean_up(struct buf *text)
{
    static const struct { const char *from, *to; } rules[] = {
        { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" }, { " n't", "n't" }, { " 'm", "'m" }, { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        AUTO_BUF out = { 0 };
        struct str rest = buf_str(text);
        size_t at;
        while (str_find(rest, str_of(rules[i].from), &at)) {
            buf_add(&out, rest.p, at);
            buf_adds(&out, rules[i].to);
            rest = str_from(rest, at + strlen(rules[i].from));
        }
        buf_addstr(&out, rest);
        buf_clear(text);
        buf_addstr(text, buf_str(&out));
    }
}

/* Python's str() of {'generated_text': [...messages, the answer]}: what upstream's conversations return. */
static errc conversation(const struct chat *c, struct str text, struct buf *out, struct err *e)
{
    AUTO_JSON all = json_copy(json_object_get(c->body, "messages"));
    AUTO_FREE(template) t = NULL;

    json_push(all, json_pack("{s:s, s:o}", "role", "assistant", "content", json_strn(text)));
    AUTO_JSON vars = json_pack("{s:{s:O}}", "r", "generated_text", all);
    TRY(template_compile(STR("{{ r }}"), "result", &t, e));
    return template_render(t, vars, NULL, out, e);
}

static errc add_result(const struct chat *c, struct buf *text, struct buf *result, struct err *e)
{
    bool whole = !json_is_false(json_object_get(c->body, "return_full_text"));

    if (json_is_true(json_object_get(c->body, "clean_up_tokenization_spaces")))
        clean_up(text);
    if (whole && c->turns)
        TRY(conversation(c, buf_str(text), result, e));
    if (whole && !c->turns)
        buf_addstr(result, json_to_str(json_object_get(c->body, "prompt")));
    if (!whole || !c->turns)
        buf_addstr(result, buf_str(text));
    return ERR_OK;
}

static void reply_failure(struct http_exchange *x, const struct err *e)
{
    int status = err_http(e->code);
    reply_detail(x, status == 422 || status == 413 ? 400 : status, "%s", e->text);
}

static errc answer_and_reply(struct chat *c, struct http_exchange *x, size_t n, struct err *e)
{
    AUTO_MEM struct buf *texts = xcalloc(n, sizeof *texts);
    AUTO_BUF result = { 0 };
    errc rc = answer(c, x, texts, n, e);

    for (size_t i = 0; i < n; i++) {
        if (!rc)
            rc = add_result(c, &texts[i], &result, e);
        buf_done(&texts[i]);
    }
    if (rc)
        return rc;
    AUTO_JSON j = json_object();
    json_put(j, "Result", json_strn(buf_str(&result)));
    reply_json(x, 200, j);
    return ERR_OK;
}

static void run_chat(struct chat *c, struct http_exchange *x)
{
    struct err e = { 0 };
    bool prompt = json_to_str(json_object_get(c->body, "prompt")).n > 0;
    int64_t n = set_int(c, "num_return_sequences", 1);

    c->turns = !prompt && json_array_size(json_object_get(c->body, "messages")) > 0;
    if (!prompt && !c->turns)
        reply_detail(x, 400, "Text generation parameter prompt required");
    else if (n < 1 || n > SEQUENCES_MAX)
        reply_detail(x, 400, "num_return_sequences: %lld is not in [1, %d]", (long long)n, SEQUENCES_MAX);
    else if (answer_and_reply(c, x, (size_t)n, &e))
        reply_failure(x, &e);
}

void kaito_chat(struct server *s, struct http_exchange *x)
{
    struct chat_body b = { 0 };

    if (!chat_body_read(x, &b))
        return;
    struct chat c = { .s = s, .body = b.body, .kwargs = b.kwargs };
    run_chat(&c, x);
    buf_done(&c.prompt);
    strv_free(c.stops.v, c.stops.n);
    free(c.words);
    free(c.word_ids);
    chat_body_done(&b);
}
