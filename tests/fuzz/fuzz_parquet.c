/* A Parquet file is foreign: every row reads or the file is refused. */
#include "base/file.h"
#include "dataset/priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader *r = NULL;
    struct err e;

    if (parquet_reader.open((struct file_map){ data, size }, &r, &e))
        return 0;
    for (int i = 0; i < 5000; i++) {
        AUTO_JSON row = NULL;
        if (parquet_reader.next(r, &row, &e) || !row)
            break;
    }
    parquet_reader.free(r);
    return 0;
}
