#include "workspace/validate/problems.h"

#include <stdlib.h>

#include "base/mem.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_message(const void *a, const void *b)
{
    return strcmp(((const struct problem *)a)->message, ((const struct problem *)b)->message);
}

static struct problem *problem_of(struct problems *l, const char *message)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->items[i].message, message))
            return &l->items[i];
    l->items = xrealloc(l->items, (l->n + 1) * sizeof *l->items);
    l->items[l->n] = (struct problem){ .message = xstrdup(message) };
    return &l->items[l->n++];
}

void problem_add(struct problems *l, const char *path, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    struct problem *p = problem_of(l, buf_cstr(&text));

    for (size_t i = 0; i < p->n_paths; i++)
        if (!path || streq(p->paths[i], path))
            return;
    if (!path)
        return;
    p->paths = xrealloc(p->paths, (p->n_paths + 1) * sizeof *p->paths);
    p->paths[p->n_paths++] = xstrdup(path);
}

void problems_render(struct problems *l, struct buf *out)
{
    if (l->n > 0)
        qsort(l->items, l->n, sizeof *l->items, by_message);
    for (size_t i = 0; i < l->n; i++) {
        struct problem *p = &l->items[i];

        if (p->n_paths > 0)
            qsort(p->paths, p->n_paths, sizeof *p->paths, by_text);
        buf_addf(out, "%s%s: ", i ? "\n" : "", p->message);
        for (size_t k = 0; k < p->n_paths; k++)
            buf_addf(out, "%s%s", k ? ", " : "", p->paths[k]);
    }
}

void problems_done(struct problems *l)
{
    for (size_t i = 0; i < l->n; i++) {
        for (size_t k = 0; k < l->items[i].n_paths; k++)
            free(l->items[i].paths[k]);
        free(l->items[i].paths);
        free(l->items[i].message);
    }
    free(l->items);
    *l = (struct problems){ 0 };
}
