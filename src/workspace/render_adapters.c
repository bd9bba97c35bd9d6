/* LoRA adapters in a serving pod: pulled from images by init containers, or mounted from volumes (dossier 6.3, 6.14). */
#include "workspace/render.h"

#include <stdlib.h>

#include "base/mem.h"

#define FOLDER "/mnt/adapter"

static void add_pull_config(const struct ws_source *s, const char *name, struct pod_parts *p, json_t *mounts)
{
    AUTO_BUF volume = { 0 }, path = { 0 };

    if (s->n_image_pull_secrets == 0)
        return;
    buf_addf(&volume, "docker-config-%s-inference-adapter", name);
    buf_addf(&path, "/root/.docker/config.d/%s-inference-adapter", name);
    json_t *source = docker_configs(s->image_pull_secrets, s->n_image_pull_secrets, NULL);

    json_put_str(source, "name", buf_cstr(&volume));
    json_push(p->volumes, source);
    json_push(mounts, PACK("{s:s, s:s}", "name", buf_cstr(&volume), "mountPath", buf_cstr(&path)));
}

static void add_image(const struct ws_source *s, const char *name, struct pod_parts *p)
{
    AUTO_MEM char *target = xasprintf(FOLDER "/%s", name);
    AUTO_MEM char *script = script_pull_image(s->image, target);
    json_t *mounts = PACK("[{s:s, s:s}]", "name", "adapter-volume", "mountPath", FOLDER);

    add_pull_config(s, name, p, mounts);
    json_push(p->init, PACK("{s:o, s:s, s:[s,s], s:[s], s:o}", "name", json_strf("puller-%s", name), "image", "mcr.microsoft.com/aks/skopeo:1.14.4-6",
                            "command", "/bin/sh", "-c", "args", script, "volumeMounts", mounts));
}

static void add_volume(const struct ws_source *s, const char *name, struct pod_parts *p)
{
    AUTO_MEM char *volume = xasprintf("adapter-volume-%s", name);
    AUTO_MEM char *path = xasprintf(FOLDER "/%s", name);

    volume_add(p, volume, clone_object(s->volume), path, false);
}

void adapters_add(const struct ws_view *v, struct pod_parts *p)
{
    const struct ws_inference *inf = v->ws->inference;
    bool images = false;

    for (size_t i = 0; i < inf->n_adapters; i++)
        images = images || (inf->adapters[i].source && !inf->adapters[i].source->volume);
    if (images)
        volume_add(p, "adapter-volume", PACK("{s:{}}", "emptyDir"), FOLDER, false);
    for (size_t i = 0; i < inf->n_adapters; i++) {
        const struct ws_adapter *a = &inf->adapters[i];

        if (!a->source)
            continue;
        AUTO_MEM char *name = xasprintf("%.*s", STR_ARG(a->source->name.p ? a->source->name : STR("")));

        for (size_t k = 0; k < a->source->n_image_pull_secrets; k++)
            json_push(p->secrets, PACK("{s:o}", "name", str_json(a->source->image_pull_secrets[k])));
        if (a->source->volume)
            add_volume(a->source, name, p);
        else
            add_image(a->source, name, p);
        if (a->strength.p) {
            AUTO_MEM char *strength = xasprintf("%.*s", STR_ARG(a->strength));

            env_add(p->env, name, strength);
        }
    }
}
