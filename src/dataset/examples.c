/* Examples in an unlinked scratch file: of each its ids, then its labels. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataset/forms.h"

#define MAX_LENGTH_DEFAULT 1024         /* what upstream's trainer keeps of an example */
#define EXAMPLES_MAX UINT32_MAX

struct entry { uint64_t at; uint32_t n, row; };         /* at: in int32 units */

struct examples {
    struct entry *v;
    size_t n, cap;
    struct examples_stats stats;
    int32_t *map;
    size_t map_bytes;
};

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

static errc keep(struct examples *x, struct builder *b, int fd, uint64_t *at, size_t row)
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
    TRY(fd_write_all(fd, b->ids.v + from, n * sizeof *b->ids.v, b->e));
    TRY(fd_write_all(fd, b->labels.v + from, n * sizeof *b->labels.v, b->e));
    vec_grow(x->v, x->n, x->cap);
    x->v[x->n++] = (struct entry){ .at = *at, .n = (uint32_t)n, .row = (uint32_t)row };
    *at += 2 * n;
    s->tokens += n;
    s->longest = n > s->longest ? n : s->longest;
    for (size_t i = 0; i < n; i++)
        s->label_tokens += b->labels.v[from + i] != EXAMPLES_IGNORE;
    return ERR_OK;
}

static errc scratch(const char *dir, int *out, struct err *e)
{
    const char *where = dir ? dir : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    AUTO_MEM char *path = xasprintf("%s/kaito-examples-XXXXXX", where);

    *out = mkostemp(path, O_CLOEXEC);
    if (*out < 0)
        return err_sys(e, errno, "scratch file in %s", where);
    (void)unlink(path);
    return ERR_OK;
}

static errc map_scratch(struct examples *x, int fd, uint64_t n, struct err *e)
{
    x->map_bytes = (size_t)n * sizeof *x->map;
    x->map = mmap(NULL, x->map_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (x->map == MAP_FAILED) {
        x->map = NULL;
        return err_sys(e, errno, "map %zu bytes of examples", x->map_bytes);
    }
    return ERR_OK;
}

static errc build_all(struct dataset *d, struct builder *b, struct examples *x, int fd)
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
        TRY(keep(x, b, fd, &at, row));
    }
    if (!x->n)
        return err_set(b->e, ERR_INVALID, "%s: the data set has no rows to learn from (%zu read)", dataset_path(d), x->stats.rows);
    x->stats.form = b->form->name;
    x->stats.renamed = b->renamed;
    x->stats.strange = b->strange;
    memcpy(x->stats.strange_role, b->strange_role, sizeof b->strange_role);
    x->stats.column_absent = b->column_absent;
    return map_scratch(x, fd, at, b->e);
}

errc examples_build(struct dataset *d, const struct tokenizer *t, const struct examples_opts *o, struct examples **out, struct err *e)
{
    static const struct examples_opts defaults;
    struct err own;
    struct builder b = { .t = t, .info = tokenizer_info(t), .o = o ? o : &defaults, .e = e ? e : &own };
    AUTO_FREE(examples) x = xzalloc(sizeof *x);
    AUTO_FD fd = -1;

    TRY(dataset_rewind(d, b.e));
    TRY(scratch(b.o->scratch_dir, &fd, b.e));
    errc rc = build_all(d, &b, x, fd);
    token_ids_done(&b.ids);
    token_ids_done(&b.labels);
    buf_done(&b.learnt);
    if (!rc)
        *out = TAKE(x);
    return rc;
}

/* The pieces of one example: first their ids, then their labels. */
static errc write_pieces(const struct examples *x, const struct example_piece *v, size_t n, int fd, struct err *e)
{
    for (int labels = 0; labels < 2; labels++)
        for (size_t i = 0; i < n; i++) {
            struct example from = examples_get(x, v[i].example);
            const int32_t *p = labels ? from.labels : from.ids;
            TRY(fd_write_all(fd, p + v[i].from, (v[i].to - v[i].from) * sizeof *p, e));
        }
    return ERR_OK;
}

static errc remake(const struct examples *x, const struct example_piece *v, size_t n, int fd, struct examples *out, struct err *e)
{
    uint64_t at = 0;

    out->stats = x->stats;
    out->stats.longest = 0;
    for (size_t i = 0, end; i < n; i = end) {
        size_t tokens = 0;
        for (end = i; end < n && (end == i || !v[end].begins); end++)
            tokens += v[end].to - v[end].from;
        TRY(write_pieces(x, v + i, end - i, fd, e));
        vec_grow(out->v, out->n, out->cap);
        out->v[out->n++] = (struct entry){ .at = at, .n = (uint32_t)tokens, .row = x->v[v[i].example].row };
        at += 2 * tokens;
        out->stats.longest = tokens > out->stats.longest ? tokens : out->stats.longest;
    }
    return map_scratch(out, fd, at, e);
}

errc examples_remake(const struct examples *x, const struct example_piece *v, size_t n, const char *scratch_dir, struct examples **out, struct err *e)
{
    AUTO_FREE(examples) made = xzalloc(sizeof *made);
    AUTO_FD fd = -1;

    TRY(scratch(scratch_dir, &fd, e));
    TRY(remake(x, v, n, fd, made, e));
    *out = TAKE(made);
    return ERR_OK;
}

void examples_free(struct examples *x)
{
    if (!x)
        return;
    if (x->map)
        munmap(x->map, x->map_bytes);
    free(x->v);
    free(x);
}

void examples_rest(const struct examples *x)
{
    file_map_forget(x->map, x->map_bytes);
}

size_t examples_count(const struct examples *x) { return x->n; }
const struct examples_stats *examples_stats(const struct examples *x) { return &x->stats; }

struct example examples_get(const struct examples *x, size_t i)
{
    const struct entry *v = &x->v[i];
    return (struct example){ .ids = x->map + v->at, .labels = x->map + v->at + v->n, .n = v->n, .row = v->row };
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
