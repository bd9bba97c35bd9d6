/*
 * One repository of one registry over the distribution protocol. The first 401 tells how to log in: Basic credentials go with every
 * request, Bearer tokens are fetched from the challenge's realm and kept until the registry refuses them.
 */
#include "oci/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/client.h"

#define PAUSE_MAX_MS    15000
#define MANIFEST_MAX    (4u << 20)      /* the limit registries themselves set */
#define TOKEN_MAX       (256u << 10)
#define IDLE_MS         60000

struct registry {
    char *host, *repository, *base;     /* base: "https://127.0.0.1:5443" */
    struct oci_credentials cred;
    struct registry_opts o;             /* its pointers are not used, but for cancel */
    struct http_client *client;
    char *authorization;                /* "Bearer ..." or "Basic ..."; NULL: nothing asked yet */
};

errc registry_new(const struct image_ref *ref, const struct registry_opts *o, struct registry **out, struct err *e)
{
    AUTO_FREE(registry) r = xzalloc(sizeof *r);

    r->o = *o;
    r->o.attempts = o->attempts ? o->attempts : 4;
    r->o.backoff_ms = o->backoff_ms ? o->backoff_ms : 500;
    r->host = xstrdup(ref->host);
    r->repository = xstrdup(ref->repository);
    r->base = xasprintf("%s://%s", o->plain_http ? "http" : "https", streq(ref->host, "docker.io") ? "registry-1.docker.io" : ref->host);
    if (o->credentials)
        r->cred = (struct oci_credentials){ xstrdup(o->credentials->user), xstrdup(o->credentials->password), xstrdup(o->credentials->identity_token) };
    TRY(http_client_new(&(struct http_client_opts){ .tls.ca_file = o->ca_file }, &r->client, e));
    *out = TAKE(r);
    return ERR_OK;
}

static void forget_authorization(struct registry *r)
{
    if (r->authorization)
        explicit_bzero(r->authorization, strlen(r->authorization));
    free(r->authorization);
    r->authorization = NULL;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    forget_authorization(r);
    http_client_free(r->client);
    oci_credentials_done(&r->cred);
    free(r->host);
    free(r->repository);
    free(r->base);
    free(r);
}

/* ── errors ───────────────────────────────────────────────────────────────────────────────────── */

#define UNTRUSTED "certificate is not trusted"

/* What the connection said (its text begins with the host), with what an operator can do about it. */
static errc connection_error(const struct registry *r, errc rc, struct err *e)
{
    static const struct { const char *sign, *hint; } hints[] = {
        { UNTRUSTED, "; give the registry's CA certificate with SSL_CERT_FILE (kaito up --ca-bundle FILE)" },
        { "cannot connect", "; is the registry running, and is this its address?" },
        { "not resolved", "; check the host in the image reference" },
        { "TLS failed", "; does the registry speak HTTPS on this port?" },
    };
    const char *hint = "";

    if (!e)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (strstr(e->text, hints[i].sign))
            hint = hints[i].hint;
    struct err cause = *e;
    bool named = str_has_prefix(str_of(cause.text), str_of(r->host));
    (void)err_set(e, rc, "registry %s%s%s%s", named ? "" : r->host, named ? "" : ": ", cause.text, hint);
    return rc;
}

/* ": CODE: message" of the registry's own error body, or "" */
static char *registry_said(const struct http_response *resp)
{
    AUTO_JSON body = NULL;
    struct err ignore;

    if (json_parse(buf_str(&resp->body), &body, &ignore))
        return xstrdup("");
    const json_t *first = json_array_get(json_object_get(body, "errors"), 0);
    const char *code = json_cstr(first, "code"), *message = json_cstr(first, "message");
    if (!code && !message)
        return xstrdup("");
    return xasprintf(": %s%s%s", code ? code : "", code && message ? ": " : "", message ? message : "");
}

static errc refused(const struct registry *r, const char *said, struct err *e)
{
    if (!str_set(r->cred.user) && !str_set(r->cred.identity_token))
        return err_set(e, ERR_UNAUTHORIZED, "registry %s: wants a login and the docker config has none for this registry%s; add one with "
                       "kubectl create secret docker-registry NAME --docker-server=%s --docker-username=U --docker-password=P", r->host, said, r->host);
    return err_set(e, ERR_UNAUTHORIZED, "registry %s: user \"%s\" or its password is refused%s; correct the secret of type "
                   "kubernetes.io/dockerconfigjson", r->host, r->cred.user ? r->cred.user : "(identity token)", said);
}

static errc status_error(const struct registry *r, const char *what, const struct http_response *resp, struct err *e)
{
    AUTO_MEM char *said = registry_said(resp);

    if (resp->status == 401)
        return refused(r, said, e);
    if (resp->status == 403)
        return err_set(e, ERR_FORBIDDEN, "registry %s: %s of %s is forbidden%s; grant the user \"%s\" this right", r->host, what, r->repository, said,
                       r->cred.user ? r->cred.user : "(anonymous)");
    errc rc = resp->status >= 300 && resp->status < 400 ? ERR_INVALID : err_from_http(resp->status);
    return err_set(e, rc ? rc : ERR_INVALID, "registry %s: %s of %s: status %d%s%s", r->host, what, r->repository, resp->status, said,
                   resp->status == 404 ? "; check the image's name and tag" : "");
}

static bool may_retry(errc rc, int status, const struct err *e)
{
    if (e && strstr(e->text, UNTRUSTED))
        return false;                   /* no pause makes an authority known */
    return status == 408 || status == 429 || status >= 500 || (!status && (rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT || rc == ERR_IO));
}

static errc pause_before(struct registry *r, int attempt, const struct http_pairs *headers, struct err *e)
{
    int64_t ms = r->o.backoff_ms << (attempt - 1);

    ms += (int64_t)(random_u64() % (uint64_t)(ms / 2 + 1));
    ms = http_retry_after_ms(headers, ms);
    if (ms > PAUSE_MAX_MS)
        ms = PAUSE_MAX_MS;
    AUTO_FREE(cancel) own = r->o.cancel ? NULL : cancel_new();
    if (cancel_wait_ms(r->o.cancel ? r->o.cancel : own, ms))
        return err_set(e, ERR_CANCELLED, "stopped");
    return ERR_OK;
}

/* ── logging in ───────────────────────────────────────────────────────────────────────────────── */

static void use_basic(struct registry *r)
{
    AUTO_BUF plain = { 0 }, header = { 0 };

    buf_addf(&plain, "%s:%s", r->cred.user, r->cred.password ? r->cred.password : "");
    buf_adds(&header, "Basic ");
    base64_add(&header, plain.p, plain.n);
    explicit_bzero(plain.p, plain.n);
    forget_authorization(r);
    r->authorization = buf_take(&header);
}

/* GET realm?service&scope with Basic, or the OAuth2 form with a refresh token. */
static errc ask_token(struct registry *r, const struct auth_challenge *c, struct http_response *resp, struct err *e)
{
    AUTO_BUF query = { 0 }, url = { 0 }, form = { 0 };
    AUTO_MEM char *scope = str_set(c->scope) ? xstrdup(c->scope) : xasprintf("repository:%s:%s", r->repository, r->o.for_push ? "pull,push" : "pull");
    struct http_pair header = { "Authorization", NULL };
    struct http_request q = { .max_body = TOKEN_MAX, .no_bearer = true, .cancel = r->o.cancel, .headers = &header };

    if (str_set(r->cred.identity_token)) {
        query_add(&form, "grant_type", "refresh_token");
        query_add(&form, "service", c->service);
        query_add(&form, "client_id", "kaito");
        query_add(&form, "scope", scope);
        query_add(&form, "refresh_token", r->cred.identity_token);
        q.method = "POST";
        q.url = c->realm;
        q.body = buf_str(&form);
        q.content_type = "application/x-www-form-urlencoded";
        return http_send(r->client, &q, resp, e);
    }
    query_add(&query, "service", c->service);
    query_add(&query, "scope", scope);
    buf_addf(&url, "%s%c%s", c->realm, strchr(c->realm, '?') ? '&' : '?', buf_cstr(&query));
    q.url = buf_cstr(&url);
    if (str_set(r->cred.user)) {
        use_basic(r);
        header.value = r->authorization;
        q.n_headers = 1;
    }
    return http_send(r->client, &q, resp, e);
}

static errc use_bearer(struct registry *r, const struct auth_challenge *c, struct err *e)
{
    AUTO_RESPONSE resp = { 0 };
    AUTO_JSON body = NULL;
    struct url realm;

    if (!c->realm || url_parse(str_of(c->realm), &realm, NULL) || (!realm.tls && !r->o.plain_http))
        return err_set(e, ERR_INVALID, "registry %s: names no usable token server (realm \"%s\"); it must be an https URL", r->host, c->realm ? c->realm : "");
    errc rc = ask_token(r, c, &resp, e);
    if (rc)
        return connection_error(r, rc, e);
    if (resp.status != 200)
        return resp.status == 403 ? refused(r, "", e) : status_error(r, "a token for the use", &resp, e);
    if (json_parse(buf_str(&resp.body), &body, e))
        return err_wrap(e, "token server %s", c->realm);
    const char *token = json_cstr(body, "token");
    token = str_set(token) ? token : json_cstr(body, "access_token");
    if (!str_set(token))
        return err_set(e, ERR_INVALID, "token server %s: its reply holds no token", c->realm);
    forget_authorization(r);
    r->authorization = xasprintf("Bearer %s", token);
    return ERR_OK;
}

/* After a 401: all its challenges; the reply's own error when there is nothing to answer with. */
static errc log_in(struct registry *r, const struct http_response *resp, struct err *e)
{
    AUTO_AUTH_CHALLENGE c = { 0 };
    AUTO_BUF all = { 0 };

    for (size_t i = 0; i < resp->headers.n; i++)
        if (str_ieq(str_of(resp->headers.items[i].name), STR("WWW-Authenticate")))
            buf_addf(&all, "%s%s", all.n ? ", " : "", resp->headers.items[i].value);
    if (!auth_challenge_parse(buf_str(&all), &c))
        return err_set(e, ERR_UNAUTHORIZED, "registry %s: asks for a login in no way known here (%.200s); basic and bearer are", r->host,
                       all.n ? buf_cstr(&all) : "no WWW-Authenticate header");
    if (c.scheme == AUTH_BEARER)
        return use_bearer(r, &c, e);
    if (!str_set(r->cred.user))
        return refused(r, "", e);
    use_basic(r);
    return ERR_OK;
}

/* Whether the URL lies on the registry itself, where the credentials may go. */
static bool is_ours(const struct registry *r, const char *url)
{
    size_t n = strlen(r->base);
    return strncmp(url, r->base, n) == 0 && (url[n] == '/' || !url[n]);
}

#define HEADERS_MAX 8           /* ours and the request's own */

/* Sends, and once more after logging in. A reply of any other status than 401 is the caller's; *out_status 0: there was none. */
static errc exchange(struct registry *r, const struct http_request *given, struct http_response *resp, int *out_status, struct err *e)
{
    struct http_pair headers[HEADERS_MAX];

    for (int round = 0;; round++) {
        struct http_request q = *given;
        bool ours = is_ours(r, q.url);
        for (size_t i = 0; i < q.n_headers; i++)
            headers[i] = q.headers[i];
        if (r->authorization && ours)
            headers[q.n_headers++] = (struct http_pair){ "Authorization", r->authorization };
        q.headers = headers;
        q.cancel = r->o.cancel;
        http_response_done(resp);
        *out_status = 0;
        errc rc = http_send(r->client, &q, resp, e);
        if (rc)
            return connection_error(r, rc, e);
        *out_status = resp->status;
        if (resp->status != 401 || round == 1 || !ours)
            return ERR_OK;
        TRY(log_in(r, resp, e));        /* the first login, or the next token after one that expired */
    }
}

/* A request that may be repeated: with login, with pauses while the registry is down. Status 2xx and `also` are successes. */
static errc call(struct registry *r, const char *what, const struct http_request *q, int also, struct http_response *resp, struct err *e)
{
    for (int tries = 1;; tries++) {
        int status = 0;
        errc rc = exchange(r, q, resp, &status, e);
        if (!rc && ((status >= 200 && status < 300) || status == also))
            return ERR_OK;
        if (!rc)
            rc = status_error(r, what, resp, e);
        if (tries >= r->o.attempts || !may_retry(rc, status, e))
            return rc;
        TRY(pause_before(r, tries, &resp->headers, e));
    }
}

/* ── the protocol ─────────────────────────────────────────────────────────────────────────────── */

errc registry_ping(struct registry *r, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/v2/", r->base);
    AUTO_RESPONSE resp = { 0 };

    TRY(call(r, "the ping", &(struct http_request){ .url = url }, 0, &resp, e));
    return ERR_OK;
}

static errc registry_has_blob(struct registry *r, const char *digest, bool *out, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/v2/%s/blobs/%s", r->base, r->repository, digest);
    AUTO_RESPONSE resp = { 0 };

    TRY(call(r, "a look at a layer", &(struct http_request){ .method = "HEAD", .url = url, .max_redirects = 5 }, 404, &resp, e));
    *out = resp.status != 404;
    return ERR_OK;
}

/* A Location header as an absolute URL with digest= added; NULL when there is none. */
static char *upload_target(const struct registry *r, const struct http_response *resp, const char *digest)
{
    const char *location = http_header_get(&resp->headers, "Location");
    AUTO_BUF url = { 0 };

    if (!str_set(location))
        return NULL;
    if (location[0] == '/')
        buf_adds(&url, r->base);
    buf_adds(&url, location);
    buf_addf(&url, "%cdigest=%s", strchr(location, '?') ? '&' : '?', digest);
    return buf_take(&url);
}

/* POST for a place, PUT of all bytes: the monolithic upload in two steps, which every registry knows. */
static errc upload_once(struct registry *r, const char *path, const char *digest, uint64_t size, int *out_status, struct http_response *resp, struct err *e)
{
    AUTO_MEM char *start = xasprintf("%s/v2/%s/blobs/uploads/", r->base, r->repository);

    TRY(exchange(r, &(struct http_request){ .method = "POST", .url = start }, resp, out_status, e));
    if (*out_status != 202)
        return status_error(r, "the start of an upload", resp, e);
    AUTO_MEM char *target = upload_target(r, resp, digest);
    if (!target)
        return err_set(e, ERR_INVALID, "registry %s: starts an upload without saying where (no Location header)", r->host);
    struct http_request put = { .method = "PUT", .url = target, .content_type = "application/octet-stream", .timeout_ms = -1, .idle_timeout_ms = IDLE_MS,
                                .body_file = path, .body_size = size };
    TRY(exchange(r, &put, resp, out_status, e));
    return *out_status == 201 || *out_status == 204 ? ERR_OK : status_error(r, "an upload", resp, e);
}

errc registry_put_blob(struct registry *r, const char *path, const char *digest, uint64_t size, struct err *e)
{
    bool there = false;

    for (int tries = 1;; tries++) {
        AUTO_RESPONSE resp = { 0 };
        int status = 0;
        TRY(registry_has_blob(r, digest, &there, e));
        if (there)
            return ERR_OK;
        errc rc = upload_once(r, path, digest, size, &status, &resp, e);
        if (!rc || tries >= r->o.attempts || !may_retry(rc, status, e))
            return rc;
        TRY(pause_before(r, tries, &resp.headers, e));
    }
}

errc registry_put_manifest(struct registry *r, const char *version, const char *media_type, struct str manifest, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/v2/%s/manifests/%s", r->base, r->repository, version);
    AUTO_RESPONSE resp = { 0 };
    struct http_request q = { .method = "PUT", .url = url, .body = manifest, .content_type = media_type };
    char hex[SHA256_HEX];

    TRY(call(r, "the push of a manifest", &q, 0, &resp, e));
    const char *stored = http_header_get(&resp.headers, "Docker-Content-Digest");
    sha256_hex(manifest.p, manifest.n, hex);
    if (stored && digest_is_valid(str_of(stored)) && !streq(hex, stored + strlen("sha256:")))
        return err_set(e, ERR_CORRUPT, "registry %s: stored the manifest of %s as %s where sha256:%s was sent", r->host, r->repository, stored, hex);
    return ERR_OK;
}

errc registry_get_manifest(struct registry *r, const char *version, struct buf *out, char **out_type, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/v2/%s/manifests/%s", r->base, r->repository, version);
    struct http_pair accept = { "Accept", OCI_MANIFEST ", " OCI_INDEX ", " DOCKER_MANIFEST ", " DOCKER_LIST };
    struct http_request q = { .url = url, .headers = &accept, .n_headers = 1, .max_body = MANIFEST_MAX, .max_redirects = 5 };
    AUTO_RESPONSE resp = { 0 };
    char hex[SHA256_HEX];

    TRY(call(r, "a manifest", &q, 0, &resp, e));
    if (digest_is_valid(str_of(version))) {
        sha256_hex(resp.body.p, resp.body.n, hex);
        if (!streq(hex, version + strlen("sha256:")))
            return err_set(e, ERR_CORRUPT, "registry %s: the manifest %s has other bytes than its digest says", r->host, version);
    }
    const char *type = http_header_get(&resp.headers, "Content-Type");
    *out_type = xstrdup(type ? type : "");
    *out = resp.body;
    resp.body = (struct buf){ 0 };
    return ERR_OK;
}

/* ── blobs into files ─────────────────────────────────────────────────────────────────────────── */

struct blob {
    int fd, status;
    uint64_t size, got;
    struct buf body;                /* of an error reply */
    struct http_pairs headers;
    const char *digest;
};

static errc blob_head(void *self, int status, const struct http_pairs *headers, struct err *e)
{
    struct blob *b = self;

    (void)e;
    b->status = status;
    http_pairs_done(&b->headers);
    for (size_t i = 0; i < headers->n; i++)
        http_pairs_add(&b->headers, str_of(headers->items[i].name), str_of(headers->items[i].value));
    return ERR_OK;
}

static errc blob_data(void *self, struct str chunk, struct err *e)
{
    struct blob *b = self;

    if (b->status != 200) {
        if (b->body.n < TOKEN_MAX)
            buf_addstr(&b->body, chunk);
        return ERR_OK;
    }
    b->got += chunk.n;
    if (b->got > b->size)
        return err_set(e, ERR_CORRUPT, "layer %s: the registry sends more than the %llu bytes its manifest names", b->digest, (unsigned long long)b->size);
    return fd_write_all(b->fd, chunk.p, chunk.n, e);
}

static void blob_done(struct blob *b)
{
    buf_done(&b->body);
    http_pairs_done(&b->headers);
}

/* With a sink the reply's headers arrive in the sink: log_in needs them, so the first 401 is answered here. */
static errc blob_once(struct registry *r, const char *url, struct blob *b, struct err *e)
{
    struct http_sink sink = { .head = blob_head, .data = blob_data, .self = b };

    for (int round = 0;; round++) {
        struct http_pair header = { "Authorization", r->authorization };
        struct http_request q = { .url = url, .headers = &header, .n_headers = r->authorization ? 1 : 0, .timeout_ms = -1, .idle_timeout_ms = IDLE_MS,
                                  .max_redirects = 5, .no_bearer = true, .cancel = r->o.cancel };
        b->status = 0;
        b->got = 0;
        buf_clear(&b->body);
        errc rc = http_stream(r->client, &q, &sink, e);
        if (rc)
            return b->status == 200 && rc == ERR_CORRUPT ? rc : connection_error(r, rc, e);
        if (b->status == 200)
            return b->got == b->size ? ERR_OK : err_set(e, ERR_IO, "layer %s: got %llu of %llu bytes", b->digest, (unsigned long long)b->got, (unsigned long long)b->size);
        struct http_response resp = { .status = b->status, .headers = b->headers, .body = b->body };       /* borrowed */
        if (b->status != 401 || round == 1)
            return status_error(r, "a layer", &resp, e);
        TRY(log_in(r, &resp, e));
    }
}

static errc blob_check(const char *path, const char *digest, struct err *e)
{
    char hex[SHA256_HEX];

    TRY(sha256_file(path, hex, NULL, e));
    if (!streq(hex, digest + strlen("sha256:")))
        return err_set(e, ERR_CORRUPT, "layer %s: the bytes received have SHA-256 %s", digest, hex);
    return ERR_OK;
}

static errc blob_to_file(struct registry *r, const char *url, const char *digest, uint64_t size, const char *part, int *out_status, struct err *e)
{
    AUTO(blob_done) struct blob b = { .size = size, .digest = digest };
    AUTO_FD fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_sys(e, errno, "create %s", part);
    b.fd = fd;
    errc rc = blob_once(r, url, &b, e);
    *out_status = b.status == 200 ? 0 : b.status;
    TRY(rc);
    if (fsync(fd))
        return err_sys(e, errno, "sync %s", part);
    return blob_check(part, digest, e);
}

errc registry_get_blob(struct registry *r, const char *digest, uint64_t size, const char *path, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/v2/%s/blobs/%s", r->base, r->repository, digest), *part = xasprintf("%s.part", path);

    if (!digest_is_valid(str_of(digest)))
        return err_set(e, ERR_UNSUPPORTED, "layer digest \"%.100s\": only sha256 is known", digest);
    for (int tries = 1;; tries++) {
        int status = 0;
        errc rc = blob_to_file(r, url, digest, size, part, &status, e);
        if (!rc)
            return rename(part, path) ? err_sys(e, errno, "rename %s", part) : ERR_OK;
        (void)unlink(part);             /* absent is what we want */
        if (tries >= r->o.attempts || !(may_retry(rc, status, e) || rc == ERR_CORRUPT))
            return rc;
        TRY(pause_before(r, tries, &(struct http_pairs){ 0 }, e));
    }
}
