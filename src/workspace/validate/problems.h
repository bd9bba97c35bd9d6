/* Field errors as knative renders them: equal messages are one line with all their paths, lines and paths sorted. */
#ifndef WORKSPACE_VALIDATE_PROBLEMS_H
#define WORKSPACE_VALIDATE_PROBLEMS_H

#include <stddef.h>

#include "base/str.h"

struct problem { char *message; char **paths; size_t n_paths; };
struct problems { struct problem *items; size_t n; };

/* path NULL: the message stands alone. */
void problem_add(struct problems *l, const char *path, const char *fmt, ...) PRINTF(3, 4);
void problems_render(struct problems *l, struct buf *out);
void problems_done(struct problems *l);
#define AUTO_PROBLEMS AUTO(problems_done) struct problems

#endif
