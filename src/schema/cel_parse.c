/* Text to tree, by precedence climbing. */
#include "schema/cel_priv.h"

#include "base/mem.h"

#define DEPTH_MAX 100
#define TEXT_MAX  (64 * 1024)
#define ARGS_MAX  64

struct parser {
    const char *start, *p, *end;
    struct arena *arena;
    struct err *err;
    int depth;
};

static errc parse_expr(struct parser *p, const struct cel **out);

static errc malformed(struct parser *p, const char *what)
{
    int n = p->end - p->p > 20 ? 20 : (int)(p->end - p->p);

    return err_set(p->err, ERR_INVALID, "%s at \"%.*s\"", what, n, p->p);
}

static void skip(struct parser *p)
{
    for (; p->p < p->end; p->p++) {
        if (p->p + 1 < p->end && p->p[0] == '/' && p->p[1] == '/')
            while (p->p < p->end && *p->p != '\n')
                p->p++;
        if (p->p >= p->end || !memchr(" \t\r\n", *p->p, 4))
            return;
    }
}

static bool looking_at(const struct parser *p, const char *token)
{
    size_t n = strlen(token);

    return (size_t)(p->end - p->p) >= n && memcmp(p->p, token, n) == 0;
}

static bool next_is(struct parser *p, const char *token)
{
    skip(p);
    return looking_at(p, token);
}

static bool accept(struct parser *p, const char *token)
{
    if (!next_is(p, token))
        return false;
    p->p += strlen(token);
    return true;
}

static struct cel *node(struct parser *p, enum cel_op op, const struct cel *a, const struct cel *b, const struct cel *c)
{
    struct cel *n = arena_new_of(p->arena, struct cel);
    const struct cel *kids[] = { a, b, c };

    n->op = op;
    n->kids = arena_calloc(p->arena, ARRAY_LEN(kids), sizeof *n->kids);
    memcpy(n->kids, kids, sizeof kids);
    n->n = c ? 3 : b ? 2 : a ? 1 : 0;
    return n;
}

/* Takes value. */
static const struct cel *constant(struct parser *p, json_t *value)
{
    struct cel *n = node(p, CEL_VALUE, NULL, NULL, NULL);

    json_arena_own(p->arena, value);
    n->value = value;
    return n;
}

static bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool digit(char c) { return c >= '0' && c <= '9'; }

static struct str take_name(struct parser *p)
{
    skip(p);
    const char *start = p->p;
    if (p->p < p->end && name_start(*p->p))
        while (p->p < p->end && (name_start(*p->p) || digit(*p->p)))
            p->p++;
    return str_n(start, (size_t)(p->p - start));
}

/* Keywords and characters that cannot stand in a name are escaped in paths: self.__namespace__, a__dash__b. */
static const char *unescaped_name(struct parser *p, struct str s)
{
    static const struct { const char *from, *to; } escapes[] = {
        { "__underscores__", "__" }, { "__dot__", "." }, { "__dash__", "-" }, { "__slash__", "/" },
    };
    AUTO_BUF b = { 0 };

    if (s.n > 4 && str_has_prefix(s, STR("__")) && str_has_suffix(s, STR("__"))) {
        struct str inner = str_n(s.p + 2, s.n - 4);
        static const char *const words[] = { "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if",
                                             "import", "let", "loop", "package", "namespace", "return", "var", "void", "while" };
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            if (str_is(inner, words[i]))
                return arena_strndup(p->arena, inner.p, inner.n);
    }
    while (s.n) {
        size_t i = 0;
        while (i < ARRAY_LEN(escapes) && !str_has_prefix(s, str_of(escapes[i].from)))
            i++;
        if (i < ARRAY_LEN(escapes)) {
            buf_adds(&b, escapes[i].to);
            s = str_from(s, strlen(escapes[i].from));
        } else {
            buf_addc(&b, *s.p);
            s = str_from(s, 1);
        }
    }
    return arena_strdup(p->arena, buf_cstr(&b));
}

static void add_escape(struct parser *p, struct buf *out)
{
    static const char from[] = "nrtabfv\\'\"`?", to[] = "\n\r\t\a\b\f\v\\'\"`?";
    char c = *p->p++;
    const char *at = strchr(from, c);
    int digits = c == 'u' ? 4 : c == 'U' ? 8 : c == 'x' || c == 'X' ? 2 : 0;
    uint32_t rune = 0;

    if (at && c) {
        buf_addc(out, to[at - from]);
        return;
    }
    for (int i = 0; i < digits && p->p < p->end; i++, p->p++) {
        char h = *p->p;
        int v = digit(h) ? h - '0' : h >= 'a' && h <= 'f' ? h - 'a' + 10 : h >= 'A' && h <= 'F' ? h - 'A' + 10 : -1;
        if (v < 0)
            break;
        rune = rune * 16 + (uint32_t)v;
    }
    if (rune > 0 && rune < 0x80)
        buf_addc(out, (char)rune);
    else if (rune < 0x800)
        buf_addf(out, "%c%c", (char)(0xC0 | rune >> 6), (char)(0x80 | (rune & 0x3F)));
    else if (rune < 0x10000)
        buf_addf(out, "%c%c%c", (char)(0xE0 | rune >> 12), (char)(0x80 | (rune >> 6 & 0x3F)), (char)(0x80 | (rune & 0x3F)));
    else
        buf_addf(out, "%c%c%c%c", (char)(0xF0 | (rune >> 18 & 7)), (char)(0x80 | (rune >> 12 & 0x3F)), (char)(0x80 | (rune >> 6 & 0x3F)),
                 (char)(0x80 | (rune & 0x3F)));
}

static errc parse_string(struct parser *p, bool raw, const struct cel **out)
{
    AUTO_BUF b = { 0 };
    char quote = *p->p;
    char triple[4] = { quote, quote, quote, 0 };
    bool is_triple = looking_at(p, triple);

    p->p += is_triple ? 3 : 1;
    while (p->p < p->end && !(is_triple ? looking_at(p, triple) : *p->p == quote)) {
        if (*p->p == '\\' && !raw && p->p + 1 < p->end) {
            p->p++;
            add_escape(p, &b);
        } else {
            buf_addc(&b, *p->p++);
        }
    }
    if (p->p >= p->end)
        return malformed(p, "unfinished string");
    p->p += is_triple ? 3 : 1;
    *out = constant(p, json_strn(buf_str(&b)));
    return ERR_OK;
}

static errc parse_number(struct parser *p, const struct cel **out)
{
    const char *start = p->p;
    double real;
    int64_t whole;

    while (p->p < p->end && (digit(*p->p) || *p->p == '.' || *p->p == 'e' || *p->p == 'E'
                             || ((*p->p == '+' || *p->p == '-') && (p->p[-1] == 'e' || p->p[-1] == 'E'))))
        p->p++;
    struct str text = str_n(start, (size_t)(p->p - start));
    bool is_real = memchr(text.p, '.', text.n) || memchr(text.p, 'e', text.n) || memchr(text.p, 'E', text.n);
    if (is_real ? !str_to_f64(text, &real) : !str_to_i64(text, &whole))
        return malformed(p, "bad number");
    if (!is_real && p->p < p->end && (*p->p == 'u' || *p->p == 'U'))
        p->p++;
    *out = constant(p, is_real ? json_real(real) : json_integer(whole));
    return ERR_OK;
}

/* expr, expr, ... up to the closing token; `sep` may stand between each two (":" in maps). */
static errc parse_args(struct parser *p, const char *close, bool pairs, const struct cel ***out, size_t *n)
{
    const struct cel *args[ARGS_MAX];

    *n = 0;
    while (!accept(p, close)) {
        if (*n && !accept(p, ","))
            return malformed(p, "expected a comma");
        if (*n && accept(p, close))
            break;
        if (*n + 2 > ARGS_MAX)
            return malformed(p, "too many items");
        TRY(parse_expr(p, &args[(*n)++]));
        if (!pairs)
            continue;
        if (!accept(p, ":"))
            return malformed(p, "expected a colon");
        TRY(parse_expr(p, &args[(*n)++]));
    }
    *out = arena_calloc(p->arena, *n + 1, sizeof **out);
    if (*n)
        memcpy(*out, args, *n * sizeof *args);
    return ERR_OK;
}

static int macro_of(struct str name)
{
    static const char *const names[] = { [MACRO_ALL] = "all", [MACRO_EXISTS] = "exists", [MACRO_EXISTS_ONE] = "exists_one",
                                         [MACRO_MAP] = "map", [MACRO_FILTER] = "filter" };

    for (int i = 0; i < MACRO_COUNT_; i++)
        if (str_is(name, names[i]))
            return i;
    return -1;
}

static errc call(struct parser *p, struct str name, const struct cel *target, const struct cel **args, size_t n, const struct cel **out)
{
    struct cel *c = node(p, CEL_CALL, NULL, NULL, NULL);
    const struct cel **kids = arena_calloc(p->arena, n + 2, sizeof *kids);
    size_t k = 0;

    c->name = arena_strndup(p->arena, name.p, name.n);
    if (target)
        kids[k++] = target;
    for (size_t i = 0; i < n; i++)
        kids[k++] = args[i];
    c->kids = kids;
    c->n = k;
    c->call = cel_function(c->name, k);
    if (c->call < 0)
        return err_set(p->err, ERR_UNBUILT, "the function %s with %zu arguments is not built", c->name, k);
    *out = c;
    return ERR_OK;
}

static errc parse_method(struct parser *p, struct str name, const struct cel *target, const struct cel **out)
{
    const struct cel **args;
    size_t n;
    int macro = macro_of(name);

    TRY(parse_args(p, ")", false, &args, &n));
    if (macro < 0 || n < 2 || n > 3 || args[0]->op != CEL_NAME)
        return call(p, name, target, args, n, out);
    struct cel *c = node(p, CEL_MACRO, target, args[1], n == 3 ? args[2] : NULL);
    c->call = macro;
    c->name = args[0]->name;
    *out = c;
    return ERR_OK;
}

static errc parse_function(struct parser *p, struct str name, const struct cel **out)
{
    const struct cel **args;
    size_t n;

    TRY(parse_args(p, ")", false, &args, &n));
    if (!str_is(name, "has"))
        return call(p, name, NULL, args, n, out);
    if (n != 1 || args[0]->op != CEL_FIELD)
        return malformed(p, "has() takes one field selection");
    struct cel *c = node(p, CEL_HAS, args[0]->kids[0], NULL, NULL);
    c->name = args[0]->name;
    c->at = args[0]->at;
    *out = c;
    return ERR_OK;
}

static errc parse_named(struct parser *p, const struct cel **out)
{
    struct str name = take_name(p);

    if (str_is(name, "true") || str_is(name, "false")) {
        *out = constant(p, json_boolean(str_is(name, "true")));
        return ERR_OK;
    }
    if (str_is(name, "null")) {
        *out = constant(p, json_null());
        return ERR_OK;
    }
    if ((str_is(name, "r") || str_is(name, "R")) && p->p < p->end && (*p->p == '\'' || *p->p == '"'))
        return parse_string(p, true, out);
    if (accept(p, "("))
        return parse_function(p, name, out);
    struct cel *c = node(p, CEL_NAME, NULL, NULL, NULL);
    c->name = arena_strndup(p->arena, name.p, name.n);
    *out = c;
    return ERR_OK;
}

static errc parse_primary(struct parser *p, const struct cel **out)
{
    skip(p);
    if (p->p >= p->end)
        return malformed(p, "expected a value");
    if (*p->p == '\'' || *p->p == '"')
        return parse_string(p, false, out);
    if (digit(*p->p))
        return parse_number(p, out);
    if (name_start(*p->p))
        return parse_named(p, out);
    if (accept(p, "(")) {
        TRY(parse_expr(p, out));
        return accept(p, ")") ? ERR_OK : malformed(p, "expected )");
    }
    bool map = *p->p == '{';
    if (!accept(p, "[") && !accept(p, "{"))
        return malformed(p, "expected a value");
    struct cel *c = node(p, map ? CEL_MAP : CEL_LIST, NULL, NULL, NULL);
    const struct cel **kids;
    TRY(parse_args(p, map ? "}" : "]", map, &kids, &c->n));
    c->kids = kids;
    *out = c;
    return ERR_OK;
}

static errc parse_postfix(struct parser *p, const struct cel **out)
{
    TRY(parse_primary(p, out));
    for (;;) {
        if (accept(p, ".")) {
            size_t at = (size_t)(p->p - 1 - p->start);
            struct str name = take_name(p);
            if (!name.n)
                return malformed(p, "expected a field name");
            if (accept(p, "(")) {
                TRY(parse_method(p, name, *out, out));
                continue;
            }
            struct cel *c = node(p, CEL_FIELD, *out, NULL, NULL);
            c->name = unescaped_name(p, name);
            c->at = at;
            *out = c;
        } else if (accept(p, "[")) {
            const struct cel *index;
            TRY(parse_expr(p, &index));
            if (!accept(p, "]"))
                return malformed(p, "expected ]");
            *out = node(p, CEL_INDEX, *out, index, NULL);
        } else {
            return ERR_OK;
        }
    }
}

static errc parse_unary(struct parser *p, const struct cel **out)
{
    enum cel_op op = next_is(p, "!") && !next_is(p, "!=") ? CEL_NOT : next_is(p, "-") ? CEL_NEGATE : CEL_VALUE;

    if (op == CEL_VALUE)
        return parse_postfix(p, out);
    if (++p->depth > DEPTH_MAX)
        return malformed(p, "nested too deeply");
    p->p++;
    TRY(parse_unary(p, out));
    *out = node(p, op, *out, NULL, NULL);
    p->depth--;
    return ERR_OK;
}

static const struct { const char *token; int level; enum cel_op op; } binary[] = {
    { "||", 0, CEL_OR }, { "&&", 1, CEL_AND }, { "==", 2, CEL_EQ }, { "!=", 2, CEL_NE }, { "<=", 2, CEL_LE }, { ">=", 2, CEL_GE },
    { "<", 2, CEL_LT }, { ">", 2, CEL_GT }, { "in", 2, CEL_IN }, { "+", 3, CEL_ADD }, { "-", 3, CEL_SUB },
    { "*", 4, CEL_MUL }, { "/", 4, CEL_DIV }, { "%", 4, CEL_MOD },
};
#define LEVELS 5

static bool accept_binary(struct parser *p, int level, enum cel_op *op)
{
    for (size_t i = 0; i < ARRAY_LEN(binary); i++) {
        if (binary[i].level != level || !next_is(p, binary[i].token))
            continue;
        size_t n = strlen(binary[i].token);
        if (binary[i].op == CEL_IN && p->p + n < p->end && (name_start(p->p[n]) || digit(p->p[n])))
            continue;
        p->p += n;
        *op = binary[i].op;
        return true;
    }
    return false;
}

static errc parse_level(struct parser *p, int level, const struct cel **out)
{
    enum cel_op op;

    if (level == LEVELS)
        return parse_unary(p, out);
    TRY(parse_level(p, level + 1, out));
    while (accept_binary(p, level, &op)) {
        const struct cel *right;
        TRY(parse_level(p, level + 1, &right));
        *out = node(p, op, *out, right, NULL);
    }
    return ERR_OK;
}

static errc parse_expr(struct parser *p, const struct cel **out)
{
    const struct cel *yes, *no;

    if (++p->depth > DEPTH_MAX)
        return malformed(p, "nested too deeply");
    TRY(parse_level(p, 0, out));
    if (accept(p, "?")) {
        TRY(parse_expr(p, &yes));
        if (!accept(p, ":"))
            return malformed(p, "expected :");
        TRY(parse_expr(p, &no));
        *out = node(p, CEL_IF, *out, yes, no);
    }
    p->depth--;
    return ERR_OK;
}

errc cel_parse(struct str text, struct arena *a, const struct cel **out, struct err *e)
{
    struct parser p = { .start = text.p, .p = text.p, .end = text.p + text.n, .arena = a, .err = e };
    const struct cel *c;

    if (text.n > TEXT_MAX || !text.n)
        return err_set(e, ERR_INVALID, text.n ? "the rule is too long" : "the rule is empty");
    TRY(parse_expr(&p, &c));
    skip(&p);
    if (p.p < p.end)
        return malformed(&p, "unexpected text");
    *out = c;
    return ERR_OK;
}

bool cel_mentions(const struct cel *c, const char *name)
{
    if (c->op == CEL_NAME && streq(c->name, name))
        return true;
    for (size_t i = 0; i < c->n; i++)
        if (cel_mentions(c->kids[i], name))
            return true;
    return false;
}
