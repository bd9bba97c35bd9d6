/* Tables of what /chat takes, and the checks in pydantic's words. */
#include "serve/chat_body.h"

#include <math.h>

enum kind { K_STR, K_BOOL, K_INT, K_NUM, K_OBJECT, K_MESSAGES, K_IDS, K_STRINGS, K_ID_LISTS };
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
    { "stop", K_STRINGS, true, NULL }, { "stop_strings", K_STRINGS, true, NULL }, { "num_return_sequences", K_INT, true, NULL },
    { "no_repeat_ngram_size", K_INT, true, NULL }, { "bad_words_ids", K_ID_LISTS, true, NULL },
    /* what v0.1 and v0.2 sent with every request; of effect with beams alone, or only as below */
    { "length_penalty", K_NUM, true, NULL }, { "num_beam_groups", K_INT, true, NULL }, { "diversity_penalty", K_NUM, true, NULL },
    { "encoder_no_repeat_ngram_size", K_INT, true, NULL }, { "output_scores", K_BOOL, true, NULL }, { "return_dict_in_generate", K_BOOL, true, NULL },
    { "forced_bos_token_id", K_INT, true, NULL }, { "forced_eos_token_id", K_INT, true, NULL }, { "remove_invalid_values", K_BOOL, true, NULL },
    { "use_cache", K_BOOL, true, NULL },
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
static bool are_ids(const json_t *list)
{
    for (size_t k = 0; k < json_array_size(list); k++)
        if (!json_is_integer(json_array_get(list, k)))
            return false;
    return json_array_size(list) > 0;
}

static bool are_id_lists(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!are_ids(json_array_get(v, i)))
            return false;
    return json_is_array(v);
}

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
        if (json_is_array(v))
            return are_ids(v) ? json_incref(v) : NULL;
        return coerce(K_INT, v);
    case K_ID_LISTS:
        return are_id_lists(v) ? json_incref(v) : NULL;
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
        [K_ID_LISTS] = { "list_type", "Input should be a valid list", NULL, NULL },
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

static void reply_problems(struct http_exchange *x, json_t *problems)
{
    AUTO_JSON j = json_pack("{s:O}", "detail", problems);
    reply_json(x, 422, j);
}

static bool is_malformed(struct http_exchange *x, struct checker *c, json_t **in)
{
    struct err e;

    if (json_parse(x->body, in, &e)) {
        json_push(c->problems, json_pack("{s:s, s:[s, i], s:s, s:{}, s:{s:o}}", "type", "json_invalid", "loc", "body", 0, "msg", "JSON decode error",
                                         "input", "ctx", "error", json_strn(str_of(e.text))));
        return true;
    }
    if (!json_is_object(*in))
        problem(c, NULL, NULL, -1, "model_attributes_type", "Input should be a valid dictionary or object to extract fields from", *in);
    return !json_is_object(*in);
}

bool chat_body_read(struct http_exchange *x, struct chat_body *out)
{
    AUTO_JSON in = NULL;
    struct checker c = { json_array() };
    AUTO_JSON problems = c.problems;

    *out = (struct chat_body){ json_object(), json_object() };
    if (!is_malformed(x, &c, &in)) {
        const json_t *given = json_object_get(in, "generate_kwargs");
        check(&c, NULL, in, body_rules, ARRAY_LEN(body_rules), out->body);
        check_messages(&c, json_object_get(out->body, "messages"));
        if (!given || json_is_object(given)) {
            check(&c, "generate_kwargs", given, kwargs_rules, ARRAY_LEN(kwargs_rules), out->kwargs);
            check_unknown(&c, given);
        } else {
            json_decref(TAKE(out->kwargs));
        }
    }
    if (!json_array_size(problems))
        return true;
    reply_problems(x, problems);
    chat_body_done(out);
    return false;
}

void chat_body_done(struct chat_body *b)
{
    json_decref(b->body);
    json_decref(b->kwargs);
    *b = (struct chat_body){ 0 };
}
