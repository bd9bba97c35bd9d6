/*
 * Machine types and their accelerators, by cloud. Lookup ignores case. Pure data.
 * Source: upstream v0.12's SKU tables (dossier, Workspace, 8.1), and the NVIDIA V100 machines that upstream's own examples name
 * but its table lacks (Azure's published sizes): with them the samples of 2024 run.
 */
#ifndef CATALOG_SKUS_H
#define CATALOG_SKUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct sku {
    const char *cloud;          /* azure, aws, arc */
    const char *name;
    int gpus;
    int gpu_mem_gib;            /* of the whole machine */
    const char *gpu_model;
    bool nvme;
    double compute_capability;  /* 0: none recorded */
    bool legacy;                /* not in upstream's table: admitted there by its prefix only */
};

const struct sku *sku_find(const char *cloud, struct str name);         /* NULL: not in the table */
size_t sku_count(void);                 /* of all clouds */
const struct sku *sku_at(size_t i);
/* Admitted although unknown: Azure's Standard_N* and Standard_D* (any case). */
bool sku_admitted_by_prefix(const char *cloud, struct str name);
/* Upstream's own rows of a cloud, sorted, joined with a space. */
void sku_names(const char *cloud, struct buf *out);

#endif
