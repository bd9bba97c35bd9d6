/* Sixteen lanes; compiled with -mavx512f -mavx512bw -mavx512dq -mavx512vl. */
#define VEC_LANES 16
#define VEC_NAME "avx512"
#define VEC_OPS vec_avx512
#include "tensor/vec_impl.h"

static bool supported(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
