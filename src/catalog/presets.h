/*
 * Model presets: what the control plane must know of a model without looking at its files. Pure data and pure functions.
 * Names are the short ones of upstream (phi-3-mini-128k-instruct) or full Hugging Face ids, in any case.
 * Source: upstream v0.12 catalogue (reference dossier, Workspace, section 7); revisions are those upstream pinned its phi-3 weights to.
 * That a model is listed says nothing about who can run it: the native runtime tells what it cannot load.
 */
#ifndef CATALOG_PRESETS_H
#define CATALOG_PRESETS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum preset_traits {                    /* what upstream's vLLM image is told beyond the common flags */
    PRESET_NO_KV_OFFLOAD   = 1 << 1,
    PRESET_GDN_TRITON      = 1 << 2,
    PRESET_KV_FP8          = 1 << 3,
    PRESET_EXPERT_PARALLEL = 1 << 4,
    PRESET_NO_AUTOTUNE     = 1 << 5,
    PRESET_DEEP_GEMM       = 1 << 6,
    PRESET_CUDA_TOOLKIT    = 1 << 7,
};
struct preset_vllm {
    const char *format, *tokenizer_mode;        /* load_format and config_format; tokenizer_mode */
    const char *tool_parser, *reasoning_parser, *chat_template;         /* NULL: none; the template is the stem of tool-chat-*.jinja */
    unsigned traits;
    const char *quantization;   /* method of the weights, as their config.json names it; then dtype is auto. NULL: none */
};

struct preset {
    const char *name;               /* short: last segment of the id, lower case */
    const char *alias;              /* accepted instead of the id; NULL: none */
    const char *repo;               /* Hugging Face id with its true case */
    const char *revision;           /* commit that we fetch; "main" when not pinned */
    const char *weights_tag;        /* tag of upstream's kaito-<name> weights image, used by its tuning Job; NULL: none */
    const char *architecture;
    double weights_gib;
    int disk_gib;                   /* weights + 80 */
    int64_t kv_bytes_per_token;
    int64_t context;                /* longest context in tokens */
    bool tuning, transformers;      /* upstream's images can tune it; can serve it with transformers */
    struct preset_vllm vllm;
    const char *license;            /* as the hub names it; NULL: not known (a derived model) */
};

const struct preset *preset_find(struct str name);      /* NULL: not in the table */
/* The hub gives the files only to who has accepted the licence: HF_TOKEN is needed. What the licence tells; an owner may ask for more. */
bool preset_needs_token(const struct preset *p);
/* The native runtime has this architecture (the test compares with the engine's families). */
bool preset_runs_natively(const struct preset *p);
size_t preset_count(void);
const struct preset *preset_at(size_t i);

enum preset_validity { PRESET_VALID, PRESET_UNKNOWN, PRESET_DEPRECATED };
/* PRESET_VALID also for any owner/model (a generic Hugging Face id), which preset_find may not know. */
enum preset_validity preset_check(struct str name);

#endif
