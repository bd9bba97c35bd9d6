/* Expressions -> values. Every evaluation counts a step; nesting is limited. */
#include "template/priv.h"

/* *list or **dict among arguments: room for `more` others stays. */
static errc spread(struct render *r, struct scope *s, const struct node *a, size_t more, struct args *out)
{
    struct val v;
    struct list *items;

    TRY(eval(r, s, a->a, &v));
    if (a->op == OP_POW && v.kind != VAL_DICT)
        return fail(r, "argument after ** must be a mapping, not %s", val_type(v));
    TRY(val_items(r, v, &items));
    TRY(tick(r, items->n));
    size_t n = items->n + more;
    struct str *names = arena_calloc(r->arena, out->n_named + n, sizeof *names);
    struct val *named = arena_calloc(r->arena, out->n_named + n, sizeof *named), *plain = arena_calloc(r->arena, out->n + n, sizeof *plain);
    for (size_t i = 0; i < out->n_named; i++)
        names[i] = out->names[i], named[i] = out->named[i];
    for (size_t i = 0; i < out->n; i++)
        plain[i] = out->v[i];
    out->names = names, out->named = named, out->v = plain;
    for (size_t i = 0; i < items->n; i++)
        if (a->op == OP_MUL) {
            out->v[out->n++] = items->v[i];
        } else {
            if (items->v[i].kind != VAL_STR)
                return fail(r, "keywords must be strings");
            out->names[out->n_named] = items->v[i].s;
            out->named[out->n_named++] = v.dict->v[i];
        }
    return ERR_OK;
}

errc eval_args(struct render *r, struct scope *s, const struct node *first, struct args *out)
{
    size_t n = 0;

    for (const struct node *a = first; a; a = a->next)
        n++;
    *out = (struct args){ .v = arena_calloc(r->arena, n, sizeof *out->v), .names = arena_calloc(r->arena, n, sizeof *out->names),
                          .named = arena_calloc(r->arena, n, sizeof *out->named) };
    for (const struct node *a = first; a; a = a->next)
        if (a->op == OP_MUL || a->op == OP_POW) {
            TRY(spread(r, s, a, n, out));
        } else if (a->name.p) {
            out->names[out->n_named] = a->name;
            TRY(eval(r, s, a->a, &out->named[out->n_named++]));
        } else {
            TRY(eval(r, s, a->a, &out->v[out->n++]));
        }
    return ERR_OK;
}

static errc eval_binary(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val a, b;

    TRY(eval(r, s, n->a, &a));
    TRY(eval(r, s, n->b, &b));
    r->line = n->line;
    return binary_op(r, n->op, a, b, out);
}

static errc eval_compare(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val left, right;
    bool yes = true;

    TRY(eval(r, s, n->a, &left));
    for (const struct node *link = n->args; link && yes; link = link->next) {
        TRY(eval(r, s, link->a, &right));
        r->line = n->line;
        TRY(compare_once(r, link->op, left, right, &yes));
        left = right;
    }
    *out = val_bool(yes);
    return ERR_OK;
}

static errc eval_sign(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val v;

    TRY(eval(r, s, n->a, &v));
    if (!val_is_number(v))
        return fail(r, "a sign before %s is not possible", val_type(v));
    if (n->kind == N_POS) {
        *out = v.kind == VAL_BOOL ? val_int(v.b) : v;
        return ERR_OK;
    }
    return v.kind == VAL_FLOAT ? (*out = val_float(-v.f), ERR_OK) : int_op(r, OP_SUB, 0, v.kind == VAL_BOOL ? v.b : v.i, out);
}

static errc eval_list(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val made_list = val_list(r->arena), item;

    made_list.kind = n->kind == N_TUPLE ? VAL_TUPLE : VAL_LIST;
    for (const struct node *i = n->args; i; i = i->next) {
        TRY(eval(r, s, i, &item));
        list_add(r->arena, made_list.list, item);
    }
    *out = made_list;
    return box_check(r, made_list);
}

static errc eval_dict(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val d = val_dict(r->arena), k, v;

    for (const struct node *i = n->args; i; i = i->next) {
        TRY(eval(r, s, i->a, &k));
        TRY(eval(r, s, i->b, &v));
        TRY(val_hashable(r, k));
        dict_put(r->arena, d.dict, k, v);
    }
    *out = d;
    return box_check(r, d);
}

/* What the call gives for the macro's parameter `at`; NULL: nothing. */
static const struct val *given(const struct args *args, size_t at, struct str name)
{
    if (at < args->n)
        return &args->v[at];
    for (size_t i = 0; i < args->n_named; i++)
        if (str_eq(args->names[i], name))
            return &args->named[i];
    return NULL;
}

/* Every parameter gets what was given, or its default, in the order written; *out_n: how many there are. */
static errc bind_parameters(struct render *r, struct scope *s, const struct macro *m, const struct args *args, size_t *out_n)
{
    size_t at = 0;

    for (const struct node *p = m->node->args; p; p = p->next, at++) {
        const struct val *g = given(args, at, p->name);
        struct val v = g ? *g : val_undefined(p->name);
        if (!g && p->a)
            TRY(eval(r, s, p->a, &v));
        scope_set(r, s, p->name, v);
    }
    *out_n = at;
    return args->n > at && !m->node->varargs ? fail(r, "macro '%.*s' takes not more than %zu argument(s)", STR_ARG(m->node->name), at) : ERR_OK;
}

static void bind_varargs(struct render *r, struct scope *s, const struct args *args, size_t at)
{
    struct val more = val_list(r->arena);

    more.kind = VAL_TUPLE;
    for (; at < args->n; at++)
        list_add(r->arena, more.list, args->v[at]);
    scope_set(r, s, STR("varargs"), more);
}

/* `caller` comes by name from {% call %} and needs no parameter. */
static errc bind_kwargs(struct render *r, struct scope *s, const struct macro *m, const struct args *args)
{
    struct val others = val_dict(r->arena);

    for (size_t i = 0; i < args->n_named; i++)
        if (str_is(args->names[i], "caller"))
            scope_set(r, s, args->names[i], args->named[i]);
        else if (scope_own(s, args->names[i]))
            continue;
        else if (m->node->kwargs)
            dict_put(r->arena, others.dict, val_str(args->names[i]), args->named[i]);
        else
            return fail(r, "macro '%.*s' takes no keyword argument '%.*s'", STR_ARG(m->node->name), STR_ARG(args->names[i]));
    if (m->node->kwargs)
        scope_set(r, s, STR("kwargs"), others);
    return ERR_OK;
}

static errc call_macro(struct render *r, const struct macro *m, const struct args *args, struct val *out)
{
    struct scope *s = scope_new(r, m->home);
    size_t parameters;

    TRY(bind_parameters(r, s, m, args, &parameters));
    TRY(bind_kwargs(r, s, m, args));
    if (m->node->varargs)
        bind_varargs(r, s, args, parameters);
    return captured(r, s, m->node->body, out);
}

errc call_value(struct render *r, struct val f, const struct args *args, struct val *out)
{
    switch (f.kind) {
    case VAL_MACRO:
        return call_macro(r, f.macro, args, out);
    case VAL_FUNCTION:
        return f.function->call(r, args, out);
    case VAL_METHOD:
        return f.method->call(r, f.method->self, args, out);
    case VAL_UNDEFINED:
        return undefined_used(r, f);
    default:
        return fail(r, "%s cannot be called", val_type(f));
    }
}

errc eval_call(struct render *r, struct scope *s, const struct node *n, struct val *caller, struct val *out)
{
    struct args args;
    struct val f;

    TRY(eval(r, s, n->a, &f));
    TRY(eval_args(r, s, n->args, &args));
    if (caller) {
        struct str *names = arena_calloc(r->arena, args.n_named + 1, sizeof *names);
        struct val *named = arena_calloc(r->arena, args.n_named + 1, sizeof *named);
        for (size_t i = 0; i < args.n_named; i++)
            names[i] = args.names[i], named[i] = args.named[i];
        names[args.n_named] = STR("caller");
        named[args.n_named++] = *caller;
        args.names = names, args.named = named;
    }
    r->line = n->line;
    return call_value(r, f, &args, out);
}

static errc eval_filter(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct args args;
    struct val v;

    TRY(eval(r, s, n->a, &v));
    TRY(eval_args(r, s, n->args, &args));
    r->line = n->line;
    return n->filter->apply(r, v, &args, out);
}

static errc eval_test(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct args args;
    struct val v;
    bool yes = false;

    TRY(eval(r, s, n->a, &v));
    TRY(eval_args(r, s, n->args, &args));
    r->line = n->line;
    TRY(n->test->apply(r, v, &args, &yes));
    *out = val_bool(yes);
    return ERR_OK;
}

static errc eval_cond(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val c;

    TRY(eval(r, s, n->b, &c));
    if (val_true(c))
        return eval(r, s, n->a, out);
    if (n->c)
        return eval(r, s, n->c, out);
    *out = val_undefined(STR("the inline if-expression evaluated to false and no else section was defined."));
    return ERR_OK;
}

static errc eval_logic(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    TRY(eval(r, s, n->a, out));
    if (n->kind == N_NOT)
        *out = val_bool(!val_true(*out));
    else if (val_true(*out) == (n->kind == N_AND))
        return eval(r, s, n->b, out);
    return ERR_OK;
}

static errc eval_concat(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    AUTO_BUF text = { 0 };
    struct val v;

    for (const struct node *i = n->args; i; i = i->next) {
        TRY(eval(r, s, i, &v));
        val_print(v, &text);
    }
    return str_val(r, &text, out);
}

static errc eval_const(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    *out = n->value;
    return ERR_OK;
}

static errc eval_name(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    *out = n->name.p ? scope_lookup(s, n->name) : n->value;
    return ERR_OK;
}

static errc eval_attr(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val of;

    TRY(eval(r, s, n->a, &of));
    r->line = n->line;
    return get_attr(r, of, n->name, out);
}

static errc eval_item(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val of, key;

    TRY(eval(r, s, n->a, &of));
    TRY(eval(r, s, n->b, &key));
    r->line = n->line;
    return get_item(r, of, key, out);
}

static errc eval_plain_call(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    return eval_call(r, s, n, NULL, out);
}

static errc (*const expressions[])(struct render *r, struct scope *s, const struct node *n, struct val *out) = {
    [N_CONST] = eval_const, [N_NAME] = eval_name, [N_LIST] = eval_list, [N_TUPLE] = eval_list, [N_DICT] = eval_dict, [N_ATTR] = eval_attr,
    [N_ITEM] = eval_item, [N_SLICE] = eval_slice, [N_CALL] = eval_plain_call, [N_FILTER] = eval_filter, [N_TEST] = eval_test,
    [N_NOT] = eval_logic, [N_AND] = eval_logic, [N_OR] = eval_logic, [N_NEG] = eval_sign, [N_POS] = eval_sign,
    [N_BINARY] = eval_binary, [N_COMPARE] = eval_compare, [N_COND] = eval_cond, [N_CONCAT] = eval_concat,
};

errc eval(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    r->line = n->line;
    TRY(tick(r, 0));
    if (r->depth >= EVAL_DEPTH_MAX)
        return fail(r, "expressions and calls are nested more than %d deep", EVAL_DEPTH_MAX);
    if (n->kind >= ARRAY_LEN(expressions))
        return fail(r, "not an expression");
    r->depth++;
    errc rc = expressions[n->kind](r, s, n, out);
    r->depth--;
    return rc;
}
