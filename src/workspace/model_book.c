#include "workspace/model_book.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "http/client.h"
#include "hub/hub.h"
#include "kube/workq.h"
#include "workspace/models.h"

#define THREADS         4               /* so many silent hubs' requests may hang before others wait */
#define STACK_BYTES     (512u << 10)
#define REFUSAL_MS      60000           /* what the hub said is told for so long */
#define INTEREST_MS     1200000         /* a silent hub is asked again while somebody wanted to know within this time */
#define MODELS_MAX      4096
#define REPLY_MAX       (8u << 20)
#define ERROR_MAX       400

/* A question that has no good answer: by Secret and model, since one token may see what another does not. */
struct failure {
    bool pending;                       /* queued or being asked: no answer yet */
    errc code;
    char text[ERROR_MAX];
    int64_t until_ms, asked_ms;         /* mono */
    int64_t retry_ms;                   /* of a silent hub */
};

struct model_book {
    struct model_book_opts o;
    char *endpoint, *token;
    struct http_client *http;
    struct workq *questions;            /* key: ns "NAMESPACE/SECRET" or "", name the model */
    struct cancel *cancel;

    struct mutex mu;
    struct cond answered;
    struct map *known;                  /* model -> struct learnt */
    struct map *failures;               /* "NAMESPACE/SECRET model" -> struct failure */
    struct thread threads[THREADS];     /* started by the first question: most managers never have one */
    bool started;
};

struct learnt { struct arena *arena; const struct preset *preset; };

static void learnt_free(void *p)
{
    struct learnt *l = p;

    arena_free(l->arena);
    free(l);
}

/* ---- asking the hub ------------------------------------------------------------------------------------------------------- */

static errc get(void *self, const char *url, const char *token, int *status, struct buf *body, struct err *e)
{
    struct model_book *b = self;
    bool ours = false;
    AUTO_MEM char *where = hub_url_rewrite(url, b->endpoint, &ours), *bearer = xasprintf("Bearer %s", token ? token : "");
    const struct http_pair header = { "Authorization", bearer };
    const struct http_request q = { .url = where, .headers = &header, .n_headers = str_set(token) && ours, .max_body = REPLY_MAX, .max_redirects = 5, .cancel = b->cancel };
    AUTO_RESPONSE r = { 0 };

    TRY(http_send(b->http, &q, &r, e));
    if (r.status >= 500 || r.status == 429)         /* it may be well again soon: no answer */
        return err_set(e, ERR_UNAVAILABLE, "status %d", r.status);
    *status = r.status;
    buf_addstr(body, buf_str(&r.body));
    return ERR_OK;
}

static errc token_for(struct model_book *b, const char *owner, struct buf *out, struct err *e)
{
    struct str ns, secret;

    if (!str_cut(str_of(owner), '/', &ns, &secret)) {
        buf_adds(out, b->token);
        return ERR_OK;
    }
    AUTO_MEM char *ns_name = xstrndup(ns.p, ns.n);

    return b->o.secret_token(b->o.self, ns_name, secret.p, out, e);
}

static errc ask_hub(struct model_book *b, const struct key *k, struct learnt **out, struct err *e)
{
    const struct model_hub hub = { get, b };
    AUTO_BUF token = { 0 };
    struct learnt *l = xzalloc(sizeof *l);

    l->arena = arena_new();
    errc rc = token_for(b, k->ns, &token, e);

    if (rc)
        rc = err_wrap(e, "failed to build node estimate request: failed to resolve access token for model \"%s\"", k->name);
    rc = rc ? rc : model_find(&hub, str_of(k->name), token.n ? buf_cstr(&token) : NULL, l->arena, &l->preset, e);
    if (rc)
        learnt_free(l);
    else
        *out = l;
    return rc;
}

/* ---- the book ---------------------------------------------------------------------------------------------------------------- */

static char *question_id(const char *owner, const char *model)
{
    return xasprintf("%s %s", owner, model);
}

/* Names come from whoever may write Workspaces: what nobody waits for goes when there are too many. */
static void forget_old_locked(struct model_book *b)
{
    struct map *kept = map_new(free);
    struct str id;
    void *value;

    for (size_t i = 0; map_next(b->failures, &i, &id, &value);) {
        const struct failure *f = value;

        if (f->pending)
            map_put(kept, id, xmemdup(f, sizeof *f));
    }
    map_free(b->failures);
    b->failures = kept;
}

/* Found or made. */
static struct failure *failure_of_locked(struct model_book *b, const char *owner, const char *model)
{
    AUTO_MEM char *id = question_id(owner, model);
    struct failure *f = map_get(b->failures, str_of(id));

    if (!f) {
        if (map_len(b->failures) >= MODELS_MAX)
            forget_old_locked(b);
        f = xzalloc(sizeof *f);
        map_put(b->failures, str_of(id), f);
    }
    return f;
}

static void note_learnt(struct model_book *b, const struct key *k, struct learnt *l)
{
    AUTO_MEM char *id = question_id(k->ns, k->name);
    LOCK_SCOPE(&b->mu);

    (void)map_del(b->failures, str_of(id));
    if (map_get(b->known, str_of(k->name)))
        learnt_free(l);                 /* what was given out before stays */
    else
        map_put(b->known, str_of(k->name), l);
    cond_broadcast(&b->answered);
}

/* Returns when to ask again by ourselves; 0: not. */
static int64_t note_failure(struct model_book *b, const struct key *k, const struct err *e)
{
    LOCK_SCOPE(&b->mu);
    struct failure *f = failure_of_locked(b, k->ns, k->name);
    int64_t now = clock_mono_ms(), first = b->o.retry_ms;
    bool silent = err_retryable(e->code);

    f->pending = false;
    f->code = e->code;
    snprintf(f->text, sizeof f->text, "%.*s", ERROR_MAX - 1, e->text);
    f->retry_ms = !silent ? 0 : f->retry_ms == 0 ? first : f->retry_ms < 8 * first ? 2 * f->retry_ms : f->retry_ms;
    f->until_ms = now + (silent ? 2 * f->retry_ms : REFUSAL_MS);
    cond_broadcast(&b->answered);
    return silent && now - f->asked_ms < INTEREST_MS ? f->retry_ms : 0;
}

/* Learnt meanwhile with another Secret. */
static bool is_known(struct model_book *b, const struct key *k)
{
    AUTO_MEM char *id = question_id(k->ns, k->name);
    LOCK_SCOPE(&b->mu);

    if (!map_get(b->known, str_of(k->name)))
        return false;
    (void)map_del(b->failures, str_of(id));
    return true;
}

/* What was learnt is never forgotten, so there is an end to it. */
static errc check_room(struct model_book *b, struct err *e)
{
    LOCK_SCOPE(&b->mu);

    return map_len(b->known) < MODELS_MAX ? ERR_OK : err_set(e, ERR_TOO_LARGE, "%d models of the hub are known; restart the manager to learn more", MODELS_MAX);
}

static void answer(struct model_book *b, const struct key *k)
{
    struct learnt *l = NULL;
    struct err e;

    if (is_known(b, k))
        return;
    errc rc = check_room(b, &e);

    rc = rc ? rc : ask_hub(b, k, &l, &e);
    if (rc == ERR_OK) {
        note_learnt(b, k, l);
    } else if (!cancel_is(b->cancel)) {
        int64_t again_ms = note_failure(b, k, &e);

        if (again_ms > 0)
            workq_add_after(b->questions, k, again_ms);
    }
    if (b->o.news)
        b->o.news(b->o.self, k->name);
}

static void work(void *arg)
{
    struct model_book *b = arg;
    const struct key *k;

    while ((k = workq_get(b->questions)) != NULL) {
        answer(b, k);
        workq_done(b->questions, k);
    }
}

static void start_locked(struct model_book *b)
{
    for (size_t i = 0; !b->started && i < THREADS; i++)
        thread_start_sized(&b->threads[i], "model-book", STACK_BYTES, work, b);
    b->started = true;
}

static char *lower(struct str s)
{
    char *out = xstrndup(s.p, s.n);

    for (char *p = out; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return out;
}

/* False: asked, no answer yet. */
static bool look_locked(struct model_book *b, const char *owner, const char *model, struct model_answer *out, struct err *e)
{
    const struct learnt *l = map_get(b->known, str_of(model));
    int64_t now = clock_mono_ms();

    *out = (struct model_answer){ .preset = l ? l->preset : NULL };
    if (l)
        return true;
    struct failure *f = failure_of_locked(b, owner, model);

    f->asked_ms = now;
    if (!f->pending && f->code && now < f->until_ms) {
        (void)err_set(e, f->code, "%s", f->text);
        return true;
    }
    if (!f->pending) {
        f->pending = true;
        start_locked(b);
        workq_add(b->questions, KEY(owner, model));
    }
    out->asking = true;
    (void)err_set(e, ERR_UNAVAILABLE, "the Hugging Face hub is being asked about model %s", model);
    return false;
}

errc model_book_ask(struct model_book *b, const struct model_question *q, struct model_answer *out, struct err *e)
{
    AUTO_MEM char *name = lower(q->model), *owner = q->secret.n > 0 ? xasprintf("%.*s/%.*s", STR_ARG(q->ns), STR_ARG(q->secret)) : xstrdup("");
    int64_t until = clock_mono_ms() + q->wait_ms;
    struct err why = { 0 };
    LOCK_SCOPE(&b->mu);

    while (!look_locked(b, owner, name, out, &why))
        if (q->wait_ms <= 0 || cancel_is(b->cancel) || !cond_wait_until(&b->answered, &b->mu, until))
            break;
    return out->preset ? ERR_OK : err_set(e, why.code, "%s", why.text);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

static void stop(void *arg)
{
    workq_stop(arg);
}

errc model_book_new(const struct model_book_opts *o, struct cancel *cancel, struct model_book **out, struct err *e)
{
    struct http_client *http = NULL;
    const int64_t timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : 10000;

    TRY(http_client_new(&(struct http_client_opts){ .connect_timeout_ms = timeout_ms / 2, .timeout_ms = timeout_ms, .user_agent = "kaito-workspace/" KAITO_VERSION }, &http, e));
    struct model_book *b = xzalloc(sizeof *b);

    b->o = *o;
    b->o.retry_ms = o->retry_ms > 0 ? o->retry_ms : 15000;
    b->endpoint = xstrdup(o->endpoint);
    b->token = xstrdup(o->token);
    b->http = http;
    b->cancel = cancel;
    b->questions = workq_new();
    b->known = map_new(learnt_free);
    b->failures = map_new(free);
    mutex_init(&b->mu);
    cond_init(&b->answered);
    cancel_hook_add(cancel, stop, b->questions);
    *out = b;
    return ERR_OK;
}

void model_book_free(struct model_book *b)
{
    if (!b)
        return;
    cancel_hook_del(b->cancel, stop, b->questions);
    workq_stop(b->questions);
    for (size_t i = 0; i < THREADS; i++)
        thread_join(&b->threads[i]);
    workq_free(b->questions);
    http_client_free(b->http);
    map_free(b->known);
    map_free(b->failures);
    cond_done(&b->answered);
    mutex_done(&b->mu);
    free(b->endpoint);
    free(b->token);
    free(b);
}
