/* What a federated token says of itself and an administrator must repeat letter by letter in the federated credential. Nothing is verified here. */
#ifndef PROVISIONER_AZURE_JWT_H
#define PROVISIONER_AZURE_JWT_H

#include "base/str.h"

#define JWT_NAME_MAX 256

struct jwt_names { char issuer[JWT_NAME_MAX], subject[JWT_NAME_MAX], audience[JWT_NAME_MAX]; };     /* one line each; "" when it says none */

/* False: no JWT, or one that names neither issuer nor subject. Longer names are cut. */
bool jwt_names_read(struct str token, struct jwt_names *out);

#endif
