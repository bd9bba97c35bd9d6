/*
 * POST /chat as KAITO's transformers server of v0.3 to v0.8 has it: body, defaults, {"Result": ...}, FastAPI's errors.
 * What differs on purpose: the model's whole set of end tokens stops a generation unless eos_token_id is given; a prompt
 * that fills max_length and an unknown key of generate_kwargs are 400 and 422 that say so, where upstream's 500 says
 * nothing; return_full_text=false with messages gives the answer alone.
 */
#include <math.h>

#include "base/clock.h"
#include "base/file.h"
#include "serve/priv.h"

/* ---- validation, in pydantic's words ---- */

enum kind { K_STR, K_BOOL, K_INT, K_NUM, K_OBJECT, K_MESSAGES, K_IDS, K_STRINGS };
struct rule { const char *name; enum kind kind; bool nullable; const char *fallback; };       /* fallback: JSON, NULL for none */

static const struct rule body_rules[] = {
    { "prompt", K_STR, true, NULL }, { "return_full_text", K_BOOL, true, "true" }, { "clean_up_tokenization_spaces", K_BOOL, true, "false" },
    { "prefix", K_STR, true, NULL }, { "handle_long_generation", K_STR, true, NULL }, { "generate_kwargs", K_OBJECT, true, NULL },
    { "messages", K_MESSAGES, true, NULL },
};

static const struct rule kwargs_rules[] = {
    { "max_length", K_INT, false, "200" }, { "min_length", K_INT, false, "0" }, { "do_sample", K_BOOL, false, "true" },
    { "early_stopping", K_BOOL, false, "false" }, { "num_beams", K_INT, false, "1" }, { "temperature", K_NUM, false, "1.0" },
    { "top_k", K_INT, false, "10" }, { "top_p", K_NUM, false, "1" }, { "typical_p", K_NUM, false, "1" }, { "repetition_penalty", K_NUM, false, "1" },
    { "pad_token_id", K_INT, true, NULL }, { "eos_token_id", K_IDS, true, NULL },
    /* extras that generate() takes */
    { "max_new_tokens", K_INT, true, NULL }, { "min_new_tokens", K_INT, true, NULL }, { "min_p", K_NUM, true, NULL }, { "seed", K_INT, true, NULL },
    { "stop", K_STRINGS, true, NULL }, { "stop_strings", K_STRINGS, true, NULL }, { "num_return_sequences", K_INT, true, NULL }, { "use_cache", K_BOOL, true, NULL },
};

struct checker { json_t *problems; };

static void problem(struct checker *c, const char *in, const char *name, int index, const char *type, const char *msg, json_t *input)
{
    json_t *loc = json_pack("[s]", "body");

    if (in)
        json_push(loc, json_string(in));
    if (index >= 0)
        json_push(loc, json_integer(index));
    if (name)
        json_push(loc, json_strn(str_of(name)));
    json_push(c->problems, json_pack("{s:s, s:o, s:s, s:o}", "type", type, "loc", loc, "msg", msg, "input", input ? json_incref(input) : json_null()));
}

static bool text_bool(struct str s, bool *out)
{
    static const char *const yes[] = { "true", "1", "yes", "on", "t", "y" }, *const no[] = { "false", "0", "no", "off", "f", "n" };

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        *out = str_ieq(s, str_of(yes[i]));
        if (*out || str_ieq(s, str_of(no[i])))
            return true;
    }
    return false;
}

/* pydantic's lax mode: text and whole floats are taken for numbers. NULL: it does not fit. */
static json_t *coerce(enum kind kind, json_t *v)
{
    struct str s = json_to_str(v);
    int64_t i;
    double f;
    bool b;

    switch (kind) {
    case K_STR:
        return s.p ? json_incref(v) : NULL;
    case K_BOOL:
        if (json_is_boolean(v))
            return json_incref(v);
        if (json_is_integer(v) && (json_integer_value(v) == 0 || json_integer_value(v) == 1))
            return json_boolean(json_integer_value(v));
        return s.p && text_bool(s, &b) ? json_boolean(b) : NULL;
    case K_INT:
        if (json_is_integer(v))
            return json_incref(v);
        if (json_is_boolean(v))
            return json_integer(json_is_true(v));
        if (json_is_real(v) && json_real_value(v) == floor(json_real_value(v)) && fabs(json_real_value(v)) < 1e15)
            return json_integer((json_int_t)json_real_value(v));
        return s.p && str_to_i64(str_trim(s), &i) ? json_integer(i) : NULL;
    case K_NUM:
        if (json_is_number(v))
            return json_incref(v);
        if (json_is_boolean(v))
            return json_real(json_is_true(v));
        return s.p && str_to_f64(str_trim(s), &f) ? json_real(f) : NULL;
    case K_OBJECT:
        return json_is_object(v) ? json_incref(v) : NULL;
    case K_MESSAGES:
        return json_is_array(v) ? json_incref(v) : NULL;
    case K_IDS:
        if (json_is_array(v)) {
            for (size_t k = 0; k < json_array_size(v); k++)
                if (!json_is_integer(json_array_get(v, k)))
                    return NULL;
            return json_incref(v);
        }
        return coerce(K_INT, v);
    case K_STRINGS:
        if (s.p)
            return s.n ? json_pack("[O]", v) : NULL;
        for (size_t k = 0; k < json_array_size(v); k++)
            if (!json_to_str(json_array_get(v, k)).n)
                return NULL;
        return json_is_array(v) ? json_incref(v) : NULL;
    }
    return NULL;
}

static void type_problem(struct checker *c, const char *in, const struct rule *r, json_t *v)
{
    static const struct { const char *type, *msg, *text_type, *text_msg; } words[] = {
        [K_STR] = { "string_type", "Input should be a valid string", NULL, NULL },
        [K_BOOL] = { "bool_type", "Input should be a valid boolean", "bool_parsing", "Input should be a valid boolean, unable to interpret input" },
        [K_INT] = { "int_type", "Input should be a valid integer", "int_parsing", "Input should be a valid integer, unable to parse string as an integer" },
        [K_NUM] = { "float_type", "Input should be a valid number", "float_parsing", "Input should be a valid number, unable to parse string as a number" },
        [K_OBJECT] = { "model_attributes_type", "Input should be a valid dictionary or object to extract fields from", NULL, NULL },
        [K_MESSAGES] = { "list_type", "Input should be a valid list", NULL, NULL },
        [K_IDS] = { "int_type", "Input should be a valid integer", "int_parsing", "Input should be a valid integer, unable to parse string as an integer" },
        [K_STRINGS] = { "string_type", "Input should be a valid string", NULL, NULL },
    };
    if (r->kind == K_INT && json_is_real(v))
        problem(c, in, r->name, -1, "int_from_float", "Input should be a valid integer, got a number with a fractional part", v);
    else if (words[r->kind].text_type && (json_is_string(v) || (r->kind == K_BOOL && json_is_number(v))))
        problem(c, in, r->name, -1, words[r->kind].text_type, words[r->kind].text_msg, v);
    else
        problem(c, in, r->name, -1, words[r->kind].type, words[r->kind].msg, v);
}

/* Fills out with every rule's value; JSON null for what is absent and has no fallback. */
static void check(struct checker *c, const char *in, const json_t *object, const struct rule *rules, size_t n, json_t *out)
{
    for (size_t i = 0; i < n; i++) {
        json_t *v = json_object_get(object, rules[i].name), *good = NULL;
        if (!v)
            good = rules[i].fallback ? json_loads(rules[i].fallback, JSON_DECODE_ANY, NULL) : json_null();
        else if (json_is_null(v) && rules[i].nullable)
            good = json_null();
        else
            good = coerce(rules[i].kind, v);
        if (!good)
            type_problem(c, in, &rules[i], v);
        else
            json_put(out, rules[i].name, good);
    }
}

static void check_messages(struct checker *c, const json_t *messages)
{
    static const char *const keys[] = { "role", "content" };

    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_t *m = json_array_get(messages, i);
        if (!json_is_object(m)) {
            problem(c, "messages", NULL, (int)i, "model_attributes_type", "Input should be a valid dictionary or object to extract fields from", m);
            continue;
        }
        for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
            json_t *v = json_object_get(m, keys[k]);
            if (!v)
                problem(c, "messages", keys[k], (int)i, "missing", "Field required", m);
            else if (!json_is_string(v))
                problem(c, "messages", keys[k], (int)i, "string_type", "Input should be a valid string", v);
        }
    }
}

static void check_unknown(struct checker *c, const json_t *kwargs)
{
    const char *name;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)kwargs, name, v) {
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(kwargs_rules); i++)
            known |= streq(kwargs_rules[i].name, name);
        if (!known)
            problem(c, "generate_kwargs", name, -1, "extra_forbidden", "generation does not know this parameter", v);
    }
}

/* ---- from the request to a job ---- */

struct chat {
    struct server *s;
    json_t *body, *kwargs;      /* checked; kwargs NULL when the client sent null: then only the model's own settings count */
    struct buf prompt;          /* what is tokenised */
    bool turns;                 /* from messages */
    int32_t eos[16];            /* the client's own */
    struct stops stops;
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

static errc set_sampling(const struct chat *c, struct job *j, struct err *e)
{
    struct sample_params *p = &j->sample;
    int64_t seed = set_int(c, "seed", -1);

    if (set_int(c, "num_beams", 1) > 1)
        return err_set(e, ERR_BAD_REQUEST, "num_beams: beam search is not built; use 1");
    if (set_int(c, "num_return_sequences", 1) > 1)
        return err_set(e, ERR_BAD_REQUEST, "num_return_sequences: only 1 is built");
    p->do_sample = set_bool(c, "do_sample", false);
    p->temperature = set_num(c, "temperature", 1);
    p->top_k = set_int(c, "top_k", 50);         /* transformers' own default, when generate_kwargs is null */
    p->top_p = set_num(c, "top_p", 1);
    p->min_p = set_num(c, "min_p", 0);
    p->typical_p = set_num(c, "typical_p", 1);
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

static errc set_stops(struct chat *c, struct generation *g, struct err *e)
{
    const json_t *eos = json_object_get(c->kwargs, "eos_token_id"), *stop = json_object_get(c->kwargs, "stop");
    size_t n = json_is_integer(eos) ? 1 : json_array_size(eos);

    if (json_array_size(stop) == 0)
        stop = json_object_get(c->kwargs, "stop_strings");
    g->job.stop_ids = c->s->eos;
    g->job.n_stop_ids = c->s->n_eos;
    if (n > ARRAY_LEN(c->eos))
        return err_set(e, ERR_BAD_REQUEST, "eos_token_id: more than %zu ids", ARRAY_LEN(c->eos));
    for (size_t i = 0; i < n; i++) {
        int64_t id = json_integer_value(json_is_integer(eos) ? eos : json_array_get(eos, i));
        if (id < 0 || (size_t)id >= c->s->vocab)
            return err_set(e, ERR_BAD_REQUEST, "eos_token_id: %lld is not a token of this model (0 to %zu)", (long long)id, c->s->vocab - 1);
        c->eos[i] = (int32_t)id;
    }
    if (n) {
        g->job.stop_ids = c->eos;
        g->job.n_stop_ids = n;
    }
    c->stops.v = xcalloc(json_array_size(stop) + 1, sizeof *c->stops.v);
    for (size_t i = 0; i < json_array_size(stop); i++)
        c->stops.v[c->stops.n++] = xstrdup(json_string_value(json_array_get(stop, i)));
    g->stops = c->stops;
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

static errc answer(struct chat *c, struct http_exchange *x, struct buf *text, struct err *e)
{
    AUTO_FREE(generation) g = generation_new(c->s->scheduler, c->s->tokenizer);

    TRY(make_prompt(c, &g->job.prompt, e));
    if (!g->job.prompt.n)
        return err_set(e, ERR_BAD_REQUEST, "the prompt gives no tokens");
    TRY(set_sampling(c, &g->job, e));
    TRY(set_lengths(c, &g->job, e));
    TRY(set_stops(c, g, e));
    g->job.adapter = server_adapter(c->s, NULL);
    g->job.gone = http_gone(x);
    TRY(generations_start(&g, 1, false, e));
    return generation_all(g, text, e);
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

static void reply_result(struct chat *c, struct http_exchange *x, struct buf *text)
{
    AUTO_BUF result = { 0 };
    struct err e;
    bool whole = !json_is_false(json_object_get(c->body, "return_full_text"));

    if (json_is_true(json_object_get(c->body, "clean_up_tokenization_spaces")))
        clean_up(text);
    if (whole && c->turns && conversation(c, buf_str(text), &result, &e)) {
        reply_detail(x, 500, "%s", e.text);
        return;
    }
    if (whole && !c->turns)
        buf_addstr(&result, json_to_str(json_object_get(c->body, "prompt")));
    if (!whole || !c->turns)
        buf_addstr(&result, buf_str(text));
    AUTO_JSON j = json_object();
    json_put(j, "Result", json_strn(buf_str(&result)));
    reply_json(x, 200, j);
}

static void reply_failure(struct http_exchange *x, const struct err *e)
{
    int status = err_http(e->code);
    reply_detail(x, status == 422 || status == 413 ? 400 : status, "%s", e->text);
}

static void reply_problems(struct http_exchange *x, json_t *problems)
{
    AUTO_JSON j = json_pack("{s:O}", "detail", problems);
    reply_json(x, 422, j);
}

static void run_chat(struct chat *c, struct http_exchange *x)
{
    AUTO_BUF text = { 0 };
    struct err e = { 0 };
    bool prompt = json_to_str(json_object_get(c->body, "prompt")).n > 0;

    c->turns = !prompt && json_array_size(json_object_get(c->body, "messages")) > 0;
    if (!prompt && !c->turns)
        reply_detail(x, 400, "Text generation parameter prompt required");
    else if (answer(c, x, &text, &e))
        reply_failure(x, &e);
    else
        reply_result(c, x, &text);
}

void kaito_chat(struct server *s, struct http_exchange *x)
{
    AUTO_JSON in = NULL;
    AUTO_JSON body = json_object();
    AUTO_JSON kwargs = json_object();
    struct checker check_state = { json_array() };
    AUTO_JSON problems = check_state.problems;
    struct err e;

    if (json_parse(x->body, &in, &e)) {
        json_push(problems, json_pack("{s:s, s:[s, i], s:s, s:{}, s:{s:o}}", "type", "json_invalid", "loc", "body", 0, "msg", "JSON decode error",
                                      "input", "ctx", "error", json_strn(str_of(e.text))));
        reply_problems(x, problems);
        return;
    }
    if (!json_is_object(in)) {
        problem(&check_state, NULL, NULL, -1, "model_attributes_type", "Input should be a valid dictionary or object to extract fields from", in);
        reply_problems(x, problems);
        return;
    }
    const json_t *given = json_object_get(in, "generate_kwargs");
    check(&check_state, NULL, in, body_rules, ARRAY_LEN(body_rules), body);
    check_messages(&check_state, json_object_get(body, "messages"));
    if (!given || json_is_object(given)) {
        check(&check_state, "generate_kwargs", given, kwargs_rules, ARRAY_LEN(kwargs_rules), kwargs);
        check_unknown(&check_state, given);
    }
    if (json_array_size(problems)) {
        reply_problems(x, problems);
        return;
    }
    struct chat c = { .s = s, .body = body, .kwargs = given && json_is_null(given) ? NULL : kwargs };
    run_chat(&c, x);
    buf_done(&c.prompt);
    strv_free(c.stops.v, c.stops.n);
}
