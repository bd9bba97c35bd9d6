/*
 * The distribution protocol against Debian's docker-registry (TLS of a private authority, htpasswd), with skopeo as a second client;
 * the token flow against a small server of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "../child.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "base/tls.h"
#include "http/server.h"
#include "oci/oci.h"

#define PROGRAM "/usr/bin/docker-registry"
/* bcrypt of "secret" */
#define HTPASSWD "u:$2y$05$DhymluznJ9X1lPRPXymQ1uJDYLXPhTnAgMUXv6G7TDrMuc9OOzsGS\n"

struct fixture {
    char *dir, *from, *ca_file, *certs;
    struct child registry;
    int port;
};

static void write_text(const char *dir, const char *name, struct str bytes)
{
    AUTO_MEM char *path = path_join(dir, name);
    assert_int_equal(file_write_atomic(path, bytes, 0600, NULL), ERR_OK);
}

static void write_certificates(struct fixture *f)
{
    AUTO(tls_pair_done) struct tls_pair ca = { 0 }, server = { 0 };
    const char *const names[] = { "127.0.0.1" };

    assert_int_equal(tls_make_ca("test authority", 2, &ca, NULL), ERR_OK);
    assert_int_equal(tls_make_cert(&ca, "registry", NULL, names, 1, 2, &server, NULL), ERR_OK);
    assert_int_equal(dir_make(f->certs, 0755, NULL), ERR_OK);
    write_text(f->certs, "ca.crt", str_of(ca.cert_pem));
    write_text(f->dir, "cert.pem", str_of(server.cert_pem));
    write_text(f->dir, "key.pem", str_of(server.key_pem));
}

static void start_registry(struct fixture *f)
{
    AUTO_MEM char *config = path_join(f->dir, "config.yml");
    const char *argv[] = { PROGRAM, "serve", config, NULL };
    AUTO_BUF y = { 0 };

    buf_addf(&y, "version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: %s/store}}\n"
                 "http: {addr: \"127.0.0.1:%d\", tls: {certificate: %s/cert.pem, key: %s/key.pem}}\n"
                 "auth: {htpasswd: {realm: test, path: %s/htpasswd}}\n", f->dir, f->port, f->dir, f->dir, f->dir);
    write_text(f->dir, "config.yml", buf_str(&y));
    assert_true(child_start(&f->registry, argv));
    f->port = child_port_after(&f->registry, "listening on 127.0.0.1:");
    assert_true(f->port > 0);
}

static int set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    f->dir = test_folder();
    f->from = path_join(f->dir, "from");
    f->certs = path_join(f->dir, "certs");
    f->ca_file = path_join(f->certs, "ca.crt");
    write_certificates(f);
    assert_int_equal(dir_make(f->from, 0755, NULL), ERR_OK);
    write_text(f->dir, "htpasswd", STR(HTPASSWD));
    write_text(f->from, "adapter_config.json", STR("{\"r\":16}"));
    write_text(f->from, "adapter_model.safetensors", STR("tensors"));
    start_registry(f);
    AUTO_MEM char *login = xasprintf("{\"auths\":{\"127.0.0.1:%d\":{\"auth\":\"dTpzZWNyZXQ=\"}}}", f->port);
    write_text(f->dir, "login.json", str_of(login));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    child_stop(&f->registry);
    assert_int_equal(dir_remove(f->dir, NULL), ERR_OK);
    free(f->ca_file);
    free(f->certs);
    free(f->from);
    free(f->dir);
    free(f);
    return 0;
}

static char user_u[] = "u", password_secret[] = "secret", password_wrong[] = "wrong";
static const struct oci_credentials good = { .user = user_u, .password = password_secret };
static const struct oci_credentials wrong = { .user = user_u, .password = password_wrong };

static errc push(struct fixture *f, const char *image_text, const struct oci_credentials *c, const char *ca_file, char **digest, struct err *e)
{
    AUTO_IMAGE_REF ref = { 0 };
    AUTO_FREE(registry) r = NULL;
    AUTO_OCI_IMAGE image = { 0 };
    AUTO_MEM char *work = path_join(f->dir, "work");

    TRY(image_ref_parse(image_text, &ref, e));
    TRY(oci_adapter_image(f->from, "phi-3-mini-128k-instruct", work, &image, e));
    TRY(registry_new(&ref, &(struct registry_opts){ .credentials = c, .ca_file = ca_file, .for_push = true, .attempts = 2, .backoff_ms = 1 }, &r, e));
    TRY(registry_ping(r, e));
    TRY(oci_image_push(r, &ref, &image, e));
    if (digest)
        *digest = xstrdup(image.digest);
    return ERR_OK;
}

static errc pull(struct fixture *f, const char *image_text, const char *to, char **digest, struct err *e)
{
    AUTO_IMAGE_REF ref = { 0 };
    AUTO_FREE(registry) r = NULL;

    TRY(image_ref_parse(image_text, &ref, e));
    TRY(registry_new(&ref, &(struct registry_opts){ .credentials = &good, .ca_file = f->ca_file, .attempts = 2, .backoff_ms = 1 }, &r, e));
    return oci_image_pull(r, &ref, to, digest, e);
}

static int run(const char *const *argv, const char *out_path)
{
    AUTO_FD out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct process_opts o = { .argv = argv, .stdin_fd = -1, .stdout_fd = out, .stderr_fd = -1 };
    int status = -1;
    pid_t pid;

    if (process_start(&o, &pid, NULL) || process_wait(pid, 60000, &status, NULL))
        return -1;
    return status;
}

static void what_is_pushed_comes_back(void **state)
{
    struct fixture *f = *state;
    AUTO_MEM char *image = xasprintf("127.0.0.1:%d/adapters/phi-3-dolly:0.0.1", f->port), *out = path_join(f->dir, "out"), *pushed = NULL, *pulled = NULL, *again = NULL;
    AUTO_BUF b = { 0 };
    struct err e = { 0 };

    if (push(f, image, &good, f->ca_file, &pushed, &e) || push(f, image, &good, f->ca_file, &again, &e) || pull(f, image, out, &pulled, &e))
        fail_msg("%s", e.text);
    assert_string_equal(pushed, again);
    assert_string_equal(pushed, pulled);
    AUTO_MEM char *file = path_join(out, "data/adapter_model.safetensors");
    assert_int_equal(file_read(file, 100, &b, NULL), ERR_OK);
    assert_string_equal(buf_cstr(&b), "tensors");
    AUTO_MEM char *by_digest = xasprintf("127.0.0.1:%d/adapters/phi-3-dolly@%s", f->port, pushed), *out2 = path_join(f->dir, "out2");
    assert_int_equal(pull(f, by_digest, out2, NULL, &e), ERR_OK);
    assert_int_equal(pull(f, "127.0.0.1:1/a:b", out2, NULL, &e), ERR_UNAVAILABLE);
}

static void skopeo_accepts_the_image(void **state)
{
    struct fixture *f = *state;
    AUTO_MEM char *image = xasprintf("127.0.0.1:%d/adapters/phi-3-dolly:0.0.2", f->port), *source = xasprintf("docker://%s", image), *pushed = NULL;
    AUTO_MEM char *login = path_join(f->dir, "login.json"), *said = path_join(f->dir, "said.json"), *copy = xasprintf("dir:%s/copy", f->dir);
    AUTO_JSON inspected = NULL;
    struct err e = { 0 };

    if (!file_exists("/usr/bin/skopeo"))
        skip();
    if (push(f, image, &good, f->ca_file, &pushed, &e))
        fail_msg("%s", e.text);
    const char *inspect[] = { "/usr/bin/skopeo", "inspect", "--authfile", login, "--cert-dir", f->certs, source, NULL };
    assert_int_equal(run(inspect, said), 0);
    assert_int_equal(json_parse_file(said, 1 << 20, &inspected, NULL), ERR_OK);
    assert_string_equal(json_cstr(inspected, "Digest"), pushed);
    const char *fetch[] = { "/usr/bin/skopeo", "copy", "-q", "--src-authfile", login, "--src-cert-dir", f->certs, source, copy, NULL };
    assert_int_equal(run(fetch, said), 0);
}

static void each_way_to_fail_names_its_cause(void **state)
{
    struct fixture *f = *state;
    AUTO_MEM char *image = xasprintf("127.0.0.1:%d/a/b:1", f->port), *digest = xasprintf("127.0.0.1:%d/a/b", f->port);
    struct err e = { 0 };

    assert_int_equal(push(f, image, &wrong, f->ca_file, NULL, &e), ERR_UNAUTHORIZED);
    assert_non_null(strstr(e.text, "user \"u\" or its password is refused"));
    assert_null(strstr(e.text, "wrong"));
    assert_int_equal(push(f, image, NULL, f->ca_file, NULL, &e), ERR_UNAUTHORIZED);
    assert_non_null(strstr(e.text, "the docker config has none"));
    assert_int_equal(push(f, image, &good, NULL, NULL, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "SSL_CERT_FILE"));
    assert_int_equal(push(f, "127.0.0.1:1/a/b:1", &good, f->ca_file, NULL, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "is the registry running"));
    AUTO_MEM char *out = path_join(f->dir, "out"), *absent = xasprintf("%s:absent", digest);
    assert_int_equal(pull(f, absent, out, NULL, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "MANIFEST_UNKNOWN"));
    assert_non_null(strstr(e.text, "; check the image's name and tag"));
}

static void a_registry_that_comes_back_takes_the_push(void **state)
{
    struct fixture *f = *state;
    AUTO_MEM char *image = xasprintf("127.0.0.1:%d/a/b:1", f->port);
    struct err e = { 0 };

    child_stop(&f->registry);
    assert_int_equal(push(f, image, &good, f->ca_file, NULL, &e), ERR_UNAVAILABLE);
    start_registry(f);
    if (push(f, image, &good, f->ca_file, NULL, &e))
        fail_msg("%s", e.text);
}

/* ── tokens ───────────────────────────────────────────────────────────────────────────────────── */

struct fake { int port; int tokens_given; char scope[200]; };

/* A registry that wants a Bearer token, and its token server, which wants Basic u:secret. The first token has expired when it is used. */
static void fake_handler(void *self, struct http_exchange *x)
{
    struct fake *f = self;
    const char *auth = http_header_get(&x->headers, "Authorization");

    if (streq(x->path, "/token")) {
        const char *scope = http_pairs_get(&x->query, "scope");
        (void)snprintf(f->scope, sizeof f->scope, "%s", scope ? scope : "");
        if (!streq(auth, "Basic dTpzZWNyZXQ=") || !streq(http_pairs_get(&x->query, "service"), "reg"))
            http_replyf(x, 401, "no");
        else
            http_replyf(x, 200, "{\"access_token\":\"t%d\"}", ++f->tokens_given);
        return;
    }
    if (streq(auth, "Bearer t2")) {
        http_replyf(x, 200, "{}");
        return;
    }
    AUTO_MEM char *challenge = xasprintf("Bearer realm=\"http://127.0.0.1:%d/token\",service=\"reg\"", f->port);
    http_reply_header(x, "WWW-Authenticate", challenge);
    http_replyf(x, 401, "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}");
}

static void tokens_are_fetched_with_the_right_scope_and_renewed(void **state)
{
    struct fake fake = { 0 };
    struct http_server *server = NULL;
    AUTO_IMAGE_REF ref = { 0 };
    AUTO_FREE(registry) r = NULL;
    AUTO_FREE(registry) bad = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(http_server_start(&(struct http_server_opts){ .handler = fake_handler, .self = &fake }, &server, &e), ERR_OK);
    fake.port = http_server_port(server);
    AUTO_MEM char *text = xasprintf("127.0.0.1:%d/a/b:1", fake.port);
    assert_int_equal(image_ref_parse(text, &ref, &e), ERR_OK);
    struct registry_opts o = { .credentials = &good, .plain_http = true, .for_push = true, .attempts = 1, .backoff_ms = 1 };
    assert_int_equal(registry_new(&ref, &o, &r, &e), ERR_OK);
    assert_int_equal(registry_ping(r, &e), ERR_UNAUTHORIZED);       /* t1 is of no use, and one login per request is enough */
    assert_string_equal(fake.scope, "repository:a/b:pull,push");
    if (registry_ping(r, &e))
        fail_msg("%s", e.text);
    assert_int_equal(fake.tokens_given, 2);
    o.credentials = &wrong;
    assert_int_equal(registry_new(&ref, &o, &bad, &e), ERR_OK);
    assert_int_equal(registry_ping(bad, &e), ERR_UNAUTHORIZED);
    http_server_stop(server, 0);
}

int main(void)
{
#define WITH_REGISTRY(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_fetched_with_the_right_scope_and_renewed),      /* needs no registry */
        WITH_REGISTRY(what_is_pushed_comes_back), WITH_REGISTRY(skopeo_accepts_the_image), WITH_REGISTRY(each_way_to_fail_names_its_cause),
        WITH_REGISTRY(a_registry_that_comes_back_takes_the_push),
    };
    size_t n = ARRAY_LEN(tests);

    if (!file_exists(PROGRAM)) {
        printf("# skipped: no " PROGRAM "; install the package docker-registry\n");
        n = 1;
    }
    return _cmocka_run_group_tests("registry", tests, n, NULL, NULL);
}
