/*
 * Where tokens come from: Microsoft Entra's endpoint (client secret, federated assertion), the instance's metadata service, and ARM's
 * own metadata that names them. A token is known by its text; each is one client in the journal.
 */
#include "sim.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#define JWT_BEARER "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

static void refuse(struct sim_answer *a, int status, const char *error, const char *text)
{
    sim_answer_json(a, status, json_pack("{s:s,s:s,s:[i],s:s}", "error", error, "error_description", text, "error_codes", 0,
                                         "correlation_id", "00000000-0000-0000-0000-000000000000"));
}

/* Shaped as a JWT, so that who looks into it finds when it ends. */
static char *new_token(struct sim *s, int64_t now)
{
    AUTO_BUF text = { 0 }, claims = { 0 };
    struct sim_token *t = xmalloc(sizeof *t);
    char secret[33];

    *t = (struct sim_token){ ++s->next_client, now + s->set.token_ms };
    random_suffix(secret, sizeof secret - 1);
    buf_addf(&claims, "{\"aud\":\"%s\",\"exp\":%lld,\"jti\":\"%s\"}", s->base_url, (long long)t->expires / 1000, secret);
    base64url_add(&text, "{\"alg\":\"none\"}", 14);
    buf_addc(&text, '.');
    base64url_add(&text, claims.p, claims.n);
    buf_addf(&text, ".%s", secret);
    map_put(s->tokens, buf_str(&text), t);
    return buf_take(&text);
}

static bool assertion_is_right(struct sim *s, const char *assertion, struct sim_answer *a)
{
    AUTO_BUF file = { 0 };
    struct err e;

    if (!str_set(assertion) || !strchr(assertion, '.')) {
        refuse(a, 401, "invalid_client", "AADSTS50027: JWT token is invalid or malformed.");
        return false;
    }
    if (s->who.certificate_pem) {
        const char *wrong = sim_certificate_refuses(s, str_of(assertion));

        if (wrong)
            refuse(a, 401, "invalid_client", wrong);
        return !wrong;
    }
    if (!s->who.assertion_file)
        return true;
    if (file_read(s->who.assertion_file, 1 << 16, &file, &e)) {
        refuse(a, 503, "temporarily_unavailable", "AADSTS90033: A transient error has occurred. Please try again.");
        return false;
    }
    if (!str_eq(str_trim(buf_str(&file)), str_of(assertion))) {
        refuse(a, 401, "invalid_client", "AADSTS700024: Client assertion is not within its valid time range.");
        return false;
    }
    return true;
}

static bool client_is_right(struct sim *s, const struct http_pairs *form, struct sim_answer *a)
{
    const char *secret = http_pairs_get(form, "client_secret"), *type = http_pairs_get(form, "client_assertion_type");

    if (!streq(http_pairs_get(form, "client_id"), s->who.client_id)) {
        refuse(a, 400, "unauthorized_client", "AADSTS700016: Application with identifier was not found in the directory.");
        return false;
    }
    if (secret && streq(secret, s->who.client_secret))
        return true;
    if (secret) {
        refuse(a, 401, "invalid_client", "AADSTS7000215: Invalid client secret provided.");
        return false;
    }
    if (!streq(type, JWT_BEARER)) {
        refuse(a, 400, "invalid_request", "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.");
        return false;
    }
    return assertion_is_right(s, http_pairs_get(form, "client_assertion"), a);
}

static void token(struct sim *s, struct http_exchange *x, struct sim_answer *a)
{
    struct http_pairs form = { 0 };
    const char *scope;

    if (!streq(x->method, "POST")) {
        refuse(a, 405, "invalid_request", "AADSTS900561: The endpoint only accepts POST requests.");
        return;
    }
    bool ok = http_query_parse(x->body, &form);

    scope = http_pairs_get(&form, "scope");
    if (!ok || !streq(http_pairs_get(&form, "grant_type"), "client_credentials"))
        refuse(a, 400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.");
    else if (!scope || !str_has_suffix(str_of(scope), STR("/.default")))
        refuse(a, 400, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.");
    else if (client_is_right(s, &form, a)) {
        AUTO_MEM char *text = new_token(s, sim_now(s));

        sim_answer_json(a, 200, json_pack("{s:s,s:I,s:I,s:s}", "token_type", "Bearer", "expires_in", (json_int_t)(s->set.token_ms / 1000),
                                          "ext_expires_in", (json_int_t)(s->set.token_ms / 1000), "access_token", text));
    }
    http_pairs_done(&form);
}

/* For a managed identity. expires_in and its kin are texts there. */
static void identity_token(struct sim *s, struct http_exchange *x, struct sim_answer *a)
{
    if (!str_set(http_pairs_get(&x->query, "api-version")) || !str_set(http_pairs_get(&x->query, "resource"))) {
        refuse(a, 400, "invalid_request", "Required query variable 'resource' or 'api-version' is missing");
        return;
    }
    const char *id = http_pairs_get(&x->query, "client_id");

    if (id && !streq(id, s->who.client_id)) {
        refuse(a, 400, "invalid_request", "Identity not found");
        return;
    }
    AUTO_MEM char *text = new_token(s, sim_now(s));
    sim_answer_json(a, 200, json_pack("{s:s,s:o,s:o,s:s,s:s}", "access_token", text, "expires_in", json_strf("%lld", (long long)s->set.token_ms / 1000),
                                      "expires_on", json_strf("%lld", (long long)(sim_now(s) + s->set.token_ms) / 1000),
                                      "resource", http_pairs_get(&x->query, "resource"), "token_type", "Bearer"));
}

static void imds(struct sim *s, struct http_exchange *x, struct sim_answer *a)
{
    if (!streq(http_header_get(&x->headers, "Metadata"), "true") || http_header_get(&x->headers, "X-Forwarded-For"))
        refuse(a, 400, "invalid_request", "Required metadata header not specified, or the request came through a proxy");
    else
        identity_token(s, x, a);
}

/* As App Service and Container Apps; the secret of their environment is the client's here. */
static void app_service(struct sim *s, struct http_exchange *x, struct sim_answer *a)
{
    const char *header = http_header_get(&x->headers, "X-IDENTITY-HEADER");

    if (!header || !streq(header, s->who.client_secret))
        refuse(a, 401, "invalid_request", "X-IDENTITY-HEADER is missing or not that of this app");
    else
        identity_token(s, x, a);
}

static void openid(struct sim *s, struct sim_answer *a)
{
    sim_answer_json(a, 200, json_pack("{s:o,s:o,s:o}", "issuer", json_strf("%s/%s/v2.0", s->base_url, s->who.tenant),
                                      "token_endpoint", json_strf("%s/%s/oauth2/v2.0/token", s->base_url, s->who.tenant),
                                      "authorization_endpoint", json_strf("%s/%s/oauth2/v2.0/authorize", s->base_url, s->who.tenant)));
}

/* An object since 2022-09-01, an array of clouds before. */
static void metadata(struct sim *s, struct http_exchange *x, struct sim_answer *a)
{
    json_t *cloud = json_pack("{s:s,s:o,s:o,s:o}", "name", "FakeAzure", "portal", json_strf("%s/portal", s->base_url),
                              "authentication", json_pack("{s:s,s:[s],s:s,s:s}", "loginEndpoint", s->base_url, "audiences", s->base_url,
                                                          "tenant", s->who.tenant, "identityProvider", "AAD"),
                              "resourceManager", json_string(s->base_url));
    const char *version = http_pairs_get(&x->query, "api-version");

    sim_answer_json(a, 200, version && strcmp(version, "2022-09-01") < 0 ? json_pack("[o]", cloud) : cloud);
}

bool sim_token_route(struct sim *s, struct http_exchange *x, struct sim_answer *a)
{
    AUTO_MEM char *token_path = xasprintf("/%s/oauth2/v2.0/token", s->who.tenant);
    AUTO_MEM char *openid_path = xasprintf("/%s/v2.0/.well-known/openid-configuration", s->who.tenant);

    if (streq(x->path, token_path))
        token(s, x, a);
    else if (streq(x->path, openid_path))
        openid(s, a);
    else if (streq(x->path, "/metadata/identity/oauth2/token"))
        imds(s, x, a);
    else if (streq(x->path, "/msi/token"))
        app_service(s, x, a);
    else if (streq(x->path, "/metadata/endpoints"))
        metadata(s, x, a);
    else
        return false;
    return true;
}

bool sim_authorize(struct sim *s, struct sim_request *q, struct sim_answer *a)
{
    struct str header = str_of(http_header_get(&q->x->headers, "Authorization")), prefix = STR("Bearer ");
    const struct sim_token *t = str_has_prefix(header, prefix) ? map_get(s->tokens, str_from(header, prefix.n)) : NULL;

    q->client = t ? t->client : 0;
    if (t && q->now < t->expires)
        return true;
    sim_answer_header(a, "WWW-Authenticate", "Bearer authorization_uri=\"%s/%s\", error=\"invalid_token\"", s->base_url, s->who.tenant);
    if (t)
        sim_answer_error(a, 401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.");
    else
        sim_answer_error(a, 401, header.n ? "InvalidAuthenticationToken" : "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing or its token is unknown.");
    return false;
}

void sim_tokens_expire(struct sim *s)
{
    struct str key;
    void *t;

    for (size_t i = 0; map_next(s->tokens, &i, &key, &t);)
        ((struct sim_token *)t)->expires = 0;
}
