/*
 * struct str borrows bytes and knows their number; struct buf owns bytes, grows, and is always NUL-terminated.
 * Parsers take a str; builders fill a buf. A str with p == NULL is "absent", which differs from empty.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

struct str {
    const char *p;
    size_t n;
};

#define STR(literal)    ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_ARG(s)      (int)(s).n, (s).p               /* for "%.*s" */
static inline struct str str_of(const char *s) { return (struct str){ s, s ? strlen(s) : 0 }; }
static inline struct str str_n(const char *p, size_t n) { return (struct str){ p, n }; }
static inline bool str_empty(struct str s) { return s.n == 0; }
static inline bool str_eq(struct str a, struct str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool str_is(struct str a, const char *b) { return str_eq(a, str_of(b)); }
int str_cmp(struct str a, struct str b);                /* <0, 0, >0: by bytes, the shorter first */
bool str_ieq(struct str a, struct str b);               /* ASCII case ignored */
bool str_has_prefix(struct str s, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix);
struct str str_trim(struct str s);                      /* ASCII white space off both ends */
struct str str_from(struct str s, size_t start);        /* s[start..]; empty past the end */
bool str_find(struct str s, struct str needle, size_t *at);
/* Cuts at the first `sep`: head gets what is before, *rest what follows. False when sep is absent (head = s, rest = empty). */
bool str_cut(struct str s, char sep, struct str *head, struct str *rest);
bool str_rcut(struct str s, char sep, struct str *head, struct str *rest);      /* at the last one */
/* Takes the next piece of *s up to sep; false when *s is exhausted. Yields empty pieces between two seps. */
bool str_next(struct str *s, char sep, struct str *piece);
/* Whole string must be a number in base 10; false otherwise, also on overflow. */
bool str_to_i64(struct str s, int64_t *out);
bool str_to_u64(struct str s, uint64_t *out);           /* no sign */
/* As Go's strconv.ParseBool: 1, t, T, true, TRUE, True and 0, f, F, false, FALSE, False. */
bool str_to_bool(struct str s, bool *out);
bool str_to_f64(struct str s, double *out);             /* C locale; no hexadecimal, no inf or nan */
bool str_utf8_valid(struct str s);

/* C strings: the two questions asked everywhere; NULL is never equal. */
static inline bool streq(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }
static inline bool str_set(const char *s) { return s && *s; }

/* Growing cannot fail (it aborts) and moves p: views of a buf are good until the next change of it. */
struct buf {
    char *p;            /* NUL-terminated once anything was written; NULL before */
    size_t n;           /* without the NUL */
    size_t cap;
};

void buf_done(struct buf *b);                           /* frees; b is empty and reusable */
void buf_clear(struct buf *b);                          /* empty, memory kept */
#define AUTO_BUF AUTO(buf_done) struct buf              /* AUTO_BUF b = { 0 }; */
void buf_reserve(struct buf *b, size_t more);           /* room for so many bytes and the NUL; n stays */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);            /* NULL adds nothing */
void buf_addstr(struct buf *b, struct str s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap);
void buf_cut(struct buf *b, size_t n);                  /* drops the first n bytes */
void buf_truncate(struct buf *b, size_t n);             /* keeps the first n bytes */
static inline struct str buf_str(const struct buf *b) { return (struct str){ b->p ? b->p : "", b->n }; }
const char *buf_cstr(const struct buf *b);              /* never NULL */
char *buf_take(struct buf *b);                          /* malloc'd string, never NULL; b is empty afterwards */

#endif
