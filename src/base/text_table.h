/* Columns of text for people: cells row by row, each column as wide as its widest cell, two blanks between. One thread. */
#ifndef BASE_TEXT_TABLE_H
#define BASE_TEXT_TABLE_H

#include "base/str.h"

struct text_table { char **cells; size_t n, cap, columns; };    /* set columns; all else zero */
#define AUTO_TEXT_TABLE AUTO(text_table_done) struct text_table

void text_table_cell(struct text_table *t, const char *fmt, ...) PRINTF(2, 3);
/* Each line begins with `indent` blanks; no line ends in one. Widths count characters, not bytes. */
void text_table_write(const struct text_table *t, int indent, struct buf *out);
void text_table_done(struct text_table *t);

#endif
