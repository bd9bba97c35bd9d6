/*
 * PEFT's ways to name modules. Entries of lists are module paths or their tails after a dot. A text with signs of an expression is a
 * regular expression of Python's kind (PCRE2's here): of a whole path as target_modules, of a tail as a key of rank_pattern.
 */
#ifndef TUNE_MATCH_H
#define TUNE_MATCH_H

#include "tune/config.h"

/* Whether the text has a sign that no module name has. */
bool match_is_expression(const char *text);
/* ERR_INVALID, naming `key`, when it does not compile. */
errc match_check(const char *expression, const char *key, struct err *e);
/* Expressions that match_check took. */
bool match_whole(const char *expression, const char *path);
bool match_tail(const char *name_or_expression, const char *path);
/* The value of the first key that matches; fallback when none does. */
double match_value(const struct tune_pattern *p, const char *path, double fallback);

#endif
