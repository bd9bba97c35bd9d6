/*
 * Parameters of a model that is not in the table, from what its files say: the list of files, config.json or params.json. The rules are
 * those by which upstream made its own table (reference dossier, Workspace, 7.2). Pure.
 */
#ifndef CATALOG_DERIVE_H
#define CATALOG_DERIVE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "catalog/presets.h"

/* What a list of files ([{path, size}]) says: bytes of weights, and whether they are in Mistral's own format. */
struct model_files { int64_t weight_bytes; bool mistral_format; };
/* ERR_INVALID: no weights among them. */
errc model_files_read(const json_t *files, struct model_files *out, struct err *e);

/*
 * id is the Hugging Face id in lower case; config the parsed config.json or params.json. The preset and its strings live in the arena.
 * ERR_INVALID: "unsupported model architecture for ID: A, B" when none of those that config lists can be served.
 */
errc model_derive(struct arena *a, const char *id, struct model_files files, const json_t *config, const struct preset **out, struct err *e);

/* The vLLM settings of a short name and its architectures: p->vllm but for format and quantization. */
void model_traits(struct preset *p, const char *const *architectures, size_t n);
/* Architectures assumed for names whose config lists none; NULL: none. */
const char *model_assumed_architecture(const char *name);
bool architecture_is_known(const char *name);

#endif
