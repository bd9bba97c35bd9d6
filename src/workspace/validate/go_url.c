/* URLs as Go's net/url reads them in a request line, as far as scheme and host go. A '#' starts no fragment there. */
#include <arpa/inet.h>
#include <ctype.h>

#include "workspace/validate/priv.h"

enum url_part { PART_OTHER, PART_HOST, PART_ZONE };

static bool is_host_char(unsigned char c)
{
    return isalnum(c) || (c && strchr("!\"$&'()*+,-.:;<=>[]_~", c));
}

static unsigned hex_digit(char c) { return isdigit((unsigned char)c) ? (unsigned)(c - '0') : ((unsigned)c | 32) - 'a' + 10; }

/* In a host only other bytes than ASCII, and '%' itself, may be escaped; in a zone what a host may hold, and blanks. */
static bool escape_may_stand(unsigned char c, enum url_part part)
{
    if (part == PART_OTHER || c == '%')
        return true;
    return part == PART_HOST ? c >= 0x80 : c == ' ' || (c < 0x80 && is_host_char(c));
}

static bool unescape(struct str s, enum url_part part, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c != '%') {
            if (part != PART_OTHER && c < 0x80 && !is_host_char(c))
                return false;
            buf_addc(out, s.p[i]);
            continue;
        }
        if (i + 2 >= s.n || !isxdigit((unsigned char)s.p[i + 1]) || !isxdigit((unsigned char)s.p[i + 2]))
            return false;
        c = (unsigned char)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]));
        if (!escape_may_stand(c, part))
            return false;
        buf_addc(out, (char)c);
        i += 2;
    }
    return true;
}

static bool is_valid(struct str s)
{
    AUTO_BUF text = { 0 };

    return unescape(s, PART_OTHER, &text);
}

/* Nothing, or a colon and digits, perhaps none. */
static bool is_optional_port(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (i == 0 ? s.p[i] != ':' : !isdigit((unsigned char)s.p[i]))
            return false;
    return true;
}

static bool is_user(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && (!s.p[i] || !strchr("-._:~!$&'()*+,;=%@", s.p[i])))
            return false;
    return is_valid(s);
}

static bool is_ipv6(const char *host)
{
    struct in6_addr a6;
    struct str address, zone;
    AUTO_BUF text = { 0 };

    if (str_cut(str_of(host), '%', &address, &zone) && zone.n == 0)
        return false;
    buf_addstr(&text, address);
    return inet_pton(AF_INET6, buf_cstr(&text), &a6) == 1;
}

static bool parse_literal(struct str host, struct buf *hostname)
{
    struct str inside, after;
    size_t zone;

    if (!str_rcut(str_from(host, 1), ']', &inside, &after) || !is_optional_port(after))
        return false;
    if (!str_find(inside, STR("%25"), &zone))
        zone = inside.n;
    return unescape(str_n(inside.p, zone), PART_HOST, hostname) && unescape(str_from(inside, zone), PART_ZONE, hostname) && is_ipv6(buf_cstr(hostname));
}

/* Host and port; only http and https insist that there is a single colon. */
static bool parse_host(struct str host, bool strict, struct buf *hostname)
{
    struct str head, tail, name = host;

    if (str_rcut(host, '[', &head, &tail))
        return head.n == 0 && parse_literal(host, hostname);
    if (strict ? str_cut(host, ':', &head, &tail) : str_rcut(host, ':', &head, &tail)) {
        if (!is_optional_port(str_from(host, head.n)))
            return false;
        name = head;
    }
    return unescape(name, PART_HOST, hostname);
}

/* What stands before the first colon; false: the URL begins with one. None, when another character comes first. */
static bool split_scheme(struct str url, struct str *scheme, struct str *rest)
{
    *scheme = str_n(url.p, 0);
    *rest = url;
    for (size_t i = 0; i < url.n; i++) {
        unsigned char c = (unsigned char)url.p[i];

        if (c == ':') {
            *scheme = str_n(url.p, i);
            *rest = str_from(url, i + 1);
            return i > 0;
        }
        if (!isalpha(c) && (i == 0 || (!isdigit(c) && (!c || !strchr("+-.", c)))))
            return true;
    }
    return true;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7F)
            return true;
    return false;
}

bool go_url_parse(struct str url, struct go_url *out)
{
    struct str rest, query, authority, path, user, host;

    *out = (struct go_url){ 0 };
    if (url.n == 0 || has_control(url) || !split_scheme(url, &out->scheme, &rest))
        return false;
    str_cut(rest, '?', &rest, &query);
    if (!str_has_prefix(rest, STR("/")))
        return out->scheme.n > 0 || str_is(url, "*");
    if (out->scheme.n == 0 || !str_has_prefix(rest, STR("//")))
        return is_valid(rest);
    str_cut(str_from(rest, 2), '/', &authority, &path);
    if (!str_rcut(authority, '@', &user, &host))
        host = authority;
    else if (!is_user(user))
        return false;
    out->has_host = host.n > 0;
    return parse_host(host, str_ieq(out->scheme, STR("http")) || str_ieq(out->scheme, STR("https")), &out->hostname) && is_valid(path);
}

void go_url_done(struct go_url *u) { buf_done(&u->hostname); }
