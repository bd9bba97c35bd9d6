/* Who we are to a registry: docker config.json files and WWW-Authenticate challenges. */
#include "oci/oci.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

void oci_credentials_done(struct oci_credentials *c)
{
    char *secrets[] = { c->user, c->password, c->identity_token };

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        if (secrets[i]) {
            explicit_bzero(secrets[i], strlen(secrets[i]));
            free(secrets[i]);
        }
    *c = (struct oci_credentials){ 0 };
}

/* "https://index.docker.io/v1/" -> "docker.io", "reg:5000/v2" -> "reg:5000": a view into key, or a constant. */
static struct str key_normal(struct str key)
{
    static const char *const schemes[] = { "https://", "http://" }, *const versions[] = { "/v1", "/v2" };

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (str_has_prefix(key, str_of(schemes[i])))
            key = str_from(key, strlen(schemes[i]));
    while (str_has_suffix(key, STR("/")))
        key.n--;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        if (str_has_suffix(key, str_of(versions[i])))
            key.n -= strlen(versions[i]);
    if (str_is(key, "index.docker.io") || str_is(key, "registry-1.docker.io"))
        return STR("docker.io");
    return key;
}

/* How many bytes of host/repository the key covers; 0: none. It must end at a slash. */
static size_t key_covers(struct str key, struct str host, struct str full)
{
    key = key_normal(key);
    if (key.n < host.n || !str_has_prefix(full, key))
        return 0;
    return key.n == full.n || full.p[key.n] == '/' ? key.n : 0;
}

static errc entry_read(const char *key, const json_t *entry, struct oci_credentials *out, struct err *e)
{
    const char *auth = json_cstr(entry, "auth"), *user = json_cstr(entry, "username"), *password = json_cstr(entry, "password");
    const char *identity = json_cstr(entry, "identitytoken");
    AUTO_BUF plain = { 0 };
    struct str left, right;

    if (str_set(auth)) {
        if (!base64_decode(str_trim(str_of(auth)), &plain) || !str_cut(buf_str(&plain), ':', &left, &right))
            return err_set(e, ERR_INVALID, "docker config: auths[\"%.200s\"].auth is not base64 of user:password; make the secret again with "
                           "kubectl create secret docker-registry", key);
        while (right.n && right.p[right.n - 1] == 0)
            right.n--;                          /* docker pads old files with NUL */
        out->user = xstrndup(left.p, left.n);
        out->password = xstrndup(right.p, right.n);
        explicit_bzero(plain.p, plain.n);
    } else if (str_set(user)) {
        out->user = xstrdup(user);
        out->password = xstrdup(password ? password : "");
    }
    if (str_set(identity))
        out->identity_token = xstrdup(identity);
    return ERR_OK;
}

errc docker_config_find(struct str text, const char *host, const char *repository, struct oci_credentials *out, struct err *e)
{
    AUTO_JSON root = NULL;
    const char *key, *best_key = NULL;
    const json_t *best = NULL;
    json_t *entry;
    size_t best_n = 0;
    AUTO_MEM char *full = xasprintf("%s/%s", host, repository);
    struct err parse;

    if (json_parse(text, &root, &parse) || !json_is_object(root))
        return err_set(e, ERR_INVALID, "docker config: it is no JSON object; give a config.json as \"docker login\" or "
                       "\"kubectl create secret docker-registry\" writes it");
    json_t *auths = json_object_get(root, "auths");
    if (!auths && !json_object_get(root, "credHelpers") && !json_object_get(root, "credsStore"))
        auths = root;                           /* a legacy .dockercfg is the inner map */
    json_object_foreach(auths, key, entry) {
        size_t n = json_is_object(entry) ? key_covers(str_of(key), str_of(host), str_of(full)) : 0;
        if (n > best_n) {
            best_n = n;
            best = entry;
            best_key = key;
        }
    }
    return best ? entry_read(best_key, best, out, e) : ERR_OK;
}

void auth_challenge_done(struct auth_challenge *c)
{
    free(c->realm);
    free(c->service);
    free(c->scope);
    free(c->error);
    *c = (struct auth_challenge){ 0 };
}

static bool is_token(char c)
{
    return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

static struct str take_token(struct str *s)
{
    size_t n = 0;

    while (n < s->n && is_token(s->p[n]))
        n++;
    struct str t = str_n(s->p, n);
    *s = str_from(*s, n);
    return t;
}

static void skip(struct str *s, const char *chars)
{
    while (s->n && s->p[0] && strchr(chars, s->p[0]))
        *s = str_from(*s, 1);
}

/* A token or a quoted string with backslash escapes (RFC 9110 section 5.6.4). */
static bool take_value(struct str *s, struct buf *out)
{
    if (!s->n || s->p[0] != '"') {
        /* looser than a token: realms are URLs and some servers forget the quotes */
        size_t n = 0;
        while (n < s->n && !strchr(" \t,\"", s->p[n]) && s->p[n])
            n++;
        buf_add(out, s->p, n);
        *s = str_from(*s, n);
        return n > 0;
    }
    *s = str_from(*s, 1);
    while (s->n && s->p[0] != '"') {
        if (s->p[0] == '\\' && s->n > 1)
            *s = str_from(*s, 1);
        if (!s->p[0])
            return false;
        buf_addc(out, s->p[0]);
        *s = str_from(*s, 1);
    }
    if (!s->n)
        return false;
    *s = str_from(*s, 1);
    return true;
}

static void keep_param(struct auth_challenge *c, struct str name, struct buf *value)
{
    const struct { const char *name; char **where; } params[] = {
        { "realm", &c->realm }, { "service", &c->service }, { "scope", &c->scope }, { "error", &c->error },
    };

    for (size_t i = 0; i < ARRAY_LEN(params); i++)
        if (str_ieq(name, str_of(params[i].name)) && !*params[i].where)
            *params[i].where = buf_take(value);
}

/* One "Scheme a=b, c="d"" or "Scheme token68"; leaves *s before the next scheme. */
static bool take_challenge(struct str *s, struct auth_challenge *out)
{
    struct str scheme = take_token(s);

    if (!scheme.n)
        return false;
    out->scheme = str_ieq(scheme, STR("Bearer")) ? AUTH_BEARER : str_ieq(scheme, STR("Basic")) ? AUTH_BASIC : AUTH_NONE;
    for (;;) {
        skip(s, " \t,");
        struct str before = *s, name = take_token(s);
        skip(s, " \t");
        if (!name.n || !s->n || s->p[0] != '=') {
            bool token68 = !name.n && s->n && !is_token(s->p[0]) && s->p[0] != '"';
            *s = before;                        /* the next scheme, or the end */
            if (token68)
                *s = str_from(*s, s->n);        /* what nobody here can read: stop */
            return true;
        }
        skip(s, "=");
        skip(s, " \t");
        AUTO_BUF value = { 0 };
        bool quoted = s->n && s->p[0] == '"';
        if (!take_value(s, &value))
            return !quoted && (s->n == 0 || s->p[0] == ',');   /* "Negotiate abc==": a token68 with padding */
        keep_param(out, name, &value);
    }
}

bool auth_challenge_parse(struct str header, struct auth_challenge *out)
{
    AUTO_AUTH_CHALLENGE best = { 0 };

    for (;;) {
        AUTO_AUTH_CHALLENGE c = { 0 };
        skip(&header, " \t,");
        if (!header.n)
            break;
        if (!take_challenge(&header, &c))
            return false;
        if (c.scheme > best.scheme) {
            auth_challenge_done(&best);
            best = c;
            c = (struct auth_challenge){ 0 };
        }
    }
    *out = best;
    best = (struct auth_challenge){ 0 };
    return out->scheme != AUTH_NONE;
}
