/*
 * Karpenter's NodeClasses that an operator names in --karpenter-node-classes, in upstream's form: a JSON array of {name, default, spec},
 * exactly one of them the default. The manager makes them at start where they are missing and never touches them again.
 */
#ifndef WORKSPACE_NODE_CLASSES_H
#define WORKSPACE_NODE_CLASSES_H

#include "base/err.h"
#include "base/json.h"

struct node_classes {
    json_t *list;                       /* as given */
    const char **names;                 /* NULL-terminated, in list */
    const char *default_name;           /* in list */
};

/* ERR_BAD_REQUEST: the text says which entry is wrong, and why. */
errc node_classes_parse(const char *text, struct node_classes *out, struct err *e);
void node_classes_done(struct node_classes *c);

#endif
