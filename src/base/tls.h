/* Keys and certificates (GnuTLS): what a self-made authority of a local cluster or a webhook needs. ECDSA P-256. */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct tls_pair { char *cert_pem, *key_pem; };          /* malloc'd */
void tls_pair_done(struct tls_pair *p);

/* A self-signed authority, valid for `days`. */
errc tls_make_ca(const char *common_name, int days, struct tls_pair *out, struct err *e);
/* A server (and client) certificate signed by ca for these names; a name that parses as an IP address becomes an IP SAN. */
errc tls_make_cert(const struct tls_pair *ca, const char *common_name, const char *organization /* may be NULL */,
                   const char *const *names, size_t n_names, int days, struct tls_pair *out, struct err *e);
/* BAD_REQUEST: these are no PEM, or the key is not the certificate's. */
errc tls_pair_check(const char *cert_pem, const char *key_pem, struct err *e);
/* Is it for this host name or IP address? */
bool tls_cert_covers(struct str cert_pem, const char *name);
/* Do these authorities (one or more, PEM) vouch for it now? Times count. */
bool tls_cert_trusted(struct str cert_pem, struct str authorities_pem);
/* Seconds until the certificate ends (negative: it has ended). */
errc tls_cert_expires_in(struct str cert_pem, int64_t *out_seconds, struct err *e);

#endif
