/*
 * Byte-pair encoding of one word: the pair of lowest rank is merged first, the leftmost of equals; a heap of candidate
 * pairs over a linked list of symbols makes that n log n.
 */
#include "tokenizer/priv.h"

struct symbol { int32_t id, prev, next; };      /* id -1: merged away */
struct candidate { uint32_t rank; int32_t at; int32_t left, right; };
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
        heap_push(w, (struct candidate){ x->rank, at, left, right });
}

static void merge_all(const struct model *m, struct word *w)
{
    for (size_t i = 0; i + 1 < w->n; i++)
        consider(m, w, (int32_t)i);
    while (w->n_heap) {
        struct candidate c = heap_pop(w);
        struct symbol *left = &w->v[c.at];
        if (left->id != c.left || left->next >= (int32_t)w->n || w->v[left->next].id != c.right)
            continue;                           /* one of the two was merged meanwhile */
        struct symbol *right = &w->v[left->next];
        left->id = model_merge_find(m, c.left, c.right)->id;
        right->id = -1;
        left->next = right->next;
        if (left->next < (int32_t)w->n)
            w->v[left->next].prev = c.at;
        consider(m, w, left->prev);
        consider(m, w, c.at);
    }
}

/* The id of one character as it stands in the word: with the prefix when it is not first, the suffix when it is last. */
static int32_t char_id(const struct model *m, struct str c, bool first, bool last)
{
    if ((first || !m->prefix.n) && (!last || !m->suffix.n))
        return vocab_find(&m->vocab, c);
    AUTO_BUF b = { 0 };
    if (!first)
        buf_addstr(&b, m->prefix);
    buf_addstr(&b, c);
    if (last)
        buf_addstr(&b, m->suffix);
    return vocab_find(&m->vocab, buf_str(&b));
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
    bool unk_waits = false;

    for (size_t at = 0; at < word.n;) {
        size_t start = at;
        (void)utf8_next(word, &at);
        struct str c = str_n(word.p + start, at - start);
        int32_t id = char_id(m, c, start == 0, at == word.n);
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

void bpe_encode(const struct model *m, struct str word, struct token_ids *out)
{
    struct word w = { 0 };

    if (m->ignore_merges) {
        int32_t id = vocab_find(&m->vocab, word);
        if (id >= 0) {
            token_ids_add(out, id);
            return;
        }
    }
    first_symbols(m, word, &w);
    merge_all(m, &w);
    for (int32_t i = 0; i < (int32_t)w.n; i = w.v[i].next)
        token_ids_add(out, w.v[i].id);
    free(w.v);
    free(w.heap);
}

/* WordPiece: the longest piece in the vocabulary, again and again; one that does not fit makes the whole word unknown. */
void wordpiece_encode(const struct model *m, struct str word, struct token_ids *out)
{
    size_t chars = 0, before = out->n;

    for (size_t at = 0; at < word.n; chars++)
        (void)utf8_next(word, &at);
    bool known = chars <= m->max_word_chars;
    for (size_t start = 0; known && start < word.n;) {
        size_t end = word.n;
        int32_t id = -1;
        while (end > start) {
            AUTO_BUF b = { 0 };
            if (start)
                buf_addstr(&b, m->prefix);
            buf_add(&b, word.p + start, end - start);
            id = vocab_find(&m->vocab, buf_str(&b));
            if (id >= 0)
                break;
            do
                end--;
            while (end > start && ((unsigned char)word.p[end] & 0xC0) == 0x80);
        }
        known = id >= 0;
        if (known)
            token_ids_add(out, id);
        start = end;
    }
    if (!known) {
        out->n = before;
        if (m->unk_id >= 0)
            token_ids_add(out, m->unk_id);
    }
}
