/* Managed identity of App Service, Container Apps and Azure Arc against a loopback service that checks what it is asked (IMDS: test_azure_auth). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/server.h"
#include "provisioner/azure/auth.h"

#define HEADER "planted-identity-header"
#define PROOF  "planted-proof-of-arc"

struct service {
    struct http_server *server;
    struct http_client *http;
    struct azure_endpoints endpoints;
    char dir[64], url[80];
    int64_t now_ms;
    atomic_int asked;
    const char *challenge;              /* Arc: asked for until the proof comes; NULL: answers at once */
    bool echo;                          /* refuses and quotes what it got */
    char path[256], header[128], metadata[16], authorization[128];
};

static void take(char *out, size_t cap, const struct http_exchange *x, const char *name)
{
    const char *value = http_header_get(&x->headers, name);

    snprintf(out, cap, "%s", value ? value : "");
}

static void answer(void *self, struct http_exchange *x)
{
    struct service *s = self;

    s->asked++;
    snprintf(s->path, sizeof s->path, "%s?%s", x->path, x->raw_query);
    take(s->header, sizeof s->header, x, "X-IDENTITY-HEADER");
    take(s->metadata, sizeof s->metadata, x, "Metadata");
    take(s->authorization, sizeof s->authorization, x, "Authorization");
    if (s->challenge && !*s->authorization) {
        http_reply_header(x, "WWW-Authenticate", s->challenge);
        http_reply(x, 401, "application/json", STR("{\"error\":\"unauthorized_client\",\"error_description\":\"Missing Basic Authorization header\"}"));
    } else if (s->echo) {
        AUTO_MEM char *text = xasprintf("{\"error\":\"invalid_request\",\"error_description\":\"got %s %s\"}", s->header, s->authorization);

        http_reply(x, 400, "application/json", str_of(text));
    } else {
        http_reply(x, 200, "application/json", STR("{\"access_token\":\"identity-token\",\"expires_on\":\"4102444800\",\"resource\":\"x\",\"token_type\":\"Bearer\"}"));
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
    snprintf(s->dir, sizeof s->dir, "/tmp/kaito-identity-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    assert_int_equal(http_server_start(&(struct http_server_opts){ .handler = answer, .self = s }, &s->server, &e), ERR_OK);
    assert_int_equal(http_client_new(&(struct http_client_opts){ 0 }, &s->http, &e), ERR_OK);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u/msi/token", http_server_port(s->server));
    s->endpoints = (struct azure_endpoints){ xstrdup("https://login.example"), xstrdup("https://arm.example"), xstrdup("https://arm.example") };
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

static struct azure_auth *auth_of(struct service *s, const char *client_id, struct azure_identity_opts o)
{
    struct azure_auth *a = NULL;
    struct err e;

    o.arc_folder = s->dir;
    if (azure_auth_new(s->http, &(struct azure_auth_opts){ .kind = AZURE_AUTH_MANAGED, .endpoints = &s->endpoints, .client_id = client_id, .identity = o, .now_ms = service_now,
                                                           .now_self = s }, &a, &e))
        fail_msg("%s", e.text);
    return a;
}

static struct azure_auth *arc(struct service *s)
{
    return auth_of(s, NULL, (struct azure_identity_opts){ .endpoint = s->url, .arc = "http://127.0.0.1" });
}

static void expect_token(struct azure_auth *a)
{
    AUTO_SECRET_TEXT token = NULL;
    struct err e = { 0 };

    if (azure_auth_token(a, NULL, &token, &e))
        fail_msg("no token: %s", e.text);
    assert_string_equal(token, "identity-token");
}

static void expect_refusal(struct azure_auth *a, const char *says)
{
    AUTO_SECRET_TEXT token = NULL;
    struct err e = { 0 };

    assert_int_equal(azure_auth_token(a, NULL, &token, &e), ERR_UNAUTHORIZED);
    assert_null(token);
    if (!strstr(e.text, says) || strstr(e.text, "planted"))
        fail_msg("%s, wanted %s", e.text, says);
}

static void app_service_is_shown_its_header(void **state)
{
    struct service *s = *state;
    AUTO_FREE(azure_auth) a = auth_of(s, "mi-1", (struct azure_identity_opts){ .endpoint = s->url, .header = HEADER, .arc = "http://ignored" });

    expect_token(a);
    assert_string_equal(s->path, "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Farm.example&client_id=mi-1");
    assert_string_equal(s->header, HEADER);
    assert_string_equal(s->metadata, "");
    assert_string_equal(s->authorization, "");
    expect_token(a);
    assert_int_equal(s->asked, 1);      /* kept */
}

static void app_services_refusal_names_it_and_holds_no_secret(void **state)
{
    struct service *s = *state;
    AUTO_FREE(azure_auth) a = auth_of(s, "mi-1", (struct azure_identity_opts){ .endpoint = s->url, .header = HEADER });

    s->echo = true;
    expect_refusal(a, "IDENTITY_ENDPOINT");
    s->now_ms += 60000;
    expect_refusal(a, "mi-1");
}

static void arcs_agent_gets_the_proof_that_it_asks_for(void **state)
{
    struct service *s = *state;
    AUTO_MEM char *file = path_join(s->dir, "7a.key");
    AUTO_MEM char *challenge = xasprintf("Basic realm=%s", file);
    AUTO_FREE(azure_auth) a = arc(s);
    struct err e;

    assert_int_equal(file_write_atomic(file, STR(PROOF "\n"), 0600, &e), ERR_OK);
    s->challenge = challenge;
    expect_token(a);
    assert_int_equal(s->asked, 2);
    assert_string_equal(s->authorization, "Basic " PROOF);
    assert_string_equal(s->metadata, "true");
    assert_string_equal(s->path, "/msi/token?api-version=2019-11-01&resource=https%3A%2F%2Farm.example");
}

static void arcs_refusal_holds_no_proof(void **state)
{
    struct service *s = *state;
    AUTO_MEM char *file = path_join(s->dir, "7a.key");
    AUTO_MEM char *challenge = xasprintf("Basic realm=%s", file);
    AUTO_FREE(azure_auth) a = arc(s);
    struct err e;

    assert_int_equal(file_write_atomic(file, STR(PROOF), 0600, &e), ERR_OK);
    s->challenge = challenge;
    s->echo = true;
    expect_refusal(a, "Azure Arc");
}

/* Whoever answers at that port would otherwise be sent any file of this machine. */
static void no_other_file_is_sent_to_arc(void **state)
{
    struct service *s = *state;
    AUTO_BUF large = { 0 };
    struct err e;
    const struct { const char *file, *before, *says; } rows[] = {
        { "7a.txt", "Basic realm=", "no .key file" }, { "sub/7a.key", "Basic realm=", "no .key file" }, { "../7a.key", "Basic realm=", "no .key file" },
        { "7a.key", "Bearer realm=", "names no file" }, { "7a.key", "Basic path=", "names no file" }, { "", "Basic", "names no file" },
        { "large.key", "Basic realm=", "larger than 4096 bytes; Azure Arc" }, { "absent.key", "Basic realm=", "absent.key: No such file or directory; Azure Arc gives tokens to root" },
    };

    for (int i = 0; i < 4097; i++)
        buf_addc(&large, 'x');
    AUTO_MEM char *path = path_join(s->dir, "large.key");

    assert_int_equal(file_write_atomic(path, buf_str(&large), 0600, &e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE(azure_auth) a = arc(s);
        AUTO_MEM char *challenge = xasprintf("%s%s/%s", rows[i].before, s->dir, rows[i].file);

        s->challenge = challenge;
        s->asked = 0;
        expect_refusal(a, rows[i].says);
        if (s->asked != 1)
            fail_msg("row %zu: asked %d times", i, s->asked);
    }
}

static void the_environment_says_which_service_there_is(void **state)
{
    static const struct { struct azure_identity_opts o; const char *client_id; errc rc; const char *says; } rows[] = {    /* says: of the name where there is one */
        { { 0 }, "c", ERR_OK, "IMDS" }, { { .arc = "http://x" }, NULL, ERR_OK, "IMDS" },
        { { .endpoint = "http://x", .header = "h" }, "c", ERR_OK, "App Service" }, { { .endpoint = "http://x", .header = "h", .msi = "http://y" }, NULL, ERR_OK, "App Service" },
        { { .endpoint = "http://x", .arc = "http://x" }, NULL, ERR_OK, "Azure Arc" },
        { { .endpoint = "http://x", .arc = "http://x" }, "c", ERR_BAD_REQUEST, "AZURE_CLIENT_ID" },
        { { .endpoint = "http://x" }, NULL, ERR_BAD_REQUEST, "IDENTITY_HEADER" }, { { .endpoint = "x", .header = "h" }, NULL, ERR_BAD_REQUEST, "no http or https URL" },
        { { .endpoint = "http://x", .header = "h", .fabric = "f" }, NULL, ERR_UNBUILT, "IDENTITY_SERVER_THUMBPRINT" }, { { .msi = "http://x" }, NULL, ERR_UNBUILT, "MSI_ENDPOINT" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE(azure_identity) identity = NULL;
        struct err e = { 0 };
        errc rc = azure_identity_new(&rows[i].o, "r", rows[i].client_id, &identity, &e);
        const char *said = rc ? e.text : azure_identity_name(identity);

        if (rc != rows[i].rc || !strstr(said, rows[i].says))
            fail_msg("row %zu: %s", i, said);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(app_service_is_shown_its_header), TEST(app_services_refusal_names_it_and_holds_no_secret), TEST(arcs_agent_gets_the_proof_that_it_asks_for),
        TEST(arcs_refusal_holds_no_proof), TEST(no_other_file_is_sent_to_arc), TEST(the_environment_says_which_service_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
