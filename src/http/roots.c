/*
 * Which of the trusted authorities servers turned out to need. curl reads all of them for each connection, which takes 3 MB and some milliseconds
 * with those of a system; where connections are brief, the next one reads these alone. Nobody is trusted who was not: they are copied from what was
 * verified against, and a server that they do not vouch for is asked again with all.
 */
#include <gnutls/x509.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "http/client_priv.h"

#define ROOTS_MS 3600000                /* then all are read once more: some may be gone from the system */

static gnutls_session_t session_of(CURL *h)
{
    struct curl_tlssessioninfo *info = NULL;

    if (curl_easy_getinfo(h, CURLINFO_TLS_SSL_PTR, &info) || !info || info->backend != CURLSSLBACKEND_GNUTLS)
        return NULL;
    return info->internals;
}

static gnutls_x509_trust_list_t trusted_by(gnutls_session_t s)
{
    gnutls_certificate_credentials_t credentials = NULL;
    gnutls_x509_trust_list_t list = NULL;

    if (gnutls_credentials_get(s, GNUTLS_CRD_CERTIFICATE, (void **)&credentials) >= 0)
        gnutls_certificate_get_trust_list(credentials, &list);
    return list;
}

/* As PEM; nothing when none of the list issued it. */
static void add_issuer(gnutls_x509_trust_list_t list, const gnutls_datum_t *der, struct buf *out)
{
    gnutls_x509_crt_t cert, issuer;     /* the issuer stays the list's */
    gnutls_datum_t pem = { 0 };

    if (gnutls_x509_crt_init(&cert) < 0)
        return;
    if (gnutls_x509_crt_import(cert, der, GNUTLS_X509_FMT_DER) >= 0 && gnutls_x509_trust_list_get_issuer(list, cert, &issuer, 0) >= 0 &&
        gnutls_x509_crt_export2(issuer, GNUTLS_X509_FMT_PEM, &pem) >= 0)
        buf_add(out, pem.data, pem.size);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(cert);
}

void roots_learn(struct http_client *c, CURL *h)
{
    gnutls_session_t s = session_of(h);
    gnutls_x509_trust_list_t list = s ? trusted_by(s) : NULL;
    unsigned n = 0;
    const gnutls_datum_t *chain = list ? gnutls_certificate_get_peers(s, &n) : NULL;

    for (unsigned i = 0; chain && i < n; i++) {
        AUTO_BUF root = { 0 };

        add_issuer(list, &chain[i], &root);
        if (!root.n)
            continue;
        LOCK_SCOPE(&c->mu);
        if (!c->roots.n)
            c->roots_ms = clock_mono_ms();
        if (!c->roots.n || !strstr(buf_cstr(&c->roots), buf_cstr(&root)))
            buf_add(&c->roots, root.p, root.n);
    }
}

size_t roots_known(struct http_client *c)
{
    LOCK_SCOPE(&c->mu);
    return c->roots.n;
}

void roots_failed(struct http_client *c, size_t known)
{
    LOCK_SCOPE(&c->mu);
    c->roots_useless = c->roots_useless || c->roots.n == known;
}

static void copy_roots(struct http_client *c, struct buf *out)
{
    LOCK_SCOPE(&c->mu);
    if (c->roots.n && clock_mono_ms() - c->roots_ms > ROOTS_MS)
        buf_truncate(&c->roots, 0);
    if (!c->roots_useless)
        buf_add(out, c->roots.p, c->roots.n);
}

int roots_file(struct http_client *c)
{
    AUTO_BUF pem = { 0 };

    copy_roots(c, &pem);
    int fd = pem.n ? memfd_create("authorities", MFD_CLOEXEC) : -1;

    if (fd >= 0 && fd_write_all(fd, pem.p, pem.n, NULL)) {
        close(fd);
        return -1;
    }
    return fd;
}
