/* Data sources and destinations: URLs, docker references, volumes. Rules C55 to C60. */
#include "workspace/validate/priv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <regex.h>

static bool host_is_local(struct str host)
{
    static const char *const names[] = { "localhost", "metadata.google.internal", "metadata.google", "instance-data.ec2.internal" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_ieq(host, str_of(names[i])))
            return true;
    return host.n > 10 && str_ieq(str_from(host, host.n - 10), STR(".localhost"));
}

static bool ipv4_is_private(const uint8_t b[4])
{
    return b[0] == 127 || b[0] == 10 || (b[0] == 172 && b[1] >= 16 && b[1] < 32) || (b[0] == 192 && b[1] == 168) ||
           (b[0] == 169 && b[1] == 254) || (b[0] >= 224 && b[0] < 240);
}

static bool address_is_private(struct str host)
{
    char text[64];
    struct in_addr a4;
    struct in6_addr a6;
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };

    if (host.n >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", STR_ARG(host));
    if (inet_pton(AF_INET, text, &a4) == 1)
        return ipv4_is_private((const uint8_t *)&a4);
    if (inet_pton(AF_INET6, text, &a6) != 1)
        return false;
    const uint8_t *b = a6.s6_addr;

    if (memcmp(b, mapped, sizeof mapped) == 0)
        return ipv4_is_private(b + 12);
    return IN6_IS_ADDR_LOOPBACK(&a6) || (b[0] & 0xFE) == 0xFC || (b[0] == 0xFE && (b[1] & 0xC0) == 0x80) || b[0] == 0xFF;
}

static bool percent_escapes_are_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '%' && (i + 2 >= s.n || !isxdigit((unsigned char)s.p[i + 1]) || !isxdigit((unsigned char)s.p[i + 2])))
            return false;
    return true;
}

/* NULL: fine. Upstream's list of refused hosts, no less and no more (dossier T42). */
const char *url_problem(struct str url, bool allow_private)
{
    struct str rest, authority, path, host, port;
    size_t at;

    if (!str_find(url, STR("://"), &at) || at == 0 || !percent_escapes_are_valid(url))
        return "invalid data source URL";
    struct str scheme = str_n(url.p, at);

    rest = str_from(url, at + 3);
    authority = rest;
    for (size_t i = 0; i < rest.n; i++)
        if (strchr("/?#", rest.p[i])) {
            authority = str_n(rest.p, i);
            break;
        }
    if (str_rcut(authority, '@', &path, &host))
        authority = host;
    host = authority;
    if (authority.n > 0 && authority.p[0] == '[') {
        if (!str_cut(str_from(authority, 1), ']', &host, &rest))
            return "invalid data source URL";
    } else {
        str_cut(authority, ':', &host, &port);
    }
    if (host.n == 0)
        return "invalid data source URL";
    if (!str_ieq(scheme, STR("http")) && !str_ieq(scheme, STR("https")))
        return "data source URL must use HTTP or HTTPS";
    if (allow_private)
        return NULL;
    if (host_is_local(host))
        return "data source URL must not target a local or metadata endpoint";
    return address_is_private(host) ? "data source URL must not target a loopback, private, or link-local address" : NULL;
}

/* ---- docker references: github.com/distribution/reference ------------------------------------------------------------ */

#define DOMAIN_PART "([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
#define DOMAIN_NAME "(" DOMAIN_PART "(\\." DOMAIN_PART ")*|\\[[a-fA-F0-9:]+\\])(:[0-9]+)?"
#define PATH_PART   "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"
#define TAG         "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
#define DIGEST      "[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
#define REFERENCE   "^" DOMAIN_NAME "/" PATH_PART "(/" PATH_PART ")*(:" TAG ")?(@" DIGEST ")?$"

#define REPOSITORY_MAX 255

static bool matches(const char *pattern, const char *text)
{
    regex_t r;

    if (regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB))
        return false;
    bool found = regexec(&r, text, 0, NULL, 0) == 0;

    regfree(&r);
    return found;
}

static bool has_upper(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (isupper((unsigned char)s.p[i]))
            return true;
    return false;
}

/* A first part with a dot, a port or upper case is a registry; without one, docker.io is meant. */
static struct str split_registry(struct str reference, struct str *rest)
{
    struct str first;

    if (str_cut(reference, '/', &first, rest) &&
        (memchr(first.p, '.', first.n) || memchr(first.p, ':', first.n) || has_upper(first) || str_is(first, "localhost")))
        return first;
    *rest = reference;
    return STR("docker.io");
}

static bool digest_is_bad(struct str digest, struct buf *why)
{
    static const struct { const char *algorithm; size_t digits; } known[] = { { "sha256", 64 }, { "sha384", 96 }, { "sha512", 128 } };
    struct str algorithm, hex;

    str_cut(digest, ':', &algorithm, &hex);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_is(algorithm, known[i].algorithm)) {
            if (hex.n != known[i].digits)
                buf_adds(why, "invalid checksum digest length");
            else if (has_upper(hex))
                buf_adds(why, "invalid checksum digest format");
            return why->n > 0;
        }
    buf_adds(why, "unsupported digest algorithm");
    return true;
}

bool image_is_bad(struct str ref, struct buf *why)
{
    AUTO_BUF whole = { 0 };
    struct str rest, registry = split_registry(ref, &rest), name, tail, digest;

    buf_addf(&whole, "%.*s", STR_ARG(ref));
    if (matches("^[a-f0-9]{64}$", buf_cstr(&whole))) {
        buf_addf(why, "invalid repository name (%.*s), cannot specify 64-byte hexadecimal strings", STR_ARG(ref));
        return true;
    }
    str_cut(rest, ':', &name, &tail);
    if (has_upper(name)) {
        buf_addf(why, "invalid reference format: repository name (%.*s) must be lowercase", STR_ARG(name));
        return true;
    }
    buf_clear(&whole);
    buf_addf(&whole, "%.*s/%.*s", STR_ARG(registry), STR_ARG(rest));
    if (memchr(ref.p, '\0', ref.n) || !matches(REFERENCE, buf_cstr(&whole))) {
        buf_adds(why, "invalid reference format");
        return true;
    }
    if (str_cut(rest, '@', &name, &digest) && digest_is_bad(digest, why))
        return true;
    str_cut(name, ':', &name, &tail);
    if (registry.n + 1 + name.n > REPOSITORY_MAX)
        buf_addf(why, "repository name must not be more than %d characters", REPOSITORY_MAX);
    return why->n > 0;
}

/* ---- sources and destinations ------------------------------------------------------------------------------------------ */

#define ONE_SOURCE "Exactly one of URLs, Volume, or Image must be specified"

static void add_below(struct check *c, const char *prefix, const char *part, const char *message)
{
    AUTO_BUF path = { 0 };

    buf_addf(&path, "%s.%s", prefix, part);
    problem_add(c->out, buf_cstr(&path), "%s", message);
}

void check_source_image(struct check *c, const struct ws_source *s, const char *prefix)
{
    AUTO_BUF why = { 0 }, text = { 0 };

    if (s->image.n == 0 || !image_is_bad(s->image, &why))
        return;
    buf_addf(&text, "invalid value: Unable to parse input image reference: %s", buf_cstr(&why));
    add_below(c, prefix, "Image", buf_cstr(&text));
}

void check_source(struct check *c, const struct ws_source *s, const char *prefix)
{
    AUTO_BUF text = { 0 };

    for (size_t i = 0; i < s->n_urls && !c->v1alpha1; i++) {
        const char *problem = url_problem(s->urls[i], c->env->settings->allow_private_urls);

        if (!problem)
            continue;
        buf_clear(&text);
        buf_addf(&text, "invalid value: %s", problem);
        add_below(c, prefix, "URLs", buf_cstr(&text));
    }
    check_source_image(c, s, prefix);
    if (s->volume && !json_is_object(s->volume))
        add_below(c, prefix, "Volume", "invalid value: must be a volume source");
    if ((s->n_urls > 0) + (s->volume != NULL) + (s->image.n > 0) != 1) {
        add_below(c, prefix, "URLs", ONE_SOURCE);
        add_below(c, prefix, "Volume", ONE_SOURCE);
        add_below(c, prefix, "Image", ONE_SOURCE);
    }
}

void check_destination_image(struct check *c, const struct ws_destination *d)
{
    AUTO_BUF why = { 0 };

    if (d->image.n > 0 && image_is_bad(d->image, &why))
        problem_add(c->out, "tuning.Output.Image", "invalid value: Unable to parse output image reference: %s", buf_cstr(&why));
}

void check_destination(struct check *c, const struct ws_destination *d)
{
    check_destination_image(c, d);
    if (d->image.n > 0 && d->image_push_secret.n == 0)
        problem_add(c->out, "tuning.Output.Must specify imagePushSecret with destination image", MISSING);
    if (d->volume && !json_is_object(d->volume))
        problem_add(c->out, "tuning.Output.Volume", "invalid value: must be a volume source");
    if ((d->volume != NULL) + (d->image.n > 0) != 1)
        problem_add(c->out, "tuning.Output.Exactly one of Volume or Image must be specified", MISSING);
}
