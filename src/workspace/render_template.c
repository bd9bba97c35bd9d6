/* inference.template: the user's own pod in a StatefulSet. Dossier 6.8. */
#include "workspace/priv.h"

json_t *render_template_inference(const struct ws_view *v, int64_t replicas)
{
    json_t *template = clone_object(v->ws->inference->pod_template), *pod = json_sub(template, "spec"), *tolerations = render_tolerations(v);
    json_t *name = json_strn(v->ws->meta.name), *affinity = render_affinity(v, true);
    json_t *s = json_pack("{s:s, s:s, s:{s:O, s:o, s:o}}", "apiVersion", "apps/v1", "kind", "StatefulSet",
                          "metadata", "name", name, "namespace", json_strn(v->ws->meta.namespace), "ownerReferences", owner_references(v->ws));

    json_put(json_sub(json_sub(template, "metadata"), "labels"), WORKSPACE_LABEL, json_incref(name));
    if (affinity)
        json_put(pod, "affinity", affinity);            /* the user's own gives way, as upstream */
    if (json_is_array(json_object_get(pod, "tolerations")))
        json_array_extend(json_object_get(pod, "tolerations"), tolerations);
    else
        json_put(pod, "tolerations", json_incref(tolerations));
    json_decref(tolerations);
    json_put(s, "spec", json_pack("{s:I, s:{s:{s:O}}, s:o}", "replicas", (json_int_t)replicas, "selector", "matchLabels", WORKSPACE_LABEL, name,
                                  "template", template));
    json_decref(name);
    return s;
}
