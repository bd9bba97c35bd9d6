/* Downloads against tools/hub-mirror, with its faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "../child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "hub/hub.h"

#define MODEL_BYTES 300000

struct fixture {
    char *dir, *root, *out;         /* out: where files are fetched to */
    struct child mirror;
    char *endpoint;
    int seen[8];                    /* progress events by kind */
};

static void write_text(const char *dir, const char *name, struct str bytes)
{
    AUTO_MEM char *path = path_join(dir, name);
    assert_int_equal(file_write_atomic(path, bytes, 0644, NULL), ERR_OK);
}

static int set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    AUTO_BUF model = { 0 };

    f->dir = test_folder();
    f->root = path_join(f->dir, "root/o/n");
    f->out = path_join(f->dir, "out");
    assert_int_equal(dir_make(f->root, 0755, NULL), ERR_OK);
    assert_int_equal(dir_make(f->out, 0755, NULL), ERR_OK);
    for (uint32_t i = 0, x = 1; i < MODEL_BYTES; i++, x = x * 1664525u + 1013904223u)
        buf_addc(&model, (char)(x >> 24));
    write_text(f->root, "model.safetensors", buf_str(&model));
    write_text(f->root, "config.json", STR("{\"model_type\":\"phi3\"}"));
    write_text(f->root, "README.md", STR("no"));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    child_stop(&f->mirror);
    assert_int_equal(dir_remove(f->dir, NULL), ERR_OK);
    free(f->endpoint);
    free(f->out);
    free(f->root);
    free(f->dir);
    free(f);
    return 0;
}

static void start_mirror(struct fixture *f, const char *option, const char *value, const char *option2, const char *value2)
{
    AUTO_MEM char *program = path_join(getenv("KAITO_SOURCE"), "tools/hub-mirror"), *root = path_join(f->dir, "root");
    const char *argv[] = { program, "--port", "0", "--root", root, option, value, option2, value2, NULL };

    if (!child_start(&f->mirror, argv))
        fail_msg("cannot start %s", program);
    int port = child_port_after(&f->mirror, "127.0.0.1:");
    assert_true(port > 0);
    free(f->endpoint);
    f->endpoint = xasprintf("http://127.0.0.1:%d", port);
}

static void count(void *self, const struct hub_progress *p)
{
    ((struct fixture *)self)->seen[p->what]++;
}

static errc fetch(struct fixture *f, const char *repo, const char *token, struct err *e)
{
    AUTO_FREE(hub) h = NULL;
    struct hub_opts o = { .endpoint = f->endpoint, .token = token, .attempts = 3, .backoff_ms = 1, .progress = count, .progress_self = f };

    memset(f->seen, 0, sizeof f->seen);
    TRY(hub_new(&o, &h, e));
    return hub_fetch_model(h, repo, NULL, f->out, e);
}

static errc fetch_url(struct fixture *f, const char *path, bool allow_private, char **name, struct err *e)
{
    AUTO_FREE(hub) h = NULL;
    AUTO_MEM char *url = xasprintf("%s%s", f->endpoint, path);
    struct hub_opts o = { .allow_private = allow_private, .attempts = 3, .backoff_ms = 1, .progress = count, .progress_self = f };

    memset(f->seen, 0, sizeof f->seen);
    TRY(hub_new(&o, &h, e));
    return hub_fetch_url(h, url, f->out, name, e);
}

static void assert_same(struct fixture *f, const char *name)
{
    AUTO_BUF a = { 0 }, b = { 0 };
    AUTO_MEM char *from = path_join(f->root, name), *to = path_join(f->out, name);

    assert_int_equal(file_read(from, 1 << 20, &a, NULL), ERR_OK);
    assert_int_equal(file_read(to, 1 << 20, &b, NULL), ERR_OK);
    assert_true(str_eq(buf_str(&a), buf_str(&b)));
}

static void assert_files(struct fixture *f, size_t want)
{
    char **names = NULL;
    size_t n = 0;

    assert_int_equal(dir_list(f->out, &names, &n, NULL), ERR_OK);
    strv_free(names, n);
    assert_int_equal(n, want);      /* no .part, no tag, nothing unwanted */
}

static void a_model_arrives_once(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };

    start_mirror(f, NULL, NULL, NULL, NULL);
    if (fetch(f, "o/n", NULL, &e))
        fail_msg("%s", e.text);
    assert_same(f, "model.safetensors");
    assert_same(f, "config.json");
    assert_files(f, 2);
    assert_int_equal(f->seen[HUB_DONE], 2);
    assert_int_equal(fetch(f, "o/n", NULL, &e), ERR_OK);
    assert_int_equal(f->seen[HUB_PRESENT], 2);
    assert_int_equal(f->seen[HUB_DONE], 0);
}

static void cut_transfers_resume_where_they_were(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };

    start_mirror(f, "--fail-after", "50000", NULL, NULL);
    if (fetch(f, "o/n", NULL, &e))
        fail_msg("%s", e.text);
    assert_same(f, "model.safetensors");
    assert_int_equal(f->seen[HUB_RETRY], 5);        /* 300000 bytes by 50000: five cuts, more than the three attempts */
    assert_int_equal(f->seen[HUB_RESUMED], 5);
    assert_files(f, 2);
}

static void a_changed_file_is_fetched_again(void **state)
{
    struct fixture *f = *state;

    write_text(f->out, "config.json", STR("{\"model_type\":\"old\"}"));
    write_text(f->out, "model.safetensors", STR("old"));
    start_mirror(f, NULL, NULL, NULL, NULL);
    assert_int_equal(fetch(f, "o/n", NULL, NULL), ERR_OK);
    assert_same(f, "model.safetensors");
}

static void damaged_partial_bytes_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };
    AUTO_MEM char *source = path_join(f->root, "model.safetensors");
    char hex[65];
    AUTO_BUF tag = { 0 };

    start_mirror(f, NULL, NULL, NULL, NULL);
    assert_int_equal(sha256_file(source, hex, NULL, NULL), ERR_OK);
    buf_addf(&tag, "\"%s\"", hex);
    write_text(f->out, "model.safetensors.part", STR("these bytes are not the file's"));
    write_text(f->out, "model.safetensors.part.tag", buf_str(&tag));
    if (fetch(f, "o/n", NULL, &e))
        fail_msg("%s", e.text);
    assert_int_equal(f->seen[HUB_RETRY], 1);        /* the digest told */
    assert_same(f, "model.safetensors");
    assert_files(f, 2);
}

static void a_partial_file_of_another_version_starts_over(void **state)
{
    struct fixture *f = *state;

    start_mirror(f, NULL, NULL, NULL, NULL);
    write_text(f->out, "model.safetensors.part", STR("bytes of yesterday"));
    write_text(f->out, "model.safetensors.part.tag", STR("\"yesterday\""));
    write_text(f->out, "config.json.part", STR("nobody knows"));
    assert_int_equal(fetch(f, "o/n", NULL, NULL), ERR_OK);
    assert_int_equal(f->seen[HUB_RETRY], 0);
    assert_int_equal(f->seen[HUB_RESUMED], 1);      /* the one with a tag; the server said no */
    assert_same(f, "model.safetensors");
    assert_same(f, "config.json");
}

static void tokens_are_asked_for_and_used(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };

    start_mirror(f, "--token", "hf_secret", NULL, NULL);
    assert_int_equal(fetch(f, "o/n", NULL, &e), ERR_UNAUTHORIZED);
    assert_non_null(strstr(e.text, "set HF_TOKEN"));
    assert_int_equal(fetch(f, "o/n", "hf_wrong", &e), ERR_UNAUTHORIZED);
    assert_non_null(strstr(e.text, "another token"));
    assert_null(strstr(e.text, "hf_wrong"));
    assert_int_equal(fetch(f, "o/n", "hf_secret", &e), ERR_OK);
}

static void storage_hosts_get_no_token_and_resume_too(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };

    start_mirror(f, "--token=hf_secret", "--redirect", "--fail-after", "100000");
    if (fetch(f, "o/n", "hf_secret", &e))       /* the mirror refuses a storage request that carries the token */
        fail_msg("%s", e.text);
    assert_same(f, "model.safetensors");
    assert_int_equal(f->seen[HUB_RESUMED], 2);
}

static void what_is_missing_is_named(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };

    start_mirror(f, NULL, NULL, NULL, NULL);
    assert_int_equal(fetch(f, "o/absent", NULL, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "o/absent"));
    assert_int_equal(fetch(f, "../n", NULL, &e), ERR_INVALID);
    assert_int_equal(fetch(f, "n", NULL, &e), ERR_INVALID);
    AUTO_MEM char *model = path_join(f->root, "model.safetensors");
    assert_int_equal(unlink(model), 0);
    assert_int_equal(fetch(f, "o/n", NULL, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "safetensors"));
}

static void a_tired_server_is_tried_a_few_times(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };

    start_mirror(f, "--status", "503", NULL, NULL);
    assert_int_equal(fetch(f, "o/n", NULL, &e), ERR_UNAVAILABLE);
    assert_int_equal(f->seen[HUB_RETRY], 2);
    assert_non_null(strstr(e.text, "after 3 attempts"));
}

static void user_urls_stay_off_private_addresses(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };
    AUTO_MEM char *name = NULL;

    start_mirror(f, NULL, NULL, NULL, NULL);
    assert_int_equal(fetch_url(f, "/o/n/resolve/main/model.safetensors?download=true", false, NULL, &e), ERR_FORBIDDEN);
    if (fetch_url(f, "/o/n/resolve/main/model.safetensors?download=true", true, &name, &e))
        fail_msg("%s", e.text);
    assert_string_equal(name, "model.safetensors");
    assert_same(f, "model.safetensors");
    assert_int_equal(fetch_url(f, "/o/n/resolve/main/absent.parquet", true, NULL, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "absent.parquet"));
}

static void a_longer_partial_file_than_the_servers_starts_over(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };
    AUTO_MEM char *source = path_join(f->root, "config.json");
    AUTO_BUF tag = { 0 };
    char hex[65];

    start_mirror(f, NULL, NULL, NULL, NULL);
    AUTO_MEM char *model = path_join(f->root, "data.parquet");
    assert_int_equal(rename(source, model), 0);
    assert_int_equal(sha256_file(model, hex, NULL, NULL), ERR_OK);
    buf_addf(&tag, "\"%s\"", hex);
    write_text(f->out, "data.parquet.part", STR("far more bytes than the server's file has, by a good deal"));
    write_text(f->out, "data.parquet.part.tag", buf_str(&tag));
    if (fetch_url(f, "/o/n/resolve/main/data.parquet", true, NULL, &e))
        fail_msg("%s", e.text);
    assert_same(f, "data.parquet");
}

static errc fetch_with_cache(struct fixture *f, const char *endpoint, bool offline, const char *revision, struct err *e)
{
    AUTO_FREE(hub) h = NULL;
    AUTO_MEM char *home = path_join(f->dir, "home");
    struct hub_opts o = { .endpoint = endpoint, .cache_dir = home, .offline = offline, .attempts = 1, .progress = count, .progress_self = f };

    memset(f->seen, 0, sizeof f->seen);
    TRY(hub_new(&o, &h, e));
    return hub_fetch_model(h, "o/n", revision, f->out, e);
}

static void a_prepared_cache_needs_no_network(void **state)
{
    struct fixture *f = *state;
    AUTO_MEM char *refs = path_join(f->dir, "home/hub/models--o--n/refs"), *snap = path_join(f->dir, "home/hub/models--o--n/snapshots/abc");
    AUTO_MEM char *source = path_join(f->root, "model.safetensors"), *link = path_join(snap, "model.safetensors");
    struct err e = { 0 };

    assert_int_equal(dir_make(refs, 0755, NULL), ERR_OK);
    assert_int_equal(dir_make(snap, 0755, NULL), ERR_OK);
    write_text(refs, "main", STR("abc\n"));
    write_text(snap, "config.json", STR("{\"model_type\":\"phi3\"}"));
    assert_int_equal(fetch_with_cache(f, NULL, true, "main", &e), ERR_NOT_FOUND);      /* the weights are not there yet */
    assert_non_null(strstr(e.text, "no whole model"));
    assert_int_equal(symlink(source, link), 0);
    if (fetch_with_cache(f, NULL, true, "main", &e) || fetch_with_cache(f, "http://127.0.0.1:1", false, NULL, &e))
        fail_msg("%s", e.text);
    assert_same(f, "model.safetensors");
    assert_files(f, 2);
    assert_int_equal(fetch_with_cache(f, NULL, true, "other", &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "HF_HUB_OFFLINE"));
    write_text(snap, "model.safetensors.index.json", STR("{\"weight_map\":{\"a\":\"model-2.safetensors\"}}"));
    assert_int_equal(fetch_with_cache(f, NULL, true, "main", &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "model-2.safetensors"));
}

static void a_model_is_downloaded_into_the_cache_once(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };

    start_mirror(f, NULL, NULL, NULL, NULL);
    if (fetch_with_cache(f, f->endpoint, false, NULL, &e))
        fail_msg("%s", e.text);
    assert_same(f, "model.safetensors");
    assert_files(f, 2);
    assert_int_equal(f->seen[HUB_DONE], 2);
    assert_int_equal(dir_remove(f->out, NULL), ERR_OK);
    assert_int_equal(fetch_with_cache(f, f->endpoint, false, NULL, &e), ERR_OK);
    assert_int_equal(f->seen[HUB_DONE], 0);
    child_stop(&f->mirror);
    assert_int_equal(dir_remove(f->out, NULL), ERR_OK);
    if (fetch_with_cache(f, f->endpoint, false, NULL, &e))          /* the hub is gone: what was downloaded serves */
        fail_msg("%s", e.text);
    assert_same(f, "model.safetensors");
    assert_files(f, 2);
}

struct waiting { int lock; int waited; };

static void let_go(void *self, const struct hub_progress *p)
{
    struct waiting *w = self;

    if (p->what != HUB_RETRY)
        return;
    assert_non_null(strstr(p->why, "another process"));
    if (++w->waited == 8)           /* more often than there are attempts */
        close(w->lock);
}

static void a_download_by_another_process_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct err e = { 0 };
    struct waiting w = { 0 };
    AUTO_MEM char *part = path_join(f->out, "config.json.part");
    AUTO_FREE(hub) h = NULL;

    start_mirror(f, NULL, NULL, NULL, NULL);
    assert_int_equal(file_lock(part, &w.lock, NULL), ERR_OK);
    struct hub_opts o = { .endpoint = f->endpoint, .attempts = 3, .backoff_ms = 1, .progress = let_go, .progress_self = &w };
    assert_int_equal(hub_new(&o, &h, &e), ERR_OK);
    if (hub_fetch_model(h, "o/n", NULL, f->out, &e))
        fail_msg("%s", e.text);
    assert_int_equal(w.waited, 8);
    assert_same(f, "config.json");
}

int main(void)
{
#define WITH_MIRROR(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_MIRROR(a_model_arrives_once), WITH_MIRROR(cut_transfers_resume_where_they_were), WITH_MIRROR(a_changed_file_is_fetched_again),
        WITH_MIRROR(damaged_partial_bytes_are_dropped), WITH_MIRROR(a_partial_file_of_another_version_starts_over),
        WITH_MIRROR(tokens_are_asked_for_and_used), WITH_MIRROR(storage_hosts_get_no_token_and_resume_too), WITH_MIRROR(what_is_missing_is_named), WITH_MIRROR(a_tired_server_is_tried_a_few_times),
        WITH_MIRROR(user_urls_stay_off_private_addresses), WITH_MIRROR(a_longer_partial_file_than_the_servers_starts_over),
        WITH_MIRROR(a_prepared_cache_needs_no_network),
        WITH_MIRROR(a_model_is_downloaded_into_the_cache_once), WITH_MIRROR(a_download_by_another_process_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
