#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

NORETURN static void out_of_memory(size_t size)
{
    fprintf(stderr, "kaito: out of memory (%zu bytes)\n", size);
    abort();
}

static void *checked(void *p, size_t size)
{
    if (!p)
        out_of_memory(size);
    return p;
}

void *xmalloc(size_t size) { return checked(malloc(size ? size : 1), size); }
void *xzalloc(size_t size) { return checked(calloc(1, size ? size : 1), size); }
void *xrealloc(void *p, size_t size) { return checked(realloc(p, size ? size : 1), size); }

void *xcalloc(size_t n, size_t size)
{
    size_t total;

    if (!size_mul(n, size, &total))
        out_of_memory(SIZE_MAX);
    return xzalloc(total);
}

void *xreallocarray(void *p, size_t n, size_t size)
{
    size_t total;

    if (!size_mul(n, size, &total))
        out_of_memory(SIZE_MAX);
    return xrealloc(p, total);
}

void *xmemdup(const void *p, size_t n)
{
    void *copy = xmalloc(n);

    if (n)
        memcpy(copy, p, n);
    return copy;
}

char *xstrndup(const char *s, size_t n)
{
    char *copy = xmalloc(n + 1);

    if (n)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *xstrdup(const char *s) { return s ? xstrndup(s, strlen(s)) : NULL; }

char *xasprintf(const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;

    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory(strlen(fmt));
    return s;
}

void *mem_try_alloc(size_t n, size_t size)
{
    size_t total, padded;

    if (!size_mul(n, size, &total) || !size_add(total, 63, &padded))
        return NULL;
    return aligned_alloc(64, padded < 64 ? 64 : padded & ~(size_t)63);
}

#define PAGE ((size_t)4096)
#define HUGE_MIN ((size_t)4 << 20)      /* half of it at least is whole huge pages, wherever it begins */

void *mem_try_alloc_huge(size_t n, size_t size)
{
    char *p = mem_try_alloc(n, size);
    size_t before = (PAGE - (uintptr_t)p % PAGE) % PAGE;

    if (p && n * size >= HUGE_MIN)
        (void)madvise(p + before, (n * size - before) / PAGE * PAGE, MADV_HUGEPAGE);    /* advice: without it all is well but slower */
    return p;
}

void *vec_grow_(void *items, size_t n, size_t *cap, size_t item_size)
{
    if (n < *cap)
        return items;
    *cap = *cap ? *cap * 2 : 8;
    if (*cap <= n)
        *cap = n + 1;
    return xreallocarray(items, *cap, item_size);
}

void base_mem_freep(void *p)
{
    free(*(void **)p);
}

void base_fd_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
