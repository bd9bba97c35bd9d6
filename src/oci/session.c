/*
 * Talking to a registry: what its refusals mean, when another try makes sense, and logging in. The first 401 tells how: Basic credentials go with
 * every request, Bearer tokens are fetched from the challenge's realm and kept until the registry refuses them.
 */
#include "oci/session.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

#define PAUSE_MAX_MS    15000

/* ── errors ───────────────────────────────────────────────────────────────────────────────────── */

#define UNTRUSTED "certificate is not trusted"

errc registry_connection_error(const struct registry *r, errc rc, struct err *e)
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

errc registry_status_error(const struct registry *r, const char *what, const struct http_response *resp, struct err *e)
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

bool registry_may_retry(errc rc, int status, const struct err *e)
{
    if (e && strstr(e->text, UNTRUSTED))
        return false;                   /* no pause makes an authority known */
    return status == 408 || status == 429 || status >= 500 || (!status && (rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT || rc == ERR_IO));
}

errc registry_pause(struct registry *r, int attempt, const struct http_pairs *headers, struct err *e)
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

void registry_forget_login(struct registry *r)
{
    if (r->authorization)
        explicit_bzero(r->authorization, strlen(r->authorization));
    free(r->authorization);
    r->authorization = NULL;
}

static void use_basic(struct registry *r)
{
    AUTO_BUF plain = { 0 }, header = { 0 };

    buf_addf(&plain, "%s:%s", r->cred.user, r->cred.password ? r->cred.password : "");
    buf_adds(&header, "Basic ");
    base64_add(&header, plain.p, plain.n);
    explicit_bzero(plain.p, plain.n);
    registry_forget_login(r);
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
        return registry_connection_error(r, rc, e);
    if (resp.status != 200)
        return resp.status == 403 ? refused(r, "", e) : registry_status_error(r, "a token for the use", &resp, e);
    if (json_parse(buf_str(&resp.body), &body, e))
        return err_wrap(e, "token server %s", c->realm);
    const char *token = json_cstr(body, "token");
    token = str_set(token) ? token : json_cstr(body, "access_token");
    if (!str_set(token))
        return err_set(e, ERR_INVALID, "token server %s: its reply holds no token", c->realm);
    registry_forget_login(r);
    r->authorization = xasprintf("Bearer %s", token);
    return ERR_OK;
}

errc registry_log_in(struct registry *r, const struct http_response *resp, struct err *e)
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

/* ── requests ─────────────────────────────────────────────────────────────────────────────────── */

/* Whether the URL lies on the registry itself, where the credentials may go. */
static bool is_ours(const struct registry *r, const char *url)
{
    size_t n = strlen(r->base);
    return strncmp(url, r->base, n) == 0 && (url[n] == '/' || !url[n]);
}

#define HEADERS_MAX 8           /* ours and the request's own */

errc registry_exchange(struct registry *r, const struct http_request *given, struct http_response *resp, int *out_status, struct err *e)
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
            return registry_connection_error(r, rc, e);
        *out_status = resp->status;
        if (resp->status != 401 || round == 1 || !ours)
            return ERR_OK;
        TRY(registry_log_in(r, resp, e));        /* the first login, or the next token after one that expired */
    }
}

errc registry_call(struct registry *r, const char *what, const struct http_request *q, int also, struct http_response *resp, struct err *e)
{
    for (int tries = 1;; tries++) {
        int status = 0;
        errc rc = registry_exchange(r, q, resp, &status, e);
        if (!rc && ((status >= 200 && status < 300) || status == also))
            return ERR_OK;
        if (!rc)
            rc = registry_status_error(r, what, resp, e);
        if (tries >= r->o.attempts || !registry_may_retry(rc, status, e))
            return rc;
        TRY(registry_pause(r, tries, &resp->headers, e));
    }
}
