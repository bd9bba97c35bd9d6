/* Texts that may leave this process in a request only: wiped when they are freed, and blotted out of what a peer says back. */
#ifndef PROVISIONER_AZURE_SECRET_H
#define PROVISIONER_AZURE_SECRET_H

#include "base/str.h"

void azure_secret_free(char *s);        /* overwrites it first; NULL is fine */
void azure_secret_buf_done(struct buf *b);
#define AUTO_SECRET AUTO(azure_secret_buf_done) struct buf
static inline UNUSED void azure_secret_freep(char **s) { azure_secret_free(*s); }
#define AUTO_SECRET_TEXT AUTO(azure_secret_freep) char *

/* Each occurrence of the secret in text, plain or escaped for a URL, becomes asterisks. NULL and very short ones change nothing. */
void azure_secret_blot(struct buf *text, const char *secret);

#endif
