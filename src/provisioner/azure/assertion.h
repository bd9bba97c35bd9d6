/*
 * A client assertion: a short-lived JWT that an application signs with its certificate's key instead of sending a secret.
 * Source: Entra, "Microsoft identity platform application authentication certificate credentials" (PS256, x5t#S256).
 */
#ifndef PROVISIONER_AZURE_ASSERTION_H
#define PROVISIONER_AZURE_ASSERTION_H

#include "base/err.h"
#include "base/str.h"

/*
 * Reads the certificate and its RSA key (one PEM file, or PKCS#12; password may be NULL) anew each time, because they rotate.
 * audience: the token endpoint that will see it. Adds to *out, which the caller wipes.
 */
errc azure_assertion(const char *path, const char *password, const char *client_id, const char *audience, int64_t now_ms, struct buf *out,
                     struct err *e);

#endif
