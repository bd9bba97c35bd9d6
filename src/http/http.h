/*
 * What both ends of HTTP share: header lists, URL escaping, queries. The client is http/client.h, the server http/server.h.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct http_pair { const char *name, *value; };

/* A list of pairs that owns copies; names repeat and keep their order. Header names compare without case, query names with it. */
struct http_pairs { struct http_pair *items; size_t n, cap; };
void http_pairs_add(struct http_pairs *l, struct str name, struct str value);
void http_pairs_done(struct http_pairs *l);
const char *http_pairs_get(const struct http_pairs *l, const char *name);       /* the first with this exact name; NULL when absent */
const char *http_header_get(const struct http_pairs *l, const char *name);      /* the same, case ignored */
/* "a=1&b=x%20y": + is a space; a name without = has the value "". False when an escape is malformed or makes a NUL. */
bool http_query_parse(struct str raw, struct http_pairs *out);

/* Everything but letters, digits and -._~ becomes %XX: right for one path segment and for query names and values. */
void url_escape_add(struct buf *out, struct str s);
bool url_unescape_add(struct buf *out, struct str s, bool plus_is_space);       /* false: malformed escape; out keeps what came before */
/* Appends "name=value" to a query, with & before it unless it is the first. NULL value adds nothing. */
void query_add(struct buf *query, const char *name, const char *value);
void query_addf(struct buf *query, const char *name, const char *fmt, ...) PRINTF(3, 4);

/* Views into the text of an absolute http or https URL. */
struct url {
    struct str scheme, userinfo, host;  /* host without the brackets of an IPv6 address; userinfo absent when there is none */
    int port;                           /* 80 and 443 when not written */
    bool tls;
    struct str path;                    /* from its "/", may be empty; escaped as written */
    struct str query;                   /* without "?"; absent when there is none */
};
errc url_parse(struct str text, struct url *out, struct err *e);

/*
 * For a TCP socket before it listens or connects: what the kernel sends at once, in both directions, is at most 16 KiB. Loopback's own limit is 64 KiB, about
 * as much as a reader's first buffer holds: one that was stopped and has emptied it may leave a window in which such a segment has no place, and then
 * it hears nothing before the kernel's next probe, which takes about as long to come as the reader was stopped. Networks have smaller ones anyhow.
 */
void socket_limit_segments(int fd);

#endif
