/* What the files of this folder share. */
#ifndef WEBHOOK_PRIV_H
#define WEBHOOK_PRIV_H

#include "base/json.h"

/*
 * A serving certificate as a Secret holds it, under upstream's keys: server-key.pem, server-cert.pem, ca-cert.pem. ca is what clients
 * should trust: the authority that signed cert, then the one before it, so that whoever still shows the old one is trusted too.
 */
struct serving_pair { char *cert, *key, *ca; };
void serving_pair_done(struct serving_pair *p);

/* False when something is missing, unreadable, no pair, or not vouched for by ca (now): such a pair is of no use. */
bool serving_pair_read(const json_t *secret, struct serving_pair *out);
/* Seconds until it should be replaced; 0: at once, because it ends within renew_before_s or lacks one of the names. */
int64_t serving_pair_good_for(const struct serving_pair *p, const char *const *names, size_t n, int64_t renew_before_s);
/* A new authority and what it signs. old (NULL: none) goes on being trusted while it is valid. */
errc serving_pair_make(const char *const *names, size_t n, int days, const struct serving_pair *old, struct serving_pair *out, struct err *e);
void serving_pair_write(const struct serving_pair *p, json_t *secret);

#endif
