/* The model of tokenizer.json: its vocabulary, and what each kind has besides. */
#include "tokenizer/parse.h"

static errc read_vocab(struct tokenizer *t, const json_t *model, struct err *e)
{
    json_t *vocab = json_object_get(model, "vocab"), *id;
    const char *token;
    size_t n;

    if (!json_is_object(vocab) || json_object_size(vocab) == 0)
        return parse_bad(e, "model.vocab", "an object of tokens");
    json_object_keylen_foreach(vocab, token, n, id) {
        json_int_t v = json_is_integer(id) ? json_integer_value(id) : -1;
        if (v < 0 || v >= ID_LIMIT)
            return err_set(e, ERR_CORRUPT, "model.vocab: \"%.60s\" has no usable id", token);
        vocab_put(&t->model.vocab, arena_str(t->arena, str_n(token, n)), (int32_t)v);
    }
    return ERR_OK;
}

static errc read_merge(struct tokenizer *t, const json_t *j, size_t rank, struct err *e)
{
    struct model *m = &t->model;
    struct str left, right, line = json_to_str(j);
    AUTO_BUF joined = { 0 };

    if (json_is_string(j)) {
        if (!str_cut(line, ' ', &left, &right) || !right.n)
            return err_set(e, ERR_CORRUPT, "model.merges[%zu]: \"%.*s\" is not two tokens", rank, STR_ARG(line));
    } else {
        left = json_to_str(json_array_get(j, 0)), right = json_to_str(json_array_get(j, 1));
        if (!left.p || !right.p)
            return err_set(e, ERR_CORRUPT, "model.merges[%zu]: expected two tokens", rank);
    }
    buf_addstr(&joined, left);
    buf_addstr(&joined, m->prefix.n && str_has_prefix(right, m->prefix) ? str_from(right, m->prefix.n) : right);
    int32_t a = vocab_find(&m->vocab, left), b = vocab_find(&m->vocab, right), c = vocab_find(&m->vocab, buf_str(&joined));
    if (a < 0 || b < 0 || c < 0)
        return err_set(e, ERR_CORRUPT, "model.merges[%zu]: \"%.*s\" is not in the vocabulary", rank, STR_ARG(a < 0 ? left : b < 0 ? right : buf_str(&joined)));
    model_merge_put(m, a, b, (uint32_t)rank, c);
    return ERR_OK;
}

static errc read_bpe(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct model *m = &t->model;
    const json_t *merges = json_object_get(j, "merges");

    m->byte_fallback = json_flag(j, "byte_fallback", false);
    m->fuse_unk = json_flag(j, "fuse_unk", false);
    m->ignore_merges = json_flag(j, "ignore_merges", false);
    m->prefix = parse_text(t, j, "continuing_subword_prefix");
    m->suffix = parse_text(t, j, "end_of_word_suffix");
    if (!json_is_array(merges))
        return parse_bad(e, "model.merges", "a list");
    for (size_t i = 0; i < json_array_size(merges); i++)
        TRY(read_merge(t, json_array_get(merges, i), i, e));
    for (unsigned b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        m->byte_ids[b] = vocab_find(&m->vocab, str_of(name));
    }
    return ERR_OK;
}

static errc read_wordpiece(struct tokenizer *t, const json_t *j, struct err *e)
{
    (void)e;
    t->model.kind = MODEL_WORDPIECE;
    t->model.prefix = parse_text(t, j, "continuing_subword_prefix");
    t->model.max_word_chars = (size_t)json_int(j, "max_input_chars_per_word", 100);
    return ERR_OK;
}

static const struct row model_rows[] = { { "BPE", read_bpe }, { "WordPiece", read_wordpiece } };

errc parse_model(struct tokenizer *t, const json_t *j, struct err *e)
{
    const char *type = json_cstr(j, "type");

    if (!json_is_object(j))
        return parse_bad(e, "model", "an object");
    if (!type)
        type = json_object_get(j, "merges") ? "BPE" : "WordPiece";      /* files before 2020 leave it out */
    for (size_t i = 0; i < ARRAY_LEN(model_rows); i++)
        if (streq(type, model_rows[i].type)) {
            struct str unk = json_to_str(json_object_get(j, "unk_token"));
            TRY(read_vocab(t, j, e));
            t->model.unk_id = unk.p ? vocab_find(&t->model.vocab, unk) : -1;
            return model_rows[i].read(t, j, e);
        }
    return err_set(e, ERR_UNSUPPORTED, "model: type \"%s\" is not supported (BPE and WordPiece are)", type);
}
