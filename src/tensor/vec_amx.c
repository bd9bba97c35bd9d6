/* As vec_avx512bf16.c, and tiles of bf16; compiled with -mamx-tile -mamx-bf16 on top of that. */
#define VEC_LANES 16
#define VEC_NAME "amx"
#define VEC_OPS vec_amx
#include "tensor/vec_impl.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023      /* asm/prctl.h of Linux 5.16 */
#define XFEATURE_XTILEDATA  18

/* The kernel gives a process the tiles' registers only on request. */
static bool kernel_grants_tiles(void) { return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0; }

/* Leaf 7; clang 14's __builtin_cpu_supports does not know these names. */
static bool cpu_has_tiles(void)
{
    const unsigned wanted = 1u << 22 | 1u << 24;        /* AMX-BF16, AMX-TILE */
    unsigned a, b, c, d = 0;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & wanted) == wanted;
}

static bool supported(void) { return vec_avx512bf16.supported() && cpu_has_tiles() && kernel_grants_tiles(); }
