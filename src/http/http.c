/* Header lists, URL escaping, queries. */
#include "http/http.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/mem.h"

void http_pairs_add(struct http_pairs *l, struct str name, struct str value)
{
    vec_grow(l->items, l->n, l->cap);
    l->items[l->n++] = (struct http_pair){ xstrndup(name.p ? name.p : "", name.n), xstrndup(value.p ? value.p : "", value.n) };
}

void http_pairs_done(struct http_pairs *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free((void *)(uintptr_t)l->items[i].name);
        free((void *)(uintptr_t)l->items[i].value);
    }
    free(l->items);
    *l = (struct http_pairs){ 0 };
}

const char *http_pairs_get(const struct http_pairs *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->items[i].name, name))
            return l->items[i].value;
    return NULL;
}

const char *http_header_get(const struct http_pairs *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcasecmp(l->items[i].name, name) == 0)
            return l->items[i].value;
    return NULL;
}

bool http_query_parse(struct str raw, struct http_pairs *out)
{
    struct str piece;
    while (str_next(&raw, '&', &piece)) {
        if (!piece.n)
            continue;
        struct str name, value;
        (void)str_cut(piece, '=', &name, &value);       /* no "=": the value is empty */
        AUTO_BUF n = { 0 };
        AUTO_BUF v = { 0 };
        if (!url_unescape_add(&n, name, true) || !url_unescape_add(&v, value, true))
            return false;
        if (memchr(buf_cstr(&n), 0, n.n) || memchr(buf_cstr(&v), 0, v.n))
            return false;
        http_pairs_add(out, buf_str(&n), buf_str(&v));
    }
    return true;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

void url_escape_add(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (is_unreserved(c))
            buf_addc(out, (char)c);
        else
            buf_addf(out, "%%%02X", c);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool url_unescape_add(struct buf *out, struct str s, bool plus_is_space)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            if (s.n - i < 3)
                return false;
            int hi = hex_digit(s.p[i + 1]), lo = hex_digit(s.p[i + 2]);
            if (hi < 0 || lo < 0)
                return false;
            c = (char)(hi * 16 + lo);
            i += 2;
        }
        buf_addc(out, c);
    }
    return true;
}

void query_add(struct buf *query, const char *name, const char *value)
{
    if (!value)
        return;
    if (query->n)
        buf_addc(query, '&');
    url_escape_add(query, str_of(name));
    buf_addc(query, '=');
    url_escape_add(query, str_of(value));
}

void query_addf(struct buf *query, const char *name, const char *fmt, ...)
{
    AUTO_BUF value = { 0 };
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&value, fmt, ap);
    va_end(ap);
    query_add(query, name, buf_cstr(&value));
}

static errc url_parse_authority(struct str text, struct str authority, struct url *u, struct err *e)
{
    struct str host = authority, rest;
    if (str_rcut(authority, '@', &u->userinfo, &rest))
        host = rest;
    else
        u->userinfo = (struct str){ 0 };
    struct str port = { 0 };
    size_t end;
    if (host.n && host.p[0] == '[') {
        if (!str_find(host, STR("]"), &end))
            return err_set(e, ERR_BAD_REQUEST, "url %.*s: the address has no closing ]", STR_ARG(text));
        struct str after = str_from(host, end + 1);
        host = str_n(host.p + 1, end - 1);
        if (after.n && after.p[0] == ':')
            port = str_from(after, 1);
    } else if (str_cut(host, ':', &rest, &port)) {
        host = rest;
    }
    if (!host.n)
        return err_set(e, ERR_BAD_REQUEST, "url %.*s: has no host", STR_ARG(text));
    u->host = host;
    uint64_t number = u->tls ? 443 : 80;
    if (port.n && (!str_to_u64(port, &number) || number == 0 || number > 65535))
        return err_set(e, ERR_BAD_REQUEST, "url %.*s: port %.*s is not within 1..65535", STR_ARG(text), STR_ARG(port));
    u->port = (int)number;
    return ERR_OK;
}

errc url_parse(struct str text, struct url *out, struct err *e)
{
    struct url u = { 0 };
    size_t at;
    if (!str_find(text, STR("://"), &at))
        return err_set(e, ERR_BAD_REQUEST, "url %.*s: does not begin with http:// or https://", STR_ARG(text));
    u.scheme = str_n(text.p, at);
    u.tls = str_ieq(u.scheme, STR("https"));
    if (!u.tls && !str_ieq(u.scheme, STR("http")))
        return err_set(e, ERR_BAD_REQUEST, "url %.*s: the scheme is not http or https", STR_ARG(text));
    struct str rest = str_from(text, at + 3), frag;
    struct str whole = rest;
    if (str_cut(whole, '#', &rest, &frag))
        whole = rest;
    struct str before;
    if (str_cut(whole, '?', &before, &u.query))
        whole = before;
    else
        u.query = (struct str){ 0 };
    struct str authority = whole;
    if (str_find(whole, STR("/"), &at)) {
        authority = str_n(whole.p, at);
        u.path = str_from(whole, at);
    } else {
        u.path = str_n(whole.p + whole.n, 0);
    }
    TRY(url_parse_authority(text, authority, &u, e));
    *out = u;
    return ERR_OK;
}

/* ---- sockets ---- */

#define SEGMENT_MAX 16384

void socket_limit_segments(int fd)
{
    int most = SEGMENT_MAX;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &most, sizeof most);
}
