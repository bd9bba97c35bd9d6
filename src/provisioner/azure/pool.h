/*
 * An AKS agent pool and a NodeClaim are one thing under two names. Pure: what is sent for a claim depends on the claim (and the
 * operator's fixed settings) alone, so that it is the same bytes at each try; properties of a pool cannot change afterwards.
 * Sources: reference dossier, provisioner, 3.1 (mapping), 3.5 (names), 7 (disk sizes, spot, zones).
 */
#ifndef PROVISIONER_AZURE_POOL_H
#define PROVISIONER_AZURE_POOL_H

#include "provisioner/cloud.h"

#define POOL_API_VERSION "2024-01-01"
#define POOL_NODE_LABEL "kubernetes.azure.com/agentpool"

struct pool_settings {                  /* the operator's; borrowed texts, all may be NULL */
    const char *const *tags;            /* "key=value" */
    size_t n_tags;
    const char *subnet_id;
    const char *disk_type;              /* Managed or Ephemeral */
    int64_t max_pods;                   /* 0: the service's default */
};

/* ^[a-z][a-z0-9]{0,11}$: what AKS accepts for Linux pools. */
bool pool_name_valid(struct str name);

/* *out: {"properties": {...}}, keys sorted when written with json_write_sorted. INVALID names the claim's field and the fix. */
errc pool_of_claim(const struct node_claim *claim, const struct pool_settings *s, json_t **out, struct err *e);

/* An answer's pool as an instance; NOT_FOUND when it carries none of our labels (somebody else's pool). */
errc pool_instance(const json_t *pool, struct cloud_instance *out, struct err *e);
/* Ours and made for this claim: the labels of kaito and the claim's creation time agree. */
bool pool_is_of(const json_t *pool, const struct node_claim *claim);

/* The pool that a Node's providerID names (azure:///...aks-NAME-12345678-vmss/...), any case; absent when it names none. */
struct str pool_of_provider_id(struct str id);

#endif
