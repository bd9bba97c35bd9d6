/*
 * Tools: what a chat request says about them, and the calls in an answer's text.
 *
 *   tools.c         checks a request, the schema that forces a call
 *   tool_formats.c  how families write calls, as a table
 *   tool_reader.c   an answer's text -> content and calls
 *
 * A reader belongs to one choice. It takes the answer's text as it comes and gives back what is content for the client; calls are
 * taken out of it. One thread at a time.
 */
#ifndef SERVE_TOOLS_H
#define SERVE_TOOLS_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

struct server;
struct completion_request;

/* Checks tools and tool_choice against each other; may change r (skip_special_tokens). */
errc tools_check(const struct server *s, struct completion_request *r, struct err *e);
/* The schema that the whole answer must satisfy when a call is demanded ("required", or a name). New reference; NULL: none is. */
json_t *tools_schema(const struct completion_request *r);

/* ---- how calls are written ---- */

struct tool_format {
    const char *name;           /* as vLLM's --tool-call-parser */
    const char *markers[2];     /* what begins calls */
    const char *end;            /* what ends one object's calls; NULL: nothing */
    const char *const *hints;   /* a chat template that holds one of these teaches the format; NULL-terminated */
    bool bare;                  /* an object at the very front is a call too */
    bool named;                 /* a name may stand before its arguments: name{...} */
    bool special;               /* the markers are special tokens: they must stay in the text */
    bool short_ids;             /* nine letters and digits, which the family's template demands */
};
const struct tool_format *tool_format_named(const char *name);                  /* NULL: unknown */
const struct tool_format *tool_format_of_template(const char *source);          /* NULL: the template teaches none */
const char *tool_format_names(void);                                            /* for errors: "hermes, llama3_json, ..." */

/* ---- reading ---- */

struct tool_reader;
struct tool_reader *tool_reader_new(const struct server *s, const struct completion_request *r);        /* NULL: nothing to look for */
/* The same without a request. name: the whole text is the arguments of this function; parallel false: calls after the first are dropped. */
struct tool_reader *tool_reader_of(const struct tool_format *f, const char *name, bool parallel);
/* A JSON list of {"name", "parameters"} is the whole text. */
struct tool_reader *tool_reader_forced(bool parallel);
void tool_reader_free(struct tool_reader *t);           /* NULL is fine */
DEFINE_AUTO_FREE(tool_reader)

/*
 * Takes text, and the end of it. Content that became certain is appended to content. *deltas (new reference, or NULL for none) is
 * the list that a stream's chunk has as delta.tool_calls. What it gives together does not depend on how the text was cut.
 */
void tool_reader_add(struct tool_reader *t, struct str text, bool end, struct buf *content, json_t **deltas);
/* All calls so far as message.tool_calls has them: new reference, an empty list when there are none. */
json_t *tool_reader_calls(const struct tool_reader *t);

#endif
