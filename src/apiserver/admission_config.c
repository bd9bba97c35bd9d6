/* The stored webhook configurations as the list that requests walk. */
#include "apiserver/admission.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/client.h"
#include "schema/cel.h"

#define GROUP "admissionregistration.k8s.io/"
#define CONNECT_MS 10000

struct loading { struct registry *g; bool mutating; };

/* The first problem is kept: it is what a call would meet. */
static void problem(struct admission_hook *h, struct registry *g, const char *what, const struct err *e)
{
    if (!h->problem)
        h->problem = arena_printf(g->arena, "%s: %s", what, e->text);
}

static void read_selectors(struct admission_hook *h, struct registry *g, const json_t *spec)
{
    struct selector *namespaces = NULL, *objects = NULL;
    struct err e;

    if (selector_of_object(g->arena, json_object_get(spec, "namespaceSelector"), &namespaces, &e))
        problem(h, g, "namespaceSelector", &e);
    if (selector_of_object(g->arena, json_object_get(spec, "objectSelector"), &objects, &e))
        problem(h, g, "objectSelector", &e);
    h->namespaces = namespaces;
    h->objects = objects;
}

static void read_conditions(struct admission_hook *h, struct registry *g, const json_t *list)
{
    struct err e;
    size_t i;
    json_t *c;

    h->conditions = arena_calloc(g->arena, json_array_size(list) + 1, sizeof *h->conditions);
    json_array_foreach(list, i, c) {
        struct condition *k = &h->conditions[h->n_conditions++];

        *k = (struct condition){ .name = json_cstr(c, "name"), .text = json_cstr(c, "expression") };
        if (cel_parse(str_of(k->text ? k->text : ""), g->arena, &k->cel, &e))
            problem(h, g, "matchConditions", &e);
    }
}

static void connect_to(struct admission_hook *h, struct registry *g, const json_t *config)
{
    const char *bundle = json_cstr(config, "caBundle");
    AUTO_BUF pem = { 0 };
    struct err e;

    h->service = json_object_get(config, "service");
    h->url = json_cstr(config, "url");
    if (str_set(bundle) && !base64_decode(str_of(bundle), &pem)) {
        h->problem = "caBundle: is no base64";
        return;
    }
    struct http_client_opts o = { .user_agent = "kube-apiserver-admission", .connect_timeout_ms = CONNECT_MS };

    o.tls.ca_pem = pem.n ? buf_cstr(&pem) : NULL;
    if (http_client_new(&o, &h->client, &e))
        problem(h, g, "unable to load root certificates", &e);
}

static void read_hook(struct loading *l, const char *configuration, const json_t *spec)
{
    struct registry *g = l->g;
    const char *effects = json_cstr(spec, "sideEffects");

    vec_grow(g->hooks, g->n_hooks, g->cap_hooks);
    struct admission_hook *h = &g->hooks[g->n_hooks++];
    *h = (struct admission_hook){
        .mutating = l->mutating, .configuration = configuration, .name = json_cstr(spec, "name"), .rules = json_object_get(spec, "rules"),
        .exact = streq(json_cstr(spec, "matchPolicy"), "Exact"), .ignore_failure = streq(json_cstr(spec, "failurePolicy"), "Ignore"),
        .dry_run = streq(effects, "None") || streq(effects, "NoneOnDryRun"),
        .reinvoke = streq(json_cstr(spec, "reinvocationPolicy"), "IfNeeded"), .timeout_s = json_int(spec, "timeoutSeconds", 10),
    };
    read_selectors(h, g, spec);
    read_conditions(h, g, json_object_get(spec, "matchConditions"));
    connect_to(h, g, json_object_get(spec, "clientConfig"));
    if (h->problem)
        log_warn(LOG_NAME, "a webhook cannot be called", KV("configuration", configuration), KV("webhook", h->name), KV("err", h->problem));
}

static bool read_configuration(void *arg, const struct store_row *row)
{
    struct loading *l = arg;
    json_t *configuration = NULL, *spec;
    struct err e;
    size_t i;

    if (json_parse(row->text, &configuration, &e))
        return true;                    /* the store wrote it: it parses */
    json_arena_own(l->g->arena, configuration);
    json_array_foreach(json_object_get(configuration, "webhooks"), i, spec)
        read_hook(l, arena_strdup(l->g->arena, row->name), spec);
    return true;
}

errc admission_load(struct registry *g, struct store *store, struct err *e)
{
    struct loading mutating = { g, true }, validating = { g, false };

    TRY(store_list(store, &(struct store_list){ .resource = GROUP "mutatingwebhookconfigurations" }, read_configuration, &mutating, NULL, e));
    return store_list(store, &(struct store_list){ .resource = GROUP "validatingwebhookconfigurations" }, read_configuration, &validating, NULL, e);
}

void admission_done(struct registry *g)
{
    for (size_t i = 0; i < g->n_hooks; i++)
        http_client_free(g->hooks[i].client);
    free(g->hooks);
}
