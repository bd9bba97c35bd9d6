/* /v1/embeddings: of a model that generates text, vLLM's refusal. */
#include "serve/priv.h"

void openai_embeddings(struct server *s, struct http_exchange *x)
{
    (void)s;
    reply_openai_error(x, 400, "BadRequestError", "The model does not support Embeddings API");
}
