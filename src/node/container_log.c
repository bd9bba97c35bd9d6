#include "node/container_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

struct log_writer {
    char *path;
    int fd;
    size_t size;
    struct buf partial[2];      /* stdout, stderr: the line so far */
};

static errc open_file(struct log_writer *w, struct err *e)
{
    struct stat st;

    w->fd = open(w->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (w->fd < 0 || fstat(w->fd, &st))
        return err_sys(e, errno, "open log %s", w->path);
    w->size = (size_t)st.st_size;
    return ERR_OK;
}

errc log_writer_open(const char *path, struct log_writer **out, struct err *e)
{
    struct log_writer *w = xzalloc(sizeof *w);

    w->path = xstrdup(path);
    w->fd = -1;
    if (open_file(w, e)) {
        log_writer_close(w);
        return e ? e->code : ERR_IO;
    }
    *out = w;
    return ERR_OK;
}

static void turn_over(struct log_writer *w)
{
    AUTO_MEM char *old = xasprintf("%s.1", w->path);

    close(w->fd);
    w->fd = -1;
    if (rename(w->path, old) == 0 || errno == ENOENT)
        (void)open_file(w, NULL);       /* without a file the lines are lost; the container goes on */
}

static void write_line(struct log_writer *w, int stream, struct str text, bool whole)
{
    char when[TIME_TEXT_MAX];
    AUTO_BUF line = { 0 };

    time_rfc3339_micro(clock_wall_us(), when);
    buf_addf(&line, "%s %s %c %.*s\n", when, stream ? "stderr" : "stdout", whole ? 'F' : 'P', STR_ARG(text));
    if (w->size + line.n > LOG_FILE_MAX)
        turn_over(w);
    if (w->fd >= 0 && !fd_write_all(w->fd, line.p, line.n, NULL))       /* a full disk loses log lines, not the container */
        w->size += line.n;
}

void log_writer_add(struct log_writer *w, bool is_stderr, struct str bytes)
{
    struct buf *part = &w->partial[is_stderr];
    struct str line, rest;

    while (str_cut(bytes, '\n', &line, &rest)) {
        buf_addstr(part, line);
        write_line(w, is_stderr, buf_str(part), true);
        buf_clear(part);
        bytes = rest;
    }
    buf_addstr(part, bytes);
    if (part->n > LOG_LINE_MAX) {
        write_line(w, is_stderr, buf_str(part), false);
        buf_clear(part);
    }
}

void log_writer_close(struct log_writer *w)
{
    if (!w)
        return;
    for (int s = 0; s < 2; s++) {
        if (w->partial[s].n && w->fd >= 0)
            write_line(w, s, buf_str(&w->partial[s]), true);
        buf_done(&w->partial[s]);
    }
    if (w->fd >= 0)
        close(w->fd);
    free(w->path);
    free(w);
}

struct log_reader {
    char *path;
    int fd;
    struct log_query q;
    struct buf raw;             /* read, not yet given away */
    size_t given;
    bool done;
};

/* The two halves of a line; false when it is not in CRI's format. */
static bool split_line(struct str line, struct str *when, struct str *text, bool *whole)
{
    struct str stream, tag, rest;

    if (!str_cut(line, ' ', when, &rest) || !str_cut(rest, ' ', &stream, &rest) || !str_cut(rest, ' ', &tag, text))
        return false;
    *whole = str_is(tag, "F");
    return true;
}

/* Offset of the start of the n-th last line of the file. */
static off_t tail_offset(int fd, int64_t n)
{
    char block[16384];
    struct stat st;

    if (fstat(fd, &st) || n <= 0)
        return fstat(fd, &st) ? 0 : st.st_size;
    for (off_t end = st.st_size; end > 0;) {
        off_t start = end > (off_t)sizeof block ? end - (off_t)sizeof block : 0;
        ssize_t got = pread(fd, block, (size_t)(end - start), start);
        for (ssize_t i = got - 1; i >= 0; i--)
            if (block[i] == '\n' && start + i != st.st_size - 1 && n-- == 1)
                return start + i + 1;
        end = start;
    }
    return 0;
}

errc log_reader_open(const char *path, const struct log_query *q, struct log_reader **out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, errno, "open log %s", path);
    struct log_reader *r = xzalloc(sizeof *r);
    *r = (struct log_reader){ .path = xstrdup(path), .fd = fd, .q = *q };
    if (q->tail_lines >= 0)
        lseek(fd, tail_offset(fd, q->tail_lines), SEEK_SET);
    *out = r;
    return ERR_OK;
}

static bool give_line(struct log_reader *r, struct str line, struct buf *out)
{
    struct str when, text;
    bool whole;
    int64_t us;

    if (!split_line(line, &when, &text, &whole))
        return true;
    if (r->q.since_us && time_parse(when, &us) && us < r->q.since_us)
        return true;
    size_t before = out->n;
    if (r->q.timestamps)
        buf_addf(out, "%.*s ", STR_ARG(when));
    buf_addstr(out, text);
    if (whole)
        buf_addc(out, '\n');
    r->given += out->n - before;
    if (r->q.limit_bytes && r->given >= (size_t)r->q.limit_bytes) {
        buf_truncate(out, out->n - (r->given - (size_t)r->q.limit_bytes));
        return false;
    }
    return true;
}

/* When the file was turned over and all of the old one is read, goes on with the new one. */
static bool reopen_turned(struct log_reader *r)
{
    struct stat have, now;

    if (fstat(r->fd, &have) || stat(r->path, &now) || have.st_ino == now.st_ino)
        return false;
    int fd = open(r->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    close(r->fd);
    r->fd = fd;
    return true;
}

bool log_reader_next(struct log_reader *r, struct buf *out)
{
    struct str line, rest;
    ssize_t n = 0;

    if (r->done)
        return false;
    do {
        buf_reserve(&r->raw, 65536);
        n = read(r->fd, r->raw.p + r->raw.n, 65536);
        if (n > 0) {
            r->raw.n += (size_t)n;
            r->raw.p[r->raw.n] = '\0';
        }
    } while (n == 0 && reopen_turned(r));
    struct str all = buf_str(&r->raw);
    while (!r->done && str_cut(all, '\n', &line, &rest)) {
        r->done = !give_line(r, line, out);
        all = rest;
    }
    buf_cut(&r->raw, r->raw.n - all.n);
    return !r->done && (n > 0 || r->q.follow);
}

void log_reader_free(struct log_reader *r)
{
    if (!r)
        return;
    close(r->fd);
    buf_done(&r->raw);
    free(r->path);
    free(r);
}

void log_tail(const char *path, struct buf *out)
{
    const struct log_query q = { .tail_lines = 80 };
    struct log_reader *r;
    AUTO_BUF text = { 0 };

    if (log_reader_open(path, &q, &r, NULL))
        return;
    while (log_reader_next(r, &text))
        ;
    log_reader_free(r);
    struct str end = buf_str(&text);
    buf_addstr(out, end.n > 2048 ? str_from(end, end.n - 2048) : end);
}
