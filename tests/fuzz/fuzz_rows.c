/* JSON and CSV rows are foreign bytes too. */
#include "base/file.h"
#include "dataset/priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct reader_ops *ops, struct file_map map)
{
    struct reader *r = NULL;
    struct err e;

    if (ops->open(map, &r, &e))
        return;
    for (int i = 0; i < 5000; i++) {
        AUTO_JSON row = NULL;
        if (ops->next(r, &row, &e) || !row)
            break;
    }
    ops->free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_all(&json_reader, (struct file_map){ data, size });
    read_all(&csv_reader, (struct file_map){ data, size });
    return 0;
}
