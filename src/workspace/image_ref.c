/* Docker references as github.com/distribution/reference reads them. */
#include "workspace/priv.h"

#include <ctype.h>
#include <regex.h>

#define DOMAIN_PART "([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
#define DOMAIN_NAME "(" DOMAIN_PART "(\\." DOMAIN_PART ")*|\\[[a-fA-F0-9:]+\\])(:[0-9]+)?"
#define PATH_PART   "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"
#define TAG         "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
#define DIGEST      "[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
#define PATH        PATH_PART "(/" PATH_PART ")*"
#define BEHIND      "(:" TAG ")?(@" DIGEST ")?$"
/* A registry that is none, such as a_b.com, may still be the first part of a path. */
#define REFERENCE   "^(" DOMAIN_NAME "/)?" PATH BEHIND

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

/*
 * A first part with a dot, a port or upper case, and localhost, is a registry; without one docker.io is meant, where names of one part
 * lie below library/. Those get a copy in `whole`, from which *rest is lent.
 */
static struct str split_registry(struct str reference, struct buf *whole, struct str *rest)
{
    struct str first, after;
    bool named = str_cut(reference, '/', &first, &after) &&
                 (memchr(first.p, '.', first.n) || memchr(first.p, ':', first.n) || has_upper(first) || str_is(first, "localhost"));

    *rest = named ? after : reference;
    if (named && !str_is(first, "index.docker.io") && !str_is(first, "docker.io"))
        return first;
    if (!memchr(rest->p ? rest->p : "", '/', rest->n)) {
        buf_addf(whole, "library/%.*s", STR_ARG(*rest));
        *rest = buf_str(whole);
    }
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
    AUTO_BUF whole = { 0 }, copy = { 0 };
    struct str rest, registry = split_registry(ref, &copy, &rest), name, tail, digest;

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
    bool has_digest = str_cut(rest, '@', &name, &digest);

    str_cut(name, ':', &name, &tail);
    if (name.n > REPOSITORY_MAX)
        buf_addf(why, "repository name must not be more than %d characters", REPOSITORY_MAX);
    else if (has_digest)
        (void)digest_is_bad(digest, why);
    return why->n > 0;
}

/* With a digest the tag says nothing, and skopeo refuses both. */
void image_normalized(struct str ref, struct buf *out)
{
    AUTO_BUF why = { 0 }, copy = { 0 };
    struct str rest, registry = split_registry(ref, &copy, &rest), name, tag, digest;

    if (image_is_bad(ref, &why)) {
        buf_addstr(out, ref);
        return;
    }
    if (str_cut(rest, '@', &name, &digest)) {
        str_cut(name, ':', &name, &tag);
        buf_addf(out, "%.*s/%.*s@%.*s", STR_ARG(registry), STR_ARG(name), STR_ARG(digest));
        return;
    }
    buf_addf(out, "%.*s/%.*s%s", STR_ARG(registry), STR_ARG(rest), memchr(rest.p, ':', rest.n) ? "" : ":latest");
}
