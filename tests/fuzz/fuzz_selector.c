/* Label selectors of a query and JSONPaths of a definition: any text is an error, a match or none. The first byte chooses. */
#include "apiserver/jsonpath.h"
#include "apiserver/priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char object[] = "{\"metadata\":{\"labels\":{\"a\":\"b\",\"in\":\"5\"}},\"spec\":{\"list\":[{\"a\":1},{\"a\":\"x\",\"b\":{}}]}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON o = NULL;
    struct selector *s = NULL;
    struct err e;

    if (!size || json_parse(str_of(object), &o, &e))
        return 0;
    const char *text = arena_strndup(a, (const char *)data + 1, size - 1);
    if (data[0] == 'j') {
        AUTO_JSON found = jsonpath_find(o, text);
        return json_is_array(found) ? 0 : -1;
    }
    if (!selector_parse_labels(a, text, &s, &e))
        (void)selector_matches(s, NULL, NULL, o);
    return 0;
}
