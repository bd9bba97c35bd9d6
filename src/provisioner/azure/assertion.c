#include "provisioner/azure/assertion.h"

#include <gnutls/abstract.h>
#include <gnutls/pkcs12.h>
#include <gnutls/x509.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "provisioner/azure/secret.h"

#define FILE_MAX_BYTES (256u << 10)
#define LIFE_S         600

struct identity { gnutls_x509_crt_t crt; gnutls_x509_privkey_t key; };

static void identity_done(struct identity *i)
{
    if (i->crt)
        gnutls_x509_crt_deinit(i->crt);
    if (i->key)
        gnutls_x509_privkey_deinit(i->key);
}

static int read_pem(gnutls_datum_t text, const char *password, struct identity *out)
{
    int rc = gnutls_x509_crt_init(&out->crt);

    if (rc < 0 || (rc = gnutls_x509_privkey_init(&out->key)) < 0 || (rc = gnutls_x509_crt_import(out->crt, &text, GNUTLS_X509_FMT_PEM)) < 0)
        return rc;
    return gnutls_x509_privkey_import2(out->key, &text, GNUTLS_X509_FMT_PEM, password, 0);
}

static int read_pkcs12(gnutls_datum_t text, const char *password, struct identity *out)
{
    gnutls_pkcs12_t p12;
    gnutls_x509_crt_t *chain = NULL;
    unsigned n = 0;
    int rc = gnutls_pkcs12_init(&p12);

    if (rc < 0)
        return rc;
    rc = gnutls_pkcs12_import(p12, &text, GNUTLS_X509_FMT_DER, 0);
    if (rc >= 0)
        rc = gnutls_pkcs12_simple_parse(p12, password ? password : "", &out->key, &chain, &n, NULL, NULL, NULL, 0);
    for (unsigned i = 1; i < n; i++)    /* the first is the key's own */
        gnutls_x509_crt_deinit(chain[i]);
    if (n > 0)
        out->crt = chain[0];
    gnutls_free(chain);
    gnutls_pkcs12_deinit(p12);
    return rc < 0 ? rc : out->crt && out->key ? 0 : GNUTLS_E_NO_CERTIFICATE_FOUND;
}

static errc identity_read(const char *path, const char *password, struct identity *out, struct err *e)
{
    AUTO_SECRET text = { 0 };
    size_t at;

    buf_reserve(&text, FILE_MAX_BYTES + 1);     /* never moved while it grows: no copy is left behind */
    if (file_read(path, FILE_MAX_BYTES, &text, e))
        return err_wrap(e, "azure: client certificate");
    gnutls_datum_t d = { (unsigned char *)text.p, (unsigned)text.n };
    int rc = str_find(buf_str(&text), STR("-----BEGIN"), &at) ? read_pem(d, password, out) : read_pkcs12(d, password, out);

    if (rc < 0)
        return err_set(e, ERR_BAD_REQUEST, "azure: client certificate %s: %s; give one file with the certificate and its key, PEM or PKCS#12"
                       ", and AZURE_CLIENT_CERTIFICATE_PASSWORD when it is encrypted", path, gnutls_strerror(rc));
    if (gnutls_x509_privkey_get_pk_algorithm(out->key) != GNUTLS_PK_RSA)
        return err_set(e, ERR_BAD_REQUEST, "azure: client certificate %s: its key is not RSA, which Entra requires", path);
    return ERR_OK;
}

static errc add_header(const struct identity *i, struct buf *out, struct err *e)
{
    unsigned char print[32];
    size_t n = sizeof print;
    AUTO_BUF thumb = { 0 };
    AUTO_BUF text = { 0 };
    int rc = gnutls_x509_crt_get_fingerprint(i->crt, GNUTLS_DIG_SHA256, print, &n);

    if (rc < 0)
        return err_set(e, ERR_BAD_REQUEST, "azure: client certificate: %s", gnutls_strerror(rc));
    base64url_add(&thumb, print, n);
    buf_addf(&text, "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"%s\"}", buf_cstr(&thumb));
    base64url_add(out, text.p, text.n);
    return ERR_OK;
}

static void add_claims(const char *client_id, const char *audience, int64_t now_s, struct buf *out)
{
    char id[37];
    AUTO_BUF text = { 0 };

    random_uuid(id);
    AUTO_JSON claims = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "aud", audience, "iss", client_id, "sub", client_id, "jti", id,
                                 "iat", (json_int_t)now_s, "nbf", (json_int_t)now_s, "exp", (json_int_t)(now_s + LIFE_S));
    json_write(claims, &text);
    base64url_add(out, text.p, text.n);
}

static errc add_signature(const struct identity *i, struct buf *out, struct err *e)
{
    gnutls_privkey_t key;
    gnutls_datum_t data = { (unsigned char *)out->p, (unsigned)out->n }, signature = { 0 };
    int rc = gnutls_privkey_init(&key);

    if (rc >= 0) {
        rc = gnutls_privkey_import_x509(key, i->key, 0);
        if (rc >= 0)
            rc = gnutls_privkey_sign_data2(key, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, 0, &data, &signature);
        gnutls_privkey_deinit(key);
    }
    if (rc < 0)
        return err_set(e, ERR_BAD_REQUEST, "azure: client certificate: its key does not sign: %s", gnutls_strerror(rc));
    buf_addc(out, '.');
    base64url_add(out, signature.data, signature.size);
    gnutls_free(signature.data);
    return ERR_OK;
}

errc azure_assertion(const char *path, const char *password, const char *client_id, const char *audience, int64_t now_ms, struct buf *out,
                     struct err *e)
{
    AUTO(identity_done) struct identity who = { 0 };
    AUTO_SECRET jwt = { 0 };

    TRY(identity_read(path, password, &who, e));
    TRY(add_header(&who, &jwt, e));
    buf_addc(&jwt, '.');
    add_claims(client_id, audience, now_ms / 1000, &jwt);
    TRY(add_signature(&who, &jwt, e));
    buf_addstr(out, buf_str(&jwt));
    return ERR_OK;
}
