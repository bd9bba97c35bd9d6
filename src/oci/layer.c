/*
 * Layers. Writing: the adapter's tar+gzip, the same bytes each time. Reading: foreign archives below a folder, nothing outside it.
 * A tar passes through this file once; its uncompressed digest is the image's diff_id, the compressed one the layer's name.
 */
#include "oci/priv.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#define BLOCK       (256u << 10)
#define ENTRIES_MAX 100000
#define DEPTH_MAX   64
#define UNPACK_MAX  (1ull << 42)    /* 4 TiB: no layer is larger, an archive bomb is */

/* ── writing ──────────────────────────────────────────────────────────────────────────────────── */

/* tar bytes -> digest of the tar -> deflate -> digest of the gzip -> file */
struct gzip_out {
    int fd;
    z_stream z;
    bool started;
    struct sha256_stream *tar, *gz;
    uint64_t size;
    struct err err;
    uint8_t block[BLOCK];
};

static void gzip_out_free(struct gzip_out *g)
{
    if (!g)
        return;
    if (g->started)
        (void)deflateEnd(&g->z);    /* tells only that bytes were pending, after an error */
    sha256_stream_free(g->tar);
    sha256_stream_free(g->gz);
    if (g->fd >= 0)
        close(g->fd);
    free(g);
}
DEFINE_AUTO_FREE(gzip_out)

static errc gzip_open(const char *path, struct gzip_out **out, struct err *e)
{
    AUTO_FREE(gzip_out) g = xzalloc(sizeof *g);

    g->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (g->fd < 0)
        return err_sys(e, errno, "create %s", path);
    /* 16 asks for a gzip frame; its header then holds no time and no name */
    if (deflateInit2(&g->z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(e, ERR_INTERNAL, "zlib: cannot start");
    g->started = true;
    g->tar = sha256_stream_new();
    g->gz = sha256_stream_new();
    *out = TAKE(g);
    return ERR_OK;
}

static errc gzip_add(struct gzip_out *g, const void *p, size_t n, int flush, struct err *e)
{
    g->z.next_in = (Bytef *)(uintptr_t)p;       /* zlib only reads it */
    g->z.avail_in = (uInt)n;
    do {
        g->z.next_out = g->block;
        g->z.avail_out = BLOCK;
        if (deflate(&g->z, flush) == Z_STREAM_ERROR)
            return err_set(e, ERR_INTERNAL, "zlib: the stream is broken");
        size_t made = BLOCK - g->z.avail_out;
        sha256_stream_add(g->gz, g->block, made);
        g->size += made;
        TRY(fd_write_all(g->fd, g->block, made, e));
    } while (g->z.avail_out == 0);
    return ERR_OK;
}

static la_ssize_t on_tar_bytes(struct archive *a, void *self, const void *p, size_t n)
{
    struct gzip_out *g = self;

    sha256_stream_add(g->tar, p, n);
    if (!gzip_add(g, p, n, Z_NO_FLUSH, &g->err))
        return (la_ssize_t)n;
    archive_set_error(a, EIO, "%s", g->err.text);
    return -1;
}

static void write_freep(struct archive **a)
{
    if (*a)
        archive_write_free(*a);     /* a failure was reported before */
}

static errc archive_failed(struct archive *a, const char *what, struct err *e)
{
    const char *said = archive_error_string(a);

    if (archive_errno(a) == ENOSPC)
        return err_set(e, ERR_NO_SPACE, "%s: the disk is full", what);
    return err_set(e, ERR_CORRUPT, "%s: %s", what, said ? said : "unknown archive error");
}

/* Owner 0, fixed mode, time 0: nothing of this machine gets into the digest. */
static errc add_entry(struct archive *a, const char *name, mode_t type, mode_t mode, uint64_t size, struct err *e)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, mode);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    archive_entry_set_mtime(entry, 0, 0);
    archive_entry_set_size(entry, (la_int64_t)size);
    int rc = archive_write_header(a, entry);
    archive_entry_free(entry);
    return rc == ARCHIVE_OK ? ERR_OK : archive_failed(a, name, e);
}

static errc add_file(struct archive *a, const struct layer_file *f, struct err *e)
{
    AUTO_FD fd = open(f->path, O_RDONLY | O_CLOEXEC);
    AUTO_MEM char *block = xmalloc(BLOCK);
    struct stat st;
    uint64_t done = 0;

    if (fd < 0 || fstat(fd, &st))
        return err_sys(e, errno, "open %s", f->path);
    TRY(add_entry(a, f->name, AE_IFREG, 0644, (uint64_t)st.st_size, e));
    for (;;) {
        ssize_t n = read(fd, block, BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "read %s", f->path);
        if (n == 0)
            break;
        if (archive_write_data(a, block, (size_t)n) != n)
            return archive_failed(a, f->path, e);
        done += (uint64_t)n;
    }
    if (done != (uint64_t)st.st_size)
        return err_set(e, ERR_CONFLICT, "%s changed while it was packed", f->path);
    return ERR_OK;
}

static errc write_tar(struct gzip_out *g, const char *folder, const struct layer_file *files, size_t n, struct err *e)
{
    AUTO(write_freep) struct archive *a = archive_write_new();

    if (archive_write_set_format_pax_restricted(a) != ARCHIVE_OK || archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
        archive_write_open(a, g, NULL, on_tar_bytes, NULL) != ARCHIVE_OK)
        return archive_failed(a, "start a layer", e);
    TRY(add_entry(a, folder, AE_IFDIR, 0755, 0, e));
    for (size_t i = 0; i < n; i++)
        TRY(add_file(a, &files[i], e));
    return archive_write_close(a) == ARCHIVE_OK ? ERR_OK : archive_failed(a, "end a layer", e);
}

errc layer_write(const char *path, const char *folder, const struct layer_file *files, size_t n, struct layer_digests *out, struct err *e)
{
    AUTO_FREE(gzip_out) g = NULL;
    char hex[SHA256_HEX];

    TRY(gzip_open(path, &g, e));
    errc rc = write_tar(g, folder, files, n, e);
    if (rc && g->err.code) {                    /* the disk said it better than the archive */
        if (e)
            *e = g->err;
        return g->err.code;
    }
    TRY(rc);
    TRY(gzip_add(g, NULL, 0, Z_FINISH, e));
    sha256_stream_hex(g->tar, hex);
    (void)snprintf(out->diff_id, sizeof out->diff_id, "sha256:%s", hex);
    sha256_stream_hex(g->gz, hex);
    (void)snprintf(out->digest, sizeof out->digest, "sha256:%s", hex);
    out->size = g->size;
    return ERR_OK;
}

/* ── reading ──────────────────────────────────────────────────────────────────────────────────── */

static void read_freep(struct archive **a)
{
    if (*a)
        archive_read_free(*a);
}

/* Strips "./" and "/" at the start; NULL for a path that leaves the folder or is too deep. "" is the folder itself. */
static const char *entry_path(const char *name)
{
    struct str piece;
    int depth = 0;

    while (name && (name[0] == '/' || (name[0] == '.' && (name[1] == '/' || !name[1]))))
        name += name[0] == '/' || !name[1] ? 1 : 2;
    if (!name)
        return NULL;
    for (struct str rest = str_of(name); str_next(&rest, '/', &piece); )
        if (str_is(piece, "..") || str_is(piece, ".") || ++depth > DEPTH_MAX)
            return NULL;
    return name;
}

/* The folder that holds the last part of path, made where missing, no link followed; *out_last points into path. */
static errc open_parent(int root, const char *path, bool make, int *out_fd, const char **out_last, struct err *e)
{
    AUTO_FD fd = fcntl(root, F_DUPFD_CLOEXEC, 3);
    const char *slash;

    while (fd >= 0 && (slash = strchr(path, '/')) && slash[1]) {
        AUTO_MEM char *part = xstrndup(path, (size_t)(slash - path));
        path = slash + 1;
        if (!*part)
            continue;
        if (make && mkdirat(fd, part, 0755) && errno != EEXIST)
            return err_sys(e, errno, "make folder %s", part);
        int next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return err_sys(e, errno, "layer entry below \"%s\"", part);
        close(fd);
        fd = next;
    }
    if (fd < 0)
        return err_sys(e, errno, "open folder");
    *out_fd = fd;
    fd = -1;
    *out_last = path;
    return ERR_OK;
}

static errc remove_at(int parent, const char *name, struct err *e)
{
    if (!unlinkat(parent, name, 0) || errno == ENOENT)
        return ERR_OK;
    if (errno != EISDIR && errno != EPERM)
        return err_sys(e, errno, "remove %s", name);
    AUTO_MEM char *path = xasprintf("/proc/self/fd/%d/%s", parent, name);
    return dir_remove(path, e);
}

/* ".wh.NAME" deletes what lower layers left, ".wh..wh..opq" all in its folder. */
static errc whiteout(int parent, const char *last, struct err *e)
{
    if (!streq(last, ".wh..wh..opq"))
        return strchr(last + 4, '/') || streq(last + 4, "..") || streq(last + 4, ".") || !last[4]
                   ? err_set(e, ERR_CORRUPT, "layer: a whiteout without a name") : remove_at(parent, last + 4, e);
    AUTO_MEM char *here = xasprintf("/proc/self/fd/%d", parent);
    char **names = NULL;
    size_t n = 0;
    TRY(dir_list(here, &names, &n, e));
    errc rc = ERR_OK;
    for (size_t i = 0; i < n && !rc; i++)
        rc = remove_at(parent, names[i], e);
    strv_free(names, n);
    return rc;
}

static errc write_file(struct archive *a, int parent, const char *last, uint64_t *total, struct err *e)
{
    TRY(remove_at(parent, last, e));
    AUTO_FD fd = openat(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    const void *p;
    size_t n;
    la_int64_t at;

    if (fd < 0)
        return err_sys(e, errno, "create %s", last);
    for (;;) {
        int rc = archive_read_data_block(a, &p, &n, &at);
        if (rc == ARCHIVE_EOF)
            return ERR_OK;
        if (rc != ARCHIVE_OK)
            return archive_failed(a, last, e);
        *total += n;
        if (*total > UNPACK_MAX)
            return err_set(e, ERR_TOO_LARGE, "layer: more than %llu bytes", (unsigned long long)UNPACK_MAX);
        if (lseek(fd, (off_t)at, SEEK_SET) < 0)
            return err_sys(e, errno, "seek %s", last);
        TRY(fd_write_all(fd, p, n, e));
    }
}

/* Files and folders; links and devices are left out: a data set or an adapter needs none, and they are how archives break out. */
static errc unpack_entry(struct archive *a, struct archive_entry *entry, int root, uint64_t *total, struct err *e)
{
    const char *name = archive_entry_pathname(entry), *path = entry_path(name), *last = NULL;
    AUTO_FD parent = -1;

    if (!path)
        return err_set(e, ERR_CORRUPT, "layer entry \"%.200s\" leads out of its folder; the image is refused", name ? name : "");
    AUTO_MEM char *clean = xstrdup(path);
    for (size_t n = strlen(clean); n && clean[n - 1] == '/'; n--)
        clean[n - 1] = 0;
    if (!*clean)
        return ERR_OK;
    bool is_dir = archive_entry_filetype(entry) == AE_IFDIR;
    if (!is_dir && archive_entry_filetype(entry) != AE_IFREG)
        return ERR_OK;
    if (!is_dir && archive_entry_hardlink(entry))
        return ERR_OK;
    TRY(open_parent(root, clean, true, &parent, &last, e));
    if (str_has_prefix(str_of(last), STR(".wh.")))
        return whiteout(parent, last, e);
    if (!is_dir)
        return write_file(a, parent, last, total, e);
    struct stat st;
    if (!fstatat(parent, last, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode))
        return ERR_OK;
    TRY(remove_at(parent, last, e));
    return mkdirat(parent, last, 0755) ? err_sys(e, errno, "make folder %s", last) : ERR_OK;
}

errc oci_layer_unpack(const char *layer_path, const char *dir, struct err *e)
{
    AUTO(read_freep) struct archive *a = archive_read_new();
    AUTO_FD root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct archive_entry *entry;
    uint64_t total = 0;

    if (root < 0)
        return err_sys(e, errno, "open %s", dir);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_format_tar(a);
    if (archive_read_open_filename(a, layer_path, BLOCK) != ARCHIVE_OK)
        return archive_failed(a, layer_path, e);
    for (int count = 0;; count++) {
        int rc = archive_read_next_header(a, &entry);
        if (rc == ARCHIVE_EOF)
            return ERR_OK;
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
            return archive_failed(a, layer_path, e);
        if (count == ENTRIES_MAX)
            return err_set(e, ERR_TOO_LARGE, "%s: more than %d entries", layer_path, ENTRIES_MAX);
        TRY(unpack_entry(a, entry, root, &total, e));
    }
}
