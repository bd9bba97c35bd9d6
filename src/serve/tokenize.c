/* /tokenize and /detokenize. */
#include "serve/openai.h"

static errc tokenize(const struct server *s, const json_t *in, struct completion_request *r, struct prompts *p, struct err *e)
{
    AUTO_FREE(adapter) a = NULL;

    *r = completion_defaults(ON_TOKENIZE);
    r->add_special_tokens = !json_object_get(in, "messages");
    TRY(params_read(&completion_params, ON_TOKENIZE, in, NULL, r, e));
    TRY(completion_model(s, r->model, &a, e));
    if (!r->messages && !json_is_string(r->prompt))
        return err_set(e, ERR_BAD_REQUEST, "prompt: must be a string; or give messages");
    if (r->continue_final_message && json_is_true(json_object_get(in, "add_generation_prompt")))
        return err_set(e, ERR_BAD_REQUEST, "continue_final_message: Cannot set both `continue_final_message` and `add_generation_prompt` to True.");
    r->add_generation_prompt &= !r->continue_final_message;
    return prompts_of(s, ON_TOKENIZE, r, p, e);
}

static void reply_tokens(const struct server *s, struct http_exchange *x, const struct token_ids *ids, bool with_texts)
{
    json_t *tokens = json_array(), *texts = with_texts ? json_array() : json_null();

    for (size_t i = 0; i < ids->n; i++) {
        json_push(tokens, json_integer(ids->v[i]));
        if (with_texts)
            json_push(texts, json_strn(tokenizer_token(s->tokenizer, ids->v[i])));
    }
    AUTO_JSON j = json_pack("{s:I, s:I, s:o, s:o}", "count", (json_int_t)ids->n, "max_model_len", (json_int_t)engine_max_len(s->engine), "tokens", tokens,
                            "token_strs", texts);
    reply_json(x, 200, j);
}

void openai_tokenize(struct server *s, struct http_exchange *x)
{
    AUTO_JSON in = NULL;
    struct completion_request r;
    struct prompts p = { 0 };
    struct err e = { 0 };

    if (json_parse(x->body, &in, &e) || tokenize(s, in, &r, &p, &e))
        reply_openai_err(x, &e);
    else
        reply_tokens(s, x, &p.v[0].ids, r.return_token_strs);
    prompts_done(&p);
}

struct detokenize_request { const char *model; json_t *tokens; };

static const struct param_row detokenize_rows[] = {
    PARAM(struct detokenize_request, model, TEXT, "model", 1, .doc = "The served name, or an adapter's."),
    PARAM(struct detokenize_request, tokens, LIST, "tokens", 1, .flags = PARAM_REQUIRED, .doc = "Token ids."),
};
const struct param_table detokenize_params = { detokenize_rows, ARRAY_LEN(detokenize_rows) };

static errc detokenize(const struct server *s, const json_t *in, struct buf *text, struct err *e)
{
    struct detokenize_request r = { 0 };
    AUTO_IDS ids = { 0 };
    AUTO_FREE(adapter) a = NULL;

    TRY(params_read(&detokenize_params, 1, in, NULL, &r, e));
    TRY(completion_model(s, r.model, &a, e));
    for (size_t i = 0; i < json_array_size(r.tokens); i++) {
        const json_t *v = json_array_get(r.tokens, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || (size_t)json_integer_value(v) >= s->vocab)
            return err_set(e, ERR_BAD_REQUEST, "tokens[%zu]: must be a token id from 0 to %zu", i, s->vocab - 1);
        token_ids_add(&ids, (int32_t)json_integer_value(v));
    }
    tokenizer_decode(s->tokenizer, ids.v, ids.n, false, text);
    return ERR_OK;
}

void openai_detokenize(struct server *s, struct http_exchange *x)
{
    AUTO_JSON in = NULL;
    AUTO_BUF text = { 0 };
    struct err e = { 0 };

    if (json_parse(x->body, &in, &e) || detokenize(s, in, &text, &e)) {
        reply_openai_err(x, &e);
        return;
    }
    AUTO_JSON j = json_object();
    json_put(j, "prompt", json_strn(buf_str(&text)));
    reply_json(x, 200, j);
}
