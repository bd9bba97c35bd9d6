/* How families write calls. A further format that is JSON between markers is one more row. */
#include "base/mem.h"
#include "serve/tools.h"

static const char *const hermes_hints[] = { "<tool_call>", NULL };
static const char *const llama_hints[] = { "<|python_tag|>", "Environment: ipython", NULL };
static const char *const mistral_hints[] = { "[TOOL_CALLS]", NULL };
static const char *const phi_hints[] = { "functools", "<|tool_call|>", "<|tool|>", NULL };

static const struct tool_format formats[] = {
    { "hermes", { "<tool_call>" }, "</tool_call>", hermes_hints },
    { "mistral", { "[TOOL_CALLS]" }, NULL, mistral_hints, .named = true, .special = true, .short_ids = true },
    { "phi4_mini_json", { "functools", "<|tool_call|>" }, "<|/tool_call|>", phi_hints, .special = true },
    { "llama3_json", { "<|python_tag|>" }, NULL, llama_hints, .bare = true, .special = true },
    { "llama4_json", { "<|python_tag|>" }, NULL, NULL, .bare = true, .special = true },
};

const struct tool_format *tool_format_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (streq(formats[i].name, name))
            return &formats[i];
    return NULL;
}

const struct tool_format *tool_format_of_template(const char *source)
{
    for (size_t i = 0; source && i < ARRAY_LEN(formats); i++)
        for (const char *const *hint = formats[i].hints; hint && *hint; hint++)
            if (strstr(source, *hint))
                return &formats[i];
    return NULL;
}

const char *tool_format_names(void) { return "hermes, llama3_json, llama4_json, mistral, phi4_mini_json"; }
