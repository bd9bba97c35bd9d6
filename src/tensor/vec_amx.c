/* As vec_avx512bf16.c, and tiles of bf16; compiled with -mamx-tile -mamx-bf16 on top of that. */
#define VEC_LANES 16
#define VEC_NAME "amx"
#define VEC_OPS vec_amx
#include "tensor/vec_impl.h"

#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023      /* asm/prctl.h of Linux 5.16 */
#define XFEATURE_XTILEDATA  18

/* The kernel gives a process the tiles' registers only on request. */
static bool kernel_grants_tiles(void) { return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0; }

static bool supported(void)
{
    return vec_avx512bf16.supported() && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") && kernel_grants_tiles();
}
