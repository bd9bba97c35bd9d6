#include "base/file.h"
#include "base/mem.h"
#include "tensor/gguf.h"

static bool holds_safetensors(const char *dir)
{
    static const char *const names[] = { "model.safetensors", "model.safetensors.index.json" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_MEM char *path = path_join(dir, names[i]);

        if (file_exists(path))
            return true;
    }
    return false;
}

errc gguf_locate(const char *path, char **out, struct err *e)
{
    char **names = NULL;
    size_t n = 0, found = 0, at = 0;

    *out = NULL;
    if (!dir_exists(path)) {
        *out = gguf_is(path) || str_has_suffix(str_of(path), STR(".gguf")) ? xstrdup(path) : NULL;
        return ERR_OK;
    }
    if (holds_safetensors(path))
        return ERR_OK;
    TRY(dir_list(path, &names, &n, e));
    for (size_t i = 0; i < n; i++)
        if (str_has_suffix(str_of(names[i]), STR(".gguf"))) {
            found++;
            at = i;
        }
    if (found == 1)
        *out = path_join(path, names[at]);
    strv_free(names, n);
    return found > 1 ? err_set(e, ERR_INVALID, "%s: holds %zu GGUF files; name one of them", path, found) : ERR_OK;
}
