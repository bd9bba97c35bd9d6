#include "provisioner/azure/secret.h"

#include <stdlib.h>

#include "http/http.h"

#define SHORTEST 6                      /* what is shorter occurs by chance */

void azure_secret_free(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

void azure_secret_buf_done(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_done(b);
}

static void blot(struct buf *text, struct str needle)
{
    size_t from = 0, at;

    while (str_find(str_from(buf_str(text), from), needle, &at)) {
        memset(text->p + from + at, '*', needle.n);
        from += at + needle.n;
    }
}

void azure_secret_blot(struct buf *text, const char *secret)
{
    AUTO_SECRET escaped = { 0 };

    if (!secret || strlen(secret) < SHORTEST)
        return;
    url_escape_add(&escaped, str_of(secret));
    blot(text, str_of(secret));
    blot(text, buf_str(&escaped));
}
