/*
 * Ids -> text. The decoder chain of tokenizer.json works on a list of token strings; a stream does the same over a window that
 * starts where the text was last certain, so that both give the same bytes.
 */
#include "tokenizer/priv.h"

struct texts { struct buf *v; size_t n, cap; };

static void texts_add(struct texts *t, struct str s)
{
    vec_grow(t->v, t->n, t->cap);
    t->v[t->n] = (struct buf){ 0 };
    buf_addstr(&t->v[t->n++], s);
}

static void texts_done(struct texts *t)
{
    for (size_t i = 0; i < t->n; i++)
        buf_done(&t->v[i]);
    free(t->v);
    *t = (struct texts){ 0 };
}

static void keep_first(struct texts *t)
{
    for (size_t i = 1; i < t->n; i++)
        buf_done(&t->v[i]);
    t->n = t->n ? 1 : 0;
}

static void fuse(struct texts *t)
{
    for (size_t i = 1; i < t->n; i++)
        buf_addstr(&t->v[0], buf_str(&t->v[i]));
    keep_first(t);
}

static void replace(const struct dec_step *step, struct buf *b)
{
    struct spans spans = { 0 };
    AUTO_BUF made = { 0 };
    errc rc = pattern_spans(&step->pattern, buf_str(b), &spans, NULL);

    for (size_t i = 0; !rc && i < spans.n; i++)
        if (spans.v[i].match)
            buf_addstr(&made, step->text);
        else
            buf_add(&made, b->p + spans.v[i].start, spans.v[i].end - spans.v[i].start);
    free(spans.v);
    if (!rc) {
        buf_clear(b);
        buf_addstr(b, buf_str(&made));
    }
}

/* "<0xE2>" -> 0xE2; -1 for any other token. */
static int byte_token(struct str s)
{
    static const char digits[] = "0123456789ABCDEFabcdef";

    if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>')
        return -1;
    int value = 0;
    for (size_t i = 3; i < 5; i++) {
        const char *d = s.p[i] ? strchr(digits, s.p[i]) : NULL;
        if (!d)
            return -1;
        value = value * 16 + (int)(d - digits > 15 ? d - digits - 6 : d - digits);
    }
    return value;
}

/* A run of byte tokens is one text when it is valid UTF-8 as a whole, else one U+FFFD per byte (as Hugging Face does it). */
static void flush_bytes(struct buf *run, struct texts *out)
{
    if (!run->n)
        return;
    if (str_utf8_valid(buf_str(run)))
        texts_add(out, buf_str(run));
    else
        for (size_t i = 0; i < run->n; i++)
            texts_add(out, STR("\xEF\xBF\xBD"));
    buf_clear(run);
}

static void byte_fallback(struct texts *t)
{
    struct texts out = { 0 };
    AUTO_BUF run = { 0 };

    for (size_t i = 0; i < t->n; i++) {
        int b = byte_token(buf_str(&t->v[i]));
        if (b >= 0) {
            buf_addc(&run, (char)b);
            continue;
        }
        flush_bytes(&run, &out);
        texts_add(&out, buf_str(&t->v[i]));
    }
    flush_bytes(&run, &out);
    texts_done(t);
    *t = out;
}

static void strip(const struct dec_step *step, struct buf *b)
{
    size_t cut = 0;

    while (step->text.n && cut < step->start && str_has_prefix(buf_str(b), step->text)) {
        buf_cut(b, step->text.n);
        cut++;
    }
    for (cut = 0; step->text.n && cut < step->stop && str_has_suffix(buf_str(b), step->text); cut++)
        buf_truncate(b, b->n - step->text.n);
}

/* The bytes that one byte-level token stands for; a token outside the alphabet stands for itself. */
static void byte_level_bytes(struct str token, struct buf *out)
{
    size_t before = out->n;

    for (size_t at = 0; at < token.n;) {
        int b = byte_level_byte(utf8_next(token, &at));
        if (b < 0) {
            buf_truncate(out, before);
            buf_addstr(out, token);
            return;
        }
        buf_addc(out, (char)b);
    }
}

static void byte_level(struct texts *t)
{
    AUTO_BUF bytes = { 0 };

    for (size_t i = 0; i < t->n; i++)
        byte_level_bytes(buf_str(&t->v[i]), &bytes);
    keep_first(t);
    if (!t->n)
        return;
    buf_clear(&t->v[0]);
    utf8_repair(buf_str(&bytes), &t->v[0]);
}

static void metaspace(const struct dec_step *step, size_t index, struct buf *b)
{
    AUTO_BUF made = { 0 };
    struct str s = buf_str(b);

    for (size_t at = 0; at < s.n;)
        if (str_has_prefix(str_from(s, at), step->text) && step->text.n) {
            if (index || step->scheme == PREPEND_NEVER)
                buf_addc(&made, ' ');
            at += step->text.n;
        } else {
            buf_addc(&made, s.p[at++]);
        }
    buf_clear(b);
    buf_addstr(b, buf_str(&made));
}

static void wordpiece_cleanup(struct buf *b)
{
    static const struct { struct str from, to; } rules[] = {
        { STR(" ."), STR(".") }, { STR(" ?"), STR("?") }, { STR(" !"), STR("!") }, { STR(" ,"), STR(",") }, { STR(" ' "), STR("'") },
        { STR(" n't"), STR("n't") }, { STR(" 'm"), STR("'m") }, { STR(" do not"), STR(" don't") }, { STR(" 's"), STR("'s") },
        { STR(" 've"), STR("'ve") }, { STR(" 're"), STR("'re") },
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        replace(&(struct dec_step){ .pattern = { .text = rules[i].from }, .text = rules[i].to }, b);
}

static void wordpiece(const struct dec_step *step, size_t index, struct buf *b)
{
    if (index && str_has_prefix(buf_str(b), step->text)) {
        buf_cut(b, step->text.n);
    } else if (index) {
        AUTO_BUF made = { 0 };
        buf_addc(&made, ' ');
        buf_addstr(&made, buf_str(b));
        buf_clear(b);
        buf_addstr(b, buf_str(&made));
    }
    if (step->cleanup)
        wordpiece_cleanup(b);
}

static void bpe_suffix(const struct dec_step *step, bool last, struct buf *b)
{
    struct dec_step cut = { .pattern = { .text = step->text }, .text = last ? STR("") : STR(" ") };

    if (step->text.n)
        replace(&cut, b);
}

static void decode_step(const struct dec_step *step, struct texts *t)
{
    switch (step->kind) {
    case DEC_FUSE:
        fuse(t);
        return;
    case DEC_BYTE_FALLBACK:
        byte_fallback(t);
        return;
    case DEC_BYTE_LEVEL:
        byte_level(t);
        return;
    default:
        break;
    }
    for (size_t i = 0; i < t->n; i++)
        if (step->kind == DEC_REPLACE)
            replace(step, &t->v[i]);
        else if (step->kind == DEC_STRIP)
            strip(step, &t->v[i]);
        else if (step->kind == DEC_METASPACE)
            metaspace(step, i, &t->v[i]);
        else if (step->kind == DEC_WORDPIECE)
            wordpiece(step, i, &t->v[i]);
        else
            bpe_suffix(step, i + 1 == t->n, &t->v[i]);
}

static void decode_texts(const struct tokenizer *t, struct texts *texts, struct buf *out)
{
    for (size_t i = 0; i < t->n_dec; i++)
        decode_step(&t->dec[i], texts);
    for (size_t i = 0; i < texts->n; i++) {
        if (i && !t->has_decoder)
            buf_addc(out, ' ');
        buf_addstr(out, buf_str(&texts->v[i]));
    }
}

static struct str shown(const struct tokenizer *t, int32_t id)
{
    const struct added_token *a = tokenizer_added(t, id);
    return a ? a->shown : vocab_token(&t->model.vocab, id);
}

void tokenizer_decode(const struct tokenizer *t, const int32_t *ids, size_t n, bool skip_special, struct buf *out)
{
    struct texts texts = { 0 };

    for (size_t i = 0; i < n; i++) {
        struct str token = shown(t, ids[i]);
        if (token.p && !(skip_special && tokenizer_is_special(t, ids[i])))
            texts_add(&texts, token);
    }
    decode_texts(t, &texts, out);
    texts_done(&texts);
}

void tokenizer_token_bytes(const struct tokenizer *t, int32_t id, struct buf *out)
{
    struct str token = tokenizer_token(t, id);
    struct texts texts = { 0 };
    AUTO_BUF text = { 0 };
    bool byte_level = false, fallback = false;

    for (size_t i = 0; i < t->n_dec; i++) {
        byte_level |= t->dec[i].kind == DEC_BYTE_LEVEL;
        fallback |= t->dec[i].kind == DEC_BYTE_FALLBACK;
    }
    if (!token.p || tokenizer_is_special(t, id))
        return;
    if (byte_level) {
        byte_level_bytes(token, out);
    } else if (fallback && byte_token(token) >= 0) {
        buf_addc(out, (char)byte_token(token));
    } else {
        texts_add(&texts, STR("a"));            /* not at the start of the text */
        texts_add(&texts, token);
        decode_texts(t, &texts, &text);
        texts_done(&texts);
        buf_addstr(out, str_from(buf_str(&text), 1));
    }
}

/*
 * The stream keeps the ids since the last certain point, led by one id that was already emitted: its presence makes rules that look
 * at the start of the text (Strip, Metaspace) see that this is not the start.
 */
struct token_stream {
    const struct tokenizer *t;
    struct token_ids window;            /* [0, lead) emitted, the rest waits */
    size_t lead;
    bool skip_special, byte_level, fallback;
};

struct token_stream *token_stream_new(const struct tokenizer *t, bool skip_special)
{
    struct token_stream *s = xzalloc(sizeof *s);

    s->t = t;
    s->skip_special = skip_special;
    for (size_t i = 0; i < t->n_dec; i++) {
        s->byte_level |= t->dec[i].kind == DEC_BYTE_LEVEL;
        s->fallback |= t->dec[i].kind == DEC_BYTE_FALLBACK;
    }
    return s;
}

void token_stream_free(struct token_stream *s)
{
    if (!s)
        return;
    token_ids_done(&s->window);
    free(s);
}

/* Whether later tokens could still change what the window says. */
static bool waits(const struct token_stream *s, struct str text)
{
    struct str last = shown(s->t, s->window.v[s->window.n - 1]);

    if (s->fallback)
        return byte_token(last) >= 0;           /* the run of bytes decides as a whole */
    if (s->byte_level) {
        AUTO_BUF bytes = { 0 };
        for (size_t i = 0; i < s->window.n; i++)
            byte_level_bytes(shown(s->t, s->window.v[i]), &bytes);
        return utf8_complete(buf_str(&bytes)) < bytes.n;
    }
    return !s->t->has_decoder && !text.n;
}

static void emit(struct token_stream *s, bool end, struct buf *out)
{
    AUTO_BUF before = { 0 }, now = { 0 };

    if (s->window.n == s->lead)
        return;
    tokenizer_decode(s->t, s->window.v, s->window.n, false, &now);
    if (!end && waits(s, buf_str(&now)))
        return;
    tokenizer_decode(s->t, s->window.v, s->lead, false, &before);
    if (now.n > before.n)
        buf_add(out, now.p + before.n, now.n - before.n);
    s->window.v[0] = s->window.v[s->window.n - 1];      /* the last emitted id leads the next window */
    s->window.n = s->lead = 1;
}

void token_stream_add(struct token_stream *s, int32_t id, struct buf *out)
{
    if (!tokenizer_token(s->t, id).p || (s->skip_special && tokenizer_is_special(s->t, id)))
        return;
    token_ids_add(&s->window, id);
    emit(s, false, out);
}

void token_stream_end(struct token_stream *s, struct buf *out)
{
    emit(s, true, out);
}
