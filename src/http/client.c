/* The client: settings, a pool of curl handles, whole replies. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/wipe.h"
#include "http/client_priv.h"

#define BODY_MAX_DEFAULT (64u << 20)
#define BEARER_REREAD_MS 60000

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
/* What curl frees held tokens and passwords. */
static void curl_setup(void) { curl_global_init_mem(CURL_GLOBAL_ALL, malloc, wiping_free, wiping_realloc, strdup, calloc); }

/*
 * curl's GnuTLS flavour takes certificates from files only: PEM text goes into a file in memory, named through /proc.
 * *fd keeps it; without text the file (may be NULL) is named itself.
 */
static errc pem_file(const char *what, const char *pem, const char *file, int *fd, const char **out, struct err *e)
{
    *fd = -1;
    if (!pem) {
        *out = xstrdup(file);
        return file && access(file, R_OK) < 0 ? err_sys(e, errno, "%s %s", what, file) : ERR_OK;
    }
    *fd = memfd_create(what, MFD_CLOEXEC);
    if (*fd < 0)
        return err_sys(e, errno, "%s: make a file in memory", what);
    *out = xasprintf("/proc/self/fd/%d", *fd);
    return fd_write_all(*fd, pem, strlen(pem), e);
}

static errc tls_copy(struct http_client *c, const struct http_tls *from, struct err *e)
{
    const char *env = getenv("SSL_CERT_FILE");
    const char *ca_file = from->ca_file ? from->ca_file : str_set(env) ? env : NULL;
    struct http_tls *to = &c->o.tls;
    to->insecure = from->insecure;
    TRY(pem_file("CA certificates", from->ca_pem, ca_file, &c->tls_fds[0], &to->ca_file, e));
    TRY(pem_file("client certificate", from->cert_pem, from->cert_file, &c->tls_fds[1], &to->cert_file, e));
    TRY(pem_file("client key", from->key_pem, from->key_file, &c->tls_fds[2], &to->key_file, e));
    if (!to->cert_file != !to->key_file)
        return err_set(e, ERR_BAD_REQUEST, "client certificate: give both a certificate and its key");
    return ERR_OK;
}

static void free_text(const char *p) { free((void *)(uintptr_t)p); }

errc http_client_new(const struct http_client_opts *o, struct http_client **out, struct err *e)
{
    pthread_once(&curl_once, curl_setup);
    AUTO_FREE(http_client) c = xzalloc(sizeof *c);
    mutex_init(&c->mu);
    for (size_t i = 0; i < ARRAY_LEN(c->tls_fds); i++)
        c->tls_fds[i] = -1;
    c->o.bearer_file = xstrdup(o->bearer_file);
    c->o.user_agent = xstrdup(o->user_agent ? o->user_agent : "kaito/" KAITO_VERSION);
    c->o.connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : 10000;
    c->o.timeout_ms = o->timeout_ms ? o->timeout_ms : 60000;
    c->o.secretive = o->secretive;
    c->o.brief = o->brief;
    c->bearer = xstrdup(o->bearer);
    for (size_t i = 0; i < o->n_headers; i++)
        http_pairs_add(&c->headers, str_of(o->headers[i].name), str_of(o->headers[i].value));
    TRY(tls_copy(c, &o->tls, e));
    *out = TAKE(c);
    return ERR_OK;
}

static void handle_free(struct handle h)
{
    curl_easy_cleanup(h.easy);
    curl_multi_cleanup(h.multi);
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_idle; i++)
        handle_free(c->idle[i]);
    for (size_t i = 0; i < ARRAY_LEN(c->tls_fds); i++)
        if (c->tls_fds[i] >= 0)
            close(c->tls_fds[i]);
    const char *texts[] = { c->o.tls.ca_file, c->o.tls.cert_file, c->o.tls.key_file, c->o.bearer_file, c->o.user_agent };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free_text(texts[i]);
    http_pairs_done(&c->headers);
    buf_done(&c->roots);
    free(c->bearer);
    mutex_done(&c->mu);
    free(c);
}

void http_client_set_bearer(struct http_client *c, const char *token)
{
    LOCK_SCOPE(&c->mu);
    free(c->bearer);
    c->bearer = xstrdup(token);
}

struct handle handle_take(struct http_client *c)
{
    {
        LOCK_SCOPE(&c->mu);
        if (c->n_idle)
            return c->idle[--c->n_idle];        /* the last used: its connection is the warmest */
    }
    struct handle h = { curl_easy_init(), curl_multi_init() };
    if (!h.easy || !h.multi)
        abort();
    return h;
}

void handle_give(struct http_client *c, struct handle h)
{
    if (c->o.brief) {
        handle_free(h);
        return;
    }
    if (c->o.secretive) {               /* its buffers hold what was sent and received; the connection is the multi's */
        curl_easy_cleanup(h.easy);
        h.easy = curl_easy_init();
        if (!h.easy)
            abort();
    }
    curl_easy_reset(h.easy);
    {
        LOCK_SCOPE(&c->mu);
        if (c->n_idle < IDLE_HANDLES_MAX) {
            c->idle[c->n_idle++] = h;
            return;
        }
    }
    handle_free(h);
}

/* A malloc'd token or NULL. Keeps the last one when the file cannot be read now. */
char *bearer_now(struct http_client *c)
{
    bool stale;
    {
        LOCK_SCOPE(&c->mu);
        stale = c->o.bearer_file && (!c->bearer_read_ms || clock_mono_ms() - c->bearer_read_ms > BEARER_REREAD_MS);
    }
    AUTO_BUF text = { 0 };
    struct err e;
    bool fresh = stale && !file_read(c->o.bearer_file, 64 << 10, &text, &e);
    LOCK_SCOPE(&c->mu);
    if (fresh) {
        struct str token = str_trim(buf_str(&text));
        free(c->bearer);
        c->bearer = token.n ? xstrndup(token.p, token.n) : NULL;
        c->bearer_read_ms = clock_mono_ms();
    }
    return xstrdup(c->bearer);
}

errc http_stream(struct http_client *c, const struct http_request *q, const struct http_sink *sink, struct err *e)
{
    return transfer(c, q, sink, NULL, e);
}

struct collect {
    struct http_response *out;
    size_t max;
    const char *url;
    bool secret;
};

static errc collect_head(void *self, int status, const struct http_pairs *headers, struct err *e)
{
    struct collect *k = self;
    k->out->status = status;
    for (size_t i = 0; i < headers->n; i++)
        http_pairs_add(&k->out->headers, str_of(headers->items[i].name), str_of(headers->items[i].value));
    return ERR_OK;
}

/* No copy is left behind when it moves. */
static void grow_wiped(struct buf *b, size_t more)
{
    struct buf moved = { 0 };

    if (b->p && b->n + more < b->cap)
        return;
    buf_reserve(&moved, 2 * (b->n + more) + 1);
    buf_addstr(&moved, buf_str(b));
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_done(b);
    *b = moved;
}

static errc collect_data(void *self, struct str chunk, struct err *e)
{
    struct collect *k = self;
    if (chunk.n > k->max - k->out->body.n)
        return err_set(e, ERR_TOO_LARGE, "%s: the reply is larger than %zu bytes", k->url, k->max);
    if (k->secret)
        grow_wiped(&k->out->body, chunk.n);
    buf_addstr(&k->out->body, chunk);
    return ERR_OK;
}

errc http_send(struct http_client *c, const struct http_request *q, struct http_response *out, struct err *e)
{
    struct http_response got = { 0 };
    struct collect k = { &got, q->max_body ? q->max_body : BODY_MAX_DEFAULT, q->url, c->o.secretive };
    struct http_sink sink = { collect_head, collect_data, &k };
    errc rc = transfer(c, q, &sink, &got.url, e);
    if (rc) {
        http_response_done(&got);
        return rc;
    }
    *out = got;
    return ERR_OK;
}

void http_response_done(struct http_response *r)
{
    http_pairs_done(&r->headers);
    buf_done(&r->body);
    free(r->url);
    *r = (struct http_response){ 0 };
}

int64_t http_retry_after_ms(const struct http_pairs *headers, int64_t fallback_ms)
{
    const char *value = http_header_get(headers, "Retry-After");
    int64_t seconds;
    if (!value)
        return fallback_ms;
    if (str_to_i64(str_of(value), &seconds))
        return seconds < 0 || seconds > 86400 ? fallback_ms : seconds * 1000;
    time_t at = curl_getdate(value, NULL);
    int64_t ms = (int64_t)at * 1000 - clock_wall_ms();
    return at < 0 ? fallback_ms : ms < 0 ? 0 : ms;
}
