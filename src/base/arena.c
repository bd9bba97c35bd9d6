#include "base/arena.h"

#include <stdint.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ONE_MALLOC_PER_OBJECT 1
#else
#define ONE_MALLOC_PER_OBJECT 0
#endif

enum { ALIGN = 16, FIRST_BLOCK = 2048, LARGEST_BLOCK = 256 * 1024 };

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(ALIGN) char bytes[];
};

struct cleanup {
    struct cleanup *next;
    void (*fn)(void *);
    void *p;
};

struct arena {
    struct block *blocks;       /* the one being filled first */
    struct cleanup *cleanups;   /* last added first; they live in the blocks */
    size_t next_size;
};

struct arena *arena_new(void)
{
    struct arena *a = xzalloc(sizeof *a);

    a->next_size = FIRST_BLOCK;
    return a;
}

void arena_clear(struct arena *a)
{
    for (struct cleanup *c = a->cleanups; c; c = c->next)
        c->fn(c->p);
    a->cleanups = NULL;
    for (struct block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->blocks = NULL;
    a->next_size = FIRST_BLOCK;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    arena_clear(a);
    free(a);
}

static struct block *block_add(struct arena *a, size_t size)
{
    struct block *b = xmalloc(sizeof *b + size);

    b->next = a->blocks;
    b->used = 0;
    b->size = size;
    a->blocks = b;
    return b;
}

static struct block *block_with_room(struct arena *a, size_t size)
{
    if (ONE_MALLOC_PER_OBJECT)
        return block_add(a, size);
    if (a->blocks && a->blocks->size - a->blocks->used >= size)
        return a->blocks;
    size_t want = a->next_size > size ? a->next_size : size;
    if (a->next_size < LARGEST_BLOCK)
        a->next_size *= 2;
    return block_add(a, want);
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t padded;

    if (!size_add(size, ALIGN - 1, &padded))
        abort();
    padded = ONE_MALLOC_PER_OBJECT ? (size ? size : 1) : padded & ~(size_t)(ALIGN - 1);
    struct block *b = block_with_room(a, padded);
    void *p = b->bytes + b->used;

    b->used += padded;
    memset(p, 0, size);
    return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
    size_t total;

    if (!size_mul(n, size, &total))
        abort();
    return arena_alloc(a, total);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *copy = arena_alloc(a, n + 1);

    if (n)
        memcpy(copy, s, n);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s) { return s ? arena_strndup(a, s, strlen(s)) : NULL; }

struct str arena_str(struct arena *a, struct str s)
{
    return s.p ? str_n(arena_strndup(a, s.p, s.n), s.n) : s;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    if (n > 0)
        vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}

void arena_defer(struct arena *a, void (*fn)(void *p), void *p)
{
    struct cleanup *c = arena_new_of(a, struct cleanup);

    *c = (struct cleanup){ .next = a->cleanups, .fn = fn, .p = p };
    a->cleanups = c;
}
