/* Who wrote which field: left out before anything is parsed. */
#include <stdbool.h>
#include <string.h>

#include "kube/meta.h"

/* The bracket that closes the array whose inside begins at p; NULL: there is none. */
static char *array_end(char *p, const char *end)
{
    int depth = 1;
    bool in_text = false;

    for (; p < end; p++) {
        if (in_text && *p == '\\') {
            p++;
        } else if (*p == '"') {
            in_text = !in_text;
        } else if (in_text) {
            continue;
        } else if (*p == '[' || *p == '{') {
            depth++;
        } else if ((*p == ']' || *p == '}') && --depth == 0) {
            return p;
        }
    }
    return NULL;
}

/* The member goes with the comma behind it, or, when it is the last one, with the comma before it. */
static char *blank_member(const char *text, char *start, char *stop, const char *end)
{
    if (stop < end && *stop == ',')
        stop++;
    else if (start > text && start[-1] == ',')
        start--;
    memset(start, ' ', (size_t)(stop - start));
    return stop;
}

/* Servers write JSON without white space, and inside a text the quotes of the key would be escaped: these bytes are the key, or nothing is done. */
void kube_blank_managed_fields(char *text, size_t n)
{
    static const char key[] = "\"managedFields\":[";
    const char *end = text + n;

    if (n < sizeof key)
        return;
    for (char *p = text, *at; (at = memmem(p, (size_t)(end - p), key, sizeof key - 1));) {
        char *close = array_end(at + sizeof key - 1, end);

        if (!close)
            return;
        p = blank_member(text, at, close + 1, end);
    }
}
