/* Sixteen lanes, products of bytes summed in 32 bits and of pairs of bf16; compiled with -mavx512bf16 on top of what vec_avx512vnni.c has. */
#define VEC_LANES 16
#define VEC_NAME "avx512bf16"
#define VEC_OPS vec_avx512bf16
#include "tensor/vec_impl.h"

static bool supported(void) { return vec_avx512vnni.supported() && __builtin_cpu_supports("avx512bf16"); }
