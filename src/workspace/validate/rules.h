/* The rules that the schema cannot say, in words: docs/api-reference.md lists them. A test breaks each one and sees it refused. Pure data. */
#ifndef WORKSPACE_VALIDATE_RULES_H
#define WORKSPACE_VALIDATE_RULES_H

#include <stddef.h>

struct ws_rule {
    const char *field;                  /* path in the Workspace; an annotation's is metadata.annotations */
    const char *when;                   /* create, update */
    const char *text;
    const char *says;                   /* a part of the refusal, upstream's words */
};
extern const struct ws_rule ws_rules[];
extern const size_t n_ws_rules;

#endif
