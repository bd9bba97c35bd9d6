/* What a client may say to the completion routes: one table, and the rules that relate several fields. */
#include "serve/openai.h"

#define R struct completion_request
#define SAMPLES_MAX 128
#define SEED_MAX 9.3e18         /* any int64 */

static const struct param_row rows[] = {
    PARAM(R, model, TEXT, "model", ON_PROMPT, .doc = "The served name, or an adapter's; absent: the model itself, or the first adapter."),
    PARAM(R, messages, LIST, "messages", ON_CHAT | ON_TOKENIZE, .doc = "Objects with role and content; content is a string or a list of text parts."),
    PARAM(R, prompt, JSON, "prompt", ON_TEXT | ON_TOKENIZE, .doc = "A string, a list of strings, a list of token ids, or a list of such lists."),
    PARAM(R, add_generation_prompt, BOOL, "add_generation_prompt", ON_CHAT | ON_TOKENIZE, .doc = "Whether the template opens the answer's turn."),
    PARAM(R, continue_final_message, BOOL, "continue_final_message", ON_CHAT | ON_TOKENIZE, .doc = "The answer goes on where the last message ends."),
    PARAM(R, add_special_tokens, BOOL, "add_special_tokens", ON_PROMPT, .doc = "Whether the tokenizer adds its own (bos); templates write theirs."),
    PARAM(R, chat_template, TEXT, "chat_template", ON_CHAT | ON_TOKENIZE, .doc = "A template of the client's; needs --trust-request-chat-template."),
    PARAM(R, chat_template_kwargs, OBJECT, "chat_template_kwargs", ON_CHAT | ON_TOKENIZE, .doc = "Further variables of the template."),
    PARAM(R, documents, LIST, "documents", ON_CHAT, .doc = "Documents for the template."),
    PARAM(R, tools, LIST, "tools", ON_CHAT | ON_TOKENIZE, .doc = "Functions that the model may call."),
    PARAM(R, tool_choice, JSON, "tool_choice", ON_CHAT, .doc = "none, auto, required, or one function."),
    PARAM(R, parallel_tool_calls, BOOL, "parallel_tool_calls", ON_CHAT, .doc = "False: at most one call in an answer."),
    PARAM(R, truncate_prompt_tokens, INT, "truncate_prompt_tokens", ON_COMPLETION, PARAM_RANGE(-1, PARAM_MAX),
          .doc = "Keep so many of the prompt's tokens; -1: as many as the model reads."),
    PARAM(R, truncation_side, TEXT, "truncation_side", ON_COMPLETION, .doc = "left (the default): the last tokens are kept; right: the first."),
    PARAM(R, return_token_strs, BOOL, "return_token_strs", ON_TOKENIZE, .doc = "Also give the tokens as the vocabulary writes them."),

    PARAM(R, max_tokens, INT, "max_tokens", ON_COMPLETION, PARAM_RANGE(0, PARAM_MAX), .doc = "Tokens of the answer; absent: 16, in a chat what the context leaves."),
    PARAM(R, max_completion_tokens, INT, "max_completion_tokens", ON_CHAT, PARAM_RANGE(1, PARAM_MAX), .doc = "The newer name of max_tokens."),
    PARAM(R, min_tokens, INT, "min_tokens", ON_COMPLETION, PARAM_RANGE(0, PARAM_MAX), .doc = "No end before so many tokens."),
    PARAM(R, n, INT, "n", ON_COMPLETION, PARAM_RANGE(1, SAMPLES_MAX), .doc = "Answers to each prompt."),
    PARAM(R, best_of, INT, "best_of", ON_TEXT, PARAM_RANGE(1, SAMPLES_MAX), .doc = "Answers made, of which the n likeliest are given."),
    PARAM(R, stop, JSON, "stop", ON_COMPLETION, .doc = "A string or a list of strings that end the answer."),
    PARAM(R, stop_token_ids, LIST, "stop_token_ids", ON_COMPLETION, .doc = "Token ids that end the answer, beside the model's own."),
    PARAM(R, include_stop_str_in_output, BOOL, "include_stop_str_in_output", ON_COMPLETION, .doc = "Whether the answer shows what ended it."),
    PARAM(R, ignore_eos, BOOL, "ignore_eos", ON_COMPLETION, .doc = "Go on past the model's end tokens."),
    PARAM(R, skip_special_tokens, BOOL, "skip_special_tokens", ON_COMPLETION, .doc = "Whether special tokens are left out of the text."),
    PARAM(R, echo, BOOL, "echo", ON_COMPLETION, .doc = "Repeat the prompt (in a chat: the last message that is continued) before the answer."),

    PARAM(R, temperature, NUM, "temperature", ON_COMPLETION, PARAM_RANGE(0, 2), .flags = PARAM_MODEL_DEFAULT, .doc = "0 takes the likeliest token always."),
    PARAM(R, top_p, NUM, "top_p", ON_COMPLETION, PARAM_RANGE(0, 1), .flags = PARAM_MODEL_DEFAULT | PARAM_ABOVE_MIN, .doc = "Likeliest tokens that sum to this."),
    PARAM(R, top_k, INT, "top_k", ON_COMPLETION, PARAM_RANGE(-1, PARAM_MAX), .flags = PARAM_MODEL_DEFAULT, .doc = "Only so many of the likeliest; 0 or -1: all."),
    PARAM(R, min_p, NUM, "min_p", ON_COMPLETION, PARAM_RANGE(0, 1), .flags = PARAM_MODEL_DEFAULT, .doc = "Only tokens at least this share as likely as the likeliest."),
    PARAM(R, repetition_penalty, NUM, "repetition_penalty", ON_COMPLETION, PARAM_RANGE(0, 1e6), .flags = PARAM_MODEL_DEFAULT | PARAM_ABOVE_MIN,
          .doc = "Above 1: tokens of prompt and answer become less likely."),
    PARAM(R, presence_penalty, NUM, "presence_penalty", ON_COMPLETION, PARAM_RANGE(-2, 2), .doc = "Taken from tokens that the answer has."),
    PARAM(R, frequency_penalty, NUM, "frequency_penalty", ON_COMPLETION, PARAM_RANGE(-2, 2), .doc = "Taken as often as the answer has the token."),
    PARAM(R, logit_bias, OBJECT, "logit_bias", ON_COMPLETION, .doc = "Token ids to what is added to their logits, -100 to 100."),
    PARAM(R, bad_words, LIST, "bad_words", ON_COMPLETION, .doc = "Words that are never generated."),
    PARAM(R, allowed_token_ids, LIST, "allowed_token_ids", ON_COMPLETION, .doc = "Only these tokens."),
    PARAM(R, seed, INT, "seed", ON_COMPLETION, PARAM_RANGE(-SEED_MAX, SEED_MAX), .doc = "The same seed and request give the same answer; -1: none."),

    PARAM(R, response_format, OBJECT, "response_format", ON_COMPLETION, .doc = "{\"type\": \"text\" | \"json_object\" | \"json_schema\", ...}"),
    PARAM(R, structured_outputs, OBJECT, "structured_outputs", ON_COMPLETION, .doc = "One of json, regex, choice, grammar."),
    PARAM(R, guided_json, JSON, "guided_json", ON_COMPLETION, .doc = "A JSON schema for the answer."),
    PARAM(R, guided_regex, TEXT, "guided_regex", ON_COMPLETION, .doc = "A regular expression for the answer."),
    PARAM(R, guided_choice, LIST, "guided_choice", ON_COMPLETION, .doc = "The answer is one of these strings."),
    PARAM(R, guided_grammar, TEXT, "guided_grammar", ON_COMPLETION, .doc = "A context-free grammar for the answer."),

    PARAM(R, logprobs, BOOL, "logprobs", ON_CHAT, .doc = "Give the answer's tokens with their log-probabilities."),
    PARAM(R, top_logprobs, INT, "top_logprobs", ON_CHAT, PARAM_RANGE(0, SAMPLE_LOGPROBS_MAX), .doc = "So many of the likeliest beside each token."),
    PARAM(R, text_logprobs, INT, "logprobs", ON_TEXT, PARAM_RANGE(0, SAMPLE_LOGPROBS_MAX), .doc = "Give tokens with log-probabilities, and so many of the likeliest."),
    PARAM(R, prompt_logprobs, INT, "prompt_logprobs", ON_COMPLETION, PARAM_RANGE(0, SAMPLE_LOGPROBS_MAX), .doc = "The same for the prompt's tokens."),
    PARAM(R, return_tokens_as_token_ids, BOOL, "return_tokens_as_token_ids", ON_COMPLETION, .doc = "Log-probabilities name tokens token_id:N."),
    PARAM(R, return_token_ids, BOOL, "return_token_ids", ON_COMPLETION, .doc = "Also give prompt_token_ids and token_ids."),
    PARAM(R, stream, BOOL, "stream", ON_COMPLETION, .doc = "Answer in server-sent events."),
    PARAM(R, stream_options, OBJECT, "stream_options", ON_COMPLETION, .doc = "include_usage, continuous_usage_stats."),
    PARAM(R, request_id, TEXT, "request_id", ON_COMPLETION, .doc = "Part of the reply's id."),
    PARAM(R, priority, INT, "priority", ON_COMPLETION, PARAM_RANGE(-1e9, 1e9), .doc = "Lower goes first, equal ones in the order of their arrival."),
    PARAM(R, suffix, TEXT, "suffix", ON_TEXT, .doc = "Not supported; must be absent."),
    PARAM(R, use_beam_search, BOOL, "use_beam_search", ON_COMPLETION, .doc = "Not supported; must be false."),

    { "user", PARAM_IGNORED, ON_COMPLETION, .doc = "Accepted, without effect." },
    { "spaces_between_special_tokens", PARAM_IGNORED, ON_COMPLETION, .doc = "Accepted; the tokenizer decides." },
    { "prompt_embeds", PARAM_UNBUILT, ON_TEXT },
    { "logits_processors", PARAM_UNBUILT, ON_COMPLETION },
    { "kv_transfer_params", PARAM_UNBUILT, ON_COMPLETION },
};
#undef R

const struct param_table completion_params = { rows, ARRAY_LEN(rows) };

struct completion_request completion_defaults(unsigned on)
{
    return (struct completion_request){
        .add_generation_prompt = true, .add_special_tokens = !(on & ON_CHAT), .parallel_tool_calls = true, .truncate_prompt_tokens = 0,
        .max_tokens = on & ON_TEXT ? 16 : -1, .max_completion_tokens = -1, .n = 1, .best_of = -1, .skip_special_tokens = true, .temperature = 1,
        .top_p = 1, .repetition_penalty = 1, .seed = -1, .text_logprobs = -1, .prompt_logprobs = -1,
    };
}

static errc check_prompt_fields(const json_t *in, struct completion_request *r, struct err *e)
{
    if (!r->continue_final_message)
        return ERR_OK;
    if (json_is_true(json_object_get(in, "add_generation_prompt")))
        return err_set(e, ERR_BAD_REQUEST, "continue_final_message: Cannot set both `continue_final_message` and `add_generation_prompt` to True.");
    r->add_generation_prompt = false;
    return ERR_OK;
}

static errc check_samples(const struct completion_request *r, struct err *e)
{
    if (r->n > 1 && r->temperature == 0)
        return err_set(e, ERR_BAD_REQUEST, "n: n must be 1 when using greedy sampling, got %lld.", (long long)r->n);
    if (r->best_of >= 0 && r->best_of < r->n)
        return err_set(e, ERR_BAD_REQUEST, "best_of: %lld is less than n, which is %lld", (long long)r->best_of, (long long)r->n);
    if (r->best_of > r->n && (r->stream || r->temperature == 0))
        return err_set(e, ERR_BAD_REQUEST, "best_of: with %s it must be equal to n", r->stream ? "stream=true" : "temperature=0");
    return ERR_OK;
}

static errc check_logprobs(const struct completion_request *r, struct err *e)
{
    if (r->top_logprobs > 0 && !r->logprobs)
        return err_set(e, ERR_BAD_REQUEST, "top_logprobs: when using `top_logprobs`, `logprobs` must be set to true.");
    if (r->prompt_logprobs > 0 && r->stream)
        return err_set(e, ERR_BAD_REQUEST, "prompt_logprobs: `prompt_logprobs` are not available when `stream=True`.");
    return ERR_OK;
}

static errc check_told(const struct completion_request *r, struct err *e)
{
    if (r->stream_options && !r->stream)
        return err_set(e, ERR_BAD_REQUEST, "stream_options: Stream options can only be defined when `stream=True`.");
    if (r->suffix)
        return err_set(e, ERR_BAD_REQUEST, "suffix: suffix is not currently supported");
    if (r->use_beam_search)
        return err_set(e, ERR_BAD_REQUEST, "use_beam_search: beam search is not built; leave the field out");
    return ERR_OK;
}

errc completion_read(const struct server *s, unsigned on, const json_t *in, struct completion_request *r, struct err *e)
{
    *r = completion_defaults(on);
    TRY(params_read(&completion_params, on, in, tokenizer_info(s->tokenizer)->generation_config, r, e));
    if (r->max_completion_tokens >= 0)
        r->max_tokens = r->max_completion_tokens;
    TRY(check_prompt_fields(in, r, e));
    TRY(check_samples(r, e));
    TRY(check_logprobs(r, e));
    return check_told(r, e);
}

errc completion_model(const struct server *s, const char *model, struct adapter **out, struct err *e)
{
    bool unnamed = !model || !*model, base = !unnamed && (streq(model, s->name) || streq(model, s->model_dir) || names_have(&s->aliases, model));

    *out = base ? NULL : server_adapter(s, unnamed ? NULL : model);
    return base || unnamed || *out ? ERR_OK : err_set(e, ERR_NOT_FOUND, "The model `%s` does not exist.", model);
}
