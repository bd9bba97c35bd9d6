/* The certificate that a server shows; it can be replaced while the server runs. */
#include <gnutls/x509.h>

#include "base/mem.h"
#include "base/tls.h"
#include "http/priv.h"

#define CHAIN_MAX 16

static gnutls_datum_t datum(const char *text)
{
    return (gnutls_datum_t){ (unsigned char *)(uintptr_t)text, (unsigned)strlen(text) };
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

errc certificate_set(struct certificate *c, const char *cert_pem, const char *key_pem, struct err *e)
{
    TRY(tls_pair_check(cert_pem, key_pem, e));
    LOCK_SCOPE(&c->mu);
    free(c->cert_pem);
    wipe(c->key_pem);
    c->cert_pem = xstrdup(cert_pem);
    c->key_pem = xstrdup(key_pem);
    return ERR_OK;
}

void certificate_done(struct certificate *c)
{
    free(c->cert_pem);
    wipe(c->key_pem);
    mutex_done(&c->mu);
}

static int import_chain(const char *pem, gnutls_pcert_st **out, unsigned *out_n)
{
    gnutls_pcert_st *chain = gnutls_malloc(CHAIN_MAX * sizeof *chain);
    gnutls_datum_t text = datum(pem);

    *out_n = CHAIN_MAX;
    int rc = chain ? gnutls_pcert_list_import_x509_raw(chain, out_n, &text, GNUTLS_X509_FMT_PEM, 0) : GNUTLS_E_MEMORY_ERROR;
    if (rc < 0)
        gnutls_free(chain);
    else
        *out = chain;
    return rc;
}

static int import_key(const char *pem, gnutls_privkey_t *out)
{
    gnutls_datum_t text = datum(pem);
    int rc = gnutls_privkey_init(out);

    if (rc >= 0 && (rc = gnutls_privkey_import_x509_raw(*out, &text, GNUTLS_X509_FMT_PEM, NULL, 0)) < 0)
        gnutls_privkey_deinit(*out);
    return rc;
}

static void free_chain(gnutls_pcert_st *chain, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        gnutls_pcert_deinit(&chain[i]);
    gnutls_free(chain);
}

static int show(struct certificate *c, gnutls_pcert_st **chain, unsigned *n, gnutls_privkey_t *key)
{
    LOCK_SCOPE(&c->mu);
    int rc = import_chain(c->cert_pem, chain, n);

    if (rc >= 0 && (rc = import_key(c->key_pem, key)) < 0)
        free_chain(*chain, *n);
    return rc;
}

/* GnuTLS frees what it gets here: nothing is shared with a handshake, so the next one may see another certificate. */
int certificate_show(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **chain, unsigned *n,
                     gnutls_ocsp_data_st **ocsp, unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
    struct MHD_Connection *con = gnutls_session_get_ptr(session);        /* libmicrohttpd sets it */
    const union MHD_ConnectionInfo *of = con ? MHD_get_connection_info(con, MHD_CONNECTION_INFO_SOCKET_CONTEXT) : NULL;
    struct http_connection *c = of ? of->socket_context : NULL;

    (void)info;
    *ocsp = NULL;
    *n_ocsp = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    return c && show(&c->server->shown, chain, n, key) >= 0 ? 0 : -1;
}
