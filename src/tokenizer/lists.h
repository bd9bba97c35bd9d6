/*
 * The two large parts of a tokenizer.json, model.vocab and model.merges: megabytes of short strings. As a tree of JSON values they
 * would take ten times their size and most of a server's start, so they are cut out of the text before and read in place.
 * Only the form that everybody writes is: {"token": id, ...}, ["left right", ...] or [["left", "right"], ...].
 */
#ifndef TOKENIZER_LISTS_H
#define TOKENIZER_LISTS_H

#include "base/str.h"

struct list { struct str text; size_t n; };     /* JSON, whose form was checked, and its elements; p NULL: it was not cut out */
struct lists { struct list vocab, merges; };    /* lent: parts of the whole text */

/*
 * The text without what *out names; null is in its place. False: there is nothing of that form to cut out (or the text is no JSON);
 * read it as a whole, which also finds what is wrong.
 */
bool lists_cut(struct str text, struct buf *rest, struct lists *out);

/* for (struct scan s = scan_list(&l); scan_token(&s, &token, &id);) ; token is lent until the next call */
struct scan { struct str rest; struct buf box[2]; };
struct scan scan_list(const struct list *l);
void scan_done(struct scan *s);
bool scan_token(struct scan *s, struct str *token, int32_t *id);
bool scan_merge(struct scan *s, struct str *left, struct str *right);   /* right is empty when a string has no space */

#endif
