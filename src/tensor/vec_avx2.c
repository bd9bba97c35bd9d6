/* Eight lanes; compiled with -mavx2 -mfma -mf16c. */
#define VEC_LANES 8
#define VEC_NAME "avx2"
#define VEC_OPS vec_avx2
#include <cpuid.h>

#include "tensor/vec_impl.h"

/* clang 14 does not know f16c by name. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}

static bool supported(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c(); }
