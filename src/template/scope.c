/* Names -> values, innermost first, and the arguments of a call. */
#include "template/priv.h"

struct scope *scope_new(struct render *r, struct scope *parent)
{
    struct scope *s = arena_new_of(r->arena, struct scope);
    s->parent = parent;
    return s;
}

struct val *scope_own(struct scope *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->names[i], name))
            return &s->vals[i];
    return NULL;
}

void scope_set(struct render *r, struct scope *s, struct str name, struct val v)
{
    struct val *old = scope_own(s, name);

    if (old) {
        *old = v;
        return;
    }
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 8;
        struct str *names = arena_calloc(r->arena, cap, sizeof *names);
        struct val *vals = arena_calloc(r->arena, cap, sizeof *vals);
        for (size_t i = 0; i < s->n; i++)
            names[i] = s->names[i], vals[i] = s->vals[i];
        s->names = names, s->vals = vals, s->cap = cap;
    }
    s->names[s->n] = name;
    s->vals[s->n++] = v;
}

struct val scope_lookup(const struct scope *s, struct str name)
{
    for (; s; s = s->parent)
        for (size_t i = 0; i < s->n; i++)
            if (str_eq(s->names[i], name))
                return s->vals[i];
    const struct function *f = function_find(name);
    return f ? (struct val){ VAL_FUNCTION, { .function = f } } : val_undefined(name);
}

const struct val *arg(const struct args *args, size_t at, const char *name)
{
    if (at < args->n)
        return &args->v[at];
    for (size_t i = 0; name && i < args->n_named; i++)
        if (str_is(args->names[i], name))
            return &args->named[i];
    return NULL;
}

int64_t arg_int(const struct args *args, size_t at, const char *name, int64_t fallback)
{
    const struct val *v = arg(args, at, name);
    return !v ? fallback : v->kind == VAL_INT ? v->i : v->kind == VAL_BOOL ? v->b : fallback;
}

bool arg_bool(const struct args *args, size_t at, const char *name, bool fallback)
{
    const struct val *v = arg(args, at, name);
    return v ? val_true(*v) : fallback;
}

struct str arg_str(const struct args *args, size_t at, const char *name, const char *fallback)
{
    const struct val *v = arg(args, at, name);
    return v && v->kind == VAL_STR ? v->s : str_of(fallback);
}
