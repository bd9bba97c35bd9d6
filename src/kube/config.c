/* Where the API is: kubeconfig files and service accounts. */
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "kube/kube.h"

#define CONFIG_MAX (4u << 20)
#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

void kube_config_free(struct kube_config *c)
{
    if (!c)
        return;
    char *texts[] = { c->server, c->namespace_, c->ca_pem, c->cert_pem, c->key_pem, c->token, c->token_file, c->source };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    free(c);
}

/* The first entry of this name over all files, so that the first file that names something wins. */
static const json_t *find_named(const json_t *files, const char *list, const char *name, const char *part, const char **out_dir)
{
    size_t i, k;
    json_t *file, *entry;
    json_array_foreach(files, i, file) {
        json_array_foreach(json_object_get(json_object_get(file, "doc"), list), k, entry) {
            if (streq(json_cstr(entry, "name"), name)) {
                *out_dir = json_cstr(file, "dir");
                return json_object_get(entry, part);
            }
        }
    }
    return NULL;
}

/* "<field>-data" in base64, or the file that "<field>" names (relative to the kubeconfig). */
static errc read_pem(const json_t *from, const char *field, const char *dir, char **out, struct err *e)
{
    AUTO_MEM char *data_field = xasprintf("%s-data", field);
    const char *data = json_cstr(from, data_field), *path = json_cstr(from, field);
    AUTO_BUF text = { 0 };
    if (str_set(data)) {
        if (!base64_decode(str_trim(str_of(data)), &text))
            return err_set(e, ERR_INVALID, "%s: is not base64", data_field);
    } else if (str_set(path)) {
        AUTO_MEM char *full = path_join(dir, path);
        if (file_read(full, CONFIG_MAX, &text, e))
            return err_wrap(e, "%s", field);
    } else {
        return ERR_OK;
    }
    *out = buf_take(&text);
    return ERR_OK;
}

static errc read_cluster(const json_t *cluster, const char *dir, struct kube_config *c, struct err *e)
{
    const char *server = json_cstr(cluster, "server");
    if (!str_set(server))
        return err_set(e, ERR_INVALID, "the cluster has no server");
    if (str_set(json_cstr(cluster, "tls-server-name")))
        return err_set(e, ERR_UNBUILT, "tls-server-name: is not built yet; use the name the certificate has in server");
    if (str_set(json_cstr(cluster, "proxy-url")))
        return err_set(e, ERR_UNBUILT, "proxy-url: is not built yet; set https_proxy");
    struct str s = str_of(server);
    while (s.n && s.p[s.n - 1] == '/')
        s.n--;
    c->server = xstrndup(s.p, s.n);
    c->insecure = json_flag(cluster, "insecure-skip-tls-verify", false);
    return read_pem(cluster, "certificate-authority", dir, &c->ca_pem, e);
}

static errc read_user(const json_t *user, const char *dir, struct kube_config *c, struct err *e)
{
    if (json_object_get(user, "exec"))
        return err_set(e, ERR_UNBUILT, "exec: credential plugins are not built yet; use a token or a client certificate");
    if (json_object_get(user, "auth-provider"))
        return err_set(e, ERR_UNBUILT, "auth-provider: is not built; use a token or a client certificate");
    if (str_set(json_cstr(user, "username")))
        return err_set(e, ERR_UNBUILT, "username: basic authentication is not built; use a token or a client certificate");
    const char *token_file = json_cstr(user, "tokenFile");
    if (str_set(token_file))
        c->token_file = path_join(dir, token_file);
    c->token = c->token_file ? NULL : xstrdup(json_cstr(user, "token"));
    TRY(read_pem(user, "client-certificate", dir, &c->cert_pem, e));
    return read_pem(user, "client-key", dir, &c->key_pem, e);
}

static errc config_from(const json_t *files, const char *context, struct kube_config *c, struct err *e)
{
    size_t i;
    json_t *file;
    const char *dir = ".";
    json_array_foreach(files, i, file)
        if (!str_set(context))
            context = json_str_at(file, "doc", "current-context", NULL);
    if (!str_set(context))
        return err_set(e, ERR_INVALID, "no current-context; choose one with --context");
    const json_t *ctx = find_named(files, "contexts", context, "context", &dir);
    if (!ctx)
        return err_set(e, ERR_NOT_FOUND, "there is no context %s", context);
    const char *cluster_name = json_cstr(ctx, "cluster"), *user_name = json_cstr(ctx, "user"), *ns = json_cstr(ctx, "namespace");
    c->namespace_ = xstrdup(str_set(ns) ? ns : "default");
    const json_t *cluster = find_named(files, "clusters", cluster_name, "cluster", &dir);
    if (!cluster)
        return err_set(e, ERR_NOT_FOUND, "context %s: there is no cluster %s", context, cluster_name ? cluster_name : "\"\"");
    if (read_cluster(cluster, dir, c, e))
        return err_wrap(e, "cluster %s", cluster_name);
    if (!str_set(user_name))
        return ERR_OK;
    const json_t *user = find_named(files, "users", user_name, "user", &dir);
    if (!user)
        return err_set(e, ERR_NOT_FOUND, "context %s: there is no user %s", context, user_name);
    if (read_user(user, dir, c, e))
        return err_wrap(e, "user %s", user_name);
    return ERR_OK;
}

static errc add_file(json_t *files, const char *path, struct err *e)
{
    AUTO_BUF text = { 0 };
    json_t *doc = NULL;
    TRY(file_read(path, CONFIG_MAX, &text, e));
    if (yaml_parse(buf_str(&text), &doc, e))
        return err_wrap(e, "%s", path);
    struct str dir, name;
    bool has_dir = str_rcut(str_of(path), '/', &dir, &name);
    json_t *file = json_object();
    json_put(file, "dir", has_dir ? json_strn(dir.n ? dir : STR("/")) : json_string("."));
    json_put(file, "doc", doc);
    json_push(files, file);
    return ERR_OK;
}

/* $KUBECONFIG names files that need not all exist; --kubeconfig must. */
static errc add_files(json_t *files, const char *path, struct buf *source, struct err *e)
{
    const char *env = getenv("KUBECONFIG"), *home = getenv("HOME");
    if (path) {
        buf_adds(source, path);
        if (!file_exists(path))
            return err_set(e, ERR_NOT_FOUND, "kubeconfig %s: there is no such file; name one that is there, or leave --kubeconfig out: then it is $KUBECONFIG, "
                                             "~/.kube/config, or a pod's service account", path);
        return add_file(files, path, e);
    }
    struct str rest = str_of(env), piece;
    while (str_set(env) && str_next(&rest, ':', &piece)) {
        AUTO_MEM char *one = xstrndup(piece.p, piece.n);
        if (*one && file_exists(one)) {
            buf_addf(source, "%s%s", source->n ? ":" : "", one);
            TRY(add_file(files, one, e));
        }
    }
    if (str_set(env) || !home)
        return ERR_OK;
    AUTO_MEM char *usual = path_join(home, ".kube/config");
    if (!file_exists(usual))
        return ERR_OK;
    buf_adds(source, usual);
    return add_file(files, usual, e);
}

/* The service account of the pod that we are. */
static errc load_in_cluster(struct kube_config **out, struct err *e)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!str_set(host) || !str_set(port))
        return err_set(e, ERR_NOT_FOUND, "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
    AUTO_FREE(kube_config) c = xzalloc(sizeof *c);
    AUTO_BUF ca = { 0 };
    AUTO_BUF ns = { 0 };
    AUTO_MEM char *ca_path = path_join(SERVICE_ACCOUNT_DIR, "ca.crt");
    AUTO_MEM char *ns_path = path_join(SERVICE_ACCOUNT_DIR, "namespace");
    c->token_file = path_join(SERVICE_ACCOUNT_DIR, "token");
    if (file_read(ca_path, CONFIG_MAX, &ca, e))
        return err_wrap(e, "service account");
    struct err ignored;
    bool has_ns = !file_read(ns_path, 4096, &ns, &ignored);     /* an old cluster may not mount it */
    struct str trimmed = str_trim(buf_str(&ns));
    c->namespace_ = has_ns && trimmed.n ? xstrndup(trimmed.p, trimmed.n) : xstrdup("default");
    c->ca_pem = buf_take(&ca);
    c->server = strchr(host, ':') ? xasprintf("https://[%s]:%s", host, port) : xasprintf("https://%s:%s", host, port);
    c->source = xstrdup("in-cluster");
    *out = TAKE(c);
    return ERR_OK;
}

errc kube_config_load(const char *path, const char *context, struct kube_config **out, struct err *e)
{
    AUTO_JSON files = json_array();
    AUTO_BUF source = { 0 };
    TRY(add_files(files, path, &source, e));
    if (json_array_size(files) == 0) {
        if (getenv("KUBERNETES_SERVICE_HOST"))
            return load_in_cluster(out, e);
        return err_set(e, ERR_NOT_FOUND, "no kubeconfig: set KUBECONFIG, give --kubeconfig, or run inside a pod");
    }
    AUTO_FREE(kube_config) c = xzalloc(sizeof *c);
    if (config_from(files, context, c, e))
        return err_wrap(e, "kubeconfig %s", buf_cstr(&source));
    c->source = buf_take(&source);
    *out = TAKE(c);
    return ERR_OK;
}

static void put_base64(json_t *o, const char *key, const char *text)
{
    AUTO_BUF b = { 0 };
    if (!text)
        return;
    base64_add(&b, text, strlen(text));
    json_put_str(o, key, buf_cstr(&b));
}

static void put_named(json_t *doc, const char *list, const char *name, const char *part, json_t *value)
{
    json_t *entry = json_object(), *array = json_array();
    json_put_str(entry, "name", name);
    json_put(entry, part, value);
    json_push(array, entry);
    json_put(doc, list, array);
}

void kube_config_write(const struct kube_config *c, const char *name, struct buf *out)
{
    AUTO_JSON doc = json_object();
    json_t *cluster = json_object(), *user = json_object(), *context = json_object();
    json_put_str(cluster, "server", c->server);
    put_base64(cluster, "certificate-authority-data", c->ca_pem);
    if (c->insecure)
        json_put_bool(cluster, "insecure-skip-tls-verify", true);
    json_put_str(user, "token", c->token);
    json_put_str(user, "tokenFile", c->token_file);
    put_base64(user, "client-certificate-data", c->cert_pem);
    put_base64(user, "client-key-data", c->key_pem);
    json_put_str(context, "cluster", name);
    json_put_str(context, "user", name);
    if (c->namespace_ && !streq(c->namespace_, "default"))
        json_put_str(context, "namespace", c->namespace_);
    json_put_str(doc, "apiVersion", "v1");
    json_put_str(doc, "kind", "Config");
    put_named(doc, "clusters", name, "cluster", cluster);
    put_named(doc, "users", name, "user", user);
    put_named(doc, "contexts", name, "context", context);
    json_put_str(doc, "current-context", name);
    yaml_write(doc, out);
}
