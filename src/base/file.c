#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define TEMP_SUFFIX 8           /* letters of a name that is not final */

errc file_read(const char *path, size_t max_bytes, struct buf *out, struct err *e)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t total = 0;

    if (fd < 0)
        return err_sys(e, errno, "open %s", path);
    for (;;) {
        buf_reserve(out, 16384);
        ssize_t n = read(fd, out->p + out->n, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "read %s", path);
        if (n == 0)
            return ERR_OK;
        total += (size_t)n;
        if (total > max_bytes)
            return err_set(e, ERR_TOO_LARGE, "%s: larger than %zu bytes", path, max_bytes);
        out->n += (size_t)n;
        out->p[out->n] = '\0';
    }
}

errc fd_write_all(int fd, const void *p, size_t n, struct err *e)
{
    const char *b = p;

    while (n) {
        ssize_t done = write(fd, b, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_sys(e, errno, "write");
        b += done;
        n -= (size_t)done;
    }
    return ERR_OK;
}

static errc write_and_sync(int fd, struct str bytes, mode_t mode, struct err *e)
{
    TRY(fd_write_all(fd, bytes.p, bytes.n, e));
    if (fchmod(fd, mode) || fsync(fd))
        return err_sys(e, errno, "write");
    return ERR_OK;
}

errc file_write_atomic(const char *path, struct str bytes, mode_t mode, struct err *e)
{
    char suffix[TEMP_SUFFIX + 1];

    random_suffix(suffix, TEMP_SUFFIX);
    AUTO_MEM char *temp = xasprintf("%s.tmp-%s", path, suffix);
    AUTO_FD fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(e, errno, "create %s", temp);
    if (write_and_sync(fd, bytes, mode, e)) {
        unlink(temp);
        return err_wrap(e, "%s", path);
    }
    if (rename(temp, path)) {
        int why = errno;
        unlink(temp);
        return err_sys(e, why, "rename %s to %s", temp, path);
    }
    return ERR_OK;
}

bool file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool dir_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_is_same(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

errc file_size(const char *path, uint64_t *out, struct err *e)
{
    struct stat st;

    if (stat(path, &st))
        return err_sys(e, errno, "stat %s", path);
    *out = (uint64_t)st.st_size;
    return ERR_OK;
}

errc dir_make(const char *path, mode_t mode, struct err *e)
{
    AUTO_MEM char *copy = xstrdup(path);

    for (char *p = copy + 1; *copy; p++) {
        if (*p && *p != '/')
            continue;
        char was = *p;
        *p = '\0';
        if (mkdir(copy, mode) && errno != EEXIST)
            return err_sys(e, errno, "create folder %s", copy);
        *p = was;
        if (!was)
            break;
    }
    if (!dir_exists(path))
        return err_set(e, ERR_EXISTS, "create folder %s: a file is in the way", path);
    return ERR_OK;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

errc dir_remove(const char *path, struct err *e)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
        return err_sys(e, errno, "remove %s", path);
    return ERR_OK;
}

errc dir_sync(const char *path, struct err *e)
{
    AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd))
        return err_sys(e, errno, "sync folder %s", path);
    return ERR_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

errc dir_list(const char *path, char ***out, size_t *out_n, struct err *e)
{
    DIR *d = opendir(path);
    char **names = NULL;
    size_t n = 0, cap = 0;

    if (!d)
        return err_sys(e, errno, "open folder %s", path);
    for (struct dirent *de; (de = readdir(d));) {
        if (streq(de->d_name, ".") || streq(de->d_name, ".."))
            continue;
        vec_grow(names, n, cap);
        names[n++] = xstrdup(de->d_name);
    }
    closedir(d);
    if (n)
        qsort(names, n, sizeof *names, by_text);
    *out = names;
    *out_n = n;
    return ERR_OK;
}

static bool is_left_over(struct str name)
{
    struct str mark = STR(".tmp-"), head = str_n(name.p, name.n > TEMP_SUFFIX ? name.n - TEMP_SUFFIX : 0);

    return str_has_suffix(head, mark) && head.n > mark.n && !memchr(name.p + head.n, '.', TEMP_SUFFIX);
}

errc dir_sweep(const char *path, struct err *e)
{
    char **names = NULL;
    size_t n = 0;
    errc rc = ERR_OK;

    if (!dir_exists(path))
        return ERR_OK;
    TRY(dir_list(path, &names, &n, e));
    for (size_t i = 0; i < n && !rc; i++) {
        AUTO_MEM char *file = path_join(path, names[i]);
        if (is_left_over(str_of(names[i])) && file_exists(file) && unlink(file))
            rc = err_sys(e, errno, "remove %s", file);
    }
    strv_free(names, n);
    return rc;
}

void strv_free(char **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(v[i]);
    free(v);
}

char *path_join(const char *a, const char *b)
{
    size_t n = strlen(a);

    if (b[0] == '/' || !n)
        return xstrdup(b);
    return xasprintf("%s%s%s", a, a[n - 1] == '/' ? "" : "/", b);
}

char *self_path(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);

    return n > 0 && n < (ssize_t)sizeof path ? xstrndup(path, (size_t)n) : NULL;
}

errc file_map_open(const char *path, struct file_map *out, struct err *e)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        return err_sys(e, errno, "open %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "%s: not a regular file", path);
    *out = (struct file_map){ 0 };
    if (st.st_size == 0)
        return ERR_OK;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_sys(e, errno, "map %s", path);
    *out = (struct file_map){ p, (size_t)st.st_size };
    return ERR_OK;
}

void file_map_close(struct file_map *m)
{
    if (m->p)
        munmap((void *)(uintptr_t)m->p, m->n);
    *m = (struct file_map){ 0 };
}

void file_map_forget(const void *p, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = ((uintptr_t)p + page - 1) / page * page, end = ((uintptr_t)p + n) / page * page;

    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);       /* advice: without it only more stays resident */
}

errc file_lock(const char *path, int *out_fd, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_sys(e, errno, "open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        int why = errno;
        close(fd);
        if (why == EWOULDBLOCK)
            return err_set(e, ERR_CONFLICT, "%s: held by another process", path);
        return err_sys(e, why, "lock %s", path);
    }
    *out_fd = fd;
    return ERR_OK;
}
