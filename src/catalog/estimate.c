#include "catalog/estimate.h"

#include <math.h>

#define GIB 1073741824.0

errc estimate_nodes(const struct preset *p, struct gpu_config gpu, int64_t context, int64_t *out_nodes, struct err *e)
{
    double per_gpu_mem = (double)(gpu.mem_bytes / gpu.gpus);
    double kv = (double)(context > 0 ? context : ESTIMATE_DEFAULT_CONTEXT) * (double)p->kv_bytes_per_token / gpu.gpus;
    double reserve = 2.3 * GIB + kv;
    double avail = per_gpu_mem * 0.84;

    if (avail <= reserve)
        return err_set(e, ERR_INVALID, "GPU memory %.0f bytes is too small, needs at least %.1f GB overhead (base: 2.3GB + KV Cache: %.1f GB)",
                       per_gpu_mem, reserve / GIB, kv / GIB);
    double min_gpus = floor(p->weights_gib * GIB * 1.02 / ((avail - reserve) / 1.05)) + 1;
    double nodes = ceil(min_gpus / gpu.gpus);

    *out_nodes = nodes < 1 ? 1 : (int64_t)nodes;
    return ERR_OK;
}

errc estimate_mig_error(const struct preset *p, struct gpu_config slice, int64_t context, const char *profile, struct err *e)
{
    double weights = p->weights_gib * 1.02, mem = (double)slice.mem_bytes / GIB;
    double kv = (double)(context > 0 ? context : ESTIMATE_DEFAULT_CONTEXT) * (double)p->kv_bytes_per_token / slice.gpus / GIB;
    double overhead = 2.3 + kv + 0.05 * weights;

    return err_set(e, ERR_INVALID, "model needs %.1fGB (weights %.1fGB + overhead %.1fGB) but MIG profile %s only provides %.0fGB "
                                   "(%.1fGB available after vLLM gpu-memory-utilization)", weights + overhead, weights, overhead, profile, mem, mem * 0.84);
}
