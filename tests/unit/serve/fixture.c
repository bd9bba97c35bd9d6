#include "fixture.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"

struct fixture fixture_start(const struct server_opts *more)
{
    struct fixture f = { 0 };
    AUTO_MEM char *dir = path_join(getenv("KAITO_SOURCE"), "examples/standin/model");
    struct server_opts o = *more;
    struct err e = { 0 };

    o.model_dir = o.model_dir ? o.model_dir : dir;
    o.served_name = "phi-3";
    o.threads = 2;
    if (server_start(&o, &f.server, &e))
        print_error("%s\n", e.text);
    assert_non_null(f.server);
    f.base = xasprintf("http://127.0.0.1:%u", server_port(f.server));
    assert_int_equal(http_client_new(&(struct http_client_opts){ 0 }, &f.client, &e), ERR_OK);
    return f;
}

int fixture_set_up(void **state)
{
    struct fixture *f = xmalloc(sizeof *f);

    *f = fixture_start(&(struct server_opts){ .max_num_seqs = 4 });
    *state = f;
    return 0;
}

void fixture_stop(struct fixture *f)
{
    http_client_free(f->client);
    server_stop(f->server, 5000);
    free(f->base);
}

int fixture_tear_down(void **state)
{
    fixture_stop(*state);
    free(*state);
    return 0;
}

int ask(const struct fixture *f, const char *method, const char *path, struct str body, struct buf *out)
{
    AUTO_MEM char *url = xasprintf("%s%s", f->base, path);
    AUTO_RESPONSE r = { 0 };
    struct err e = { 0 };
    errc rc = http_send(f->client, &(struct http_request){ .method = method, .url = url, .body = body, .content_type = "application/json" }, &r, &e);

    if (rc)
        print_error("%s %s: %s\n", method, path, e.text);
    assert_int_equal(rc, ERR_OK);
    buf_addstr(out, buf_str(&r.body));
    return r.status;
}

json_t *ask_json(const struct fixture *f, const char *path, const char *body, int want)
{
    AUTO_BUF text = { 0 };
    json_t *j = NULL;
    struct err e;
    int status = ask(f, body ? "POST" : "GET", path, str_of(body), &text);

    if (status != want)
        print_error("%s %s: %d %s\n", path, body, status, buf_cstr(&text));
    assert_int_equal(status, want);
    assert_int_equal(json_parse(buf_str(&text), &j, &e), ERR_OK);
    return j;
}

void assert_body(const struct fixture *f, const char *method, const char *path, const char *body, int status, const char *want)
{
    AUTO_BUF text = { 0 };

    assert_int_equal(ask(f, method, path, str_of(body), &text), status);
    assert_string_equal(buf_cstr(&text), want);
}

json_t *choice_at(const json_t *reply, size_t i) { return json_array_get(json_object_get(reply, "choices"), i); }

size_t open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}
