/* Hugging Face module paths of what is no linear. */
#include "base/mem.h"
#include "engine/priv.h"

char *model_embed_path(const struct model *m)
{
    return xstrdup(m->config.family->names->embed);
}

char *model_norm_path(const struct model *m, size_t layer, enum model_norm_place place)
{
    const struct model_family *f = m->config.family;
    const char *const names[] = {
        [NORM_ATTN] = f->norm_attn, [NORM_MLP] = f->norm_mlp, [NORM_ATTN_OUT] = f->norm_attn_out, [NORM_MLP_OUT] = f->norm_mlp_out,
        [NORM_Q] = f->names->q_norm, [NORM_K] = f->names->k_norm,
    };

    if (place == NORM_FINAL)
        return xstrdup(f->names->norm_final);
    return xasprintf("%s.%zu.%s", f->names->layers, layer, names[place] ? names[place] : "");
}
