/* Labels, annotations and finalizers of the contract, told once; docs/api-reference.md lists them. Pure data. */
#ifndef WORKSPACE_KEYS_H
#define WORKSPACE_KEYS_H

#include <stddef.h>

enum key_sort { KEY_ANNOTATION, KEY_LABEL, KEY_FINALIZER };
struct ws_key {
    enum key_sort sort;
    const char *key;
    const char *on;                     /* which objects */
    const char *by;                     /* who writes it: you, manager */
    const char *meaning;
};
extern const struct ws_key ws_keys[];
extern const size_t n_ws_keys;

#endif
