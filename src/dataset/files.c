/*
 * Which files a path stands for. A folder stands for the files that `datasets` would call its train split: the first data file by name
 * (upstream's rule) and its neighbours of the same kind, without those whose name says test or validation.
 */
#include "dataset/priv.h"

#define FOLDER_DEPTH_MAX 16

static bool in_list(struct str word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_ieq(word, str_of(list[i])))
            return true;
    return false;
}

/* Upstream's rule: the name contains the kind. */
static bool is_data(const char *name)
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

static bool is_word_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A word of the name is one that `datasets` takes for a split other than train. */
static bool is_held_out(const char *name)
{
    static const char *const splits[] = { "test", "testing", "eval", "evaluation", "validation", "valid", "dev", "val" };

    for (const char *p = name; *p;) {
        size_t n = 0;
        while (is_word_char(p[n]))
            n++;
        if (in_list(str_n(p, n), splits, ARRAY_LEN(splits)))
            return true;
        p += n ? n : 1;
    }
    return false;
}

static bool same_ending(const char *a, const char *b)
{
    const char *x = strrchr(a, '.'), *y = strrchr(b, '.');

    return str_ieq(str_of(x ? x : ""), str_of(y ? y : ""));
}

static void take_files(const char *dir, char **names, const bool *fits, size_t n, struct file_list *out)
{
    const char *first = NULL;
    size_t cap = 0;

    for (int pass = 0; pass < 2 && !first; pass++)
        for (size_t i = 0; i < n && !first; i++)
            if (fits[i] && (pass || !is_held_out(names[i])))
                first = names[i];
    for (size_t i = 0; first && i < n; i++) {
        bool wanted = fits[i] && same_ending(first, names[i]) && (is_held_out(first) || !is_held_out(names[i]));
        if (wanted) {
            vec_grow(out->v, out->n, cap);
            out->v[out->n++] = path_join(dir, names[i]);
        } else if (fits[i]) {
            buf_addf(&out->unused, "%s%s", out->unused.n ? ", " : "", names[i]);
        }
    }
}

/* Files of a folder before its sub-folders, by name. */
static errc find_in(const char *dir, int depth, struct file_list *out, struct err *e)
{
    char **names = NULL;
    size_t n = 0;

    TRY(dir_list(dir, &names, &n, e));
    AUTO_MEM bool *fits = xcalloc(n + 1, sizeof *fits), *folders = xcalloc(n + 1, sizeof *folders);
    for (size_t i = 0; i < n; i++) {
        AUTO_MEM char *path = path_join(dir, names[i]);
        folders[i] = dir_exists(path);
        fits[i] = !folders[i] && is_data(names[i]);
    }
    take_files(dir, names, fits, n, out);
    for (size_t i = 0; i < n && !out->n && depth < FOLDER_DEPTH_MAX; i++)
        if (folders[i]) {
            AUTO_MEM char *path = path_join(dir, names[i]);
            (void)find_in(path, depth + 1, out, NULL);      /* an unreadable folder holds nothing for us */
        }
    strv_free(names, n);
    return ERR_OK;
}

errc file_list_add(struct file_list *l, const char *path, struct err *e)
{
    struct file_list found = { 0 };
    errc rc = ERR_OK;

    if (dir_exists(path)) {
        rc = find_in(path, 0, &found, e);
        if (!rc && !found.n)
            rc = err_set(e, ERR_NOT_FOUND, "%s: unable to find a valid dataset file: its name must contain parquet, arrow, json or csv", path);
    } else if (file_exists(path)) {
        found.v = xcalloc(1, sizeof *found.v);
        found.v[found.n++] = xstrdup(path);
    } else {
        rc = err_set(e, ERR_NOT_FOUND, "%s: no such data set file or folder", path);
    }
    l->v = xrealloc(l->v, (l->n + found.n + 1) * sizeof *l->v);
    for (size_t i = 0; i < found.n; i++)
        l->v[l->n++] = TAKE(found.v[i]);
    if (found.unused.n)
        buf_addf(&l->unused, "%s%s", l->unused.n ? ", " : "", buf_cstr(&found.unused));
    file_list_done(&found);
    return rc;
}

void file_list_done(struct file_list *l)
{
    strv_free(l->v, l->n);
    buf_done(&l->unused);
    *l = (struct file_list){ 0 };
}
