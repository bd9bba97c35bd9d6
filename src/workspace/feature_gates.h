/* --feature-gates of the manager: upstream's names and defaults. */
#ifndef WORKSPACE_FEATURE_GATES_H
#define WORKSPACE_FEATURE_GATES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct feature_gate {
    const char *name;
    bool by_default;                    /* said nowhere else: install and chart pass on only what somebody sets */
    bool built_off, built_on;           /* what this program can do; a gate that is on by default and not built only warns */
};
extern const struct feature_gate feature_gates[];
extern const size_t n_feature_gates;

struct feature_gates_set { bool on[16]; };      /* by the row of feature_gates */

/* "a=true,b=false" over the defaults. BAD_REQUEST names an unknown gate, a value that is no boolean, and UNBUILT what is not built. */
errc feature_gates_parse(const char *text, struct feature_gates_set *out, struct err *e);
bool feature_gate_is_on(const struct feature_gates_set *s, const char *name);   /* of a known name */

#endif
