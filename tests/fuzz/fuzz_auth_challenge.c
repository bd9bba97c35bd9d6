/* WWW-Authenticate headers, from any registry. */
#include <stdlib.h>

#include "oci/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_AUTH_CHALLENGE c = { 0 };

    if (auth_challenge_parse(str_n((const char *)data, size), &c) != (c.scheme != AUTH_NONE))
        abort();
    return 0;
}
