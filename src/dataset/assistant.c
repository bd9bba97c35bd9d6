/*
 * Which tokens an assistant said. A template with {% generation %} blocks says so itself, as transformers' return_assistant_tokens_mask; of another,
 * a turn is what its messages add behind those before it and the generation prompt, which is where TRL's patched templates put the blocks.
 */
#include "dataset/forms.h"
#include "template/template.h"

#define MERGED_MAX 2            /* tokens at the end of a prompt that may run together with what follows */

static void learn(struct builder *b, size_t from, size_t to)
{
    for (size_t i = from; i < to && i < b->learnt.n; i++)
        b->learnt.p[i] = 1;
}

/* How many tokens the first n bytes of the text share with the whole; *out_n: how many they are alone. */
static errc tokens_of_bytes(struct builder *b, struct str text, size_t n, size_t *out, size_t *out_n)
{
    AUTO_IDS ids = { 0 };

    TRY(tokenizer_encode(b->t, str_n(text.p, n), false, &ids, b->e));
    *out = form_shared(&b->ids, &ids);
    *out_n = ids.n;
    return ERR_OK;
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* The token that holds byte `at`: a special one may have taken blanks behind it, an ordinary one begin before. */
static errc token_at(struct builder *b, struct str text, size_t at, size_t *out)
{
    size_t n, shared, n_more;

    TRY(tokens_of_bytes(b, text, at, out, &n));
    if (*out < n || !n || at >= text.n || !is_blank(text.p[at]))
        return ERR_OK;
    TRY(tokens_of_bytes(b, text, at + 1, &shared, &n_more));
    *out -= shared == n && n_more == n;
    return ERR_OK;
}

/* The end of the tokens that hold any of the first n bytes. */
static errc tokens_until(struct builder *b, struct str text, size_t n, size_t *out)
{
    size_t alone;

    TRY(tokens_of_bytes(b, text, n, out, &alone));
    *out += *out < alone;
    return ERR_OK;
}

static errc by_marks(struct builder *b, struct str text, const struct template_marks *marks)
{
    for (size_t i = 0; i < marks->n; i++) {
        size_t from, to;
        if (marks->v[i].from == marks->v[i].to)
            continue;
        TRY(token_at(b, text, marks->v[i].from, &from));
        TRY(tokens_until(b, text, marks->v[i].to, &to));
        learn(b, from, to);
    }
    return ERR_OK;
}

/* How many tokens the first n messages share with the whole; *out_n: how many they are. */
static errc tokens_of_first(struct builder *b, const json_t *messages, size_t n, bool prompt, const json_t *row, size_t *out, size_t *out_n)
{
    AUTO_JSON first = json_array();
    AUTO_BUF text = { 0 };
    AUTO_IDS ids = { 0 };

    for (size_t i = 0; i < n; i++)
        json_push(first, json_incref(json_array_get(messages, i)));
    TRY(form_chat(b, first, prompt, row, NULL, &text));
    TRY(tokenizer_encode(b->t, buf_str(&text), false, &ids, b->e));
    *out = form_shared(&b->ids, &ids);
    *out_n = ids.n;
    return ERR_OK;
}

static errc by_turns(struct builder *b, const json_t *messages, const json_t *row)
{
    size_t n = json_array_size(messages);

    for (size_t i = 0; i < n; i++) {
        size_t from = 0, to = b->ids.n, whole = 0, unused;
        if (!streq(json_cstr(json_array_get(messages, i), "role"), "assistant"))
            continue;
        if (i)
            TRY(tokens_of_first(b, messages, i, true, row, &from, &whole));
        if (from + MERGED_MAX < whole)
            return err_set(b->e, ERR_INVALID, "message %zu: the chat template changes earlier turns when later ones follow, so that assistant_only_loss cannot "
                           "tell whose tokens they are: set ModelConfig.chat_template to one with {%% generation %%} blocks", i);
        if (i + 1 < n)
            TRY(tokens_of_first(b, messages, i + 1, false, row, &to, &unused));
        learn(b, from, to);
    }
    return ERR_OK;
}

errc form_mark_assistant(struct builder *b, const json_t *messages, const json_t *row, struct str text, const struct template_marks *marks)
{
    buf_clear(&b->learnt);
    buf_reserve(&b->learnt, b->ids.n);
    for (size_t i = 0; i < b->ids.n; i++)
        buf_addc(&b->learnt, 0);
    TRY(marks->n ? by_marks(b, text, marks) : by_turns(b, messages, row));
    if (!b->ids.n || memchr(b->learnt.p, 1, b->learnt.n))
        return ERR_OK;
    return err_set(b->e, ERR_INVALID, "assistant_only_loss: no assistant turn to learn from; add one, or remove the row");
}
