/* A GGUF file of which one block's scale is not a number. */
#ifndef TEST_BROKEN_GGUF_H
#define TEST_BROKEN_GGUF_H

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tensor/gguf.h"

#define BROKEN_BLOCK 3          /* of layer 1's ffn_down, in Q4_1: elements from 96 on */

/* A copy of tests/golden/gguf/formats.gguf, damaged; its path is malloc'd, the file the caller's to remove. */
static inline char *broken_gguf(void)
{
    AUTO_MEM char *source = xasprintf("%s/tests/golden/gguf/formats.gguf", getenv("KAITO_SOURCE"));
    char *path = xasprintf("/tmp/test-broken-gguf-%d.gguf", (int)getpid());
    AUTO_FREE(gguf) file = NULL;
    AUTO_BUF b = { 0 };
    struct err e = { 0 };

    assert_int_equal(file_read(source, 4u << 20, &b, &e), ERR_OK);
    assert_int_equal(gguf_parse(source, buf_str(&b), &file, &e), ERR_OK);
    const struct gguf_tensor *t = gguf_tensor(file, "blk.1.ffn_down.weight");
    assert_string_equal(t->format->name, "Q4_1");
    memcpy(b.p + (t->data - (const uint8_t *)b.p) + BROKEN_BLOCK * t->format->bytes, "\0\x7e", 2);
    assert_int_equal(file_write_atomic(path, buf_str(&b), 0600, &e), ERR_OK);
    return path;
}

#endif
