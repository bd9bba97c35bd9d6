/* Image manifests and indexes, from any registry: what is accepted has digests that are safe as file names. */
#include <stdlib.h>

#include "oci/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_OCI_MANIFEST m = { 0 };
    struct err e;

    if (oci_manifest_parse(str_n((const char *)data, size), &m, &e))
        return 0;
    for (size_t i = 0; i < m.n_layers; i++)
        if (!digest_is_valid(str_of(m.layers[i].digest)))
            abort();
    return 0;
}
