/* What the renderers of upstream's images share. Private to render_*.c. */
#ifndef WORKSPACE_RENDER_H
#define WORKSPACE_RENDER_H

#include "workspace/priv.h"

#define PACK json_pack
#define BASE_TAG "0.5.0"                /* upstream v0.12's kaito-base */
#define VLLM_VERSION "0.25.1"           /* in it, as upstream says */

/* What one node gives to a pod. */
struct gpu_share {
    int64_t count;                      /* GPUs, or parts of one */
    int64_t mem_gib;                    /* of all of them */
    bool a10;                           /* needs a little more headroom */
    bool mig;
    char resource[64];                  /* nvidia.com/gpu, nvidia.com/mig-3g.40gb */
};
/* ERR_INVALID in upstream's words: an unknown machine type, a bad MIG profile, more than the node has. */
errc gpu_share_of(const struct ws_view *v, struct gpu_share *out, struct err *e);

/* A pod under construction; everything is owned by whoever packs it into an object. */
struct pod_parts { json_t *volumes, *init, *mounts, *env, *secrets; };
void pod_parts_init(struct pod_parts *p);

json_t *str_json(struct str s);
void env_add(json_t *env, const char *name, const char *value);
void env_field(json_t *env, const char *name, const char *path);
/* A volume of the pod, mounted into the main container; source (taken) NULL: the volume is declared elsewhere. */
void volume_add(struct pod_parts *p, const char *name, json_t *source, const char *path, bool read_only);
json_t *base_image(const struct ws_view *v);
json_t *pod_labels(const struct ws_view *v);
json_t *resources_of(const struct gpu_share *gpu);
/* Secrets of type dockerconfigjson as one volume source: each as NAME.json, or one as `path`. */
json_t *docker_configs(const struct str *secrets, size_t n, const char *path);
void lower_add(struct buf *out, struct str s);

/* render_vllm.c, render_transformers.c: {"/bin/sh", "-c", command} */
json_t *vllm_command(const struct ws_view *v, const struct gpu_share *gpu, int64_t nodes);
bool is_decode_pod(const struct ws_view *v);
/* NULL: the model has no parameters for it. */
json_t *transformers_command(const struct preset *p);
/* render_adapters.c */
void adapters_add(const struct ws_view *v, struct pod_parts *p);
/* render_scripts.c: shell text, malloc'd */
char *script_pull_image(struct str image, const char *target);
char *script_download_urls(void);
char *script_push_adapter(const char *results, struct str image, struct str preset);

#endif
