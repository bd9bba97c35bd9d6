/*
 * Command-line options as data: one table per subcommand gives parsing, --help and the errors.
 * `--name value`, `--name=value`, `--flag`, `--no-flag` for booleans, `-x value` and `-x=value` for short names; one dash before a
 * long name does as well, as in Go's programs; `_` in a name is `-`.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct strlist { const char **items; size_t n, cap; };  /* a repeatable option; items point into argv */
void strlist_add(struct strlist *l, const char *s);
void strlist_done(struct strlist *l);

enum option_kind {
    OPT_STR, OPT_INT, OPT_NUM, OPT_BOOL, OPT_LIST, OPT_DURATION_MS,
    OPT_WORDS,                  /* a list that takes all following words up to the next option: --names a b */
    OPT_NOTED,                  /* another program's option: accepted with a value or without, its name is added to the list */
};

struct option_row {
    const char *name;           /* without dashes */
    char short_name;            /* 0: none */
    enum option_kind kind;
    void *value;                /* const char **, int64_t *, double *, bool *, struct strlist *, int64_t *, struct strlist * twice */
    const char *arg;            /* what --help calls the value: DIR, PORT; NULL for booleans */
    const char *help;           /* one or two sentences; the default is printed from *value. NULL: another name of a row, not shown */
    const char *env;            /* used when the option is not given; NULL: none */
    bool required;
    int64_t min, max;           /* OPT_INT: bounds, both included; max 0: none */
    const char *section;        /* a heading that --help prints before this row */
};

struct command_help {
    const char *usage;          /* "kaito-runtime fetch [options]" */
    const char *summary;        /* one paragraph */
    const char *examples;       /* indented lines, may be NULL */
};

#define OPTIONS_HELP ERR_CANCELLED      /* options_parse printed the help: exit with 0 */

/*
 * Fills the values. The positional arguments are left in *args (pointing into argv; the caller's to clear); args NULL: they are refused.
 * `--` ends the options. Values keep what they were initialised with unless argv or the row's environment variable says otherwise.
 * ERR_BAD_REQUEST names the option, the value and the fix; OPTIONS_HELP after --help went to stdout.
 */
errc options_parse(const struct option_row *rows, size_t n, const struct command_help *help,
                   int argc, char **argv, struct strlist *args, struct err *e);

#endif
