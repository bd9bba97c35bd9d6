/*
 * What the files of the configuration share.
 *   config_keys.c the table of keys;  config.c reads a document by it;  config_names.c what a wrong name may have meant;
 *   config_check.c defaults, and what several keys say together;
 *   config_schedule.c, config_optimiser.c the same for what they are named after.
 */
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
    double min, max;            /* USE of numbers, when min < max; of lists min: as many at least */
};

struct section { const char *name; const struct key *keys; size_t n; };

enum { SECTION_MODEL, SECTION_QUANT, SECTION_LORA, SECTION_TRAIN, SECTION_COLLATOR, SECTION_DATA, SECTION_COUNT };
extern const struct section config_sections[SECTION_COUNT];

/* A document on its way into c. section is where the key at hand stands: messages name it. */
struct reader {
    const struct section *section;
    struct tune_config *c;
};

/* Whether text is one of choices, separated by |, in any case. */
bool config_text_in(struct str text, const char *choices);
/* Tells in the notes of c what becomes of a key of r's section, given as text. */
void config_note(struct reader *r, const char *key, const char *text, const char *say);

/* ERR_INVALID: a key that the section lacks, or a section that is none, with the name that may have been meant. */
errc config_unknown_key(const struct section *s, const char *written, struct err *e);
errc config_unknown_section(const char *written, struct err *e);

/* Upstream's defaults; c is zeroed. */
void config_defaults(struct tune_config *c);
/* After every section was read: fills what follows from several keys. ERR_INVALID names the key, its value and the fix. */
errc config_check(struct reader *r, struct err *e);

/* lr_scheduler_type and lr_scheduler_kwargs: nothing given yet;  which schedule, with its defaults. */
void config_schedule_defaults(struct tune_schedule_args *a);
errc config_check_schedule(struct tune_config *c, struct err *e);
/* optim and optim_args. */
errc config_check_optimiser(struct reader *r, struct err *e);

#endif
