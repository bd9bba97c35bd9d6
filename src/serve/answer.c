/* Whole replies of the completion routes, in vLLM's shape. */
#include "serve/openai.h"

json_t *completion_envelope(const struct completion *c, const char *object)
{
    return json_pack("{s:s, s:s, s:I, s:s}", "id", c->id, "object", object, "created", (json_int_t)c->created, "model", c->model);
}

/* Of each prompt's first answer, for the others share its reading. All are done. */
static json_t *prompt_details(const struct completion *c)
{
    json_int_t cached = 0;
    size_t prompt = SIZE_MAX;

    if (!c->s->prompt_details)
        return json_null();
    for (size_t i = 0; i < c->n_choices; i++) {
        cached += c->choices[i].prompt != prompt ? (json_int_t)c->choices[i].g->job.cached_prompt : 0;
        prompt = c->choices[i].prompt;
    }
    return json_pack("{s:I}", "cached_tokens", cached);
}

json_t *completion_usage(const struct completion *c, const struct choice *only)
{
    json_int_t prompt = 0, made = 0;

    for (size_t i = 0; i < c->prompts.n; i++)
        prompt += !only || only->prompt == i ? (json_int_t)c->prompts.v[i].ids.n : 0;
    for (size_t i = 0; i < c->n_choices; i++)
        made += !only || only == &c->choices[i] ? (json_int_t)generation_tokens(c->choices[i].g) : 0;
    return json_pack("{s:I, s:I, s:I, s:o}", "prompt_tokens", prompt, "total_tokens", prompt + made, "completion_tokens", made, "prompt_tokens_details",
                     only ? json_null() : prompt_details(c));
}

const char *choice_finish(const struct completion *c, const struct choice *k)
{
    AUTO_JSON calls = k->tools ? tool_reader_calls(k->tools) : NULL;

    if (!k->g->stop_string && k->g->job.finish == FINISH_LENGTH)
        return "length";
    return json_array_size(calls) && !json_is_object(c->r.tool_choice) ? "tool_calls" : "stop";
}

static bool listed(const json_t *ids, int32_t id)
{
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (json_integer_value(json_array_get(ids, i)) == id)
            return true;
    return false;
}

/* The string or the token that ended it; null for the tokenizer's own end token, as vLLM has it. */
json_t *choice_stop_reason(const struct completion *c, const struct choice *k)
{
    int32_t id = k->g->job.stop_id;

    if (k->g->stop_string)
        return json_string(k->g->stop_string);
    if (k->g->job.finish != FINISH_STOP || id < 0 || (id == tokenizer_info(c->s->tokenizer)->eos_id && !listed(c->r.stop_token_ids, id)))
        return json_null();
    return json_integer(id);
}

static json_t *id_list(const int32_t *v, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_push(list, json_integer(v[i]));
    return list;
}

json_t *choice_token_ids(const struct choice *k, size_t from) { return id_list(k->g->ids.v + from, k->g->ids.n - from); }

json_t *prompt_token_ids(const struct completion *c, const struct choice *k)
{
    const struct token_ids *ids = &c->prompts.v[k->prompt].ids;

    return id_list(ids->v, ids->n);
}

/* In a chat the last message is repeated when it is of the answer's role. */
bool choice_echoes(const struct completion *c)
{
    const json_t *last = json_array_get(c->r.messages, json_array_size(c->r.messages) - 1);

    return c->r.echo && (c->on & ON_TEXT || streq(json_cstr(last, "role"), answer_role(&c->r)));
}

static void whole_text(const struct completion *c, const struct choice *k, struct buf *text)
{
    if (choice_echoes(c))
        buf_addstr(text, buf_str(&c->prompts.v[k->prompt].text));
    buf_addstr(text, buf_str(&k->text));
}

/* Parts thoughts from text; JSON null when there are none. */
static json_t *take_thoughts(const struct choice *k, struct buf *text)
{
    AUTO_BUF thoughts = { 0 };
    AUTO_BUF answer = { 0 };

    if (!k->reasoning)
        return json_null();
    reasoning_reader_add(k->reasoning, buf_str(text), true, &thoughts, &answer);
    buf_clear(text);
    buf_addstr(text, buf_str(&answer));
    return thoughts.n ? json_strn(buf_str(&thoughts)) : json_null();
}

/* Thoughts (under vLLM's newer name and its older one) and calls are taken out of the text; an answer of these alone has null for content. */
static json_t *message_of(const struct completion *c, const struct choice *k)
{
    AUTO_BUF text = { 0 };
    AUTO_BUF content = { 0 };
    AUTO_JSON deltas = NULL;
    json_t *calls = NULL;

    whole_text(c, k, &text);
    json_t *thoughts = take_thoughts(k, &text);
    if (k->tools) {
        tool_reader_add(k->tools, buf_str(&text), true, &content, &deltas);
        calls = tool_reader_calls(k->tools);
    }
    struct str said = buf_str(k->tools ? &content : &text);
    json_t *shown = !said.n && (json_array_size(calls) || json_is_string(thoughts)) ? json_null() : json_strn(said);
    return json_pack("{s:s, s:o, s:n, s:n, s:n, s:n, s:o, s:O, s:o}", "role", answer_role(&c->r), "content", shown, "refusal", "annotations", "audio",
                     "function_call", "tool_calls", calls ? calls : json_array(), "reasoning", thoughts, "reasoning_content", thoughts);
}

static json_t *text_of(const struct completion *c, const struct choice *k)
{
    AUTO_BUF text = { 0 };

    whole_text(c, k, &text);
    return json_strn(buf_str(&text));
}

static json_t *choice_json(const struct completion *c, const struct choice *k, size_t index)
{
    json_t *j = json_pack("{s:I}", "index", (json_int_t)index);
    size_t offset = 0;

    if (c->on & ON_CHAT)
        json_put(j, "message", message_of(c, k));
    else
        json_put(j, "text", text_of(c, k));
    json_put(j, "logprobs", choice_logprobs(c, k, 0, k->g->n_results, choice_echoes(c), &offset));
    json_put_str(j, "finish_reason", choice_finish(c, k));
    json_put(j, "stop_reason", choice_stop_reason(c, k));
    if (c->on & ON_TEXT)
        json_put(j, "prompt_logprobs", choice_prompt_logprobs(c, k));
    if (c->r.return_token_ids)
        json_put(j, "token_ids", choice_token_ids(k, 0));
    if (c->r.return_token_ids && c->on & ON_TEXT)
        json_put(j, "prompt_token_ids", prompt_token_ids(c, k));
    return j;
}

void completion_reply(struct completion *c, struct http_exchange *x)
{
    AUTO_JSON j = completion_envelope(c, c->on & ON_CHAT ? "chat.completion" : "text_completion");
    json_t *choices = json_array();

    for (size_t i = 0; i < c->n_choices; i++)
        json_push(choices, choice_json(c, &c->choices[i], i));
    json_put(j, "choices", choices);
    json_put(j, "service_tier", json_null());
    json_put(j, "system_fingerprint", json_null());
    json_put(j, "usage", completion_usage(c, NULL));
    if (c->on & ON_CHAT)
        json_put(j, "prompt_logprobs", choice_prompt_logprobs(c, &c->choices[0]));
    if (c->on & ON_CHAT && c->r.return_token_ids)
        json_put(j, "prompt_token_ids", prompt_token_ids(c, &c->choices[0]));
    json_put(j, "kv_transfer_params", json_null());
    reply_json(x, 200, j);
}
