/* What can be said about a URL from its text: may a user name it, what is its file called, where does it go with an endpoint set. */
#include "hub/hub.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/http.h"

#define HOST_MAX 255            /* longest DNS name */

/* Names that reach this machine or a cloud's metadata service whatever they resolve to. */
static const char *const local_names[] = {
    "localhost", "metadata.google.internal", "metadata.google", "instance-data.ec2.internal",
};

/* IPv4 networks nobody outside is reached through: RFC 1122, 1918, 3927, 6598, 5771, 1112. */
static const struct { uint32_t net; int bits; } closed_v4[] = {
    { 0x00000000, 8 }, { 0x0a000000, 8 }, { 0x64400000, 10 }, { 0x7f000000, 8 }, { 0xa9fe0000, 16 },
    { 0xac100000, 12 }, { 0xc0a80000, 16 }, { 0xe0000000, 4 }, { 0xf0000000, 4 },
};

static bool v4_is_closed(uint32_t a)
{
    for (size_t i = 0; i < ARRAY_LEN(closed_v4); i++)
        if (((a ^ closed_v4[i].net) >> (32 - closed_v4[i].bits)) == 0)
            return true;
    return false;
}

static bool v6_is_closed(const struct in6_addr *a)
{
    uint32_t tail = (uint32_t)a->s6_addr[12] << 24 | (uint32_t)a->s6_addr[13] << 16 | (uint32_t)a->s6_addr[14] << 8 | a->s6_addr[15];

    if (IN6_IS_ADDR_V4MAPPED(a))
        return v4_is_closed(tail);
    return IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_SITELOCAL(a) ||
           IN6_IS_ADDR_MULTICAST(a) || (a->s6_addr[0] & 0xfe) == 0xfc;      /* unique local, RFC 4193 */
}

/* The host as an address literal, also in the short forms inet_aton takes ("2130706433"). */
static bool literal_is_closed(const char *host)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *found = NULL;
    bool closed = false;

    if (getaddrinfo(host, NULL, &hints, &found))
        return false;
    if (found->ai_family == AF_INET) {
        struct sockaddr_in sa;
        memcpy(&sa, found->ai_addr, sizeof sa);
        closed = v4_is_closed(ntohl(sa.sin_addr.s_addr));
    } else if (found->ai_family == AF_INET6) {
        struct sockaddr_in6 sa;
        memcpy(&sa, found->ai_addr, sizeof sa);
        closed = v6_is_closed(&sa.sin6_addr);
    }
    freeaddrinfo(found);
    return closed;
}

static bool name_is_local(struct str host)
{
    for (size_t i = 0; i < ARRAY_LEN(local_names); i++)
        if (str_ieq(host, str_of(local_names[i])))
            return true;
    struct str tail = STR(".localhost");
    return host.n > tail.n && str_ieq(str_from(host, host.n - tail.n), tail);
}

errc hub_url_check(const char *url, struct err *e)
{
    struct url u;
    struct str text = str_of(url);
    size_t at;

    if (str_find(text, STR("://"), &at)) {
        struct str scheme = str_n(text.p, at);
        if (!str_ieq(scheme, STR("http")) && !str_ieq(scheme, STR("https")))
            return err_set(e, ERR_INVALID, "data source URL must use HTTP or HTTPS: %s", url);
    }
    if (url_parse(text, &u, NULL) || str_empty(u.host))
        return err_set(e, ERR_INVALID, "invalid data source URL: %s", url ? url : "");
    struct str host = u.host;
    while (str_has_suffix(host, STR(".")))
        host.n--;
    if (host.n > HOST_MAX)
        return err_set(e, ERR_INVALID, "invalid data source URL: the host name is longer than %d bytes", HOST_MAX);
    if (name_is_local(host))
        return err_set(e, ERR_FORBIDDEN, "data source URL must not target a local or metadata endpoint: %s", url);
    AUTO_MEM char *name = xstrndup(host.p, host.n);
    if (literal_is_closed(name))
        return err_set(e, ERR_FORBIDDEN, "data source URL must not target a loopback, private, or link-local address: %s", url);
    return ERR_OK;
}

static bool name_is_safe(struct str name)
{
    if (str_empty(name) || str_is(name, ".") || str_is(name, "..") || name.n > 200)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == '/' || name.p[i] == '\\' || name.p[i] == 0x7f)
            return false;
    return name.p[0] != '.' && !str_has_suffix(name, STR(".part"));
}

errc hub_url_file_name(const char *url, char **out, struct err *e)
{
    struct url u;
    struct str path, before, last;
    AUTO_BUF name = { 0 };

    TRY(url_parse(str_of(url), &u, e));
    if (!str_cut(u.path, '#', &path, &last))
        path = u.path;
    while (str_has_suffix(path, STR("/")))
        path.n--;
    if (!str_rcut(path, '/', &before, &last))
        last = path;
    if (!url_unescape_add(&name, last, false) || !name_is_safe(buf_str(&name)))
        return err_set(e, ERR_INVALID, "%s: the path does not end in a usable file name; give the URL of one file", url);
    *out = buf_take(&name);
    return ERR_OK;
}

static bool host_is_hub(struct str host)
{
    return str_ieq(host, STR("huggingface.co")) || str_ieq(host, STR("www.huggingface.co")) || str_ieq(host, STR("hf.co"));
}

static struct str without_slash(struct str s)
{
    while (str_has_suffix(s, STR("/")))
        s.n--;
    return s;
}

/* "https://hub" is no prefix of "https://hub.evil", only of "https://hub/..." */
static bool lies_below(struct str url, struct str endpoint)
{
    return str_has_prefix(url, endpoint) && (url.n == endpoint.n || url.p[endpoint.n] == '/');
}

char *hub_url_rewrite(const char *url, const char *endpoint, bool *out_below_endpoint)
{
    struct url u;
    struct str base = without_slash(str_of(str_set(endpoint) ? endpoint : HUB_ENDPOINT));

    *out_below_endpoint = lies_below(str_of(url), base);
    if (*out_below_endpoint || url_parse(str_of(url), &u, NULL) || !u.tls || !host_is_hub(u.host) || u.userinfo.n)
        return xstrdup(url);
    *out_below_endpoint = true;
    return xasprintf("%.*s%.*s%s%.*s", STR_ARG(base), STR_ARG(u.path), u.query.p ? "?" : "", STR_ARG(u.query));
}
