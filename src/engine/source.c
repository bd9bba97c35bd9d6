#include "engine/source.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

struct source {
    struct safetensors *files;
    struct map *used;           /* names asked for */
};

errc source_open(const char *path, struct source **out, struct err *e)
{
    AUTO_FREE(source) s = xzalloc(sizeof *s);

    s->used = map_new(NULL);
    TRY(safetensors_open_dir(path, &s->files, e));
    *out = TAKE(s);
    return ERR_OK;
}

void source_free(struct source *s)
{
    if (!s)
        return;
    safetensors_free(s->files);
    map_free(s->used);
    free(s);
}

const char *source_path(const struct source *s) { return safetensors_path(s->files); }
const struct safetensors *source_safetensors(const struct source *s) { return s->files; }

void source_use(struct source *s, const char *name) { map_put(s->used, str_of(name), s); }

errc source_need(struct source *s, const char *name, struct source_tensor *out, struct err *e)
{
    const struct tensor *t;

    TRY(safetensors_need(s->files, name, &t, e));
    source_use(s, name);
    *out = (struct source_tensor){ .t = *t };
    return ERR_OK;
}

const char *source_unused(const struct source *s)
{
    for (size_t i = 0; i < safetensors_count(s->files); i++) {
        const char *name = safetensors_name(s->files, i);

        if (!map_get(s->used, str_of(name)) && !str_has_suffix(str_of(name), STR(".rotary_emb.inv_freq")))
            return name;
    }
    return NULL;
}
