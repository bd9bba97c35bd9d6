/* What AKS refuses in an agent pool: names, sizes, labels, taints, disks, changes of what is fixed, quota. */
#include "sim.h"

#include <ctype.h>
#include <strings.h>

#include "base/mem.h"
#include "catalog/skus.h"

bool sim_pool_name_ok(struct str name)
{
    if (name.n == 0 || name.n > 12 || !islower((unsigned char)name.p[0]))
        return false;
    for (size_t i = 1; i < name.n; i++)
        if (!islower((unsigned char)name.p[i]) && !isdigit((unsigned char)name.p[i]))
            return false;
    return true;
}

/* "Standard_NC24ads_A100_v4": family standardNCADSA100v4Family, 24 cores. */
bool sim_vm_size(struct str name, struct vm_size *out)
{
    const struct sku *sku = sku_find("azure", name);
    AUTO_BUF family = { 0 };
    struct str rest = str_from(name, 9);
    bool digits_seen = false;

    if (!sku && !sku_admitted_by_prefix("azure", name))
        return false;
    *out = (struct vm_size){ .gpus = sku ? sku->gpus : 0 };
    buf_adds(&family, "standard");
    for (size_t i = 0; i < rest.n; i++) {
        unsigned char c = (unsigned char)rest.p[i];

        if (isdigit(c) && !digits_seen && (i == 0 || !isdigit((unsigned char)rest.p[i - 1]) || out->cores)) {
            while (i < rest.n && isdigit((unsigned char)rest.p[i]))
                out->cores = out->cores * 10 + rest.p[i++] - '0';
            i--;
            digits_seen = true;
        } else if (c != '_') {
            buf_addc(&family, c == 'v' ? 'v' : (char)toupper(c));
        }
    }
    buf_adds(&family, "Family");
    snprintf(out->family, sizeof out->family, "%s", buf_cstr(&family));
    return out->cores > 0;
}

static bool refuse(struct sim_answer *a, const char *code, const char *what, const char *value)
{
    sim_answer_error(a, 400, code, "%s: %s", what, value ? value : "(none)");
    return false;
}

/* [A-Za-z0-9], and within it -_. ; up to 63. */
static bool name_part_ok(struct str s)
{
    if (s.n == 0 || s.n > 63 || !isalnum((unsigned char)s.p[0]) || !isalnum((unsigned char)s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !memchr("-_.", s.p[i], 3))
            return false;
    return true;
}

static bool domain_is_reserved(struct str domain)
{
    static const char *const reserved[] = { "kubernetes.azure.com", "kubernetes.io", "k8s.io" };

    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (str_is(domain, reserved[i]) || (str_has_suffix(domain, str_of(reserved[i])) && domain.p[domain.n - strlen(reserved[i]) - 1] == '.'))
            return true;
    return false;
}

static bool key_ok(struct str key)
{
    struct str domain, name;

    if (!str_rcut(key, '/', &domain, &name))
        return name_part_ok(key);
    return name_part_ok(name) && domain.n > 0 && domain.n <= 253;
}

static bool labels_ok(const json_t *labels, struct sim_answer *a)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)labels, key, value) {
        struct str domain, name, text = json_to_str(value);

        if (!key_ok(str_of(key)) || !text.p || (text.n > 0 && !name_part_ok(text)))
            return refuse(a, "InvalidParameter", "nodeLabels: invalid label", key);
        if (str_rcut(str_of(key), '/', &domain, &name) && domain_is_reserved(domain))
            return refuse(a, "InvalidParameter", "nodeLabels: the label's prefix is reserved for the system", key);
    }
    return true;
}

/* key=value:Effect, key:Effect */
static bool taints_ok(const json_t *taints, struct sim_answer *a)
{
    static const char *const effects[] = { "NoSchedule", "PreferNoSchedule", "NoExecute" };
    json_t *t;
    size_t i;

    json_array_foreach(taints, i, t) {
        struct str left, effect, key, value;
        bool known = false;

        if (!json_is_string(t) || !str_rcut(json_to_str(t), ':', &left, &effect))
            return refuse(a, "InvalidParameter", "nodeTaints: is not key=value:effect", json_string_value(t));
        for (size_t k = 0; k < ARRAY_LEN(effects); k++)
            known |= str_is(effect, effects[k]);
        if (!str_cut(left, '=', &key, &value))
            key = left;
        if (!known || !key_ok(key))
            return refuse(a, "InvalidParameter", "nodeTaints: invalid taint", json_string_value(t));
    }
    return true;
}

/* The fields of api-version 2024-01-01 that a client may send; a misspelt one must not pass silently. */
static bool fields_known(const json_t *properties, struct sim_answer *a)
{
    static const char *const known[] = { "count", "vmSize", "osDiskSizeGB", "osDiskType", "kubeletDiskType", "workloadRuntime", "vnetSubnetID", "podSubnetID",
        "maxPods", "osType", "osSKU", "maxCount", "minCount", "enableAutoScaling", "scaleDownMode", "type", "mode", "orchestratorVersion", "upgradeSettings",
        "powerState", "availabilityZones", "enableNodePublicIP", "nodePublicIPPrefixID", "scaleSetPriority", "scaleSetEvictionPolicy", "spotMaxPrice", "tags",
        "nodeLabels", "nodeTaints", "proximityPlacementGroupID", "kubeletConfig", "linuxOSConfig", "enableEncryptionAtHost", "enableUltraSSD", "enableFIPS",
        "gpuInstanceProfile", "creationData", "capacityReservationGroupID", "hostGroupID", "networkProfile" };
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)properties, name, value) {
        bool found = false;

        for (size_t i = 0; i < ARRAY_LEN(known) && !found; i++)
            found = streq(known[i], name);
        if (!found)
            return refuse(a, "InvalidRequestContent", "could not find member on object of type 'ManagedClusterAgentPoolProfileProperties'", name);
    }
    return true;
}

bool sim_pool_check(const struct sim *s, const json_t *p, struct sim_answer *a)
{
    const char *size = json_cstr(p, "vmSize"), *type = json_cstr(p, "type"), *os = json_cstr(p, "osType");
    int64_t disk = json_int(p, "osDiskSizeGB", 0), count = json_int(p, "count", 1);
    struct vm_size vm;

    if (!json_is_object(p) || !fields_known(p, a))
        return json_is_object(p) ? false : refuse(a, "InvalidRequestContent", "The request content was invalid", "properties");
    if (!size || !sim_vm_size(str_of(size), &vm)) {
        sim_answer_error(a, 400, "BadRequest", "The VM size of %s is not allowed in your subscription in location '%s'.", size ? size : "(none)", s->who.location);
        return false;
    }
    if (type && !streq(type, "VirtualMachineScaleSets") && !streq(type, "AvailabilitySet"))
        return refuse(a, "InvalidParameter", "type", type);
    if (os && !streq(os, "Linux") && !streq(os, "Windows"))
        return refuse(a, "InvalidParameter", "osType", os);
    if (disk != 0 && (disk < 30 || disk > 2048))
        return refuse(a, "InvalidParameter", "osDiskSizeGB: must be 0 or between 30 and 2048", "out of range");
    if (count < 0 || count > 1000)
        return refuse(a, "InvalidParameter", "count", "out of range");
    return labels_ok(json_object_get(p, "nodeLabels"), a) && taints_ok(json_object_get(p, "nodeTaints"), a);
}

bool sim_pool_same_fixed(const json_t *had, const json_t *want, struct sim_answer *a)
{
    static const char *const fixed[] = { "vmSize", "osDiskSizeGB", "osDiskType", "osType", "osSKU", "type", "maxPods", "availabilityZones",
                                         "scaleSetPriority", "vnetSubnetID" };

    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        const json_t *w = json_object_get(want, fixed[i]), *h = json_object_get(had, fixed[i]);

        if (!w || json_equal(w, h) || (json_is_string(w) && json_is_string(h) && str_ieq(json_to_str(w), json_to_str(h))))
            continue;
        if (streq(fixed[i], "osDiskSizeGB") && json_integer_value(w) == 0)
            continue;
        sim_answer_error(a, 400, "PropertyChangeNotAllowed", "Changing property 'properties.%s' is not allowed.", fixed[i]);
        return false;
    }
    return true;
}

int sim_quota_used(const struct sim *s, const char *family)
{
    struct str name;
    void *value;
    int used = 0;

    for (size_t i = 0; map_next(s->pools, &i, &name, &value);) {
        const struct sim_pool *p = value;
        struct vm_size vm;

        if (p->has_machine && sim_vm_size(str_of(json_cstr(p->properties, "vmSize")), &vm) && streq(vm.family, family))
            used += vm.cores * (int)json_int(p->properties, "count", 1);
    }
    return used;
}

bool sim_quota_check(struct sim *s, const json_t *properties, struct sim_answer *a)
{
    struct vm_size vm;

    if (!sim_vm_size(str_of(json_cstr(properties, "vmSize")), &vm))
        return true;
    const int64_t *own = map_get(s->quota, str_of(vm.family));
    int64_t limit = own ? *own : s->set.quota_cores, want = vm.cores * json_int(properties, "count", 1);
    int64_t left = limit - sim_quota_used(s, vm.family);

    if (want <= left)
        return true;
    sim_answer_error(a, 400, "ErrCode_InsufficientVCPUQuota", "Insufficient vcpu quota requested %lld, remaining %lld for family %s for region %s.",
                     (long long)want, (long long)(left > 0 ? left : 0), vm.family, s->who.location);
    return false;
}
