/* Source -> tokens. White space control happens here: trim_blocks and lstrip_blocks are on, as transformers has them. */
#include "template/priv.h"

struct lexer {
    struct arena *arena;
    struct str s;
    size_t at;
    int line;
    const char *name;
    struct tokens *out;
    struct err *e;
    bool line_start;                    /* what was just consumed ended a line */
};

static errc bad(struct lexer *x, const char *what)
{
    return err_set(x->e, ERR_CORRUPT, "%s line %d: %s", x->name, x->line, what);
}

static struct token *add(struct lexer *x, enum token_kind kind, struct str text)
{
    vec_grow(x->out->v, x->out->n, x->out->cap);
    x->out->v[x->out->n] = (struct token){ .kind = kind, .line = x->line, .text = text };
    return &x->out->v[x->out->n++];
}

static bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool digit(char c) { return c >= '0' && c <= '9'; }
static bool letter(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80; }
static char peek(const struct lexer *x, size_t ahead) { return x->at + ahead < x->s.n ? x->s.p[x->at + ahead] : 0; }
static bool sees(const struct lexer *x, const char *text) { return str_has_prefix(str_from(x->s, x->at), str_of(text)); }

static void advance(struct lexer *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x->line += x->s.p[x->at + i] == '\n';
    x->at += n;
    if (n)
        x->line_start = x->s.p[x->at - 1] == '\n';
}

static void skip_spaces(struct lexer *x)
{
    size_t n = 0;

    while (x->at + n < x->s.n && space(x->s.p[x->at + n]))
        n++;
    advance(x, n);
}

static struct str rstrip(struct str s)
{
    while (s.n && space(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* lstrip_blocks: blanks between the start of the line and a block are dropped. */
static struct str strip_indent(struct str data, bool line_start)
{
    size_t line = data.n;

    while (line && data.p[line - 1] != '\n')
        line--;
    if (!line && !line_start)
        return data;
    for (size_t i = line; i < data.n; i++)
        if (!space(data.p[i]))
            return data;
    return str_n(data.p, line);
}

/* After "%}" or "#}": "-" eats all white space, "+" nothing, else one newline goes (trim_blocks). sign was before the brace. */
static void after_tag(struct lexer *x, char sign, bool trim)
{
    if (sign == '-')
        skip_spaces(x);
    else if (trim && sign != '+' && peek(x, 0) == '\n')
        advance(x, 1);
}

static size_t next_tag(const struct lexer *x)
{
    for (size_t i = x->at; i + 1 < x->s.n; i++)
        if (x->s.p[i] == '{' && strchr("{%#", x->s.p[i + 1]) && x->s.p[i + 1])
            return i;
    return x->s.n;
}

static errc comment(struct lexer *x)
{
    size_t at;

    if (!str_find(str_from(x->s, x->at), STR("#}"), &at))
        return bad(x, "a comment {# is not closed");
    char sign = at && strchr("-+", x->s.p[x->at + at - 1]) ? x->s.p[x->at + at - 1] : 0;
    advance(x, at + 2);
    after_tag(x, sign, true);
    return ERR_OK;
}

/* Whether "raw" or "endraw" follows up to its "%}"; *end: just after it, *sign: the one before the brace. */
static bool raw_tag(const struct lexer *x, size_t at, const char *word, size_t *end, char *sign)
{
    size_t n = strlen(word);

    while (at < x->s.n && space(x->s.p[at]))
        at++;
    if (!str_has_prefix(str_from(x->s, at), str_of(word)))
        return false;
    at += n;
    while (at < x->s.n && space(x->s.p[at]))
        at++;
    *sign = 0;
    if (at < x->s.n && (x->s.p[at] == '-' || x->s.p[at] == '+'))
        *sign = x->s.p[at++];
    if (!str_has_prefix(str_from(x->s, at), STR("%}")))
        return false;
    *end = at + 2;
    return true;
}

static errc raw_block(struct lexer *x)
{
    for (size_t i = x->at; i + 1 < x->s.n; i++) {
        size_t end;
        char sign, open = 0;
        if (x->s.p[i] != '{' || x->s.p[i + 1] != '%')
            continue;
        size_t tag = i + 2;
        if (tag < x->s.n && (x->s.p[tag] == '-' || x->s.p[tag] == '+'))
            open = x->s.p[tag++];
        if (!raw_tag(x, tag, "endraw", &end, &sign))
            continue;
        struct str data = str_n(x->s.p + x->at, i - x->at);
        data = open == '-' ? rstrip(data) : open == '+' ? data : strip_indent(data, x->line_start);
        add(x, TOK_DATA, data);
        advance(x, end - x->at);
        after_tag(x, sign, true);
        return ERR_OK;
    }
    return bad(x, "a raw block is not closed by {% endraw %}");
}

static int hex_value(char c)
{
    return digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void put_cp(struct buf *b, uint32_t cp)
{
    if (cp < 0x80) {
        buf_addc(b, (char)cp);
    } else if (cp < 0x800) {
        buf_addc(b, (char)(0xC0 | cp >> 6));
        buf_addc(b, (char)(0x80 | (cp & 63)));
    } else if (cp < 0x10000) {
        buf_addc(b, (char)(0xE0 | cp >> 12));
        buf_addc(b, (char)(0x80 | (cp >> 6 & 63)));
        buf_addc(b, (char)(0x80 | (cp & 63)));
    } else {
        buf_addc(b, (char)(0xF0 | cp >> 18));
        buf_addc(b, (char)(0x80 | (cp >> 12 & 63)));
        buf_addc(b, (char)(0x80 | (cp >> 6 & 63)));
        buf_addc(b, (char)(0x80 | (cp & 63)));
    }
}

/* Python's escapes; one that is unknown keeps its backslash. Returns the bytes used after the backslash. */
static size_t unescape(struct str s, struct buf *b)
{
    static const char plain[] = "\\\\''\"\"n\nt\tr\rb\bf\fv\va\a";
    char c = s.p[0];
    size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;

    for (size_t i = 0; plain[i]; i += 2)
        if (plain[i] == c) {
            buf_addc(b, plain[i + 1]);
            return 1;
        }
    if (c == '\n')
        return 1;
    if (c >= '0' && c <= '7') {
        uint32_t value = 0;
        size_t n = 0;
        for (; n < 3 && n < s.n && s.p[n] >= '0' && s.p[n] <= '7'; n++)
            value = value * 8 + (uint32_t)(s.p[n] - '0');
        put_cp(b, value);
        return n;
    }
    uint32_t value = 0;
    bool good = width && s.n > width;
    for (size_t i = 1; good && i <= width; i++) {
        good = hex_value(s.p[i]) >= 0;
        value = value * 16 + (uint32_t)hex_value(s.p[i]);
    }
    if (good && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF)) {
        put_cp(b, value);
        return width + 1;
    }
    buf_addc(b, '\\');
    buf_addc(b, c);
    return 1;
}

static errc string(struct lexer *x)
{
    AUTO_BUF b = { 0 };
    char quote = peek(x, 0);
    size_t i = x->at + 1;

    while (i < x->s.n && x->s.p[i] != quote) {
        if (x->s.p[i] == '\\' && i + 1 < x->s.n)
            i += 1 + unescape(str_from(x->s, i + 1), &b);
        else
            buf_addc(&b, x->s.p[i++]);
    }
    if (i >= x->s.n)
        return bad(x, "a string is not closed");
    add(x, TOK_STRING, arena_str(x->arena, buf_str(&b)));
    advance(x, i + 1 - x->at);
    return ERR_OK;
}

/* 0x1f, 0o17, 0b11 */
static errc based_number(struct lexer *x, int base)
{
    size_t n = 2;
    int64_t value = 0;

    for (; peek(x, n) == '_' || (hex_value(peek(x, n)) >= 0 && hex_value(peek(x, n)) < base); n++)
        if (peek(x, n) != '_' && (__builtin_mul_overflow(value, (int64_t)base, &value) || __builtin_add_overflow(value, (int64_t)hex_value(peek(x, n)), &value)))
            return bad(x, "a number is out of range");
    if (n == 2)
        return bad(x, "a number has no digits");
    add(x, TOK_INT, str_n(x->s.p + x->at, n))->i = value;
    advance(x, n);
    return ERR_OK;
}

static errc number(struct lexer *x)
{
    size_t n = 0;
    bool real = false;
    char kind = peek(x, 0) == '0' ? (char)(peek(x, 1) | 32) : 0;

    if (kind == 'x' || kind == 'o' || kind == 'b')
        return based_number(x, kind == 'x' ? 16 : kind == 'o' ? 8 : 2);
    while (digit(peek(x, n)) || (peek(x, n) == '_' && digit(peek(x, n + 1))))
        n++;
    if (peek(x, n) == '.' && digit(peek(x, n + 1))) {
        real = true;
        for (n++; digit(peek(x, n)) || (peek(x, n) == '_' && digit(peek(x, n + 1)));)
            n++;
    }
    size_t sign = strchr("+-", peek(x, n + 1)) && peek(x, n + 1) ? 1 : 0;
    if ((peek(x, n) == 'e' || peek(x, n) == 'E') && digit(peek(x, n + 1 + sign))) {
        real = true;
        for (n += 1 + sign; digit(peek(x, n));)
            n++;
    }
    AUTO_BUF text = { 0 };
    for (size_t i = 0; i < n; i++)
        if (x->s.p[x->at + i] != '_')
            buf_addc(&text, x->s.p[x->at + i]);
    struct token *t = add(x, real ? TOK_FLOAT : TOK_INT, str_n(x->s.p + x->at, n));
    if (real ? !str_to_f64(buf_str(&text), &t->f) : !str_to_i64(buf_str(&text), &t->i))
        return bad(x, "a number is out of range");
    advance(x, n);
    return ERR_OK;
}

static errc operator(struct lexer *x)
{
    static const char *const ops[] = { "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]",
                                       "{", "}", ",", ".", ":", "|", ";" };
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (sees(x, ops[i])) {
            add(x, TOK_OP, str_of(ops[i]));
            advance(x, strlen(ops[i]));
            return ERR_OK;
        }
    x->e->text[0] = 0;
    return err_set(x->e, ERR_CORRUPT, "%s line %d: unexpected character '%c'", x->name, x->line, peek(x, 0) >= ' ' && peek(x, 0) < 127 ? peek(x, 0) : '?');
}

static errc inside(struct lexer *x, const char *end, enum token_kind end_kind)
{
    int open = 0;

    for (;;) {
        skip_spaces(x);
        char sign = peek(x, 0);
        if (x->at >= x->s.n)
            return bad(x, "a tag is not closed");
        size_t signed_end = (sign == '-' || (sign == '+' && end_kind == TOK_BLOCK_END)) ? 1 : 0;
        if (!open && str_has_prefix(str_from(x->s, x->at + signed_end), str_of(end))) {
            add(x, end_kind, STR(""));
            advance(x, signed_end + 2);
            after_tag(x, signed_end ? sign : 0, end_kind == TOK_BLOCK_END);
            return ERR_OK;
        }
        if (sign == '"' || sign == '\'') {
            TRY(string(x));
        } else if (digit(sign)) {
            TRY(number(x));
        } else if (letter(sign)) {
            size_t n = 0;
            while (letter(peek(x, n)) || digit(peek(x, n)))
                n++;
            add(x, TOK_NAME, str_n(x->s.p + x->at, n));
            advance(x, n);
        } else {
            open += strchr("([{", sign) ? 1 : strchr(")]}", sign) ? -1 : 0;
            if (open < 0)
                return bad(x, "a bracket is closed that was not opened");
            TRY(operator(x));
        }
    }
}

static errc tag(struct lexer *x)
{
    char kind = peek(x, 1);
    char sign = peek(x, 2);
    size_t end;

    advance(x, sign == '-' || sign == '+' ? 3 : 2);
    if (kind == '#')
        return comment(x);
    if (kind == '%' && raw_tag(x, x->at, "raw", &end, &sign)) {
        advance(x, end - x->at);
        after_tag(x, sign, false);
        return raw_block(x);
    }
    add(x, kind == '{' ? TOK_VAR_BEGIN : TOK_BLOCK_BEGIN, STR(""));
    return inside(x, kind == '{' ? "}}" : "%}", kind == '{' ? TOK_VAR_END : TOK_BLOCK_END);
}

/* Newlines become \n, the last one goes. */
static struct str tidy(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n')
            continue;
        p[n++] = s.p[i] == '\r' ? '\n' : s.p[i];
    }
    if (n && p[n - 1] == '\n')
        n--;
    return str_n(p, n);
}

errc template_lex(struct arena *a, struct str source, const char *name, struct tokens *out, struct err *e)
{
    struct lexer x = { .arena = a, .line = 1, .name = name, .out = out, .e = e, .line_start = true };

    x.s = tidy(a, source);
    while (x.at < x.s.n) {
        size_t end = next_tag(&x);
        struct str data = str_n(x.s.p + x.at, end - x.at);
        bool at_line_start = x.line_start;
        if (end + 2 <= x.s.n) {
            char kind = x.s.p[end + 1], sign = end + 2 < x.s.n ? x.s.p[end + 2] : 0;
            data = sign == '-' ? rstrip(data) : sign != '+' && kind != '{' ? strip_indent(data, at_line_start) : data;
        }
        if (data.n)
            add(&x, TOK_DATA, data);
        advance(&x, end - x.at);
        if (x.at < x.s.n)
            TRY(tag(&x));
    }
    add(&x, TOK_END, STR(""));
    return ERR_OK;
}
