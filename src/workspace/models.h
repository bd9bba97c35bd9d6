/*
 * From a preset's name to a model: the catalogue, else what the Hugging Face hub says of the id (dossier, Workspace, 7.4). The hub is
 * asked through a function, so that `kaito render` and tests need no network.
 */
#ifndef WORKSPACE_MODELS_H
#define WORKSPACE_MODELS_H

#include "base/arena.h"
#include "base/err.h"
#include "catalog/presets.h"

/* GET of one URL; token may be NULL. A reply of any status is a success; errors are those of the connection. */
struct model_hub {
    errc (*get)(void *self, const char *url, const char *token, int *out_status, struct buf *out_body, struct err *e);
    void *self;
};

/*
 * *out is static or lives in the arena. hub NULL: the catalogue only, and ERR_NOT_FOUND for other names. Errors in upstream's words:
 * "error listing files: failed to fetch URL: status 404", "unsupported model architecture for ID: A, B", ...
 */
errc model_find(const struct model_hub *hub, struct str name, const char *token, struct arena *a, const struct preset **out, struct err *e);

#endif
