/* Normalizers: text in, text out. */
#include <utf8proc.h>

#include "tokenizer/priv.h"

static errc replace(const struct norm_step *step, struct str in, struct buf *out, struct err *e)
{
    struct spans spans = { 0 };
    errc rc = pattern_spans(&step->pattern, in, &spans, e);

    for (size_t i = 0; !rc && i < spans.n; i++)
        if (spans.v[i].match)
            buf_addstr(out, step->text);
        else
            buf_add(out, in.p + spans.v[i].start, spans.v[i].end - spans.v[i].start);
    free(spans.v);
    return rc;
}

static errc form_of(int form, struct str in, struct buf *out, struct err *e)
{
    utf8proc_uint8_t *made = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)in.p, (utf8proc_ssize_t)in.n, &made, form);

    if (n < 0)
        return err_set(e, ERR_INVALID, "text could not be normalised: %s", utf8proc_errmsg(n));
    buf_add(out, made, (size_t)n);
    free(made);
    return ERR_OK;
}

/*
 * What Unicode gave a decomposition or a combining class after the version of Hugging Face's table: there such a character is left alone
 * and marks do not move across it. In order.
 */
static bool stays_whole(int32_t cp)
{
    static const struct cp_range later[] = {
        { 0x7FD, 0x7FD }, { 0x897, 0x89F }, { 0x8CA, 0x8D3 }, { 0x9FE, 0x9FE }, { 0xC3C, 0xC3C }, { 0xCF3, 0xCF3 },
        { 0xD3B, 0xD3C }, { 0xEBA, 0xEBA }, { 0xECE, 0xECE }, { 0x1715, 0x1715 }, { 0x1ABF, 0x1ACE },
        { 0x1DF6, 0x1DFA }, { 0x32FF, 0x32FF }, { 0xA7F2, 0xA7F4 }, { 0xA82C, 0xA82C }, { 0xAB69, 0xAB69 },
        { 0x10781, 0x10785 }, { 0x10787, 0x107B0 }, { 0x107B2, 0x107BA }, { 0x10D24, 0x10D27 }, { 0x10D69, 0x10D6D },
        { 0x10EAB, 0x10EAC }, { 0x10EFC, 0x10EFF }, { 0x10F46, 0x10F50 }, { 0x10F82, 0x10F85 }, { 0x11070, 0x11070 },
        { 0x11241, 0x11241 }, { 0x1133B, 0x1133B }, { 0x113B8, 0x113C0 }, { 0x113C2, 0x113C2 }, { 0x113C5, 0x113C5 },
        { 0x113C7, 0x113CA }, { 0x113CC, 0x113D0 }, { 0x113D2, 0x113D2 }, { 0x113E1, 0x113E2 }, { 0x1145E, 0x1145E },
        { 0x11839, 0x1183A }, { 0x11938, 0x11938 }, { 0x1193D, 0x1193E }, { 0x11943, 0x11943 }, { 0x119E0, 0x119E0 },
        { 0x11A34, 0x11A34 }, { 0x11A47, 0x11A47 }, { 0x11A99, 0x11A99 }, { 0x11D42, 0x11D42 }, { 0x11D44, 0x11D45 },
        { 0x11D97, 0x11D97 }, { 0x11F00, 0x11F01 }, { 0x11F03, 0x11F03 }, { 0x11F34, 0x11F3A }, { 0x11F3E, 0x11F42 },
        { 0x11F5A, 0x11F5A }, { 0x13440, 0x13440 }, { 0x13447, 0x13455 }, { 0x1611E, 0x1612F }, { 0x16FF0, 0x16FF1 },
        { 0x1E030, 0x1E06D }, { 0x1E08F, 0x1E08F }, { 0x1E130, 0x1E136 }, { 0x1E2AE, 0x1E2AE }, { 0x1E2EC, 0x1E2EF },
        { 0x1E4EC, 0x1E4EF }, { 0x1E5EE, 0x1E5EF }, { 0x1F16C, 0x1F16C }, { 0x1FBF0, 0x1FBF9 },
    };
    size_t low = 0, high = ARRAY_LEN(later);

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > later[mid].to)
            low = mid + 1;
        else
            high = mid;
    }
    return low < ARRAY_LEN(later) && cp >= later[low].from;
}

static errc unicode_form(int form, struct str in, struct buf *out, struct err *e)
{
    size_t done = 0;

    for (size_t at = 0; at < in.n;) {
        size_t start = at;
        if (!stays_whole(utf8_next(in, &at)))
            continue;
        TRY(form_of(form, str_n(in.p + done, start - done), out, e));
        buf_add(out, in.p + start, at - start);
        done = at;
    }
    return form_of(form, str_from(in, done), out, e);
}

static void add_cp(struct buf *out, int32_t cp)
{
    char bytes[4];
    buf_add(out, bytes, utf8_put(cp, bytes));
}

static void lowercase(struct str in, struct buf *out)
{
    for (size_t at = 0; at < in.n;) {
        int32_t cp = utf8_next(in, &at);
        if (cp == 0x130)        /* the one simple letter whose lower case is two code points */
            buf_adds(out, "i\xCC\x87");
        else
            add_cp(out, cp_lower(cp));
    }
}

static void strip(const struct norm_step *step, struct str in, struct buf *out)
{
    size_t start = 0, end = in.n;

    for (size_t at = 0; step->left && at < in.n; start = at)
        if (!cp_is_space(utf8_next(in, &at)))
            break;
    for (size_t at = start, last = start; step->right && at < in.n; end = last)
        if (!cp_is_space(utf8_next(in, &at)))
            last = at;
    if (end > start)
        buf_add(out, in.p + start, end - start);
}

static void without(enum cp_class class, struct str in, struct buf *out)
{
    for (size_t at = 0; at < in.n;) {
        int32_t cp = utf8_next(in, &at);
        if (!cp_is(cp, class))
            add_cp(out, cp);
    }
}

static void bert_clean(struct str in, bool cjk, bool clean, struct buf *out)
{
    for (size_t at = 0; at < in.n;) {
        int32_t cp = utf8_next(in, &at);
        if (clean && cp_is(cp, CP_CONTROL))
            continue;
        bool lone = cjk && cp_is_cjk(cp);
        if (lone)
            buf_addc(out, ' ');
        add_cp(out, clean && cp_is_space(cp) ? ' ' : cp);
        if (lone)
            buf_addc(out, ' ');
    }
}

static errc bert(const struct norm_step *step, struct str in, struct buf *out, struct err *e)
{
    AUTO_BUF a = { 0 }, b = { 0 };

    bert_clean(in, step->cjk, step->clean, &a);
    if (step->accents) {
        TRY(unicode_form(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, buf_str(&a), &b, e));
        buf_clear(&a);
        without(CP_NONSPACING, buf_str(&b), &a);
    }
    if (step->lowercase)
        lowercase(buf_str(&a), out);
    else
        buf_addstr(out, buf_str(&a));
    return ERR_OK;
}

static bool nmt_drops(int32_t cp)
{
    return (cp >= 1 && cp <= 8) || cp == 11 || (cp >= 14 && cp <= 31) || cp == 127 || cp == 0x8F || cp == 0x9F;
}

/* What SentencePiece's nmt rules do: control characters go, odd white space becomes a blank. */
static void nmt(struct str in, struct buf *out)
{
    for (size_t at = 0; at < in.n;) {
        int32_t cp = utf8_next(in, &at);
        bool blank = cp == 9 || cp == 10 || cp == 12 || cp == 13 || cp == 0x1680 || (cp >= 0x200B && cp <= 0x200F) || cp == 0x2028 ||
                     cp == 0x2029 || cp == 0x2581 || cp == 0xFEFF || cp == 0xFFFD;
        if (!nmt_drops(cp))
            add_cp(out, blank ? ' ' : cp);
    }
}

static errc normalize_step(const struct norm_step *step, struct str in, struct buf *out, struct err *e)
{
    switch (step->kind) {
    case NORM_PREPEND:
        if (in.n)
            buf_addstr(out, step->text);
        buf_addstr(out, in);
        return ERR_OK;
    case NORM_REPLACE:
        return replace(step, in, out, e);
    case NORM_FORM:
        return unicode_form(step->form, in, out, e);
    case NORM_LOWERCASE:
        lowercase(in, out);
        return ERR_OK;
    case NORM_STRIP:
        strip(step, in, out);
        return ERR_OK;
    case NORM_STRIP_ACCENTS:
        without(CP_MARK, in, out);
        return ERR_OK;
    case NORM_BERT:
        return bert(step, in, out, e);
    case NORM_CHARSMAP:
        charsmap_apply(&step->charsmap, in, out);
        return ERR_OK;
    case NORM_NMT:
        nmt(in, out);
        return ERR_OK;
    case NORM_BYTE_LEVEL:
        for (size_t i = 0; i < in.n; i++)
            add_cp(out, byte_level_cp((unsigned char)in.p[i]));
        return ERR_OK;
    }
    return ERR_OK;
}

/* Whether the step takes away the text's first character without putting something in its place. */
static bool drops_first(const struct norm_step *step, struct str in)
{
    size_t at = 0;

    if (!in.n)
        return false;
    int32_t cp = utf8_next(in, &at);
    switch (step->kind) {
    case NORM_STRIP:
        return step->left && cp_is_space(cp);
    case NORM_STRIP_ACCENTS:
        return cp_is(cp, CP_MARK);
    case NORM_BERT:
        return (step->clean && cp_is(cp, CP_CONTROL)) || (step->accents && cp_is(cp, CP_NONSPACING));
    case NORM_NMT:
        return nmt_drops(cp);
    default:
        return false;
    }
}

errc normalize(const struct norm_step *steps, size_t n, struct str in, struct buf *out, bool *cut, struct err *e)
{
    AUTO_BUF now = { 0 }, next = { 0 };
    bool lost = false;

    buf_addstr(&now, in);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&next);
        TRY(normalize_step(&steps[i], buf_str(&now), &next, e));
        lost = steps[i].kind == NORM_PREPEND && now.n ? false : lost || drops_first(&steps[i], buf_str(&now));
        struct buf swap = now;
        now = next, next = swap;
    }
    if (cut)
        *cut = lost;
    buf_addstr(out, buf_str(&now));
    return ERR_OK;
}
