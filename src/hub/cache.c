/*
 * HF_HOME's cache, read only: hub/models--OWNER--NAME/refs/REVISION holds a commit, snapshots/COMMIT/ the files (links to blobs).
 * An air-gapped folder prepared with the hub's own tools is thereby a setting, not a code path.
 */
#include "hub/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define COPY_BLOCK (1u << 20)

static void folder_name(struct buf *out, const char *repo)
{
    buf_adds(out, "models--");
    for (const char *p = repo; *p; p++)
        if (*p == '/')
            buf_adds(out, "--");
        else
            buf_addc(out, *p);
}

char *cache_snapshot(const char *cache_dir, const char *repo, const char *revision)
{
    AUTO_BUF base = { 0 }, ref = { 0 }, commit = { 0 }, path = { 0 };

    if (!cache_dir || !repo || strstr(repo, ".."))
        return NULL;
    revision = str_set(revision) ? revision : "main";
    if (strstr(revision, ".."))
        return NULL;
    buf_addf(&base, "%s/hub/", cache_dir);
    folder_name(&base, repo);
    buf_addf(&ref, "%s/refs/%s", buf_cstr(&base), revision);
    if (file_read(buf_cstr(&ref), 128, &commit, NULL))
        buf_adds(&commit, revision);        /* a commit has no ref of its own */
    struct str c = str_trim(buf_str(&commit));
    buf_addf(&path, "%s/snapshots/%.*s", buf_cstr(&base), STR_ARG(c));
    return c.n && !memchr(c.p, '/', c.n) && dir_exists(buf_cstr(&path)) ? buf_take(&path) : NULL;
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
static errc take_one(const char *from, const char *to, struct err *e)
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

errc cache_take(struct hub *h, const char *snapshot, const char *dir, struct err *e)
{
    char **names = NULL;
    size_t n = 0, taken = 0;
    errc rc = dir_list(snapshot, &names, &n, e);

    if (!rc)
        rc = dir_make(dir, 0755, e);
    for (size_t i = 0; i < n && !rc; i++) {
        AUTO_MEM char *from = path_join(snapshot, names[i]), *to = path_join(dir, names[i]);
        if (!hub_wants(names[i]))
            continue;
        rc = take_one(from, to, e);
        taken++;
        if (!rc)
            hub_tell(h, &(struct hub_progress){ .name = names[i], .what = HUB_PRESENT });
    }
    strv_free(names, n);
    if (!rc && !taken)
        rc = err_set(e, ERR_NOT_FOUND, "%s: the cached snapshot holds no model files; delete it to download again", snapshot);
    return rc;
}
