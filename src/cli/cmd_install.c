/* kaito install: the manager in a cluster. */
#include <stdio.h>

#include "base/options.h"
#include "base/yaml.h"
#include "cli/command.h"
#include "install/install.h"
#include "kube/kube.h"
#include "kube/meta.h"

struct install_cmd {
    const char *kubeconfig, *context;
    bool apply;
    struct strlist namespaces;
    struct install_opts o;
};

static void print(const json_t *manifests)
{
    const json_t *o;
    size_t i;

    json_array_foreach(manifests, i, o) {
        AUTO_BUF text = { 0 };

        yaml_write(o, &text);
        printf("---\n%s", buf_cstr(&text));
    }
}

static errc apply(const struct install_cmd *c, const json_t *manifests, struct err *e)
{
    AUTO_FREE(kube_config) config = NULL;
    AUTO_FREE(kube_client) client = NULL;
    const json_t *o;
    size_t i;

    TRY(kube_config_load(c->kubeconfig, c->context, &config, e));
    TRY(kube_client_new(config, "kaito/" KAITO_VERSION, NULL, &client, e));
    TRY(install_apply(client, manifests, e));
    json_array_foreach(manifests, i, o)
        printf("%s/%s applied\n", kube_kind(o), kube_name(o));
    return ERR_OK;
}

static errc check(const struct install_cmd *c, struct err *e)
{
    const char *np = c->o.node_provisioner, *url = c->o.webhook_url;

    if (np && !streq(np, "azure-gpu-provisioner") && !streq(np, "byo") && !streq(np, "karpenter"))
        return err_set(e, ERR_BAD_REQUEST, "--node-provisioner %s: is none of azure-gpu-provisioner, karpenter, byo", np);
    if (url && !str_has_prefix(str_of(url), STR("https://")))
        return err_set(e, ERR_BAD_REQUEST, "--webhook-url %s: is not https://HOST:PORT", url);
    return ERR_OK;
}

int cmd_install(int argc, char **argv)
{
    struct install_cmd c = { .o = { .replicas = 1 } };
    struct install_opts *o = &c.o;
    struct err e;
    const struct option_row rows[] = {
        { "apply", 0, OPT_BOOL, &c.apply, NULL, "Write the objects to the cluster instead of printing them; what is there is brought up to date." },
        { "kubeconfig", 0, OPT_STR, &c.kubeconfig, "FILE", "How to reach the API; default $KUBECONFIG or ~/.kube/config." },
        { "context", 0, OPT_STR, &c.context, "NAME", "Context of the kubeconfig; default the current one." },
        { "release", 0, OPT_STR, &o->release, "NAME", "What objects are called; default workspace." },
        { "namespace", 'n', OPT_STR, &o->ns, "NS", "Where the manager runs; default kaito-workspace." },
        { "watch-namespace", 0, OPT_LIST, &c.namespaces, "NS", "Look after the Workspaces of this namespace only, with rights in no other; may be repeated." },
        { "image", 0, OPT_STR, &o->image, "REF", "Image of the manager; default kaito/kaito:" KAITO_VERSION "." },
        { "runtime-image", 0, OPT_STR, &o->runtime_image, "REF", "Image of the native runtime; default kaito/kaito-runtime:" KAITO_VERSION "." },
        { "preset-registry", 0, OPT_STR, &o->preset_registry, "HOST/PATH", "Registry of upstream's images; default mcr.microsoft.com/aks/kaito." },
        { "cloud", 0, OPT_STR, &o->cloud, "NAME", "azure, aws or arc; default azure." },
        { "node-provisioner", 0, OPT_STR, &o->node_provisioner, "NAME", "azure-gpu-provisioner (default), karpenter or byo." },
        { "karpenter-node-classes", 0, OPT_STR, &o->node_classes, "JSON", "With karpenter: the NodeClasses to make; default upstream's two for Azure." },
        { "karpenter-node-class-group", 0, OPT_STR, &o->node_class_group, "GROUP", "API group of the NodeClasses; default karpenter.azure.com." },
        { "karpenter-node-class-kind", 0, OPT_STR, &o->node_class_kind, "KIND", "Their kind; default AKSNodeClass." },
        { "karpenter-node-class-version", 0, OPT_STR, &o->node_class_version, "VERSION", "Their version; default v1beta1." },
        { "karpenter-node-class-resource-name", 0, OPT_STR, &o->node_class_resource, "NAME", "Their plural; default aksnodeclasses." },
        { "feature-gates", 0, OPT_STR, &o->feature_gates, "NAME=BOOL,...", "Of the manager, which has upstream's defaults." },
        { "replicas", 0, OPT_INT, &o->replicas, "N", "Managers; of several one leads.", .min = 1, .max = 16 },
        { "webhook-url", 0, OPT_STR, &o->webhook_url, "URL", "https://HOST:PORT of a manager outside of the cluster." },
        { "no-crds", 0, OPT_BOOL, &o->no_crds, NULL, "Leave the CustomResourceDefinitions out." },
        { "no-device-plugin", 0, OPT_BOOL, &o->no_device_plugin, NULL, "Leave NVIDIA's device plugin out." },
    };
    const struct command_help help = {
        "kaito install [--apply] [options]",
        "Prints what a cluster needs to run the Workspace manager: definitions, rights, Deployment, Service and webhook; or writes it there.",
        "  kaito install | kubectl apply --server-side -f -\n  kaito install --apply --node-provisioner byo\n",
    };

    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);
    if (rc == OPTIONS_HELP)
        return 0;
    rc = rc ? rc : check(&c, &e);
    if (c.namespaces.n > 0) {
        strlist_add(&c.namespaces, NULL);
        o->namespaces = c.namespaces.items;
    }
    AUTO_JSON manifests = rc ? NULL : install_manifests(o);
    if (!rc && c.apply)
        rc = apply(&c, manifests, &e);
    else if (!rc)
        print(manifests);
    strlist_done(&c.namespaces);
    return rc ? command_fail(argv[0], &e) : 0;
}
