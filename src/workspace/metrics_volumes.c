/* kaito_workspace_pvc_*: the volumes that Workspaces hold, by the label on their claims, as upstream counts them. */
#include "kube/meta.h"
#include "schema/schema.h"
#include "workspace/manager.h"
#include "workspace/plan.h"

/* What was given, else what was asked for. */
static int64_t bytes_of(const json_t *claim)
{
    const char *given = json_str_at(claim, "status", "capacity", "storage", NULL);
    const char *asked = json_str_at(claim, "spec", "resources", "requests", "storage", NULL);

    return quantity_value(str_of(given ? given : asked ? asked : "0"), 0);
}

static void write_labels(const json_t *claim, struct buf *out)
{
    buf_addf(out, "workspace_name=\"%s\",workspace_namespace=\"%s\"", kube_label(claim, WORKSPACE_LABEL), kube_namespace(claim));
}

static void write_sizes(const json_t *claims, struct buf *out)
{
    const json_t *claim;
    size_t i;

    buf_adds(out, "# HELP kaito_workspace_pvc_allocated_bytes Size of each volume of a Workspace.\n# TYPE kaito_workspace_pvc_allocated_bytes gauge\n");
    json_array_foreach(claims, i, claim) {
        buf_adds(out, "kaito_workspace_pvc_allocated_bytes{");
        write_labels(claim, out);
        buf_addf(out, ",pvc_name=\"%s\"} %lld\n", kube_name(claim), (long long)bytes_of(claim));
    }
}

static void write_counts(const json_t *claims, struct buf *out)
{
    AUTO_JSON counts = json_object();
    const json_t *claim;
    const char *labels;
    json_t *n;
    size_t i;

    json_array_foreach(claims, i, claim) {
        AUTO_BUF key = { 0 };

        write_labels(claim, &key);
        json_put_int(counts, buf_cstr(&key), json_int(counts, buf_cstr(&key), 0) + 1);
    }
    buf_adds(out, "# HELP kaito_workspace_pvc_count Number of volumes of a Workspace.\n# TYPE kaito_workspace_pvc_count gauge\n");
    json_object_foreach(counts, labels, n)
        buf_addf(out, "kaito_workspace_pvc_count{%s} %lld\n", labels, (long long)json_integer_value(n));
}

void volume_metrics(const json_t *claims, struct buf *out)
{
    write_sizes(claims, out);
    write_counts(claims, out);
}
