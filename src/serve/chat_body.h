/* The body of POST /chat, checked and completed with its defaults as pydantic does it for upstream's server. */
#ifndef SERVE_CHAT_BODY_H
#define SERVE_CHAT_BODY_H

#include "serve/priv.h"

struct chat_body {
    json_t *body;               /* every known key; null for what is absent and has no default */
    json_t *kwargs;             /* the same of generate_kwargs; NULL when the client sent null: then only the model's own settings count */
};

/* False: the body does not fit and 422 was replied, with FastAPI's list of what is wrong. */
bool chat_body_read(struct http_exchange *x, struct chat_body *out);
void chat_body_done(struct chat_body *b);

#endif
