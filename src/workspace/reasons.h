/*
 * Every condition of a Workspace and every reason it is given, told once: what docs/api-reference.md lists and `kaito doctor` advises.
 * A test holds the rows against what the planners write. Pure data.
 */
#ifndef WORKSPACE_REASONS_H
#define WORKSPACE_REASONS_H

#include "base/str.h"

struct condition_row { const char *type, *meaning; };
extern const struct condition_row ws_conditions[];
extern const size_t n_ws_conditions;

struct reason_row {
    const char *type;                   /* of the condition; "": of any */
    const char *reason;
    const char *meaning;
    const char *next;                   /* a command or what to do; {ns} and {ws} stand for the Workspace; NULL: nothing, wait */
};
extern const struct reason_row ws_reasons[];
extern const size_t n_ws_reasons;

/* The row of a type and a reason; NULL: a reason that another controller gave (a NodeClaim's). */
const struct reason_row *reason_find(const char *type, const char *reason);
/* `next` with the names put in. */
void reason_next(const struct reason_row *r, const char *ns, const char *ws, struct buf *out);

#endif
