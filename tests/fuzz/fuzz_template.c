/* A chat template is foreign text: compiling and rendering it ends, within its limits, whatever it says. */
#include "template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE(template) t = NULL;
    AUTO_JSON vars = NULL;
    AUTO_BUF out = { 0 };
    struct err e;

    if (template_compile(str_n((const char *)data, size), "fuzz", &t, &e))
        return 0;
    if (json_parse(STR("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":[1,null,2.5]}],\"bos_token\":\"<s>\","
                       "\"eos_token\":\"</s>\",\"tools\":null,\"add_generation_prompt\":true}"), &vars, &e))
        return 0;
    (void)template_render(t, vars, &(struct template_limits){ .steps = 20000, .output_bytes = 1 << 20, .today = "2026-11-23" }, &out, &e);
    return 0;
}
