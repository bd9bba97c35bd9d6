/* Digests and text encodings of bytes. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define SHA256_SIZE 32
#define SHA256_HEX  65                                          /* with the NUL */

void sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE]);
void sha256_hex(const void *p, size_t n, char out[SHA256_HEX]);         /* lower case */

struct sha256_stream;                                           /* for data that comes in pieces */
struct sha256_stream *sha256_stream_new(void);
void sha256_stream_add(struct sha256_stream *s, const void *p, size_t n);
void sha256_stream_hex(struct sha256_stream *s, char out[SHA256_HEX]);  /* may be asked midway */
void sha256_stream_free(struct sha256_stream *s);
DEFINE_AUTO_FREE(sha256_stream)
/* Reads it in pieces; *out_size (may be NULL) is how many bytes were read. NOT_FOUND, IO. */
errc sha256_file(const char *path, char out[SHA256_HEX], uint64_t *out_size, struct err *e);

uint32_t fnv1a_32(const void *p, size_t n);                     /* for tables and names, never against an adversary */

void hex_add(struct buf *out, const void *p, size_t n);         /* lower case */
void base64_add(struct buf *out, const void *p, size_t n);      /* standard alphabet, padded */
void base64url_add(struct buf *out, const void *p, size_t n);   /* URL alphabet, no padding */
bool base64_decode(struct str in, struct buf *out);             /* either alphabet, padding optional, white space refused */

#endif
