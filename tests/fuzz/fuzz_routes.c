/* The body of any route that takes one (the first byte says which), through the whole server: it answers, or refuses with a reason. */
#include "fuzz_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {
        "/chat", "/tokenize", "/detokenize", "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/v1/chat/completions", "/v1/completions",
        "/v1/embeddings",
    };

    if (size)
        fuzz_post(fuzz_http(FUZZ_MODEL), paths[data[0] % ARRAY_LEN(paths)], str_n((const char *)data + 1, size - 1));
    return 0;
}
