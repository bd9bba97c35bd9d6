#include "base/text_table.h"

#include <stdlib.h>

#include "base/mem.h"

void text_table_cell(struct text_table *t, const char *fmt, ...)
{
    struct buf text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    vec_grow(t->cells, t->n, t->cap);
    t->cells[t->n++] = buf_take(&text);
}

static size_t characters(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static size_t width_of(const struct text_table *t, size_t column)
{
    size_t widest = 0;

    for (size_t i = column; i < t->n; i += t->columns)
        widest = characters(t->cells[i]) > widest ? characters(t->cells[i]) : widest;
    return widest;
}

static void pad(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_addc(out, ' ');
}

void text_table_write(const struct text_table *t, int indent, struct buf *out)
{
    AUTO_MEM size_t *widths = xcalloc(t->columns, sizeof *widths);

    for (size_t c = 0; c < t->columns; c++)
        widths[c] = width_of(t, c);
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % t->columns;

        if (c == 0)
            pad(out, (size_t)indent);
        buf_adds(out, t->cells[i]);
        if (c + 1 < t->columns) {
            pad(out, widths[c] - characters(t->cells[i]) + 2);
            continue;
        }
        while (out->n > 0 && out->p[out->n - 1] == ' ')
            buf_truncate(out, out->n - 1);
        buf_addc(out, '\n');
    }
}

void text_table_done(struct text_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct text_table){ .columns = t->columns };
}
