/*
 * GBNF, the grammar language of llama.cpp: `name ::= alternatives`, where an alternative is a sequence of "literals", [classes],
 * names, (groups) and `.`, each with *, +, ?, {n}, {n,} or {n,m} behind it. # begins a comment. The text is what `root` makes.
 */
#include "base/map.h"
#include "grammar/priv.h"

#define GROUPS_MAX 64
#define REPEAT_MAX 2000

struct reader {
    struct str s;
    size_t at;
    struct net net;
    struct map *names;                  /* -> rule + 1 */
    struct map *defined;                /* names that stood before ::= */
    int depth;
    struct err *e;
};

static errc alternatives(struct reader *r, bool nested, uint32_t from, uint32_t to);

static errc fail(struct reader *r, const char *what)
{
    size_t line = 1;

    for (size_t i = 0; i < r->at && i < r->s.n; i++)
        line += r->s.p[i] == '\n';
    return err_set(r->e, ERR_BAD_REQUEST, "grammar, line %zu: %s", line, what);
}

static int peek(const struct reader *r) { return r->at < r->s.n ? (unsigned char)r->s.p[r->at] : -1; }
static bool take(struct reader *r, char c)
{
    bool is = peek(r) == (unsigned char)c;

    r->at += is;
    return is;
}

/* Blanks and comments; line ends too inside groups and between rules. */
static void skip(struct reader *r, bool lines)
{
    for (;;) {
        int c = peek(r);
        if (c == '#')
            while (peek(r) >= 0 && peek(r) != '\n')
                r->at++;
        else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r')))
            r->at++;
        else
            return;
    }
}

static bool is_name(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

static struct str read_name(struct reader *r)
{
    size_t from = r->at;

    while (is_name(peek(r)))
        r->at++;
    return str_n(r->s.p + from, r->at - from);
}

static uint32_t rule_named(struct reader *r, struct str name)
{
    void *known = map_get(r->names, name);

    if (known)
        return (uint32_t)((uintptr_t)known - 1);
    uint32_t rule = net_rule(&r->net);
    map_put(r->names, name, (void *)((uintptr_t)rule + 1));
    return rule;
}

/* ---- characters ---- */

static errc read_hex(struct reader *r, size_t n, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        int c = peek(r), low = c | 32;
        if (!((c >= '0' && c <= '9') || (low >= 'a' && low <= 'f')))
            return fail(r, "an escape needs hexadecimal digits: \\xXX, \\uXXXX, \\UXXXXXXXX");
        *out = *out * 16 + (uint32_t)(c <= '9' ? c - '0' : low - 'a' + 10);
        r->at++;
    }
    return *out > 0x10ffff ? fail(r, "an escape beyond U+10FFFF") : ERR_OK;
}

/* One code point of valid UTF-8, escapes read. */
static errc read_char(struct reader *r, uint32_t *out)
{
    static const struct { char name; uint32_t cp; size_t hex; } escapes[] = {
        { 'n', 10, 0 }, { 't', 9, 0 }, { 'r', 13, 0 }, { '"', '"', 0 }, { '\\', '\\', 0 }, { '[', '[', 0 }, { ']', ']', 0 }, { '-', '-', 0 },
        { '^', '^', 0 }, { '/', '/', 0 }, { 'x', 0, 2 }, { 'u', 0, 4 }, { 'U', 0, 8 },
    };
    if (take(r, '\\')) {
        for (size_t i = 0; i < ARRAY_LEN(escapes); i++)
            if (take(r, escapes[i].name)) {
                *out = escapes[i].cp;
                return escapes[i].hex ? read_hex(r, escapes[i].hex, out) : ERR_OK;
            }
        return fail(r, "unknown escape");
    }
    unsigned char c = (unsigned char)r->s.p[r->at++];
    int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    for (*out = more ? c & (0x3fu >> more) : c; more; more--)
        *out = *out << 6 | ((unsigned char)r->s.p[r->at++] & 0x3f);
    return ERR_OK;
}

static errc put_literal(struct reader *r, uint32_t from, uint32_t to)
{
    while (!take(r, '"')) {
        uint32_t cp, next = net_node(&r->net);
        if (peek(r) < 0 || peek(r) == '\n')
            return fail(r, "a literal without its closing quote");
        TRY(read_char(r, &cp));
        net_chars(&r->net, from, next, cp, cp);
        from = next;
    }
    net_epsilon(&r->net, from, to);
    return ERR_OK;
}

struct range { uint32_t lo, hi; };

static int by_lo(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return (x->lo > y->lo) - (x->lo < y->lo);
}

static void put_others(struct reader *r, struct range *v, size_t n, uint32_t from, uint32_t to)
{
    uint32_t next = 0;

    if (n)
        qsort(v, n, sizeof *v, by_lo);
    for (size_t i = 0; i < n; i++) {
        if (v[i].lo > next)
            net_chars(&r->net, from, to, next, v[i].lo - 1);
        if (v[i].hi + 1 > next)
            next = v[i].hi + 1;
    }
    if (next <= 0x10ffff)
        net_chars(&r->net, from, to, next, 0x10ffff);
}

static errc put_class(struct reader *r, uint32_t from, uint32_t to)
{
    AUTO_MEM struct range *v = NULL;
    size_t n = 0, cap = 0;
    bool negated = take(r, '^');

    while (!take(r, ']')) {
        struct range one;
        if (peek(r) < 0 || peek(r) == '\n')
            return fail(r, "a class without its ]");
        TRY(read_char(r, &one.lo));
        one.hi = one.lo;
        if (peek(r) == '-' && r->at + 1 < r->s.n && r->s.p[r->at + 1] != ']') {
            r->at++;
            TRY(read_char(r, &one.hi));
        }
        if (one.hi < one.lo)
            return fail(r, "a range runs backwards");
        vec_grow(v, n, cap);
        v[n++] = one;
    }
    if (negated)
        put_others(r, v, n, from, to);
    for (size_t i = 0; i < n && !negated; i++)
        net_chars(&r->net, from, to, v[i].lo, v[i].hi);
    return ERR_OK;
}

/* ---- sequences ---- */

static errc put_item(struct reader *r, uint32_t from, uint32_t to)
{
    if (take(r, '"'))
        return put_literal(r, from, to);
    if (take(r, '['))
        return put_class(r, from, to);
    if (take(r, '.')) {
        net_chars(&r->net, from, to, 0, 0x10ffff);
        return ERR_OK;
    }
    if (take(r, '(')) {
        TRY(alternatives(r, true, from, to));
        skip(r, true);
        return take(r, ')') ? ERR_OK : fail(r, "a group without its )");
    }
    struct str name = read_name(r);
    if (!name.n)
        return fail(r, "expected a literal, a class, a group or a name");
    net_call(&r->net, from, to, rule_named(r, name));
    return ERR_OK;
}

static errc read_repeat(struct reader *r, int64_t *min, int64_t *max, bool *found)
{
    static const struct { char c; int64_t min, max; } marks[] = { { '*', 0, -1 }, { '+', 1, -1 }, { '?', 0, 1 } };
    struct str digits;

    *found = true;
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (take(r, marks[i].c)) {
            *min = marks[i].min;
            *max = marks[i].max;
            return ERR_OK;
        }
    *found = take(r, '{');
    if (!*found)
        return ERR_OK;
    digits = read_name(r);
    if (!str_to_i64(digits, min) && !(digits.n == 0 && peek(r) == ','))
        return fail(r, "a repeat is {n}, {n,} or {n,m}");
    if (!digits.n)
        *min = 0;
    *max = *min;
    if (take(r, ',')) {
        digits = read_name(r);
        *max = -1;
        if (digits.n && !str_to_i64(digits, max))
            return fail(r, "a repeat is {n}, {n,} or {n,m}");
    }
    bool good = take(r, '}') && *min >= 0 && *min <= REPEAT_MAX && *max <= REPEAT_MAX && (*max < 0 || *max >= *min);
    return good ? ERR_OK : fail(r, "a repeat must run forwards and stay within 2000");
}

/* The item as a rule of its own, called min to max times. */
static void put_repeat(struct reader *r, uint32_t rule, int64_t min, int64_t max, uint32_t from, uint32_t to)
{
    struct net *n = &r->net;

    for (int64_t i = 0; i < (max < 0 ? min : max) && !n->too_large; i++) {
        uint32_t next = net_node(n);
        if (i >= min)
            net_epsilon(n, from, to);
        net_call(n, from, next, rule);
        from = next;
    }
    if (max < 0) {
        uint32_t loop = net_node(n), again = net_node(n);
        net_epsilon(n, from, loop);
        net_call(n, loop, again, rule);
        net_epsilon(n, again, loop);
        from = loop;
    }
    net_epsilon(n, from, to);
}

/* *, + and ? around an item that lies between start and end. */
static void put_loop(struct net *n, int64_t min, int64_t max, uint32_t start, uint32_t end, uint32_t from, uint32_t to)
{
    net_epsilon(n, from, start);
    net_epsilon(n, end, to);
    if (!min)
        net_epsilon(n, from, to);
    if (max < 0)
        net_epsilon(n, end, start);
}

/* An item with numbers behind it is read once more, into a rule of its own. */
static errc put_piece(struct reader *r, uint32_t from, uint32_t to)
{
    uint32_t start = net_node(&r->net), end = net_node(&r->net);
    size_t item_at = r->at;
    int64_t min = 1, max = 1;
    bool found;

    TRY(put_item(r, start, end));
    TRY(read_repeat(r, &min, &max, &found));
    if (min <= 1 && (max < 0 || max == 1)) {
        put_loop(&r->net, min, max, start, end, from, to);
    } else {
        size_t behind = r->at;
        uint32_t rule = net_rule(&r->net);
        if (r->net.too_large)
            return fail(r, "the grammar is too large");
        r->at = item_at;
        TRY(put_item(r, r->net.rules[rule].start, r->net.rules[rule].end));
        r->at = behind;
        put_repeat(r, rule, min, max, from, to);
    }
    return r->net.too_large ? fail(r, "the grammar is too large") : ERR_OK;
}

/* Does a new rule begin here: a name, then ::= ? */
static bool at_rule(const struct reader *r)
{
    struct reader look = *r;

    if (!read_name(&look).n)
        return false;
    skip(&look, false);
    return str_has_prefix(str_from(look.s, look.at), STR("::="));
}

static errc alternatives(struct reader *r, bool nested, uint32_t from, uint32_t to)
{
    if (++r->depth > GROUPS_MAX)
        return fail(r, "groups nest deeper than 64");
    do {
        uint32_t at = from;
        for (;;) {
            skip(r, true);
            int c = peek(r);
            if (c < 0 || c == '|' || c == ')' || at_rule(r))
                break;
            uint32_t next = net_node(&r->net);
            TRY(put_piece(r, at, next));
            at = next;
        }
        net_epsilon(&r->net, at, to);
    } while (take(r, '|'));
    r->depth--;
    return ERR_OK;
}

static errc read_rules(struct reader *r)
{
    for (skip(r, true); peek(r) >= 0; skip(r, true)) {
        struct str name = read_name(r);
        skip(r, false);
        if (!name.n || !str_has_prefix(str_from(r->s, r->at), STR("::=")))
            return fail(r, "expected a rule: name ::= ...");
        r->at += 3;
        if (map_get(r->defined, name))
            return fail(r, "a rule that was defined before");
        map_put(r->defined, name, r);
        uint32_t rule = rule_named(r, name);
        if (r->net.too_large)
            return fail(r, "the grammar is too large");
        TRY(alternatives(r, false, r->net.rules[rule].start, r->net.rules[rule].end));
    }
    return ERR_OK;
}

static errc check_names(struct reader *r)
{
    struct str name;
    void *value;

    for (size_t i = 0; map_next(r->names, &i, &name, &value);)
        if (!map_get(r->defined, name))
            return err_set(r->e, ERR_BAD_REQUEST, "grammar: rule \"%.*s\" is not defined", (int)(name.n < 100 ? name.n : 100), name.p);
    return ERR_OK;
}

errc grammar_compile_gbnf(struct str text, struct grammar **out, struct err *e)
{
    AUTO_FREE(map) names = map_new(NULL);
    AUTO_FREE(map) defined = map_new(NULL);
    struct reader r = { .s = text, .names = names, .defined = defined, .e = e };

    if (text.n > (1u << 20) || !str_utf8_valid(text))
        return err_set(e, ERR_BAD_REQUEST, "grammar: must be valid UTF-8 of at most 1 MiB");
    (void)rule_named(&r, STR("root"));          /* rule 0 */
    errc rc = read_rules(&r);
    if (!rc)
        rc = check_names(&r);
    if (!rc)
        rc = grammar_from_net(&r.net, "grammar", out, e);
    net_done(&r.net);
    return rc;
}
