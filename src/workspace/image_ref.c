/* Docker references as github.com/distribution/reference reads them. */
#include "workspace/priv.h"

#include <ctype.h>
#include <regex.h>

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

void image_normalized(struct str ref, struct buf *out)
{
    AUTO_BUF why = { 0 };
    struct str rest, registry = split_registry(ref, &rest), name, tail;

    if (image_is_bad(ref, &why)) {
        buf_addstr(out, ref);
        return;
    }
    if (str_is(registry, "index.docker.io"))
        registry = STR("docker.io");
    buf_addf(out, "%.*s/%s%.*s", STR_ARG(registry), str_is(registry, "docker.io") && !memchr(rest.p, '/', rest.n) ? "library/" : "", STR_ARG(rest));
    if (!str_cut(rest, '@', &name, &tail) && !str_cut(rest, ':', &name, &tail))
        buf_adds(out, ":latest");
}
