#include "api/karpenter/claim_kind.h"

#include "base/mem.h"

const struct claim_kind claim_kind_node_claim = { { "karpenter.sh", "v1", "nodeclaims" }, "NodeClaim", "karpenter.sh/v1", "" };
const struct claim_kind claim_kind_machine = { { "karpenter.sh", "v1alpha5", "machines" }, "Machine", "karpenter.sh/v1alpha5", "Machine" };

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
