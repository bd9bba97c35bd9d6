#include "catalog/skus.h"

#include <stdlib.h>

static const struct sku skus[] = {
    { "azure", "Standard_NV36ads_A10_v5", 1, 24, "NVIDIA A10", false, 8.6, false },
    { "azure", "Standard_NV72ads_A10_v5", 2, 48, "NVIDIA A10", false, 8.6, false },
    { "azure", "Standard_NC24ads_A100_v4", 1, 80, "NVIDIA A100", true, 8.0, false },
    { "azure", "Standard_NC48ads_A100_v4", 2, 160, "NVIDIA A100", true, 8.0, false },
    { "azure", "Standard_NC96ads_A100_v4", 4, 320, "NVIDIA A100", true, 8.0, false },
    { "azure", "Standard_ND96asr_A100_v4", 8, 320, "NVIDIA A100", false, 8.0, false },
    { "azure", "Standard_ND96amsr_A100_v4", 8, 640, "NVIDIA A100", true, 8.0, false },
    { "azure", "Standard_NC40ads_H100_v5", 1, 94, "NVIDIA H100", true, 9.0, false },
    { "azure", "Standard_NC80adis_H100_v5", 2, 188, "NVIDIA H100", true, 9.0, false },
    { "azure", "Standard_ND96isr_H100_v5", 8, 640, "NVIDIA H100", true, 9.0, false },
    { "azure", "Standard_NCC40ads_H100_v5", 1, 94, "NVIDIA H100", false, 9.0, false },
    { "azure", "Standard_ND96isr_H200_v5", 8, 1128, "NVIDIA H200", true, 9.0, false },
    { "azure", "Standard_NG32ads_V620_v1", 1, 32, "AMD Radeon PRO V620", false, 0, false },
    { "azure", "Standard_NG32adms_V620_v1", 1, 32, "AMD Radeon PRO V620", false, 0, false },
    { "azure", "Standard_NC6s_v3", 1, 16, "NVIDIA V100", false, 7.0, true },
    { "azure", "Standard_NC12s_v3", 2, 32, "NVIDIA V100", false, 7.0, true },
    { "azure", "Standard_NC24s_v3", 4, 64, "NVIDIA V100", false, 7.0, true },
    { "azure", "Standard_NC24rs_v3", 4, 64, "NVIDIA V100", false, 7.0, true },
    { "aws", "p4d.24xlarge", 8, 320, "NVIDIA A100", true, 8.0, false },
    { "aws", "p4de.24xlarge", 8, 640, "NVIDIA A100", true, 8.0, false },
    { "aws", "p5.48xlarge", 8, 640, "NVIDIA H100", true, 9.0, false },
    { "aws", "p5e.48xlarge", 8, 1128, "NVIDIA H200", true, 9.0, false },
    { "aws", "p5en.48xlarge", 8, 1128, "NVIDIA H200", true, 9.0, false },
    { "aws", "g6.xlarge", 1, 24, "NVIDIA L4", true, 8.9, false },
    { "aws", "g6.2xlarge", 1, 24, "NVIDIA L4", true, 8.9, false },
    { "aws", "g6.4xlarge", 1, 24, "NVIDIA L4", true, 8.9, false },
    { "aws", "g6.8xlarge", 1, 24, "NVIDIA L4", true, 8.9, false },
    { "aws", "g6.16xlarge", 1, 24, "NVIDIA L4", true, 8.9, false },
    { "aws", "gr6.4xlarge", 1, 24, "NVIDIA L4", true, 8.9, false },
    { "aws", "gr6.8xlarge", 1, 24, "NVIDIA L4", true, 8.9, false },
    { "aws", "g6.12xlarge", 4, 96, "NVIDIA L4", true, 8.9, false },
    { "aws", "g6.24xlarge", 4, 96, "NVIDIA L4", true, 8.9, false },
    { "aws", "g6.48xlarge", 8, 192, "NVIDIA L4", true, 8.9, false },
    { "aws", "g5.xlarge", 1, 24, "NVIDIA A10G", true, 8.6, false },
    { "aws", "g5.2xlarge", 1, 24, "NVIDIA A10G", true, 8.6, false },
    { "aws", "g5.4xlarge", 1, 24, "NVIDIA A10G", true, 8.6, false },
    { "aws", "g5.8xlarge", 1, 24, "NVIDIA A10G", true, 8.6, false },
    { "aws", "g5.16xlarge", 1, 24, "NVIDIA A10G", true, 8.6, false },
    { "aws", "g5.12xlarge", 4, 96, "NVIDIA A10G", true, 8.6, false },
    { "aws", "g5.24xlarge", 4, 96, "NVIDIA A10G", true, 8.6, false },
    { "aws", "g5.48xlarge", 8, 192, "NVIDIA A10G", true, 8.6, false },
    { "aws", "g4ad.xlarge", 1, 8, "AMD Radeon Pro V520", true, 0, false },
    { "aws", "g4ad.2xlarge", 1, 8, "AMD Radeon Pro V520", true, 0, false },
    { "aws", "g4ad.4xlarge", 1, 8, "AMD Radeon Pro V520", true, 0, false },
    { "aws", "g4ad.8xlarge", 2, 16, "AMD Radeon Pro V520", true, 0, false },
    { "aws", "g4ad.16xlarge", 4, 32, "AMD Radeon Pro V520", true, 0, false },
    { "aws", "trn1.2xlarge", 1, 32, "AWS Trainium accelerators", true, 0, false },
    { "aws", "trn1.32xlarge", 16, 512, "AWS Trainium accelerators", true, 0, false },
    { "aws", "trn1n.32xlarge", 16, 512, "AWS Trainium accelerators", true, 0, false },
    { "aws", "inf2.xlarge", 1, 32, "AWS Inferentia2 accelerators", false, 0, false },
    { "aws", "inf2.8xlarge", 1, 32, "AWS Inferentia2 accelerators", false, 0, false },
    { "aws", "inf2.24xlarge", 6, 192, "AWS Inferentia2 accelerators", false, 0, false },
    { "aws", "inf2.48xlarge", 12, 384, "AWS Inferentia2 accelerators", false, 0, false },
    { "arc", "Standard_NC4_A2", 1, 16, "NVIDIA A2", false, 8.6, false },
    { "arc", "Standard_NC8_A2", 1, 16, "NVIDIA A2", false, 8.6, false },
    { "arc", "Standard_NC16_A2", 2, 32, "NVIDIA A2", false, 8.6, false },
    { "arc", "Standard_NC32_A2", 2, 32, "NVIDIA A2", false, 8.6, false },
    { "arc", "Standard_NC4_A16", 1, 16, "NVIDIA A16", false, 8.6, false },
    { "arc", "Standard_NC8_A16", 1, 16, "NVIDIA A16", false, 8.6, false },
    { "arc", "Standard_NC16_A16", 2, 32, "NVIDIA A16", false, 8.6, false },
    { "arc", "Standard_NC32_A16", 2, 32, "NVIDIA A16", false, 8.6, false },
};

const struct sku *sku_find(const char *cloud, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(skus); i++)
        if (streq(skus[i].cloud, cloud) && str_ieq(name, str_of(skus[i].name)))
            return &skus[i];
    return NULL;
}

size_t sku_count(void)
{
    return ARRAY_LEN(skus);
}

const struct sku *sku_at(size_t i)
{
    return &skus[i];
}

bool sku_admitted_by_prefix(const char *cloud, struct str name)
{
    struct str head = str_n(name.p, name.n < 10 ? name.n : 10);

    return streq(cloud, "azure") && (str_ieq(head, STR("Standard_N")) || str_ieq(head, STR("Standard_D")));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void sku_names(const char *cloud, struct buf *out)
{
    const char *names[ARRAY_LEN(skus)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(skus); i++)
        if (streq(skus[i].cloud, cloud) && !skus[i].legacy)
            names[n++] = skus[i].name;
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%s%s", i ? " " : "", names[i]);
}
