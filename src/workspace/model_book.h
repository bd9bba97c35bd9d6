/*
 * What the manager has learnt of models outside the catalogue. Threads of its own ask the Hugging Face hub, so that a slow hub holds up
 * nobody: whoever asks gets what is known now, or waits for a time that it says. What was learnt stays for the life of the process, as in
 * upstream's registry; a failure is told for a while and then asked about again, the hub's silence without being asked.
 * Thread-safe; below its lock there is only the queue's.
 */
#ifndef WORKSPACE_MODEL_BOOK_H
#define WORKSPACE_MODEL_BOOK_H

#include "base/err.h"
#include "base/thread.h"
#include "catalog/presets.h"

struct model_book;

struct model_book_opts {                /* zero is the default; texts are copied */
    const char *endpoint;               /* HF_ENDPOINT; NULL: https://huggingface.co */
    const char *token;                  /* for models whose Workspace names no Secret; NULL: none */
    int64_t timeout_ms;                 /* of one request; 0: 10 s */
    int64_t retry_ms;                   /* after a hub that did not answer; doubles to 8 times that; 0: 15 s */
    /* Appends HF_TOKEN of a Secret. An error is the answer for this model. Any of the book's threads. */
    errc (*secret_token)(void *self, const char *ns, const char *secret, struct buf *out, struct err *e);
    void (*news)(void *self, const char *model);        /* this model (lower case) has a new answer; any of the book's threads */
    void *self;
};
/* cancel outlives the book and stops its threads. */
errc model_book_new(const struct model_book_opts *o, struct cancel *cancel, struct model_book **out, struct err *e);
void model_book_free(struct model_book *b);     /* after cancel; joins the threads. NULL is fine */

struct model_question {
    struct str model, ns, secret;       /* secret "": none */
    int64_t wait_ms;                    /* at most, for a first answer */
};
struct model_answer {
    const struct preset *preset;        /* as long as the book lives; NULL with an error */
    bool asking;                        /* no answer yet: news will come */
};
/*
 * An error that err_retryable() calls temporary: not known yet, or the hub or the Secret is out of reach. Any other: what the hub said, in
 * upstream's words ("error listing files: failed to fetch URL: status 404").
 */
errc model_book_ask(struct model_book *b, const struct model_question *q, struct model_answer *out, struct err *e);

#endif
