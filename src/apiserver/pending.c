/* Stands in until protobuf bodies are here. */
#include "apiserver/protobuf.h"

errc protobuf_decode(struct str body, protobuf_find_type *find, void *self, json_t **out, struct err *e)
{
    return err_set(e, ERR_UNBUILT, "protobuf bodies are not built yet; send JSON");
}
