/*
 * Safetensors files: reading by memory map, writing atomically.
 * Reading validates everything before a tensor is handed out: header size, JSON, names once, dtype, shape product
 * against offsets, offsets without gap or overlap, file length. Errors name the file and the tensor.
 * Source: github.com/huggingface/safetensors, README "Format".
 *
 * A set is immutable after opening: any thread may read it. Views die with safetensors_free.
 */
#ifndef TENSOR_SAFETENSORS_H
#define TENSOR_SAFETENSORS_H

#include "tensor/tensor.h"

#define SAFETENSORS_HEADER_MAX 100000000u       /* the reference reader's limit */

struct safetensors;     /* one file, or all the shards of an index: one name space */

/* One file. */
errc safetensors_open(const char *path, struct safetensors **out, struct err *e);
/*
 * A model folder: model.safetensors, else every shard that model.safetensors.index.json names (each tensor must be in
 * the shard the index says). ERR_NOT_FOUND when it has neither.
 */
errc safetensors_open_dir(const char *dir, struct safetensors **out, struct err *e);
/* Bytes in memory that outlive the set; `name` is used in messages. For the fuzz target and tests. */
errc safetensors_parse(const char *name, struct str bytes, struct safetensors **out, struct err *e);
void safetensors_free(struct safetensors *s);
DEFINE_AUTO_FREE(safetensors)

/* NULL when absent. The view is lent. */
const struct tensor *safetensors_get(const struct safetensors *s, const char *name);
/* As above, or ERR_NOT_FOUND naming the tensor and the file. */
errc safetensors_need(const struct safetensors *s, const char *name, const struct tensor **out, struct err *e);
/* The value of a key of __metadata__; NULL when absent. */
const char *safetensors_meta(const struct safetensors *s, const char *key);

/* In file order (a set of shards: shard by shard): name(i), tensor(i) for i < count. */
size_t safetensors_count(const struct safetensors *s);
const char *safetensors_name(const struct safetensors *s, size_t i);
const struct tensor *safetensors_at(const struct safetensors *s, size_t i);
size_t safetensors_bytes(const struct safetensors *s);          /* of all tensors */
const char *safetensors_path(const struct safetensors *s);      /* as opened, for messages */
/* The file of that tensor, which for shards is not the path that was opened; that path when there is no such tensor. */
const char *safetensors_file(const struct safetensors *s, const char *name);

/* ── writing ── */

struct safetensors_item {
    const char *name;
    struct tensor tensor;
};

/*
 * Writes path atomically with __metadata__ {"format": "pt"}, tensors ordered as the reference writer does (alignment of
 * the dtype falling, then name), header padded with spaces to a multiple of 8. Names must differ.
 */
errc safetensors_write(const char *path, const struct safetensors_item *items, size_t n, struct err *e);

#endif
