#include "api/karpenter/claim_kind.h"

#include "api/karpenter/node_claim.h"
#include "base/mem.h"
#include "kube/meta.h"

const struct claim_kind claim_kind_node_claim = {
    { "karpenter.sh", "v1", "nodeclaims" }, "NodeClaim", CLAIM_API, "", NODEPOOL_LABEL, "kaito",
};
const struct claim_kind claim_kind_machine = {
    { "karpenter.sh", "v1alpha5", "machines" }, "Machine", "karpenter.sh/v1alpha5", "Machine", "karpenter.sh/provisioner-name", "default",
};

const struct claim_kind *claim_kind_of(const json_t *obj)
{
    static const struct claim_kind *const kinds[] = { &claim_kind_node_claim, &claim_kind_machine };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (streq(kinds[i]->api_version, kube_api_version(obj)) && streq(kinds[i]->kind, kube_kind(obj)))
            return kinds[i];
    return NULL;
}

/* ---- conditions ------------------------------------------------------------------------------------------------------------ */

static const char *const stages[] = { "Launched", "Registered", "Initialized" };

static void rename_conditions(json_t *obj, const char *from, const char *to)
{
    json_t *c;
    size_t i;

    json_array_foreach(json_at(obj, "status", "conditions", NULL), i, c) {
        struct str type = str_of(json_cstr(c, "type"));

        for (size_t s = 0; s < ARRAY_LEN(stages); s++)
            if (str_has_prefix(type, str_of(from)) && str_is(str_from(type, strlen(from)), stages[s])) {
                json_put(c, "type", json_strf("%s%s", to, stages[s]));
                break;
            }
    }
}

void claim_kind_in(const struct claim_kind *k, json_t *obj)
{
    if (*k->prefix)
        rename_conditions(obj, k->prefix, "");
}

void claim_kind_out(const struct claim_kind *k, json_t *obj)
{
    if (*k->prefix)
        rename_conditions(obj, "", k->prefix);
}

json_t *machine_read(json_t *obj)
{
    claim_kind_in(&claim_kind_machine, obj);
    return obj;
}

/* ---- creation --------------------------------------------------------------------------------------------------------------- */

/* The machine type stays; upstream asks beside it for these. */
static json_t *machine_requirements(const json_t *claim)
{
    static const struct { const char *key, *value; } fixed[] = {
        { "karpenter.sh/provisioner-name", "default" }, { "kaito.sh/machine-type", "gpu" }, { "kubernetes.io/arch", "amd64" }, { "kubernetes.io/os", "linux" },
    };
    json_t *list = json_array(), *r;
    size_t i;

    json_array_foreach(json_at(claim, "spec", "requirements", NULL), i, r)
        if (streq(json_cstr(r, "key"), INSTANCE_TYPE_LABEL))
            json_array_append(list, r);
    for (i = 0; i < ARRAY_LEN(fixed); i++)
        json_push(list, json_pack("{s:s, s:s, s:[s]}", "key", fixed[i].key, "operator", "In", "values", fixed[i].value));
    return list;
}

json_t *claim_kind_render(const struct claim_kind *k, json_t *claim)
{
    json_t *spec = json_object_get(claim, "spec");

    if (k == &claim_kind_node_claim)
        return claim;
    json_put_str(claim, "apiVersion", k->api_version);
    json_put_str(claim, "kind", k->kind);
    kube_set_label(claim, claim_kind_node_claim.pool_label, NULL);
    kube_set_label(claim, k->pool_label, k->pool);
    json_put(spec, "requirements", machine_requirements(claim));
    json_object_del(spec, "nodeClassRef");
    json_object_del(spec, "expireAfter");
    json_put(spec, "machineTemplateRef", json_pack("{s:s}", "name", kube_name(claim)));
    return claim;
}

/* ---- which one -------------------------------------------------------------------------------------------------------------- */

const struct claim_kind *claim_kind_choice(const struct claim_kinds_seen *s)
{
    bool begun = s->our_machines && !s->our_claims;

    if (s->machines_served && (!s->claims_served || begun))
        return &claim_kind_machine;
    return s->claims_served ? &claim_kind_node_claim : NULL;
}

static errc any_of_ours(struct kube_client *client, const struct claim_kind *k, bool *out, struct err *e)
{
    AUTO_JSON list = NULL;
    const json_t *claim;
    size_t i;

    if (kube_list_all(client, &k->gvr, NULL, &(struct kube_list_opts){ 0 }, &list, e))
        return err_wrap(e, "list %s", k->gvr.resource);
    json_array_foreach(list, i, claim)
        *out = *out || kube_annotation(claim, UID_ANNOTATION) || kube_annotation(claim, PROVISIONER_ANNOTATION);
    return ERR_OK;
}

errc claim_kinds_see(struct kube_client *client, struct claim_kinds_seen *out, struct err *e)
{
    *out = (struct claim_kinds_seen){ 0 };
    TRY(kube_has_resource(client, &claim_kind_node_claim.gvr, &out->claims_served, e));
    TRY(kube_has_resource(client, &claim_kind_machine.gvr, &out->machines_served, e));
    if (!out->claims_served || !out->machines_served)
        return ERR_OK;          /* no question */
    TRY(any_of_ours(client, &claim_kind_machine, &out->our_machines, e));
    return any_of_ours(client, &claim_kind_node_claim, &out->our_claims, e);
}

errc claim_kind_holds(struct kube_client *client, const struct claim_kind *k, struct err *e)
{
    struct claim_kinds_seen seen;

    TRY(claim_kinds_see(client, &seen, e));
    const struct claim_kind *now = claim_kind_choice(&seen);

    return !now || now == k ? ERR_OK : err_set(e, ERR_CANCELLED, "%ss (%s) are asked for now, no more %ss (%s)", now->kind, now->api_version, k->kind, k->api_version);
}
