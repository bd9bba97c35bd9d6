/* Eight lanes; compiled with -mavx2 -mfma. */
#define VEC_LANES 8
#define VEC_NAME "avx2"
#define VEC_OPS vec_avx2
#include "tensor/vec_impl.h"

static bool supported(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
