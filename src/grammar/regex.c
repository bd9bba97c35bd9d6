/*
 * Regular expressions as JSON schemas and guided_regex use them -> a network over code points.
 *
 * The whole text is meant: ^ at the front and $ at the end of an alternative say nothing more. An expression means here what
 * ECMA-262 and Python agree on; where they differ (Unicode digits, letters, blanks) only what both accept is made.
 */
#include "grammar/priv.h"

#define ARCS_MAX   200000u
#define GROUPS_MAX 64           /* nested */
#define REPEAT_MAX 5000

struct range { uint32_t lo, hi; };
struct ranges { struct range *v; size_t n, cap; };

struct parser {
    struct str s;
    size_t at;
    struct char_net *out;
    int depth;
    struct err *e;
};

void char_net_done(struct char_net *c)
{
    free(c->arcs);
    *c = (struct char_net){ 0 };
}

/* ---- building ---- */

static void add_arc(struct char_net *c, struct arc a)
{
    vec_grow(c->arcs, c->n, c->cap);
    c->arcs[c->n++] = a;
}

static void epsilon(struct char_net *c, uint32_t from, uint32_t to) { add_arc(c, (struct arc){ from, to, 0, 0, true }); }

static errc fail(struct parser *p, const char *what)
{
    return err_set(p->e, ERR_BAD_REQUEST, "regular expression, at %zu: %s", p->at, what);
}

static errc check_size(struct parser *p)
{
    return p->out->n > ARCS_MAX || p->out->n_nodes > NODES_MAX ? fail(p, "too large: repeats multiply what they repeat") : ERR_OK;
}

/* Part of the network: nodes and arcs that were made one after the other, so that it can be copied by adding offsets. */
struct part { uint32_t start, end, first_node; size_t first_arc; };

static struct part copy_part(struct char_net *c, const struct part *p, uint32_t end_node, size_t end_arc)
{
    uint32_t shift = c->n_nodes - p->first_node;
    struct part made = { p->start + shift, p->end + shift, c->n_nodes, c->n };

    c->n_nodes += end_node - p->first_node;
    for (size_t i = p->first_arc; i < end_arc; i++) {
        struct arc a = c->arcs[i];
        a.from += shift;
        a.to += shift;
        add_arc(c, a);
    }
    return made;
}

/* ---- sets of code points ---- */

static void ranges_add(struct ranges *r, uint32_t lo, uint32_t hi)
{
    vec_grow(r->v, r->n, r->cap);
    r->v[r->n++] = (struct range){ lo, hi };
}

static int by_lo(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return (x->lo > y->lo) - (x->lo < y->lo);
}

static void ranges_invert(struct ranges *r)
{
    struct ranges out = { 0 };
    uint32_t next = 0;

    if (r->n)
        qsort(r->v, r->n, sizeof *r->v, by_lo);
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].lo > next)
            ranges_add(&out, next, r->v[i].lo - 1);
        if (r->v[i].hi + 1 > next)
            next = r->v[i].hi + 1;
    }
    if (next <= 0x10ffff)
        ranges_add(&out, next, 0x10ffff);
    free(r->v);
    *r = out;
}

/*
 * The shorthand classes: what every reading accepts (narrow), and what some reading accepts (wide), which is what a negated class
 * must keep out. U+0660 is the first digit beyond ASCII.
 */
#define BLANKS { 9, 13 }, { 32, 32 }
static const struct shorthand { char name; struct range narrow[12], wide[12]; } shorthands[] = {
    { 'd', { { '0', '9' } }, { { '0', '9' }, { 0x660, 0x2fff }, { 0xa000, 0x10ffff } } },
    { 'D', { { 0, '/' }, { ':', 0x65f }, { 0x3000, 0x9fff } }, { { 0, '/' }, { ':', 0x10ffff } } },
    { 'w', { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } }, { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' }, { 0x80, 0x10ffff } } },
    { 'W', { { 0, '/' }, { ':', '@' }, { '[', '^' }, { '`', '`' }, { '{', 0x7f } }, { { 0, '/' }, { ':', '@' }, { '[', '^' }, { '`', '`' }, { '{', 0x10ffff } } },
    { 's', { BLANKS }, { BLANKS, { 28, 31 }, { 0x85, 0x85 }, { 0xa0, 0xa0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200a }, { 0x2028, 0x2029 }, { 0x202f, 0x202f }, { 0x205f, 0x205f }, { 0x3000, 0x3000 }, { 0xfeff, 0xfeff } } },
    { 'S', { { 0, 8 }, { 14, 27 }, { 33, 0x84 }, { 0x86, 0x9f }, { 0xa1, 0x167f }, { 0x1681, 0x1fff }, { 0x200b, 0x2027 }, { 0x202a, 0x202e }, { 0x2030, 0x205e }, { 0x2060, 0x2fff }, { 0x3001, 0xfefe }, { 0xff00, 0x10ffff } },
      { { 0, 8 }, { 14, 31 }, { 33, 0x10ffff } } },
};

static bool add_shorthand(struct ranges *r, char name, bool wide)
{
    for (size_t i = 0; i < ARRAY_LEN(shorthands); i++) {
        const struct range *v = wide ? shorthands[i].wide : shorthands[i].narrow;
        if (shorthands[i].name != name)
            continue;
        for (size_t k = 0; k < 12 && (v[k].hi || !k); k++)
            ranges_add(r, v[k].lo, v[k].hi);
        return true;
    }
    return false;
}

/* ---- reading ---- */

static int peek(const struct parser *p) { return p->at < p->s.n ? (unsigned char)p->s.p[p->at] : -1; }
static bool take(struct parser *p, char c)
{
    if (peek(p) != (unsigned char)c)
        return false;
    p->at++;
    return true;
}

static bool take_text(struct parser *p, const char *text)
{
    struct str s = str_of(text);

    if (!str_has_prefix(str_from(p->s, p->at), s))
        return false;
    p->at += s.n;
    return true;
}

/* The pattern is valid UTF-8. */
static uint32_t next_char(struct parser *p)
{
    unsigned char c = (unsigned char)p->s.p[p->at++];
    int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t cp = more ? c & (0x3fu >> more) : c;

    for (; more; more--)
        cp = cp << 6 | ((unsigned char)p->s.p[p->at++] & 0x3f);
    return cp;
}

static bool hex_digits(struct parser *p, size_t n, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        static const char digits[] = "0123456789abcdef";
        int c = peek(p);
        const char *d = c > 0 ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
        if (!d)
            return false;
        *out = *out * 16 + (uint32_t)(d - digits);
        p->at++;
    }
    return true;
}

/* \x41, \u0041, \U00000041, \u{41}: what stands behind the letter, which was taken. */
static errc code_point(struct parser *p, int letter, uint32_t *out)
{
    if (letter != 'u' || !take(p, '{'))
        return hex_digits(p, letter == 'x' ? 2 : letter == 'u' ? 4 : 8, out) && *out <= 0x10ffff
            ? ERR_OK : fail(p, "\\x needs 2 and \\u 4 hexadecimal digits");
    for (*out = 0; peek(p) >= 0 && peek(p) != '}' && *out <= 0x10ffff;) {
        uint32_t digit;
        if (!hex_digits(p, 1, &digit))
            break;
        *out = *out * 16 + digit;
    }
    return take(p, '}') && *out <= 0x10ffff ? ERR_OK : fail(p, "\\u{...} needs a code point in hexadecimal");
}

/* Why an escape is refused; NULL: it is not, and stands for itself. */
static const char *refused_escape(int c)
{
    static const struct { const char *letters, *why; } rows[] = {
        { "123456789k", "back references are not supported" }, { "bB", "word boundaries are not supported" },
        { "pP", "Unicode properties (\\p) are not supported" },
    };

    for (size_t i = 0; c && i < ARRAY_LEN(rows); i++)
        if (strchr(rows[i].letters, c))
            return rows[i].why;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? "unknown escape" : NULL;
}

/* After a backslash that begins no shorthand: one code point. */
static errc escaped_char(struct parser *p, bool in_class, uint32_t *out)
{
    static const struct { char name; uint32_t cp; } escapes[] = { { 'n', 10 }, { 't', 9 }, { 'r', 13 }, { 'f', 12 }, { 'v', 11 }, { 'a', 7 }, { '0', 0 }, { 'b', 8 } };
    int c = peek(p);

    if (c < 0)
        return fail(p, "a backslash at the end");
    if (c == 'x' || c == 'u' || c == 'U') {
        p->at++;
        return code_point(p, c, out);
    }
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++)
        if (c == escapes[i].name && (c != 'b' || in_class)) {   /* elsewhere \b is a word boundary */
            p->at++;
            *out = escapes[i].cp;
            return ERR_OK;
        }
    const char *why = refused_escape(c);
    if (why)
        return fail(p, why);
    *out = next_char(p);
    return ERR_OK;
}

static errc class_item(struct parser *p, bool negated, struct ranges *r)
{
    uint32_t lo, hi;

    if (take(p, '\\')) {
        if (peek(p) >= 0 && add_shorthand(r, (char)peek(p), negated)) {
            p->at++;
            return ERR_OK;
        }
        TRY(escaped_char(p, true, &lo));
    } else {
        if (peek(p) == '[' && p->at + 1 < p->s.n && strchr(":.=", p->s.p[p->at + 1]))
            return fail(p, "[:...:] inside a class is not supported");
        lo = next_char(p);
    }
    hi = lo;
    if (peek(p) == '-' && p->at + 1 < p->s.n && p->s.p[p->at + 1] != ']') {
        p->at++;
        if (take(p, '\\')) {
            if (peek(p) >= 0 && strchr("dDwWsS", peek(p)))
                return fail(p, "a range cannot end in a class");
            TRY(escaped_char(p, true, &hi));
        } else {
            hi = next_char(p);
        }
    }
    if (hi < lo)
        return fail(p, "a range runs backwards");
    ranges_add(r, lo, hi);
    return ERR_OK;
}

static errc class_ranges(struct parser *p, struct ranges *r)
{
    bool negated = take(p, '^');

    if (peek(p) == ']')                 /* Python reads it as a member, ECMA as the end of an empty class */
        return fail(p, "write \\] for a bracket at the front of a class");
    while (!take(p, ']')) {
        if (peek(p) < 0)
            return fail(p, "a class without its ]");
        TRY(class_item(p, negated, r));
    }
    if (negated)
        ranges_invert(r);
    return ERR_OK;
}

static struct part part_begin(const struct char_net *c) { return (struct part){ .first_node = c->n_nodes, .first_arc = c->n }; }

static void put_ranges(struct char_net *c, const struct ranges *r, struct part *out)
{
    *out = part_begin(c);
    out->start = c->n_nodes++;
    out->end = c->n_nodes++;
    for (size_t i = 0; i < r->n; i++)
        add_arc(c, (struct arc){ out->start, out->end, r->v[i].lo, r->v[i].hi, false });
}

static errc alternatives(struct parser *p, struct part *out);

static errc group(struct parser *p, struct part *out)
{
    if (take(p, '?')) {
        if (take_text(p, "P<") || (peek(p) == '<' && p->at + 1 < p->s.n && !strchr("=!", p->s.p[p->at + 1]) && take(p, '<'))) {
            while (peek(p) >= 0 && peek(p) != '>')
                p->at++;
            p->at += peek(p) >= 0;
        } else if (!take(p, ':')) {
            return fail(p, "(?...) is not supported but for (?:...) and named groups: no look-around, no flags");
        }
    }
    TRY(alternatives(p, out));
    return take(p, ')') ? ERR_OK : fail(p, "a group without its )");
}

static errc atom_ranges(struct parser *p, struct ranges *r)
{
    uint32_t cp;

    if (take(p, '.')) {                 /* no line end in any reading */
        ranges_add(r, 10, 10);
        ranges_add(r, 13, 13);
        ranges_add(r, 0x2028, 0x2029);
        ranges_invert(r);
        return ERR_OK;
    }
    if (take(p, '['))
        return class_ranges(p, r);
    if (take(p, '\\')) {
        if (peek(p) >= 0 && add_shorthand(r, (char)peek(p), false)) {
            p->at++;
            return ERR_OK;
        }
        TRY(escaped_char(p, false, &cp));
    } else {
        if (strchr("*+?{", peek(p)))
            return fail(p, "a repeat with nothing before it");
        cp = next_char(p);
    }
    ranges_add(r, cp, cp);
    return ERR_OK;
}

static errc atom(struct parser *p, struct part *out)
{
    struct ranges r = { 0 };

    if (take(p, '('))
        return group(p, out);
    errc rc = atom_ranges(p, &r);
    if (!rc)
        put_ranges(p->out, &r, out);
    free(r.v);
    return rc;
}

static bool number(struct parser *p, int64_t *out)
{
    size_t from = p->at;

    for (*out = 0; peek(p) >= '0' && peek(p) <= '9' && *out <= REPEAT_MAX; p->at++)
        *out = *out * 10 + peek(p) - '0';
    return p->at > from;
}

/* *max -1: no limit. */
static errc repeat_range(struct parser *p, int64_t *min, int64_t *max, bool *found)
{
    *found = true;
    if (take(p, '*')) {
        *min = 0, *max = -1;
    } else if (take(p, '+')) {
        *min = 1, *max = -1;
    } else if (take(p, '?')) {
        *min = 0, *max = 1;
    } else if (take(p, '{')) {
        bool low = number(p, min);
        *max = *min;
        if (take(p, ',') && !number(p, max))
            *max = -1;
        if (!low || !take(p, '}'))
            return fail(p, "a repeat is {n}, {n,} or {n,m}; write \\{ for a brace");
        if (*min > REPEAT_MAX || *max > REPEAT_MAX || (*max >= 0 && *max < *min))
            return fail(p, "a repeat must run forwards and stay within 5000");
    } else {
        *found = false;
        return ERR_OK;
    }
    (void)take(p, '?');                 /* lazy: the same texts */
    return peek(p) == '+' ? fail(p, "possessive repeats are not supported") : ERR_OK;
}

/* min copies in a row, then max - min that may be left at any point, or a loop. */
static errc repeat(struct parser *p, struct part *io, int64_t min, int64_t max)
{
    struct char_net *c = p->out;
    struct part one = *io;
    uint32_t end_node = c->n_nodes, start = c->n_nodes++, end = c->n_nodes++, at = start;
    size_t end_arc = c->n;
    int64_t copies = max < 0 ? (min ? min : 1) : max;

    for (int64_t i = 0; i < copies; i++) {
        struct part piece = i ? copy_part(c, &one, end_node, end_arc) : one;
        if (i >= min)
            epsilon(c, at, end);
        epsilon(c, at, piece.start);
        if (max < 0 && i == copies - 1)
            epsilon(c, piece.end, piece.start);
        at = piece.end;
        TRY(check_size(p));
    }
    epsilon(c, at, end);
    io->start = start;
    io->end = end;
    return ERR_OK;
}

static errc piece(struct parser *p, struct part *out)
{
    int64_t min, max;
    bool found;

    TRY(atom(p, out));
    TRY(check_size(p));
    for (;;) {
        TRY(repeat_range(p, &min, &max, &found));
        if (!found)
            return ERR_OK;
        TRY(repeat(p, out, min, max));
    }
}

static errc sequence(struct parser *p, struct part *out)
{
    *out = part_begin(p->out);
    out->start = out->end = p->out->n_nodes++;
    while (take(p, '^') || take_text(p, "\\A"))
        ;
    while (peek(p) >= 0 && peek(p) != '|' && peek(p) != ')') {
        struct part next;
        if (take(p, '$') || take_text(p, "\\Z") || take_text(p, "\\z")) {
            if (peek(p) >= 0 && peek(p) != '|' && peek(p) != ')')
                return fail(p, "$ is supported at the end only");
            break;
        }
        if (peek(p) == '^')
            return fail(p, "^ is supported at the front only");
        TRY(piece(p, &next));
        epsilon(p->out, out->end, next.start);
        out->end = next.end;
    }
    return ERR_OK;
}

static errc alternatives(struct parser *p, struct part *out)
{
    struct part made = part_begin(p->out);

    if (++p->depth > GROUPS_MAX)
        return fail(p, "groups nest deeper than 64");
    made.start = p->out->n_nodes++;
    made.end = p->out->n_nodes++;
    do {
        struct part one;
        TRY(sequence(p, &one));
        epsilon(p->out, made.start, one.start);
        epsilon(p->out, one.end, made.end);
    } while (take(p, '|'));
    p->depth--;
    *out = made;
    return ERR_OK;
}

errc regex_parse(struct str pattern, struct char_net *out, struct err *e)
{
    struct parser p = { .s = pattern, .out = out, .e = e };
    struct part whole;

    if (pattern.n > 65536 || !str_utf8_valid(pattern))
        return err_set(e, ERR_BAD_REQUEST, "regular expression: must be valid UTF-8 of at most 65536 bytes");
    TRY(alternatives(&p, &whole));
    if (p.at < pattern.n)
        return fail(&p, "a ) without its (");
    out->start = whole.start;
    out->end = whole.end;
    return ERR_OK;
}
