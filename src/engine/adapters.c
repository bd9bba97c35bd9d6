/* Names to adapters. */
#include "engine/adapters.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/thread.h"

struct adapters {
    const struct model *model;
    struct mutex mu;                    /* guards what follows */
    struct adapter **v;
    size_t n, cap;
    uint64_t loaded;                    /* so far; the last one's serial */
};

struct adapters *adapters_new(const struct model *m)
{
    struct adapters *a = xzalloc(sizeof *a);

    a->model = m;
    mutex_init(&a->mu);
    return a;
}

void adapters_free(struct adapters *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++)
        adapter_free(a->v[i]);
    free(a->v);
    mutex_done(&a->mu);
    free(a);
}

/* a->n when the name is unknown. */
static size_t find_locked(const struct adapters *a, const char *name)
{
    size_t i = 0;

    mutex_assert_held(&a->mu);
    while (i < a->n && !streq(a->v[i]->name, name))
        i++;
    return i;
}

/* Takes x on success. *out_old is the caller's to free. */
static errc put(struct adapters *a, struct adapter *x, bool replace, struct adapter **out_old, struct err *e)
{
    LOCK_SCOPE(&a->mu);
    size_t i = find_locked(a, x->name);

    if (i < a->n && !replace)
        return err_set(e, ERR_EXISTS, "adapter %s is loaded already", x->name);
    x->serial = ++a->loaded;
    if (i < a->n) {
        *out_old = a->v[i];
    } else {
        vec_grow(a->v, a->n, a->cap);
        a->n++;
    }
    a->v[i] = x;
    return ERR_OK;
}

errc adapters_load(struct adapters *a, const char *dir, const char *name, float strength, bool replace, const struct adapter **out,
                   struct err *e)
{
    AUTO_FREE(adapter) x = NULL, *old = NULL;

    TRY(adapter_load(dir, name, strength, a->model, &x, e));
    TRY(put(a, x, replace, &old, e));
    if (out)
        *out = x;
    x = NULL;
    return ERR_OK;
}

static struct adapter *take_out(struct adapters *a, const char *name)
{
    LOCK_SCOPE(&a->mu);
    size_t i = find_locked(a, name);

    if (i == a->n)
        return NULL;
    struct adapter *x = a->v[i];
    memmove(&a->v[i], &a->v[i + 1], (a->n - i - 1) * sizeof *a->v);
    a->n--;
    return x;
}

errc adapters_remove(struct adapters *a, const char *name, struct err *e)
{
    AUTO_FREE(adapter) x = take_out(a, name);

    return x ? ERR_OK : err_set(e, ERR_NOT_FOUND, "adapter %s is not loaded", name);
}

struct adapter *adapters_get(struct adapters *a, const char *name)
{
    LOCK_SCOPE(&a->mu);
    size_t i = name ? find_locked(a, name) : 0;

    return i < a->n ? adapter_ref(a->v[i]) : NULL;
}

void adapters_names(struct adapters *a, char ***out, size_t *out_n)
{
    LOCK_SCOPE(&a->mu);

    *out = xcalloc(a->n + 1, sizeof **out);
    for (size_t i = 0; i < a->n; i++)
        (*out)[i] = xstrdup(a->v[i]->name);
    *out_n = a->n;
}
