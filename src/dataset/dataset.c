/* A path -> the file that upstream would take -> its reader. */
#include "dataset/priv.h"

struct dataset {
    char *path;
    struct file_map map;
    const struct reader_ops *ops;
    struct reader *reader;
};

static bool name_fits(const char *name)
{
    static const char *const kinds[] = { "csv", "json", "parquet", "arrow" };
    AUTO_MEM char *lower = xstrdup(name);

    for (char *p = lower; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strstr(lower, kinds[i]))
            return true;
    return false;
}

#define FOLDER_DEPTH_MAX 16

/* Files of a folder before its sub-folders, by name. */
static errc find_in(const char *dir, int depth, char **out, struct err *e)
{
    char **names = NULL;
    size_t n = 0;

    TRY(dir_list(dir, &names, &n, e));
    for (int pass = 0; pass < 2 && !*out && depth < FOLDER_DEPTH_MAX; pass++)
        for (size_t i = 0; i < n && !*out; i++) {
            AUTO_MEM char *path = path_join(dir, names[i]);
            if (pass == 0 && !dir_exists(path) && name_fits(names[i]))
                *out = TAKE(path);
            else if (pass == 1 && dir_exists(path))
                (void)find_in(path, depth + 1, out, NULL);      /* an unreadable folder holds nothing for us */
        }
    strv_free(names, n);
    return ERR_OK;
}

errc dataset_find(const char *path, char **out_file, struct err *e)
{
    char *found = NULL;

    if (!dir_exists(path)) {
        if (!file_exists(path))
            return err_set(e, ERR_NOT_FOUND, "%s: no such data set file or folder", path);
        *out_file = xstrdup(path);
        return ERR_OK;
    }
    TRY(find_in(path, 0, &found, e));
    if (!found)
        return err_set(e, ERR_NOT_FOUND, "%s: unable to find a valid dataset file: its name must contain parquet, json or csv", path);
    *out_file = found;
    return ERR_OK;
}

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
    else if (str_has_prefix(bytes, STR("ARROW1")) || str_has_prefix(bytes, STR("\xFF\xFF\xFF\xFF")))
        return err_set(e, ERR_UNSUPPORTED, "Arrow files are not supported yet: save the data set as Parquet or JSON Lines");
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
        return err_set(e, ERR_UNSUPPORTED, "neither Parquet nor JSON nor CSV: give one of these");
    return ERR_OK;
}

errc dataset_open(const char *path, const char *extension, struct dataset **out, struct err *e)
{
    AUTO_FREE(dataset) d = xzalloc(sizeof *d);

    TRY(dataset_find(path, &d->path, e));
    TRY(file_map_open(d->path, &d->map, e));
    errc rc = kind_of(d->path, extension, str_n((const char *)d->map.p, d->map.n), &d->ops, e);
    if (!rc)
        rc = d->ops->open(d->map, &d->reader, e);
    if (rc)
        return err_wrap(e, "%s", d->path);
    *out = TAKE(d);
    return ERR_OK;
}

void dataset_free(struct dataset *d)
{
    if (!d)
        return;
    if (d->reader)
        d->ops->free(d->reader);
    file_map_close(&d->map);
    free(d->path);
    free(d);
}

const char *dataset_path(const struct dataset *d) { return d->path; }

errc dataset_next(struct dataset *d, json_t **out, struct err *e)
{
    *out = NULL;
    return d->ops->next(d->reader, out, e) ? err_wrap(e, "%s", d->path) : ERR_OK;
}

errc dataset_rewind(struct dataset *d, struct err *e) { return d->ops->rewind(d->reader, e); }
