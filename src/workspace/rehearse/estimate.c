#include "catalog/estimate.h"
#include "workspace/priv.h"
#include "workspace/rehearse.h"
#include "workspace/rehearse/stage.h"

static errc estimate(const json_t *in, int64_t *nodes, struct err *e)
{
    const char *model = json_cstr(in, "model"), *sku_name = json_cstr(in, "sku"), *given = json_cstr(in, "cloudProvider");
    const char *cloud = str_set(given) ? given : "azure";
    const struct sku *sku = sku_find(cloud, str_of(sku_name));
    AUTO_FREE(arena) a = arena_new();
    struct stage st = { .huggingface = json_object_get(in, "huggingface") };
    struct model_hub hub = stage_hub(&st);
    const struct preset *p;

    if (!str_set(model)) {
        *nodes = 1;             /* a template: nothing is known of what it needs */
        return ERR_OK;
    }
    if (model_find(&hub, str_of(model), NULL, a, &p, e))
        return err_wrap(e, "failed to get model by name");
    if (!sku)
        return err_set(e, ERR_NOT_FOUND, "failed to get GPU config for instance type %s: invalid value: Unsupported SKU '%s' for cloud provider: sku",
                       sku_name ? sku_name : "", sku_name ? sku_name : "");
    return estimate_nodes(p, (struct gpu_config){ sku->gpus, (int64_t)sku->gpu_mem_gib << 30 }, json_int(in, "contextSize", 0), nodes, e);
}

errc workspace_estimate(const json_t *in, json_t **out, struct err *e)
{
    int64_t nodes = 0;
    struct err why;

    if (!json_is_object(in))
        return err_set(e, ERR_BAD_REQUEST, "the question is no JSON object with model and sku");
    *out = estimate(in, &nodes, &why) ? json_pack("{s:s}", "error", why.text) : json_pack("{s:I}", "nodes", (json_int_t)nodes);
    return ERR_OK;
}
