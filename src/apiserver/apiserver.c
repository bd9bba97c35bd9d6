/*
 * Start and stop: state folder, keys and certificates, database, bootstrap objects, HTTP server, the keeper that expires
 * events.
 */
#include <arpa/inet.h>
#include <unistd.h>

#include "apiserver/priv.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/tls.h"
#include "http/client.h"

#define DEFAULT_CIDR "127.96.0.0/16"
#define CA_DAYS 3650
#define CERT_DAYS 365
#define RENEW_SECONDS (30 * 86400)
#define EVENT_TTL_MS (3600 * INT64_C(1000))
#define KEEPER_MS 60000
#define STOP_GRACE_MS 3000
#define BODY_LIMIT (4 << 20)            /* above the API's own limit, which answers with a Status */

static errc read_pair(const char *cert, const char *key, struct tls_pair *out, struct err *e)
{
    AUTO_BUF c = { 0 }, k = { 0 };

    TRY(file_read(cert, 1 << 20, &c, e));
    TRY(file_read(key, 1 << 20, &k, e));
    out->cert_pem = buf_take(&c);
    out->key_pem = buf_take(&k);
    return ERR_OK;
}

static errc write_pair(const char *cert, const char *key, const struct tls_pair *p, struct err *e)
{
    TRY(file_write_atomic(key, str_of(p->key_pem), 0600, e));
    return file_write_atomic(cert, str_of(p->cert_pem), 0644, e);
}

static errc load_ca(const char *dir, struct tls_pair *out, struct err *e)
{
    AUTO_MEM char *cert = path_join(dir, "pki/ca.crt"), *key = path_join(dir, "pki/ca.key");

    if (file_exists(cert) && file_exists(key))
        return read_pair(cert, key, out, e);
    TRY(tls_make_ca("kaito", CA_DAYS, out, e));
    return write_pair(cert, key, out, e);
}

/* The names go into a file beside the certificate: when they change, or its end is near, a new one is made. */
static errc load_cert(const struct apiserver *s, const struct tls_pair *ca, struct tls_pair *out, struct err *e)
{
    AUTO_MEM char *cert = path_join(s->o.state_dir, "pki/apiserver.crt"), *key = path_join(s->o.state_dir, "pki/apiserver.key");
    AUTO_MEM char *list = path_join(s->o.state_dir, "pki/apiserver.names");
    static const char *const fixed[] = { "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                                         "kubernetes.default.svc.cluster.local", "127.0.0.1", "::1" };
    size_t n = ARRAY_LEN(fixed), cap = n + s->o.n_cert_names + 1;
    const char **names = xcalloc(cap, sizeof *names);
    AUTO_BUF wanted = { 0 }, have = { 0 };
    struct err ignored;
    int64_t seconds = 0;

    memcpy(names, fixed, sizeof fixed);
    names[n++] = s->o.bind_address;
    for (size_t i = 0; i < s->o.n_cert_names; i++)
        names[n++] = s->o.cert_names[i];
    for (size_t i = 0; i < n; i++)
        buf_addf(&wanted, "%s\n", names[i]);
    errc rc = ERR_OK;
    bool good = !file_read(list, 1 << 16, &have, &ignored) && str_eq(buf_str(&have), buf_str(&wanted)) &&
                !read_pair(cert, key, out, &ignored) && !tls_cert_expires_in(str_of(out->cert_pem), &seconds, &ignored) && seconds > RENEW_SECONDS;
    if (!good) {
        tls_pair_done(out);
        *out = (struct tls_pair){ 0 };
        rc = tls_make_cert(ca, "kaito-apiserver", NULL, names, n, CERT_DAYS, out, e);
        if (!rc)
            rc = write_pair(cert, key, out, e);
        if (!rc)
            rc = file_write_atomic(list, buf_str(&wanted), 0644, e);
    }
    free(names);
    return rc;
}

static void put_named(json_t *list, const char *name, const char *key, json_t *value)
{
    json_t *o = json_object();

    json_put_str(o, "name", name);
    json_put(o, key, value);
    json_push(list, o);
}

static errc write_kubeconfig(struct apiserver *s, struct err *e)
{
    AUTO_MEM char *path = path_join(s->o.state_dir, "kubeconfig");
    AUTO_BUF text = { 0 };
    AUTO_JSON o = json_object();
    json_t *clusters = json_array(), *users = json_array(), *contexts = json_array();
    json_t *cluster = json_object(), *user = json_object(), *context = json_object();
    bool v6 = strchr(s->o.bind_address, ':') != NULL, any = streq(s->o.bind_address, "0.0.0.0") || streq(s->o.bind_address, "::");
    const char *host = any ? "127.0.0.1" : s->o.bind_address;

    AUTO_BUF b64 = { 0 };
    base64_add(&b64, s->ca_pem, strlen(s->ca_pem));
    json_put(cluster, "server", json_strf(v6 && !any ? "https://[%s]:%u" : "https://%s:%u", host, s->port));
    json_put(cluster, "certificate-authority-data", json_strn(buf_str(&b64)));
    json_put_str(user, "token", s->token);
    json_put_str(context, "cluster", "kaito");
    json_put_str(context, "user", "kubernetes-admin");
    put_named(clusters, "kaito", "cluster", cluster);
    put_named(users, "kubernetes-admin", "user", user);
    put_named(contexts, "kaito", "context", context);
    json_put_str(o, "apiVersion", "v1");
    json_put_str(o, "kind", "Config");
    json_put(o, "clusters", clusters);
    json_put(o, "users", users);
    json_put(o, "contexts", contexts);
    json_put_str(o, "current-context", "kaito");
    json_put(o, "preferences", json_object());
    yaml_write(o, &text);
    TRY(file_write_atomic(path, buf_str(&text), 0600, e));
    return ERR_OK;
}

/* ---- objects that every cluster has ---- */

static errc bootstrap_put(struct apiserver *s, const char *resource, const char *ns, const char *name, json_t *obj, struct err *e)
{
    json_t *meta = json_sub(obj, "metadata");
    struct store_key k = { resource, ns, name };
    char uid[37], now[TIME_TEXT_MAX];

    random_uuid(uid);
    time_rfc3339(clock_wall_ms(), now);
    json_put_str(meta, "name", name);
    if (*ns)
        json_put_str(meta, "namespace", ns);
    json_put_str(meta, "uid", uid);
    json_put_str(meta, "creationTimestamp", now);
    errc rc = store_put(s->store, &k, 0, obj, NULL, e);
    json_decref(obj);
    return rc == ERR_EXISTS ? ERR_OK : rc;
}

static errc bootstrap_namespaces(struct apiserver *s, struct err *e)
{
    static const char *const names[] = { "default", "kube-system", "kube-public", "kube-node-lease" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        json_t *o = json_object(), *list = json_array();
        json_put_str(json_sub(json_sub(o, "metadata"), "labels"), "kubernetes.io/metadata.name", names[i]);
        json_push(list, json_string("kubernetes"));
        json_put(json_sub(o, "spec"), "finalizers", list);
        json_put_str(json_sub(o, "status"), "phase", "Active");
        TRY(bootstrap_put(s, "namespaces", "", names[i], o, e));
    }
    return ERR_OK;
}

static errc bootstrap_roles(struct apiserver *s, struct err *e)
{
    static const struct { const char *name, *rules; } roles[] = {
        { "cluster-admin", "[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]},{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}]" },
        { "admin", "[{\"verbs\":[\"*\"],\"apiGroups\":[\"\",\"apps\",\"batch\",\"autoscaling\",\"networking.k8s.io\",\"policy\","
                   "\"rbac.authorization.k8s.io\",\"coordination.k8s.io\",\"events.k8s.io\",\"kaito.sh\"],\"resources\":[\"*\"]}]" },
        { "edit", "[{\"verbs\":[\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"],\"apiGroups\":[\"\","
                  "\"apps\",\"batch\",\"autoscaling\",\"networking.k8s.io\",\"policy\",\"coordination.k8s.io\",\"kaito.sh\"],\"resources\":[\"*\"]}]" },
        { "view", "[{\"verbs\":[\"get\",\"list\",\"watch\"],\"apiGroups\":[\"\"],\"resources\":[\"configmaps\",\"endpoints\",\"events\","
                  "\"limitranges\",\"namespaces\",\"persistentvolumeclaims\",\"pods\",\"pods/log\",\"pods/status\",\"resourcequotas\","
                  "\"serviceaccounts\",\"services\",\"services/status\"]},{\"verbs\":[\"get\",\"list\",\"watch\"],\"apiGroups\":[\"apps\","
                  "\"batch\",\"autoscaling\",\"networking.k8s.io\",\"policy\",\"kaito.sh\"],\"resources\":[\"*\"]}]" },
    };
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        json_t *o = json_object(), *rules = NULL;
        TRY(json_parse(str_of(roles[i].rules), &rules, e));
        json_put(o, "rules", rules);
        json_put_str(json_sub(json_sub(o, "metadata"), "labels"), "kubernetes.io/bootstrapping", "rbac-defaults");
        TRY(bootstrap_put(s, "rbac.authorization.k8s.io/clusterroles", "", roles[i].name, o, e));
    }
    json_t *b = json_object(), *subjects = json_array(), *masters = json_object(), *ref = json_sub(b, "roleRef");
    json_put_str(ref, "apiGroup", "rbac.authorization.k8s.io");
    json_put_str(ref, "kind", "ClusterRole");
    json_put_str(ref, "name", "cluster-admin");
    json_put_str(masters, "kind", "Group");
    json_put_str(masters, "apiGroup", "rbac.authorization.k8s.io");
    json_put_str(masters, "name", "system:masters");
    json_push(subjects, masters);
    json_put(b, "subjects", subjects);
    return bootstrap_put(s, "rbac.authorization.k8s.io/clusterrolebindings", "", "cluster-admin", b, e);
}

/* The `kubernetes` Service: its address is the first of the range. */
static errc bootstrap_service(struct apiserver *s, struct err *e)
{
    json_t *o = json_object(), *spec = json_sub(o, "spec"), *ports = json_array(), *port = json_object(), *ips = json_array();
    const char *ip = allocator_first(s->allocator);

    json_put_str(json_sub(json_sub(o, "metadata"), "labels"), "component", "apiserver");
    json_put_str(json_object_get(json_object_get(o, "metadata"), "labels"), "provider", "kubernetes");
    json_put_str(port, "name", "https");
    json_put_str(port, "protocol", "TCP");
    json_put_int(port, "port", 443);
    json_put_int(port, "targetPort", s->port);
    json_push(ports, port);
    json_push(ips, json_string(ip));
    json_put(spec, "ports", ports);
    json_put_str(spec, "clusterIP", ip);
    json_put(spec, "clusterIPs", ips);
    json_put_str(spec, "type", "ClusterIP");
    json_put_str(spec, "sessionAffinity", "None");
    json_put_str(spec, "internalTrafficPolicy", "Cluster");
    json_put_str(spec, "ipFamilyPolicy", "SingleStack");
    json_t *families = json_array();
    json_push(families, json_string("IPv4"));
    json_put(spec, "ipFamilies", families);
    json_put(json_sub(o, "status"), "loadBalancer", json_object());
    return bootstrap_put(s, "services", "default", "kubernetes", o, e);
}

/* Its Endpoints lead to where this process listens now. */
static errc bootstrap_endpoints(struct apiserver *s, struct err *e)
{
    struct store_key k = { "endpoints", "default", "kubernetes" };
    json_t *o = json_object(), *subsets = json_array(), *one = json_object(), *addresses = json_array(), *address = json_object();
    json_t *ports = json_array(), *port = json_object();
    AUTO_MEM char *text = NULL;
    AUTO_JSON old = NULL;
    int64_t rv = 0;
    struct err ignored;

    json_put_str(address, "ip", s->o.bind_address);
    json_push(addresses, address);
    json_put_str(port, "name", "https");
    json_put_int(port, "port", s->port);
    json_put_str(port, "protocol", "TCP");
    json_push(ports, port);
    json_put(one, "addresses", addresses);
    json_put(one, "ports", ports);
    json_push(subsets, one);
    json_put(o, "subsets", subsets);
    if (store_get(s->store, &k, &text, &rv, &ignored))
        return bootstrap_put(s, k.resource, k.ns, k.name, o, e);
    errc rc = json_parse(str_of(text), &old, e);
    if (!rc && !json_equal(json_object_get(old, "subsets"), subsets)) {
        json_put(old, "subsets", json_incref(subsets));
        rc = store_put(s->store, &k, rv, old, NULL, e);
    }
    json_decref(o);
    return rc;
}

/* ---- the keeper ---- */

struct expired { struct arena *a; int64_t before_ms; struct store_row *items; size_t n, cap; };

static bool pick_expired(void *arg, const struct store_row *row)
{
    struct expired *x = arg;
    AUTO_JSON o = NULL;
    struct err ignored;
    int64_t us = 0;

    if (json_parse(row->text, &o, &ignored))
        return true;
    const char *last = json_cstr(o, "lastTimestamp"), *made = json_str_at(o, "metadata", "creationTimestamp", NULL);
    if (!time_parse(str_of(last ? last : made), &us) || us / 1000 >= x->before_ms)
        return true;
    vec_grow(x->items, x->n, x->cap);
    x->items[x->n++] = (struct store_row){ .ns = arena_strdup(x->a, row->ns), .name = arena_strdup(x->a, row->name), .rv = row->rv,
                                           .text = arena_str(x->a, row->text) };
    return true;
}

static void expire_events(struct apiserver *s)
{
    AUTO_FREE(arena) a = arena_new();
    struct expired x = { .a = a, .before_ms = clock_wall_ms() - s->o.event_ttl_ms };
    struct err e;

    if (store_list(s->store, &(struct store_list){ .resource = "events" }, pick_expired, &x, NULL, &e))
        log_warn(LOG_NAME, "old events could not be listed", KV("err", e.text));
    for (size_t i = 0; i < x.n; i++) {
        struct store_key k = { "events", x.items[i].ns, x.items[i].name };
        AUTO_JSON o = NULL;
        if (!json_parse(x.items[i].text, &o, &e))
            (void)store_delete(s->store, &k, x.items[i].rv, o, NULL, &e);       /* changed meanwhile: it is not old */
    }
    free(x.items);
}

static void keeper_run(void *arg)
{
    struct apiserver *s = arg;
    struct err e;

    while (!cancel_wait_ms(s->stop, KEEPER_MS)) {
        expire_events(s);
        if (store_compact(s->store, &e))
            log_warn(LOG_NAME, "the event log could not be compacted", KV("err", e.text));
    }
}

/* ---- life ---- */

static void copy_opts(struct apiserver *s, const struct apiserver_opts *o)
{
    s->o = *o;
    s->o.state_dir = xstrdup(o->state_dir);
    s->o.bind_address = xstrdup(o->bind_address ? o->bind_address : "127.0.0.1");
    s->o.service_cidr = xstrdup(o->service_cidr ? o->service_cidr : DEFAULT_CIDR);
    s->o.node_ca_pem = xstrdup(o->node_ca_pem);
    const char **names = xcalloc(o->n_cert_names + 1, sizeof *names);
    for (size_t i = 0; i < o->n_cert_names; i++)
        names[i] = xstrdup(o->cert_names[i]);
    s->o.cert_names = names;
    if (!s->o.event_ttl_ms)
        s->o.event_ttl_ms = EVENT_TTL_MS;
}

static void free_text(const char *p)
{
    free((void *)(uintptr_t)p);
}

static void server_free(struct apiserver *s)
{
    http_client_free(s->nodes);
    registry_free(s->registry);
    allocator_free(s->allocator);
    auth_close(s->auth);
    store_free(s->store);
    cancel_free(s->stop);
    mutex_done(&s->registry_mu);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    for (size_t i = 0; i < s->o.n_cert_names; i++)
        free_text(s->o.cert_names[i]);
    free((void *)(uintptr_t)s->o.cert_names);
    free_text(s->o.state_dir);
    free_text(s->o.bind_address);
    free_text(s->o.service_cidr);
    free_text(s->o.node_ca_pem);
    free(s->ca_pem);
    free(s->token);
    free(s);
}

static errc open_state(struct apiserver *s, struct err *e)
{
    AUTO_MEM char *pki = path_join(s->o.state_dir, "pki"), *lock = path_join(s->o.state_dir, "lock");
    AUTO_MEM char *db = path_join(s->o.state_dir, "api.db");

    TRY(dir_make(s->o.state_dir, 0700, e));
    TRY(dir_make(pki, 0700, e));
    if (file_lock(lock, &s->lock_fd, e)) {
        if (e->code == ERR_CONFLICT)
            return err_set(e, ERR_CONFLICT, "the state folder %s is in use by another process; stop it or choose another --state-dir", s->o.state_dir);
        return e->code;
    }
    TRY(store_open(&(struct store_opts){ .path = db }, &s->store, e));
    TRY(auth_open(s, e));
    s->allocator = allocator_new(s->o.service_cidr, e);
    return s->allocator ? ERR_OK : e->code;
}

static errc listen_on(struct apiserver *s, struct err *e)
{
    struct tls_pair ca = { 0 }, cert = { 0 };
    const char *addresses[] = { s->o.bind_address };

    errc rc = load_ca(s->o.state_dir, &ca, e);
    if (!rc)
        rc = load_cert(s, &ca, &cert, e);
    if (!rc) {
        s->ca_pem = xstrdup(ca.cert_pem);
        struct http_server_opts o = { .addresses = addresses, .n_addresses = 1, .port = s->o.port, .cert_pem = cert.cert_pem,
                                      .key_pem = cert.key_pem, .client_ca_pem = ca.cert_pem, .max_body = BODY_LIMIT, .handler = front_handle,
                                      .self = s };
        rc = http_server_start(&o, &s->http, e);
    }
    if (!rc)
        s->port = http_server_port(s->http);
    tls_pair_done(&ca);
    tls_pair_done(&cert);
    return rc;
}

static errc connect_nodes(struct apiserver *s, struct err *e)
{
    struct http_client_opts o = { .tls = { .ca_pem = s->o.node_ca_pem ? s->o.node_ca_pem : s->ca_pem }, .user_agent = "kaito-apiserver",
                                  .bearer = s->o.node_token };

    return http_client_new(&o, &s->nodes, e);
}

static errc start(struct apiserver *s, struct err *e)
{
    TRY(open_state(s, e));
    TRY(bootstrap_namespaces(s, e));
    TRY(bootstrap_roles(s, e));
    TRY(registry_rebuild(s, e));
    TRY(allocator_load(s->allocator, s->store, e));
    TRY(listen_on(s, e));
    TRY(bootstrap_service(s, e));
    TRY(bootstrap_endpoints(s, e));
    TRY(connect_nodes(s, e));
    TRY(write_kubeconfig(s, e));
    thread_start(&s->keeper, "api-keeper", keeper_run, s);
    return ERR_OK;
}

errc apiserver_start(const struct apiserver_opts *o, struct apiserver **out, struct err *e)
{
    struct apiserver *s = xzalloc(sizeof *s);

    s->lock_fd = -1;
    s->ready = !o->starts_unready;
    s->stop = cancel_new();
    mutex_init(&s->registry_mu);
    copy_opts(s, o);
    errc rc = start(s, e);
    if (rc) {
        apiserver_stop(s);
        return rc;
    }
    *out = s;
    return ERR_OK;
}

void apiserver_stop(struct apiserver *s)
{
    if (!s)
        return;
    cancel_now(s->stop);
    if (s->store)
        store_wake(s->store);
    http_server_stop(s->http, STOP_GRACE_MS);
    thread_join(&s->keeper);
    server_free(s);
}

void apiserver_set_ready(struct apiserver *s) { __atomic_store_n(&s->ready, true, __ATOMIC_RELEASE); }
uint16_t apiserver_port(const struct apiserver *s) { return s->port; }
const char *apiserver_ca_pem(const struct apiserver *s) { return s->ca_pem; }
const char *apiserver_token(const struct apiserver *s) { return s->token; }