/*
 * What the files of the OpenAI routes share: a request as read by its table, its prompts and answers, the shapes of replies.
 *
 *   request.c   the table of fields, the rules between fields          completion.c   a request's life: read, queue, answer
 *   prompt.c    messages and prompts -> token ids                      answer.c       whole replies
 *   sampling.c  fields -> what the sampler and the stops are told      stream.c       server-sent events
 *   logprobs.c  log-probabilities in their three shapes                constraint.c   response_format, guided_* (tools.h: tools)
 *   models.c    /v1/models                                             tokenize.c     /tokenize, /detokenize
 */
#ifndef SERVE_OPENAI_H
#define SERVE_OPENAI_H

#include "serve/params.h"
#include "serve/priv.h"
#include "serve/tools.h"

/* ---- request.c ---- */

enum { ON_CHAT = 1 << 0, ON_TEXT = 1 << 1, ON_TOKENIZE = 1 << 2, ON_COMPLETION = ON_CHAT | ON_TEXT, ON_PROMPT = ON_CHAT | ON_TEXT | ON_TOKENIZE };

/* Everything a client may say. Texts and trees are lent by the parsed body. -1 in a number: not said. */
struct completion_request {
    const char *model, *request_id;
    /* the prompt */
    json_t *messages, *prompt, *tools, *tool_choice, *documents, *chat_template_kwargs;
    const char *chat_template;
    bool add_generation_prompt, continue_final_message, add_special_tokens, echo, parallel_tool_calls, return_token_strs;
    int64_t truncate_prompt_tokens;
    const char *truncation_side;
    /* how much, and until when */
    int64_t max_tokens, max_completion_tokens, min_tokens, n, best_of;
    json_t *stop, *stop_token_ids;
    bool ignore_eos, include_stop_str_in_output, skip_special_tokens;
    /* which tokens */
    double temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
    int64_t top_k, seed;
    json_t *logit_bias, *bad_words, *allowed_token_ids;
    /* which texts: constraint.c */
    json_t *response_format, *structured_outputs, *guided_json, *guided_choice;
    const char *guided_regex, *guided_grammar;
    /* how it is told */
    bool stream, use_beam_search, logprobs, return_tokens_as_token_ids, return_token_ids;
    int64_t top_logprobs, text_logprobs, prompt_logprobs, priority;
    json_t *stream_options;
    const char *suffix;
};
extern const struct param_table completion_params, detokenize_params, lora_params;     /* the others: tokenize.c, lora_routes.c */
struct completion_request completion_defaults(unsigned on);

/* Reads the body for one route and checks what fields say about each other. r lends from `in`. */
errc completion_read(const struct server *s, unsigned on, const json_t *in, struct completion_request *r, struct err *e);
/* A reference to the adapter of "model"; NULL: the base model. NOT_FOUND in vLLM's words. */
errc completion_model(const struct server *s, const char *model, struct adapter **out, struct err *e);

/* ---- prompt.c ---- */

struct prompt {
    struct token_ids ids;
    struct buf text;            /* what echo repeats: of a text completion the prompt, of a chat the last message */
};
struct prompts { struct prompt *v; size_t n; };
void prompts_done(struct prompts *p);
errc prompts_of(const struct server *s, unsigned on, const struct completion_request *r, struct prompts *out, struct err *e);
/* The role of the answer: "assistant", or the last message's when it is continued. */
const char *answer_role(const struct completion_request *r);

/* ---- sampling.c ---- */

/* What all generations of a request share; they lend from it. The seed is each one's own. */
struct sampling {
    struct sample_params params;
    struct stops stops;
    int32_t *stop_ids;
    size_t n_stop_ids;
    struct token_bias *bias;
    int32_t *allowed, *word_ids;
    struct token_words *words;
};
void sampling_done(struct sampling *l);
errc sampling_of(const struct server *s, const struct completion_request *r, struct sampling *out, struct err *e);
/* How many tokens the answer to a prompt of n tokens may have. */
errc lengths_of(const struct server *s, unsigned on, const struct completion_request *r, size_t n, size_t *max_new, size_t *min_new, struct err *e);

/* ---- constraint.c: what the answer's text must match ---- */

/* Made once for a request, bound to each of its jobs. */
struct text_rule;
errc text_rule_of(const struct server *s, const struct completion_request *r, struct text_rule **out, struct err *e);    /* NULL: any text */
errc text_rule_bind(struct text_rule *t, struct job *j, struct err *e);         /* sets the job's constraint; last, for it says when the text ends */
void text_rule_free(struct text_rule *t);                                       /* NULL is fine */
DEFINE_AUTO_FREE(text_rule)

/* ---- completion.c ---- */

struct choice {
    struct generation *g;
    size_t index, prompt;
    struct tool_reader *tools;  /* NULL: nothing to look for */
    struct reasoning_reader *reasoning;         /* NULL: the text has no thoughts before it */
    struct buf text;            /* the answer; in a stream what is not sent yet */
    size_t told, told_ids, offset;      /* in a stream: results, token ids and code points of text that were sent */
    bool echoed, ended;
};

/* One request under way; a stream owns it until its end. */
struct completion {
    struct server *s;
    json_t *body;
    unsigned on;
    struct completion_request r;
    struct sampling sampling;
    struct text_rule *rule;     /* NULL: any text */
    struct prompts prompts;
    struct choice *choices;     /* n of them for each prompt */
    size_t n_choices;
    char *id, *model;           /* model: the name that the reply repeats */
    struct adapter *adapter;    /* a reference; NULL: the base model */
    int64_t created;
    bool usage, usage_always, started, ended;
};
void completion_free(struct completion *c);
DEFINE_AUTO_FREE(completion)

/* answer.c */
json_t *completion_envelope(const struct completion *c, const char *object);
json_t *completion_usage(const struct completion *c, const struct choice *only);       /* only NULL: all */
const char *choice_finish(const struct completion *c, const struct choice *k);      /* "stop" where a named function was demanded, as OpenAI has it */
json_t *choice_stop_reason(const struct completion *c, const struct choice *k);
json_t *choice_token_ids(const struct choice *k, size_t from);                          /* with return_token_ids; the stop token counts */
json_t *prompt_token_ids(const struct completion *c, const struct choice *k);
void completion_reply(struct completion *c, struct http_exchange *x);
/* Whether the prompt is repeated before the answer, and with it its log-probabilities. */
bool choice_echoes(const struct completion *c);
/* logprobs.c: of results [from, to) of the choice; null when none are wanted. echo: the prompt's before them. offset: code points
 * of text before the first, moved on. */
json_t *choice_logprobs(const struct completion *c, const struct choice *k, size_t from, size_t to, bool echo, size_t *offset);
json_t *choice_prompt_logprobs(const struct completion *c, const struct choice *k);
/* stream.c */
void completion_stream(struct completion *c, struct http_exchange *x);         /* takes c */

#endif
