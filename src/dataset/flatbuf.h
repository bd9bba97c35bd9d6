/*
 * Looks into a FlatBuffers document without a schema: tables by field number, vectors, strings. Every look is checked against the end
 * of the bytes; what is absent or damaged gives the default. Source: FlatBuffers' binary format, "Internals".
 */
#ifndef DATASET_FLATBUF_H
#define DATASET_FLATBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct fb_table { const uint8_t *base; size_t n, at; };        /* at 0: no table */
struct fb_vector { const uint8_t *p; size_t n, stride; struct fb_table of; };   /* of: the document; its at is the first element's place */

struct fb_table fb_root(const uint8_t *p, size_t n);
bool fb_has(struct fb_table t);
int64_t fb_int(struct fb_table t, unsigned field, size_t width, int64_t fallback);      /* width 1, 2, 4, 8; sign-extended */
struct fb_table fb_sub(struct fb_table t, unsigned field);
struct str fb_str(struct fb_table t, unsigned field);                                   /* {NULL,0} when absent */
struct fb_vector fb_vec(struct fb_table t, unsigned field, size_t stride);              /* n 0 when absent or beyond the end */
struct fb_table fb_vec_table(struct fb_vector v, size_t i);                             /* of a vector of tables, stride 4 */
int64_t fb_load(const uint8_t *p, size_t width);                                        /* little-endian, sign-extended */

#endif
