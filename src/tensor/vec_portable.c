/* Four lanes: what every machine has (SSE2, NEON, or plain code). */
#define VEC_LANES 4
#define VEC_NAME "portable"
#define VEC_OPS vec_portable
#include "tensor/vec_impl.h"

static bool supported(void) { return true; }
