/* Clouds by name, by file and by what an ARM endpoint says; and where a token may go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "http/server.h"
#include "provisioner/azure/endpoints.h"

#define AUTO_ENDPOINTS AUTO(azure_endpoints_done) struct azure_endpoints

static void names_of_three_clouds(void **state)
{
    static const struct { const char *name, *login, *arm; } rows[] = {
        { NULL, "https://login.microsoftonline.com", "https://management.azure.com" },
        { "azurepubliccloud", "https://login.microsoftonline.com", "https://management.azure.com" },
        { "AzureCloud", "https://login.microsoftonline.com", "https://management.azure.com" },
        { "AZUREUSGOVERNMENT", "https://login.microsoftonline.us", "https://management.usgovcloudapi.net" },
        { "AzureChinaCloud", "https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn" },
    };
    struct azure_endpoints none = { 0 };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ENDPOINTS p = { 0 };

        assert_int_equal(azure_endpoints_named(rows[i].name, &p, &e), ERR_OK);
        assert_string_equal(p.login, rows[i].login);
        assert_string_equal(p.arm, rows[i].arm);
    }
    assert_int_equal(azure_endpoints_named("AzureGermanCloud", &none, &e), ERR_BAD_REQUEST);
    assert_non_null(strstr(e.text, "AzureGermanCloud"));
}

static void a_token_goes_to_its_own_host_only(void **state)
{
    static const struct { const char *base, *url; bool trusted; } rows[] = {
        { "https://management.azure.com", "https://management.azure.com/subscriptions/x?api-version=1", true },
        { "https://management.azure.com", "HTTPS://MANAGEMENT.AZURE.COM:443/x", true },
        { "https://management.azure.com", "https://westeurope.management.azure.com/x", true },
        { "https://management.azure.com", "http://management.azure.com/x", false },
        { "https://management.azure.com", "https://management.azure.com:8443/x", false },
        { "https://management.azure.com", "https://management.azure.com.evil.example/x", false },
        { "https://management.azure.com", "https://evilmanagement.azure.com/x", false },
        { "https://management.azure.com", "https://management.azure.com@evil.example/x", false },
        { "https://management.azure.com", "https://evil.example/?https://management.azure.com", false },
        { "https://management.azure.com", "https://evil.example#.management.azure.com", false },
        { "https://management.azure.com", "/subscriptions/x", false },
        { "https://management.azure.com", "", false },
        { "http://127.0.0.1:8080", "http://127.0.0.1:8080/x", true },
        { "http://127.0.0.1:8080", "http://127.0.0.1:8081/x", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (azure_url_trusted(rows[i].base, rows[i].url) != rows[i].trusted)
            fail_msg("row %zu: %s", i, rows[i].url);
}

static void what_replaces_an_endpoint_is_https_or_this_machine(void **state)
{
    static const struct { const char *url; errc rc; } rows[] = {
        { "https://arm.example/", ERR_OK }, { "http://127.0.0.1:1/", ERR_OK }, { "http://localhost:1", ERR_OK }, { "http://arm.example", ERR_BAD_REQUEST },
        { "http://127.evil.example", ERR_BAD_REQUEST }, { "ftp://x", ERR_BAD_REQUEST }, { "https://user@arm.example", ERR_BAD_REQUEST }, { "", ERR_OK },
        { "https://arm.example/?x=1", ERR_BAD_REQUEST }, { "https://arm.example#x", ERR_BAD_REQUEST },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ENDPOINTS p = { 0 };
        struct err e;

        if (azure_endpoints_override(&p, rows[i].url, rows[i].url, NULL, &e) != rows[i].rc)
            fail_msg("row %zu: %s", i, rows[i].url);
        if (i == 0)
            assert_string_equal(p.arm, "https://arm.example");
    }
}

static const char clouds[] =
    "[{\"name\":\"AzureCloud\",\"resourceManager\":\"https://management.azure.com\",\"authentication\":{\"loginEndpoint\":"
    "\"https://login.microsoftonline.com\",\"audiences\":[\"https://management.core.windows.net/\"]}},"
    "{\"name\":\"Private\",\"resourceManager\":\"https://management.private.example/\",\"authentication\":{\"loginEndpoint\":"
    "\"https://login.private.example/\",\"audiences\":[\"https://audience.private.example/1\",\"x\"]}}]";

static void an_endpoint_says_which_cloud_it_is(void **state)
{
    AUTO_ENDPOINTS p = { 0 };
    AUTO_ENDPOINTS stack = { 0 };
    struct azure_endpoints none = { 0 };
    struct err e;

    assert_int_equal(azure_endpoints_parse(str_of(clouds), "https://management.private.example", &p, &e), ERR_OK);
    assert_string_equal(p.login, "https://login.private.example");
    assert_string_equal(p.arm, "https://management.private.example");
    assert_string_equal(p.audience, "https://audience.private.example/1");
    assert_int_equal(azure_endpoints_parse(STR("{\"authentication\":{\"loginEndpoint\":\"https://login.stack.example/\",\"audiences\":[\"a\"]}}"),
                                           "https://management.stack.example", &stack, &e), ERR_OK);
    assert_string_equal(stack.arm, "https://management.stack.example");
    assert_int_equal(azure_endpoints_parse(str_of(clouds), "https://management.other.example", &none, &e), ERR_CORRUPT);
    assert_int_equal(azure_endpoints_parse(STR("{}"), "https://a.example", &none, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "login endpoint"));
    assert_int_equal(azure_endpoints_parse(STR("{\"authentication\":{\"loginEndpoint\":\"http://login.example\",\"audiences\":[\"a\"]}}"),
                                           "https://a.example", &none, &e), ERR_BAD_REQUEST);
}

/* Azure Stack: the newer version is unknown to it. */
static void stack_handler(void *self, struct http_exchange *x)
{
    const char *version = http_pairs_get(&x->query, "api-version");

    assert_null(http_header_get(&x->headers, "Authorization"));
    if (!streq(version, "2015-01-01"))
        http_replyf(x, 400, "no such version");
    else
        http_reply(x, 200, "application/json", STR("{\"authentication\":{\"loginEndpoint\":\"https://login.stack.example\",\"audiences\":[\"a\"]}}"));
}

static void the_metadata_of_an_endpoint_is_fetched(void **state)
{
    struct http_server *server = NULL;
    AUTO_FREE(http_client) http = NULL;
    AUTO_ENDPOINTS p = { 0 };
    struct err e;

    assert_int_equal(http_server_start(&(struct http_server_opts){ .handler = stack_handler }, &server, &e), ERR_OK);
    assert_int_equal(http_client_new(&(struct http_client_opts){ 0 }, &http, &e), ERR_OK);
    AUTO_MEM char *base = xasprintf("http://127.0.0.1:%u/", http_server_port(server));

    assert_int_equal(azure_endpoints_fetch(http, base, NULL, &p, &e), ERR_OK);
    assert_string_equal(p.login, "https://login.stack.example");
    assert_memory_equal(p.arm, base, strlen(base) - 1);
    http_server_stop(server, 100);
    assert_int_equal(azure_endpoints_fetch(http, base, NULL, &p, &e), ERR_UNAVAILABLE);
}

static void an_environment_file_names_a_cloud(void **state)
{
    char path[] = "/tmp/kaito-environment-XXXXXX";
    AUTO_FD fd = mkstemp(path);
    AUTO_ENDPOINTS p = { 0 };
    struct err e;
    static const char text[] = "{\"name\":\"X\",\"activeDirectoryEndpoint\":\"https://login.x.example/\",\"resourceManagerEndpoint\":\"https://arm.x.example/\","
                               "\"tokenAudience\":\"https://arm.x.example/\"}";

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, sizeof text - 1, &e), ERR_OK);
    assert_int_equal(azure_endpoints_read(path, &p, &e), ERR_OK);
    assert_string_equal(p.login, "https://login.x.example");
    assert_string_equal(p.audience, "https://arm.x.example/");
    unlink(path);
    assert_int_not_equal(azure_endpoints_read(path, &p, &e), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_three_clouds), cmocka_unit_test(a_token_goes_to_its_own_host_only),
        cmocka_unit_test(what_replaces_an_endpoint_is_https_or_this_machine), cmocka_unit_test(an_endpoint_says_which_cloud_it_is),
        cmocka_unit_test(the_metadata_of_an_endpoint_is_fetched), cmocka_unit_test(an_environment_file_names_a_cloud),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
