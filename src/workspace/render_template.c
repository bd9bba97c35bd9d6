/* inference.template: the user's own pod in a StatefulSet. Dossier 6.8. */
#include "workspace/render.h"

json_t *render_template_inference(const struct ws_view *v, int64_t replicas)
{
    json_t *inference = ws_inference_json(v->ws), *template = clone_object(json_object_get(inference, "template")), *pod = json_sub(template, "spec"), *tolerations = render_tolerations(v);
    json_t *name = json_strn(v->ws->meta.name), *affinity = render_affinity(v, true);
    json_t *s = json_pack("{s:s, s:s, s:{s:O, s:o, s:o}}", "apiVersion", "apps/v1", "kind", "StatefulSet",
                          "metadata", "name", name, "namespace", json_strn(v->ws->meta.namespace), "ownerReferences", owner_references(v->ws));

    json_t *labels = json_sub(json_sub(template, "metadata"), "labels"), *selector = pod_labels(v);

    json_object_update(labels, selector);
    json_decref(inference);
    json_object_del(pod, "affinity");                   /* the user's own gives way, as upstream */
    if (affinity)
        json_put(pod, "affinity", affinity);
    if (json_is_array(json_object_get(pod, "tolerations")))
        json_array_extend(json_object_get(pod, "tolerations"), tolerations);
    else
        json_put(pod, "tolerations", json_incref(tolerations));
    json_decref(tolerations);
    json_put(s, "spec", json_pack("{s:I, s:{s:o}, s:o}", "replicas", (json_int_t)replicas, "selector", "matchLabels", selector,
                                  "template", template));
    json_decref(name);
    return s;
}
