/* An Arrow stream or file is foreign: every row reads or the file is refused. */
#include "base/file.h"
#include "dataset/priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader *r = NULL;
    struct err e;

    if (arrow_reader.open((struct file_map){ data, size }, &r, &e))
        return 0;
    for (int i = 0; i < 5000; i++) {
        AUTO_JSON row = NULL;
        if (arrow_reader.next(r, &row, &e) || !row)
            break;
    }
    arrow_reader.free(r);
    return 0;
}
