/* Replays a corpus folder through LLVMFuzzerTestOneInput, and cuts and flips each input a little, without a fuzzer. Prints TAP. */
#include <stdint.h>

#include "base/file.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A private copy of the exact size, so that ASan sees a read past the end. */
static void feed(const uint8_t *p, size_t n)
{
    uint8_t *copy = xmemdup(p, n ? n : 1);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void feed_neighbours(const struct buf *b)
{
    size_t step = b->n / 32 + 1;
    uint8_t *bytes = xmemdup(b->p, b->n ? b->n : 1);

    for (size_t cut = 0; cut < b->n; cut += step)
        feed(bytes, cut);
    for (size_t at = 0; at < b->n; at += step) {
        bytes[at] ^= 0x41;
        feed(bytes, b->n);
        bytes[at] ^= 0x41;
    }
    free(bytes);
}

int main(int argc, char **argv)
{
    char **names = NULL;
    size_t n = 0;
    struct err e;

    feed((const uint8_t *)"", 0);
    if (argc > 1 && dir_exists(argv[1]) && dir_list(argv[1], &names, &n, &e)) {
        printf("Bail out! %s\n", e.text);
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        AUTO_MEM char *path = path_join(argv[1], names[i]);
        AUTO_BUF b = { 0 };
        if (file_read(path, 16u << 20, &b, &e))
            continue;
        buf_reserve(&b, 1);
        feed((const uint8_t *)b.p, b.n);
        feed_neighbours(&b);
    }
    printf("ok 1 - %zu inputs replayed\n1..1\n", n);
    strv_free(names, n);
    return 0;
}
