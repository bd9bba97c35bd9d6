/* What the files of tokenizer/ share. Everything here is built once by parse.c and read-only afterwards. */
#ifndef TOKENIZER_PRIV_H
#define TOKENIZER_PRIV_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/arena.h"
#include "base/mem.h"
#include "template/template.h"
#include "tokenizer/tokenizer.h"

#define TEXT_MAX_BYTES ((size_t)256 << 20)
#define ID_LIMIT (1 << 24)              /* a larger id in a file is a mistake or an attack */

/* ---- vocabulary: token <-> id ---- */

struct vocab_slot { struct str text; int32_t id; };     /* the text's p NULL: free */
struct vocab {
    struct str *tokens;                 /* by id; p == NULL: no such id */
    size_t n, cap;
    struct vocab_slot *slots;           /* open addressing */
    size_t n_slots, used;
};
void vocab_done(struct vocab *v);
void vocab_reserve(struct vocab *v, size_t n);          /* memory for n tokens in all */
void vocab_put(struct vocab *v, struct str token /* lives as long as v */, int32_t id);
int32_t vocab_find(const struct vocab *v, struct str token);        /* -1: none */
struct str vocab_token(const struct vocab *v, int32_t id);

/* ---- text in pieces, on its way from string to ids ---- */

struct piece {
    size_t at, n;                       /* bytes of pieces.text */
    int32_t id;                         /* >= 0: an added token, already known */
    bool at_start;                      /* of the whole text */
};
struct pieces {
    struct buf text;
    struct piece *v;
    size_t n, cap;
};
void pieces_done(struct pieces *p);
void pieces_add(struct pieces *p, struct str s, int32_t id, bool at_start);
struct str piece_str(const struct pieces *p, size_t i);

/* ---- regular expressions, as tokenizers writes them (Oniguruma's common ground with PCRE2) ---- */

void onig_to_pcre(struct str pattern, struct buf *out);         /* onig.c */
struct regex;
errc regex_new(struct str pattern, struct regex **out, struct err *e);
void regex_free(struct regex *r);

/* A pattern of Replace or Split: a plain string or an expression. */
struct pattern { struct str text; struct regex *re; };
struct span { size_t start, end; bool match; };
struct spans { struct span *v; size_t n, cap; };
/* Covers s with matches and the gaps between them, empty matches included. */
errc pattern_spans(const struct pattern *p, struct str s, struct spans *out, struct err *e);

/* ---- Unicode ---- */

size_t utf8_len(unsigned char lead);                    /* 1..4; 1 for an invalid lead */
int32_t utf8_next(struct str s, size_t *at);            /* code point, advances; s is valid UTF-8 */
size_t utf8_put(int32_t cp, char out[4]);
enum cp_class { CP_MARK, CP_NONSPACING, CP_CONTROL, CP_PUNCTUATION, CP_NUMBER, CP_WORD };
struct cp_range { int32_t from, to; };
struct cp_ranges { const struct cp_range *v; size_t n; };
extern const struct cp_ranges cp_classes[];             /* unicode_ranges.c */
bool cp_is(int32_t cp, enum cp_class class);
/* A character newer than PCRE2's tables, and an older one of its category and of as many bytes (unicode_later.c, in order). */
struct cp_stand_in { int32_t from, to, stand_in; };
extern const struct cp_stand_in cp_later[];
extern const size_t n_cp_later;
bool cp_is_space(int32_t cp);
bool cp_is_punctuation(int32_t cp);
bool cp_is_number(int32_t cp);
bool cp_is_cjk(int32_t cp);
int32_t cp_lower(int32_t cp);
void utf8_repair(struct str s, struct buf *out);        /* invalid parts become U+FFFD, as Rust's from_utf8_lossy */
/* Bytes of s that are certain: the length without an incomplete last code point. */
size_t utf8_complete(struct str s);

/* ---- the steps ---- */

/* SentencePiece's character map, over bytes that live as long as it does. */
struct charsmap { const unsigned char *units; size_t n_units; struct str texts; };
bool charsmap_open(struct str bytes, struct charsmap *out);     /* false: no such map */
void charsmap_apply(const struct charsmap *m, struct str in, struct buf *out);

enum norm_kind { NORM_PREPEND, NORM_REPLACE, NORM_FORM, NORM_LOWERCASE, NORM_STRIP, NORM_STRIP_ACCENTS, NORM_BERT, NORM_CHARSMAP, NORM_NMT, NORM_BYTE_LEVEL };
struct norm_step {
    enum norm_kind kind;
    struct str text;                    /* what is put */
    struct pattern pattern;
    int form;                           /* utf8proc options */
    bool left, right;                   /* Strip */
    bool clean, cjk, accents, lowercase;        /* BertNormalizer */
    struct charsmap charsmap;
};
/* *cut (may be NULL): the text no longer begins where `in` did, for what was there is gone. */
errc normalize(const struct norm_step *steps, size_t n, struct str in, struct buf *out, bool *cut, struct err *e);

enum split_behavior { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_MERGED_PREVIOUS, SPLIT_MERGED_NEXT, SPLIT_CONTIGUOUS };
enum pre_kind { PRE_BYTE_LEVEL, PRE_SPLIT, PRE_METASPACE, PRE_PUNCTUATION, PRE_DIGITS, PRE_WHITESPACE, PRE_WHITESPACE_SPLIT };
enum prepend_scheme { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS };
struct pre_step {
    enum pre_kind kind;
    struct pattern pattern;
    enum split_behavior behavior;
    bool invert;
    bool add_prefix_space, use_regex;   /* ByteLevel */
    struct str replacement;             /* Metaspace */
    enum prepend_scheme scheme;
    bool split;                         /* Metaspace: cut at the replacement; Digits: each digit alone */
};
/* Replaces the pieces that are no added tokens by what the step makes of them. */
errc pretokenize(const struct pre_step *step, struct pieces *in_out, struct err *e);

enum dec_kind { DEC_REPLACE, DEC_BYTE_FALLBACK, DEC_FUSE, DEC_STRIP, DEC_BYTE_LEVEL, DEC_METASPACE, DEC_WORDPIECE, DEC_BPE };
struct dec_step {
    enum dec_kind kind;
    struct pattern pattern;
    struct str text;                    /* replacement, stripped content, prefix, suffix */
    size_t start, stop;                 /* Strip */
    enum prepend_scheme scheme;
    bool cleanup;
};

struct added_token {
    struct str content, shown;          /* as the file writes it; as it is decoded: normalised like the text it matches */
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
};
struct trie_node { int32_t child, sibling, token; unsigned char byte; };
struct trie { struct trie_node *v; size_t n, cap; };
void trie_add(struct trie *t, struct str word, int32_t token);
int32_t trie_step(const struct trie *t, int32_t node, unsigned char byte);      /* the child of a node (0: the root); -1: none */

enum model_kind { MODEL_BPE, MODEL_UNIGRAM, MODEL_WORDPIECE, MODEL_WORDLEVEL };
struct merge { uint64_t pair; uint32_t rank; int32_t id; };
struct model {
    enum model_kind kind;
    struct vocab vocab;
    struct merge *merges;               /* open addressing by pair; id -1: free */
    size_t n_merge_slots, n_merges;
    int32_t unk_id;                     /* -1: none */
    bool fuse_unk, byte_fallback, ignore_merges;
    int32_t byte_ids[256];              /* of <0x00>..<0xFF>; -1: none */
    struct str prefix, suffix;          /* continuing_subword_prefix, end_of_word_suffix */
    size_t max_word_chars, longest_token;       /* WordPiece; bytes of the longest token */
    struct trie pieces;                 /* Unigram: token -> id */
    double *scores, min_score;          /* Unigram: log-probability by id */
};
void model_merges_reserve(struct model *m, size_t n);
void model_merge_put(struct model *m, int32_t left, int32_t right, uint32_t rank, int32_t id);
void model_find_bytes(struct model *m);                 /* byte_ids, from the vocabulary */
const struct merge *model_merge_find(const struct model *m, int32_t left, int32_t right);
/* One word -> ids. ERR_INVALID: it is unknown, and there is no token for that. */
typedef errc model_encode(const struct model *m, struct str word, struct token_ids *out, struct err *e);
model_encode bpe_encode, unigram_encode, wordpiece_encode, wordlevel_encode;

struct lists;
struct tokenizer {
    struct arena *arena;                /* token texts, steps */
    const struct lists *lists;          /* while tokenizer.json is read: what was cut out of it; or NULL */
    struct model model;
    struct vocab added_by_text;         /* added tokens; an id may also be in model.vocab */
    struct added_token *added;
    size_t n_added, cap_added;
    struct trie raw, normalized;        /* of added tokens, matched before and after the normalizer */
    int32_t *added_at;                  /* id -> index into added, -1 */
    size_t n_ids;
    struct norm_step *norm; size_t n_norm;
    struct pre_step *pre;   size_t n_pre;
    struct dec_step *dec;   size_t n_dec;
    bool has_decoder;
    struct token_ids prefix, suffix;    /* what the post-processor adds */
    struct tokenizer_info info;
    struct token_ids stop_ids;
    struct template *chat_template;
    json_t *generation_config;
    struct regex **regexes; size_t n_regexes, cap_regexes;
};

const struct added_token *tokenizer_added(const struct tokenizer *t, int32_t id);       /* NULL: it is none */
/* parse.c; root has no model when t's is there already (a GGUF file's). */
errc tokenizer_build(struct tokenizer *t, const json_t *root, struct err *e);
struct tokenizer *tokenizer_new(void);                                                  /* roles.c: these four */
void tokenizer_publish(struct tokenizer *t);            /* once, at the end of loading, whether it went well or not */
void tokenizer_add_stop(struct tokenizer *t, int64_t id);                               /* once; -1: none */
errc tokenizer_set_template(struct tokenizer *t, struct str source, const char *name, struct err *e);
errc tokenizer_split_added(const struct tokenizer *t, struct str text, struct pieces *out, struct err *e);      /* added.c */

/* bytes <-> the printable alphabet of byte-level vocabularies */
int32_t byte_level_cp(unsigned char b);
int byte_level_byte(int32_t cp);                        /* -1: not in the alphabet */

#endif
