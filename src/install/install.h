/*
 * What a cluster needs to run the Workspace manager: definitions, rights, Deployment, Service, webhook. deploy/chart templates to the same
 * objects (tests/peers/test_real_chart.sh). Rights are those that src/workspace, src/webhook and src/kube use, no more: a test runs the manager with them.
 */
#ifndef INSTALL_INSTALL_H
#define INSTALL_INSTALL_H

#include "base/json.h"

struct kube_client;

struct install_opts {                   /* NULL and 0: the default of the chart's values.yaml */
    const char *release, *ns;           /* workspace, kaito-workspace */
    const char *image;                  /* kaito/kaito:VERSION */
    const char *runtime_image;          /* kaito/kaito-runtime:VERSION */
    const char *preset_registry;        /* mcr.microsoft.com/aks/kaito */
    const char *cloud, *node_provisioner;       /* azure, azure-gpu-provisioner; "byo": no rights to claims */
    const char *node_class_group, *node_class_kind, *node_class_version, *node_class_resource;  /* karpenter: those of Azure's */
    const char *node_classes;           /* karpenter: JSON of the NodeClasses to make; upstream's two for Azure */
    const char *feature_gates;          /* NULL: the manager's defaults */
    const char *webhook_url;            /* "https://HOST:PORT": the API server reaches the manager there instead of by the Service */
    const char *const *namespaces;      /* whose Workspaces are looked after, NULL-terminated; NULL: all. Then nothing clashes with other releases */
    int64_t replicas;                   /* 1; above 1 the managers elect a leader */
    bool no_crds, no_device_plugin;
};

/* The webhook configuration alone. New reference. */
json_t *install_webhook(const struct install_opts *o);
/* Every object, in the order to create them. New reference. */
json_t *install_manifests(const struct install_opts *o);
/* Server-side apply, field manager "kaito". Says which object failed. */
errc install_apply(struct kube_client *client, const json_t *manifests, struct err *e);

#endif
