/* PCRE2 behind a small face: patterns come from model files, so matching has limits. */
#include "tokenizer/priv.h"

#define MATCH_LIMIT 50000000u           /* PCRE2's own measure of work for one match */

struct regex { pcre2_code *code; };
/* What one thread needs to match. */
struct regex_run { const struct regex *re; pcre2_match_data *data; pcre2_match_context *ctx; };

errc regex_new(struct str pattern, struct regex **out, struct err *e)
{
    AUTO_BUF ours = { 0 };
    int code = 0;
    PCRE2_SIZE at = 0;

    onig_to_pcre(pattern, &ours);
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)buf_cstr(&ours), ours.n, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);

    if (!c) {
        PCRE2_UCHAR why[120] = "";
        pcre2_get_error_message(code, why, sizeof why);
        return err_set(e, ERR_CORRUPT, "regular expression \"%.*s\": %s at %zu", STR_ARG(pattern), (char *)why, (size_t)at);
    }
    (void)pcre2_jit_compile(c, PCRE2_JIT_COMPLETE);     /* without JIT it is slower, not wrong */
    *out = xmalloc(sizeof **out);
    (*out)->code = c;
    return ERR_OK;
}

void regex_free(struct regex *r)
{
    if (r)
        pcre2_code_free(r->code);
    free(r);
}

static struct regex_run *regex_run_new(const struct regex *r)
{
    struct regex_run *run = xzalloc(sizeof *run);

    run->re = r;
    run->data = pcre2_match_data_create_from_pattern(r->code, NULL);
    run->ctx = pcre2_match_context_create(NULL);
    if (!run->data || !run->ctx)
        abort();
    pcre2_set_match_limit(run->ctx, MATCH_LIMIT);
    return run;
}

static void regex_run_free(struct regex_run *run)
{
    if (!run)
        return;
    pcre2_match_data_free(run->data);
    pcre2_match_context_free(run->ctx);
    free(run);
}
DEFINE_AUTO_FREE(regex_run)

/* Next match at or after `from`; *found is false when there is none. */
static errc regex_next(struct regex_run *run, struct str s, size_t from, bool *found, size_t *start, size_t *end, struct err *e)
{
    uint32_t how = PCRE2_NO_UTF_CHECK;          /* the text was repaired before */
    int rc = pcre2_match(run->re->code, (PCRE2_SPTR)s.p, s.n, from, how, run->data, run->ctx);

    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(run->re->code, (PCRE2_SPTR)s.p, s.n, from, how | PCRE2_NO_JIT, run->data, run->ctx);
    *found = rc >= 0;
    if (rc == PCRE2_ERROR_NOMATCH)
        return ERR_OK;
    if (rc < 0)
        return err_set(e, ERR_TOO_LARGE, "the tokenizer's regular expression gave up on this text (PCRE2 error %d)", rc);
    PCRE2_SIZE *v = pcre2_get_ovector_pointer(run->data);
    *start = v[0], *end = v[1];
    return ERR_OK;
}

static void spans_add(struct spans *out, size_t start, size_t end, bool match)
{
    vec_grow(out->v, out->n, out->cap);
    out->v[out->n++] = (struct span){ start, end, match };
}

static void string_spans(struct str needle, struct str s, struct spans *out)
{
    size_t from = 0, at;

    while (needle.n && str_find(str_from(s, from), needle, &at)) {
        if (at)
            spans_add(out, from, from + at, false);
        spans_add(out, from + at, from + at + needle.n, true);
        from += at + needle.n;
    }
    if (from < s.n)
        spans_add(out, from, s.n, false);
}

static int32_t stand_in_of(int32_t cp)
{
    size_t low = 0, high = n_cp_later;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > cp_later[mid].to)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n_cp_later && cp >= cp_later[low].from ? cp_later[low].stand_in : cp;
}

/* s as PCRE2 is to see it: the same bytes, or a copy of as many in which newer characters have a stand-in. */
static struct str subject(struct str s, struct buf *copy)
{
    for (size_t at = 0; at < s.n;) {
        size_t start = at;
        if ((unsigned char)s.p[at] < 0xE0) {            /* the first of them has three bytes */
            at++;
            continue;
        }
        int32_t cp = utf8_next(s, &at), other = stand_in_of(cp);
        if (other == cp)
            continue;
        char bytes[4];
        if (!copy->n)
            buf_addstr(copy, s);
        memcpy(copy->p + start, bytes, utf8_put(other, bytes));
    }
    return copy->n ? buf_str(copy) : s;
}

errc pattern_spans(const struct pattern *p, struct str s, struct spans *out, struct err *e)
{
    if (!p->re) {
        string_spans(p->text, s, out);
        return ERR_OK;
    }
    AUTO_FREE(regex_run) run = regex_run_new(p->re);
    AUTO_BUF copy = { 0 };
    size_t done = 0, from = 0, last = SIZE_MAX;

    s = subject(s, &copy);
    while (s.n && from <= s.n) {
        bool found;
        size_t start = 0, end = 0;
        TRY(regex_next(run, s, from, &found, &start, &end, e));
        if (!found)
            break;
        if (start == end && end == last) {      /* an empty match just behind the last one is none */
            from += from < s.n ? utf8_len((unsigned char)s.p[from]) : 1;
            continue;
        }
        if (start > done)
            spans_add(out, done, start, false);
        spans_add(out, start, end, true);
        done = from = last = end;
    }
    if (done < s.n)
        spans_add(out, done, s.n, false);
    return ERR_OK;
}
