/* Tokens -> statements. */
#include "template/parse.h"

errc parse_error(struct parser *p, const char *fmt, ...)
{
    char what[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(p->e, ERR_CORRUPT, "%s line %d: %s", p->t->name, p->at->line, what);
}

struct node *parse_node(struct parser *p, enum node_kind kind)
{
    struct node *n = arena_new_of(p->t->arena, struct node);

    n->kind = kind;
    n->line = p->at->line;
    return n;
}

bool is_op(const struct parser *p, const char *op) { return p->at->kind == TOK_OP && str_is(p->at->text, op); }
bool is_name(const struct parser *p, const char *name) { return p->at->kind == TOK_NAME && str_is(p->at->text, name); }

bool take_op(struct parser *p, const char *op)
{
    bool yes = is_op(p, op);
    p->at += yes;
    return yes;
}

bool take_name(struct parser *p, const char *name)
{
    bool yes = is_name(p, name);
    p->at += yes;
    return yes;
}

errc want_op(struct parser *p, const char *op)
{
    return take_op(p, op) ? ERR_OK : parse_error(p, "expected \"%s\"", op);
}

errc want_name(struct parser *p, struct str *out)
{
    if (p->at->kind != TOK_NAME)
        return parse_error(p, "expected a name");
    *out = p->at++->text;
    return ERR_OK;
}

errc parse_deeper(struct parser *p)
{
    return ++p->depth > PARSE_DEPTH_MAX ? parse_error(p, "brackets and blocks are nested more than %d deep", PARSE_DEPTH_MAX) : ERR_OK;
}

static errc block(struct parser *p, const char *const *ends, struct node **first);

static errc want_block_end(struct parser *p)
{
    if (p->at->kind != TOK_BLOCK_END)
        return parse_error(p, "unexpected text before the end of the block");
    p->at++;
    return ERR_OK;
}

/* The statements up to {% end %}, and its end. */
static errc body_until(struct parser *p, const char *end, struct node **first)
{
    const char *const ends[] = { end, NULL };

    TRY(block(p, ends, first));
    p->at++;
    return want_block_end(p);
}

static errc st_if(struct parser *p, struct node **out)
{
    static const char *const ends[] = { "elif", "else", "endif", NULL };
    struct node *n = *out = parse_node(p, N_IF), **branch = &n->args;

    for (;;) {                          /* args: the branches, a condition each; other: else */
        struct node *b = *branch = parse_node(p, N_GROUP);
        TRY(parse_tuple(p, true, &b->a));
        TRY(want_block_end(p));
        TRY(block(p, ends, &b->body));
        branch = &b->next;
        if (!take_name(p, "elif"))
            break;
    }
    if (take_name(p, "else")) {
        TRY(want_block_end(p));
        return body_until(p, "endif", &n->other);
    }
    p->at++;
    return want_block_end(p);
}

static errc targets(struct parser *p, struct node *n);

static errc target(struct parser *p, struct node **out)
{
    static const char *const constants[] = { "true", "True", "false", "False", "none", "None" };
    struct node *t = *out = parse_node(p, is_op(p, "(") ? N_TUPLE : N_NAME);

    if (take_op(p, "(")) {
        TRY(parse_deeper(p));
        TRY(targets(p, t));
        p->depth--;
        return want_op(p, ")");
    }
    for (size_t i = 0; i < ARRAY_LEN(constants); i++)
        if (is_name(p, constants[i]))
            return parse_error(p, "can't assign to '%s'", constants[i]);
    return want_name(p, &t->name);
}

/* a, (b, c): one target, or the names that a value is unpacked into. */
static errc targets(struct parser *p, struct node *n)
{
    struct node **tail = &n->args;

    do {
        TRY(target(p, tail));
        tail = &(*tail)->next;
    } while (take_op(p, ",") && (p->at->kind == TOK_NAME || is_op(p, "(")));
    return ERR_OK;
}

static errc st_for(struct parser *p, struct node **out)
{
    static const char *const ends[] = { "else", "endfor", NULL };
    struct node *n = *out = parse_node(p, N_FOR);

    TRY(targets(p, n));
    if (!take_name(p, "in"))
        return parse_error(p, "expected \"in\" after the loop's variables");
    TRY(parse_tuple(p, false, &n->a));
    if (take_name(p, "if"))
        TRY(parse_expression(p, &n->b));
    if (is_name(p, "recursive"))
        return parse_error(p, "recursive loops are not supported");
    TRY(want_block_end(p));
    TRY(block(p, ends, &n->body));
    if (take_name(p, "else")) {
        TRY(want_block_end(p));
        return body_until(p, "endfor", &n->other);
    }
    p->at++;
    return want_block_end(p);
}

static errc st_set(struct parser *p, struct node **out)
{
    struct node *n = *out = parse_node(p, N_SET);

    TRY(targets(p, n));
    if (!n->args->next && n->args->kind == N_NAME && take_op(p, "."))
        TRY(want_name(p, &n->name));    /* an attribute of a namespace */
    if (take_op(p, "=")) {
        TRY(parse_tuple(p, true, &n->a));
        return want_block_end(p);
    }
    n->kind = N_SET_BLOCK;
    struct node *text = parse_node(p, N_NAME);        /* stands for the captured text under its filters */
    n->a = text;
    n->b = text;
    while (take_op(p, "|"))
        TRY(parse_filter(p, n->a, &n->a));
    TRY(want_block_end(p));
    return body_until(p, "endset", &n->body);
}

static errc parameters(struct parser *p, struct node *n)
{
    struct node **tail = &n->args;

    TRY(want_op(p, "("));
    while (!take_op(p, ")")) {
        struct node *param = parse_node(p, N_NAME);
        TRY(want_name(p, &param->name));
        if (take_op(p, "="))
            TRY(parse_expression(p, &param->a));
        *tail = param;
        tail = &param->next;
        if (!is_op(p, ")"))
            TRY(want_op(p, ","));
    }
    return ERR_OK;
}

/* Whether a name is read anywhere in the tree: only such a macro takes arguments beyond its parameters. */
static bool mentions(const struct node *n, struct str name)
{
    for (; n; n = n->next) {
        if (n->kind == N_NAME && str_eq(n->name, name))
            return true;
        if (mentions(n->a, name) || mentions(n->b, name) || mentions(n->c, name) || mentions(n->args, name) || mentions(n->body, name) || mentions(n->other, name))
            return true;
    }
    return false;
}

static errc macro_body(struct parser *p, const char *end, struct node *macro)
{
    TRY(body_until(p, end, &macro->body));
    macro->varargs = mentions(macro->body, STR("varargs"));
    macro->kwargs = mentions(macro->body, STR("kwargs"));
    return ERR_OK;
}

static errc st_macro(struct parser *p, struct node **out)
{
    struct node *n = *out = parse_node(p, N_MACRO);

    TRY(want_name(p, &n->name));
    TRY(parameters(p, n));
    TRY(want_block_end(p));
    return macro_body(p, "endmacro", n);
}

static errc st_call(struct parser *p, struct node **out)
{
    struct node *n = *out = parse_node(p, N_CALL_BLOCK), *caller = parse_node(p, N_MACRO);

    caller->name = STR("caller");
    if (is_op(p, "("))
        TRY(parameters(p, caller));
    TRY(parse_expression(p, &n->a));
    if (n->a->kind != N_CALL)
        return parse_error(p, "a call block needs a call");
    TRY(want_block_end(p));
    n->b = caller;
    return macro_body(p, "endcall", caller);
}

static errc st_filter(struct parser *p, struct node **out)
{
    struct node *n = *out = parse_node(p, N_FILTER_BLOCK), *text = parse_node(p, N_NAME);

    n->b = text;
    TRY(parse_filter(p, text, &n->a));
    while (take_op(p, "|"))
        TRY(parse_filter(p, n->a, &n->a));
    TRY(want_block_end(p));
    return body_until(p, "endfilter", &n->body);
}

static errc st_with(struct parser *p, struct node **out)
{
    struct node *n = *out = parse_node(p, N_WITH), **tail = &n->args;

    while (p->at->kind != TOK_BLOCK_END) {
        struct node *v = parse_node(p, N_NAME);
        TRY(want_name(p, &v->name));
        TRY(want_op(p, "="));
        TRY(parse_expression(p, &v->a));
        *tail = v;
        tail = &v->next;
        if (p->at->kind != TOK_BLOCK_END)
            TRY(want_op(p, ","));
    }
    TRY(want_block_end(p));
    return body_until(p, "endwith", &n->body);
}

static errc st_break(struct parser *p, struct node **out)
{
    *out = parse_node(p, N_BREAK);
    return want_block_end(p);
}

static errc st_continue(struct parser *p, struct node **out)
{
    *out = parse_node(p, N_CONTINUE);
    return want_block_end(p);
}

/* {% generation %} marks what an assistant said for loss masks; as text it is what it holds. */
static errc st_generation(struct parser *p, struct node **out)
{
    *out = parse_node(p, N_GENERATION);
    TRY(want_block_end(p));
    return body_until(p, "endgeneration", &(*out)->body);
}

/* {% block name %} is what it holds: there is no inheritance here that could replace it. */
static errc st_block(struct parser *p, struct node **out)
{
    struct str name;

    TRY(want_name(p, &name));
    *out = parse_node(p, N_GROUP);
    TRY(want_block_end(p));
    static const char *const ends[] = { "endblock", NULL };
    TRY(block(p, ends, &(*out)->body));
    p->at++;
    (void)(p->at->kind == TOK_NAME && p->at++);         /* its name may follow */
    return want_block_end(p);
}

static const struct statement { const char *name; errc (*parse)(struct parser *p, struct node **out); } statements[] = {
    { "if", st_if }, { "for", st_for }, { "set", st_set }, { "macro", st_macro }, { "call", st_call }, { "filter", st_filter },
    { "with", st_with }, { "break", st_break }, { "continue", st_continue }, { "generation", st_generation }, { "block", st_block },
};

static errc statement(struct parser *p, struct node **out)
{
    if (p->at->kind != TOK_NAME)
        return parse_error(p, "expected the name of a statement");
    for (size_t i = 0; i < ARRAY_LEN(statements); i++)
        if (str_is(p->at->text, statements[i].name)) {
            p->at++;
            TRY(parse_deeper(p));
            TRY(statements[i].parse(p, out));
            p->depth--;
            return ERR_OK;
        }
    return parse_error(p, "statement \"%.*s\" is not supported here", STR_ARG(p->at->text));
}

static bool at_end(const struct parser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (p->at[1].kind == TOK_NAME && str_is(p->at[1].text, *ends))
            return true;
    return false;
}

/* Statements up to one of the end names, which is left as the next token; ends NULL: up to the end of the source. */
static errc block(struct parser *p, const char *const *ends, struct node **first)
{
    struct node **tail = first;

    for (;; tail = &(*tail)->next) {
        switch (p->at->kind) {
        case TOK_END:
            return ends ? parse_error(p, "the source ends where {%% %s %%} was expected", ends[0]) : ERR_OK;
        case TOK_DATA:
            *tail = parse_node(p, N_DATA);
            (*tail)->name = p->at++->text;
            break;
        case TOK_VAR_BEGIN:
            p->at++;
            *tail = parse_node(p, N_OUTPUT);
            TRY(parse_tuple(p, true, &(*tail)->a));
            if (p->at->kind != TOK_VAR_END)
                return parse_error(p, "expected \"}}\"");
            p->at++;
            break;
        default:
            if (at_end(p, ends)) {
                p->at++;
                return ERR_OK;
            }
            p->at++;
            TRY(statement(p, tail));
        }
    }
}

errc template_parse(struct template *t, const struct tokens *tokens, struct err *e)
{
    struct parser p = { .t = t, .at = tokens->v, .e = e };
    return block(&p, NULL, &t->body);
}
