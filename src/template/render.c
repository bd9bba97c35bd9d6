/* Compiling and rendering: the limits that every evaluation keeps, and the template's life. */
#include "template/priv.h"

errc fail(struct render *r, const char *fmt, ...)
{
    char what[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(r->e, ERR_BAD_REQUEST, "%s line %d: %s", r->t->name, r->line, what);
}

errc tick(struct render *r, size_t work)
{
    r->steps += 1 + work;
    if (r->steps > r->steps_max)
        return err_set(r->e, ERR_TOO_LARGE, "%s line %d: the template took more than %llu steps", r->t->name, r->line, (unsigned long long)r->steps_max);
    return ERR_OK;
}

errc made(struct render *r, size_t bytes)
{
    r->made += bytes;
    if (r->made > r->made_max)
        return err_set(r->e, ERR_TOO_LARGE, "%s line %d: the template made more than %zu bytes of text", r->t->name, r->line, r->made_max);
    return ERR_OK;
}

errc str_val(struct render *r, struct buf *take, struct val *out)
{
    TRY(made(r, take->n));
    *out = val_str(arena_str(r->arena, buf_str(take)));
    return ERR_OK;
}

errc template_render(const struct template *t, const json_t *vars, const struct template_limits *limits, struct buf *out, struct err *e)
{
    return template_render_marked(t, vars, limits, NULL, out, e);
}

void template_marks_done(struct template_marks *m)
{
    free(m->v);
    *m = (struct template_marks){ 0 };
}

errc template_render_marked(const struct template *t, const json_t *vars, const struct template_limits *limits, struct template_marks *marks,
                            struct buf *out, struct err *e)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_BUF text = { 0 };
    struct err own;
    struct render r = {
        .t = t, .arena = a, .out = &text, .whole = &text, .marks = marks, .e = e ? e : &own, .today = limits ? limits->today : NULL,
        .steps_max = limits && limits->steps ? limits->steps : STEPS_DEFAULT,
        .made_max = limits && limits->output_bytes ? limits->output_bytes : OUTPUT_DEFAULT,
    };
    struct scope *globals = scope_new(&r, NULL);

    for (void *it = json_object_iter((json_t *)(uintptr_t)vars); it; it = json_object_iter_next((json_t *)(uintptr_t)vars, it))
        scope_set(&r, globals, str_n(json_object_iter_key(it), json_object_iter_key_len(it)), val_from_json(a, json_object_iter_value(it)));
    TRY(exec(&r, scope_new(&r, globals), t->body));
    for (size_t i = 0; marks && i < marks->n; i++) {
        marks->v[i].from += out->n;
        marks->v[i].to += out->n;
    }
    buf_addstr(out, buf_str(&text));
    return ERR_OK;
}

errc template_compile(struct str source, const char *name, struct template **out, struct err *e)
{
    AUTO_FREE(template) t = xzalloc(sizeof *t);
    struct tokens tokens = { 0 };

    if (source.n > SOURCE_MAX)
        return err_set(e, ERR_TOO_LARGE, "%s: %zu bytes of template are more than %zu", name, source.n, SOURCE_MAX);
    t->arena = arena_new();
    t->name = xstrdup(name);
    errc rc = template_lex(t->arena, source, t->name, &tokens, e);
    if (!rc)
        rc = template_parse(t, &tokens, e);
    free(tokens.v);
    if (rc)
        return rc;
    *out = TAKE(t);
    return ERR_OK;
}

void template_free(struct template *t)
{
    if (!t)
        return;
    arena_free(t->arena);
    free(t->name);
    free(t);
}
