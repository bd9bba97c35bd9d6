/* Sixteen lanes and products of bytes summed in 32 bits; compiled with -mavx512vnni on top of what vec_avx512.c has. */
#define VEC_LANES 16
#define VEC_NAME "avx512vnni"
#define VEC_OPS vec_avx512vnni
#include "tensor/vec_impl.h"

static bool supported(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
