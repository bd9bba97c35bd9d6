/* Kubernetes' protobuf bodies: any bytes are an error or an object. */
#include "api/k8s/k8s.h"
#include "apiserver/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct type *find(void *self, const char *api_version, const char *kind)
{
    size_t n;
    const struct type *t = k8s_types(&n);

    for (size_t i = 0; i < n; i++)
        if (streq(t[i].kind, kind))
            return &t[i];
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON out = NULL;
    struct err e;

    if (protobuf_decode(str_n((const char *)data, size), find, NULL, &out, &e) == ERR_OK) {
        const struct type *t = find(NULL, json_cstr(out, "apiVersion"), json_cstr(out, "kind"));
        schema_prune(t, out, NULL);
        if (schema_coerce(t, out, &e) == ERR_OK) {
            schema_default(t, out);
            k8s_default(t, out);
        }
    }
    return 0;
}
