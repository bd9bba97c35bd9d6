/* Files in a row -> what each holds -> its reader. */
#include "dataset/priv.h"

#define REST_ROWS 512           /* so often the pages that were read are let go */

struct dataset {
    struct file_list files;
    char *extension;
    size_t at;                          /* of the open file in files */
    size_t row;                         /* rows taken from it */
    struct file_map map;
    const struct reader_ops *ops;
    struct reader *reader;
};

static bool begins(struct str head, const char *text)
{
    return head.n >= strlen(text) && str_ieq(str_n(head.p, strlen(text)), str_of(text));
}

/* By what the file holds; its name only decides for CSV, which looks like any text. */
static errc kind_of(const char *path, const char *extension, struct str bytes, const struct reader_ops **out, struct err *e)
{
    struct str head = str_trim(str_n(bytes.p, bytes.n < 4096 ? bytes.n : 4096));

    if (str_has_prefix(head, STR("\xEF\xBB\xBF")))
        head = str_trim(str_from(head, 3));
    if (!head.n)
        return err_set(e, ERR_CORRUPT, "the file is empty");
    if (str_has_prefix(bytes, STR("PAR1")))
        *out = &parquet_reader;
    else if (str_has_prefix(bytes, STR("ARROW1")) || str_has_prefix(bytes, STR("\xFF\xFF\xFF\xFF")) || streq(extension, "arrow") ||
             (!extension && strstr(path, ".arrow")))
        *out = &arrow_reader;
    else if (str_has_prefix(bytes, STR("\x1f\x8b")) || str_has_prefix(bytes, STR("\x28\xb5\x2f\xfd")) || str_has_prefix(bytes, STR("PK\x03\x04")))
        return err_set(e, ERR_UNSUPPORTED, "the file is compressed as a whole: unpack it first (gunzip, unzstd, unzip)");
    else if (str_has_prefix(bytes, STR("\xFF\xFE")) || str_has_prefix(bytes, STR("\xFE\xFF")))
        return err_set(e, ERR_UNSUPPORTED, "the file is UTF-16 text: save it as UTF-8");
    else if (str_has_prefix(head, STR("version https://git-lfs.github.com/")))
        return err_set(e, ERR_CORRUPT, "this is a pointer of Git LFS, not the data: fetch the file itself (git lfs pull)");
    else if (begins(head, "<!doctype") || begins(head, "<html"))
        return err_set(e, ERR_CORRUPT, "this is a web page, not data: check the URL it was downloaded from");
    else if (streq(extension, "parquet") || (!extension && strstr(path, ".parquet")))
        return err_set(e, ERR_CORRUPT, "not a Parquet file: it does not begin with PAR1; check the URL it was downloaded from");
    else if (streq(extension, "csv"))
        *out = &csv_reader;
    else if (head.p[0] == '{' || head.p[0] == '[' || streq(extension, "json") || streq(extension, "jsonl"))
        *out = &json_reader;
    else if (strstr(path, "csv"))
        *out = &csv_reader;
    else
        return err_set(e, ERR_UNSUPPORTED, "neither Parquet nor Arrow nor JSON nor CSV: give one of these");
    return ERR_OK;
}

static void close_file(struct dataset *d)
{
    if (d->reader)
        d->ops->free(d->reader);
    d->reader = NULL;
    file_map_close(&d->map);
}

static errc open_file(struct dataset *d, size_t i, struct err *e)
{
    close_file(d);
    d->at = i;
    d->row = 0;
    TRY(file_map_open(dataset_path(d), &d->map, e));
    errc rc = kind_of(dataset_path(d), d->extension, str_n((const char *)d->map.p, d->map.n), &d->ops, e);
    if (!rc)
        rc = d->ops->open(d->map, &d->reader, e);
    return rc ? err_wrap(e, "%s", dataset_path(d)) : ERR_OK;
}

errc dataset_open_all(const char *const *paths, size_t n, const char *extension, struct dataset **out, struct err *e)
{
    AUTO_FREE(dataset) d = xzalloc(sizeof *d);

    d->extension = extension ? xstrdup(extension) : NULL;
    for (size_t i = 0; i < n; i++)
        TRY(file_list_add(&d->files, paths[i], e));
    if (!d->files.n)
        return err_set(e, ERR_BAD_REQUEST, "no data set file was named");
    TRY(open_file(d, 0, e));
    *out = TAKE(d);
    return ERR_OK;
}

errc dataset_open(const char *path, const char *extension, struct dataset **out, struct err *e)
{
    return dataset_open_all(&path, 1, extension, out, e);
}

void dataset_free(struct dataset *d)
{
    if (!d)
        return;
    close_file(d);
    file_list_done(&d->files);
    free(d->extension);
    free(d);
}

const char *dataset_path(const struct dataset *d) { return d->files.v[d->at]; }
size_t dataset_row(const struct dataset *d) { return d->row ? d->row - 1 : 0; }
size_t dataset_files(const struct dataset *d) { return d->files.n; }
const char *dataset_unused(const struct dataset *d) { return d->files.unused.n ? buf_cstr(&d->files.unused) : NULL; }

errc dataset_next(struct dataset *d, json_t **out, struct err *e)
{
    *out = NULL;
    if (!d->reader)
        return err_set(e, ERR_CORRUPT, "%s: could not be opened before", dataset_path(d));
    for (;;) {
        if (d->ops->next(d->reader, out, e))
            return err_wrap(e, "%s", dataset_path(d));
        d->row += *out != NULL;
        if (d->row % REST_ROWS == 0)
            file_map_forget(d->map.p, d->map.n);
        if (*out || d->at + 1 >= d->files.n)
            return ERR_OK;
        TRY(open_file(d, d->at + 1, e));
    }
}

errc dataset_rewind(struct dataset *d, struct err *e)
{
    if (d->at || !d->reader)
        return open_file(d, 0, e);
    d->row = 0;
    return d->ops->rewind(d->reader, e);
}
