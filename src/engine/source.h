/*
 * Where a model's tensors come from: safetensors, or a GGUF file whose names and layouts are translated. The loader asks by the
 * Hugging Face name and gets a view. A source remembers what was asked for, so that a checkpoint with tensors nobody wants is
 * refused instead of half used. One thread at a time uses a source; views live as long as it does.
 */
#ifndef ENGINE_SOURCE_H
#define ENGINE_SOURCE_H

#include "tensor/blocks.h"
#include "tensor/safetensors.h"

struct source;
struct gguf;

struct source_tensor {
    struct tensor t;                        /* of a plain format; with blocks, only shape and data mean something */
    const struct block_format *blocks;      /* NULL: plain */
};

/* A folder with safetensors; a GGUF file, or a folder with one. */
errc source_open(const char *path, struct source **out, struct err *e);
void source_free(struct source *s);
DEFINE_AUTO_FREE(source)

const char *source_file(const struct source *s, const char *name);      /* the same of one tensor: its shard */
/* NULL when the tensors are not in safetensors files. */
const struct safetensors *source_safetensors(const struct source *s);
const struct gguf *source_gguf(const struct source *s);     /* NULL when they are */

/* ERR_NOT_FOUND names the tensor and the file. */
errc source_need(struct source *s, const char *name, struct source_tensor *out, struct err *e);
/* Notes that `name` is accounted for, whether it is there or not. */
void source_use(struct source *s, const char *name);
/* A tensor nobody asked for, as the file names it; NULL when there is none. */
const char *source_unused(const struct source *s);

#endif
