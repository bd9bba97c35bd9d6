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

/* The error of a model that does not fit into one slice of a GPU; always ERR_INVALID. */
errc estimate_mig_error(const struct preset *p, struct gpu_config slice, int64_t context, const char *profile, struct err *e);

#endif
