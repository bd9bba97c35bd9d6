/* Life of a struct hub, its retry rule, and the two verbs that put files into a folder. */
#include "hub/priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#define TELL_EVERY_MS   500
#define PAUSE_MAX_MS    30000

errc hub_new(const struct hub_opts *o, struct hub **out, struct err *e)
{
    AUTO_FREE(hub) h = xzalloc(sizeof *h);

    h->o = *o;
    h->o.attempts = o->attempts ? o->attempts : 5;
    h->o.backoff_ms = o->backoff_ms ? o->backoff_ms : 500;
    h->o.idle_timeout_ms = o->idle_timeout_ms ? o->idle_timeout_ms : 60000;
    h->endpoint = xstrdup(str_set(o->endpoint) ? o->endpoint : HUB_ENDPOINT);
    for (size_t n = strlen(h->endpoint); n && h->endpoint[n - 1] == '/'; n--)
        h->endpoint[n - 1] = 0;
    h->token = str_set(o->token) ? xstrdup(o->token) : NULL;
    h->cache_dir = str_set(o->cache_dir) ? xstrdup(o->cache_dir) : NULL;
    struct url u;
    if (url_parse(str_of(h->endpoint), &u, e))
        return err_wrap(e, "HF_ENDPOINT");
    TRY(http_client_new(&(struct http_client_opts){ .bearer = h->token }, &h->client, e));
    *out = TAKE(h);
    return ERR_OK;
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    http_client_free(h->client);
    free(h->endpoint);
    free(h->token);
    free(h->cache_dir);
    free(h);
}

void hub_tell(struct hub *h, const struct hub_progress *p)
{
    int64_t now = clock_mono_ms();

    if (!h->o.progress || (p->what == HUB_MOVING && now - h->reported_ms < TELL_EVERY_MS))
        return;
    h->reported_ms = now;
    h->o.progress(h->o.progress_self, p);
}

/* A missing file or a refused token stays so; a broken wire, damaged bytes and a tired server may not. */
bool hub_may_retry(errc rc, int status)
{
    if (status == 408 || status == 416 || status == 429 || status >= 500)
        return true;
    return rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT || rc == ERR_IO || rc == ERR_CORRUPT;
}

errc hub_pause(struct hub *h, int attempt, int64_t at_least_ms, struct err *e)
{
    int64_t ms = h->o.backoff_ms;

    for (int i = 1; i < attempt && ms < PAUSE_MAX_MS; i++)
        ms *= 2;
    ms += (int64_t)(random_u64() % (uint64_t)(ms / 2 + 1));
    if (ms < at_least_ms)
        ms = at_least_ms;
    if (ms > PAUSE_MAX_MS)
        ms = PAUSE_MAX_MS;
    AUTO_FREE(cancel) own = h->o.cancel ? NULL : cancel_new();
    if (cancel_wait_ms(h->o.cancel ? h->o.cancel : own, ms))
        return err_set(e, ERR_CANCELLED, "stopped");
    return ERR_OK;
}

errc hub_status_error(const struct hub *h, const char *url, int status, const struct http_pairs *headers, struct err *e)
{
    const char *said = http_header_get(headers, "X-Error-Message");
    const char *colon = said ? ": " : "";

    said = said ? said : "";
    switch (status) {
    case 401:
    case 403:
        return err_set(e, status == 401 ? ERR_UNAUTHORIZED : ERR_FORBIDDEN, "GET %s: status %d%s%s; %s", url, status, colon, said,
                       h->token ? "the token in HF_TOKEN may not read this: accept the licence on the hub or use another token"
                                : "set HF_TOKEN to a token that may read this, and accept the licence on the hub if it asks");
    case 404:
        return err_set(e, ERR_NOT_FOUND, "GET %s: status 404%s%s; check the name, the revision and the path, or HF_ENDPOINT", url, colon, said);
    case 416:
        return err_set(e, ERR_IO, "GET %s: status 416: the server has fewer bytes than were downloaded before", url);
    default:
        return err_set(e, status >= 300 && status < 400 ? ERR_INVALID : err_from_http(status), "GET %s: status %d%s%s", url, status, colon, said);
    }
}

errc hub_fetch_url(struct hub *h, const char *url, const char *dir, char **out_name, struct err *e)
{
    bool below;
    AUTO_MEM char *target = hub_url_rewrite(url, h->endpoint, &below);
    AUTO_MEM char *name = NULL, *path = NULL;

    if (!below && !h->o.allow_private)
        TRY(hub_url_check(target, e));
    TRY(hub_url_file_name(target, &name, e));
    TRY(dir_make(dir, 0755, e));
    path = path_join(dir, name);
    TRY(download_run(h, &(struct download){ .url = target, .path = path, .name = name, .below_endpoint = below }, e));
    if (out_name)
        *out_name = TAKE(name);
    return ERR_OK;
}

/* Into the cache and from there into dir, or straight into dir where there is no cache. */
static errc fetch_one(struct hub *h, const struct hub_repo *r, const struct hub_file *f, const char *dir, struct err *e)
{
    AUTO_BUF url = { 0 };
    AUTO_MEM char *path = path_join(dir, f->path), *blob = cache_blob(h->cache_dir, r, f);

    buf_addf(&url, "%s/%s/resolve/%s/", h->endpoint, r->name, r->commit);
    url_escape_add(&url, str_of(f->path));
    TRY(download_run(h, &(struct download){ .url = buf_cstr(&url), .path = blob ? blob : path, .name = f->path, .below_endpoint = true,
                                            .size_known = true, .size = f->size, .sha256 = f->sha256 }, e));
    if (!blob)
        return ERR_OK;
    TRY(cache_note_file(h->cache_dir, r, f, e));
    return cache_take_file(blob, path, e);
}

static errc make_cache(const struct hub *h, const struct hub_repo *r, struct err *e)
{
    AUTO_MEM char *blob = cache_blob(h->cache_dir, r, &(struct hub_file){ .oid = r->commit });

    if (!blob)
        return ERR_OK;
    *strrchr(blob, '/') = 0;
    return dir_make(blob, 0755, e);
}

static errc fetch_all(struct hub *h, const struct hub_repo *r, const char *revision, const char *dir, struct err *e)
{
    bool tensors = false;

    for (size_t i = 0; i < r->n; i++)
        tensors |= hub_wants(r->files[i].path) && str_has_suffix(str_of(r->files[i].path), STR(".safetensors"));
    if (!tensors)
        return err_set(e, ERR_INVALID, "%s at %s holds no .safetensors files; pickled weights are not read: use a repository or revision with safetensors",
                       r->name, r->commit);
    TRY(dir_make(dir, 0755, e));
    TRY(make_cache(h, r, e));
    for (size_t i = 0; i < r->n; i++)
        if (hub_wants(r->files[i].path))
            TRY(fetch_one(h, r, &r->files[i], dir, e));
    return h->cache_dir ? cache_note_revision(h->cache_dir, r, revision, e) : ERR_OK;
}

errc hub_fetch_model(struct hub *h, const char *repo, const char *revision, const char *dir, struct err *e)
{
    AUTO_HUB_REPO r = { 0 };
    AUTO_MEM char *snapshot = cache_snapshot(h->cache_dir, repo, revision);

    if (h->o.offline && !snapshot)
        return err_set(e, ERR_NOT_FOUND, "%s: not in the cache %s, and HF_HUB_OFFLINE forbids the network; unset it or fill the cache", repo,
                       h->cache_dir ? h->cache_dir : "(HF_HOME is not set)");
    if (h->o.offline)
        return cache_take(h, snapshot, dir, e);
    errc rc = hub_resolve(h, repo, revision, &r, e);
    if (snapshot && (rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT))
        return cache_take(h, snapshot, dir, e);     /* air-gapped: what the cache calls this revision is all there is */
    TRY(rc);
    return fetch_all(h, &r, revision, dir, e);
}
