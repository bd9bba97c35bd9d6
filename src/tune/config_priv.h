/* The table of keys: what config_keys.c holds and config.c interprets. */
#ifndef TUNE_CONFIG_PRIV_H
#define TUNE_CONFIG_PRIV_H

#include "tune/config.h"

enum kind { BOOL, INT, NUM, STRING, LIST, INTS, PATTERN, ANY };

enum rule {
    USE,        /* stored */
    QUIET,      /* a machine or bookkeeping setting with no meaning here */
    NOTED,      /* accepted, with a note when it is not the inert value */
    REFUSE,     /* an error unless it is the inert value */
};

struct key {
    const char *name;
    enum kind kind;
    enum rule rule;
    size_t off;                 /* of struct tune_config, for USE */
    const char *inert;          /* NOTED, REFUSE: the values that mean nothing, separated by | (null always is one) */
    const char *say;            /* why, or what to use instead */
    double min, max;            /* USE of numbers, when min < max */
};

struct section { const char *name; const struct key *keys; size_t n; };

enum { SECTION_MODEL, SECTION_QUANT, SECTION_LORA, SECTION_TRAIN, SECTION_COLLATOR, SECTION_DATA, SECTION_COUNT };
extern const struct section config_sections[SECTION_COUNT];

#endif
