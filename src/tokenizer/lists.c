/* Vocabulary and merges as text: found, checked, read. Every step returns false where the text is not as expected. */
#include "tokenizer/lists.h"

#include "tokenizer/priv.h"

#define DIGITS_MAX 9                    /* of an id */

/* ── steps ── */

static void advance(struct str *s, size_t n) { *s = str_n(s->p + n, s->n - n); }

static void skip_space(struct str *s)
{
    while (s->n && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        advance(s, 1);
}

static bool take(struct str *s, char c)
{
    skip_space(s);
    if (!s->n || *s->p != c)
        return false;
    advance(s, 1);
    return true;
}

/* The character that \c stands for; 0: none. \u is left to the other reader. */
static char escaped(char c)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *at = c ? strchr(names, c) : NULL;

    return at ? values[at - names] : 0;
}

/* A string as it is written, between its quotes; *out_plain: it means just that. */
static bool take_raw(struct str *s, struct str *out, bool *out_plain)
{
    unsigned char all = 0, c;
    size_t i = 0;

    *out_plain = true;
    if (!take(s, '"'))
        return false;
    for (; i < s->n && (c = (unsigned char)s->p[i]) != '"'; i++) {
        if (c < 0x20)
            return false;
        all |= c;
        if (c == '\\') {
            *out_plain = false;
            if (++i == s->n || !escaped(s->p[i]))
                return false;
        }
    }
    if (i == s->n)
        return false;
    *out = str_n(s->p, i);
    advance(s, i + 1);
    return all < 0x80 || str_utf8_valid(*out);
}

static bool take_string(struct str *s, struct buf *box, struct str *out)
{
    bool plain;

    if (!take_raw(s, out, &plain))
        return false;
    if (plain)
        return true;
    buf_clear(box);
    for (size_t i = 0; i < out->n; i++)
        buf_addc(box, out->p[i] == '\\' ? escaped(out->p[++i]) : out->p[i]);
    *out = buf_str(box);
    return true;
}

static bool take_id(struct str *s, int32_t *out)
{
    int32_t v = 0;
    size_t n = 0;

    skip_space(s);
    for (; n < s->n && n < DIGITS_MAX && s->p[n] >= '0' && s->p[n] <= '9'; n++)
        v = v * 10 + (s->p[n] - '0');
    if (!n || (n > 1 && *s->p == '0') || v >= ID_LIMIT)
        return false;
    advance(s, n);
    *out = v;
    return true;
}

/* Past a value of any kind. What is wrong inside it is found by who reads it. */
static bool skip_value(struct str *s)
{
    struct str raw;
    bool plain;
    size_t depth = 0;

    skip_space(s);
    do {
        if (s->n && *s->p == '"') {
            if (!take_raw(s, &raw, &plain))
                return false;
            continue;
        }
        if (!s->n)
            return false;
        depth += *s->p == '{' || *s->p == '[';
        if (*s->p == '}' || *s->p == ']') {
            if (!depth)
                return true;            /* of what encloses the value, a number or a word */
            depth--;
        } else if (!depth && *s->p == ',') {
            return true;
        }
        advance(s, 1);
    } while (depth || (s->n && *s->p != ',' && *s->p != '}' && *s->p != ']'));
    return true;
}

/* ── elements ── */

static bool token_element(struct str *s, struct buf *box, struct str *token, int32_t *id)
{
    return take_string(s, box, token) && take(s, ':') && take_id(s, id);
}

static bool merge_element(struct str *s, struct buf box[2], struct str *left, struct str *right)
{
    if (take(s, '['))
        return take_string(s, &box[0], left) && take(s, ',') && take_string(s, &box[1], right) && take(s, ']');
    struct str line;
    if (!take_string(s, &box[0], &line))
        return false;
    if (!str_cut(line, ' ', left, right))
        *right = STR("");
    return true;
}

struct scan scan_list(const struct list *l) { return (struct scan){ .rest = str_from(l->text, 1) }; }

void scan_done(struct scan *s)
{
    buf_done(&s->box[0]);
    buf_done(&s->box[1]);
}

/* False also at the closing bracket. */
bool scan_token(struct scan *s, struct str *token, int32_t *id)
{
    (void)take(&s->rest, ',');
    return token_element(&s->rest, s->box, token, id);
}

bool scan_merge(struct scan *s, struct str *left, struct str *right)
{
    (void)take(&s->rest, ',');
    return merge_element(&s->rest, s->box, left, right);
}

/* ── cutting ── */

static bool any_token(struct scan *s)
{
    struct str token;
    int32_t id;

    return token_element(&s->rest, s->box, &token, &id);
}

static bool any_merge(struct scan *s)
{
    struct str left, right;

    return merge_element(&s->rest, s->box, &left, &right);
}

/* Past a list whose elements are all as they should be; else s stays and *out is empty. */
static void take_list(struct str *s, char close, bool (*element)(struct scan *s), struct list *out)
{
    struct list all = { .text = *s };
    struct scan x = scan_list(&all);
    bool good = true;

    do {
        good = element(&x);
        all.n += good;
    } while (good && take(&x.rest, ','));
    if (good && take(&x.rest, close)) {
        all.text.n = (size_t)(x.rest.p - s->p);
        *out = all;
        *s = x.rest;
    }
    scan_done(&x);
}

struct cutter { struct lists *lists; size_t models; };

typedef bool member(struct cutter *c, struct str key, struct str *value);

/* Walks an object's members. */
static bool each_member(struct cutter *c, struct str *s, member *fn)
{
    struct str key;
    bool plain;

    if (!take(s, '{'))
        return false;
    do {
        if (!take_raw(s, &key, &plain) || !take(s, ':'))
            return false;
        skip_space(s);
        if (!fn(c, key, s))
            return false;
    } while (take(s, ','));
    return take(s, '}');
}

/* A list that is there twice is left as it is: the last one counts. */
static bool model_member(struct cutter *c, struct str key, struct str *value)
{
    bool vocab = str_is(key, "vocab");
    struct list *to = vocab ? &c->lists->vocab : str_is(key, "merges") ? &c->lists->merges : NULL;

    if (!to)
        return skip_value(value);
    if (to->text.p)
        return false;
    if (value->n && *value->p == (vocab ? '{' : '['))
        take_list(value, vocab ? '}' : ']', vocab ? any_token : any_merge, to);
    return to->text.p || skip_value(value);
}

static bool root_member(struct cutter *c, struct str key, struct str *value)
{
    if (!str_is(key, "model"))
        return skip_value(value);
    return c->models++ == 0 && each_member(c, value, model_member);
}

static void add_without(struct buf *rest, struct str text, const struct lists *l)
{
    const struct str *first = &l->vocab.text, *second = &l->merges.text;
    const char *at = text.p;

    if (!first->p || (second->p && second->p < first->p)) {
        first = &l->merges.text;
        second = &l->vocab.text;
    }
    for (size_t i = 0; i < 2; i++) {
        const struct str *cut = i ? second : first;
        if (!cut->p)
            continue;
        buf_add(rest, at, (size_t)(cut->p - at));
        buf_adds(rest, "null");
        at = cut->p + cut->n;
    }
    buf_add(rest, at, (size_t)(text.p + text.n - at));
}

bool lists_cut(struct str text, struct buf *rest, struct lists *out)
{
    struct lists found = { 0 };
    struct cutter c = { .lists = &found };
    struct str s = text;

    if (!each_member(&c, &s, root_member) || (!found.vocab.text.p && !found.merges.text.p))
        return false;
    add_without(rest, text, &found);
    *out = found;
    return true;
}
