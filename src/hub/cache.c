/*
 * HF_HOME's cache: hub/models--OWNER--NAME/ has refs/REVISION (a commit), snapshots/COMMIT/ (links) and blobs/ (the bytes, named by
 * the hub's id for them). An air-gapped folder prepared with the hub's own tools is thereby a setting, not a code path, and a model
 * is downloaded once for all who share the cache. Facts: huggingface_hub's guide "Understand caching".
 */
#include "hub/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define COPY_BLOCK  (1u << 20)
#define INDEX_MAX   (64u << 20)

/* "CACHE/hub/models--OWNER--NAME/" */
static void add_folder(struct buf *out, const char *cache_dir, const char *repo)
{
    buf_addf(out, "%s/hub/models--", cache_dir);
    for (const char *p = repo; *p; p++)
        if (*p == '/')
            buf_adds(out, "--");
        else
            buf_addc(out, *p);
    buf_addc(out, '/');
}

char *cache_snapshot(const char *cache_dir, const char *repo, const char *revision)
{
    AUTO_BUF ref = { 0 }, commit = { 0 }, path = { 0 };

    revision = str_set(revision) ? revision : "main";
    if (!cache_dir || !repo || strstr(repo, "..") || strstr(revision, ".."))
        return NULL;
    add_folder(&ref, cache_dir, repo);
    buf_addf(&ref, "refs/%s", revision);
    if (file_read(buf_cstr(&ref), 128, &commit, NULL))
        buf_adds(&commit, revision);        /* a commit has no ref of its own */
    struct str c = str_trim(buf_str(&commit));
    add_folder(&path, cache_dir, repo);
    buf_addf(&path, "snapshots/%.*s", STR_ARG(c));
    return c.n && !memchr(c.p, '/', c.n) && dir_exists(buf_cstr(&path)) ? buf_take(&path) : NULL;
}

static bool is_hex(const char *s)
{
    return str_set(s) && strspn(s, "0123456789abcdef") == strlen(s);
}

char *cache_blob(const char *cache_dir, const struct hub_repo *r, const struct hub_file *f)
{
    AUTO_BUF path = { 0 };

    if (!cache_dir || !is_hex(f->oid))
        return NULL;
    add_folder(&path, cache_dir, r->name);
    buf_addf(&path, "blobs/%s", f->oid);
    return buf_take(&path);
}

errc cache_note_file(const char *cache_dir, const struct hub_repo *r, const struct hub_file *f, struct err *e)
{
    AUTO_BUF dir = { 0 };

    add_folder(&dir, cache_dir, r->name);
    buf_addf(&dir, "snapshots/%s", r->commit);
    TRY(dir_make(buf_cstr(&dir), 0755, e));
    AUTO_MEM char *path = path_join(buf_cstr(&dir), f->path), *target = xasprintf("../../blobs/%s", f->oid);
    if (symlink(target, path) && errno != EEXIST)
        return err_sys(e, errno, "link %s", path);
    return ERR_OK;
}

errc cache_note_revision(const char *cache_dir, const struct hub_repo *r, const char *revision, struct err *e)
{
    AUTO_BUF path = { 0 };

    revision = str_set(revision) ? revision : "main";
    if (strstr(revision, "..") || streq(revision, r->commit))
        return ERR_OK;
    add_folder(&path, cache_dir, r->name);
    buf_addf(&path, "refs/%s", revision);
    AUTO_MEM char *dir = xstrndup(path.p, (size_t)(strrchr(path.p, '/') - path.p));
    TRY(dir_make(dir, 0755, e));
    return file_write_atomic(buf_cstr(&path), str_of(r->commit), 0644, e);
}

static errc copy_bytes(int in, int out, struct err *e)
{
    AUTO_MEM char *block = xmalloc(COPY_BLOCK);

    for (;;) {
        ssize_t n = read(in, block, COPY_BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "read");
        if (n == 0)
            return fsync(out) ? err_sys(e, errno, "sync") : ERR_OK;
        TRY(fd_write_all(out, block, (size_t)n, e));
    }
}

/* A hard link costs nothing; across file systems the bytes are copied. */
errc cache_take_file(const char *from, const char *to, struct err *e)
{
    AUTO_MEM char *part = xasprintf("%s.part", to);
    char real[PATH_MAX];

    if (!realpath(from, real))
        return err_sys(e, errno, "cache file %s", from);
    (void)unlink(part);                     /* absent is what we want */
    if (link(real, part)) {
        AUTO_FD in = open(real, O_RDONLY | O_CLOEXEC);
        AUTO_FD out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (in < 0 || out < 0)
            return err_sys(e, errno, "copy %s to %s", real, part);
        if (copy_bytes(in, out, e))
            return err_wrap(e, "copy %s to %s", real, part);
    }
    if (rename(part, to))
        return err_sys(e, errno, "rename %s to %s", part, to);
    (void)unlink(part);                     /* rename leaves both names when they are the same file already */
    return ERR_OK;
}

/* Tools note a revision before its files are there: every tensor file that the index names must lie in the snapshot. */
static errc check_whole(const char *snapshot, struct err *e)
{
    AUTO_MEM char *index = path_join(snapshot, "model.safetensors.index.json"), *config = path_join(snapshot, "config.json");
    AUTO_MEM char *single = path_join(snapshot, "model.safetensors");
    AUTO_JSON j = NULL;
    const char *tensor;
    json_t *name;

    if (!file_exists(config) || (!file_exists(index) && !file_exists(single)))
        return err_set(e, ERR_NOT_FOUND, "%s: the cached snapshot holds no whole model; connect to the hub once, or fill the cache", snapshot);
    if (!file_exists(index))
        return ERR_OK;
    TRY(json_parse_file(index, INDEX_MAX, &j, e));
    json_object_foreach(json_object_get(j, "weight_map"), tensor, name) {
        AUTO_MEM char *shard = path_join(snapshot, json_is_string(name) ? json_string_value(name) : "?");
        if (!file_exists(shard))
            return err_set(e, ERR_NOT_FOUND, "%s: the cached snapshot lacks it; connect to the hub once, or fill the cache", shard);
    }
    return ERR_OK;
}

errc cache_take(struct hub *h, const char *snapshot, const char *dir, struct err *e)
{
    char **names = NULL;
    size_t n = 0;

    TRY(check_whole(snapshot, e));
    TRY(dir_make(dir, 0755, e));
    errc rc = dir_list(snapshot, &names, &n, e);
    for (size_t i = 0; i < n && !rc; i++) {
        AUTO_MEM char *from = path_join(snapshot, names[i]), *to = path_join(dir, names[i]);
        if (!hub_wants(names[i]))
            continue;
        rc = cache_take_file(from, to, e);
        if (!rc)
            hub_tell(h, &(struct hub_progress){ .name = names[i], .what = HUB_PRESENT });
    }
    strv_free(names, n);
    return rc;
}
