#include "provisioner/azure/identity.h"

#include "base/mem.h"

#define ANSWER_MAX (1u << 20)
#define TIMEOUT_MS 10000                /* it is on this machine */

struct azure_identity { char *url; };

errc azure_identity_new(const struct azure_identity_opts *o, const char *resource, const char *client_id, struct azure_identity **out, struct err *e)
{
    struct azure_identity *i = xmalloc(sizeof *i);
    AUTO_BUF query = { 0 };

    query_add(&query, "api-version", "2018-02-01");
    query_add(&query, "resource", resource);
    query_add(&query, "client_id", str_set(client_id) ? client_id : NULL);
    *i = (struct azure_identity){ .url = xasprintf("%s/metadata/identity/oauth2/token?%s", o->imds ? o->imds : "http://169.254.169.254", buf_cstr(&query)) };
    *out = i;
    return ERR_OK;
}

void azure_identity_free(struct azure_identity *i)
{
    if (i)
        free(i->url);
    free(i);
}

const char *azure_identity_name(const struct azure_identity *i)
{
    return "the machine's identity service";
}

errc azure_identity_ask(const struct azure_identity *i, struct http_client *http, struct cancel *cancel, struct http_response *out, struct err *e)
{
    const struct http_pair metadata = { "Metadata", "true" };
    /* the address means this machine; a proxy would ask for its own identity */
    const struct http_request q = { .url = i->url, .headers = &metadata, .n_headers = 1, .no_bearer = true, .no_proxy = true, .max_body = ANSWER_MAX,
                                    .timeout_ms = TIMEOUT_MS, .cancel = cancel };

    return http_send(http, &q, out, e);
}
