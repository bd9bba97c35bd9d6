/*
 * What the parts of `inspect` share. Each part is one file inspect_NAME.c with one function, a row of the table in
 * cmd_inspect.c. Most read JSON lines on stdin and write one JSON line for each; floats carry 9 significant digits.
 */
#ifndef CLI_INSPECT_H
#define CLI_INSPECT_H

#include "base/json.h"
#include "base/options.h"
#include "cli/command.h"

command_fn inspect_embed, inspect_logits, inspect_tensors;
command_fn inspect_tokens, inspect_chat;        /* inspect_text.c */
command_fn inspect_data, inspect_examples;      /* inspect_data.c */

/* The exit status of a part. */
int inspect_end(const char *name, errc rc, const struct err *e);

/* Answers one line: *out is given away. An error becomes the line {"error": text} and the next line is read. */
typedef errc inspect_line_fn(void *self, const json_t *in, json_t **out, struct err *e);

/* Reads stdin to its end. */
errc inspect_lines(inspect_line_fn *fn, void *self, struct err *e);
void inspect_print(const json_t *j);

#endif
