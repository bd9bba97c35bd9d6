#include "workspace/validate/priv.h"

/* C6 to C8 */
static void check_annotations(struct check *c)
{
    struct str family = ws_annotation(c->ws, "kaito.sh/node-image-family"), mode = ws_annotation(c->ws, "kaito.sh/performance-mode");
    struct str local = ws_annotation(c->ws, LOCAL_WEIGHTS_ANNOTATION), trimmed = str_trim(family);

    if (family.p && !str_ieq(trimmed, STR("azurelinux")) && !str_ieq(trimmed, STR("ubuntu")))
        problem_add(c->out, "spec.metadata.annotations[\"kaito.sh/node-image-family\"]",
                    "invalid value: unsupported node image family \"%.*s\", supported values are azurelinux, ubuntu", STR_ARG(family));
    if (c->v1alpha1)
        return;
    if (mode.p && !str_is(mode, "balanced") && !str_is(mode, "interactivity") && !str_is(mode, "throughput"))
        problem_add(c->out, "metadata.annotations[kaito.sh/performance-mode]",
                    "invalid value: \"%.*s\" is not a valid performance mode; choose one of: balanced, interactivity, throughput", STR_ARG(mode));
    if (local.p && !str_is(local, "true") && !str_is(local, "false"))
        problem_add(c->out, "metadata.annotations[" LOCAL_WEIGHTS_ANNOTATION "]", "invalid value: \"%.*s\" must be \"true\" or \"false\"", STR_ARG(local));
    check_node_class(c);
}

static void check_create(struct check *c)
{
    const struct workspace *ws = c->ws;

    check_name(c);
    if (!ws->inference && !ws->tuning)
        problem_add(c->out, "spec", "Either Inference or Tuning must be specified, not neither");
    if (ws->inference && ws->tuning)
        problem_add(c->out, "spec", "Either Inference or Tuning must be specified, but not both");
    if (!ws->resource && (ws->tuning || (ws->inference && c->v1alpha1)))
        problem_add(c->out, "spec.resource", MISSING);
    check_instance_type(c);
    check_annotations(c);
    if (ws->inference) {
        check_resource(c);
        check_inference(c);
    }
    if (ws->tuning)
        check_tuning(c);
}

errc workspace_validate(enum ws_operation op, const struct workspace *old, const struct workspace *new_,
                        const struct ws_validate_env *env, struct buf *errors)
{
    AUTO_PROBLEMS list = { 0 };
    struct check c = { .ws = new_, .old = old, .env = env, .out = &list, .v1alpha1 = str_is(new_->api_version, "kaito.sh/v1alpha1") };

    if (op == WS_CREATE)
        check_create(&c);
    else
        check_update(&c);
    problems_render(&list, errors);
    return list.n > 0 ? ERR_INVALID : ERR_OK;
}
