/*
 * Thoughts before an answer, as reasoning models write them: <think>...</think> and then the answer. A reader belongs to one choice
 * and parts its text as it comes. One thread at a time.
 */
#ifndef SERVE_REASONING_H
#define SERVE_REASONING_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/str.h"

struct reasoning_format {
    const char *name;           /* as vLLM's --reasoning-parser */
    const char *start, *end;
    bool begun;                 /* the chat template has written the start already */
};
const struct reasoning_format *reasoning_format_named(const char *name);        /* NULL: unknown */
const char *reasoning_format_names(void);

struct reasoning_reader;
struct reasoning_reader *reasoning_reader_new(const struct reasoning_format *f);
void reasoning_reader_free(struct reasoning_reader *r); /* NULL is fine */
DEFINE_AUTO_FREE(reasoning_reader)

/* Takes text, and the end of it. Appends what became certain. What it gives together does not depend on how the text was cut. */
void reasoning_reader_add(struct reasoning_reader *r, struct str text, bool end, struct buf *thoughts, struct buf *answer);

#endif
