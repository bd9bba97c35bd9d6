#include "base/wipe.h"

#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- what is freed ------------------------------------------------------------------------------------------------------------ */

void wiping_free(void *p)
{
    if (p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

void *wiping_realloc(void *p, size_t size)
{
    size_t had = p ? malloc_usable_size(p) : 0;
    void *moved;

    if (p && size <= had)               /* also 0: nothing is freed */
        return p;
    moved = malloc(size);
    if (moved && p) {
        memcpy(moved, p, had);
        wiping_free(p);
    }
    return moved;
}

static void no_core_dump(void)
{
    struct rlimit r = { 0 };

    prctl(PR_SET_DUMPABLE, 0);
    if (getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_max > 1) {
        r.rlim_cur = r.rlim_max = 1;    /* to a pipe the kernel writes dumps whatever the limit, unless it is 1; to a file 1 byte is too little */
        (void)setrlimit(RLIMIT_CORE, &r);       /* the first wall stands without */
    }
}

void wipe_process(void)
{
    no_core_dump();
    json_set_alloc_funcs(malloc, wiping_free);
    gnutls_free = wiping_free;
}

__attribute__((noinline)) void wipe_stack(void)
{
    char below[32 << 10];

    explicit_bzero(below, sizeof below);
}

void wipe_env(const char *name)
{
    char *value = getenv(name);

    if (value)
        explicit_bzero(value, strlen(value));
}

/* ---- what is kept --------------------------------------------------------------------------------------------------------------- */

struct kept { size_t size; char text[]; };      /* size: of the mapping */

static void *pages_of(size_t size)
{
    int fd = (int)syscall(SYS_memfd_secret, (unsigned)O_CLOEXEC);
    void *p = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (p == MAP_FAILED)                /* an older kernel, a limit of locked memory, or a sandbox */
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p;
}

char *secret_keep(const char *text)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = text ? strlen(text) + 1 : 0, size = (sizeof(struct kept) + n + page - 1) / page * page;

    if (!text)
        return NULL;
    struct kept *k = pages_of(size);

    if (k == MAP_FAILED)
        abort();                        /* as xmalloc */
    (void)madvise(k, size, MADV_DONTDUMP);
    (void)madvise(k, size, MADV_DONTFORK);
    (void)mlock(k, size);               /* a limit may forbid it */
    k->size = size;
    memcpy(k->text, text, n);
    return k->text;
}

void secret_drop(char *kept)
{
    if (!kept)
        return;
    struct kept *k = (struct kept *)(void *)(kept - offsetof(struct kept, text));
    size_t size = k->size;

    explicit_bzero(k, size);
    munmap(k, size);
}
