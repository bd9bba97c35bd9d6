/* Image references, by the grammar and the normalisation of distribution/reference. */
#include "oci/oci.h"

#include "base/mem.h"

#define NAME_MAX_LEN    255         /* host and repository together */
#define TAG_MAX_LEN     128

void image_ref_done(struct image_ref *r)
{
    free(r->host);
    free(r->repository);
    free(r->tag);
    free(r->digest);
    *r = (struct image_ref){ 0 };
}

static bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
static bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

bool digest_is_valid(struct str s)
{
    if (s.n != 71 || !str_has_prefix(s, STR("sha256:")))
        return false;
    for (size_t i = 7; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

/* [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} */
static bool tag_ok(struct str t)
{
    if (!t.n || t.n > TAG_MAX_LEN || !(is_alnum(t.p[0]) || t.p[0] == '_'))
        return false;
    for (size_t i = 1; i < t.n; i++)
        if (!is_alnum(t.p[i]) && !strchr("._-", t.p[i]))
            return false;
    return true;
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* */
static bool component_ok(struct str c)
{
    size_t i = 0;

    for (;;) {
        size_t start = i;
        while (i < c.n && is_lower_alnum(c.p[i]))
            i++;
        if (i == start)
            return false;
        if (i == c.n)
            return true;
        size_t sep = i;
        while (i < c.n && c.p[i] == c.p[sep] && strchr("._-", c.p[i]))
            i++;
        if (i == sep || (c.p[sep] == '.' && i - sep > 1) || (c.p[sep] == '_' && i - sep > 2))
            return false;
    }
}

static bool repository_ok(struct str r)
{
    struct str piece;

    if (!r.n)
        return false;
    for (struct str rest = r; str_next(&rest, '/', &piece); )
        if (!component_ok(piece))
            return false;
    return r.p[r.n - 1] != '/';
}

/* name, name:port, [v6]:port; name is dotted words of letters, digits and inner dashes. */
static bool host_ok(struct str h)
{
    struct str name = h, port;
    uint64_t number;

    if (str_has_prefix(h, STR("["))) {
        size_t at;
        if (!str_find(h, STR("]"), &at) || at < 2)
            return false;
        for (size_t i = 1; i < at; i++)
            if (!strchr("0123456789abcdefABCDEF:.", h.p[i]))
                return false;
        struct str tail = str_from(h, at + 1);
        return !tail.n || (tail.p[0] == ':' && str_to_u64(str_from(tail, 1), &number) && number >= 1 && number <= 65535);
    }
    if (str_cut(h, ':', &name, &port) && !(str_to_u64(port, &number) && number >= 1 && number <= 65535))
        return false;
    if (!name.n || name.p[0] == '-' || name.p[0] == '.' || name.p[name.n - 1] == '-' || name.p[name.n - 1] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_alnum(name.p[i]) && name.p[i] != '-' && name.p[i] != '.')
            return false;
    return true;
}

/* The part before the first slash is a host when it looks like one: a dot, a port, upper case, or localhost. */
static bool looks_like_host(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '.' || s.p[i] == ':' || (s.p[i] >= 'A' && s.p[i] <= 'Z'))
            return true;
    return str_is(s, "localhost");
}

static errc bad(struct err *e, const char *text, const char *why)
{
    return err_set(e, ERR_INVALID, "image reference \"%.300s\": %s; write HOST[:PORT]/REPOSITORY:TAG", text, why);
}

/* The parts as they are written, views into the text. */
struct parts { struct str host, repository, tag, digest; };

/* NULL: cut; else what is wrong. From the end, where only one reading is possible. */
static const char *cut_parts(struct str rest, struct parts *out)
{
    struct str head, tail;

    *out = (struct parts){ .host = STR("docker.io") };
    if (str_cut(rest, '@', &head, &tail)) {
        if (!digest_is_valid(tail))
            return "the digest is not sha256: and 64 hexadecimal digits";
        out->digest = tail;
        rest = head;
    }
    /* a colon behind the last slash begins the tag, one before it a port */
    if (str_rcut(rest, ':', &head, &tail) && !memchr(tail.p, '/', tail.n)) {
        if (!tag_ok(tail))
            return "the tag may hold letters, digits, \"_\", \".\" and \"-\" only";
        out->tag = tail;
        rest = head;
    }
    out->repository = rest;
    if (str_cut(rest, '/', &head, &tail) && looks_like_host(head)) {
        out->host = head;
        out->repository = tail;
    }
    return NULL;
}

errc image_ref_parse(const char *text, struct image_ref *out, struct err *e)
{
    struct str all = str_of(text);
    struct parts p;

    if (!str_set(text))
        return bad(e, "", "it is empty");
    if (str_has_prefix(all, STR("http://")) || str_has_prefix(all, STR("https://")))
        return bad(e, text, "it is a URL");
    const char *problem = cut_parts(all, &p);
    if (problem)
        return bad(e, text, problem);
    if (!host_ok(p.host))
        return bad(e, text, "the host is malformed");
    if (!repository_ok(p.repository))
        return bad(e, text, "the repository may hold lower-case letters, digits and single separators only");
    if (str_is(p.host, "index.docker.io"))
        p.host = STR("docker.io");
    const char *library = str_is(p.host, "docker.io") && !memchr(p.repository.p, '/', p.repository.n) ? "library/" : "";
    if (p.host.n + p.repository.n + strlen(library) > NAME_MAX_LEN)
        return bad(e, text, "the name is longer than 255 bytes");
    *out = (struct image_ref){
        .host = xstrndup(p.host.p, p.host.n),
        .repository = xasprintf("%s%.*s", library, STR_ARG(p.repository)),
        .tag = p.tag.n ? xstrndup(p.tag.p, p.tag.n) : p.digest.n ? NULL : xstrdup("latest"),
        .digest = p.digest.n ? xstrndup(p.digest.p, p.digest.n) : NULL,
    };
    return ERR_OK;
}

const char *image_ref_version(const struct image_ref *r)
{
    return r->digest ? r->digest : r->tag;
}

char *image_ref_text(const struct image_ref *r)
{
    return xasprintf("%s/%s%s%s%s%s", r->host, r->repository, r->tag ? ":" : "", r->tag ? r->tag : "",
                     r->digest ? "@" : "", r->digest ? r->digest : "");
}
