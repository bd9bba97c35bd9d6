#include "catalog/presets.h"

#include <ctype.h>

#define PHI3 "Phi3ForCausalLM"
#define KV_MINI   393216       /* 2 * 32 heads * 96 * 32 layers * 2 bytes */
#define KV_MEDIUM 204800       /* 2 * 10 heads * 128 * 40 layers * 2 bytes */

static const struct preset presets[] = {
    { "phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct", "d269012bea6fbe38ce7752c8940fea010eea3383",
      "0.2.0", PHI3, 7.12, 87, KV_MINI, 4096, true, true },
    { "phi-3-mini-128k-instruct", "microsoft/Phi-3-mini-128k-instruct", "d548c233192db00165d842bf8edff054bb3212f8",
      "0.2.0", PHI3, 7.12, 87, KV_MINI, 131072, true, true },
    { "phi-3-medium-4k-instruct", "microsoft/Phi-3-medium-4k-instruct", "d194e4e74ffad5a5e193e26af25bcfc80c7f1ffc",
      "0.2.0", PHI3, 26.00, 106, KV_MEDIUM, 4096, true, true },
    { "phi-3-medium-128k-instruct", "microsoft/Phi-3-medium-128k-instruct", "cae1d42b5577398fd1be9f0746052562ae552886",
      "0.2.0", PHI3, 26.00, 106, KV_MEDIUM, 131072, true, true },
    { "phi-3.5-mini-instruct", "microsoft/Phi-3.5-mini-instruct", "3145e03a9fd4cdd7cd953c34d9bbf7ad606122ca",
      "0.2.0", PHI3, 7.12, 87, KV_MINI, 131072, true, true },
};

size_t preset_count(void)
{
    return ARRAY_LEN(presets);
}

const struct preset *preset_at(size_t i)
{
    return &presets[i];
}

const struct preset *preset_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(presets); i++)
        if (str_ieq(name, str_of(presets[i].name)) || str_ieq(name, str_of(presets[i].repo)))
            return &presets[i];
    return NULL;
}

enum preset_validity preset_check(struct str name)
{
    struct str owner, rest;

    if (preset_find(name))
        return PRESET_VALID;
    if (str_cut(name, '/', &owner, &rest) && owner.n > 0 && rest.n > 0)
        return PRESET_VALID;
    return str_ieq(name, STR("phi-2")) ? PRESET_DEPRECATED : PRESET_UNKNOWN;
}

void preset_names(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(presets); i++)
        buf_addf(out, "%s%s", i ? ", " : "", presets[i].name);
}
