/* Rows of text files: JSON Lines, one JSON array or any run of objects; CSV with a header. One row is parsed at a time. */
#include "dataset/priv.h"

struct reader {
    struct str text;
    size_t at, line, row;
    bool array;                         /* JSON: inside [ ... ] */
    char **columns;                     /* CSV */
    size_t n_columns, body, body_line;
};

static void text_free(struct reader *r)
{
    if (!r)
        return;
    strv_free(r->columns, r->n_columns);
    free(r);
}

static struct reader *text_open(struct file_map map)
{
    struct reader *r = xzalloc(sizeof *r);

    r->text = str_n((const char *)map.p, map.n);
    r->line = 1;
    if (str_has_prefix(r->text, STR("\xEF\xBB\xBF")))
        r->at = 3;
    r->body = r->at;
    r->body_line = 1;
    return r;
}

static errc text_rewind(struct reader *r, struct err *e)
{
    (void)e;
    r->at = r->body;
    r->line = r->body_line;
    r->row = 0;
    return ERR_OK;
}

/* ---- JSON ---- */

static void skip_blank(struct reader *r)
{
    for (; r->at < r->text.n && strchr(" \t\r\n", r->text.p[r->at]) && r->text.p[r->at]; r->at++)
        r->line += r->text.p[r->at] == '\n';
}

/* The end of the value at r->at, by brackets and strings alone; 0: the text ends before it. */
static size_t value_end(const struct reader *r)
{
    size_t depth = 0;
    bool string = false;

    for (size_t i = r->at; i < r->text.n && i - r->at <= ROW_MAX_BYTES; i++) {
        char c = r->text.p[i];
        if (string) {
            i += c == '\\';
            string = c != '"';
        } else if (c == '"') {
            string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static errc json_rows_open(struct file_map map, struct reader **out, struct err *e)
{
    struct reader *r = text_open(map);

    (void)e;
    skip_blank(r);
    if (r->at < r->text.n && r->text.p[r->at] == '[') {
        r->array = true;
        r->at++;
    }
    r->body = r->at;
    r->body_line = r->line;
    *out = r;
    return ERR_OK;
}

/* Behind the last row of an array nothing may follow; a second look at the end is allowed. */
static errc json_array_end(struct reader *r, struct err *e)
{
    size_t at = r->at;

    r->at++;
    skip_blank(r);
    bool more = r->at < r->text.n;
    r->at = at;
    return more ? err_set(e, ERR_CORRUPT, "line %zu: something follows the end of the JSON array; remove it", r->line) : ERR_OK;
}

/* Python writes these, and reads them again; JSON has no such numbers. */
static const char *json_hint(const char *why)
{
    return strstr(why, "near 'NaN'") || strstr(why, "near 'Infinity'") || strstr(why, "near '-'") ? "; JSON has no NaN and no Infinity: write null, or leave the row out" : "";
}

static errc json_rows_next(struct reader *r, json_t **out, struct err *e)
{
    *out = NULL;
    skip_blank(r);
    if (r->array && r->row && r->at < r->text.n && r->text.p[r->at] == ',') {
        r->at++;
        skip_blank(r);
    }
    if (r->at >= r->text.n)
        return r->array ? err_set(e, ERR_CORRUPT, "the JSON array is not closed: the file is cut short after row %zu", r->row) : ERR_OK;
    if (r->array && r->text.p[r->at] == ']')
        return json_array_end(r, e);
    if (r->text.p[r->at] != '{')
        return err_set(e, ERR_CORRUPT, "row %zu, line %zu: expected an object {...}, found '%c'", r->row, r->line,
                       r->text.p[r->at] >= ' ' && r->text.p[r->at] < 127 ? r->text.p[r->at] : '?');
    size_t end = value_end(r);
    if (!end)
        return err_set(e, ERR_CORRUPT, "row %zu, line %zu: the object is not closed, or longer than %zu MiB: the file is cut short or damaged",
                       r->row, r->line, ROW_MAX_BYTES >> 20);
    struct err why;
    if (json_parse(str_n(r->text.p + r->at, end - r->at), out, &why))
        return err_set(e, ERR_CORRUPT, "row %zu, line %zu: %s%s", r->row, r->line, why.text, json_hint(why.text));
    for (; r->at < end; r->at++)
        r->line += r->text.p[r->at] == '\n';
    r->row++;
    return ERR_OK;
}

const struct reader_ops json_reader = { "json", json_rows_open, json_rows_next, text_rewind, text_free };

/* ---- CSV (RFC 4180; a line may end in CR alone, as old spreadsheets write) ---- */

static errc cell(struct reader *r, struct buf *out, bool *last, struct err *e)
{
    bool quoted = r->at < r->text.n && r->text.p[r->at] == '"';
    size_t start = r->line;

    buf_clear(out);
    r->at += quoted;
    for (;; r->at++) {
        if (out->n > ROW_MAX_BYTES || (quoted && r->at >= r->text.n))
            return err_set(e, ERR_CORRUPT, "row %zu, line %zu: a quoted cell is not closed", r->row, start);
        char c = r->at < r->text.n ? r->text.p[r->at] : '\n';
        if (quoted && c == '"') {
            if (r->at + 1 < r->text.n && r->text.p[r->at + 1] == '"')
                r->at++;
            else {
                quoted = false;
                continue;
            }
        } else if (!quoted && (c == ',' || c == '\n' || c == '\r')) {
            *last = c != ',';
            r->line += *last;
            r->at += r->at < r->text.n;
            r->at += c == '\r' && r->at < r->text.n && r->text.p[r->at] == '\n';
            return ERR_OK;
        }
        r->line += c == '\n';
        buf_addc(out, c);
    }
}

static errc check_header(const struct reader *r, struct err *e)
{
    for (size_t i = 0; i < r->n_columns; i++)
        for (size_t k = i + 1; k < r->n_columns; k++)
            if (*r->columns[i] && streq(r->columns[i], r->columns[k]))
                return err_set(e, ERR_CORRUPT, "line 1: columns %zu and %zu are both named %.80s; rename one", i + 1, k + 1, r->columns[i]);
    return ERR_OK;
}

static errc csv_open(struct file_map map, struct reader **out, struct err *e)
{
    struct reader *r = text_open(map);
    AUTO_BUF name = { 0 };
    size_t cap = 0;
    bool last = r->at >= r->text.n;
    errc rc = ERR_OK;

    while (!rc && !last) {
        rc = r->n_columns >= COLUMNS_MAX ? err_set(e, ERR_TOO_LARGE, "more than %d columns", COLUMNS_MAX) : cell(r, &name, &last, e);
        vec_grow(r->columns, r->n_columns, cap);
        r->columns[r->n_columns++] = xstrdup(buf_cstr(&name));
    }
    if (!rc)
        rc = check_header(r, e);
    if (rc) {
        text_free(r);
        return rc;
    }
    r->body = r->at;
    r->body_line = r->line;
    *out = r;
    return ERR_OK;
}

/* Lines of nothing but blanks are no rows, as for pandas. */
static void skip_blank_lines(struct reader *r)
{
    for (size_t i = r->at; i < r->text.n && r->text.p[i] && strchr(" \t\r\n", r->text.p[i]); i++)
        if (r->text.p[i] == '\n' || r->text.p[i] == '\r' || i + 1 == r->text.n) {
            r->line += r->text.p[i] == '\n';
            r->at = i + 1;
        }
}

static errc csv_next(struct reader *r, json_t **out, struct err *e)
{
    AUTO_JSON row = json_object();
    AUTO_BUF text = { 0 };
    size_t n = 0, line = r->line;

    *out = NULL;
    skip_blank_lines(r);
    if (r->at >= r->text.n)
        return ERR_OK;
    for (bool last = false; !last; n++) {
        TRY(cell(r, &text, &last, e));
        if (!str_utf8_valid(buf_str(&text)))
            return err_set(e, ERR_CORRUPT, "row %zu, line %zu, column %s: not UTF-8 text: save the file as UTF-8", r->row, line,
                           n < r->n_columns ? r->columns[n] : "?");
        if (n < r->n_columns)
            json_put(row, r->columns[n], text.n ? json_strn(buf_str(&text)) : json_null());
    }
    if (n != r->n_columns)
        return err_set(e, ERR_CORRUPT, "row %zu, line %zu: %zu cells where the header has %zu", r->row, line, n, r->n_columns);
    r->row++;
    *out = TAKE(row);
    return ERR_OK;
}

const struct reader_ops csv_reader = { "csv", csv_open, csv_next, text_rewind, text_free };
