#include "engine/source.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "engine/gguf.h"

/* Either files or gguf. */
struct source {
    struct safetensors *files;
    struct gguf *gguf;
    const struct gguf_architecture *architecture;
    struct map *used;           /* names asked for, as the file has them */
};

/* Its configuration was made of these. */
static const char *const gguf_rope_tensors[] = { "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight" };

static errc open_gguf(struct source *s, const char *path, struct err *e)
{
    TRY(gguf_open(path, &s->gguf, e));
    for (size_t i = 0; i < ARRAY_LEN(gguf_rope_tensors); i++)
        source_use(s, gguf_rope_tensors[i]);
    return gguf_find_architecture(s->gguf, &s->architecture, e);
}

errc source_open(const char *path, struct source **out, struct err *e)
{
    AUTO_FREE(source) s = xzalloc(sizeof *s);
    AUTO_MEM char *gguf = NULL;

    s->used = map_new(NULL);
    TRY(gguf_locate(path, &gguf, e));
    if (gguf)
        TRY(open_gguf(s, gguf, e));
    else
        TRY(safetensors_open_dir(path, &s->files, e));
    *out = TAKE(s);
    return ERR_OK;
}

void source_free(struct source *s)
{
    if (!s)
        return;
    safetensors_free(s->files);
    gguf_free(s->gguf);
    map_free(s->used);
    free(s);
}
const char *source_file(const struct source *s, const char *name)
{
    return s->gguf ? gguf_path(s->gguf) : safetensors_file(s->files, name);
}

const struct safetensors *source_safetensors(const struct source *s) { return s->files; }
const struct gguf *source_gguf(const struct source *s) { return s->gguf; }

void source_use(struct source *s, const char *name) { map_put(s->used, str_of(name), s); }

static errc need_gguf(struct source *s, const char *name, struct source_tensor *out, struct err *e)
{
    const struct gguf_tensor *t = gguf_find_tensor(s->gguf, s->architecture, name, out);

    if (!t)
        return err_set(e, ERR_NOT_FOUND, "%s: the tensor for %s is missing", gguf_path(s->gguf), name);
    source_use(s, t->name);
    return ERR_OK;
}

errc source_need(struct source *s, const char *name, struct source_tensor *out, struct err *e)
{
    const struct tensor *t;

    if (s->gguf)
        return need_gguf(s, name, out, e);
    TRY(safetensors_need(s->files, name, &t, e));
    source_use(s, name);
    *out = (struct source_tensor){ .t = *t };
    return ERR_OK;
}

static const char *unused_gguf(const struct source *s)
{
    for (size_t i = 0; i < gguf_tensor_count(s->gguf); i++) {
        const char *name = gguf_tensor_at(s->gguf, i)->name;

        if (!map_get(s->used, str_of(name)))
            return name;
    }
    return NULL;
}

const char *source_unused(const struct source *s)
{
    if (s->gguf)
        return unused_gguf(s);
    for (size_t i = 0; i < safetensors_count(s->files); i++) {
        const char *name = safetensors_name(s->files, i);

        if (!map_get(s->used, str_of(name)) && !str_has_suffix(str_of(name), STR(".rotary_emb.inv_freq")))
            return name;
    }
    return NULL;
}
