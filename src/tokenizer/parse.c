/* tokenizer.json -> struct tokenizer. Every part is a row "type name -> reader"; an unknown type is refused by name. */
#include <utf8proc.h>

#include "tokenizer/priv.h"

#define GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define STEPS_MAX 64
#define NESTING_MAX 8

typedef errc reader(struct tokenizer *t, const json_t *j, struct err *e);
struct row { const char *type; reader *read; };

static errc bad(struct err *e, const char *field, const char *wanted)
{
    return err_set(e, ERR_CORRUPT, "%s: expected %s", field, wanted);
}

static struct str text_of(struct tokenizer *t, const json_t *j)
{
    return json_is_string(j) ? arena_str(t->arena, json_to_str(j)) : STR("");
}

static struct str text_at(struct tokenizer *t, const json_t *j, const char *key)
{
    return text_of(t, json_object_get(j, key));
}

static errc add_regex(struct tokenizer *t, struct str pattern, struct pattern *out, struct err *e)
{
    vec_grow(t->regexes, t->n_regexes, t->cap_regexes);
    TRY(regex_new(pattern, &t->regexes[t->n_regexes], e));
    out->re = t->regexes[t->n_regexes++];
    return ERR_OK;
}

static errc read_pattern(struct tokenizer *t, const json_t *j, const char *field, struct pattern *out, struct err *e)
{
    const json_t *p = json_object_get(j, "pattern");
    const json_t *re = json_object_get(p, "Regex"), *s = json_object_get(p, "String");

    if (json_is_string(re))
        return add_regex(t, json_to_str(re), out, e) ? err_wrap(e, "%s", field) : ERR_OK;
    if (!json_is_string(s))
        return bad(e, field, "pattern to be {\"String\": ...} or {\"Regex\": ...}");
    out->text = text_of(t, s);
    return ERR_OK;
}

/* Reads one part, or the members of a Sequence. */
static errc read_part(struct tokenizer *t, const json_t *j, const char *part, const char *members, const struct row *rows, size_t n,
                      int depth, struct err *e)
{
    if (!j || json_is_null(j))
        return ERR_OK;
    const char *type = json_cstr(j, "type");
    if (!type)
        return bad(e, part, "an object with a type");
    if (streq(type, "Sequence")) {
        const json_t *list = json_object_get(j, members);
        if (depth >= NESTING_MAX)
            return err_set(e, ERR_CORRUPT, "%s: sequences are nested more than %d deep", part, NESTING_MAX);
        if (!json_is_array(list))
            return bad(e, part, "the list of a Sequence");
        for (size_t i = 0; i < json_array_size(list); i++)
            TRY(read_part(t, json_array_get(list, i), part, members, rows, n, depth + 1, e));
        return ERR_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (streq(rows[i].type, type))
            return rows[i].read(t, j, e);
    return err_set(e, ERR_UNSUPPORTED, "%s: type \"%s\" is not known", part, type);
}

/* ---- normalizer ---- */

static errc add_norm(struct tokenizer *t, struct norm_step step, struct err *e)
{
    if (t->n_norm >= STEPS_MAX)
        return err_set(e, ERR_CORRUPT, "normalizer: more than %d steps", STEPS_MAX);
    t->norm = xreallocarray(t->norm, t->n_norm + 1, sizeof *t->norm);
    t->norm[t->n_norm++] = step;
    return ERR_OK;
}

static errc norm_prepend(struct tokenizer *t, const json_t *j, struct err *e)
{
    return add_norm(t, (struct norm_step){ NORM_PREPEND, .text = text_at(t, j, "prepend") }, e);
}

static errc norm_replace(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct norm_step s = { NORM_REPLACE, .text = text_at(t, j, "content") };

    TRY(read_pattern(t, j, "normalizer Replace", &s.pattern, e));
    return add_norm(t, s, e);
}

static errc norm_form(struct tokenizer *t, const json_t *j, struct err *e)
{
    static const struct { const char *type; int form; } forms[] = {
        { "NFC", UTF8PROC_STABLE | UTF8PROC_COMPOSE },
        { "NFD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE },
        { "NFKC", UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT },
        { "NFKD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT },
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (streq(forms[i].type, json_cstr(j, "type")))
            return add_norm(t, (struct norm_step){ NORM_FORM, .form = forms[i].form }, e);
    return bad(e, "normalizer", "a Unicode form");
}

static errc norm_lowercase(struct tokenizer *t, const json_t *j, struct err *e)
{
    (void)j;
    return add_norm(t, (struct norm_step){ NORM_LOWERCASE }, e);
}

static errc norm_strip(struct tokenizer *t, const json_t *j, struct err *e)
{
    return add_norm(t, (struct norm_step){ NORM_STRIP, .left = json_flag(j, "strip_left", true), .right = json_flag(j, "strip_right", true) }, e);
}

static errc norm_strip_accents(struct tokenizer *t, const json_t *j, struct err *e)
{
    (void)j;
    return add_norm(t, (struct norm_step){ NORM_STRIP_ACCENTS }, e);
}

static errc norm_bert(struct tokenizer *t, const json_t *j, struct err *e)
{
    bool lower = json_flag(j, "lowercase", true);

    return add_norm(t, (struct norm_step){ NORM_BERT, .clean = json_flag(j, "clean_text", true), .lowercase = lower,
                                           .cjk = json_flag(j, "handle_chinese_chars", true),
                                           .accents = json_flag(j, "strip_accents", lower) }, e);
}

static const struct row norm_rows[] = {
    { "Prepend", norm_prepend }, { "Replace", norm_replace }, { "NFC", norm_form }, { "NFD", norm_form }, { "NFKC", norm_form },
    { "NFKD", norm_form }, { "Lowercase", norm_lowercase }, { "Strip", norm_strip }, { "StripAccents", norm_strip_accents },
    { "BertNormalizer", norm_bert },
};

/* ---- pre-tokenizer ---- */

static errc add_pre(struct tokenizer *t, struct pre_step step, struct err *e)
{
    if (t->n_pre >= STEPS_MAX)
        return err_set(e, ERR_CORRUPT, "pre_tokenizer: more than %d steps", STEPS_MAX);
    t->pre = xreallocarray(t->pre, t->n_pre + 1, sizeof *t->pre);
    t->pre[t->n_pre++] = step;
    return ERR_OK;
}

static errc pre_byte_level(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct pre_step s = { PRE_BYTE_LEVEL, .add_prefix_space = json_flag(j, "add_prefix_space", true), .use_regex = json_flag(j, "use_regex", true) };

    if (s.use_regex)
        TRY(add_regex(t, STR(GPT2_PATTERN), &s.pattern, e));
    return add_pre(t, s, e);
}

static errc read_behavior(const json_t *j, const char *fallback, enum split_behavior *out, struct err *e)
{
    static const char *const names[] = {
        [SPLIT_REMOVED] = "Removed", [SPLIT_ISOLATED] = "Isolated", [SPLIT_MERGED_PREVIOUS] = "MergedWithPrevious",
        [SPLIT_MERGED_NEXT] = "MergedWithNext", [SPLIT_CONTIGUOUS] = "Contiguous",
    };
    const char *name = json_cstr(j, "behavior");

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (streq(names[i], name ? name : fallback)) {
            *out = (enum split_behavior)i;
            return ERR_OK;
        }
    return err_set(e, ERR_UNSUPPORTED, "pre_tokenizer: behavior \"%s\" is not known", name ? name : "");
}

static errc pre_split(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct pre_step s = { PRE_SPLIT, .invert = json_flag(j, "invert", false) };

    TRY(read_pattern(t, j, "pre_tokenizer Split", &s.pattern, e));
    TRY(read_behavior(j, "Isolated", &s.behavior, e));
    return add_pre(t, s, e);
}

static enum prepend_scheme read_scheme(const json_t *j)
{
    const char *scheme = json_cstr(j, "prepend_scheme");

    if (!scheme)
        return json_flag(j, "add_prefix_space", true) ? PREPEND_ALWAYS : PREPEND_NEVER;
    return streq(scheme, "always") ? PREPEND_ALWAYS : streq(scheme, "first") ? PREPEND_FIRST : PREPEND_NEVER;
}

static struct str metaspace_mark(struct tokenizer *t, const json_t *j)
{
    struct str r = text_at(t, j, "replacement");
    return r.n ? r : STR("\xE2\x96\x81");
}

static errc pre_metaspace(struct tokenizer *t, const json_t *j, struct err *e)
{
    return add_pre(t, (struct pre_step){ PRE_METASPACE, .replacement = metaspace_mark(t, j), .scheme = read_scheme(j),
                                         .split = json_flag(j, "split", true) }, e);
}

static errc pre_punctuation(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct pre_step s = { PRE_PUNCTUATION };

    TRY(read_behavior(j, "Isolated", &s.behavior, e));
    return add_pre(t, s, e);
}

static errc pre_digits(struct tokenizer *t, const json_t *j, struct err *e)
{
    bool each = json_flag(j, "individual_digits", false);
    return add_pre(t, (struct pre_step){ PRE_DIGITS, .behavior = each ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS }, e);
}

static errc pre_whitespace(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct pre_step s = { PRE_WHITESPACE, .behavior = SPLIT_REMOVED, .invert = true };

    (void)j;
    TRY(add_regex(t, STR("\\w+|[^\\w\\s]+"), &s.pattern, e));
    return add_pre(t, s, e);
}

static errc pre_whitespace_split(struct tokenizer *t, const json_t *j, struct err *e)
{
    (void)j;
    return add_pre(t, (struct pre_step){ PRE_WHITESPACE_SPLIT, .behavior = SPLIT_REMOVED }, e);
}

static errc pre_bert(struct tokenizer *t, const json_t *j, struct err *e)
{
    TRY(pre_whitespace_split(t, j, e));
    return add_pre(t, (struct pre_step){ PRE_PUNCTUATION, .behavior = SPLIT_ISOLATED }, e);
}

static const struct row pre_rows[] = {
    { "ByteLevel", pre_byte_level }, { "Split", pre_split }, { "Metaspace", pre_metaspace }, { "Punctuation", pre_punctuation },
    { "Digits", pre_digits }, { "Whitespace", pre_whitespace }, { "WhitespaceSplit", pre_whitespace_split }, { "BertPreTokenizer", pre_bert },
};

/* ---- post-processor: only what one sequence gets before and after it ---- */

static errc add_template_ids(struct tokenizer *t, const json_t *specials, const json_t *item, struct token_ids *to, struct err *e)
{
    const char *name = json_str_at(item, "SpecialToken", "id", NULL);
    const json_t *ids = name ? json_at(specials, name, "ids", NULL) : NULL;

    if (!json_is_array(ids))
        return err_set(e, ERR_CORRUPT, "post_processor TemplateProcessing: special token \"%s\" has no ids", name ? name : "?");
    for (size_t i = 0; i < json_array_size(ids); i++)
        token_ids_add(to, (int32_t)json_integer_value(json_array_get(ids, i)));
    return ERR_OK;
}

static errc post_template(struct tokenizer *t, const json_t *j, struct err *e)
{
    const json_t *single = json_object_get(j, "single"), *specials = json_object_get(j, "special_tokens");
    bool after = false;

    if (!json_is_array(single))
        return bad(e, "post_processor TemplateProcessing", "single to be a list");
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i);
        if (json_object_get(item, "Sequence"))
            after = true;
        else
            TRY(add_template_ids(t, specials, item, after ? &t->suffix : &t->prefix, e));
    }
    return ERR_OK;
}

static errc post_byte_level(struct tokenizer *t, const json_t *j, struct err *e)
{
    (void)t, (void)j, (void)e;          /* it moves offsets only */
    return ERR_OK;
}

static errc post_bert(struct tokenizer *t, const json_t *j, struct err *e)
{
    const json_t *cls = json_array_get(json_object_get(j, "cls"), 1), *sep = json_array_get(json_object_get(j, "sep"), 1);

    if (!json_is_integer(cls) || !json_is_integer(sep))
        return bad(e, "post_processor", "cls and sep to be [token, id]");
    token_ids_add(&t->prefix, (int32_t)json_integer_value(cls));
    token_ids_add(&t->suffix, (int32_t)json_integer_value(sep));
    return ERR_OK;
}

static const struct row post_rows[] = {
    { "TemplateProcessing", post_template }, { "ByteLevel", post_byte_level }, { "BertProcessing", post_bert }, { "RobertaProcessing", post_bert },
};

/* ---- decoder ---- */

static errc add_dec(struct tokenizer *t, struct dec_step step, struct err *e)
{
    if (t->n_dec >= STEPS_MAX)
        return err_set(e, ERR_CORRUPT, "decoder: more than %d steps", STEPS_MAX);
    t->dec = xreallocarray(t->dec, t->n_dec + 1, sizeof *t->dec);
    t->dec[t->n_dec++] = step;
    return ERR_OK;
}

static errc dec_replace(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct dec_step s = { DEC_REPLACE, .text = text_at(t, j, "content") };

    TRY(read_pattern(t, j, "decoder Replace", &s.pattern, e));
    return add_dec(t, s, e);
}

static errc dec_plain(struct tokenizer *t, const json_t *j, struct err *e)
{
    const char *type = json_cstr(j, "type");
    return add_dec(t, (struct dec_step){ streq(type, "Fuse") ? DEC_FUSE : streq(type, "ByteFallback") ? DEC_BYTE_FALLBACK : DEC_BYTE_LEVEL }, e);
}

static errc dec_strip(struct tokenizer *t, const json_t *j, struct err *e)
{
    int64_t start = json_int(j, "start", 0), stop = json_int(j, "stop", 0);

    if (start < 0 || stop < 0)
        return bad(e, "decoder Strip", "start and stop to be at least 0");
    return add_dec(t, (struct dec_step){ DEC_STRIP, .text = text_at(t, j, "content"), .start = (size_t)start, .stop = (size_t)stop }, e);
}

static errc dec_metaspace(struct tokenizer *t, const json_t *j, struct err *e)
{
    return add_dec(t, (struct dec_step){ DEC_METASPACE, .text = metaspace_mark(t, j), .scheme = read_scheme(j) }, e);
}

static errc dec_wordpiece(struct tokenizer *t, const json_t *j, struct err *e)
{
    return add_dec(t, (struct dec_step){ DEC_WORDPIECE, .text = text_at(t, j, "prefix"), .cleanup = json_flag(j, "cleanup", true) }, e);
}

static errc dec_bpe(struct tokenizer *t, const json_t *j, struct err *e)
{
    return add_dec(t, (struct dec_step){ DEC_BPE, .text = text_at(t, j, "suffix") }, e);
}

static const struct row dec_rows[] = {
    { "Replace", dec_replace }, { "ByteFallback", dec_plain }, { "Fuse", dec_plain }, { "ByteLevel", dec_plain }, { "Strip", dec_strip },
    { "Metaspace", dec_metaspace }, { "WordPiece", dec_wordpiece }, { "BPEDecoder", dec_bpe },
};

/* ---- model ---- */

static errc read_vocab(struct tokenizer *t, const json_t *model, struct err *e)
{
    json_t *vocab = json_object_get(model, "vocab"), *id;
    const char *token;
    size_t n;

    if (!json_is_object(vocab) || json_object_size(vocab) == 0)
        return bad(e, "model.vocab", "an object of tokens");
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
    m->prefix = text_at(t, j, "continuing_subword_prefix");
    m->suffix = text_at(t, j, "end_of_word_suffix");
    if (!json_is_array(merges))
        return bad(e, "model.merges", "a list");
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
    t->model.prefix = text_at(t, j, "continuing_subword_prefix");
    t->model.max_word_chars = (size_t)json_int(j, "max_input_chars_per_word", 100);
    return ERR_OK;
}

static const struct row model_rows[] = { { "BPE", read_bpe }, { "WordPiece", read_wordpiece } };

static errc read_model(struct tokenizer *t, const json_t *j, struct err *e)
{
    const char *type = json_cstr(j, "type");

    if (!json_is_object(j))
        return bad(e, "model", "an object");
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

/* ---- added tokens ---- */

static errc read_added(struct tokenizer *t, const json_t *j, size_t index, struct err *e)
{
    struct str content = json_to_str(json_object_get(j, "content"));
    int64_t id = json_int(j, "id", -1);

    if (!content.n || id < 0 || id >= ID_LIMIT)
        return err_set(e, ERR_CORRUPT, "added_tokens[%zu]: expected content and an id", index);
    bool special = json_flag(j, "special", false);
    struct added_token a = {
        .content = arena_str(t->arena, content), .id = (int32_t)id, .special = special,
        .single_word = json_flag(j, "single_word", false), .lstrip = json_flag(j, "lstrip", false),
        .rstrip = json_flag(j, "rstrip", false), .normalized = json_flag(j, "normalized", !special),
    };
    vec_grow(t->added, t->n_added, t->cap_added);
    t->added[t->n_added++] = a;
    vocab_put(&t->added_by_text, a.content, a.id);
    if (!a.normalized) {
        trie_add(&t->raw, a.content, (int32_t)t->n_added - 1);
        return ERR_OK;
    }
    AUTO_BUF norm = { 0 };
    TRY(normalize(t->norm, t->n_norm, a.content, &norm, e));
    if (norm.n)
        trie_add(&t->normalized, buf_str(&norm), (int32_t)t->n_added - 1);
    return ERR_OK;
}

static errc read_all_added(struct tokenizer *t, const json_t *list, struct err *e)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        TRY(read_added(t, json_array_get(list, i), i, e));
    t->n_ids = t->model.vocab.n > t->added_by_text.n ? t->model.vocab.n : t->added_by_text.n;
    t->added_at = xcalloc(t->n_ids + 1, sizeof *t->added_at);
    for (size_t i = 0; i < t->n_ids; i++)
        t->added_at[i] = -1;
    for (size_t i = 0; i < t->n_added; i++)
        t->added_at[t->added[i].id] = (int32_t)i;
    return ERR_OK;
}

errc tokenizer_build(struct tokenizer *t, const json_t *root, struct err *e)
{
    const json_t *decoder = json_object_get(root, "decoder");

    if (!json_is_object(root))
        return err_set(e, ERR_CORRUPT, "expected an object");
    TRY(read_part(t, json_object_get(root, "normalizer"), "normalizer", "normalizers", norm_rows, ARRAY_LEN(norm_rows), 0, e));
    TRY(read_part(t, json_object_get(root, "pre_tokenizer"), "pre_tokenizer", "pretokenizers", pre_rows, ARRAY_LEN(pre_rows), 0, e));
    TRY(read_model(t, json_object_get(root, "model"), e));
    TRY(read_all_added(t, json_object_get(root, "added_tokens"), e));
    TRY(read_part(t, json_object_get(root, "post_processor"), "post_processor", "processors", post_rows, ARRAY_LEN(post_rows), 0, e));
    TRY(read_part(t, decoder, "decoder", "decoders", dec_rows, ARRAY_LEN(dec_rows), 0, e));
    t->has_decoder = json_is_object(decoder);
    return ERR_OK;
}
