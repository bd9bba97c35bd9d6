/* training_config.yaml: any bytes give a configuration or one line of error, and everything is freed. */
#include <stdint.h>

#include "tune/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tune_config c;
    struct err e = { 0 };
    errc rc = tune_config_parse(str_n((const char *)data, size), "fuzz", &c, &e);

    if (rc != ERR_OK && (!e.text[0] || strchr(e.text, '\n')))
        abort();
    tune_config_done(&c);
    return 0;
}
