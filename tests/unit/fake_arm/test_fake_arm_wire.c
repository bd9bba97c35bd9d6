/* cloud/azure against a simulator that misleads: lists that go in circles or lead away, waits that are dates, assertions that a certificate signs. */
#include <gnutls/x509.h>
#include <time.h>
#include <unistd.h>

#include "arm_world.h"
#include "base/clock.h"
#include "base/file.h"
#include "provisioner/azure/arm.h"
#include "provisioner/azure/cloud_azure.h"

#define POOL "{\"properties\": {\"count\": 1, \"vmSize\": \"Standard_D4s_v5\", \"type\": \"VirtualMachineScaleSets\"}}"

static int setup(void **state)
{
    struct world *w = xzalloc(sizeof *w);

    *state = w;
    return world_start(w, &(struct sim_opts){ .seed = 7 });
}

static int teardown(void **state)
{
    world_stop(*state);
    free(*state);
    return 0;
}

struct who { const char *secret, *certificate, *authority; };

/* A cloud with these credentials lists the pools. */
static errc list(struct world *w, const struct who *who, struct err *e)
{
    struct azure_settings a = { .subscription = "sub", .resource_group = "group", .cluster = "aks", .endpoint = w->sim->base_url,
                                .authority_host = who->authority ? who->authority : w->sim->base_url, .audience = w->sim->base_url, .tenant = "tenant",
                                .client_id = "client", .secret = who->secret, .certificate = who->certificate };
    AUTO(cloud_instances_done) struct cloud_instances found = { 0 };
    struct cloud *c = NULL;
    errc rc = azure_cloud_new(&a, NULL, &c, e);

    if (!rc)
        rc = c->list(c->self, &found, e);
    cloud_free(c);
    return rc;
}

static void lists_that_mislead_end_without_a_token_elsewhere(void **state)
{
    struct world *w = *state;
    struct err e;

    arm_call(w, "PUT", "/agentPools/a", POOL);
    assert_int_equal(list(w, &(struct who){ SECRET }, &e), ERR_OK);
    control(w, "PUT", "settings", "{\"next_link\": 1}");
    assert_int_not_equal(list(w, &(struct who){ SECRET }, &e), ERR_OK);
    assert_non_null(strstr(e.text, "circle"));
    control(w, "PUT", "settings", "{\"next_link\": 2}");
    assert_int_not_equal(list(w, &(struct who){ SECRET }, &e), ERR_OK);
    assert_int_equal(violations(w), 0);
    arm_call(w, "GET", "/agentPools", NULL);
    AUTO_MEM char *elsewhere = xstrdup(json_cstr(w->body, "nextLink"));
    assert_non_null(strstr(elsewhere, "://localhost:"));
    ask(w, &(struct ask){ "GET", elsewhere });           /* and who follows it is found out */
    assert_string_equal(last_violation(w), "host");
}

static void waits_may_be_dates(void **state)
{
    struct world *w = *state;
    int64_t wait;

    control(w, "PUT", "settings", "{\"retry_after_date\": 1, \"retry_after_s\": 30}");
    arm_call(w, "PUT", "/agentPools/a", POOL);
    assert_non_null(strstr(http_header_get(&w->r.headers, "Retry-After"), " GMT"));
    wait = arm_retry_after_ms(&w->r.headers);
    assert_in_range(wait, 25000, 31000);
    control(w, "POST", "faults", "{\"call\": \"get\", \"do\": \"error\", \"error\": \"throttled-long\"}");
    arm_call(w, "GET", "/agentPools/a", NULL);
    assert_int_equal(w->r.status, 429);
    assert_in_range(arm_retry_after_ms(&w->r.headers), 115000, 121000);
}

/* A certificate and its key in one PEM. */
static char *identity(void)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_datum_t c, k;

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
    assert_int_equal(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &k), 0);
    char *pem = xasprintf("%.*s%.*s", (int)c.size, (const char *)c.data, (int)k.size, (const char *)k.data);

    gnutls_free(c.data);
    gnutls_free(k.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return pem;
}

static void refuses(struct world *w, const char *assertion, const char *with)
{
    AUTO_MEM char *form = xasprintf("grant_type=client_credentials&client_id=client&scope=x%%2F.default&client_assertion_type="
                                    "urn%%3Aietf%%3Aparams%%3Aoauth%%3Aclient-assertion-type%%3Ajwt-bearer&client_assertion=%s", assertion);

    ask(w, &(struct ask){ "POST", "/tenant/oauth2/v2.0/token", form, "application/x-www-form-urlencoded" });
    assert_int_equal(w->r.status, 401);
    assert_non_null(strstr(json_cstr(w->body, "error_description"), with));
}

static void assertions_of_a_certificate_are_verified(void **state)
{
    char dir[] = "/tmp/kaito-fake-arm-XXXXXX";
    AUTO_MEM char *ours = identity(), *theirs = identity();
    struct world w;
    struct err e;

    (void)state;
    assert_non_null(mkdtemp(dir));
    AUTO_MEM char *our_file = path_join(dir, "ours"), *their_file = path_join(dir, "theirs");
    assert_int_equal(file_write_atomic(our_file, str_of(ours), 0600, &e), ERR_OK);
    assert_int_equal(file_write_atomic(their_file, str_of(theirs), 0600, &e), ERR_OK);
    world_start(&w, &(struct sim_opts){ .who.certificate_pem = ours });
    if (list(&w, &(struct who){ .certificate = our_file }, &e))
        fail_msg("%s", e.text);
    assert_int_not_equal(list(&w, &(struct who){ .certificate = their_file }, &e), ERR_OK);
    assert_non_null(strstr(e.text, "AADSTS700027"));
    refuses(&w, "nojwt", "AADSTS50027");
    refuses(&w, "a.b.c", "AADSTS50027");
    refuses(&w, "e30.e30.e30", "AADSTS700027");          /* {} in each part */
    AUTO_MEM char *elsewhere = xasprintf("http://localhost:%u", sim_port(w.sim));       /* the signature is right, and for somebody else */
    assert_int_not_equal(list(&w, &(struct who){ .certificate = our_file, .authority = elsewhere }, &e), ERR_OK);
    assert_non_null(strstr(e.text, "AADSTS700023"));
    world_stop(&w);
    assert_int_equal(dir_remove(dir, &e), ERR_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lists_that_mislead_end_without_a_token_elsewhere), TEST(waits_may_be_dates), cmocka_unit_test(assertions_of_a_certificate_are_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
