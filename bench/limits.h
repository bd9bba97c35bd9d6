/*
 * What this machine can do at most, probed in the same process right beside a measurement, because neighbours on a shared
 * machine move it within minutes: bytes per second that all threads read from memory, and operations per second of oneDNN's
 * dense product in f32, bf16 and int8 (512 x 8192 x 3072, weights prepacked: a Phi-3 mini's MLP under a prompt of 512).
 */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

#include "tensor/gemm.h"

enum product { PRODUCT_F32, PRODUCT_BF16, PRODUCT_INT8, PRODUCT_COUNT_ };

struct limits;

struct limits *limits_new(struct compute *c);           /* c is lent, for its threads; used by the same thread */
void limits_free(struct limits *l);
DEFINE_AUTO_FREE(limits)

double limits_read(struct limits *l);                   /* bytes per second; median of three */
/* Operations (a multiplication and an addition are two) per second; 0 when oneDNN has no such product on this CPU. */
double limits_product(struct limits *l, enum product kind);
const char *product_name(enum product kind);

#endif
