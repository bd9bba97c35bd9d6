/*
 * How many nodes a preset needs on a machine type. Pure arithmetic in double, as upstream computes it (dossier 8.4):
 *   model = W * 1.02, avail = M * 0.84, reserve = 2.3 GiB + C * b / G, perGPU = (avail - reserve) / 1.05,
 *   minGPUs = floor(model / perGPU) + 1, nodes = ceil(minGPUs / G).
 */
#ifndef CATALOG_ESTIMATE_H
#define CATALOG_ESTIMATE_H

#include "base/err.h"
#include "catalog/presets.h"
#include "catalog/skus.h"

#define ESTIMATE_DEFAULT_CONTEXT 2048

struct gpu_config { int gpus; int64_t mem_bytes; };     /* of one node */

/* ERR_INVALID with upstream's text when one GPU cannot even hold the reserve. */
errc estimate_nodes(const struct preset *p, struct gpu_config gpu, int64_t context, int64_t *out_nodes, struct err *e);

/* The smallest memory of a single GPU on which one node is enough; whole bytes. */
int64_t estimate_least_gpu_bytes(const struct preset *p, int64_t context);

/* Small models are copied to every GPU of a node, large ones cut over them. */
bool model_is_copied(const struct preset *p, struct gpu_config gpu, int64_t nodes);

/* Where the memory of one GPU goes when `nodes` machines serve the model, in bytes; what the estimate assumes, not a measurement. */
struct memory_parts {
    double total, left_out;             /* of the GPU; what vLLM never takes (16%) */
    double base;                        /* CUDA, vLLM itself */
    double weights, activations;        /* this GPU's share */
    double cache;                       /* what is left for keys and values; below 0: does not fit */
    int64_t cache_tokens;               /* that this holds, over all GPUs; -1: the model's cache is not known */
};
void estimate_memory(const struct preset *p, struct gpu_config gpu, int64_t nodes, struct memory_parts *out);

/* The error of a model that does not fit into one slice of a GPU; always ERR_INVALID. */
errc estimate_mig_error(const struct preset *p, struct gpu_config slice, int64_t context, const char *profile, struct err *e);

#endif
