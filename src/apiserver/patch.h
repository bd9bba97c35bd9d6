/*
 * The three patches: JSON patch (RFC 6902), JSON merge patch (RFC 7396) and strategic merge patch. Each makes a new tree from the
 * old one and leaves both inputs alone. Texts are kube-apiserver's. Managed fields and validation are the caller's next steps.
 */
#ifndef APISERVER_PATCH_H
#define APISERVER_PATCH_H

#include "schema/schema.h"

/*
 * ERR_BAD_REQUEST: the patch is no array of operations (text as json-patch says it);
 * ERR_INVALID: it cannot be applied (missing path, failed test): the server answers 422 "the server rejected our request due to an
 * error in our request".  More than 10,000 operations are ERR_TOO_LARGE.
 */
errc patch_json(const json_t *object, const json_t *ops, json_t **out, struct err *e);

/* ERR_BAD_REQUEST when the patch is no object. */
errc patch_merge(const json_t *object, const json_t *patch, json_t **out, struct err *e);

/*
 * By the type's merge keys and strategies, with the directives $patch, $retainKeys, $setElementOrder/LIST,
 * $deleteFromPrimitiveList/LIST. ERR_BAD_REQUEST for a malformed directive (400), ERR_INTERNAL for a list item without its merge key
 * (a plain 500 with this message), ERR_INVALID for a wrong shape: the server answers 422
 * `"" is invalid: patch: Invalid value: "<patch_go_text of the patch>": <text>`.
 */
errc patch_strategic(const struct type *t, const json_t *object, const json_t *patch, json_t **out, struct err *e);

/* JSON as Go's %v prints it: map[a:1 b:[x y]]. */
void patch_go_text(const json_t *j, struct buf *out);

#endif
