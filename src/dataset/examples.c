/* Examples in two unlinked scratch files: of each its ids, then its labels; and where each begins. What is in memory is the kernel's to take. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "dataset/forms.h"

#define MAX_LENGTH_DEFAULT 1024         /* what upstream's trainer keeps of an example */
#define EXAMPLES_MAX UINT32_MAX

#define SPOOL_BYTES (64u << 10)

struct entry { uint64_t at; uint32_t n, row; };         /* at: in int32 units */

/* A file that only grows, then is mapped. */
struct spool {
    int fd;
    struct buf pending;
    uint64_t written;
    struct sha256_stream *digest;
    const void *map;
    size_t map_bytes;
};

struct examples {
    struct spool tokens, entries;       /* int32_t; struct entry [n] */
    size_t n;
    char digest[2 * SHA256_HEX];        /* of both files */
    struct examples_stats stats;
};

/* ---- scratch files ---- */

/* Without a name from the start, where the file system can: a kill between making and unlinking would leave it behind. */
static int unnamed_file(const char *dir)
{
    AUTO_MEM char *path = xasprintf("%s/kaito-examples-XXXXXX", dir);
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            (void)unlink(path);
    }
    return fd;
}

static errc spool_open(struct spool *s, const char *dir, struct err *e)
{
    const char *where = dir ? dir : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";

    s->fd = unnamed_file(where);
    if (s->fd < 0)
        return err_sys(e, errno, "scratch file in %s", where);
    s->digest = sha256_stream_new();
    return ERR_OK;
}

static errc spool_flush(struct spool *s, struct err *e)
{
    if (fd_write_all(s->fd, s->pending.p, s->pending.n, e))
        return err_wrap(e, "scratch file of examples");
    sha256_stream_add(s->digest, s->pending.p, s->pending.n);
    s->written += s->pending.n;
    buf_clear(&s->pending);
    return ERR_OK;
}

static errc spool_add(struct spool *s, const void *p, size_t n, struct err *e)
{
    buf_add(&s->pending, p, n);
    return s->pending.n < SPOOL_BYTES ? ERR_OK : spool_flush(s, e);
}

static errc spool_map(struct spool *s, struct err *e)
{
    TRY(spool_flush(s, e));
    buf_done(&s->pending);
    void *map = s->written ? mmap(NULL, (size_t)s->written, PROT_READ, MAP_SHARED, s->fd, 0) : NULL;
    if (map == MAP_FAILED)
        return err_sys(e, errno, "map %llu bytes of examples", (unsigned long long)s->written);
    s->map = map;
    s->map_bytes = (size_t)s->written;
    (void)close(s->fd);
    s->fd = -1;
    return ERR_OK;
}

static void spool_done(struct spool *s)
{
    if (s->map)
        munmap((void *)(uintptr_t)s->map, s->map_bytes);
    if (s->fd >= 0)
        (void)close(s->fd);
    sha256_stream_free(s->digest);
    buf_done(&s->pending);
}

static struct examples *examples_new(void)
{
    struct examples *x = xzalloc(sizeof *x);

    x->tokens.fd = x->entries.fd = -1;
    return x;
}

static errc open_spools(struct examples *x, const char *dir, struct err *e)
{
    TRY(spool_open(&x->tokens, dir, e));
    return spool_open(&x->entries, dir, e);
}

static errc map_spools(struct examples *x, struct err *e)
{
    TRY(spool_map(&x->tokens, e));
    TRY(spool_map(&x->entries, e));
    sha256_stream_hex(x->tokens.digest, x->digest);
    sha256_stream_hex(x->entries.digest, x->digest + SHA256_HEX - 1);
    return ERR_OK;
}

/* ---- from rows ---- */

static void make_labels(struct builder *b)
{
    int32_t pad = b->info->pad_id >= 0 ? b->info->pad_id : b->info->eos_id;
    bool given = b->labels.n > 0, all = b->o->loss == EXAMPLES_LOSS_ALL && !b->o->assistant_only;

    for (size_t i = 0; i < b->ids.n; i++) {
        bool hidden = (b->o->loss == EXAMPLES_LOSS_COMPLETION && i < b->masked) || (all && b->ids.v[i] == pad) ||
                      (b->learnt.n && !b->learnt.p[i]);
        if (!given)
            token_ids_add(&b->labels, b->ids.v[i]);
        if (hidden)
            b->labels.v[i] = EXAMPLES_IGNORE;
    }
}

static errc add_entry(struct examples *x, uint64_t *at, size_t n, size_t row, struct err *e)
{
    const struct entry v = { .at = *at, .n = (uint32_t)n, .row = (uint32_t)row };

    x->n++;
    *at += 2 * n;
    x->stats.longest = n > x->stats.longest ? n : x->stats.longest;
    return spool_add(&x->entries, &v, sizeof v, e);
}

static void count_labels(struct examples_stats *s, const int32_t *labels, size_t n, size_t row)
{
    size_t learnt = 0;

    for (size_t i = 1; i < n; i++)      /* the first is never predicted */
        learnt += labels[i] != EXAMPLES_IGNORE;
    if (!learnt && !s->unlearnt++)
        s->unlearnt_row = row;
    s->label_tokens += learnt + (n && labels[0] != EXAMPLES_IGNORE);
}

static errc keep(struct examples *x, struct builder *b, uint64_t *at, size_t row)
{
    size_t max = b->o->max_length ? b->o->max_length : MAX_LENGTH_DEFAULT;
    struct examples_stats *s = &x->stats;

    s->rows++;
    if (!b->ids.n) {
        s->empty++;
        return ERR_OK;
    }
    make_labels(b);
    s->truncated += b->ids.n > max;
    size_t n = b->ids.n < max ? b->ids.n : max, from = b->o->keep_end ? b->ids.n - n : 0;
    if (x->n >= EXAMPLES_MAX)
        return err_set(b->e, ERR_TOO_LARGE, "more than %u examples", EXAMPLES_MAX);
    TRY(spool_add(&x->tokens, b->ids.v + from, n * sizeof *b->ids.v, b->e));
    TRY(spool_add(&x->tokens, b->labels.v + from, n * sizeof *b->labels.v, b->e));
    TRY(add_entry(x, at, n, row, b->e));
    s->tokens += n;
    count_labels(s, b->labels.v + from, n, row);
    return ERR_OK;
}

static errc build_all(struct dataset *d, struct builder *b, struct examples *x)
{
    uint64_t at = 0;

    for (size_t row = 0; !b->o->max_rows || row < b->o->max_rows; row++) {
        AUTO_JSON j = NULL;
        TRY(dataset_next(d, &j, b->e));
        if (!j)
            break;
        bool first = !b->form;
        if (form_encode(b, j))
            return first && !b->form ? err_wrap(b->e, "%s", dataset_path(d)) : err_wrap(b->e, "%s: row %zu", dataset_path(d), dataset_row(d));
        TRY(keep(x, b, &at, row));
    }
    if (!x->n)
        return err_set(b->e, ERR_INVALID, "%s: the data set has no rows to learn from (%zu read)", dataset_path(d), x->stats.rows);
    x->stats.form = b->form->name;
    x->stats.renamed = b->renamed;
    x->stats.strange = b->strange;
    memcpy(x->stats.strange_role, b->strange_role, sizeof b->strange_role);
    x->stats.column_absent = b->column_absent;
    return map_spools(x, b->e);
}

errc examples_build(struct dataset *d, const struct tokenizer *t, const struct examples_opts *o, struct examples **out, struct err *e)
{
    static const struct examples_opts defaults;
    struct err own;
    struct builder b = { .t = t, .info = tokenizer_info(t), .o = o ? o : &defaults, .e = e ? e : &own };
    AUTO_FREE(examples) x = examples_new();

    TRY(dataset_rewind(d, b.e));
    TRY(open_spools(x, b.o->scratch_dir, b.e));
    errc rc = build_all(d, &b, x);
    token_ids_done(&b.ids);
    token_ids_done(&b.labels);
    buf_done(&b.learnt);
    if (!rc)
        *out = TAKE(x);
    return rc;
}

/* ---- from pieces of others ---- */

/* The pieces of one example: first their ids, then their labels. */
static errc add_pieces(const struct examples *from, const struct example_piece *v, size_t n, struct examples *to, struct err *e)
{
    for (int labels = 0; labels < 2; labels++)
        for (size_t i = 0; i < n; i++) {
            struct example x = examples_get(from, v[i].example);
            const int32_t *p = labels ? x.labels : x.ids;
            TRY(spool_add(&to->tokens, p + v[i].from, (v[i].to - v[i].from) * sizeof *p, e));
        }
    return ERR_OK;
}

static errc remake(const struct examples *x, const struct example_piece *v, size_t n, struct examples *out, struct err *e)
{
    uint64_t at = 0;

    out->stats = x->stats;
    out->stats.longest = 0;
    for (size_t i = 0, end; i < n; i = end) {
        size_t tokens = 0;
        for (end = i; end < n && (end == i || !v[end].begins); end++)
            tokens += v[end].to - v[end].from;
        TRY(add_pieces(x, v + i, end - i, out, e));
        TRY(add_entry(out, &at, tokens, examples_get(x, v[i].example).row, e));
    }
    return map_spools(out, e);
}

errc examples_remake(const struct examples *x, const struct example_piece *v, size_t n, const char *scratch_dir, struct examples **out, struct err *e)
{
    AUTO_FREE(examples) made = examples_new();

    TRY(open_spools(made, scratch_dir, e));
    TRY(remake(x, v, n, made, e));
    *out = TAKE(made);
    return ERR_OK;
}

/* ---- asking ---- */

void examples_free(struct examples *x)
{
    if (!x)
        return;
    spool_done(&x->tokens);
    spool_done(&x->entries);
    free(x);
}

void examples_rest(const struct examples *x)
{
    file_map_forget(x->tokens.map, x->tokens.map_bytes);
    file_map_forget(x->entries.map, x->entries.map_bytes);
}

size_t examples_count(const struct examples *x) { return x->n; }
const char *examples_digest(const struct examples *x) { return x->digest; }
const struct examples_stats *examples_stats(const struct examples *x) { return &x->stats; }

struct example examples_get(const struct examples *x, size_t i)
{
    const struct entry *v = (const struct entry *)x->entries.map + i;
    const int32_t *ids = (const int32_t *)x->tokens.map + v->at;

    return (struct example){ .ids = ids, .labels = ids + v->n, .n = v->n, .row = v->row };
}

/* splitmix64, and Fisher-Yates from the end */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

void examples_order(size_t n, uint64_t seed, uint64_t epoch, uint32_t *out)
{
    uint64_t state = seed;

    state = mix(&state) ^ (epoch + 1) * 0xD1342543DE82EF95u;
    for (size_t i = 0; i < n; i++)
        out[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)(mix(&state) % i);
        uint32_t swap = out[i - 1];
        out[i - 1] = out[k];
        out[k] = swap;
    }
}
