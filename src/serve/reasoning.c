#include "serve/reasoning.h"

#include "base/mem.h"

static const struct reasoning_format formats[] = {
    { "deepseek_r1", "<think>", "</think>", .begun = true },
    { "qwen3", "<think>", "</think>", .begun = false },
};

const struct reasoning_format *reasoning_format_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (streq(formats[i].name, name))
            return &formats[i];
    return NULL;
}

const char *reasoning_format_names(void) { return "deepseek_r1, qwen3"; }

enum place { AT_FRONT, IN_THOUGHTS, IN_ANSWER };

struct reasoning_reader {
    const struct reasoning_format *format;
    enum place place;
    struct buf held;            /* not dealt with yet */
};

struct reasoning_reader *reasoning_reader_new(const struct reasoning_format *f)
{
    struct reasoning_reader *r = xzalloc(sizeof *r);

    r->format = f;
    return r;
}

void reasoning_reader_free(struct reasoning_reader *r)
{
    if (!r)
        return;
    buf_done(&r->held);
    free(r);
}

/* The start mark, blanks before it allowed, or its absence. False: more text is needed. */
static bool pass_start(struct reasoning_reader *r, bool end)
{
    struct str s = buf_str(&r->held), start = str_of(r->format->start);
    size_t at = strspn(buf_cstr(&r->held), " \t\r\n");
    struct str front = str_from(s, at);

    if (!end && front.n < start.n && str_has_prefix(start, front))
        return false;
    if (str_has_prefix(front, start)) {
        buf_cut(&r->held, at + start.n);
        r->place = IN_THOUGHTS;
    } else {
        r->place = r->format->begun ? IN_THOUGHTS : IN_ANSWER;
    }
    return true;
}

/* How much of s cannot be the beginning of mark. */
static size_t certain(struct str s, struct str mark)
{
    for (size_t n = mark.n - 1; n; n--)
        if (str_has_suffix(s, str_n(mark.p, n)))
            return s.n - n;
    return s.n;
}

static void pass_thoughts(struct reasoning_reader *r, bool end, struct buf *thoughts)
{
    struct str s = buf_str(&r->held), mark = str_of(r->format->end);
    size_t at;

    if (str_find(s, mark, &at)) {
        buf_add(thoughts, s.p, at);
        buf_cut(&r->held, at + mark.n);
        r->place = IN_ANSWER;
        return;
    }
    at = end ? s.n : certain(s, mark);
    buf_add(thoughts, s.p, at);
    buf_cut(&r->held, at);
}

void reasoning_reader_add(struct reasoning_reader *r, struct str text, bool end, struct buf *thoughts, struct buf *answer)
{
    buf_addstr(&r->held, text);
    if (r->place == AT_FRONT && !pass_start(r, end))
        return;
    if (r->place == IN_THOUGHTS)
        pass_thoughts(r, end, thoughts);
    if (r->place == IN_ANSWER) {
        buf_addstr(answer, buf_str(&r->held));
        buf_clear(&r->held);
    }
}
