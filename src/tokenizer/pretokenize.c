/* Pre-tokenizers: pieces in, smaller pieces out. Added tokens pass through untouched. */
#include "tokenizer/priv.h"

void pieces_done(struct pieces *p)
{
    buf_done(&p->text);
    free(p->v);
    *p = (struct pieces){ 0 };
}

void pieces_add(struct pieces *p, struct str s, int32_t id, bool at_start)
{
    if (!s.n && id < 0)
        return;
    vec_grow(p->v, p->n, p->cap);
    p->v[p->n++] = (struct piece){ .at = p->text.n, .n = s.n, .id = id, .at_start = at_start };
    buf_addstr(&p->text, s);
}

struct str piece_str(const struct pieces *p, size_t i)
{
    return str_n(buf_str(&p->text).p + p->v[i].at, p->v[i].n);
}

/* Joins spans as the behaviour says, in place. */
static void join_spans(struct spans *s, enum split_behavior how)
{
    size_t n = 0;
    bool previous = false;

    for (size_t i = 0; i < s->n; i++) {
        struct span x = s->v[i];
        bool join = false;
        if (how == SPLIT_REMOVED && x.match)
            continue;
        if (how == SPLIT_CONTIGUOUS)
            join = i && x.match == previous;
        else if (how == SPLIT_MERGED_PREVIOUS)
            join = x.match && !previous && i;
        else if (how == SPLIT_MERGED_NEXT)      /* a gap takes the match just before it */
            join = i && !x.match && previous;
        previous = x.match;
        if (join && n)
            s->v[n - 1].end = x.end;
        else
            s->v[n++] = x;
    }
    s->n = n;
}

static void emit_spans(struct spans *s, const struct pre_step *step, struct str text, bool at_start, struct pieces *out)
{
    for (size_t i = 0; i < s->n; i++)
        s->v[i].match ^= step->invert;
    join_spans(s, step->behavior);
    for (size_t i = 0; i < s->n; i++)
        pieces_add(out, str_n(text.p + s->v[i].start, s->v[i].end - s->v[i].start), -1, at_start && s->v[i].start == 0);
}

static errc split(const struct pre_step *step, struct str text, bool at_start, struct pieces *out, struct err *e)
{
    struct spans spans = { 0 };
    errc rc = pattern_spans(&step->pattern, text, &spans, e);

    if (!rc)
        emit_spans(&spans, step, text, at_start, out);
    free(spans.v);
    return rc;
}

static void byte_level_map(struct str text, bool at_start, struct pieces *out)
{
    AUTO_BUF mapped = { 0 };

    for (size_t i = 0; i < text.n; i++) {
        char bytes[4];
        buf_add(&mapped, bytes, utf8_put(byte_level_cp((unsigned char)text.p[i]), bytes));
    }
    pieces_add(out, buf_str(&mapped), -1, at_start);
}

static errc byte_level(const struct pre_step *step, struct str text, bool at_start, struct pieces *out, struct err *e)
{
    AUTO_BUF spaced = { 0 };
    struct spans spans = { 0 };
    errc rc = ERR_OK;

    if (step->add_prefix_space && text.n && text.p[0] != ' ') {
        buf_addc(&spaced, ' ');
        buf_addstr(&spaced, text);
        text = buf_str(&spaced);
    }
    if (!step->use_regex) {
        byte_level_map(text, at_start, out);
        return ERR_OK;
    }
    rc = pattern_spans(&step->pattern, text, &spans, e);
    for (size_t i = 0; !rc && i < spans.n; i++)
        byte_level_map(str_n(text.p + spans.v[i].start, spans.v[i].end - spans.v[i].start), at_start && spans.v[i].start == 0, out);
    free(spans.v);
    return rc;
}

static errc metaspace(const struct pre_step *step, struct str text, bool at_start, struct pieces *out, struct err *e)
{
    AUTO_BUF t = { 0 };

    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == ' ')
            buf_addstr(&t, step->replacement);
        else
            buf_addc(&t, text.p[i]);
    bool prepend = step->scheme == PREPEND_ALWAYS || (step->scheme == PREPEND_FIRST && at_start);
    if (prepend && !str_has_prefix(buf_str(&t), step->replacement)) {
        AUTO_BUF with = { 0 };
        buf_addstr(&with, step->replacement);
        buf_addstr(&with, buf_str(&t));
        buf_clear(&t);
        buf_addstr(&t, buf_str(&with));
    }
    if (!step->split) {
        pieces_add(out, buf_str(&t), -1, at_start);
        return ERR_OK;
    }
    struct pre_step cut = { .kind = PRE_SPLIT, .pattern = { .text = step->replacement }, .behavior = SPLIT_MERGED_NEXT };
    return split(&cut, buf_str(&t), at_start, out, e);
}

/* Splits by a class of code points: each member alone, or runs of them. */
static void by_class(const struct pre_step *step, struct str text, bool at_start, bool (*is)(int32_t), struct pieces *out)
{
    struct spans spans = { 0 };

    for (size_t at = 0, gap = 0; at <= text.n;) {
        size_t start = at;
        bool end = at == text.n;
        bool member = !end && is(utf8_next(text, &at));
        if ((end || member) && start > gap) {
            vec_grow(spans.v, spans.n, spans.cap);
            spans.v[spans.n++] = (struct span){ gap, start, false };
        }
        if (member) {
            vec_grow(spans.v, spans.n, spans.cap);
            spans.v[spans.n++] = (struct span){ start, at, true };
            gap = at;
        }
        if (end)
            break;
    }
    emit_spans(&spans, step, text, at_start, out);
    free(spans.v);
}

enum cp_role { ROLE_SPACE, ROLE_WORD, ROLE_OTHER };

static enum cp_role role_of(int32_t cp)
{
    return cp_is(cp, CP_WORD) ? ROLE_WORD : cp_is_space(cp) ? ROLE_SPACE : ROLE_OTHER;
}

/* Runs of word characters, runs of what is neither word nor white space. */
static void words(struct str text, bool at_start, struct pieces *out)
{
    enum cp_role role = ROLE_SPACE;
    size_t start = 0;

    for (size_t at = 0, next = 0; at <= text.n; at = next) {
        enum cp_role now = at < text.n ? role_of(utf8_next(text, &next)) : ROLE_SPACE;
        if (now != role || at == text.n) {
            if (role != ROLE_SPACE)
                pieces_add(out, str_n(text.p + start, at - start), -1, at_start && start == 0);
            start = at;
            role = now;
        }
        if (at == text.n)
            return;
    }
}

static errc pretokenize_piece(const struct pre_step *step, struct str text, bool at_start, struct pieces *out, struct err *e)
{
    switch (step->kind) {
    case PRE_BYTE_LEVEL:
        return byte_level(step, text, at_start, out, e);
    case PRE_WHITESPACE:
        words(text, at_start, out);
        return ERR_OK;
    case PRE_SPLIT:
        return split(step, text, at_start, out, e);
    case PRE_METASPACE:
        return metaspace(step, text, at_start, out, e);
    case PRE_PUNCTUATION:
        by_class(step, text, at_start, cp_is_punctuation, out);
        return ERR_OK;
    case PRE_DIGITS:
        by_class(step, text, at_start, cp_is_number, out);
        return ERR_OK;
    case PRE_WHITESPACE_SPLIT:
        by_class(step, text, at_start, cp_is_space, out);
        return ERR_OK;
    }
    return ERR_OK;
}

errc pretokenize(const struct pre_step *step, struct pieces *in_out, struct err *e)
{
    struct pieces out = { 0 };
    errc rc = ERR_OK;

    for (size_t i = 0; !rc && i < in_out->n; i++)
        if (in_out->v[i].id >= 0)
            pieces_add(&out, piece_str(in_out, i), in_out->v[i].id, in_out->v[i].at_start);
        else
            rc = pretokenize_piece(step, piece_str(in_out, i), in_out->v[i].at_start, &out, e);
    pieces_done(in_out);
    *in_out = out;
    return rc;
}
