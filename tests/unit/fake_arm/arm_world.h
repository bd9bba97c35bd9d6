/* A simulator and a client of it, for the tests of the simulator itself. */
#ifndef TESTS_ARM_WORLD_H
#define TESTS_ARM_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/client.h"
#include "sim.h"

#define SECRET "planted-secret"
#define CLUSTER "/subscriptions/sub/resourceGroups/group/providers/Microsoft.ContainerService/managedClusters/aks"
#define VERSION "?api-version=2024-01-01"

struct world {
    struct sim *sim;
    struct http_client *http;
    char *token;
    struct http_response r;             /* the last answer; status 0: cut */
    json_t *body;
};

struct ask { const char *method, *url, *body, *type, *accept; struct http_pair extra[4]; bool anonymous; int64_t timeout_ms; };

static inline void ask(struct world *w, const struct ask *a)
{
    AUTO_MEM char *url = a->url[0] == '/' ? xasprintf("%s%s", w->sim->base_url, a->url) : xstrdup(a->url);
    AUTO_MEM char *bearer = xasprintf("Bearer %s", w->token);
    struct http_pair headers[8] = { { "Accept", a->accept ? a->accept : "application/json" } };
    size_t n = 1;
    struct err e;

    if (!a->anonymous && w->token)
        headers[n++] = (struct http_pair){ "Authorization", bearer };
    for (size_t i = 0; i < ARRAY_LEN(a->extra) && a->extra[i].name; i++)
        headers[n++] = a->extra[i];
    http_response_done(&w->r);
    json_decref(w->body);
    w->body = NULL;
    w->r = (struct http_response){ 0 };
    const struct http_request q = { .method = a->method, .url = url, .headers = headers, .n_headers = n, .body = str_of(a->body ? a->body : ""),
                                    .content_type = a->type ? a->type : a->body ? "application/json" : NULL, .timeout_ms = a->timeout_ms };

    if (http_send(w->http, &q, &w->r, &e))
        w->r.status = 0;
    if (json_parse(buf_str(&w->r.body), &w->body, &e))
        w->body = NULL;
}

static inline void arm_call(struct world *w, const char *method, const char *path, const char *body)
{
    AUTO_MEM char *url = xasprintf("%s%s%s", CLUSTER, path, VERSION);

    ask(w, &(struct ask){ method, url, body });
}

static inline void control(struct world *w, const char *method, const char *what, const char *body)
{
    AUTO_MEM char *url = xasprintf("/control/%s", what);

    ask(w, &(struct ask){ method, url, body });
    if (w->r.status != 200)
        fail_msg("%s %s: %d %s", method, url, w->r.status, buf_cstr(&w->r.body));
}

static inline void advance(struct world *w, int64_t ms)
{
    AUTO_MEM char *text = xasprintf("{\"advanceMs\": %lld}", (long long)ms);

    control(w, "POST", "clock", text);
}

static inline const char *error_code(const struct world *w)
{
    return json_str_at(w->body, "error", "code", NULL);
}

static inline size_t violations(struct world *w)
{
    LOCK_SCOPE(&w->sim->mu);
    return json_array_size(w->sim->violations);
}

static inline const char *last_violation(struct world *w)
{
    LOCK_SCOPE(&w->sim->mu);
    return json_cstr(json_array_get(w->sim->violations, json_array_size(w->sim->violations) - 1), "rule");
}

static inline void get_token(struct world *w)
{
    ask(w, &(struct ask){ "POST", "/tenant/oauth2/v2.0/token",
                          "grant_type=client_credentials&client_id=client&scope=x%2F.default&client_secret=" SECRET, "application/x-www-form-urlencoded" });
    assert_int_equal(w->r.status, 200);
    free(w->token);
    w->token = xstrdup(json_cstr(w->body, "access_token"));
}

/* The clock stands still unless the test turns it. */
static inline int world_start(struct world *w, const struct sim_opts *opts)
{
    struct sim_opts o = *opts;
    struct err e;

    *w = (struct world){ 0 };
    o.who = (struct sim_identity){ .tenant = "tenant", .client_id = "client", .subscription = "sub", .group = "group", .cluster = "aks",
                                   .location = "eastus", .client_secret = SECRET, .assertion_file = opts->who.assertion_file,
                                   .certificate_pem = opts->who.certificate_pem };
    if (sim_start(&o, &w->sim, &e))
        fail_msg("%s", e.text);
    if (http_client_new(&(struct http_client_opts){ .tls.ca_pem = w->sim->cert_pem, .timeout_ms = 10000 }, &w->http, &e))
        fail_msg("%s", e.text);
    control(w, "POST", "clock", "{\"speedPercent\": 0}");
    control(w, "PUT", "settings", "{\"spread_percent\": 0}");
    get_token(w);
    return 0;
}

static inline void world_stop(struct world *w)
{
    http_client_free(w->http);
    sim_stop(w->sim);
    http_response_done(&w->r);
    json_decref(w->body);
    free(w->token);
}

#endif
