/* Serving certificates in a Secret: read, judge, make, write. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/tls.h"
#include "webhook/priv.h"

#define ORGANIZATION "kaito.sh"
#define PEM_END     "-----END CERTIFICATE-----\n"

static const struct { const char *key; size_t off; } parts[] = {
    { "server-cert.pem", offsetof(struct serving_pair, cert) },
    { "server-key.pem", offsetof(struct serving_pair, key) },
    { "ca-cert.pem", offsetof(struct serving_pair, ca) },
};

static char **part(const struct serving_pair *p, size_t i)
{
    return (char **)(void *)((char *)(uintptr_t)p + parts[i].off);
}

void serving_pair_done(struct serving_pair *p)
{
    if (p->key)
        explicit_bzero(p->key, strlen(p->key));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        free(*part(p, i));
    *p = (struct serving_pair){ 0 };
}

static bool read_parts(const json_t *secret, struct serving_pair *p)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const char *text = json_str_at(secret, "data", parts[i].key, NULL);
        struct buf bytes = { 0 };
        bool ok = str_set(text) && base64_decode(str_of(text), &bytes) && bytes.n && !memchr(bytes.p, 0, bytes.n);

        *part(p, i) = buf_take(&bytes);
        if (!ok)
            return false;
    }
    return true;
}

bool serving_pair_read(const json_t *secret, struct serving_pair *out)
{
    struct serving_pair p = { 0 };
    struct err e;

    if (read_parts(secret, &p) && tls_pair_check(p.cert, p.key, &e) == ERR_OK && tls_cert_trusted(str_of(p.cert), str_of(p.ca))) {
        *out = p;
        return true;
    }
    serving_pair_done(&p);
    return false;
}

int64_t serving_pair_good_for(const struct serving_pair *p, const char *const *names, size_t n, int64_t renew_before_s)
{
    int64_t left_s = 0;
    struct err e;

    for (size_t i = 0; i < n; i++)
        if (!tls_cert_covers(str_of(p->cert), names[i]))
            return 0;
    if (tls_cert_expires_in(str_of(p->cert), &left_s, &e) || left_s <= renew_before_s)
        return 0;
    return left_s - renew_before_s;
}

/* The authority that signed the present certificate comes first in its bundle. */
static struct str newest_ca(const struct serving_pair *p)
{
    struct str all = str_of(p->ca);
    size_t at;

    return str_find(all, STR(PEM_END), &at) ? str_n(all.p, at + strlen(PEM_END)) : all;
}

errc serving_pair_make(const char *const *names, size_t n, int days, const struct serving_pair *old, struct serving_pair *out, struct err *e)
{
    struct tls_pair ca = { 0 }, server = { 0 };
    int64_t left_s = 0;
    struct err ignored;
    struct buf bundle = { 0 };
    char suffix[9] = { 0 };
    random_suffix(suffix, sizeof suffix - 1);
    AUTO_MEM char *ca_name = xasprintf("kaito webhook authority %s", suffix);   /* of two authorities of one name, clients try only one */
    errc rc = tls_make_ca(ca_name, days, &ca, e);

    rc = rc ? rc : tls_make_cert(&ca, names[0], ORGANIZATION, names, n, days, &server, e);
    if (!rc) {
        buf_adds(&bundle, ca.cert_pem);
        if (old && tls_cert_expires_in(newest_ca(old), &left_s, &ignored) == ERR_OK && left_s > 0)
            buf_addstr(&bundle, newest_ca(old));
        *out = (struct serving_pair){ .cert = TAKE(server.cert_pem), .key = TAKE(server.key_pem), .ca = buf_take(&bundle) };
    }
    if (ca.key_pem)
        explicit_bzero(ca.key_pem, strlen(ca.key_pem));         /* signs once and is gone */
    tls_pair_done(&ca);
    tls_pair_done(&server);
    return rc;
}

void serving_pair_write(const struct serving_pair *p, json_t *secret)
{
    json_t *data = json_sub(secret, "data");

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        AUTO_BUF text = { 0 };

        base64_add(&text, *part(p, i), strlen(*part(p, i)));
        json_put_str(data, parts[i].key, buf_cstr(&text));
    }
}
