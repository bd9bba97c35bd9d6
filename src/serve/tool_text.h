/* JSON of a call that a model is still writing: what is known of it so far. Pure functions over a text; what they find is lent from it. */
#ifndef SERVE_TOOL_TEXT_H
#define SERVE_TOOL_TEXT_H

#include <stdbool.h>

#include "base/str.h"

/* What is known of a call's object that begins at the front of a text. */
struct call_text {
    bool whole, wrong;
    size_t end;                 /* behind the object, when it is whole */
    struct str name;            /* with its quotes; p NULL: not known yet */
    struct str arguments;       /* as far as they go; p NULL: none yet */
    bool arguments_whole;
};

size_t json_skip_space(struct str s, size_t at);
/* The end of the string that begins at s[at]; false when it has none yet. */
bool json_string_end(struct str s, size_t at, size_t *end);

/* f is zero before. The object {"name", "arguments" | "parameters"} that s begins with. */
void call_look_at_object(struct str s, struct call_text *f);
/* name{...} or name[ARGS]{...}, as Mistral's newer models write it. */
void call_look_at_named(struct str s, struct call_text *f);

#endif
