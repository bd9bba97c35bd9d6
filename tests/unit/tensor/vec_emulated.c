/*
 * A row of the table of vector kernels with stand-ins for instructions that this CPU may lack: as vec_avx512vnni.c, with EMULATE_BF16 as
 * vec_avx512bf16.c, with EMULATE_AMX as vec_amx.c. Everything around those instructions is what their rows have.
 */
#define VEC_LANES 16
#define VEC_EMULATED
#if defined(EMULATE_AMX)
#define HAS_DOT_PAIRS 1
#define HAS_TILES 1
#define VEC_NAME "emulated-amx"
#define VEC_OPS vec_emulated_amx
#elif defined(EMULATE_BF16)
#define HAS_DOT_PAIRS 1
#define VEC_NAME "emulated-bf16"
#define VEC_OPS vec_emulated_bf16
#else
#define VEC_NAME "emulated-vnni"
#define VEC_OPS vec_emulated_vnni
#endif
#include "tensor/vec_impl.h"

static bool supported(void) { return true; }
