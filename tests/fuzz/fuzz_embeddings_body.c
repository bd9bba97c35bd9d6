/* The body of /v1/embeddings, to a server of a sentence encoder: vectors, or a refusal with a reason. */
#include "fuzz_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_post(fuzz_http(FUZZ_ENCODER), "/v1/embeddings", str_n((const char *)data, size));
    return 0;
}
