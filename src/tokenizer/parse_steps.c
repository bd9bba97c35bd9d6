/* Normalizers, pre-tokenizers and decoders of tokenizer.json. */
#include <utf8proc.h>

#include "base/hash.h"
#include "tokenizer/parse.h"

#define GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

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
    return add_norm(t, (struct norm_step){ NORM_PREPEND, .text = parse_text(t, j, "prepend") }, e);
}

static errc norm_replace(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct norm_step s = { NORM_REPLACE, .text = parse_text(t, j, "content") };

    TRY(parse_pattern(t, j, "normalizer Replace", &s.pattern, e));
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
    return parse_bad(e, "normalizer", "a Unicode form");
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

static errc norm_plain(struct tokenizer *t, const json_t *j, struct err *e)
{
    return add_norm(t, (struct norm_step){ streq(json_cstr(j, "type"), "Nmt") ? NORM_NMT : NORM_BYTE_LEVEL }, e);
}

static errc norm_precompiled(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct norm_step s = { NORM_CHARSMAP };
    struct str text = json_to_str(json_object_get(j, "precompiled_charsmap"));
    AUTO_BUF bytes = { 0 };

    if (!text.n)                        /* null: nothing is replaced */
        return ERR_OK;
    if (!base64_decode(text, &bytes) || !charsmap_open(arena_str(t->arena, buf_str(&bytes)), &s.charsmap))
        return parse_bad(e, "normalizer Precompiled", "precompiled_charsmap to be a base64 character map");
    return add_norm(t, s, e);
}

static const struct row norm_rows[] = {
    { "Prepend", norm_prepend }, { "Replace", norm_replace }, { "NFC", norm_form }, { "NFD", norm_form }, { "NFKC", norm_form },
    { "NFKD", norm_form }, { "Lowercase", norm_lowercase }, { "Strip", norm_strip }, { "StripAccents", norm_strip_accents },
    { "BertNormalizer", norm_bert }, { "Precompiled", norm_precompiled }, { "Nmt", norm_plain }, { "ByteLevel", norm_plain },
};

errc parse_normalizer(struct tokenizer *t, const json_t *j, struct err *e)
{
    return parse_part(t, j, "normalizer", "normalizers", norm_rows, ARRAY_LEN(norm_rows), 0, e);
}

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
        TRY(parse_regex(t, STR(GPT2_PATTERN), &s.pattern, e));
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

    TRY(parse_pattern(t, j, "pre_tokenizer Split", &s.pattern, e));
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
    struct str r = parse_text(t, j, "replacement");
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
    (void)j;
    return add_pre(t, (struct pre_step){ PRE_WHITESPACE }, e);
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

static errc pre_delimiter(struct tokenizer *t, const json_t *j, struct err *e)
{
    struct pre_step s = { PRE_SPLIT, .pattern.text = parse_text(t, j, "delimiter"), .behavior = SPLIT_REMOVED };

    return s.pattern.text.n ? add_pre(t, s, e) : parse_bad(e, "pre_tokenizer CharDelimiterSplit", "a delimiter");
}

static const struct row pre_rows[] = {
    { "ByteLevel", pre_byte_level }, { "Split", pre_split }, { "Metaspace", pre_metaspace }, { "Punctuation", pre_punctuation },
    { "Digits", pre_digits }, { "Whitespace", pre_whitespace }, { "WhitespaceSplit", pre_whitespace_split }, { "BertPreTokenizer", pre_bert },
    { "CharDelimiterSplit", pre_delimiter },
};

errc parse_pre_tokenizer(struct tokenizer *t, const json_t *j, struct err *e)
{
    return parse_part(t, j, "pre_tokenizer", "pretokenizers", pre_rows, ARRAY_LEN(pre_rows), 0, e);
}

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
    struct dec_step s = { DEC_REPLACE, .text = parse_text(t, j, "content") };

    TRY(parse_pattern(t, j, "decoder Replace", &s.pattern, e));
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
        return parse_bad(e, "decoder Strip", "start and stop to be at least 0");
    return add_dec(t, (struct dec_step){ DEC_STRIP, .text = parse_text(t, j, "content"), .start = (size_t)start, .stop = (size_t)stop }, e);
}

static errc dec_metaspace(struct tokenizer *t, const json_t *j, struct err *e)
{
    return add_dec(t, (struct dec_step){ DEC_METASPACE, .text = metaspace_mark(t, j), .scheme = read_scheme(j) }, e);
}

static errc dec_wordpiece(struct tokenizer *t, const json_t *j, struct err *e)
{
    return add_dec(t, (struct dec_step){ DEC_WORDPIECE, .text = parse_text(t, j, "prefix"), .cleanup = json_flag(j, "cleanup", true) }, e);
}

static errc dec_bpe(struct tokenizer *t, const json_t *j, struct err *e)
{
    return add_dec(t, (struct dec_step){ DEC_BPE, .text = parse_text(t, j, "suffix") }, e);
}

static const struct row dec_rows[] = {
    { "Replace", dec_replace }, { "ByteFallback", dec_plain }, { "Fuse", dec_plain }, { "ByteLevel", dec_plain }, { "Strip", dec_strip },
    { "Metaspace", dec_metaspace }, { "WordPiece", dec_wordpiece }, { "BPEDecoder", dec_bpe },
};

errc parse_decoder(struct tokenizer *t, const json_t *j, struct err *e)
{
    return parse_part(t, j, "decoder", "decoders", dec_rows, ARRAY_LEN(dec_rows), 0, e);
}
