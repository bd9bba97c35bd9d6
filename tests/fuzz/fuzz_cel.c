/* Rules of definitions: any text is refused or evaluates within its limits. */
#include "schema/cel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON self = json_loads("{\"a\":1,\"b\":[1,2],\"s\":\"x\",\"m\":{\"k\":null}}", 0, NULL);
    AUTO_JSON out = NULL;
    const struct cel *c;
    struct err e;

    if (str_utf8_valid(str_n((const char *)data, size)) && cel_parse(str_n((const char *)data, size), a, &c, &e) == ERR_OK)
        (void)cel_eval(c, self, self, &out, &e);        /* an error is as good as a value */
    return 0;
}
