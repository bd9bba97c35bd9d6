/* Tokens -> expressions, with Jinja's precedences. Filters and tests are looked up here, so that a misspelt one fails at once. */
#include "template/parse.h"

static errc or_expression(struct parser *p, struct node **out);
static errc unary(struct parser *p, bool with_filter, struct node **out);

/* ---- primaries ---- */

static errc items_until(struct parser *p, const char *close, struct node **first, size_t *count, bool *trailing)
{
    struct node **tail = first;

    *count = 0;
    *trailing = false;
    while (!take_op(p, close)) {
        if (*count) {
            TRY(want_op(p, ","));
            *trailing = true;
            if (take_op(p, close))
                return ERR_OK;
        }
        *trailing = false;
        TRY(parse_expression(p, tail));
        tail = &(*tail)->next;
        ++*count;
    }
    return ERR_OK;
}

static errc parenthesis(struct parser *p, struct node **out)
{
    struct node *n = parse_node(p, N_TUPLE);
    size_t count;
    bool trailing;

    TRY(items_until(p, ")", &n->args, &count, &trailing));
    *out = count == 1 && !trailing ? n->args : n;
    return ERR_OK;
}

static errc dict_literal(struct parser *p, struct node **out)
{
    struct node *n = parse_node(p, N_DICT), **tail = &n->args;

    for (bool first = true; !take_op(p, "}"); first = false) {
        if (!first) {
            TRY(want_op(p, ","));
            if (take_op(p, "}"))
                break;
        }
        struct node *pair = parse_node(p, N_TUPLE);
        TRY(parse_expression(p, &pair->a));
        TRY(want_op(p, ":"));
        TRY(parse_expression(p, &pair->b));
        *tail = pair;
        tail = &pair->next;
    }
    *out = n;
    return ERR_OK;
}

static errc name_or_constant(struct parser *p, struct node **out)
{
    static const struct { const char *name; struct val value; } constants[] = {
        { "true", { VAL_BOOL, { .b = true } } }, { "True", { VAL_BOOL, { .b = true } } }, { "false", { VAL_BOOL, { .b = false } } },
        { "False", { VAL_BOOL, { .b = false } } }, { "none", { VAL_NONE } }, { "None", { VAL_NONE } },
    };
    struct node *n = parse_node(p, N_NAME);

    n->name = p->at++->text;
    for (size_t i = 0; i < ARRAY_LEN(constants); i++)
        if (str_is(n->name, constants[i].name)) {
            n->kind = N_CONST;
            n->value = constants[i].value;
        }
    *out = n;
    return ERR_OK;
}

static errc strings(struct parser *p, struct node **out)
{
    struct node *n = parse_node(p, N_CONST);
    AUTO_BUF joined = { 0 };

    n->value = val_str(p->at->text);
    if (p->at[1].kind == TOK_STRING) {
        for (; p->at->kind == TOK_STRING; p->at++)
            buf_addstr(&joined, p->at->text);
        n->value = val_str(arena_str(p->t->arena, buf_str(&joined)));
    } else {
        p->at++;
    }
    *out = n;
    return ERR_OK;
}

static errc primary(struct parser *p, struct node **out)
{
    size_t count;
    bool trailing;

    *out = NULL;
    switch (p->at->kind) {
    case TOK_NAME:
        return name_or_constant(p, out);
    case TOK_STRING:
        return strings(p, out);
    case TOK_INT:
    case TOK_FLOAT:
        *out = parse_node(p, N_CONST);
        (*out)->value = p->at->kind == TOK_INT ? val_int(p->at->i) : val_float(p->at->f);
        p->at++;
        return ERR_OK;
    default:
        break;
    }
    errc rc = parse_deeper(p);
    if (rc)
        return rc;
    if (take_op(p, "(")) {
        rc = parenthesis(p, out);
    } else if (take_op(p, "[")) {
        struct node *n = *out = parse_node(p, N_LIST);
        rc = items_until(p, "]", &n->args, &count, &trailing);
    } else if (take_op(p, "{")) {
        rc = dict_literal(p, out);
    } else {
        rc = parse_error(p, "expected an expression");
    }
    p->depth--;
    return rc;
}

/* ---- postfix: attributes, subscripts, calls, filters, tests ---- */

static errc arguments(struct parser *p, struct node **first)
{
    struct node **tail = first;
    bool named = false;

    for (bool start = true; !take_op(p, ")"); start = false) {
        struct str keyword = { 0 };
        if (!start) {
            TRY(want_op(p, ","));
            if (take_op(p, ")"))
                break;
        }
        enum op spread = take_op(p, "**") ? OP_POW : take_op(p, "*") ? OP_MUL : OP_ADD;
        if (spread == OP_ADD && p->at->kind == TOK_NAME && p->at[1].kind == TOK_OP && str_is(p->at[1].text, "=")) {
            keyword = p->at->text;
            p->at += 2;
            named = true;
        } else if (named && spread == OP_ADD) {
            return parse_error(p, "a positional argument follows a named one");
        }
        TRY(parse_expression(p, tail));
        /* a parenthesised name may be shared: the keyword goes on a node of its own */
        struct node *box = parse_node(p, N_GROUP);
        box->a = *tail;
        box->name = keyword;
        box->op = spread;
        *tail = box;
        tail = &box->next;
    }
    return ERR_OK;
}

static errc subscript(struct parser *p, struct node *of, struct node **out)
{
    struct node *n = parse_node(p, N_ITEM);

    n->a = of;
    if (!is_op(p, ":"))
        TRY(parse_tuple(p, true, &n->b));
    if (take_op(p, ":")) {
        n->kind = N_SLICE;
        struct node *stop = NULL, *step = NULL;
        if (!is_op(p, "]") && !is_op(p, ":"))
            TRY(parse_expression(p, &stop));
        if (take_op(p, ":") && !is_op(p, "]"))
            TRY(parse_expression(p, &step));
        n->c = stop;
        n->args = step;
    }
    *out = n;
    return want_op(p, "]");
}

errc parse_filter(struct parser *p, struct node *of, struct node **out)
{
    struct node *n = parse_node(p, N_FILTER);

    TRY(want_name(p, &n->name));
    n->a = of;
    n->filter = filter_find(n->name);
    if (!n->filter) {
        p->at--;
        return parse_error(p, "there is no filter \"%.*s\"", STR_ARG(n->name));
    }
    if (take_op(p, "("))
        TRY(arguments(p, &n->args));
    *out = n;
    return ERR_OK;
}

static bool starts_test_argument(const struct parser *p)
{
    static const char *const not_one[] = { "else", "or", "and", "is", "if", "in", "not", "recursive" };

    if (p->at->kind == TOK_NAME) {
        for (size_t i = 0; i < ARRAY_LEN(not_one); i++)
            if (str_is(p->at->text, not_one[i]))
                return false;
        return true;
    }
    return p->at->kind == TOK_STRING || p->at->kind == TOK_INT || p->at->kind == TOK_FLOAT || is_op(p, "[") || is_op(p, "{");
}

static errc test(struct parser *p, struct node *of, struct node **out)
{
    bool negated = take_name(p, "not");
    struct node *n = parse_node(p, N_TEST);

    TRY(want_name(p, &n->name));
    n->a = of;
    n->test = test_find(n->name);
    if (!n->test) {
        p->at--;
        return parse_error(p, "there is no test \"%.*s\"", STR_ARG(n->name));
    }
    if (take_op(p, "(")) {
        TRY(arguments(p, &n->args));
    } else if (starts_test_argument(p)) {
        struct node *box = parse_node(p, N_GROUP);
        TRY(unary(p, false, &box->a));
        n->args = box;
    }
    *out = n;
    if (negated) {
        *out = parse_node(p, N_NOT);
        (*out)->a = n;
    }
    return ERR_OK;
}

static errc postfix(struct parser *p, struct node **io)
{
    for (;;) {
        if (take_op(p, ".")) {
            struct node *n = parse_node(p, N_ATTR);
            n->a = *io;
            if (p->at->kind == TOK_INT) {
                n->kind = N_ITEM;
                n->b = parse_node(p, N_CONST);
                n->b->value = val_int(p->at++->i);
            } else {
                TRY(want_name(p, &n->name));
            }
            *io = n;
        } else if (take_op(p, "[")) {
            TRY(parse_deeper(p));
            TRY(subscript(p, *io, io));
            p->depth--;
        } else if (take_op(p, "(")) {
            struct node *n = parse_node(p, N_CALL);
            n->a = *io;
            TRY(parse_deeper(p));
            TRY(arguments(p, &n->args));
            p->depth--;
            *io = n;
        } else {
            return ERR_OK;
        }
    }
}

static errc filters_and_tests(struct parser *p, struct node **io)
{
    for (;;) {
        if (take_op(p, "|"))
            TRY(parse_filter(p, *io, io));
        else if (take_name(p, "is"))
            TRY(test(p, *io, io));
        else if (is_op(p, "("))
            TRY(postfix(p, io));
        else
            return ERR_OK;
    }
}

/* ---- operators, loosest last ---- */

static errc unary(struct parser *p, bool with_filter, struct node **out)
{
    if (is_op(p, "-") || is_op(p, "+")) {
        struct node *n = parse_node(p, is_op(p, "-") ? N_NEG : N_POS);
        p->at++;
        TRY(parse_deeper(p));
        TRY(unary(p, false, &n->a));
        p->depth--;
        *out = n;
    } else {
        TRY(primary(p, out));
    }
    TRY(postfix(p, out));
    return with_filter ? filters_and_tests(p, out) : ERR_OK;
}

static errc full_unary(struct parser *p, struct node **out) { return unary(p, true, out); }

struct level { const char *op[4]; enum op code[4]; size_t n; errc (*next)(struct parser *p, struct node **out); };

static errc binary(struct parser *p, const struct level *level, struct node **out)
{
    TRY(level->next(p, out));
    for (;;) {
        size_t i = 0;
        while (i < level->n && !is_op(p, level->op[i]))
            i++;
        if (i == level->n)
            return ERR_OK;
        struct node *n = parse_node(p, N_BINARY);
        p->at++;
        n->op = level->code[i];
        n->a = *out;
        TRY(level->next(p, &n->b));
        *out = n;
    }
}

static errc power(struct parser *p, struct node **out)
{
    static const struct level l = { { "**" }, { OP_POW }, 1, full_unary };
    return binary(p, &l, out);
}

static errc product(struct parser *p, struct node **out)
{
    static const struct level l = { { "*", "/", "//", "%" }, { OP_MUL, OP_DIV, OP_FLOORDIV, OP_MOD }, 4, power };
    return binary(p, &l, out);
}

static errc concat(struct parser *p, struct node **out)
{
    TRY(product(p, out));
    if (!is_op(p, "~"))
        return ERR_OK;
    struct node *n = parse_node(p, N_CONCAT), **tail = &(*out)->next;
    n->args = *out;
    while (take_op(p, "~")) {
        TRY(product(p, tail));
        tail = &(*tail)->next;
    }
    *out = n;
    return ERR_OK;
}

static errc sum(struct parser *p, struct node **out)
{
    static const struct level l = { { "+", "-" }, { OP_ADD, OP_SUB }, 2, concat };
    return binary(p, &l, out);
}

static bool comparison_op(struct parser *p, enum op *out)
{
    static const struct { const char *text; enum op op; } ops[] = {
        { "==", OP_EQ }, { "!=", OP_NE }, { "<", OP_LT }, { "<=", OP_LE }, { ">", OP_GT }, { ">=", OP_GE },
    };
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (take_op(p, ops[i].text)) {
            *out = ops[i].op;
            return true;
        }
    if (take_name(p, "in")) {
        *out = OP_IN;
        return true;
    }
    if (is_name(p, "not") && p->at[1].kind == TOK_NAME && str_is(p->at[1].text, "in")) {
        p->at += 2;
        *out = OP_NOT_IN;
        return true;
    }
    return false;
}

/* a < b < c: the links hang on args, each with its op. */
static errc comparison(struct parser *p, struct node **out)
{
    enum op op;

    TRY(sum(p, out));
    struct node *n = NULL, **tail = NULL;
    while (comparison_op(p, &op)) {
        if (!n) {
            n = parse_node(p, N_COMPARE);
            n->a = *out;
            tail = &n->args;
            *out = n;
        }
        struct node *link = parse_node(p, N_GROUP);
        link->op = op;
        TRY(sum(p, &link->a));
        *tail = link;
        tail = &link->next;
    }
    return ERR_OK;
}

static errc negation(struct parser *p, struct node **out)
{
    if (!take_name(p, "not"))
        return comparison(p, out);
    struct node *n = *out = parse_node(p, N_NOT);
    TRY(parse_deeper(p));
    TRY(negation(p, &n->a));
    p->depth--;
    return ERR_OK;
}

static errc and_expression(struct parser *p, struct node **out)
{
    TRY(negation(p, out));
    while (take_name(p, "and")) {
        struct node *n = parse_node(p, N_AND);
        n->a = *out;
        TRY(negation(p, &n->b));
        *out = n;
    }
    return ERR_OK;
}

static errc or_expression(struct parser *p, struct node **out)
{
    TRY(and_expression(p, out));
    while (take_name(p, "or")) {
        struct node *n = parse_node(p, N_OR);
        n->a = *out;
        TRY(and_expression(p, &n->b));
        *out = n;
    }
    return ERR_OK;
}

errc parse_expression(struct parser *p, struct node **out)
{
    TRY(parse_deeper(p));
    TRY(or_expression(p, out));
    while (take_name(p, "if")) {
        struct node *n = parse_node(p, N_COND);
        n->a = *out;
        TRY(or_expression(p, &n->b));
        if (take_name(p, "else"))
            TRY(parse_expression(p, &n->c));
        *out = n;
    }
    p->depth--;
    return ERR_OK;
}

/* One expression, or several with commas between them: a tuple. */
errc parse_tuple(struct parser *p, bool with_cond, struct node **out)
{
    errc (*item)(struct parser *, struct node **) = with_cond ? parse_expression : or_expression;

    TRY(item(p, out));
    if (!is_op(p, ","))
        return ERR_OK;
    struct node *n = parse_node(p, N_TUPLE), **tail = &(*out)->next;
    n->args = *out;
    while (take_op(p, ",")) {
        if (p->at->kind == TOK_BLOCK_END || p->at->kind == TOK_VAR_END || is_op(p, "]"))
            break;
        TRY(item(p, tail));
        tail = &(*tail)->next;
    }
    *out = n;
    return ERR_OK;
}
