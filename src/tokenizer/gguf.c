/*
 * tokenizer.ggml.* of a GGUF file -> struct tokenizer. The pipeline around the model is written in tokenizer.json's terms and
 * read by its readers; the vocabulary and the merges, which may be large, go straight into the model.
 *
 * "llama": SentencePiece's BPE. It merges the pair whose union has the highest score; that is BPE whose merges are all pairs
 * of tokens that make a token, ranked by its score. "gpt2": byte-level BPE with the file's merges.
 */
#include "tokenizer/gguf.h"

#include <stdlib.h>

#include "tensor/gguf.h"
#include "tokenizer/priv.h"

#define SPACE_MARK "\xe2\x96\x81"

enum token_type { TOKEN_NORMAL = 1, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER_DEFINED, TOKEN_UNUSED, TOKEN_BYTE };

struct loader {
    const struct gguf *g;
    struct tokenizer *t;
    bool sentencepiece, space_prefix, bos, eos, whole_words;
    uint8_t *types;             /* [n], enum token_type */
    size_t n;
    struct err *e;
};

/* ── tokens ── */

static errc read_types(struct loader *l)
{
    const struct gguf_value *list;
    struct gguf_value item;
    int64_t type = 0;
    size_t i = 0;

    l->types = xcalloc(l->n + 1, 1);
    memset(l->types, TOKEN_NORMAL, l->n);
    TRY(gguf_list(l->g, "tokenizer.ggml.token_type", GGUF_I32, &list, l->e));
    if (list && list->n != l->n)
        return err_set(l->e, ERR_CORRUPT, "tokenizer.ggml.token_type has %zu entries for %zu tokens", list->n, l->n);
    for (struct gguf_items it = gguf_items(list); gguf_next(&it, &item); i++) {
        if (!gguf_as_int(&item, &type) || type < TOKEN_NORMAL || type > TOKEN_BYTE)
            return err_set(l->e, ERR_CORRUPT, "tokenizer.ggml.token_type[%zu]: %lld is not known", i, (long long)type);
        l->types[i] = (uint8_t)type;
    }
    return ERR_OK;
}

static errc read_tokens(struct loader *l)
{
    const struct gguf_value *list;
    struct gguf_value item;
    struct str text = { 0 };
    int32_t id = 0;

    TRY(gguf_list(l->g, "tokenizer.ggml.tokens", GGUF_STRING, &list, l->e));
    if (!list || list->n == 0 || list->n >= ID_LIMIT)
        return err_set(l->e, ERR_CORRUPT, "tokenizer.ggml.tokens: expected 1 to %d tokens, found %zu", ID_LIMIT - 1, list ? list->n : 0);
    l->n = list->n;
    TRY(read_types(l));
    for (struct gguf_items it = gguf_items(list); gguf_next(&it, &item); id++) {
        (void)gguf_as_str(&item, &text);        /* checked: all are */
        if (!str_utf8_valid(text))
            return err_set(l->e, ERR_CORRUPT, "tokenizer.ggml.tokens[%d] is not UTF-8", id);
        vocab_put(&l->t->model.vocab, arena_str(l->t->arena, text), id);
    }
    return ERR_OK;
}

static bool is_added(uint8_t type) { return type == TOKEN_UNKNOWN || type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED; }

/* Phi 3's files do not say that its tokens swallow the white space after them, its tokenizer.json does. */
static bool swallows_space(const struct loader *l, struct str text)
{
    struct str architecture = { 0 };

    return l->sentencepiece && !gguf_text(l->g, "general.architecture", &architecture, NULL) && str_is(architecture, "phi3") &&
           !str_is(text, "<unk>") && !str_is(text, "<s>") && !str_is(text, "<|endoftext|>");
}

static void add_with_spaces(struct buf *out, struct str text)
{
    size_t at;

    while (str_find(text, STR(SPACE_MARK), &at)) {
        buf_add(out, text.p, at);
        buf_addc(out, ' ');
        text = str_from(text, at + sizeof SPACE_MARK - 1);
    }
    buf_addstr(out, text);
}

/* Tokens that are found in the text before anything else is done to it. */
static json_t *added_json(const struct loader *l)
{
    json_t *list = json_array();

    for (size_t i = 0; i < l->n; i++) {
        AUTO_BUF content = { 0 };
        bool special = l->types[i] != TOKEN_USER_DEFINED;

        if (!is_added(l->types[i]) || !l->t->model.vocab.tokens[i].n)
            continue;
        add_with_spaces(&content, l->t->model.vocab.tokens[i]);
        json_push(list, json_pack("{s:o, s:I, s:b, s:b, s:b}", "content", json_strn(buf_str(&content)), "id", (json_int_t)i, "special", special,
                                  "normalized", 0, "rstrip", swallows_space(l, buf_str(&content))));
    }
    return list;
}

/* ── merges ── */

struct scored { float score; int32_t id; };

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;

    if (x->score < y->score || x->score > y->score)
        return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool may_merge(const struct loader *l, int32_t id) { return l->types[id] == TOKEN_NORMAL || l->types[id] == TOKEN_USER_DEFINED; }

/* Every way to make this token of two others. */
static void add_pairs(const struct loader *l, int32_t id, uint32_t rank)
{
    struct model *m = &l->t->model;
    struct str text = vocab_token(&m->vocab, id);

    for (size_t at = 0; at < text.n;) {
        (void)utf8_next(text, &at);
        int32_t left = at < text.n ? vocab_find(&m->vocab, str_n(text.p, at)) : -1, right = vocab_find(&m->vocab, str_from(text, at));

        if (left >= 0 && right >= 0 && may_merge(l, left) && may_merge(l, right))
            model_merge_put(m, left, right, rank, id);
    }
}

/* Tokens of one score have one rank: among them the leftmost pair comes first, as in SentencePiece. */
static errc merges_by_score(const struct loader *l)
{
    AUTO_MEM struct scored *sorted = xcalloc(l->n, sizeof *sorted);
    const struct gguf_value *list;
    struct gguf_value item;
    double score = 0;
    size_t n = 0;
    uint32_t rank = 0;

    TRY(gguf_list(l->g, "tokenizer.ggml.scores", GGUF_F32, &list, l->e));
    if (!list || list->n != l->n)
        return err_set(l->e, ERR_CORRUPT, "tokenizer.ggml.scores has %zu entries for %zu tokens", list ? list->n : 0, l->n);
    for (struct gguf_items it = gguf_items(list); gguf_next(&it, &item); n++) {
        (void)gguf_as_real(&item, &score);      /* checked: all are */
        sorted[n] = (struct scored){ .score = score == score ? (float)score : -1e30f, .id = (int32_t)n };
    }
    qsort(sorted, n, sizeof *sorted, by_score);
    for (size_t i = 0; i < n; i++) {
        rank += i && sorted[i].score < sorted[i - 1].score;
        if (may_merge(l, sorted[i].id))
            add_pairs(l, sorted[i].id, rank);
    }
    return ERR_OK;
}

static errc put_merge(const struct loader *l, struct str line, size_t rank)
{
    struct model *m = &l->t->model;
    AUTO_BUF joined = { 0 };
    struct str left, right;

    /* a token may begin with a space only in files that are not byte-level: the cut is after the first byte */
    if (line.n < 3 || !str_cut(str_from(line, 1), ' ', &left, &right) || !right.n)
        return err_set(l->e, ERR_CORRUPT, "tokenizer.ggml.merges[%zu]: \"%.*s\" is not two tokens", rank, (int)(line.n < 80 ? line.n : 80), line.p);
    left = str_n(line.p, left.n + 1);
    buf_addstr(&joined, left);
    buf_addstr(&joined, right);
    int32_t a = vocab_find(&m->vocab, left), b = vocab_find(&m->vocab, right), c = vocab_find(&m->vocab, buf_str(&joined));
    if (a < 0 || b < 0 || c < 0)
        return err_set(l->e, ERR_CORRUPT, "tokenizer.ggml.merges[%zu]: \"%.*s\" is not of this vocabulary", rank, (int)(line.n < 80 ? line.n : 80), line.p);
    model_merge_put(m, a, b, (uint32_t)rank, c);
    return ERR_OK;
}

static errc merges_of_file(const struct loader *l)
{
    const struct gguf_value *list;
    struct gguf_value item;
    struct str line = { 0 };
    size_t rank = 0;

    TRY(gguf_list(l->g, "tokenizer.ggml.merges", GGUF_STRING, &list, l->e));
    if (!list)
        return err_set(l->e, ERR_CORRUPT, "tokenizer.ggml.merges is missing");
    for (struct gguf_items it = gguf_items(list); gguf_next(&it, &item); rank++) {
        (void)gguf_as_str(&item, &line);        /* checked: all are */
        TRY(put_merge(l, line, rank));
    }
    return ERR_OK;
}

/* ── the pipeline ── */

static json_t *replace(const char *from, const char *to)
{
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", from, "content", to);
}

static void put_sentencepiece(const struct loader *l, json_t *root)
{
    json_t *normalizers = json_array(), *decoders = json_array();

    if (l->space_prefix)
        json_push(normalizers, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", SPACE_MARK));
    json_push(normalizers, replace(" ", SPACE_MARK));
    json_put(root, "normalizer", json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", normalizers));
    json_push(decoders, replace(SPACE_MARK, " "));
    json_push(decoders, json_pack("{s:s}", "type", "ByteFallback"));
    json_push(decoders, json_pack("{s:s}", "type", "Fuse"));
    if (l->space_prefix)
        json_push(decoders, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0));
    json_put(root, "decoder", json_pack("{s:s, s:o}", "type", "Sequence", "decoders", decoders));
}

static errc put_byte_level(struct loader *l, json_t *root)
{
    struct str name = STR("default");
    struct gguf_pre pre;

    TRY(gguf_text(l->g, "tokenizer.ggml.pre", &name, l->e));
    TRY(gguf_pre_tokenizer(name, &pre, l->e));
    json_put(root, "normalizer", pre.normalizer);
    json_put(root, "pre_tokenizer", pre.pre_tokenizer);
    json_put(root, "decoder", json_pack("{s:s}", "type", "ByteLevel"));
    l->whole_words = pre.whole_words;
    l->bos = pre.bos;
    return ERR_OK;
}

static errc read_kind(struct loader *l)
{
    struct str model = { 0 };

    TRY(gguf_text(l->g, "tokenizer.ggml.model", &model, l->e));
    if (!model.p)
        return err_set(l->e, ERR_INVALID, "key tokenizer.ggml.model is missing: the file has no vocabulary");
    l->sentencepiece = str_is(model, "llama");
    if (!l->sentencepiece && !str_is(model, "gpt2"))
        return err_set(l->e, ERR_UNSUPPORTED, "tokenizer.ggml.model \"%.*s\" is not known; llama and gpt2 are", (int)(model.n < 40 ? model.n : 40), model.p);
    l->space_prefix = l->bos = l->sentencepiece;
    return gguf_flag(l->g, "tokenizer.ggml.add_space_prefix", &l->space_prefix, l->e);
}

static errc build(struct loader *l)
{
    AUTO_JSON root = json_object();
    struct model *m = &l->t->model;

    TRY(read_kind(l));
    TRY(read_tokens(l));
    if (l->sentencepiece) {
        put_sentencepiece(l, root);
        TRY(merges_by_score(l));
        m->byte_fallback = m->fuse_unk = true;
        model_find_bytes(m);
    } else {
        TRY(put_byte_level(l, root));
        TRY(merges_of_file(l));
        m->ignore_merges = l->whole_words;
    }
    json_put(root, "added_tokens", added_json(l));
    return tokenizer_build(l->t, root, l->e);
}

/* ── roles ── */

static errc role(const struct loader *l, const char *key, int32_t *id, const char **token)
{
    AUTO_MEM char *full = xasprintf("tokenizer.ggml.%s_token_id", key);
    int64_t value = -1;

    TRY(gguf_int(l->g, full, -1, (int64_t)l->n - 1, &value, l->e));
    *id = (int32_t)value;
    if (value >= 0 && token)
        *token = arena_strndup(l->t->arena, l->t->model.vocab.tokens[value].p, l->t->model.vocab.tokens[value].n);
    return ERR_OK;
}

/* eos, the ids that end a turn, and tokens that do so in models whose files name only eos. */
static errc read_stops(const struct loader *l)
{
    static const char *const keys[] = { "eot", "eom" };
    static const char *const texts[] = { "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>" };
    int32_t id;

    tokenizer_add_stop(l->t, l->t->info.eos_id);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        TRY(role(l, keys[i], &id, NULL));
        tokenizer_add_stop(l->t, id);
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        id = tokenizer_id(l->t, str_of(texts[i]));
        if (id >= 0 && tokenizer_is_special(l->t, id))
            tokenizer_add_stop(l->t, id);
    }
    return ERR_OK;
}

static errc read_roles(struct loader *l)
{
    struct tokenizer_info *i = &l->t->info;

    TRY(role(l, "bos", &i->bos_id, &i->bos_token));
    TRY(role(l, "eos", &i->eos_id, &i->eos_token));
    TRY(role(l, "unknown", &i->unk_id, &i->unk_token));
    TRY(role(l, "padding", &i->pad_id, &i->pad_token));
    l->t->model.unk_id = l->sentencepiece ? i->unk_id : -1;
    TRY(gguf_flag(l->g, "tokenizer.ggml.add_bos_token", &l->bos, l->e));
    TRY(gguf_flag(l->g, "tokenizer.ggml.add_eos_token", &l->eos, l->e));
    if (l->bos && i->bos_id >= 0)
        token_ids_add(&l->t->prefix, i->bos_id);
    if (l->eos && i->eos_id >= 0)
        token_ids_add(&l->t->suffix, i->eos_id);
    return read_stops(l);
}

static errc read_template(struct loader *l)
{
    struct str source = { 0 };

    TRY(gguf_text(l->g, "tokenizer.chat_template", &source, l->e));
    return source.p ? tokenizer_set_template(l->t, source, "tokenizer.chat_template", l->e) : ERR_OK;
}

static errc load(struct loader *l)
{
    TRY(build(l));
    TRY(read_roles(l));
    return read_template(l);
}

errc tokenizer_of_gguf(const struct gguf *g, struct tokenizer **out, struct err *e)
{
    AUTO_FREE(tokenizer) t = tokenizer_new();
    struct loader l = { .g = g, .t = t, .e = e };
    errc rc = load(&l);

    free(l.types);
    tokenizer_publish(t);
    if (rc)
        return strstr(e->text, gguf_path(g)) ? rc : err_wrap(e, "%s", gguf_path(g));
    *out = TAKE(t);
    return ERR_OK;
}

errc tokenizer_load_gguf(const char *path, struct tokenizer **out, struct err *e)
{
    AUTO_FREE(gguf) g = NULL;

    TRY(gguf_open(path, &g, e));
    return tokenizer_of_gguf(g, out, e);
}
