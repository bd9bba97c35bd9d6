/*
 * A GGUF file as a model: its metadata in the words of config.json, its tensors under Hugging Face names. The architectures
 * are rows of one table; an unknown one is refused by name. Keys and names: gguf-py's constants and tensor mapping.
 */
#ifndef ENGINE_GGUF_H
#define ENGINE_GGUF_H

#include "engine/model.h"
#include "tensor/gguf.h"

enum gguf_slides { GGUF_SLIDES_NONE, GGUF_SLIDES_ALL, GGUF_SLIDES_EVEN, GGUF_SLIDES_SIX };

struct gguf_architecture {
    const char *name, *model_type;              /* general.architecture; config.json's model_type */
    const char *eps, *eps_key;                  /* epsilon's key in the file, and in config.json */
    const char *post_attention;                 /* what post_attention_layernorm is called */
    bool pairs;                                 /* rows of q and k are ordered so that neighbours are turned together */
    bool query_scalar;                          /* config.json needs query_pre_attn_scalar */
    size_t wide_layers;                         /* query_scalar: a model of so many layers scales by hidden / heads; 0: none */
    enum gguf_slides slides;
    size_t window;                              /* when the file does not say */
};

/* ERR_UNSUPPORTED names the architecture and those that are known. */
errc gguf_find_architecture(const struct gguf *g, const struct gguf_architecture **out, struct err *e);

errc gguf_model_config(const struct gguf *g, struct model_config *out, struct err *e);

/*
 * The tensor behind a Hugging Face name. One expert of a stack of experts is a view of its part: *out holds its shape.
 * NULL when the file has none; else the tensor as the file names it.
 */
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const struct gguf_architecture *a, const char *name,
                                           struct source_tensor *out);

#endif
