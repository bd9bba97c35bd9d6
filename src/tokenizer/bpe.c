/*
 * Byte-pair encoding of one word: the pair of lowest rank is merged first, the leftmost of equals; a heap of candidate
 * pairs over a linked list of symbols makes that n log n.
 */
#include "tokenizer/priv.h"

struct symbol { int32_t id, prev, next; };      /* id -1: merged away */
struct candidate { uint32_t rank; int32_t at, made; };
struct word {
    struct symbol *v;
    size_t n, cap;
    struct candidate *heap;
    size_t n_heap, cap_heap;
};

static void add_symbol(struct word *w, int32_t id)
{
    vec_grow(w->v, w->n, w->cap);
    w->v[w->n] = (struct symbol){ id, (int32_t)w->n - 1, (int32_t)w->n + 1 };
    w->n++;
}

static bool sooner(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct word *w, struct candidate c)
{
    vec_grow(w->heap, w->n_heap, w->cap_heap);
    size_t i = w->n_heap++;
    while (i && sooner(&c, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = c;
}

static struct candidate heap_pop(struct word *w)
{
    struct candidate top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->n_heap)
            break;
        if (child + 1 < w->n_heap && sooner(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!sooner(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

static void consider(const struct model *m, struct word *w, int32_t at)
{
    if (at < 0 || w->v[at].next >= (int32_t)w->n)
        return;
    int32_t left = w->v[at].id, right = w->v[w->v[at].next].id;
    const struct merge *x = model_merge_find(m, left, right);
    if (x)
        heap_push(w, (struct candidate){ x->rank, at, x->id });
}

static void merge_all(const struct model *m, struct word *w)
{
    for (size_t i = 0; i + 1 < w->n; i++)
        consider(m, w, (int32_t)i);
    while (w->n_heap) {
        struct candidate c = heap_pop(w);
        struct symbol *left = &w->v[c.at];
        if (left->id < 0 || left->next >= (int32_t)w->n)
            continue;                           /* merged away meanwhile */
        struct symbol *right = &w->v[left->next];
        const struct merge *x = model_merge_find(m, left->id, right->id);
        if (!x || x->id != c.made)
            continue;                           /* one of the two grew, and both no longer make this token */
        left->id = c.made;
        right->id = -1;
        left->next = right->next;
        if (left->next < (int32_t)w->n)
            w->v[left->next].prev = c.at;
        consider(m, w, left->prev);
        consider(m, w, c.at);
    }
}

/* One character as the vocabulary writes it there: with the prefix when it is not first, the suffix when it is last. */
static struct str affixed(const struct model *m, struct str c, bool first, bool last, struct buf *box)
{
    if ((first || !m->prefix.n) && (!last || !m->suffix.n))
        return c;
    buf_clear(box);
    if (!first)
        buf_addstr(box, m->prefix);
    buf_addstr(box, c);
    if (last)
        buf_addstr(box, m->suffix);
    return buf_str(box);
}

static bool add_bytes(const struct model *m, struct str c, struct word *w)
{
    if (!m->byte_fallback)
        return false;
    for (size_t i = 0; i < c.n; i++)
        if (m->byte_ids[(unsigned char)c.p[i]] < 0)
            return false;
    for (size_t i = 0; i < c.n; i++)
        add_symbol(w, m->byte_ids[(unsigned char)c.p[i]]);
    return true;
}

static void first_symbols(const struct model *m, struct str word, struct word *w)
{
    AUTO_BUF box = { 0 };
    bool unk_waits = false;

    for (size_t at = 0; at < word.n;) {
        size_t start = at;
        (void)utf8_next(word, &at);
        struct str c = affixed(m, str_n(word.p + start, at - start), start == 0, at == word.n, &box);
        int32_t id = vocab_find(&m->vocab, c);
        if (id >= 0) {
            if (unk_waits)
                add_symbol(w, m->unk_id);
            unk_waits = false;
            add_symbol(w, id);
        } else if (!add_bytes(m, c, w) && m->unk_id >= 0) {
            if (unk_waits && !m->fuse_unk)
                add_symbol(w, m->unk_id);
            unk_waits = true;
        }
    }
    if (unk_waits)
        add_symbol(w, m->unk_id);
}

errc bpe_encode(const struct model *m, struct str word, struct token_ids *out, struct err *e)
{
    struct word w = { 0 };

    (void)e;
    if (m->ignore_merges) {
        int32_t id = vocab_find(&m->vocab, word);
        if (id >= 0) {
            token_ids_add(out, id);
            return ERR_OK;
        }
    }
    first_symbols(m, word, &w);
    merge_all(m, &w);
    for (int32_t i = 0; i < (int32_t)w.n; i = w.v[i].next)
        token_ids_add(out, w.v[i].id);
    free(w.v);
    free(w.heap);
    return ERR_OK;
}
