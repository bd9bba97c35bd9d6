/*
 * Admission webhooks of one process: an HTTPS server, and the certificate it shows. The certificate lives in a Secret, signed by an
 * authority that is made with it and forgotten; every process shows what the Secret holds, and the one that leads replaces it in time:
 *   1. the new authority and the present one go into the webhook configuration (clientConfig.caBundle);
 *   2. after settle_ms, when API servers have learnt that, the new pair goes into the Secret;
 *   3. whoever sees the Secret shows the new pair; requests under way end under the old one.
 * So a request never meets a certificate that its API server does not trust. Rules, failure policy and timeouts of the configuration are
 * the installer's and never touched.
 */
#ifndef WEBHOOK_WEBHOOK_H
#define WEBHOOK_WEBHOOK_H

#include "kube/informer.h"
#include "webhook/admission.h"

struct webhook;

struct webhook_opts {                   /* texts outlive the webhook */
    const char *address;                /* NULL: every address, IPv4 and IPv6 */
    uint16_t port;
    const char *ns, *service, *secret;  /* the Service that clients reach us by, the Secret in the same namespace */
    const char *configuration;          /* name of the ValidatingWebhookConfiguration */
    const struct admission_route *routes;       /* copied */
    size_t n_routes;
    int days;                           /* life of a certificate; 0: 7 */
    int64_t renew_before_s;             /* 0: a day */
    int64_t settle_ms;                  /* 0: 5000 */
};

/* Starts and returns; stops when cancel does. Hosts that the configuration names by URL become names of the certificate, too. */
struct webhook *webhook_start(struct kube_client *client, const struct webhook_opts *o, struct cancel *cancel);
void webhook_lead(struct webhook *w);           /* from now on this process writes; any time after the start */
bool webhook_serving(struct webhook *w);        /* listens with a certificate */
bool webhook_trusted(struct webhook *w);        /* and, as far as this process has written it, the configuration names its authority */
struct webhook_stats { uint64_t requests, rotations; int64_t cert_ends_ms; };
void webhook_stats(struct webhook *w, struct webhook_stats *out);
void webhook_metrics(struct webhook *w, struct buf *out);       /* Prometheus text: reviews with controller-runtime's names, the certificate with ours */
void webhook_join(struct webhook *w);           /* after cancel; ends requests and frees; NULL is fine */

#endif
