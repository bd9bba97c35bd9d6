/* A resource in several namespaces: an informer for each, read as one. */
#include "base/mem.h"
#include "kube/informer.h"
#include "kube/priv.h"

void union_free(struct informer_union *u)
{
    if (!u)
        return;
    for (size_t i = 0; i < u->n; i++)
        free(u->namespaces[i]);
    free(u->namespaces);
    free(u->parts);
    free(u);
}

void union_add(struct informer_union *u, const char *ns, struct informer *part)
{
    u->namespaces = xrealloc(u->namespaces, (u->n + 1) * sizeof *u->namespaces);
    u->parts = xrealloc(u->parts, (u->n + 1) * sizeof *u->parts);
    u->namespaces[u->n] = xstrdup(ns);
    u->parts[u->n++] = part;
}

bool union_is_for(const struct informer_union *u, const char *const *namespaces)
{
    size_t i = 0;
    while (i < u->n && namespaces[i] && streq(u->namespaces[i], namespaces[i]))
        i++;
    return i == u->n && !namespaces[i];
}

void union_on(const struct informer_union *u, const struct informer_handler *h)
{
    for (size_t i = 0; i < u->n; i++)
        informer_on(u->parts[i], h);
}

bool union_synced(const struct informer_union *u)
{
    for (size_t i = 0; i < u->n; i++)
        if (!informer_synced(u->parts[i]))
            return false;
    return true;
}

errc union_wait_until(const struct informer_union *u, struct cancel *cancel, int64_t mono_ms, struct err *e)
{
    for (size_t i = 0; i < u->n; i++)
        TRY(informer_wait_until(u->parts[i], cancel, mono_ms, e));
    return ERR_OK;
}

json_t *union_get(const struct informer_union *u, const char *ns, const char *name)
{
    for (size_t i = 0; i < u->n; i++)
        if (streq(u->namespaces[i], ns))
            return informer_get(u->parts[i], ns, name);
    return NULL;
}

json_t *union_list(const struct informer_union *u, const char *ns, const json_t *selector, const json_t *labels)
{
    json_t *all = json_array();
    for (size_t i = 0; i < u->n; i++) {
        if (ns && !streq(u->namespaces[i], ns))
            continue;
        AUTO_JSON some = labels ? informer_list_labels(u->parts[i], ns, labels) : informer_list(u->parts[i], ns, selector);
        json_array_extend(all, some);
    }
    return all;
}

json_t *union_list_field(const struct informer_union *u, const char *field, const char *value)
{
    json_t *all = json_array();
    for (size_t i = 0; i < u->n; i++) {
        AUTO_JSON some = informer_list_field(u->parts[i], field, value);
        json_array_extend(all, some);
    }
    return all;
}

json_t *union_owned_by(const struct informer_union *u, const char *owner_uid)
{
    json_t *all = json_array();
    for (size_t i = 0; i < u->n; i++) {
        AUTO_JSON some = informer_owned_by(u->parts[i], owner_uid);
        json_array_extend(all, some);
    }
    return all;
}

size_t union_len(const struct informer_union *u)
{
    size_t n = 0;
    for (size_t i = 0; i < u->n; i++)
        n += informer_len(u->parts[i]);
    return n;
}

void union_stats(const struct informer_union *u, struct informer_stats *out)
{
    *out = (struct informer_stats){ 0 };
    for (size_t i = 0; i < u->n; i++) {
        struct informer_stats s;
        informer_stats(u->parts[i], &s);
        out->lists += s.lists;
        out->watches += s.watches;
        out->events += s.events;
        out->errors += s.errors;
    }
}
