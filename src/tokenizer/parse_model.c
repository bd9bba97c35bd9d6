/* The model of tokenizer.json: its vocabulary, and what each kind has besides. */
#include <math.h>

#include "tokenizer/lists.h"
#include "tokenizer/parse.h"

/* A token that comes again takes its new id. */
static void put_token(struct tokenizer *t, struct str token, int32_t id)
{
    struct vocab *v = &t->model.vocab;
    int32_t before = vocab_find(v, token);

    vocab_put(v, arena_str(t->arena, token), id);
    if (before >= 0 && before != id)
        v->tokens[before] = (struct str){ 0 };
}

static void scan_vocab(struct tokenizer *t, const struct list *l)
{
    AUTO(scan_done) struct scan s = scan_list(l);
    struct str token;
    int32_t id;

    vocab_reserve(&t->model.vocab, l->n);
    while (scan_token(&s, &token, &id))
        put_token(t, token, id);
}

static errc read_vocab(struct tokenizer *t, const json_t *model, struct err *e)
{
    json_t *vocab = json_object_get(model, "vocab"), *id;
    const char *token;
    size_t n;

    if (t->lists && t->lists->vocab.text.p) {
        scan_vocab(t, &t->lists->vocab);
        return ERR_OK;
    }
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

static errc put_merge(struct model *m, struct str left, struct str right, size_t rank, struct buf *joined, struct err *e)
{
    buf_clear(joined);
    buf_addstr(joined, left);
    buf_addstr(joined, m->prefix.n && str_has_prefix(right, m->prefix) ? str_from(right, m->prefix.n) : right);
    int32_t a = vocab_find(&m->vocab, left), b = vocab_find(&m->vocab, right), c = vocab_find(&m->vocab, buf_str(joined));
    if (a < 0 || b < 0 || c < 0)
        return err_set(e, ERR_CORRUPT, "model.merges[%zu]: \"%.*s\" is not in the vocabulary", rank, STR_ARG(a < 0 ? left : b < 0 ? right : buf_str(joined)));
    model_merge_put(m, a, b, (uint32_t)rank, c);
    return ERR_OK;
}

static errc not_two(size_t rank, struct str line, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "model.merges[%zu]: \"%.*s\" is not two tokens", rank, STR_ARG(line));
}

static errc scan_merges(struct model *m, const struct list *l, struct err *e)
{
    AUTO(scan_done) struct scan s = scan_list(l);
    AUTO_BUF joined = { 0 };
    struct str left, right;

    model_merges_reserve(m, l->n);
    for (size_t rank = 0; scan_merge(&s, &left, &right); rank++) {
        if (!right.n)
            return not_two(rank, left, e);
        TRY(put_merge(m, left, right, rank, &joined, e));
    }
    return ERR_OK;
}

static errc read_merge(struct model *m, const json_t *j, size_t rank, struct buf *joined, struct err *e)
{
    struct str left = json_to_str(json_array_get(j, 0)), right = json_to_str(json_array_get(j, 1)), line = json_to_str(j);

    if (json_is_string(j) && (!str_cut(line, ' ', &left, &right) || !right.n))
        return not_two(rank, line, e);
    if (!left.p || !right.p)
        return err_set(e, ERR_CORRUPT, "model.merges[%zu]: expected two tokens", rank);
    return put_merge(m, left, right, rank, joined, e);
}

static errc read_merges(struct tokenizer *t, const json_t *merges, struct err *e)
{
    AUTO_BUF joined = { 0 };

    if (t->lists && t->lists->merges.text.p)
        return scan_merges(&t->model, &t->lists->merges, e);
    if (!json_is_array(merges))
        return parse_bad(e, "model.merges", "a list");
    for (size_t i = 0; i < json_array_size(merges); i++)
        TRY(read_merge(&t->model, json_array_get(merges, i), i, &joined, e));
    return ERR_OK;
}

void model_find_bytes(struct model *m)
{
    for (unsigned b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        m->byte_ids[b] = vocab_find(&m->vocab, str_of(name));
    }
}

/* unk_token is a text here; an absent one leaves -1, which is an error only for a text that needs it. */
static void find_unk(struct tokenizer *t, const json_t *j)
{
    struct str unk = json_to_str(json_object_get(j, "unk_token"));
    t->model.unk_id = unk.p ? vocab_find(&t->model.vocab, unk) : -1;
}

static errc read_bpe(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct model *m = &t->model;

    TRY(read_vocab(t, j, e));
    find_unk(t, j);
    m->byte_fallback = json_flag(j, "byte_fallback", false);
    m->fuse_unk = json_flag(j, "fuse_unk", false);
    m->ignore_merges = json_flag(j, "ignore_merges", false);
    m->prefix = parse_text(t, j, "continuing_subword_prefix");
    m->suffix = parse_text(t, j, "end_of_word_suffix");
    if (json_num(j, "dropout", 0) > 0)
        return err_set(e, ERR_UNSUPPORTED, "model.dropout: %g makes token ids random; set it to null", json_num(j, "dropout", 0));
    TRY(read_merges(t, json_object_get(j, "merges"), e));
    model_find_bytes(m);
    return ERR_OK;
}

static errc read_wordpiece(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct model *m = &t->model;

    m->kind = MODEL_WORDPIECE;
    TRY(read_vocab(t, j, e));
    find_unk(t, j);
    m->prefix = parse_text(t, j, "continuing_subword_prefix");
    m->max_word_chars = (size_t)json_int(j, "max_input_chars_per_word", 100);
    for (size_t i = 0; i < m->vocab.n; i++)
        if (m->vocab.tokens[i].n > m->longest_token)
            m->longest_token = m->vocab.tokens[i].n;
    return ERR_OK;
}

static errc read_wordlevel(struct tokenizer *t, const json_t *j, struct err *e)
{
    t->model.kind = MODEL_WORDLEVEL;
    TRY(read_vocab(t, j, e));
    find_unk(t, j);
    return ERR_OK;
}

/* One row of Unigram's vocabulary, [token, score]; its id is its place. */
static errc read_scored(struct tokenizer *t, const json_t *row, size_t id, struct err *e)
{
    struct model *m = &t->model;
    const json_t *token = json_array_get(row, 0), *score = json_array_get(row, 1);

    if (!json_is_string(token) || !json_is_number(score))
        return err_set(e, ERR_CORRUPT, "model.vocab[%zu]: expected [token, score]", id);
    struct str text = arena_str(t->arena, json_to_str(token));
    m->scores[id] = json_number_value(score);
    if (m->scores[id] < m->min_score)
        m->min_score = m->scores[id];
    vocab_put(&m->vocab, text, (int32_t)id);
    if (text.n)
        trie_add(&m->pieces, text, (int32_t)id);
    return ERR_OK;
}

static errc read_unigram(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct model *m = &t->model;
    const json_t *vocab = json_object_get(j, "vocab"), *unk = json_object_get(j, "unk_id");
    size_t n = json_array_size(vocab);

    m->kind = MODEL_UNIGRAM;
    if (!n || n >= ID_LIMIT)
        return parse_bad(e, "model.vocab", "a list of [token, score]");
    m->scores = xcalloc(n, sizeof *m->scores);
    m->min_score = INFINITY;
    for (size_t i = 0; i < n; i++)
        TRY(read_scored(t, json_array_get(vocab, i), i, e));
    if (json_is_integer(unk) && (json_integer_value(unk) < 0 || json_integer_value(unk) >= (json_int_t)n))
        return err_set(e, ERR_CORRUPT, "model.unk_id: %lld is not among the %zu tokens", (long long)json_integer_value(unk), n);
    m->unk_id = json_is_integer(unk) ? (int32_t)json_integer_value(unk) : -1;
    m->byte_fallback = json_flag(j, "byte_fallback", false);
    model_find_bytes(m);
    return ERR_OK;
}

static const struct row model_rows[] = {
    { "BPE", read_bpe }, { "Unigram", read_unigram }, { "WordPiece", read_wordpiece }, { "WordLevel", read_wordlevel },
};

errc parse_model(struct tokenizer *t, const json_t *j, struct err *e)
{
    const char *type = json_cstr(j, "type");

    if (!json_is_object(j))
        return parse_bad(e, "model", "an object");
    if (!type)                          /* files before 2020 leave it out */
        type = json_object_get(j, "merges") ? "BPE" : json_is_array(json_object_get(j, "vocab")) ? "Unigram" : "WordPiece";
    for (size_t i = 0; i < ARRAY_LEN(model_rows); i++)
        if (streq(type, model_rows[i].type))
            return model_rows[i].read(t, j, e);
    return err_set(e, ERR_UNSUPPORTED, "model: type \"%s\" is not known", type);
}
