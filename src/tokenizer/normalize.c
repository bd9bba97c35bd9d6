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

static errc unicode_form(int form, struct str in, struct buf *out, struct err *e)
{
    utf8proc_uint8_t *made = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)in.p, (utf8proc_ssize_t)in.n, &made, form);

    if (n < 0)
        return err_set(e, ERR_INVALID, "text could not be normalised: %s", utf8proc_errmsg(n));
    buf_add(out, made, (size_t)n);
    free(made);
    return ERR_OK;
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

static void without_marks(struct str in, struct buf *out)
{
    for (size_t at = 0; at < in.n;) {
        int32_t cp = utf8_next(in, &at);
        if (!cp_is_mark(cp))
            add_cp(out, cp);
    }
}

static void bert_clean(struct str in, bool cjk, bool clean, struct buf *out)
{
    for (size_t at = 0; at < in.n;) {
        int32_t cp = utf8_next(in, &at);
        if (clean && (cp == 0 || cp == 0xFFFD || cp_is_control(cp)))
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
        without_marks(buf_str(&b), &a);
    }
    if (step->lowercase)
        lowercase(buf_str(&a), out);
    else
        buf_addstr(out, buf_str(&a));
    return ERR_OK;
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
        without_marks(in, out);
        return ERR_OK;
    case NORM_BERT:
        return bert(step, in, out, e);
    }
    return ERR_OK;
}

errc normalize(const struct norm_step *steps, size_t n, struct str in, struct buf *out, struct err *e)
{
    AUTO_BUF now = { 0 }, next = { 0 };

    buf_addstr(&now, in);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&next);
        TRY(normalize_step(&steps[i], buf_str(&now), &next, e));
        struct buf swap = now;
        now = next, next = swap;
    }
    buf_addstr(out, buf_str(&now));
    return ERR_OK;
}
