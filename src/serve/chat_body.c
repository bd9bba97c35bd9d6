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

/* pydantic's lax mode, a function per kind: text and whole floats are taken for numbers. NULL: it does not fit. */

static json_t *to_text(json_t *v)
{
    return json_is_string(v) ? json_incref(v) : NULL;
}

static json_t *to_bool(json_t *v)
{
    bool b;

    if (json_is_boolean(v))
        return json_incref(v);
    if (json_is_integer(v) && (json_integer_value(v) == 0 || json_integer_value(v) == 1))
        return json_boolean(json_integer_value(v));
    return json_is_string(v) && text_bool(json_to_str(v), &b) ? json_boolean(b) : NULL;
}

#define EXACT_MAX 1e15          /* a whole number in a double that is certainly exact */

static json_t *to_int(json_t *v)
{
    double f = json_real_value(v);
    int64_t i;

    if (json_is_integer(v))
        return json_incref(v);
    if (json_is_boolean(v))
        return json_integer(json_is_true(v));
    if (json_is_real(v) && f == floor(f) && fabs(f) < EXACT_MAX)
        return json_integer((json_int_t)f);
    return json_is_string(v) && str_to_i64(str_trim(json_to_str(v)), &i) ? json_integer(i) : NULL;
}

static json_t *to_number(json_t *v)
{
    double f;

    if (json_is_number(v))
        return json_incref(v);
    if (json_is_boolean(v))
        return json_real(json_is_true(v));
    return json_is_string(v) && str_to_f64(str_trim(json_to_str(v)), &f) ? json_real(f) : NULL;
}

static json_t *to_object(json_t *v)
{
    return json_is_object(v) ? json_incref(v) : NULL;
}

static json_t *to_messages(json_t *v)
{
    return json_is_array(v) ? json_incref(v) : NULL;
}

/* One id, or a list of some. */
static json_t *to_ids(json_t *v)
{
    if (!json_is_array(v))
        return to_int(v);
    return are_ids(v) ? json_incref(v) : NULL;
}

static json_t *to_id_lists(json_t *v)
{
    return are_id_lists(v) ? json_incref(v) : NULL;
}

/* A text becomes a list of one; none may be empty. */
static json_t *to_strings(json_t *v)
{
    if (json_is_string(v))
        return json_to_str(v).n ? json_pack("[O]", v) : NULL;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_to_str(json_array_get(v, i)).n)
            return NULL;
    return json_is_array(v) ? json_incref(v) : NULL;
}

static json_t *coerce(enum kind kind, json_t *v)
{
    static json_t *(*const to[])(json_t *v) = {
        [K_STR] = to_text, [K_BOOL] = to_bool, [K_INT] = to_int, [K_NUM] = to_number, [K_OBJECT] = to_object, [K_MESSAGES] = to_messages,
        [K_IDS] = to_ids, [K_ID_LISTS] = to_id_lists, [K_STRINGS] = to_strings,
    };

    return to[kind](v);
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
