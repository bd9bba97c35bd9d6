/* A client assertion that a certificate signs: whose key it was, whether the signature is right, whom it is for and until when. */
#include "sim.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "base/hash.h"
#include "base/mem.h"

enum { PARTS = 3 };

static bool read_part(struct str part, json_t **out)
{
    AUTO_BUF text = { 0 };

    return base64_decode(part, &text) && !json_parse(buf_str(&text), out, NULL);
}

static bool is_certificate(gnutls_x509_crt_t crt, const char *thumb)
{
    unsigned char print[32];
    size_t n = sizeof print;
    AUTO_BUF ours = { 0 };

    if (gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, print, &n) < 0)
        return false;
    base64url_add(&ours, print, n);
    return streq(buf_cstr(&ours), thumb);
}

static bool is_signed(gnutls_x509_crt_t crt, const char *alg, struct str data, struct str signature64)
{
    AUTO_BUF signature = { 0 };
    gnutls_pubkey_t key;
    gnutls_sign_algorithm_t how = streq(alg, "PS256") ? GNUTLS_SIGN_RSA_PSS_RSAE_SHA256 : streq(alg, "RS256") ? GNUTLS_SIGN_RSA_SHA256 : GNUTLS_SIGN_UNKNOWN;

    if (how == GNUTLS_SIGN_UNKNOWN || !base64_decode(signature64, &signature) || gnutls_pubkey_init(&key) < 0)
        return false;
    gnutls_datum_t text = { (unsigned char *)(uintptr_t)data.p, (unsigned)data.n }, mark = { (unsigned char *)signature.p, (unsigned)signature.n };
    bool ok = gnutls_pubkey_import_x509(key, crt, 0) >= 0 && gnutls_pubkey_verify_data2(key, how, 0, &text, &mark) >= 0;

    gnutls_pubkey_deinit(key);
    return ok;
}

static const char *wrong_claims(const struct sim *s, const json_t *claims)
{
    AUTO_MEM char *endpoint = xasprintf("%s/%s/oauth2/v2.0/token", s->base_url, s->who.tenant);
    int64_t now_s = sim_now(s) / 1000;

    if (!streq(json_cstr(claims, "iss"), s->who.client_id) || !streq(json_cstr(claims, "sub"), s->who.client_id))
        return "AADSTS700021: Client assertion application identifier doesn't match 'client_id' parameter.";
    if (!streq(json_cstr(claims, "aud"), endpoint))
        return "AADSTS700023: Client assertion audience claim does not match Realm issuer.";
    if (json_int(claims, "exp", 0) <= now_s || json_int(claims, "nbf", 0) > now_s + 300)
        return "AADSTS700024: Client assertion is not within its valid time range.";
    return NULL;
}

static const char *wrong_with(const struct sim *s, gnutls_x509_crt_t crt, struct str assertion)
{
    struct str part[PARTS], rest = assertion;
    AUTO_JSON head = NULL;
    AUTO_JSON claims = NULL;

    for (size_t i = 0; i < PARTS; i++)
        if (!str_next(&rest, '.', &part[i]))
            return "AADSTS50027: JWT token is invalid or malformed.";
    if (!read_part(part[0], &head) || !read_part(part[1], &claims))
        return "AADSTS50027: JWT token is invalid or malformed.";
    if (!is_certificate(crt, json_cstr(head, "x5t#S256")))
        return "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application.";
    if (!is_signed(crt, json_cstr(head, "alg"), (struct str){ assertion.p, part[0].n + 1 + part[1].n }, part[2]))
        return "AADSTS700027: Client assertion failed signature validation.";
    return wrong_claims(s, claims);
}

const char *sim_certificate_refuses(const struct sim *s, struct str assertion)
{
    gnutls_datum_t pem = { (unsigned char *)(uintptr_t)s->who.certificate_pem, (unsigned)strlen(s->who.certificate_pem) };
    gnutls_x509_crt_t crt;
    const char *wrong = "AADSTS7000215: the simulator's --client-certificate is no PEM.";

    if (gnutls_x509_crt_init(&crt) < 0)
        return wrong;
    if (gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) >= 0)
        wrong = wrong_with(s, crt, assertion);
    gnutls_x509_crt_deinit(crt);
    return wrong;
}
