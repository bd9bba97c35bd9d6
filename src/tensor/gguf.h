/*
 * GGUF files, version 2 and 3, little-endian: metadata and tensors, read by memory map.
 * Everything is checked before anything is handed out: counts and lengths against the bytes that are there, types, names once,
 * shapes against the format's blocks, offsets against alignment, the file's end and each other. Errors name the file and the
 * key or tensor: CORRUPT, UNSUPPORTED (version, byte order, block format), NOT_FOUND. Source: github.com/ggml-org/ggml, docs/gguf.md.
 *
 * A file is immutable after opening: any thread may read it. Views die with gguf_free.
 */
#ifndef TENSOR_GGUF_H
#define TENSOR_GGUF_H

#include "tensor/blocks.h"

struct gguf;

errc gguf_open(const char *path, struct gguf **out, struct err *e);
/* Bytes in memory that outlive the result; `name` is used in messages. For the fuzz target and tests. */
errc gguf_parse(const char *name, struct str bytes, struct gguf **out, struct err *e);
void gguf_free(struct gguf *g);
DEFINE_AUTO_FREE(gguf)
const char *gguf_path(const struct gguf *g);            /* as it was opened */
/* Whether the file begins as a GGUF file does; false when it cannot be read. */
bool gguf_is(const char *path);
/*
 * The GGUF file that a model's path means: the file itself, or the only one in a folder without safetensors. *out is yours;
 * NULL when there is none. ERR_INVALID when a folder holds several.
 */
errc gguf_locate(const char *path, char **out, struct err *e);

/* ── metadata ── */

enum gguf_type {                /* numbers of the format */
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64,
    GGUF_TYPE_COUNT_
};
const char *gguf_type_name(enum gguf_type t);           /* "uint32", for messages */

/* A value within the file. An array's items are read in order with gguf_next. */
struct gguf_value {
    enum gguf_type type;
    enum gguf_type of;          /* GGUF_ARRAY: type of its items */
    size_t n;                   /* GGUF_ARRAY: items; GGUF_STRING: bytes */
    const uint8_t *p;           /* first byte of the content (of the items, of the text) */
};

const struct gguf_value *gguf_find(const struct gguf *g, const char *key);      /* NULL when absent */
size_t gguf_key_count(const struct gguf *g);
const char *gguf_key(const struct gguf *g, size_t i);   /* in file order, i < gguf_key_count */
const struct gguf_value *gguf_value_at(const struct gguf *g, size_t i);

/* Conversions; false when the value is of another kind. Whole numbers must fit. */
bool gguf_as_int(const struct gguf_value *v, int64_t *out);
bool gguf_as_real(const struct gguf_value *v, double *out);     /* whole numbers, too */
bool gguf_as_bool(const struct gguf_value *v, bool *out);
bool gguf_as_str(const struct gguf_value *v, struct str *out);

/* for (struct gguf_items it = gguf_items(array); gguf_next(&it, &item);) */
struct gguf_items { struct gguf_value array; size_t left; const uint8_t *at; };
struct gguf_items gguf_items(const struct gguf_value *array);   /* of anything but an array: none */
bool gguf_next(struct gguf_items *it, struct gguf_value *out);

/*
 * By key. An absent key leaves *out alone and is no error; a value of another kind or outside [min, max] is, and the
 * message names file, key, expected and found.
 */
errc gguf_int(const struct gguf *g, const char *key, int64_t min, int64_t max, int64_t *out, struct err *e);
errc gguf_real(const struct gguf *g, const char *key, double *out, struct err *e);
errc gguf_flag(const struct gguf *g, const char *key, bool *out, struct err *e);
errc gguf_text(const struct gguf *g, const char *key, struct str *out, struct err *e);
/* An array of that kind of item; *out NULL when absent. */
errc gguf_list(const struct gguf *g, const char *key, enum gguf_type of, const struct gguf_value **out, struct err *e);

/* ── tensors ── */

enum { GGUF_DIMS_MAX = 4 };

struct gguf_tensor {
    char *name;
    const struct block_format *format;
    size_t ndim, shape[GGUF_DIMS_MAX];          /* row-major as everywhere here: the file's order reversed */
    size_t len, bytes;          /* elements; bytes of data, whole blocks */
    const uint8_t *data;
};

const struct gguf_tensor *gguf_tensor(const struct gguf *g, const char *name);          /* NULL when absent */
size_t gguf_tensor_count(const struct gguf *g);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i);               /* in file order */

#endif
