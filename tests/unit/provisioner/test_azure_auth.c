/* Tokens against a loopback token service that checks what it is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <gnutls/abstract.h>
#include <gnutls/pkcs12.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/server.h"
#include "provisioner/azure/assertion.h"
#include "provisioner/azure/auth.h"

#define SECRET "Planted~Secret.8Q~kaito"
#define MINUTE 60000

/* The service, and what it saw last. */
struct service {
    struct http_server *server;
    struct http_client *http;
    struct azure_endpoints endpoints;
    char dir[64];
    int64_t now_ms;
    atomic_int asked;
    int status;                         /* 0: 200 */
    const char *body;                   /* NULL: a token */
    const char *retry_after;
    int expires_in, delay_ms;
    bool echo;                          /* the refusal quotes the whole request */
    char form[8192], path[256], metadata[16];
};

static void answer(void *self, struct http_exchange *x)
{
    struct service *s = self;
    int n = ++s->asked;
    const char *metadata = http_header_get(&x->headers, "Metadata");

    snprintf(s->form, sizeof s->form, "%.*s", STR_ARG(x->body));
    snprintf(s->path, sizeof s->path, "%s?%s", x->path, x->raw_query);
    snprintf(s->metadata, sizeof s->metadata, "%s", metadata ? metadata : "");
    if (s->delay_ms)
        (void)cancel_wait_ms(http_gone(x), s->delay_ms);
    if (s->retry_after)
        http_reply_header(x, "Retry-After", s->retry_after);
    if (s->echo) {
        AUTO_BUF text = { 0 };
        struct http_pairs form = { 0 };

        (void)http_query_parse(x->body, &form);
        buf_addf(&text, "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: %.*s ", STR_ARG(x->body));
        for (size_t i = 0; i < form.n; i++)
            buf_addf(&text, "%s ", form.items[i].value);
        buf_adds(&text, "\"}");
        http_pairs_done(&form);
        http_reply(x, 401, "application/json", buf_str(&text));
    } else if (s->body) {
        http_reply(x, s->status ? s->status : 200, "application/json", str_of(s->body));
    } else {
        AUTO_MEM char *text = xasprintf("{\"token_type\":\"Bearer\",\"expires_in\":%d,\"access_token\":\"planted-token-%d\"}",
                                        s->expires_in ? s->expires_in : 3600, n);
        http_reply(x, 200, "application/json", str_of(text));
    }
}

static int64_t service_now(void *self)
{
    return ((struct service *)self)->now_ms;
}

static int start(void **state)
{
    struct service *s = xzalloc(sizeof *s);
    struct err e;

    s->now_ms = 1000000;
    snprintf(s->dir, sizeof s->dir, "/tmp/kaito-auth-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    assert_int_equal(http_server_start(&(struct http_server_opts){ .handler = answer, .self = s }, &s->server, &e), ERR_OK);
    assert_int_equal(http_client_new(&(struct http_client_opts){ 0 }, &s->http, &e), ERR_OK);
    s->endpoints = (struct azure_endpoints){ xasprintf("http://127.0.0.1:%u", http_server_port(s->server)), xstrdup("https://management.azure.com"),
                                             xstrdup("https://management.azure.com") };
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct service *s = *state;
    struct err e;

    http_client_free(s->http);
    http_server_stop(s->server, 100);
    azure_endpoints_done(&s->endpoints);
    (void)dir_remove(s->dir, &e);
    free(s);
    return 0;
}

static char *file_of(struct service *s, const char *name, const char *text)
{
    char *path = path_join(s->dir, name);
    struct err e;

    assert_int_equal(file_write_atomic(path, str_of(text), 0600, &e), ERR_OK);
    return path;
}

static struct azure_auth *auth_of(struct service *s, struct azure_auth_opts o)
{
    struct azure_auth *a = NULL;
    struct err e;

    o.endpoints = &s->endpoints;
    o.now_ms = service_now;
    o.now_self = s;
    if (o.kind != AZURE_AUTH_MANAGED && o.kind != AZURE_AUTH_CLI) {
        o.tenant = "tenant-1";
        o.client_id = "client-1";
    }
    assert_int_equal(azure_auth_new(s->http, &o, &a, &e), ERR_OK);
    return a;
}

static void expect_token(struct azure_auth *a, const char *want)
{
    AUTO_SECRET_TEXT token = NULL;
    struct err e = { 0 };

    if (azure_auth_token(a, NULL, &token, &e))
        fail_msg("no token: %s", e.text);
    assert_string_equal(token, want);
}

static errc refused(struct azure_auth *a, struct err *e)
{
    AUTO_SECRET_TEXT token = NULL;

    errc rc = azure_auth_token(a, NULL, &token, e);
    assert_null(token);
    return rc;
}

static void expect_form(struct service *s, const char *name, const char *value)
{
    struct http_pairs form = { 0 };

    assert_true(http_query_parse(str_of(s->form), &form));
    if (!streq(http_pairs_get(&form, name), value))
        fail_msg("%s is %s, not %s", name, http_pairs_get(&form, name), value);
    http_pairs_done(&form);
}

static void a_rotated_token_file_is_read_at_each_exchange(void **state)
{
    struct service *s = *state;
    AUTO_MEM char *path = file_of(s, "token", " first.jwt.x \n");
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_WORKLOAD, .token_file = path });

    expect_token(a, "planted-token-1");
    assert_string_equal(s->path, "/tenant-1/oauth2/v2.0/token?");
    expect_form(s, "grant_type", "client_credentials");
    expect_form(s, "client_id", "client-1");
    expect_form(s, "scope", "https://management.azure.com/.default");
    expect_form(s, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    expect_form(s, "client_assertion", "first.jwt.x");
    AUTO_MEM char *same = file_of(s, "token", "second.jwt.x");

    s->now_ms += 54 * MINUTE;           /* more than five minutes are left */
    expect_token(a, "planted-token-1");
    s->now_ms += 2 * MINUTE;            /* less */
    expect_token(a, "planted-token-2");
    expect_form(s, "client_assertion", "second.jwt.x");
    assert_int_equal(s->asked, 2);
}

static void an_early_renewal_that_fails_keeps_the_old_token(void **state)
{
    struct service *s = *state;
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_SECRET, .secret = SECRET });
    struct err e;

    expect_token(a, "planted-token-1");
    s->status = 503;
    s->body = "busy";
    s->now_ms += 56 * MINUTE;
    expect_token(a, "planted-token-1");
    assert_int_equal(s->asked, 2);
    s->now_ms += 29000;
    expect_token(a, "planted-token-1");
    assert_int_equal(s->asked, 2);      /* half a minute of peace */
    s->now_ms += 1000;
    expect_token(a, "planted-token-1");
    assert_int_equal(s->asked, 3);
    s->now_ms += 5 * MINUTE;            /* it has ended */
    assert_int_equal(refused(a, &e), ERR_UNAVAILABLE);
    s->body = NULL;
    s->now_ms += MINUTE;
    expect_token(a, "planted-token-5");
}

/* The peace after a failed renewal was for a token that was good. */
static void a_token_that_is_rejected_after_a_failed_renewal_is_replaced_at_once(void **state)
{
    struct service *s = *state;
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_SECRET, .secret = SECRET });

    expect_token(a, "planted-token-1");
    s->status = 503;
    s->body = "busy";
    s->now_ms += 56 * MINUTE;
    expect_token(a, "planted-token-1");
    s->status = 200;
    s->body = NULL;
    azure_auth_reject(a, "planted-token-1");
    s->now_ms += 1000;
    expect_token(a, "planted-token-3");
}

static void a_refused_login_is_not_asked_again_at_once(void **state)
{
    struct service *s = *state;
    AUTO_MEM char *path = file_of(s, "token", "some.jwt.x");
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_WORKLOAD, .token_file = path });
    struct err e;

    s->status = 400;
    s->body = "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS70021: No matching federated identity record found\"}";
    assert_int_equal(refused(a, &e), ERR_UNAUTHORIZED);
    assert_non_null(strstr(e.text, "AADSTS70021"));
    assert_non_null(strstr(e.text, "client-1"));
    assert_non_null(strstr(e.text, "api://AzureADTokenExchange"));
    for (int i = 0; i < 5; i++) {
        e.text[0] = 0;
        assert_int_equal(refused(a, &e), ERR_UNAUTHORIZED);
        assert_non_null(strstr(e.text, "AADSTS70021"));
    }
    assert_int_equal(s->asked, 1);
    s->now_ms += 1000;
    assert_int_equal(refused(a, &e), ERR_UNAUTHORIZED);
    s->now_ms += 1000;
    assert_int_equal(refused(a, &e), ERR_UNAUTHORIZED);
    assert_int_equal(s->asked, 2);      /* two seconds the second time */
    s->now_ms += 1000;
    s->body = NULL;
    expect_token(a, "planted-token-3");
}

/* Upstream's pod dies of it, and dies again. */
static void a_federated_token_that_comes_later_is_taken(void **state)
{
    struct service *s = *state;
    AUTO_MEM char *path = path_join(s->dir, "late");
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_WORKLOAD, .token_file = path });
    struct err e = { 0 };

    assert_int_not_equal(refused(a, &e), ERR_OK);
    assert_non_null(strstr(e.text, path));
    assert_int_equal(s->asked, 0);
    AUTO_MEM char *there = file_of(s, "late", "planted.assertion.jwt");
    s->now_ms += MINUTE;
    expect_token(a, "planted-token-1");
}

/* Which of the three names is wrong Entra does not always say: all that must agree are told behind its cause, and nothing else of the token. */
static void a_refused_federated_token_says_what_the_credential_must_name(void **state)
{
    struct service *s = *state;
    static const char token[] = "eyJhbGciOiAiUlMyNTYifQ."
                                "eyJhdWQiOiBbImFwaTovL0F6dXJlQURUb2tlbkV4Y2hhbmdlIl0sICJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZS90L2MvIiwgInN1YiI6ICJzeXN0"
                                "ZW06c2VydmljZWFjY291bnQ6Z3B1LXByb3Zpc2lvbmVyOmdwdS1wcm92aXNpb25lciJ9.planted-signature";
    AUTO_MEM char *path = file_of(s, "token", token);
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_WORKLOAD, .token_file = path });
    struct err e = { 0 };

    s->status = 401;
    s->body = "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS700213: No matching federated identity record found for presented assertion subject\"}";
    assert_int_equal(refused(a, &e), ERR_UNAUTHORIZED);
    const char *cause = strstr(e.text, "AADSTS700213"), *issuer = strstr(e.text, "issuer https://issuer.example/t/c/");

    assert_true(cause && issuer && cause < issuer);
    assert_non_null(strstr(e.text, "subject system:serviceaccount:gpu-provisioner:gpu-provisioner"));
    assert_non_null(strstr(e.text, "audience api://AzureADTokenExchange"));
    assert_null(strstr(e.text, "planted-signature"));
}

static void the_machines_identity(void **state)
{
    struct service *s = *state;
    AUTO_MEM char *wrong = xstrdup(s->endpoints.login);
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_MANAGED, .identity.imds = wrong, .client_id = "mi-1" });
    struct err e;

    for (int status = 404; status <= 410; status += 6) {        /* 404 and 410: it is starting */
        s->status = status;
        s->body = "";
        assert_int_equal(refused(a, &e), ERR_UNAVAILABLE);
        s->now_ms += MINUTE;
    }
    s->status = 400;
    s->body = "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}";
    assert_int_equal(refused(a, &e), ERR_UNAUTHORIZED);
    assert_non_null(strstr(e.text, "Identity not found"));
    assert_non_null(strstr(e.text, "mi-1"));
    s->now_ms += MINUTE;
    s->status = 200;
    s->body = "{\"access_token\":\"t\",\"expires_in\":\"86400\",\"expires_on\":\"1\",\"resource\":\"x\",\"token_type\":\"Bearer\"}";
    expect_token(a, "t");
    assert_string_equal(s->metadata, "true");
    assert_string_equal(s->path, "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com&client_id=mi-1");
    s->body = "{\"access_token\":\"u\",\"expires_in\":\"86400\"}";
    s->now_ms += 12 * 60 * MINUTE - 1;
    expect_token(a, "t");
    s->now_ms += 1;                     /* half of its life */
    expect_token(a, "u");
}

static void the_machines_identity_is_never_asked_through_a_proxy(void **state)
{
    struct service *s = *state;
    AUTO_FREE(http_client) http = NULL;
    AUTO_RESPONSE through = { 0 };
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_MANAGED, .identity.imds = "http://192.0.2.1" });     /* TEST-NET-1 */
    struct err e;

    setenv("http_proxy", s->endpoints.login, 1);
    azure_auth_free(TAKE(a));
    assert_int_equal(http_client_new(&(struct http_client_opts){ .connect_timeout_ms = 200 }, &http, &e), ERR_OK);
    assert_int_equal(http_send(http, &(struct http_request){ .url = "http://192.0.2.1/x" }, &through, &e), ERR_OK);
    assert_int_equal(s->asked, 1);      /* the proxy works for others */
    struct http_client *own = s->http;

    s->http = http;
    a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_MANAGED, .identity.imds = "http://192.0.2.1" });
    assert_int_not_equal(refused(a, &e), ERR_OK);
    s->http = own;
    unsetenv("http_proxy");
    assert_int_equal(s->asked, 1);
}

static void a_rejected_token_is_replaced_once(void **state)
{
    struct service *s = *state;
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_SECRET, .secret = SECRET });

    expect_token(a, "planted-token-1");
    azure_auth_reject(a, "planted-token-1");
    expect_token(a, "planted-token-2");
    azure_auth_reject(a, "planted-token-1");    /* a slower thread says so too */
    expect_token(a, "planted-token-2");
    expect_form(s, "client_secret", SECRET);
    assert_int_equal(s->asked, 2);
}

static void secrets_are_in_no_error(void **state)
{
    struct service *s = *state;
    AUTO_MEM char *path = file_of(s, "token", "planted.assertion.jwt");
    struct azure_auth_opts rows[] = { { .kind = AZURE_AUTH_SECRET, .secret = SECRET }, { .kind = AZURE_AUTH_WORKLOAD, .token_file = path } };

    s->echo = true;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE(azure_auth) a = auth_of(s, rows[i]);
        struct err e;

        assert_int_equal(refused(a, &e), ERR_UNAUTHORIZED);
        assert_non_null(strstr(e.text, "AADSTS7000215"));
        assert_null(strstr(e.text, "Planted"));
        assert_null(strstr(e.text, "planted.assertion"));
    }
    s->echo = false;
    s->body = "{\"access_token\":\"planted-token\",\"expires_in\":";
    AUTO_FREE(azure_auth) a = auth_of(s, rows[0]);
    struct err e;

    assert_int_equal(refused(a, &e), ERR_CORRUPT);
    assert_null(strstr(e.text, "planted"));
}

static void throttling_is_waited_for(void **state)
{
    struct service *s = *state;
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_SECRET, .secret = SECRET });
    struct err e;

    s->status = 429;
    s->body = "";
    s->retry_after = "300";
    assert_int_equal(refused(a, &e), ERR_UNAVAILABLE);
    s->now_ms += 299000;
    assert_int_equal(refused(a, &e), ERR_UNAVAILABLE);
    assert_int_equal(s->asked, 1);
    s->body = NULL;
    s->now_ms += 1000;
    expect_token(a, "planted-token-2");
}

struct asker { struct azure_auth *a; char *token; };

static void ask(void *arg)
{
    struct asker *k = arg;
    struct err e;

    if (azure_auth_token(k->a, NULL, &k->token, &e))
        k->token = NULL;
}

static void many_threads_ask_once(void **state)
{
    struct service *s = *state;
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_SECRET, .secret = SECRET });
    struct asker askers[8] = { 0 };
    struct thread threads[8] = { 0 };

    s->delay_ms = 50;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        askers[i].a = a;
        thread_start(&threads[i], "ask", ask, &askers[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        thread_join(&threads[i]);
        assert_non_null(askers[i].token);
        assert_string_equal(askers[i].token, "planted-token-1");
        azure_secret_free(askers[i].token);
    }
    assert_int_equal(s->asked, 1);
}

/* ---- certificate ------------------------------------------------------------------------------------------------------- */

/* The same as one PKCS#12 file. */
static gnutls_datum_t pkcs12_of(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *password)
{
    gnutls_pkcs12_t p12;
    gnutls_pkcs12_bag_t certs, keys;
    gnutls_datum_t der = { 0 }, id = { (unsigned char *)(uintptr_t)"1", 1 };

    assert_int_equal(gnutls_pkcs12_init(&p12), 0);
    assert_int_equal(gnutls_pkcs12_bag_init(&certs), 0);
    assert_int_equal(gnutls_pkcs12_bag_init(&keys), 0);
    assert_true(gnutls_pkcs12_bag_set_crt(certs, crt) >= 0);
    assert_true(gnutls_pkcs12_bag_set_privkey(keys, key, password, GNUTLS_PKCS_PBES2_AES_256) >= 0);
    assert_int_equal(gnutls_pkcs12_bag_set_key_id(certs, 0, &id), 0);
    assert_int_equal(gnutls_pkcs12_bag_set_key_id(keys, 0, &id), 0);
    assert_int_equal(gnutls_pkcs12_set_bag(p12, certs), 0);
    assert_int_equal(gnutls_pkcs12_set_bag(p12, keys), 0);
    assert_int_equal(gnutls_pkcs12_generate_mac(p12, password), 0);
    assert_int_equal(gnutls_pkcs12_export2(p12, GNUTLS_X509_FMT_DER, &der), 0);
    gnutls_pkcs12_bag_deinit(certs);
    gnutls_pkcs12_bag_deinit(keys);
    gnutls_pkcs12_deinit(p12);
    return der;
}

static void make_identity(struct str *pem, gnutls_datum_t *p12, gnutls_pubkey_t *pub, char thumb[64])
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_datum_t c, k;
    unsigned char print[32];
    size_t n = sizeof print;
    AUTO_BUF text = { 0 };
    AUTO_BUF t = { 0 };

    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, 2048, 0), 0);
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, "\1", 1);
    gnutls_x509_crt_set_activation_time(crt, 0);
    gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 3600);
    gnutls_x509_crt_set_key(crt, key);
    assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &c), 0);
    assert_int_equal(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, "pass", GNUTLS_PKCS_PBES2_AES_256, &k), 0);
    buf_add(&text, c.data, c.size);
    buf_add(&text, k.data, k.size);
    assert_int_equal(gnutls_pubkey_init(pub), 0);
    assert_int_equal(gnutls_pubkey_import_x509(*pub, crt, 0), 0);
    assert_int_equal(gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, print, &n), 0);
    base64url_add(&t, print, n);
    snprintf(thumb, 64, "%s", buf_cstr(&t));
    *p12 = pkcs12_of(crt, key, "pass");
    gnutls_free(c.data);
    gnutls_free(k.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    pem->n = text.n;
    pem->p = buf_take(&text);
}

static json_t *piece(struct str text)
{
    AUTO_BUF raw = { 0 };
    json_t *j = NULL;
    struct err e;

    assert_true(base64_decode(text, &raw));
    assert_int_equal(json_parse(buf_str(&raw), &j, &e), ERR_OK);
    return j;
}

static void a_certificate_signs_the_assertion(void **state)
{
    struct service *s = *state;
    struct str pem, jwt, head, rest, claims, signature;
    gnutls_pubkey_t pub;
    gnutls_datum_t p12;
    char thumb[64];
    struct http_pairs form = { 0 };
    struct err e;

    make_identity(&pem, &p12, &pub, thumb);
    AUTO_MEM char *path = file_of(s, "cert.pem", pem.p);
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_CERTIFICATE, .certificate = path, .certificate_password = "pass" });

    expect_token(a, "planted-token-1");
    assert_true(http_query_parse(str_of(s->form), &form));
    jwt = str_of(http_pairs_get(&form, "client_assertion"));
    assert_true(str_rcut(jwt, '.', &rest, &signature));
    assert_true(str_cut(rest, '.', &head, &claims));
    AUTO_JSON h = piece(head);
    AUTO_JSON c = piece(claims);
    AUTO_BUF raw = { 0 };
    AUTO_MEM char *aud = xasprintf("%s/tenant-1/oauth2/v2.0/token", s->endpoints.login);

    assert_string_equal(json_cstr(h, "alg"), "PS256");
    assert_string_equal(json_cstr(h, "x5t#S256"), thumb);
    assert_string_equal(json_cstr(c, "aud"), aud);
    assert_string_equal(json_cstr(c, "iss"), "client-1");
    assert_string_equal(json_cstr(c, "sub"), "client-1");
    assert_int_equal(json_int(c, "exp", 0) - json_int(c, "nbf", 0), 600);
    assert_true(base64_decode(signature, &raw));
    gnutls_datum_t data = { (unsigned char *)(uintptr_t)rest.p, (unsigned)rest.n }, sig = { (unsigned char *)raw.p, (unsigned)raw.n };

    assert_true(gnutls_pubkey_verify_data2(pub, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, 0, &data, &sig) >= 0);
    http_pairs_done(&form);
    gnutls_pubkey_deinit(pub);

    AUTO_FREE(azure_auth) wrong = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_CERTIFICATE, .certificate = path, .certificate_password = "planted-pass" });

    assert_int_equal(refused(wrong, &e), ERR_BAD_REQUEST);
    assert_non_null(strstr(e.text, "AZURE_CLIENT_CERTIFICATE_PASSWORD"));
    assert_null(strstr(e.text, "planted-pass"));

    AUTO_MEM char *p12_path = path_join(s->dir, "cert.pfx");

    assert_int_equal(file_write_atomic(p12_path, str_n((const char *)p12.data, p12.size), 0600, &e), ERR_OK);
    AUTO_FREE(azure_auth) packed = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_CERTIFICATE, .certificate = p12_path, .certificate_password = "pass" });
    AUTO_FREE(azure_auth) locked = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_CERTIFICATE, .certificate = p12_path });

    expect_token(packed, "planted-token-2");
    http_pairs_done(&form);
    assert_true(http_query_parse(str_of(s->form), &form));
    assert_true(str_cut(str_of(http_pairs_get(&form, "client_assertion")), '.', &head, &rest));
    AUTO_JSON same = piece(head);

    assert_string_equal(json_cstr(same, "x5t#S256"), thumb);
    http_pairs_done(&form);
    assert_int_equal(refused(locked, &e), ERR_BAD_REQUEST);
    gnutls_free(p12.data);
    free((char *)(uintptr_t)pem.p);
}

/* ---- Azure CLI --------------------------------------------------------------------------------------------------------- */

static void the_azure_cli_is_asked(void **state)
{
    struct service *s = *state;
    const char *path_was = getenv("PATH");
    AUTO_MEM char *az = file_of(s, "az", "#!/bin/sh\necho \"$@\" >>$(dirname $0)/args\ncat $(dirname $0)/answer 2>/dev/null || { echo nothing planted >&2; exit 1; }\n");
    AUTO_MEM char *path = xasprintf("%s:%s", s->dir, path_was);
    AUTO_MEM char *answer_file = file_of(s, "answer", "{\"accessToken\":\"cli-token\",\"expiresOn\":\"2126-01-02 03:04:05.000000\",\"tokenType\":\"Bearer\"}");
    AUTO_MEM char *args_file = path_join(s->dir, "args");
    AUTO_BUF args = { 0 };
    struct err e;

    assert_int_equal(chmod(az, 0700), 0);
    setenv("PATH", path, 1);
    AUTO_FREE(azure_auth) a = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_CLI, .tenant = "t1" });
    AUTO_FREE(azure_auth) b = auth_of(s, (struct azure_auth_opts){ .kind = AZURE_AUTH_CLI });

    expect_token(a, "cli-token");
    assert_int_equal(unlink(answer_file), 0);
    expect_token(a, "cli-token");
    assert_int_equal(refused(b, &e), ERR_UNAUTHORIZED);
    assert_non_null(strstr(e.text, "az login"));
    setenv("PATH", path_was, 1);
    assert_int_equal(file_read(args_file, 1000, &args, &e), ERR_OK);
    assert_string_equal(buf_cstr(&args), "account get-access-token --output json --resource https://management.azure.com --tenant t1\n"
                                         "account get-access-token --output json --resource https://management.azure.com\n");
    assert_int_equal(s->asked, 0);
}

/* ---- answers ------------------------------------------------------------------------------------------------------------- */

static void answers_of_token_services(void **state)
{
    static const struct { const char *text; int64_t life_s, renew_s; } rows[] = {      /* life 0: refused */
        { "{\"access_token\":\"t\",\"expires_in\":60}", 60, 0 }, { "{\"access_token\":\"t\",\"expires_in\":\"60\"}", 60, 0 },
        { "{\"access_token\":\"t\",\"expires_in\":60,\"refresh_in\":30}", 60, 30 }, { "{\"access_token\":\"t\",\"expires_in\":60,\"refresh_in\":90}", 60, 0 },
        { "{\"access_token\":\"t\",\"expires_on\":\"1100\"}", 100, 0 }, { "{\"accessToken\":\"t\",\"expires_on\":1100}", 100, 0 },
        { "{\"access_token\":\"t\",\"expires_on\":900}", 0, 0 }, { "{\"access_token\":\"t\"}", 0, 0 }, { "{\"access_token\":\"\",\"expires_in\":60}", 0, 0 },
        { "{\"access_token\":\"a\\r\\nHost: x\",\"expires_in\":60}", 0, 0 }, { "{\"access_token\":7,\"expires_in\":60}", 0, 0 },
        { "{\"access_token\":\"t\",\"expires_in\":9223372036854775807}", 7 * 86400, 0 }, { "{\"access_token\":\"t\",\"expires_in\":-1}", 0, 0 }, { "[]", 0, 0 }, { "", 0, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct azure_token t = { 0 };
        struct err e;
        errc rc = azure_token_parse(str_of(rows[i].text), 1000000, &t, &e);

        if (rc != (rows[i].life_s ? ERR_OK : ERR_CORRUPT) || t.life_s != rows[i].life_s || t.renew_s != rows[i].renew_s)
            fail_msg("row %zu: %s", i, rows[i].text);
        azure_secret_free(t.text);
    }
}

static void missing_settings_are_named(void **state)
{
    static const struct { struct azure_auth_opts o; const char *names; } rows[] = {
        { { .kind = AZURE_AUTH_WORKLOAD, .client_id = "c", .token_file = "f" }, "AZURE_TENANT_ID" },
        { { .kind = AZURE_AUTH_WORKLOAD, .tenant = "t", .token_file = "f" }, "AZURE_CLIENT_ID" },
        { { .kind = AZURE_AUTH_WORKLOAD, .tenant = "t", .client_id = "c" }, "AZURE_FEDERATED_TOKEN_FILE" },
        { { .kind = AZURE_AUTH_SECRET, .tenant = "t", .client_id = "c", .secret = "" }, "AZURE_CLIENT_SECRET" },
        { { .kind = AZURE_AUTH_CERTIFICATE, .tenant = "t", .client_id = "c" }, "AZURE_CLIENT_CERTIFICATE_PATH" },
    };
    struct service *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct azure_auth *a = NULL;
        struct err e;

        assert_int_equal(azure_auth_new(s->http, &rows[i].o, &a, &e), ERR_BAD_REQUEST);
        assert_non_null(strstr(e.text, rows[i].names));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rotated_token_file_is_read_at_each_exchange), TEST(an_early_renewal_that_fails_keeps_the_old_token),
        TEST(a_token_that_is_rejected_after_a_failed_renewal_is_replaced_at_once),
        TEST(a_refused_login_is_not_asked_again_at_once), TEST(a_refused_federated_token_says_what_the_credential_must_name),
        TEST(a_federated_token_that_comes_later_is_taken),
        TEST(the_machines_identity), TEST(the_machines_identity_is_never_asked_through_a_proxy),
        TEST(a_rejected_token_is_replaced_once), TEST(secrets_are_in_no_error), TEST(throttling_is_waited_for), TEST(many_threads_ask_once),
        TEST(a_certificate_signs_the_assertion), TEST(the_azure_cli_is_asked), TEST(answers_of_token_services), TEST(missing_settings_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
