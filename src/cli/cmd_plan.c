/* kaito plan: what a Workspace would become, from files alone. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/yaml.h"
#include "cli/command.h"
#include "http/client.h"
#include "hub/hub.h"
#include "kube/meta.h"
#include "workspace/feature_gates.h"
#include "workspace/forecast.h"
#include "workspace/models.h"

#define INPUT_MAX   (16u << 20)
#define HUB_MS      15000

struct plan_cmd {
    const char *cloud, *node_provisioner, *gates, *ns, *prices, *form, *hub;
    bool native;
};

/* ---- the files ------------------------------------------------------------------------------------------------------- */

/* Objects of one document: a List's items, or itself. Workspaces go to one array, all else to the cluster. */
static void sort_in(json_t *document, const struct plan_cmd *c, json_t *workspaces, json_t *cluster)
{
    json_t *items = json_object_get(document, "items"), *item;
    size_t i;

    if (json_is_array(items)) {
        json_array_foreach(items, i, item)
            sort_in(item, c, workspaces, cluster);
        return;
    }
    if (c->ns && json_is_object(document) && !str_set(kube_namespace(document)))
        json_put_str(json_sub(document, "metadata"), "namespace", c->ns);
    if (c->native && streq(kube_kind(document), "Workspace"))
        json_put_str(json_sub(json_sub(document, "metadata"), "annotations"), "kaito.sh/runtime", "native");
    json_array_append(streq(kube_kind(document), "Workspace") ? workspaces : cluster, document);
}

static errc read_file(const char *path, const struct plan_cmd *c, json_t *workspaces, json_t *cluster, struct err *e)
{
    AUTO_BUF text = { 0 };
    AUTO_JSON documents = NULL;
    json_t *one;
    size_t i;

    TRY(file_read(streq(path, "-") ? "/dev/stdin" : path, INPUT_MAX, &text, e));
    if (yaml_parse_all(buf_str(&text), &documents, e))
        return err_wrap(e, "%s", path);
    json_array_foreach(documents, i, one)
        sort_in(one, c, workspaces, cluster);
    return ERR_OK;
}

static errc read_prices(const char *path, json_t **out, struct err *e)
{
    AUTO_BUF text = { 0 };
    const char *type;
    json_t *price;

    *out = json_object();
    if (!path)
        return ERR_OK;
    json_decref(*out);
    *out = NULL;
    TRY(file_read(path, INPUT_MAX, &text, e));
    if (yaml_parse(buf_str(&text), out, e))
        return err_wrap(e, "--prices %s", path);
    if (!json_is_object(*out))
        return err_set(e, ERR_BAD_REQUEST, "--prices %s: is no map; write lines like `Standard_NC24ads_A100_v4: 3.67`", path);
    json_object_foreach(*out, type, price)
        if (!json_is_number(price))
            return err_set(e, ERR_BAD_REQUEST, "--prices %s: %s: is no number", path, type);
    return ERR_OK;
}

/* ---- models that the catalogue does not have ------------------------------------------------------------------------------ */

struct hub_copy {
    struct http_client *http;
    const char *endpoint;
    json_t *entry;                      /* what the rehearsal replays: {files, config, params} */
};

static const char *part_of(struct str url)
{
    static const struct { const char *end, *part; } parts[] = { { "?recursive=true", "files" }, { "/config.json", "config" }, { "/params.json", "params" } };

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (str_has_suffix(url, str_of(parts[i].end)))
            return parts[i].part;
    return "other";
}

static errc copy_from_hub(void *self, const char *url, const char *token, int *status, struct buf *body, struct err *e)
{
    struct hub_copy *h = self;
    bool ours = false;
    AUTO_MEM char *where = hub_url_rewrite(url, h->endpoint, &ours), *bearer = xasprintf("Bearer %s", token ? token : "");
    const struct http_pair header = { "Authorization", bearer };
    const struct http_request q = { .url = where, .headers = &header, .n_headers = str_set(token) && ours, .max_body = INPUT_MAX, .max_redirects = 5 };
    AUTO_RESPONSE r = { 0 };
    json_t *j = NULL;

    TRY(http_send(h->http, &q, &r, e));
    if (r.status >= 500 || r.status == 429)
        return err_set(e, ERR_UNAVAILABLE, "status %d", r.status);
    *status = r.status;
    buf_addstr(body, buf_str(&r.body));
    if (r.status == 401 || r.status == 403)
        json_put_int(h->entry, "status", r.status);
    else if (r.status == 200 && json_parse(buf_str(&r.body), &j, e) == ERR_OK)
        json_put(h->entry, part_of(str_of(url)), j);
    return ERR_OK;
}

/* What the hub says of the Workspace's model, kept for the rehearsal; what it refuses the rehearsal tells. */
static errc ask_hub(const struct plan_cmd *c, const json_t *ws, json_t *huggingface, struct err *e)
{
    const char *inference = json_str_at(ws, "inference", "preset", "name", NULL), *name = inference ? inference : json_str_at(ws, "tuning", "preset", "name", NULL);
    struct hub_copy h = { .endpoint = c->hub, .entry = json_object() };
    AUTO_FREE(arena) a = arena_new();
    AUTO_FREE(http_client) http = NULL;
    const struct model_hub hub = { copy_from_hub, &h };
    const struct preset *found;

    json_put(huggingface, name ? name : "", h.entry);
    if (!name || preset_find(str_of(name)) || preset_check(str_of(name)) != PRESET_VALID)
        return ERR_OK;
    TRY(http_client_new(&(struct http_client_opts){ .timeout_ms = HUB_MS }, &http, e));
    h.http = http;
    errc rc = model_find(&hub, str_of(name), getenv("HF_TOKEN"), a, &found, e);

    if (rc && err_retryable(rc))
        return err_wrap(e, "model %s is not in the catalogue and the hub cannot be asked (--hf-endpoint names a mirror)", name);
    return ERR_OK;
}

/* ---- the question ------------------------------------------------------------------------------------------------------ */

static errc settings_of(const struct plan_cmd *c, json_t **out, struct err *e)
{
    const char *np = c->node_provisioner;
    struct feature_gates_set gates;
    json_t *on = json_object();

    *out = json_pack("{s:s, s:s, s:o}", "cloudProvider", c->cloud, "nodeProvisioner", np, "featureGates", on);
    if (!streq(c->cloud, "azure") && !streq(c->cloud, "aws") && !streq(c->cloud, "arc"))
        return err_set(e, ERR_BAD_REQUEST, "--cloud %s: is none of azure, aws, arc", c->cloud);
    if (!streq(np, "azure-gpu-provisioner") && !streq(np, "karpenter") && !streq(np, "byo"))
        return err_set(e, ERR_BAD_REQUEST, "--node-provisioner %s: is none of azure-gpu-provisioner, karpenter, byo", np);
    TRY(feature_gates_parse(c->gates, &gates, e));
    for (size_t i = 0; i < n_feature_gates; i++)
        json_put_bool(on, feature_gates[i].name, feature_gate_is_on(&gates, feature_gates[i].name));
    if (streq(np, "karpenter"))
        json_put(*out, "karpenterNodeClasses", json_pack("[{s:s, s:b}]", "name", streq(c->cloud, "azure") ? "image-family-ubuntu" : "default", "default", 1));
    return ERR_OK;
}

static errc plan_one(const struct plan_cmd *c, const json_t *workspace, const json_t *cluster, const json_t *settings, const json_t *prices, bool *refused,
                     struct buf *out, struct err *e)
{
    AUTO_JSON forecast = NULL;
    AUTO_JSON huggingface = json_object();
    AUTO_JSON question = json_pack("{s:O, s:O, s:O, s:O, s:O}", "object", workspace, "cluster", cluster, "settings", settings, "prices", prices,
                                   "huggingface", huggingface);

    TRY(ask_hub(c, workspace, huggingface, e));
    TRY(workspace_forecast(question, &forecast, e));
    *refused = *refused || !json_flag(json_object_get(forecast, "admission"), "allowed", false);
    if (streq(c->form, "json"))
        json_write_pretty(forecast, 2, out);
    else
        workspace_forecast_text(forecast, out);
    if (streq(c->form, "json"))
        buf_addc(out, '\n');
    return ERR_OK;
}

static errc plan_all(const struct plan_cmd *c, const struct strlist *paths, bool *refused, struct buf *out, struct err *e)
{
    AUTO_JSON workspaces = json_array();
    AUTO_JSON cluster = json_array();
    AUTO_JSON settings = NULL;
    AUTO_JSON prices = NULL;
    const json_t *one;
    size_t i;

    if (!streq(c->form, "text") && !streq(c->form, "json"))
        return err_set(e, ERR_BAD_REQUEST, "-o %s: is none of text, json", c->form);
    if (paths->n == 0)
        return err_set(e, ERR_BAD_REQUEST, "names no file; write `kaito plan workspace.yaml`, or - for standard input");
    TRY(settings_of(c, &settings, e));
    TRY(read_prices(c->prices, &prices, e));
    for (i = 0; i < paths->n; i++)
        TRY(read_file(paths->items[i], c, workspaces, cluster, e));
    if (json_array_size(workspaces) == 0)
        return err_set(e, ERR_INVALID, "%s: holds no object of kind Workspace", paths->items[0]);
    json_array_foreach(workspaces, i, one) {
        if (i > 0)
            buf_adds(out, streq(c->form, "json") ? "" : "\n");
        TRY(plan_one(c, one, cluster, settings, prices, refused, out, e));
    }
    return ERR_OK;
}

int cmd_plan(int argc, char **argv)
{
    struct plan_cmd c = { .cloud = "azure", .node_provisioner = "azure-gpu-provisioner", .form = "text" };
    const struct option_row rows[] = {
        { "cloud", 0, OPT_STR, &c.cloud, "NAME", "azure, aws or arc: which machine types there are.", .env = "CLOUD_PROVIDER" },
        { "node-provisioner", 0, OPT_STR, &c.node_provisioner, "NAME", "azure-gpu-provisioner, karpenter, or byo (your own nodes: give them as a file)." },
        { "feature-gates", 0, OPT_STR, &c.gates, "NAME=BOOL,...", "Of the manager; default its own." },
        { "native", 0, OPT_BOOL, &c.native, NULL, "As on nodes without GPUs, which `kaito up` has." },
        { "namespace", 'n', OPT_STR, &c.ns, "NS", "Of objects that name none; default default." },
        { "hf-endpoint", 0, OPT_STR, &c.hub, "URL", "Hub or mirror that is asked about models outside the catalogue, with $HF_TOKEN.", .env = "HF_ENDPOINT" },
        { "prices", 0, OPT_STR, &c.prices, "FILE", "YAML map from machine type to price an hour." },
        { "output", 'o', OPT_STR, &c.form, "FORM", "text or json." },
    };
    const struct command_help help = {
        "kaito plan FILE... [options]",
        "Tells what each Workspace in the files would become, from the files alone: whether it would be admitted, how many machines, where the GPU's\n"
        "memory goes, how long a context fits, which objects would be created. ConfigMaps, Nodes and Secrets that are there already may be given\n"
        "as files too. Only a model that the catalogue does not have is looked up, on the Hugging Face hub. Ends with 1 when a Workspace would be refused.",
        "  kaito plan workspace.yaml\n  kubectl get nodes -o yaml | kaito plan workspace.yaml - --node-provisioner byo\n"
        "  kaito plan workspace.yaml -o json | jq .machines\n",
    };
    AUTO_BUF text = { 0 };
    struct strlist args = { 0 };
    bool refused = false;
    struct err e;

    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, &args, &e);
    if (rc == OPTIONS_HELP)
        return 0;
    rc = rc ? rc : plan_all(&c, &args, &refused, &text, &e);
    strlist_done(&args);
    if (rc)
        return command_fail(argv[0], &e);
    fputs(buf_cstr(&text), stdout);
    return refused;
}
