#include "catalog/estimate.h"

#include <math.h>

#define GIB 1073741824.0
#define BASE_BYTES (2.3 * GIB)
#define TAKEN 0.84                      /* vLLM's gpu-memory-utilization */
#define WEIGHTS_MORE 1.02               /* than the files */
#define ACTIVATIONS 1.05

errc estimate_nodes(const struct preset *p, struct gpu_config gpu, int64_t context, int64_t *out_nodes, struct err *e)
{
    double per_gpu_mem = (double)(gpu.mem_bytes / gpu.gpus);
    double kv = (double)(context > 0 ? context : ESTIMATE_DEFAULT_CONTEXT) * (double)p->kv_bytes_per_token / gpu.gpus;
    double reserve = BASE_BYTES + kv;
    double avail = per_gpu_mem * TAKEN;

    if (avail <= reserve)
        return err_set(e, ERR_INVALID, "GPU memory %.0f bytes is too small, needs at least %.1f GB overhead (base: 2.3GB + KV Cache: %.1f GB)",
                       per_gpu_mem, reserve / GIB, kv / GIB);
    double min_gpus = floor(p->weights_gib * GIB * WEIGHTS_MORE / ((avail - reserve) / ACTIVATIONS)) + 1;
    double nodes = ceil(min_gpus / gpu.gpus);

    *out_nodes = nodes < 1 ? 1 : (int64_t)nodes;
    return ERR_OK;
}

int64_t estimate_least_gpu_bytes(const struct preset *p, int64_t context)
{
    double kv = (double)(context > 0 ? context : ESTIMATE_DEFAULT_CONTEXT) * (double)p->kv_bytes_per_token;

    return (int64_t)((p->weights_gib * GIB * WEIGHTS_MORE * ACTIVATIONS + BASE_BYTES + kv) / TAKEN) + 1;
}

bool model_is_copied(const struct preset *p, struct gpu_config gpu, int64_t nodes)
{
    return nodes == 1 && gpu.gpus > 1 && p->weights_gib * gpu.gpus * 2 < (double)(gpu.mem_bytes >> 30);
}

void estimate_memory(const struct preset *p, struct gpu_config gpu, int64_t nodes, struct memory_parts *out)
{
    int64_t parts = model_is_copied(p, gpu, nodes) ? 1 : gpu.gpus * nodes;

    *out = (struct memory_parts){ .total = (double)(gpu.mem_bytes / gpu.gpus), .base = BASE_BYTES, .cache_tokens = -1 };
    out->left_out = out->total * (1 - TAKEN);
    out->weights = p->weights_gib * GIB * WEIGHTS_MORE / (double)parts;
    out->activations = out->weights * (ACTIVATIONS - 1);
    out->cache = out->total * TAKEN - out->base - out->weights - out->activations;
    if (p->kv_bytes_per_token > 0)
        out->cache_tokens = out->cache <= 0 ? 0 : (int64_t)(out->cache * (double)parts / (double)p->kv_bytes_per_token);
}

errc estimate_mig_error(const struct preset *p, struct gpu_config slice, int64_t context, const char *profile, struct err *e)
{
    double weights = p->weights_gib * WEIGHTS_MORE, mem = (double)slice.mem_bytes / GIB;
    double kv = (double)(context > 0 ? context : ESTIMATE_DEFAULT_CONTEXT) * (double)p->kv_bytes_per_token / slice.gpus / GIB;
    double overhead = 2.3 + kv + 0.05 * weights;

    return err_set(e, ERR_INVALID, "model needs %.1fGB (weights %.1fGB + overhead %.1fGB) but MIG profile %s only provides %.0fGB "
                                   "(%.1fGB available after vLLM gpu-memory-utilization)", weights + overhead, weights, overhead, profile, mem, mem * 0.84);
}
