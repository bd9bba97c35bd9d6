/* A Workspace that anybody may write: any JSON is refused, or validated and rendered, without a crash. */
#include "workspace/rehearse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON in = NULL;
    AUTO_JSON answer = NULL;
    AUTO_JSON objects = NULL;
    struct err e;

    if (size > (64u << 10) || json_parse(str_n((const char *)data, size), &in, &e) || !json_is_object(json_object_get(in, "object")))
        return 0;
    if (workspace_check(in, &answer, &e) == ERR_OK)
        (void)!workspace_render(in, &objects, &e);
    return 0;
}
