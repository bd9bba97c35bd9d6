/* The pipeline of encoding: added tokens, normalizer, pre-tokenizer, model, post-processor. */
#include "tokenizer/priv.h"

void tokenizer_free(struct tokenizer *t)
{
    if (!t)
        return;
    vocab_done(&t->model.vocab);
    vocab_done(&t->added_by_text);
    free(t->model.merges);
    free(t->model.pieces.v);
    free(t->model.scores);
    free(t->added);
    free(t->added_at);
    free(t->raw.v);
    free(t->normalized.v);
    token_ids_done(&t->prefix);
    token_ids_done(&t->suffix);
    token_ids_done(&t->stop_ids);
    for (size_t i = 0; i < t->n_regexes; i++)
        regex_free(t->regexes[i]);
    free(t->regexes);
    template_free(t->chat_template);
    json_decref(t->generation_config);
    arena_free(t->arena);
    free(t);
}

const struct added_token *tokenizer_added(const struct tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->n_ids && t->added_at[id] >= 0 ? &t->added[t->added_at[id]] : NULL;
}

const struct tokenizer_info *tokenizer_info(const struct tokenizer *t) { return &t->info; }

struct str tokenizer_token(const struct tokenizer *t, int32_t id)
{
    const struct added_token *a = tokenizer_added(t, id);
    return a ? a->content : vocab_token(&t->model.vocab, id);
}

int32_t tokenizer_id(const struct tokenizer *t, struct str token)
{
    int32_t id = vocab_find(&t->added_by_text, token);
    return id >= 0 ? id : vocab_find(&t->model.vocab, token);
}

bool tokenizer_is_special(const struct tokenizer *t, int32_t id)
{
    const struct added_token *a = tokenizer_added(t, id);
    return a && a->special;
}

bool tokenizer_is_stop(const struct tokenizer *t, int32_t id)
{
    for (size_t i = 0; i < t->stop_ids.n; i++)
        if (t->stop_ids.v[i] == id)
            return true;
    return false;
}

static void add_all(struct token_ids *out, const struct token_ids *more)
{
    for (size_t i = 0; i < more->n; i++)
        token_ids_add(out, more->v[i]);
}

static model_encode *const encoders[] = {
    [MODEL_BPE] = bpe_encode, [MODEL_UNIGRAM] = unigram_encode, [MODEL_WORDPIECE] = wordpiece_encode, [MODEL_WORDLEVEL] = wordlevel_encode,
};

errc tokenizer_encode(const struct tokenizer *t, struct str text, bool add_special, struct token_ids *out, struct err *e)
{
    AUTO_BUF repaired = { 0 };
    struct pieces pieces = { 0 };

    if (text.n > TEXT_MAX_BYTES)
        return err_set(e, ERR_TOO_LARGE, "text of %zu bytes is longer than the %zu that one call may encode", text.n, TEXT_MAX_BYTES);
    if (!str_utf8_valid(text)) {
        utf8_repair(text, &repaired);
        text = buf_str(&repaired);
    }
    errc rc = tokenizer_split_added(t, text, &pieces, e);
    for (size_t i = 0; !rc && i < t->n_pre; i++)
        rc = pretokenize(&t->pre[i], &pieces, e);
    if (!rc && add_special)
        add_all(out, &t->prefix);
    for (size_t i = 0; !rc && i < pieces.n; i++)
        if (pieces.v[i].id >= 0)
            token_ids_add(out, pieces.v[i].id);
        else
            rc = encoders[t->model.kind](&t->model, piece_str(&pieces, i), out, e);
    if (!rc && add_special)
        add_all(out, &t->suffix);
    pieces_done(&pieces);
    return rc;
}
