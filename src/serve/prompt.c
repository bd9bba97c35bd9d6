/* From messages or prompts to token ids. */
#include "serve/openai.h"

#define PROMPTS_MAX 1024

void prompts_done(struct prompts *p)
{
    for (size_t i = 0; i < p->n; i++) {
        token_ids_done(&p->v[i].ids);
        buf_done(&p->v[i].text);
    }
    free(p->v);
    *p = (struct prompts){ 0 };
}

static struct prompt *add_prompt(struct prompts *p)
{
    p->v = xreallocarray(p->v, p->n + 1, sizeof *p->v);
    p->v[p->n] = (struct prompt){ 0 };
    return &p->v[p->n++];
}

/* ---- messages ---- */

/* One part of a content list: a string, or an object of a type that holds text. */
static struct str part_text(const json_t *part)
{
    static const char *const types[] = { "text", "input_text", "output_text", "refusal" };
    const char *type = json_cstr(part, "type");

    if (json_is_string(part))
        return json_to_str(part);
    for (size_t i = 0; type && i < ARRAY_LEN(types); i++)
        if (streq(type, types[i]))
            return json_to_str(json_object_get(part, streq(type, "refusal") ? "refusal" : "text"));
    return type ? (struct str){ 0 } : json_to_str(json_object_get(part, "text"));
}

static errc join_parts(size_t at, const json_t *parts, struct buf *text, struct err *e)
{
    for (size_t k = 0; k < json_array_size(parts); k++) {
        const json_t *part = json_array_get(parts, k);
        struct str s = part_text(part);
        char name[64];

        snprintf(name, sizeof name, "messages[%zu].content[%zu]", at, k);
        if (!s.p)
            return param_refuse(e, name, part, "is not a text part {\"type\": \"text\", \"text\": ...}; this model reads text alone");
        if (k)
            buf_addc(text, '\n');
        buf_addstr(text, s);
    }
    return ERR_OK;
}

/*
 * Templates want the arguments of earlier calls as objects; clients send them as JSON text. What a model once wrote wrongly must not
 * end its conversation: it becomes an empty object, as with vLLM.
 */
static void parse_arguments(json_t *call)
{
    json_t *f = json_object_get(call, "function"), *given = json_object_get(f, "arguments"), *args = NULL;
    struct err e;

    if (json_is_object(given))
        return;
    if (!json_is_string(given) || json_parse(json_to_str(given), &args, &e) || !json_is_object(args)) {
        json_decref(args);
        args = json_object();
    }
    json_put(f, "arguments", args);
}

static errc plain_calls(size_t at, json_t *message, struct err *e)
{
    const json_t *calls = json_object_get(message, "tool_calls");

    if (!json_array_size(calls))        /* templates ask whether the key is there */
        json_object_del(message, "tool_calls");
    for (size_t i = 0; i < json_array_size(calls); i++) {
        json_t *call = json_array_get(calls, i);
        if (!json_is_object(json_object_get(call, "function")))
            return err_set(e, ERR_BAD_REQUEST, "messages[%zu].tool_calls[%zu]: must be {\"type\": \"function\", \"function\": {\"name\", \"arguments\"}}", at, i);
        parse_arguments(call);
    }
    return ERR_OK;
}

/* Clients write out their libraries' whole objects: for a template a key that is null is a key. */
static void drop_nulls(json_t *message)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(message, next, key, value)
        if (json_is_null(value))
            json_object_del(message, key);
}

/* Templates know earlier thoughts as reasoning_content; newer clients send them as reasoning. */
static void rename_reasoning(json_t *message)
{
    json_t *thoughts = json_object_get(message, "reasoning");

    if (json_is_string(thoughts) && !json_is_string(json_object_get(message, "reasoning_content")))
        json_put(message, "reasoning_content", json_incref(thoughts));
}

/* Content becomes one string; "developer" is "system" for templates that do not know it. */
static errc plain_message(size_t at, const json_t *m, bool developer, json_t **out, struct err *e)
{
    const json_t *content = json_object_get(m, "content");
    AUTO_JSON copy = json_clone(m);
    AUTO_BUF text = { 0 };
    char name[48];

    snprintf(name, sizeof name, "messages[%zu]", at);
    if (!json_is_object(m))
        return param_refuse(e, name, m, "is not an object with role and content");
    if (!json_cstr(m, "role"))
        return err_set(e, ERR_BAD_REQUEST, "messages[%zu].role: must be a string", at);
    if (content && !json_is_null(content) && !json_is_string(content) && !json_is_array(content))
        return err_set(e, ERR_BAD_REQUEST, "messages[%zu].content: must be a string or a list of parts", at);
    drop_nulls(copy);
    if (json_is_array(content)) {
        TRY(join_parts(at, content, &text, e));
        json_put(copy, "content", json_strn(buf_str(&text)));
    } else if (!json_is_string(content)) {
        json_put(copy, "content", json_string(""));
    }
    if (!developer && streq(json_cstr(m, "role"), "developer"))
        json_put_str(copy, "role", "system");
    TRY(plain_calls(at, copy, e));
    rename_reasoning(copy);
    *out = TAKE(copy);
    return ERR_OK;
}

static errc plain_messages(const struct server *s, const json_t *list, json_t **out, struct err *e)
{
    const char *source = tokenizer_info(s->tokenizer)->chat_template_source;
    bool developer = source && strstr(source, "developer");
    AUTO_JSON made = json_array();

    if (!json_array_size(list))
        return err_set(e, ERR_BAD_REQUEST, "messages: must be a list that is not empty");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *m = NULL;
        TRY(plain_message(i, json_array_get(list, i), developer, &m, e));
        json_push(made, m);
    }
    *out = TAKE(made);
    return ERR_OK;
}

static bool tools_are_off(const struct completion_request *r) { return json_is_string(r->tool_choice) && streq(json_string_value(r->tool_choice), "none"); }

static json_t *template_variables(const struct completion_request *r)
{
    json_t *extra = json_object();

    if (json_array_size(r->tools) && !tools_are_off(r))
        json_put(extra, "tools", json_incref(r->tools));
    if (r->documents)
        json_put(extra, "documents", json_incref(r->documents));
    json_object_update(extra, r->chat_template_kwargs);
    return extra;
}

static errc render(const struct server *s, const struct completion_request *r, const json_t *messages, struct buf *text, struct err *e)
{
    AUTO_JSON extra = template_variables(r);
    AUTO_FREE(template) own = NULL;

    if (!r->chat_template)
        return server_chat_text(s, messages, r->add_generation_prompt, extra, text, e);
    if (!s->trust_request_template)
        return err_set(e, ERR_BAD_REQUEST, "chat_template: Chat template is passed with request, but --trust-request-chat-template is not set. "
                       "Refused request with untrusted chat template.");
    TRY(template_compile(str_of(r->chat_template), "chat_template", &own, e));
    return tokenizer_chat_with(s->tokenizer, own, messages, r->add_generation_prompt, extra, NULL, text, e);
}

static bool find_last(struct str in, struct str what, size_t *at)
{
    for (size_t i = in.n >= what.n ? in.n - what.n + 1 : 0; i-- > 0;)
        if (!memcmp(in.p + i, what.p, what.n)) {
            *at = i;
            return true;
        }
    return false;
}

/* What the template wrote after the last message (its end marker) goes, as transformers does it. */
static errc cut_after_last(const json_t *messages, struct buf *text, struct err *e)
{
    struct str last = json_to_str(json_object_get(json_array_get(messages, json_array_size(messages) - 1), "content")), core = str_trim(last);
    size_t at;

    if (!core.n || !find_last(buf_str(text), core, &at))
        return err_set(e, ERR_BAD_REQUEST, "continue_final_message: the last message has no text that the chat template shows");
    struct str after = str_from(buf_str(text), at), rest = str_n(core.p, (size_t)(last.p + last.n - core.p));   /* with its own white space at the end */
    size_t keep = at + (str_has_prefix(after, rest) ? rest.n : core.n);
    text->n = keep;
    text->p[keep] = 0;
    return ERR_OK;
}

static errc chat_prompt(const struct server *s, const struct completion_request *r, struct prompts *out, struct err *e)
{
    AUTO_JSON messages = NULL;
    AUTO_BUF text = { 0 };

    TRY(plain_messages(s, r->messages, &messages, e));
    if (render(s, r, messages, &text, e))
        return r->chat_template ? e->code : err_wrap(e, "messages");
    if (r->continue_final_message)
        TRY(cut_after_last(messages, &text, e));
    struct prompt *p = add_prompt(out);
    if (r->echo)
        buf_addstr(&p->text, json_to_str(json_object_get(json_array_get(messages, json_array_size(messages) - 1), "content")));
    return tokenizer_encode(s->tokenizer, buf_str(&text), r->add_special_tokens, &p->ids, e);
}

const char *answer_role(const struct completion_request *r)
{
    const char *last = json_cstr(json_array_get(r->messages, json_array_size(r->messages) - 1), "role");
    return r->add_generation_prompt || !last ? "assistant" : last;
}

/* ---- prompts ---- */

static errc text_prompt(const struct server *s, const struct completion_request *r, struct str text, struct prompts *out, struct err *e)
{
    struct prompt *p = add_prompt(out);

    if (r->echo)
        buf_addstr(&p->text, text);
    return tokenizer_encode(s->tokenizer, text, r->add_special_tokens, &p->ids, e);
}

static errc id_prompt(const struct server *s, const struct completion_request *r, const json_t *ids, struct prompts *out, struct err *e)
{
    struct prompt *p = add_prompt(out);

    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *v = json_array_get(ids, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || (size_t)json_integer_value(v) >= s->vocab)
            return err_set(e, ERR_BAD_REQUEST, "prompt[%zu]: must be a token id from 0 to %zu", i, s->vocab - 1);
        token_ids_add(&p->ids, (int32_t)json_integer_value(v));
    }
    if (r->echo)
        tokenizer_decode(s->tokenizer, p->ids.v, p->ids.n, false, &p->text);
    return ERR_OK;
}

static errc one_prompt(const struct server *s, const struct completion_request *r, const json_t *v, struct prompts *out, struct err *e)
{
    if (json_is_string(v))
        return text_prompt(s, r, json_to_str(v), out, e);
    if (json_is_array(v) && json_array_size(v))
        return id_prompt(s, r, v, out, e);
    return err_set(e, ERR_BAD_REQUEST, "prompt: must be a string, a list of strings, a list of token ids, or a list of such lists");
}

static errc text_prompts(const struct server *s, const struct completion_request *r, struct prompts *out, struct err *e)
{
    const json_t *first = json_array_get(r->prompt, 0);

    if (!json_is_array(r->prompt) || json_is_number(first) || !first)
        return one_prompt(s, r, r->prompt, out, e);
    if (json_array_size(r->prompt) > PROMPTS_MAX)
        return err_set(e, ERR_BAD_REQUEST, "prompt: %zu prompts; at most %d in one request", json_array_size(r->prompt), PROMPTS_MAX);
    for (size_t i = 0; i < json_array_size(r->prompt); i++)
        TRY(one_prompt(s, r, json_array_get(r->prompt, i), out, e));
    return ERR_OK;
}

static errc check_truncation(const struct server *s, const struct completion_request *r, struct err *e)
{
    if (r->truncate_prompt_tokens > (int64_t)engine_max_len(s->engine))
        return err_set(e, ERR_BAD_REQUEST, "truncate_prompt_tokens: %lld is greater than max_model_len (%zu). Please request a smaller truncation size.",
                       (long long)r->truncate_prompt_tokens, engine_max_len(s->engine));
    if (r->truncation_side && !streq(r->truncation_side, "left") && !streq(r->truncation_side, "right"))
        return err_set(e, ERR_BAD_REQUEST, "truncation_side: \"%.40s\" is neither \"left\" nor \"right\"", r->truncation_side);
    return ERR_OK;
}

static void truncate_ids(const struct server *s, const struct completion_request *r, struct token_ids *ids)
{
    size_t n = r->truncate_prompt_tokens < 0 ? engine_max_len(s->engine) - 1 : (size_t)r->truncate_prompt_tokens;

    if (!n || ids->n <= n)
        return;
    if (!streq(r->truncation_side, "right"))
        memmove(ids->v, ids->v + ids->n - n, n * sizeof *ids->v);
    ids->n = n;
}

errc prompts_of(const struct server *s, unsigned on, const struct completion_request *r, struct prompts *out, struct err *e)
{
    bool chat = on & ON_CHAT || (on & ON_TOKENIZE && r->messages);

    TRY(check_truncation(s, r, e));
    TRY(chat ? chat_prompt(s, r, out, e) : text_prompts(s, r, out, e));
    for (size_t i = 0; i < out->n; i++) {
        truncate_ids(s, r, &out->v[i].ids);
        if (!out->v[i].ids.n && !(on & ON_TOKENIZE))
            return err_set(e, ERR_BAD_REQUEST, "%s: gives no tokens; at least one is needed", chat ? "messages" : "prompt");
    }
    return ERR_OK;
}
