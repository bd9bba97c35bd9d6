#include "base/tls.h"

#include <arpa/inet.h>
#include <gnutls/x509.h>

#include "base/clock.h"
#include "base/mem.h"

void tls_pair_done(struct tls_pair *p)
{
    free(p->cert_pem);
    free(p->key_pem);
    *p = (struct tls_pair){ 0 };
}

static errc gerr(struct err *e, int rc, const char *doing)
{
    return err_set(e, ERR_INTERNAL, "%s: %s", doing, gnutls_strerror(rc));
}

static gnutls_datum_t datum_of(struct str s)
{
    return (gnutls_datum_t){ (unsigned char *)(uintptr_t)s.p, (unsigned)s.n };
}

static void crt_free(gnutls_x509_crt_t *c) { if (*c) gnutls_x509_crt_deinit(*c); }
static void key_free(gnutls_x509_privkey_t *k) { if (*k) gnutls_x509_privkey_deinit(*k); }
#define AUTO_CRT AUTO(crt_free) gnutls_x509_crt_t
#define AUTO_KEY AUTO(key_free) gnutls_x509_privkey_t

static char *take_datum(gnutls_datum_t *d)
{
    char *s = xstrndup((const char *)d->data, d->size);

    gnutls_free(d->data);
    return s;
}

static errc new_key(gnutls_x509_privkey_t *key, struct err *e)
{
    int rc = gnutls_x509_privkey_init(key);

    if (rc >= 0)
        rc = gnutls_x509_privkey_generate(*key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    return rc < 0 ? gerr(e, rc, "make a key") : ERR_OK;
}

static int set_names(gnutls_x509_crt_t crt, const char *common_name, const char *organization)
{
    int rc = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, common_name, (unsigned)strlen(common_name));

    if (rc >= 0 && organization)
        rc = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, organization,
                                           (unsigned)strlen(organization));
    return rc;
}

/* Version 3, a random serial, valid from an hour ago so that small clock differences do no harm. */
static errc new_certificate(gnutls_x509_crt_t *crt, gnutls_x509_privkey_t key, const char *common_name,
                            const char *organization, int days, struct err *e)
{
    unsigned char serial[16], id[20];
    size_t id_size = sizeof id;
    time_t now = (time_t)(clock_wall_ms() / 1000);
    int rc = gnutls_x509_crt_init(crt);

    random_bytes(serial, sizeof serial);
    serial[0] &= 0x7F;
    if (rc < 0 || (rc = gnutls_x509_crt_set_key(*crt, key)) < 0 || (rc = gnutls_x509_crt_set_version(*crt, 3)) < 0 ||
        (rc = gnutls_x509_crt_set_serial(*crt, serial, sizeof serial)) < 0 ||
        (rc = gnutls_x509_crt_set_activation_time(*crt, now - 3600)) < 0 ||
        (rc = gnutls_x509_crt_set_expiration_time(*crt, now + (time_t)days * 86400)) < 0 ||
        (rc = set_names(*crt, common_name, organization)) < 0 ||
        (rc = gnutls_x509_crt_get_key_id(*crt, 0, id, &id_size)) < 0 ||
        (rc = gnutls_x509_crt_set_subject_key_id(*crt, id, id_size)) < 0)
        return gerr(e, rc, "make a certificate");
    return ERR_OK;
}

static errc export_pair(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, struct tls_pair *out, struct err *e)
{
    gnutls_datum_t cert_pem, key_pem;
    int rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &cert_pem);

    if (rc < 0)
        return gerr(e, rc, "export a certificate");
    out->cert_pem = take_datum(&cert_pem);
    rc = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &key_pem);
    if (rc < 0) {
        tls_pair_done(out);
        return gerr(e, rc, "export a key");
    }
    out->key_pem = take_datum(&key_pem);
    return ERR_OK;
}

errc tls_make_ca(const char *common_name, int days, struct tls_pair *out, struct err *e)
{
    AUTO_CRT crt = NULL;
    AUTO_KEY key = NULL;

    TRY(new_key(&key, e));
    TRY(new_certificate(&crt, key, common_name, NULL, days, e));
    int rc = gnutls_x509_crt_set_basic_constraints(crt, 1, -1);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN | GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (rc >= 0)
        rc = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    if (rc < 0)
        return gerr(e, rc, "sign the authority's certificate");
    return export_pair(crt, key, out, e);
}

static errc import_pair(const struct tls_pair *ca, gnutls_x509_crt_t *crt, gnutls_x509_privkey_t *key, struct err *e)
{
    gnutls_datum_t cert = datum_of(str_of(ca->cert_pem)), priv = datum_of(str_of(ca->key_pem));
    int rc = gnutls_x509_crt_init(crt);

    if (rc < 0 || (rc = gnutls_x509_crt_import(*crt, &cert, GNUTLS_X509_FMT_PEM)) < 0 ||
        (rc = gnutls_x509_privkey_init(key)) < 0 || (rc = gnutls_x509_privkey_import2(*key, &priv, GNUTLS_X509_FMT_PEM, NULL, 0)) < 0)
        return gerr(e, rc, "read the authority's certificate and key");
    return ERR_OK;
}

static int add_alt_name(gnutls_x509_crt_t crt, const char *name)
{
    unsigned char ip[16];

    for (int family = AF_INET; ; family = AF_INET6) {
        if (inet_pton(family, name, ip) == 1)
            return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, ip, family == AF_INET ? 4 : 16, GNUTLS_FSAN_APPEND);
        if (family == AF_INET6)
            break;
    }
    return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

static int set_usage(gnutls_x509_crt_t crt)
{
    int rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);

    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    return rc < 0 ? rc : gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
}

errc tls_make_cert(const struct tls_pair *ca, const char *common_name, const char *organization,
                   const char *const *names, size_t n_names, int days, struct tls_pair *out, struct err *e)
{
    AUTO_CRT ca_crt = NULL;
    AUTO_KEY ca_key = NULL;
    AUTO_CRT crt = NULL;
    AUTO_KEY key = NULL;

    TRY(import_pair(ca, &ca_crt, &ca_key, e));
    TRY(new_key(&key, e));
    TRY(new_certificate(&crt, key, common_name, organization, days, e));
    int rc = set_usage(crt);
    for (size_t i = 0; rc >= 0 && i < n_names; i++)
        rc = add_alt_name(crt, names[i]);
    if (rc >= 0)
        rc = gnutls_x509_crt_sign2(crt, ca_crt, ca_key, GNUTLS_DIG_SHA256, 0);
    if (rc < 0)
        return gerr(e, rc, "sign a certificate");
    return export_pair(crt, key, out, e);
}

errc tls_pair_check(const char *cert_pem, const char *key_pem, struct err *e)
{
    gnutls_certificate_credentials_t both;
    gnutls_datum_t cert = datum_of(str_of(cert_pem)), key = datum_of(str_of(key_pem));
    int rc = gnutls_certificate_allocate_credentials(&both);

    if (rc < 0)
        return gerr(e, rc, "check a certificate");
    rc = gnutls_certificate_set_x509_key_mem(both, &cert, &key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(both);
    return rc < 0 ? err_set(e, ERR_BAD_REQUEST, "server certificate: %s: are certificate and key valid PEM and a pair?", gnutls_strerror(rc)) : ERR_OK;
}

/* The first certificate of the text. */
static int import_cert(gnutls_x509_crt_t *crt, struct str pem)
{
    gnutls_datum_t text = datum_of(pem);
    int rc = gnutls_x509_crt_init(crt);

    return rc < 0 ? rc : gnutls_x509_crt_import(*crt, &text, GNUTLS_X509_FMT_PEM);
}

bool tls_cert_covers(struct str cert_pem, const char *name)
{
    AUTO_CRT crt = NULL;

    return import_cert(&crt, cert_pem) >= 0 && gnutls_x509_crt_check_hostname(crt, name) != 0;
}

bool tls_cert_trusted(struct str cert_pem, struct str authorities_pem)
{
    AUTO_CRT crt = NULL;
    gnutls_x509_trust_list_t trusted;
    gnutls_datum_t authorities = datum_of(authorities_pem);
    unsigned problems = 1;

    if (import_cert(&crt, cert_pem) < 0 || gnutls_x509_trust_list_init(&trusted, 0) < 0)
        return false;
    bool ok = gnutls_x509_trust_list_add_trust_mem(trusted, &authorities, NULL, GNUTLS_X509_FMT_PEM, 0, 0) > 0 &&
              gnutls_x509_trust_list_verify_crt(trusted, &crt, 1, 0, &problems, NULL) >= 0 && problems == 0;
    gnutls_x509_trust_list_deinit(trusted, 1);
    return ok;
}

errc tls_cert_expires_in(struct str cert_pem, int64_t *out_seconds, struct err *e)
{
    AUTO_CRT crt = NULL;
    int rc = import_cert(&crt, cert_pem);

    if (rc < 0)
        return gerr(e, rc, "read the certificate");
    *out_seconds = (int64_t)gnutls_x509_crt_get_expiration_time(crt) - clock_wall_ms() / 1000;
    return ERR_OK;
}
