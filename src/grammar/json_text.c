/* RFC 8259 as rules: white space that cannot go on for ever, strings, numbers that every parser takes, any value. */
#include "grammar/priv.h"

#define INDENT_MAX 40u          /* blanks of one line's indent */
#define DIGITS_MAX 15u          /* of an integer part and of a fraction: exact in a double, and no run of digits without end */

static uint32_t start_of(const struct net *n, uint32_t rule) { return n->rules ? n->rules[rule].start : 0; }
static uint32_t end_of(const struct net *n, uint32_t rule) { return n->rules ? n->rules[rule].end : 0; }

static void one_of(struct net *n, uint32_t from, uint32_t to, const char *bytes)
{
    for (; *bytes; bytes++)
        net_bytes(n, from, to, (uint8_t)*bytes, (uint8_t)*bytes);
}

uint32_t json_space(struct net *n, struct json_rules *r)
{
    if (r->space != NONE)
        return r->space;
    r->space = net_rule(n);
    uint32_t from = start_of(n, r->space), to = end_of(n, r->space), line = net_node(n), second = net_node(n);
    net_epsilon(n, from, to);
    one_of(n, from, to, " ");
    one_of(n, from, line, "\n");
    one_of(n, line, second, "\n");
    net_epsilon(n, line, second);
    net_epsilon(n, second, to);
    for (const char *c = " \t"; *c; c++) {
        uint32_t at = second;
        for (uint32_t i = 0; i < (*c == ' ' ? INDENT_MAX : INDENT_MAX / 4); i++) {
            uint32_t next = net_node(n);
            net_bytes(n, at, next, (uint8_t)*c, (uint8_t)*c);
            net_epsilon(n, next, to);
            at = next;
        }
    }
    return r->space;
}

/* ---- strings ---- */

static uint32_t hex_digit(struct net *n, uint32_t from)
{
    uint32_t to = net_node(n);

    net_bytes(n, from, to, '0', '9');
    net_bytes(n, from, to, 'A', 'F');
    net_bytes(n, from, to, 'a', 'f');
    return to;
}

/* `count` hexadecimal digits, the last one reaching to. */
static void hex_digits(struct net *n, uint32_t from, uint32_t to, int count)
{
    while (count-- > 0)
        from = hex_digit(n, from);
    net_epsilon(n, from, to);
}

/* The four digits of \u: never 0000 (many programs stop there), and halves of a surrogate pair only together. */
static void unicode_escape(struct net *n, uint32_t from, uint32_t to)
{
    uint32_t zeros[4] = { from, net_node(n), net_node(n), net_node(n) }, d = net_node(n), first = net_node(n), high = net_node(n);

    for (int i = 0; i < 4; i++) {
        uint32_t next = i < 3 ? net_node(n) : to;
        if (i < 3)
            one_of(n, zeros[i], zeros[i + 1], "0");
        net_bytes(n, zeros[i], next, '1', '9');
        one_of(n, zeros[i], next, i ? "ABCDEFabcdef" : "ABCEFabcef");
        if (i < 3)
            hex_digits(n, next, to, 3 - i);
    }
    one_of(n, from, d, "Dd");
    net_bytes(n, d, first, '0', '7');
    hex_digits(n, first, to, 2);
    one_of(n, d, high, "89ABab");
    uint32_t low = net_node(n), pair = net_node(n);
    hex_digits(n, high, low, 2);
    uint32_t u = net_literal_from(n, low, STR("\\u")), last = net_node(n);
    one_of(n, u, pair, "Dd");
    one_of(n, pair, last, "CDEFcdef");
    hex_digits(n, last, to, 2);
}

/* A character of a string, escaped or not. */
static void json_any_char(struct net *n, uint32_t from, uint32_t to)
{
    uint32_t escape = net_node(n), u = net_node(n);

    net_chars(n, from, to, 0x20, 0x21);
    net_chars(n, from, to, 0x23, 0x5b);
    net_chars(n, from, to, 0x5d, 0x10ffff);
    one_of(n, from, escape, "\\");
    one_of(n, escape, to, "\"\\/bfnrt");
    one_of(n, escape, u, "u");
    unicode_escape(n, u, to);
}

/* The escape of a code point that may not stand in a string as it is; NULL: it may. */
static const char *escape_of(uint32_t cp, char out[8])
{
    static const struct { uint32_t cp; const char *text; } shorter[] = {
        { '"', "\\\"" }, { '\\', "\\\\" }, { 8, "\\b" }, { 12, "\\f" }, { 10, "\\n" }, { 13, "\\r" }, { 9, "\\t" },
    };
    for (size_t i = 0; i < ARRAY_LEN(shorter); i++)
        if (shorter[i].cp == cp)
            return shorter[i].text;
    if (cp >= 0x20)
        return NULL;
    snprintf(out, 8, "\\u%04x", cp);
    return out;
}

void json_plain_chars(struct net *n, uint32_t from, uint32_t to, uint32_t lo, uint32_t hi)
{
    static const uint32_t plain[][2] = { { 0x20, 0x21 }, { 0x23, 0x5b }, { 0x5d, 0x10ffff } };
    char text[8];

    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        uint32_t low = lo > plain[i][0] ? lo : plain[i][0], high = hi < plain[i][1] ? hi : plain[i][1];
        if (low <= high)
            net_chars(n, from, to, low, high);
    }
    for (uint32_t cp = lo > 1 ? lo : 1; cp <= hi && cp <= '\\'; cp++) {         /* U+0000 is left out, as above */
        const char *escape = escape_of(cp, text);
        if (escape)
            net_literal(n, from, to, str_of(escape));
    }
}

uint32_t json_character(struct net *n, struct json_rules *r)
{
    if (r->character != NONE)
        return r->character;
    r->character = net_rule(n);
    json_any_char(n, start_of(n, r->character), end_of(n, r->character));
    return r->character;
}

uint32_t json_string_rule(struct net *n, struct json_rules *r)
{
    if (r->string != NONE)
        return r->string;
    r->string = net_rule(n);
    uint32_t inside = net_node(n);
    one_of(n, start_of(n, r->string), inside, "\"");
    json_any_char(n, inside, inside);
    one_of(n, inside, end_of(n, r->string), "\"");
    return r->string;
}

/* ---- numbers ---- */

static void up_to_digits(struct net *n, uint32_t from, uint32_t to, uint32_t max)
{
    for (uint32_t i = 0; i < max; i++) {
        uint32_t next = net_node(n);
        net_epsilon(n, from, to);
        net_bytes(n, from, next, '0', '9');
        from = next;
    }
    net_epsilon(n, from, to);
}

static void integer(struct net *n, uint32_t from, uint32_t to)
{
    uint32_t positive = net_node(n), rest = net_node(n);

    one_of(n, from, positive, "-");
    net_epsilon(n, from, positive);
    one_of(n, positive, to, "0");
    net_bytes(n, positive, rest, '1', '9');
    up_to_digits(n, rest, to, DIGITS_MAX - 1);
}

uint32_t json_integer_rule(struct net *n, struct json_rules *r)
{
    if (r->integer != NONE)
        return r->integer;
    r->integer = net_rule(n);
    integer(n, start_of(n, r->integer), end_of(n, r->integer));
    return r->integer;
}

uint32_t json_number_rule(struct net *n, struct json_rules *r)
{
    if (r->number != NONE)
        return r->number;
    r->number = net_rule(n);
    uint32_t whole = net_node(n), point = net_node(n), digit = net_node(n), fraction = net_node(n);
    uint32_t e = net_node(n), sign = net_node(n), exponent = net_node(n), to = end_of(n, r->number);
    integer(n, start_of(n, r->number), whole);
    net_epsilon(n, whole, fraction);
    one_of(n, whole, point, ".");
    net_bytes(n, point, digit, '0', '9');
    up_to_digits(n, digit, fraction, DIGITS_MAX - 1);
    net_epsilon(n, fraction, to);
    one_of(n, fraction, e, "eE");
    one_of(n, e, sign, "+-");
    net_epsilon(n, e, sign);
    net_bytes(n, sign, exponent, '0', '9');             /* two digits: no overflow anywhere */
    net_bytes(n, exponent, to, '0', '9');
    net_epsilon(n, exponent, to);
    return r->number;
}

/* ---- values ---- */

/* open (item (, item)*)? close, where items are made by put(n, r, from, to). */
static void list_between(struct net *n, struct json_rules *r, uint32_t rule, const char *open, const char *close,
                         void put(struct net *, struct json_rules *, uint32_t, uint32_t))
{
    uint32_t opened = net_node(n), first = net_node(n), item = net_node(n), after = net_node(n), last = net_node(n), comma = net_node(n);
    uint32_t space = json_space(n, r), to = end_of(n, rule);

    one_of(n, start_of(n, rule), opened, open);
    net_call(n, opened, first, space);
    one_of(n, first, to, close);
    net_epsilon(n, first, item);
    put(n, r, item, after);
    one_of(n, after, comma, ",");
    net_call(n, comma, item, space);
    net_call(n, after, last, space);
    one_of(n, last, to, close);
}

static void put_value(struct net *n, struct json_rules *r, uint32_t from, uint32_t to) { net_call(n, from, to, json_value(n, r)); }

static void put_member(struct net *n, struct json_rules *r, uint32_t from, uint32_t to)
{
    uint32_t colon = net_node(n), space = net_node(n), value = net_node(n);

    net_call(n, from, colon, json_string_rule(n, r));
    one_of(n, colon, space, ":");
    net_call(n, space, value, json_space(n, r));
    net_call(n, value, to, json_value(n, r));
}

uint32_t json_object_rule(struct net *n, struct json_rules *r)
{
    if (r->object != NONE)
        return r->object;
    r->object = net_rule(n);
    list_between(n, r, r->object, "{", "}", put_member);
    return r->object;
}

static uint32_t json_array_rule(struct net *n, struct json_rules *r)
{
    if (r->array != NONE)
        return r->array;
    r->array = net_rule(n);
    list_between(n, r, r->array, "[", "]", put_value);
    return r->array;
}

uint32_t json_value(struct net *n, struct json_rules *r)
{
    static const char *const words[] = { "null", "true", "false" };

    if (r->value != NONE)
        return r->value;
    r->value = net_rule(n);             /* known before its parts, which hold values themselves */
    uint32_t parts[] = { json_string_rule(n, r), json_number_rule(n, r), json_object_rule(n, r), json_array_rule(n, r) };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        net_call(n, start_of(n, r->value), end_of(n, r->value), parts[i]);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        net_literal(n, start_of(n, r->value), end_of(n, r->value), str_of(words[i]));
    return r->value;
}

void json_literal(struct net *n, uint32_t from, uint32_t to, const json_t *value)
{
    AUTO_BUF text = { 0 };

    json_write(value, &text);
    net_literal(n, from, to, buf_str(&text));
}

/* ---- keys beside those of a schema ---- */

/* One code point of valid UTF-8. */
static uint32_t decode(struct str s, size_t *len)
{
    unsigned char c = (unsigned char)s.p[0];
    uint32_t cp = c < 0x80 ? c : c < 0xe0 ? c & 0x1fu : c < 0xf0 ? c & 0xfu : c & 7u;

    *len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < *len; i++)
        cp = cp << 6 | ((unsigned char)s.p[i] & 0x3f);
    return cp;
}

static int by_code_point(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Every plain code point but those of cps [count]. */
static void chars_but(struct net *n, uint32_t from, uint32_t to, uint32_t *cps, size_t count)
{
    uint32_t next = 0x20;

    qsort(cps, count, sizeof *cps, by_code_point);
    for (size_t i = 0; i <= count; i++) {
        uint32_t stop = i < count ? cps[i] : 0x110000;
        static const uint32_t plain[][2] = { { 0x20, 0x21 }, { 0x23, 0x5b }, { 0x5d, 0x10ffff } };
        for (size_t k = 0; k < ARRAY_LEN(plain) && stop; k++) {
            uint32_t lo = next > plain[k][0] ? next : plain[k][0], hi = stop - 1 < plain[k][1] ? stop - 1 : plain[k][1];
            if (lo <= hi)
                net_chars(n, from, to, lo, hi);
        }
        if (stop + 1 > next)
            next = stop + 1;
    }
}

struct other_key { struct net *n; uint32_t free, to; };

/*
 * names [count] share `at` bytes, which led to node from. Escapes are only made where a name has one: otherwise a name could be
 * spelled with them.
 */
static void other_key_from(const struct other_key *k, uint32_t from, const struct str *names, size_t count, size_t at)
{
    uint32_t *cps = xcalloc(count + 1, sizeof *cps);
    size_t n_cps = 0;
    bool is_name = false;

    for (size_t i = 0; i < count && !k->n->too_large;) {
        size_t len, same = i;
        if (names[i].n == at) {
            is_name = true;
            i++;
            continue;
        }
        uint32_t cp = decode(str_from(names[i], at), &len);
        while (same < count && str_has_prefix(str_from(names[same], at), str_n(names[i].p + at, len)))
            same++;
        cps[n_cps++] = cp;
        uint32_t next = net_node(k->n);
        json_plain_chars(k->n, from, next, cp, cp);
        other_key_from(k, next, names + i, same - i, at + len);
        i = same;
    }
    chars_but(k->n, from, k->free, cps, n_cps);
    free(cps);
    if (!is_name)
        one_of(k->n, from, k->to, "\"");
}

static int by_text(const void *a, const void *b) { return str_cmp(*(const struct str *)a, *(const struct str *)b); }

void json_other_key(struct net *n, uint32_t from, uint32_t to, const char *const *names, size_t count)
{
    struct other_key k = { n, net_node(n), to };
    struct str *sorted = xcalloc(count + 1, sizeof *sorted);
    uint32_t inside = net_node(n);

    for (size_t i = 0; i < count; i++) {
        sorted[i] = str_of(names[i]);
        if (sorted[i].n > 256)          /* the trie is walked by recursion */
            n->too_large = true;
    }
    qsort(sorted, count, sizeof *sorted, by_text);
    one_of(n, from, inside, "\"");
    if (!n->too_large)
        other_key_from(&k, inside, sorted, count, 0);
    json_any_char(n, k.free, k.free);
    one_of(n, k.free, to, "\"");
    free(sorted);
}
