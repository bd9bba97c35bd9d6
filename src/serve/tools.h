/*
 * Tools: what a chat request says about them, and the calls in an answer's text.
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

/* Checks tools and tool_choice against each other, and that this model's format is known; may change r (skip_special_tokens). */
errc tools_check(const struct server *s, struct completion_request *r, struct err *e);

struct tool_reader;
struct tool_reader *tool_reader_new(const struct server *s, const struct completion_request *r);        /* NULL: nothing to look for */
void tool_reader_free(struct tool_reader *t);           /* NULL is fine */
DEFINE_AUTO_FREE(tool_reader)

/*
 * Takes text, and the end of it. Content that became certain is appended to content. *deltas (new reference, or NULL for none) is
 * the list that a stream's chunk has as delta.tool_calls.
 */
void tool_reader_add(struct tool_reader *t, struct str text, bool end, struct buf *content, json_t **deltas);
/* All calls so far as message.tool_calls has them: new reference, an empty list when there are none. Any means finish_reason tool_calls. */
json_t *tool_reader_calls(const struct tool_reader *t);

#endif
