/* docker config.json files, from any secret. */
#include "oci/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_OCI_CREDENTIALS c = { 0 };
    struct err e;

    (void)docker_config_find(str_n((const char *)data, size), "r.io", "a/b", &c, &e);     /* any outcome is fine */
    return 0;
}
