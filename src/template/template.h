/*
 * Chat templates: the Jinja subset that Hugging Face models use -> text. Compiled once, rendered many times.
 *
 * Sandboxed: a template sees only the variables it is given, and every render has a limit on steps, depth and output.
 * White space follows transformers: trim_blocks and lstrip_blocks are on, the last newline of the source is dropped.
 * Values are jansson trees; a rendered value prints as Python's str() would print it.
 *
 * A compiled template is immutable: any number of threads may render it.
 */
#ifndef TEMPLATE_TEMPLATE_H
#define TEMPLATE_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

struct template;

struct template_limits {
    uint64_t steps;             /* statements and expressions evaluated; 0: 2,000,000 */
    size_t output_bytes;        /* text made, strings in between included; 0: 64 MiB */
    const char *today;          /* "2026-11-23": the date that strftime_now sees; NULL: the clock's, UTC */
};

/*
 * `name` says in errors where the source comes from ("chat_template.jinja"). The source is copied.
 * ERR_CORRUPT: "chat_template.jinja line 3: ..." for a syntax error; ERR_TOO_LARGE past 1 MiB of source.
 */
errc template_compile(struct str source, const char *name, struct template **out, struct err *e);
void template_free(struct template *t);                 /* NULL is fine */
DEFINE_AUTO_FREE(template)

/*
 * Appends the text to out. vars is an object: messages, add_generation_prompt, bos_token, eos_token, tools ...
 * ERR_INVALID: the template itself refused (raise_exception); the text is its message alone, made for users.
 * ERR_BAD_REQUEST: the values do not fit the template, with name and line. ERR_TOO_LARGE: a limit was reached.
 */
errc template_render(const struct template *t, const json_t *vars, const struct template_limits *limits /* or NULL */,
                     struct buf *out, struct err *e);

/* Where the {% generation %} blocks lie in `out`, in bytes: what the assistant said. Release with template_marks_done. */
struct template_mark { size_t from, to; };
struct template_marks { struct template_mark *v; size_t n, cap; };
void template_marks_done(struct template_marks *m);
/* The same as template_render, and fills *marks (empty before; may be NULL). */
errc template_render_marked(const struct template *t, const json_t *vars, const struct template_limits *limits, struct template_marks *marks,
                            struct buf *out, struct err *e);

#endif
