#include "provisioner/azure/auth.h"

#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/wipe.h"
#include "provisioner/azure/assertion.h"
#include "provisioner/azure/cli_token.h"
#include "provisioner/azure/fault.h"
#include "provisioner/azure/identity.h"
#include "provisioner/azure/jwt.h"

#define RENEW_BEFORE_MS  (5 * 60000)    /* before the end of a token, */
#define RENEW_AGAIN_MS   30000          /* and so long after a renewal that failed while the old one was good */
#define RETRY_FIRST_MS   1000           /* after a refusal; doubles */
#define RETRY_MAX_MS     60000
#define LIFE_MAX_S       (7 * 86400)
#define TOKEN_FILE_MAX   (64u << 10)
#define REPLY_MAX        (1u << 20)
#define ASSERTION_TYPE   "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

struct azure_auth {
    struct http_client *http;
    enum azure_auth_kind kind;
    char *token_url, *scope, *audience;         /* token_url: NULL for MANAGED and the Azure CLI */
    struct azure_identity *identity;            /* MANAGED; NULL: another kind */
    char *tenant, *client_id, *token_file, *secret, *certificate, *certificate_password;
    int64_t (*now_ms)(void *self);
    void *now_self;

    struct mutex mu;                    /* a leaf; guards the rest */
    struct cond asked;
    bool asking;                        /* a thread is out for a token */
    char *token;                        /* this, the secret and the password: secret_keep */
    int64_t ends_ms, renew_ms;          /* monotonic */
    int64_t again_ms, wait_ms;          /* nobody asks before again_ms; the wait that led there, 0 after a success */
    struct err failure;                 /* what callers get meanwhile */
};

static const struct { const char *name, *env; } kinds[AZURE_AUTH_COUNT] = {
    [AZURE_AUTH_WORKLOAD] = { "workload", "AZURE_FEDERATED_TOKEN_FILE" }, [AZURE_AUTH_SECRET] = { "secret", "AZURE_CLIENT_SECRET" },
    [AZURE_AUTH_CERTIFICATE] = { "certificate", "AZURE_CLIENT_CERTIFICATE_PATH" }, [AZURE_AUTH_MANAGED] = { "managed", NULL },
    [AZURE_AUTH_CLI] = { "cli", NULL },
};

bool azure_auth_kind_parse(const char *name, enum azure_auth_kind *out)
{
    for (int i = 0; i < AZURE_AUTH_COUNT; i++)
        if (streq(kinds[i].name, name)) {
            *out = (enum azure_auth_kind)i;
            return true;
        }
    return false;
}

static int64_t machine_now(void *self)
{
    return clock_mono_ms();
}

/* ---- what is needed ---------------------------------------------------------------------------------------------------- */

static errc check(const struct azure_auth_opts *o, struct err *e)
{
    bool app = o->kind != AZURE_AUTH_MANAGED && o->kind != AZURE_AUTH_CLI;
    const struct { const char *value, *name; bool needed; } rows[] = {
        { o->tenant, "tenant (AZURE_TENANT_ID)", app },
        { o->client_id, "client id (AZURE_CLIENT_ID)", app },
        { o->token_file, "federated token file (AZURE_FEDERATED_TOKEN_FILE)", o->kind == AZURE_AUTH_WORKLOAD },
        { o->secret, "client secret (AZURE_CLIENT_SECRET)", o->kind == AZURE_AUTH_SECRET },
        { o->certificate, "client certificate (AZURE_CLIENT_CERTIFICATE_PATH)", o->kind == AZURE_AUTH_CERTIFICATE },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].needed && !str_set(rows[i].value))
            return err_set(e, ERR_BAD_REQUEST, "azure: the %s is not set", rows[i].name);
    return ERR_OK;
}

static char *oauth_url(const struct azure_auth_opts *o)
{
    AUTO_BUF tenant = { 0 };

    url_escape_add(&tenant, str_of(o->tenant));
    return xasprintf("%s/%s/oauth2/v2.0/token", o->endpoints->login, buf_cstr(&tenant));
}

errc azure_auth_new(struct http_client *http, const struct azure_auth_opts *o, struct azure_auth **out, struct err *e)
{
    struct azure_identity *identity = NULL;
    bool managed = o->kind == AZURE_AUTH_MANAGED;

    TRY(check(o, e));
    if (managed)
        TRY(azure_identity_new(&o->identity, o->endpoints->audience, o->client_id, &identity, e));
    struct azure_auth *a = xmalloc(sizeof *a);

    *a = (struct azure_auth){
        .http = http, .kind = o->kind, .identity = identity, .scope = xasprintf("%s/.default", o->endpoints->audience), .audience = xstrdup(o->endpoints->audience),
        .token_url = managed || o->kind == AZURE_AUTH_CLI ? NULL : oauth_url(o),
        .tenant = xstrdup(o->tenant), .client_id = xstrdup(o->client_id), .token_file = xstrdup(o->token_file), .secret = secret_keep(o->secret),
        .certificate = xstrdup(o->certificate), .certificate_password = secret_keep(o->certificate_password),
        .now_ms = o->now_ms ? o->now_ms : machine_now, .now_self = o->now_self,
    };
    mutex_init(&a->mu);
    cond_init(&a->asked);
    *out = a;
    return ERR_OK;
}

void azure_auth_free(struct azure_auth *a)
{
    if (!a)
        return;
    char *texts[] = { a->token_url, a->scope, a->audience, a->tenant, a->client_id, a->token_file, a->certificate };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    azure_identity_free(a->identity);
    secret_drop(a->token);
    secret_drop(a->secret);
    secret_drop(a->certificate_password);
    cond_done(&a->asked);
    mutex_done(&a->mu);
    free(a);
}

/* ---- what a token service answers ---------------------------------------------------------------------------------------- */

/* A number, or its text; 0: neither. */
static int64_t number_of(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    int64_t n = 0;

    if (json_is_integer(v))
        n = json_integer_value(v);
    else if (json_is_string(v) && !str_to_i64(json_to_str(v), &n))
        n = 0;
    return n;
}

/* The Azure CLI's older form, in the time of this machine: "2026-01-02 03:04:05.000000". 0: it is not one. */
static int64_t local_time_s(const char *text)
{
    struct tm tm = { .tm_isdst = -1 };

    return text && strptime(text, "%Y-%m-%d %H:%M:%S", &tm) ? (int64_t)mktime(&tm) : 0;
}

static int64_t life_of(const json_t *j, int64_t wall_ms)
{
    int64_t life = number_of(j, "expires_in"), at = number_of(j, "expires_on");

    if (life <= 0 && at <= 0)
        at = local_time_s(json_cstr(j, "expiresOn"));
    if (life <= 0 && at > 0 && at < INT64_MAX / 2000)
        life = at - wall_ms / 1000;
    return life > LIFE_MAX_S ? LIFE_MAX_S : life;
}

/* It becomes a header's value. */
static bool is_token_text(const char *s)
{
    if (!str_set(s))
        return false;
    for (; *s; s++)
        if (*s <= ' ' || *s == 0x7f)
            return false;
    return true;
}

errc azure_token_parse(struct str answer, int64_t wall_ms, struct azure_token *out, struct err *e)
{
    AUTO_JSON j = NULL;

    if (json_parse(answer, &j, NULL))           /* the parser's text could quote it */
        return err_set(e, ERR_CORRUPT, "azure: the token service's answer is not JSON");
    const char *token = json_cstr(j, "access_token") ? json_cstr(j, "access_token") : json_cstr(j, "accessToken");
    int64_t life = life_of(j, wall_ms), renew = number_of(j, "refresh_in");

    if (!is_token_text(token) || life <= 0)
        return err_set(e, ERR_CORRUPT, "azure: the token service's answer holds no access_token that is still valid");
    *out = (struct azure_token){ xstrdup(token), life, renew > 0 && renew < life ? renew : 0 };
    return ERR_OK;
}

/* ---- one exchange -------------------------------------------------------------------------------------------------------- */

static errc token_file_read(const char *path, struct buf *out, struct err *e)
{
    buf_reserve(out, TOKEN_FILE_MAX);   /* never moved while it grows: no copy is left behind */
    if (file_read(path, TOKEN_FILE_MAX - 1, out, e))
        return err_wrap(e, "azure: federated token file");
    struct str text = str_trim(buf_str(out));

    if (text.n == 0)
        return err_set(e, ERR_UNAUTHORIZED, "azure: federated token file %s is empty", path);
    buf_truncate(out, (size_t)(text.p + text.n - out->p));
    buf_cut(out, (size_t)(text.p - out->p));
    return ERR_OK;
}

/* What proves who we are. */
static errc proof_of(struct azure_auth *a, struct buf *out, struct err *e)
{
    switch (a->kind) {
    case AZURE_AUTH_WORKLOAD:
        return token_file_read(a->token_file, out, e);
    case AZURE_AUTH_CERTIFICATE:
        return azure_assertion(a->certificate, a->certificate_password, a->client_id, a->token_url, clock_wall_ms(), out, e);
    default:
        buf_reserve(out, strlen(a->secret) + 1);
        buf_adds(out, a->secret);
        return ERR_OK;
    }
}

static void form_of(const struct azure_auth *a, const char *proof, struct buf *out)
{
    buf_reserve(out, 3 * strlen(proof) + 4096);
    query_add(out, "grant_type", "client_credentials");
    query_add(out, "client_id", a->client_id);
    query_add(out, "scope", a->scope);
    if (a->kind == AZURE_AUTH_SECRET) {
        query_add(out, "client_secret", proof);
    } else {
        query_add(out, "client_assertion_type", ASSERTION_TYPE);
        query_add(out, "client_assertion", proof);
    }
}

/* IMDS answers 404 and 410 while it starts or is updated. */
static bool is_passing(const struct azure_auth *a, int status)
{
    return status == 429 || status == 408 || status >= 500 || (a->kind == AZURE_AUTH_MANAGED && (status == 404 || status == 410));
}

/* After the cause, of which people see the beginning only: what Entra compares with the federated credential. */
static errc refused_credential(const struct azure_auth *a, const char *proof, struct err *e)
{
    struct jwt_names n;
    struct err said = *e;

    if (!jwt_names_read(str_of(proof), &n))
        return err_set(e, said.code, "azure: no token for client %s: %s; the federated credential must name this cluster's issuer, the service account and the "
                       "audience api://AzureADTokenExchange", a->client_id, said.text);
    return err_set(e, said.code, "azure: no token for client %s: %s; the federated credential must name, as the token does, issuer %s, subject %s, audience %s",
                   a->client_id, said.text, n.issuer, n.subject, n.audience);
}

static errc refused(const struct azure_auth *a, const struct http_response *r, const char *proof, struct err *e)
{
    struct arm_error why;

    arm_error_parse(r->status, &r->headers, buf_str(&r->body), &why);
    (void)arm_error_set(e, is_passing(a, r->status) ? ERR_UNAVAILABLE : ERR_UNAUTHORIZED, &why);
    if (a->kind == AZURE_AUTH_MANAGED)
        return err_wrap(e, "azure: no token from %s%s%s", azure_identity_name(a->identity), str_set(a->client_id) ? " for client " : "",
                        str_set(a->client_id) ? a->client_id : "");
    if (a->kind == AZURE_AUTH_WORKLOAD)
        return refused_credential(a, proof, e);
    return err_wrap(e, "azure: no token for client %s", a->client_id);
}

static errc ask_entra(struct azure_auth *a, const char *proof, struct cancel *cancel, struct http_response *r, struct err *e)
{
    AUTO_SECRET body = { 0 };

    form_of(a, proof, &body);
    const struct http_request q = { .method = "POST", .url = a->token_url, .content_type = "application/x-www-form-urlencoded", .body = buf_str(&body), .no_bearer = true,
                                    .max_body = REPLY_MAX, .timeout_ms = 30000, .cancel = cancel };

    TRY(http_send(a->http, &q, r, e));
    azure_secret_blot(&r->body, proof);
    return ERR_OK;
}

static errc ask_http(struct azure_auth *a, struct cancel *cancel, struct azure_token *out, int64_t *retry_ms, struct err *e)
{
    AUTO_SECRET proof = { 0 };
    AUTO_RESPONSE r = { 0 };

    if (a->kind != AZURE_AUTH_MANAGED)
        TRY(proof_of(a, &proof, e));
    errc rc = a->identity ? azure_identity_ask(a->identity, a->http, cancel, &r, e) : ask_entra(a, buf_cstr(&proof), cancel, &r, e);

    if (rc)
        return err_wrap(e, "azure: ask for a token");
    rc = r.status != 200 ? refused(a, &r, buf_cstr(&proof), e) : azure_token_parse(buf_str(&r.body), clock_wall_ms(), out, e);

    *retry_ms = http_retry_after_ms(&r.headers, 0);
    if (r.body.p)
        explicit_bzero(r.body.p, r.body.cap);
    return rc;
}

static errc ask(struct azure_auth *a, struct cancel *cancel, struct azure_token *out, int64_t *retry_ms, struct err *e)
{
    if (a->kind != AZURE_AUTH_CLI)
        return ask_http(a, cancel, out, retry_ms, e);
    AUTO_SECRET answer = { 0 };

    TRY(azure_cli_token(a->audience, a->tenant, &answer, e));
    return azure_token_parse(buf_str(&answer), clock_wall_ms(), out, e);
}

/* ---- the token that is kept ------------------------------------------------------------------------------------------------ */

static void keep_locked(struct azure_auth *a, struct azure_token *t, int64_t now)
{
    int64_t life = t->life_s * 1000, half = life / 2;

    mutex_assert_held(&a->mu);
    secret_drop(a->token);
    a->token = secret_keep(t->text);
    azure_secret_free(TAKE(t->text));
    a->ends_ms = now + life;
    /* a token of a whole day (managed identity) is renewed at half its life: the identity may have got new roles */
    a->renew_ms = now + (t->renew_s ? t->renew_s * 1000 : life > 24 * RENEW_BEFORE_MS || life < 2 * RENEW_BEFORE_MS ? half : life - RENEW_BEFORE_MS);
    a->again_ms = a->wait_ms = 0;
}

static void fail_locked(struct azure_auth *a, const struct err *e, int64_t retry_ms, int64_t now)
{
    mutex_assert_held(&a->mu);
    if (e->code == ERR_CANCELLED)
        return;
    a->wait_ms = a->wait_ms ? 2 * a->wait_ms : RETRY_FIRST_MS;
    if (a->wait_ms > RETRY_MAX_MS)
        a->wait_ms = RETRY_MAX_MS;
    a->again_ms = now + (retry_ms > a->wait_ms ? retry_ms : a->wait_ms);
    if (a->token && now < a->ends_ms)   /* if that is rejected meanwhile, another one is not put off for so long */
        a->renew_ms = now + RENEW_AGAIN_MS;
    a->failure = *e;
}

enum turn { HAVE, ASK, FAIL };

/* Waits for the thread that is out, unless the kept token is still good. */
static enum turn turn_locked(struct azure_auth *a, char **out, struct err *e)
{
    for (;;) {
        int64_t now = a->now_ms(a->now_self);
        bool valid = a->token && now < a->ends_ms;

        if (valid && (now < a->renew_ms || a->asking || now < a->again_ms)) {
            *out = xstrdup(a->token);
            return HAVE;
        }
        if (!a->asking && now < a->again_ms) {
            if (e)
                *e = a->failure;
            return FAIL;
        }
        if (!a->asking) {
            a->asking = true;
            return ASK;
        }
        cond_wait(&a->asked, &a->mu);
    }
}

static enum turn turn_of(struct azure_auth *a, char **out, struct err *e)
{
    LOCK_SCOPE(&a->mu);
    return turn_locked(a, out, e);
}

errc azure_auth_token(struct azure_auth *a, struct cancel *cancel, char **out, struct err *e)
{
    struct azure_token got = { 0 };
    struct err why = { 0 };
    int64_t retry_ms = 0;
    enum turn turn = turn_of(a, out, &why);
    errc rc = turn == FAIL ? why.code : ERR_OK;

    if (turn == ASK) {
        rc = ask(a, cancel, &got, &retry_ms, &why);
        LOCK_SCOPE(&a->mu);
        int64_t now = a->now_ms(a->now_self);

        a->asking = false;
        if (rc)
            fail_locked(a, &why, retry_ms, now);
        else
            keep_locked(a, &got, now);
        if (a->token && now < a->ends_ms) {     /* new, or the old one that outlives a failed renewal */
            *out = xstrdup(a->token);
            rc = ERR_OK;
        }
        cond_broadcast(&a->asked);
    }
    if (rc && e)
        *e = why;
    return rc;
}

void azure_auth_reject(struct azure_auth *a, const char *token)
{
    LOCK_SCOPE(&a->mu);
    if (!streq(a->token, token))
        return;
    secret_drop(a->token);
    a->token = NULL;
}
