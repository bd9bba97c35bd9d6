/* The encoder of a server that serves one; embeddings.c. Thread-safe. */
#ifndef SERVE_EMBEDDINGS_H
#define SERVE_EMBEDDINGS_H

#include "engine/encoder.h"
#include "serve/params.h"
#include "serve/priv.h"

struct embedder;

errc embedder_open(const char *model_dir, int threads, struct embedder **out, struct err *e);
void embedder_free(struct embedder *m);                 /* NULL is fine */
DEFINE_AUTO_FREE(embedder)
/* Answers the route of this path when it needs another hand than an engine's: false when the usual one will do. */
bool embedder_handle(struct server *s, const char *path, struct http_exchange *x);
extern const struct param_table embedding_params;

#endif
