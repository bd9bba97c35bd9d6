/* The options of `kaito provisioner --cloud azure` and what they make. Secrets come from the environment only: options are seen by everybody. */
#ifndef CLI_PROVISIONER_AZURE_H
#define CLI_PROVISIONER_AZURE_H

#include "base/options.h"
#include "provisioner/azure/cloud_azure.h"

struct azure_flags { struct azure_settings s; struct strlist tags, headers; };

#define AZURE_OPTIONS(f) \
    { "subscription-id", 0, OPT_STR, &(f)->s.subscription, "ID", "azure: the cluster's subscription.", .env = "ARM_SUBSCRIPTION_ID", .section = "Azure" }, \
    { "resource-group", 0, OPT_STR, &(f)->s.resource_group, "NAME", "azure: the cluster's own resource group (not MC_...).", .env = "ARM_RESOURCE_GROUP" }, \
    { "cluster-name", 0, OPT_STR, &(f)->s.cluster, "NAME", "azure: the AKS cluster.", .env = "AZURE_CLUSTER_NAME" }, \
    { "azure-auth", 0, OPT_STR, &(f)->s.auth, "KIND", "azure: workload, secret, certificate, managed or cli; default by what the environment has.", .env = "AZURE_AUTH" }, \
    { "deployment-mode", 0, OPT_STR, &(f)->s.deployment_mode, "MODE", "azure: managed (the machine's identity if nothing else is set) or self-hosted (workload identity).", \
      .env = "DEPLOYMENT_MODE" }, \
    { "tenant-id", 0, OPT_STR, &(f)->s.tenant, "ID", "azure: the identity's tenant.", .env = "AZURE_TENANT_ID" }, \
    { "client-id", 0, OPT_STR, &(f)->s.client_id, "ID", "azure: the identity.", .env = "AZURE_CLIENT_ID" }, \
    { "azure-cloud", 0, OPT_STR, &(f)->s.cloud, "NAME", "azure: AzurePublic, AzureUSGovernment or AzureChina.", .env = "ARM_CLOUD" }, \
    { "azure-metadata-endpoint", 0, OPT_STR, &(f)->s.metadata_endpoint, "URL", "azure: another cloud's ARM endpoint, which is asked for the rest.", \
      .env = "ARM_METADATA_ENDPOINT" }, \
    { "arm-endpoint", 0, OPT_STR, &(f)->s.endpoint, "URL", "azure: instead of the cloud's.", .env = "ARM_ENDPOINT" }, \
    { "azure-authority-host", 0, OPT_STR, &(f)->s.authority_host, "URL", "azure: instead of the cloud's.", .env = "AZURE_AUTHORITY_HOST" }, \
    { "arm-header", 0, OPT_LIST, &(f)->headers, "NAME: VALUE", "azure: sent with each request to ARM; may be given several times." }, \
    { "arm-budget-scale", 0, OPT_INT, &(f)->s.budget_scale, "N", "azure: requests to ARM, times the limits it documents.", .min = 1, .max = 10000 }, \
    { "pool-tag", 0, OPT_LIST, &(f)->tags, "KEY=VALUE", "azure: a tag of each pool; may be given several times. Pools that exist keep theirs." }, \
    { "vnet-subnet-id", 0, OPT_STR, &(f)->s.pool.subnet_id, "ID", "azure: the subnet of the pools; default the service's choice." }, \
    { "os-disk-type", 0, OPT_STR, &(f)->s.pool.disk_type, "TYPE", "azure: Managed or Ephemeral; default the service's choice." }, \
    { "max-pods", 0, OPT_INT, &(f)->s.pool.max_pods, "N", "azure: pods a Node may hold; default the service's choice.", .min = 10, .max = 250 }

errc azure_cloud_of(struct azure_flags *f, struct cancel *cancel, struct cloud **out, struct err *e);
void azure_flags_done(struct azure_flags *f);

#endif
