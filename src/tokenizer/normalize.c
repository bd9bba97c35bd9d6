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

/* Code points of Unicode 12.1 and later with a decomposition that Hugging Face's older table does not have. */
static bool stays_whole(int32_t cp)
{
    static const struct cp_range later[] = {
        { 0x32FF, 0x32FF }, { 0xA7F2, 0xA7F4 }, { 0xAB69, 0xAB69 }, { 0x10781, 0x10785 }, { 0x10787, 0x107B0 }, { 0x107B2, 0x107BA },
        { 0x11938, 0x11938 }, { 0x1E030, 0x1E06D }, { 0x1F16C, 0x1F16C }, { 0x1FBF0, 0x1FBF9 },
    };
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (cp >= later[i].from && cp <= later[i].to)
            return true;
    return false;
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
