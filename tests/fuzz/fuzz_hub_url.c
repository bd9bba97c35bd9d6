/* Data URLs, from any manifest: an accepted file name stays in its folder. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "hub/hub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_MEM char *url = xstrndup((const char *)data, size), *name = NULL;
    struct err e;
    bool below;

    AUTO_MEM char *target = hub_url_rewrite(url, "http://mirror/hf", &below);
    (void)hub_url_check(target, &e);        /* any outcome is fine */
    if (!hub_url_file_name(target, &name, &e) && (!*name || name[0] == '.' || strchr(name, '/')))
        abort();
    return 0;
}
