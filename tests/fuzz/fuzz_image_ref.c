/* Image references: accepted ones are stable, parsing their own text gives the same text. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "oci/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_MEM char *text = xstrndup((const char *)data, size);
    AUTO_IMAGE_REF r = { 0 }, again = { 0 };

    if (image_ref_parse(text, &r, NULL))
        return 0;
    AUTO_MEM char *full = image_ref_text(&r);
    if (image_ref_parse(full, &again, NULL))
        abort();
    AUTO_MEM char *full_again = image_ref_text(&again);
    if (!streq(full, full_again))
        abort();
    return 0;
}
