/* Statements -> text. */
#include "template/priv.h"

errc captured(struct render *r, struct scope *s, const struct node *body, struct val *out)
{
    AUTO_BUF text = { 0 };
    struct buf *before = r->out;

    r->out = &text;
    errc rc = exec(r, s, body);
    r->out = before;
    return rc ? rc : str_val(r, &text, out);
}

static errc print(struct render *r, struct scope *s, const struct node *n)
{
    struct val v;
    size_t before = r->out->n;

    TRY(eval(r, s, n->a, &v));
    val_print(v, r->out);
    return made(r, r->out->n - before);
}

static errc bind(struct render *r, struct scope *s, const struct node *targets, struct val v)
{
    struct list *items;
    size_t i = 0, n = 0;

    if (!targets->next && targets->kind == N_TUPLE)
        return bind(r, s, targets->args, v);
    if (!targets->next) {
        scope_set(r, s, targets->name, v);
        return ERR_OK;
    }
    TRY(val_items(r, v, &items));
    for (const struct node *t = targets; t; t = t->next)
        n++;
    if (items->n != n)
        return fail(r, "%zu values cannot be unpacked into %zu names", items->n, n);
    for (const struct node *t = targets; t; t = t->next, i++)
        if (t->kind == N_TUPLE)
            TRY(bind(r, s, t->args, items->v[i]));
        else
            scope_set(r, s, t->name, items->v[i]);
    return ERR_OK;
}

static errc loop_items(struct render *r, struct scope *s, const struct node *n, struct list **out)
{
    struct val v, c;
    struct list *all;

    TRY(eval(r, s, n->a, &v));
    TRY(val_items(r, v, &all));
    *out = all;
    if (!n->b)
        return ERR_OK;
    *out = val_list(r->arena).list;
    for (size_t i = 0; i < all->n; i++) {
        struct scope *inner = scope_new(r, s);
        TRY(bind(r, inner, n->args, all->v[i]));
        TRY(eval(r, inner, n->b, &c));
        if (val_true(c))
            list_add(r->arena, *out, all->v[i]);
    }
    return ERR_OK;
}

static errc exec_for(struct render *r, struct scope *s, const struct node *n)
{
    struct list *items;

    TRY(loop_items(r, s, n, &items));
    if (!items->n)
        return exec(r, scope_new(r, s), n->other);
    struct loop *l = arena_new_of(r->arena, struct loop);
    *l = (struct loop){ .n = items->n, .items = items, .depth = ++r->loop_depth };
    for (size_t i = 0; i < l->n; i++) {
        struct scope *inner = scope_new(r, s);
        l->index0 = i;
        TRY(tick(r, 0));
        TRY(bind(r, inner, n->args, items->v[i]));
        scope_set(r, inner, STR("loop"), (struct val){ VAL_LOOP, { .loop = l } });
        TRY(exec(r, inner, n->body));
        bool stop = r->flow == FLOW_BREAK;
        r->flow = FLOW_NONE;
        if (stop)
            break;
    }
    r->loop_depth--;
    return ERR_OK;
}

static errc exec_if(struct render *r, struct scope *s, const struct node *n)
{
    struct val c;

    for (const struct node *b = n->args; b; b = b->next) {
        TRY(eval(r, s, b->a, &c));
        if (val_true(c))
            return exec(r, s, b->body);
    }
    return exec(r, s, n->other);
}

static errc assign(struct render *r, struct scope *s, const struct node *n, struct val v)
{
    if (!n->name.p)
        return bind(r, s, n->args, v);
    struct val ns = scope_lookup(s, n->args->name);
    if (ns.kind != VAL_NAMESPACE)
        return fail(r, "cannot assign attribute on non-namespace object \"%.*s\"", STR_ARG(n->args->name));
    dict_put(r->arena, ns.dict, val_str(n->name), v);
    return ERR_OK;
}

/* Puts a value under the filters that a block names: their innermost operand is a nameless N_NAME. */
static errc filtered(struct render *r, struct scope *s, const struct node *chain, struct val v, struct val *out)
{
    if (chain->kind != N_FILTER) {
        *out = v;
        return ERR_OK;
    }
    struct args args;
    struct val inner;
    TRY(filtered(r, s, chain->a, v, &inner));
    TRY(eval_args(r, s, chain->args, &args));
    return chain->filter->apply(r, inner, &args, out);
}

/* Notes where in the text the block lies; inside of {% set %} and macros there is no such place. */
static errc exec_generation(struct render *r, struct scope *s, const struct node *n)
{
    size_t from = r->out->n;

    TRY(exec(r, s, n->body));
    if (r->marks && r->out == r->whole && r->out->n > from) {
        struct template_marks *m = r->marks;
        vec_grow(m->v, m->n, m->cap);
        m->v[m->n++] = (struct template_mark){ from, r->out->n };
    }
    return ERR_OK;
}

static errc exec_data(struct render *r, struct scope *s, const struct node *n)
{
    buf_addstr(r->out, n->name);
    return made(r, n->name.n);
}

static errc exec_set(struct render *r, struct scope *s, const struct node *n)
{
    struct val v;

    TRY(eval(r, s, n->a, &v));
    return assign(r, s, n, v);
}

/* What the block prints, under its filters. */
static errc filtered_block(struct render *r, struct scope *s, const struct node *n, struct val *out)
{
    struct val text;

    TRY(captured(r, scope_new(r, s), n->body, &text));
    return filtered(r, s, n->a, text, out);
}

static errc exec_set_block(struct render *r, struct scope *s, const struct node *n)
{
    struct val v;

    TRY(filtered_block(r, s, n, &v));
    return assign(r, s, n, v);
}

static errc exec_filter_block(struct render *r, struct scope *s, const struct node *n)
{
    struct val v;

    TRY(filtered_block(r, s, n, &v));
    val_print(v, r->out);
    return ERR_OK;
}

static struct val macro_val(struct render *r, struct scope *home, const struct node *n)
{
    struct macro *m = arena_new_of(r->arena, struct macro);

    *m = (struct macro){ n, home };
    return (struct val){ VAL_MACRO, { .macro = m } };
}

static errc exec_macro(struct render *r, struct scope *s, const struct node *n)
{
    scope_set(r, s, n->name, macro_val(r, s, n));
    return ERR_OK;
}

static errc exec_call_block(struct render *r, struct scope *s, const struct node *n)
{
    struct val caller = macro_val(r, s, n->b), v;

    TRY(eval_call(r, s, n->a, &caller, &v));
    val_print(v, r->out);
    return ERR_OK;
}

static errc exec_with(struct render *r, struct scope *s, const struct node *n)
{
    struct scope *inner = scope_new(r, s);
    struct val v;

    for (const struct node *t = n->args; t; t = t->next) {
        TRY(eval(r, s, t->a, &v));
        scope_set(r, inner, t->name, v);
    }
    return exec(r, inner, n->body);
}

static errc exec_group(struct render *r, struct scope *s, const struct node *n)
{
    return exec(r, s, n->body);
}

static errc exec_leave(struct render *r, struct scope *s, const struct node *n)
{
    if (!r->loop_depth)
        return fail(r, "break and continue belong into a loop");
    r->flow = n->kind == N_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
    return ERR_OK;
}

static errc (*const statements[])(struct render *r, struct scope *s, const struct node *n) = {
    [N_DATA] = exec_data, [N_OUTPUT] = print, [N_IF] = exec_if, [N_FOR] = exec_for, [N_SET] = exec_set, [N_SET_BLOCK] = exec_set_block,
    [N_MACRO] = exec_macro, [N_CALL_BLOCK] = exec_call_block, [N_FILTER_BLOCK] = exec_filter_block, [N_WITH] = exec_with,
    [N_BREAK] = exec_leave, [N_CONTINUE] = exec_leave, [N_GROUP] = exec_group, [N_GENERATION] = exec_generation,
};

static errc exec_one(struct render *r, struct scope *s, const struct node *n)
{
    if (n->kind >= ARRAY_LEN(statements) || !statements[n->kind])
        return fail(r, "not a statement");
    return statements[n->kind](r, s, n);
}

errc exec(struct render *r, struct scope *s, const struct node *first)
{
    if (r->depth >= EVAL_DEPTH_MAX)
        return fail(r, "blocks and calls are nested more than %d deep", EVAL_DEPTH_MAX);
    r->depth++;
    for (const struct node *n = first; n && r->flow == FLOW_NONE; n = n->next) {
        r->line = n->line;
        TRY(tick(r, 0));
        TRY(exec_one(r, s, n));
    }
    r->depth--;
    return ERR_OK;
}
