#include "provisioner/azure/pool.h"

#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/lifecycle.h"

#define GIB (1LL << 30)
#define DISK_MIN_GIB 30                 /* what AKS accepts; 0 leaves it to the service */
#define DISK_MAX_GIB 2048
#define CREATED_LABEL "kaito.sh/creation-timestamp"
#define MACHINE_LABEL "kaito.sh/machine-type"
#define IMAGE_ANNOTATION "kaito.sh/node-image-family"
#define ZONE_LABEL "topology.kubernetes.io/zone"
#define LABEL_VALUE_MAX 63

bool pool_name_valid(struct str name)
{
    if (name.n == 0 || name.n > 12 || name.p[0] < 'a' || name.p[0] > 'z')
        return false;
    for (size_t i = 1; i < name.n; i++)
        if (!((name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= '0' && name.p[i] <= '9')))
            return false;
    return true;
}

/* AKS refuses, or is bricked by, labels of these domains; the Node gets them from the life cycle instead. */
static bool label_goes_to_azure(struct str key, struct str value)
{
    static const char *const domains[] = { "kubernetes.azure.com", "kubernetes.io", "k8s.io" };
    struct str domain, name;

    if (value.n > LABEL_VALUE_MAX)
        return false;
    if (!str_cut(key, '/', &domain, &name))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct str d = str_of(domains[i]);

        if (str_eq(domain, d) || (domain.n > d.n && str_has_suffix(domain, d) && domain.p[domain.n - d.n - 1] == '.'))
            return false;
    }
    return true;
}

/* A label value holds no colons. */
static json_t *created_label(const struct node_claim *claim)
{
    char text[TIME_TEXT_MAX];

    time_rfc3339(claim->meta.created_us / 1000, text);
    for (char *p = text; *p; p++)
        if (*p == ':')
            *p = '-';
    return json_string(text);
}

static bool has_text(struct str s, const char *part)
{
    for (size_t i = 0, n = strlen(part); i + n <= s.n; i++)
        if (!strncasecmp(s.p + i, part, n))
            return true;
    return false;
}

static json_t *labels_of(const struct node_claim *claim, struct str vm_size)
{
    json_t *l = json_object();

    json_put_str(l, NODEPOOL_LABEL, "kaito");
    for (size_t i = 0; i < claim->meta.labels.n; i++)
        if (label_goes_to_azure(claim->meta.labels.items[i].key, claim->meta.labels.items[i].value))
            json_put(l, claim->meta.labels.items[i].key.p, json_strn(claim->meta.labels.items[i].value));
    json_put_str(l, MACHINE_LABEL, has_text(vm_size, "Standard_N") ? "gpu" : "cpu");
    json_put(l, CREATED_LABEL, created_label(claim));
    return l;
}

static void add_taints(json_t *list, const struct claim_taint *taints, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_push(list, json_strf("%.*s=%.*s:%.*s", STR_ARG(taints[i].key), (int)taints[i].value.n, taints[i].value.p ? taints[i].value.p : "",
                                  STR_ARG(taints[i].effect)));
}

/* Startup taints go along, or pods are faster than the life cycle that would set them. */
static json_t *taints_of(const struct node_claim *claim)
{
    json_t *list = json_array();

    add_taints(list, claim->spec.taints, claim->spec.n_taints);
    add_taints(list, claim->spec.startup_taints, claim->spec.n_startup_taints);
    return list;
}

/* Whole GiB, rounded up, at least what the service takes; 0 when the claim says nothing. */
static errc disk_of(const struct node_claim *claim, int64_t *out_gib, struct err *e)
{
    struct str want = str_map_get(&claim->spec.resources.requests, "storage");
    int64_t bytes = want.p ? quantity_value(want, -1) : 0;

    if (bytes < 0 || (want.p && bytes == 0))
        return err_set(e, ERR_INVALID, "spec.resources.requests.storage: %.*s is no size above zero; leave it out for the service's default", STR_ARG(want));
    int64_t gib = bytes / GIB + (bytes % GIB != 0);

    if (gib > DISK_MAX_GIB)
        return err_set(e, ERR_INVALID, "spec.resources.requests.storage: %.*s is more than %d GiB, the largest OS disk of AKS", STR_ARG(want), DISK_MAX_GIB);
    *out_gib = gib > 0 && gib < DISK_MIN_GIB ? DISK_MIN_GIB : gib;
    return ERR_OK;
}

static const struct claim_requirement *requirement(const struct node_claim *claim, const char *key)
{
    for (size_t i = 0; i < claim->spec.n_requirements; i++)
        if (str_is(claim->spec.requirements[i].key, key) && str_is(claim->spec.requirements[i].op, "In"))
            return &claim->spec.requirements[i];
    return NULL;
}

static void put_priority(json_t *p, const struct node_claim *claim)
{
    if (!claim_wants_spot(claim))
        return;
    json_put_str(p, "scaleSetPriority", "Spot");
    json_put_str(p, "scaleSetEvictionPolicy", "Delete");
    json_put_int(p, "spotMaxPrice", -1);
}

/* "eastus-1" and "1" both name zone 1; "0" and a requirement that is absent mean regional. */
static errc put_zones(json_t *p, const struct node_claim *claim, struct err *e)
{
    const struct claim_requirement *r = requirement(claim, ZONE_LABEL);
    json_t *zones = json_array();
    errc rc = ERR_OK;

    for (size_t i = 0; r && i < r->n_values && !rc; i++) {
        struct str region, zone = r->values[i];

        if (!str_rcut(r->values[i], '-', &region, &zone))
            zone = r->values[i];
        if (zone.n != 1 || zone.p[0] < '0' || zone.p[0] > '9')
            rc = err_set(e, ERR_INVALID, "spec.requirements " ZONE_LABEL ": %.*s is no zone; write REGION-1 or 1", STR_ARG(r->values[i]));
        else if (zone.p[0] != '0')
            json_push(zones, json_strn(zone));
    }
    if (!rc && json_array_size(zones) > 0)
        json_put(p, "availabilityZones", json_incref(zones));
    json_decref(zones);
    return rc;
}

static const char *os_sku(const struct node_claim *claim)
{
    return str_ieq(str_map_get(&claim->meta.annotations, IMAGE_ANNOTATION), STR("azurelinux")) ? "AzureLinux" : "Ubuntu";
}

static errc put_settings(json_t *p, const struct pool_settings *s, struct err *e)
{
    for (size_t i = 0; i < s->n_tags; i++) {
        struct str key, value;

        if (!str_cut(str_of(s->tags[i]), '=', &key, &value) || key.n == 0 || key.n > 512 || value.n > 256)
            return err_set(e, ERR_INVALID, "tag %s: is not KEY=VALUE with a key of 1 to 512 and a value of at most 256 characters", s->tags[i]);
        AUTO_MEM char *k = xstrndup(key.p, key.n);

        json_put(json_sub(p, "tags"), k, json_strn(value));
    }
    json_put_str(p, "vnetSubnetID", s->subnet_id);
    json_put_str(p, "osDiskType", s->disk_type);
    if (s->max_pods > 0)
        json_put_int(p, "maxPods", s->max_pods);
    return ERR_OK;
}

errc pool_of_claim(const struct node_claim *claim, const struct pool_settings *s, json_t **out, struct err *e)
{
    const struct claim_requirement *type = requirement(claim, INSTANCE_TYPE_LABEL);
    int64_t disk = 0;

    if (!pool_name_valid(claim->meta.name))
        return err_set(e, ERR_INVALID, "metadata.name: %.*s cannot name an AKS pool; use 1 to 12 of a-z and 0-9, a letter first", STR_ARG(claim->meta.name));
    if (!type || type->n_values == 0 || str_empty(type->values[0]))
        return err_set(e, ERR_INVALID, "spec.requirements: no " INSTANCE_TYPE_LABEL " with operator In; name one VM size");
    TRY(disk_of(claim, &disk, e));
    AUTO_JSON body = json_object();
    json_t *p = json_sub(body, "properties");

    json_put_str(p, "type", "VirtualMachineScaleSets");
    json_put_int(p, "count", 1);
    json_put(p, "vmSize", json_strn(type->values[0]));
    json_put_str(p, "osType", "Linux");
    json_put_str(p, "osSKU", os_sku(claim));
    json_put_int(p, "osDiskSizeGB", disk);
    json_put(p, "nodeLabels", labels_of(claim, type->values[0]));
    json_put(p, "nodeTaints", taints_of(claim));
    put_priority(p, claim);
    TRY(put_zones(p, claim, e));
    TRY(put_settings(p, s, e));
    *out = TAKE(body);
    return ERR_OK;
}

/* A pool of the Machine era has no nodepool label: it is never ours. */
static bool labels_are_ours(const json_t *labels)
{
    return json_cstr(labels, NODEPOOL_LABEL) && json_cstr(labels, CREATED_LABEL) && json_cstr(labels, MACHINE_LABEL);
}

bool pool_is_of(const json_t *pool, const struct node_claim *claim)
{
    const json_t *labels = json_at(pool, "properties", "nodeLabels", NULL);
    AUTO_JSON created = created_label(claim);

    return labels_are_ours(labels) && streq(json_cstr(labels, CREATED_LABEL), json_string_value(created)) &&
           str_is(claim->meta.name, json_cstr(pool, "name"));
}

/* The set of states is open: what is neither an end nor a deletion is on its way. */
static enum cloud_state state_of(const json_t *pool)
{
    static const struct { const char *azure; enum cloud_state state; } rows[] = {
        { "Succeeded", CLOUD_RUNNING }, { "Failed", CLOUD_BROKEN }, { "Canceled", CLOUD_BROKEN }, { "Deleting", CLOUD_DELETING },
        { "Updating", CLOUD_RUNNING }, { "Upgrading", CLOUD_RUNNING }, { "UpgradingNodeImageVersion", CLOUD_RUNNING }, { "Scaling", CLOUD_RUNNING },
    };
    const char *state = json_str_at(pool, "properties", "provisioningState", NULL);

    if (str_ieq(str_of(json_str_at(pool, "properties", "powerState", "code", NULL)), STR("Stopped")))
        return CLOUD_BROKEN;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_ieq(str_of(state), str_of(rows[i].azure)))
            return rows[i].state;
    return CLOUD_PENDING;
}

/* The label's time, made for label values: dashes for colons. */
static int64_t created_ms(const char *label)
{
    char text[TIME_TEXT_MAX];
    int64_t us = 0;

    if (!label || strlen(label) != strlen("2026-01-02T03-04-05Z"))
        return 0;
    snprintf(text, sizeof text, "%s", label);
    text[13] = text[16] = ':';
    return time_parse(str_of(text), &us) ? us / 1000 : 0;
}

errc pool_instance(const json_t *pool, struct cloud_instance *out, struct err *e)
{
    const json_t *labels = json_at(pool, "properties", "nodeLabels", NULL);
    const char *name = json_cstr(pool, "name");

    if (!name || !labels_are_ours(labels))
        return err_set(e, ERR_NOT_FOUND, "agent pool %s: carries no labels of kaito, it is somebody else's", name ? name : "without name");
    *out = (struct cloud_instance){
        .claim = xstrdup(name), .instance_type = xstrdup(json_str_at(pool, "properties", "vmSize", NULL)), .labels = json_clone(labels),
        .image_id = xstrdup(json_str_at(pool, "properties", "nodeImageVersion", NULL)), .state = state_of(pool),
        .created_ms = created_ms(json_cstr(labels, CREATED_LABEL)),
    };
    return ERR_OK;
}

struct str pool_of_provider_id(struct str id)
{
    struct str piece, head, rest;

    if (id.n < 9 || strncasecmp(id.p, "azure:///", 9))
        return (struct str){ 0 };
    while (str_next(&id, '/', &piece)) {
        if (piece.n < 5 || strncasecmp(piece.p, "aks-", 4))
            continue;
        rest = str_from(piece, 4);
        if (str_cut(rest, '-', &head, &rest) && pool_name_valid(head) && rest.n > 0)
            return head;
    }
    return (struct str){ 0 };
}
