/*
 * Admission webhooks as kube-apiserver has them: ValidatingWebhookConfiguration and MutatingWebhookConfiguration objects say who is asked
 * about which writes. The configured webhooks are part of the registry's picture, so a request keeps to those it began with.
 *   create: decode, defaults, mutating webhooks, validation, validating webhooks, store; update likewise; delete: both before it.
 * Mutating ones are asked one after the other, configurations by name, webhooks in their order; validating ones at the same time. Of
 * several refusals the first in that order is told.
 * Not asked: about webhook configurations themselves (so that a broken one can be repaired), reviews, bindings, evictions and tokens.
 */
#ifndef APISERVER_ADMISSION_H
#define APISERVER_ADMISSION_H

#include "apiserver/priv.h"

struct cel;
struct condition { const char *name, *text; const struct cel *cel; };

struct admission_hook {                 /* texts and trees hang on the registry's arena */
    bool mutating;
    const char *configuration, *name;
    const json_t *rules;                /* of the configuration, never changed */
    const json_t *service;              /* NULL: url says where */
    const char *url;
    const struct selector *namespaces, *objects;
    struct condition *conditions;
    size_t n_conditions;
    bool exact;                         /* matchPolicy: other versions of the resource do not count */
    bool ignore_failure;
    bool dry_run;                       /* has no side effects then */
    bool reinvoke;
    int64_t timeout_s;
    struct http_client *client;         /* NULL: problem says why it can never be called */
    const char *problem;
};

/* Reads all configurations into the registry. Only the store's failures are errors. */
errc admission_load(struct registry *g, struct store *store, struct err *e);
void admission_done(struct registry *g);

/* One write on its way. obj NULL: a deletion; old NULL: a creation. */
struct admission {
    struct req *r;
    const struct resource *res;
    const char *operation, *sub, *ns, *name;
    json_t *obj;
    const json_t *old;
};
/* How one webhook sees the write: in a version that its rules name. */
struct admission_view { const struct resource *res; json_t *obj; const json_t *old; json_t *request; };

/* Do the rules, selectors and conditions ask for it? Fills *out (with the AdmissionRequest). A condition that fails is an error. */
errc admission_matches(const struct admission *a, const struct admission_hook *h, bool *out_matches, struct admission_view *out);
/* Sends the review and waits. *out_patch: a JSON patch or NULL, the request arena's. A refusal is a failure in upstream's words. */
errc admission_call(const struct admission *a, const struct admission_hook *h, const struct admission_view *v, json_t **out_patch);
/* Asks all of them at once; they have no patches. */
struct admission_ask { const struct admission_hook *h; struct admission_view v; };
errc admission_call_all(const struct admission *a, const struct admission_ask *asks, size_t n);

/* Changes a->obj in place as the webhooks want. */
errc admission_mutate(const struct admission *a);
errc admission_validate(const struct admission *a);

#endif
