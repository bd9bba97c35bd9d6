/* kaito doctor: reads what there is and tells what is wrong, with the next command. Writes nothing. */
#include <stdio.h>

#include "api/karpenter/claim_kind.h"
#include "base/clock.h"
#include "base/options.h"
#include "cli/command.h"
#include "install/diagnose.h"
#include "kube/kube.h"
#include "kube/meta.h"

struct doctor_cmd {
    const char *kubeconfig, *context, *ns, *form;
    bool all_namespaces, no_logs;
};

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

/* What may not be read is told and no error: a user without rights to CRDs can still be helped. */
static void read_list(struct kube_client *client, const struct kube_gvr *r, const char *ns, const struct kube_list_opts *o, const char *key, json_t *facts)
{
    json_t *list = NULL;
    struct err e;

    if (kube_list_all(client, r, ns, o, &list, &e) == ERR_OK)
        json_put(facts, key, list);
    else if (e.code != ERR_NOT_FOUND)
        json_put_str(json_sub(facts, "unread"), key, e.text);
    else
        json_put(facts, key, json_array());
}

static json_t *read_installation(struct kube_client *client)
{
    const struct kube_list_opts manager = { .label_selector = "app.kubernetes.io/name=workspace" };
    const struct kube_list_opts lease = { .field_selector = "metadata.name=ef60f9b0.io" };
    json_t *facts = json_object();

    read_list(client, KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"), NULL, NULL, "crds", facts);
    read_list(client, KUBE_GVR("apps", "v1", "deployments"), NULL, &manager, "deployments", facts);
    read_list(client, KUBE_GVR("", "v1", "pods"), NULL, &manager, "pods", facts);
    read_list(client, KUBE_GVR("coordination.k8s.io", "v1", "leases"), NULL, &lease, "leases", facts);
    read_list(client, KUBE_GVR("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"), NULL, NULL, "webhooks", facts);
    read_list(client, KUBE_GVR("", "v1", "endpoints"), NULL, NULL, "endpoints", facts);
    return facts;
}

/* The last line of a log; nothing when it cannot be had. */
static void read_log(struct kube_client *client, const json_t *wish, json_t *logs)
{
    AUTO_BUF path = { 0 }, text = { 0 }, key = { 0 };
    struct str line, before, last;
    struct err ignored;

    buf_addf(&path, "/api/v1/namespaces/%s/pods/%s/log?container=%s&tailLines=1%s", json_cstr(wish, "namespace"), json_cstr(wish, "pod"), json_cstr(wish, "container"),
             json_flag(wish, "previous", false) ? "&previous=true" : "");
    if (kube_raw(client, "GET", buf_cstr(&path), NULL, STR(""), &text, &ignored))
        return;
    line = str_trim(buf_str(&text));
    if (str_rcut(line, '\n', &before, &last))
        line = str_trim(last);
    buf_addf(&key, "%s/%s", json_cstr(wish, "pod"), json_cstr(wish, "container"));
    json_put(logs, buf_cstr(&key), json_strn(str_n(line.p, line.n > 300 ? 300 : line.n)));
}

/* NodeClaims, and legacy Machines as such: where there are none, most people may not even ask for them. */
static void read_claims(struct kube_client *client, json_t *facts)
{
    AUTO_JSON machines = NULL;
    struct err ignored;
    json_t *o;
    size_t i;

    read_list(client, &claim_kind_node_claim.gvr, NULL, NULL, "claims", facts);
    (void)kube_list_all(client, &claim_kind_machine.gvr, NULL, NULL, &machines, &ignored);
    json_array_foreach(machines, i, o) {
        machine_read(o);
        json_array_append(json_object_get(facts, "claims"), o);
    }
}

static json_t *read_cluster(struct kube_client *client, const struct doctor_cmd *c, const char *ns)
{
    const struct kube_list_opts ours = { .label_selector = "kaito.sh/workspace" };
    json_t *facts = json_object(), *logs = json_sub(facts, "logs");
    const json_t *wish;
    size_t i;

    read_claims(client, facts);
    read_list(client, KUBE_GVR("", "v1", "nodes"), NULL, NULL, "nodes", facts);
    read_list(client, KUBE_GVR("", "v1", "pods"), ns, &ours, "pods", facts);
    read_list(client, KUBE_GVR("", "v1", "events"), ns, NULL, "events", facts);
    read_list(client, KUBE_GVR("apps", "v1", "statefulsets"), ns, NULL, "statefulsets", facts);
    read_list(client, KUBE_GVR("batch", "v1", "jobs"), ns, NULL, "jobs", facts);
    if (c->no_logs)
        return facts;
    AUTO_JSON wishes = workspace_log_wishes(facts);

    json_array_foreach(wishes, i, wish)
        read_log(client, wish, logs);
    return facts;
}

/* ---- telling ------------------------------------------------------------------------------------------------------------- */

static json_t *namesake(const json_t *list, const json_t *ws)
{
    json_t *o;
    size_t i;

    json_array_foreach(list, i, o)
        if (streq(kube_name(o), kube_name(ws)) && streq(kube_namespace(o), kube_namespace(ws)))
            return o;
    return NULL;
}

static json_t *diagnose(const json_t *cluster, json_t *ws)
{
    AUTO_JSON facts = json_copy((json_t *)(uintptr_t)cluster);
    json_t *set = namesake(json_object_get(cluster, "statefulsets"), ws), *job = namesake(json_object_get(cluster, "jobs"), ws);

    json_put(facts, "workspace", json_incref(ws));
    if (set)
        json_put(facts, "statefulset", json_incref(set));
    if (job)
        json_put(facts, "job", json_incref(job));
    return workspace_diagnose(facts, clock_wall_ms());
}

/* Well ones are told in one line when there are many to read through. */
static void shorten(json_t *f)
{
    if (streq(json_cstr(f, "level"), "ok"))
        json_array_clear(json_object_get(f, "children"));
}

/* A user may not be allowed to read all of it: then the tree lacks it, and says so. */
static void tell_unread(const json_t *cluster, json_t *out)
{
    const char *what;
    json_t *why;

    json_object_foreach(json_object_get(cluster, "unread"), what, why)
        json_push(out, finding("note", "%s could not be read, so what hangs on them is not told: %s", what, json_string_value(why)));
}

static errc examine(struct kube_client *client, const struct doctor_cmd *c, const char *ns, const char *name, json_t *out, struct err *e)
{
    AUTO_JSON list = NULL;
    AUTO_JSON cluster = NULL;
    json_t *ws = NULL;
    size_t i;

    if (name) {
        TRY(kube_get(client, KUBE_GVR("kaito.sh", "v1beta1", "workspaces"), ns, name, &ws, e));
        list = json_pack("[o]", ws);
    } else if (kube_list_all(client, KUBE_GVR("kaito.sh", "v1beta1", "workspaces"), ns, NULL, &list, e)) {
        if (e->code != ERR_NOT_FOUND)
            return e->code;
        list = json_array();            /* no such kind: the installation tells */
    }
    cluster = json_array_size(list) > 0 ? read_cluster(client, c, ns) : json_object();
    tell_unread(cluster, out);
    json_array_foreach(list, i, ws) {
        json_t *f = diagnose(cluster, ws);

        if (!name)
            shorten(f);
        json_push(out, f);
    }
    if (!name && i == 0)
        json_push(out, finding("note", "no Workspace %s%s", ns ? "in namespace " : "anywhere", ns ? ns : ""));
    return ERR_OK;
}

/* Asked first: a server that is not there is told once, not of each list. */
static errc find_server(struct kube_client *client, const struct kube_config *config, struct err *e)
{
    AUTO_BUF version = { 0 };

    if (kube_raw(client, "GET", "/version", NULL, STR(""), &version, e))
        return err_wrap(e, "the API server of %s does not answer; is it the right kubeconfig and context?", config->source);
    return ERR_OK;
}

static errc consult(const struct doctor_cmd *c, const struct strlist *args, json_t *out, struct err *e)
{
    AUTO_FREE(kube_config) config = NULL;
    AUTO_FREE(kube_client) client = NULL;
    const char *name = args->n ? args->items[0] : NULL, *ns;

    if (!streq(c->form, "text") && !streq(c->form, "json"))
        return err_set(e, ERR_BAD_REQUEST, "-o %s: is none of text, json", c->form);
    if (args->n > 1)
        return err_set(e, ERR_BAD_REQUEST, "takes one Workspace; without a name it examines all");
    TRY(kube_config_load(c->kubeconfig, c->context, &config, e));
    TRY(kube_client_new(config, "kaito-doctor/" KAITO_VERSION, NULL, &client, e));
    TRY(find_server(client, config, e));
    ns = c->ns ? c->ns : name ? config->namespace_ : NULL;
    if (!name) {
        AUTO_JSON facts = read_installation(client);
        json_push(out, install_diagnose(facts, clock_wall_ms()));
    }
    if (examine(client, c, ns, name, out, e))
        return err_wrap(e, "%s", name ? "no such patient" : "Workspaces cannot be read");
    return ERR_OK;
}

static bool print(const struct doctor_cmd *c, const json_t *findings)
{
    AUTO_BUF text = { 0 };
    const json_t *f;
    bool bad = false;
    size_t i;

    json_array_foreach(findings, i, f)
        bad = bad || finding_is_bad(f);
    if (streq(c->form, "json")) {
        json_write_pretty(findings, 2, &text);
        buf_addc(&text, '\n');
    } else {
        json_array_foreach(findings, i, f)
            findings_text(f, &text);
    }
    fputs(buf_cstr(&text), stdout);
    return bad;
}

int cmd_doctor(int argc, char **argv)
{
    struct doctor_cmd c = { .form = "text" };
    const struct option_row rows[] = {
        { "namespace", 'n', OPT_STR, &c.ns, "NS", "Of the Workspace, default the context's; without a name only this one is examined, default all." },
        { "kubeconfig", 0, OPT_STR, &c.kubeconfig, "FILE", "How to reach the API; default $KUBECONFIG or ~/.kube/config." },
        { "context", 0, OPT_STR, &c.context, "NAME", "Context of the kubeconfig; default the current one." },
        { "no-logs", 0, OPT_BOOL, &c.no_logs, NULL, "Do not read the last log line of containers." },
        { "output", 'o', OPT_STR, &c.form, "FORM", "text or json." },
    };
    const struct command_help help = {
        "kaito doctor [WORKSPACE] [options]",
        "Tells why a Workspace is not ready: from its conditions to NodeClaims and the cloud's error, nodes, pods, images, probes, exit codes and\n"
        "the last log line, each with the next command. Without a name it examines all of them, and the installation: definitions, manager,\n"
        "lease, webhook. Reads only. Ends with 1 when something failed; what only takes its time is [wait].",
        "  kaito doctor\n  kaito doctor workspace-phi-3 -n models\n  kaito doctor -o json | jq -r '.. | .next? // empty | .[]'\n",
    };
    AUTO_JSON findings = json_array();
    struct strlist args = { 0 };
    struct err e;

    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, &args, &e);
    if (rc == OPTIONS_HELP)
        return 0;
    rc = rc ? rc : consult(&c, &args, findings, &e);
    strlist_done(&args);
    if (rc)
        return command_fail(argv[0], &e);
    return print(&c, findings);
}
