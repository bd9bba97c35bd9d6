/* From a Pod to what its monitor runs: every reference resolved, every path one of this machine. */
#include "base/hash.h"
#include "base/mem.h"
#include "node/priv.h"

enum { DEFAULT_GRACE_S = 30 };

static const char *termination_file(const struct plan_input *in, struct arena *a, const struct container *c)
{
    return arena_printf(a, "%s/containers/%.*s/termination-log", in->folder, STR_ARG(c->name));
}

struct env_builder {
    const struct plan_input *in;
    struct arena *a;
    struct str *items;
    size_t n, cap;
};

static void env_put(struct env_builder *b, struct str name, struct str value)
{
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 32;
        struct str *grown = arena_calloc(b->a, cap, sizeof *grown);
        if (b->n)
            memcpy(grown, b->items, b->n * sizeof *grown);
        b->items = grown;
        b->cap = cap;
    }
    b->items[b->n++] = str_of(arena_printf(b->a, "%.*s=%.*s", STR_ARG(name), STR_ARG(value)));
}

/* metadata.labels['key'] or metadata.annotations['key'] */
static struct str map_entry(const struct pod *pod, struct str path)
{
    static const struct { const char *prefix; size_t off; } maps[] = {
        { "metadata.labels['", offsetof(struct object_meta, labels) },
        { "metadata.annotations['", offsetof(struct object_meta, annotations) },
    };
    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        size_t skip = strlen(maps[i].prefix);
        if (!str_has_prefix(path, str_of(maps[i].prefix)) || path.n < skip + 2)
            continue;
        AUTO_MEM char *key = xstrndup(path.p + skip, path.n - skip - 2);
        struct str v = str_map_get((const struct str_map *)(const void *)((const char *)&pod->meta + maps[i].off), key);
        return v.p ? v : STR("");
    }
    return (struct str){ 0 };
}

static struct str field_value(const struct plan_input *in, struct str path)
{
    const struct pod *p = in->pod;
    const struct { const char *path; struct str value; } rows[] = {
        { "metadata.name", p->meta.name }, { "metadata.namespace", p->meta.namespace }, { "metadata.uid", p->meta.uid },
        { "spec.nodeName", p->spec.node_name }, { "spec.serviceAccountName", p->spec.service_account },
        { "status.podIP", str_of(in->pod_ip) }, { "status.podIPs", str_of(in->pod_ip) },
        { "status.hostIP", str_of(in->host_ip) }, { "status.hostIPs", str_of(in->host_ip) },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_is(path, rows[i].path))
            return rows[i].value.p ? rows[i].value : STR("");
    return map_entry(p, path);
}

static errc look_up(struct env_builder *b, const char *resource, struct str name, json_t **out, struct err *e)
{
    const char *ns = arena_strndup(b->a, b->in->pod->meta.namespace.p, b->in->pod->meta.namespace.n);

    return b->in->lookup->get(b->in->lookup->self, resource, ns, arena_strndup(b->a, name.p, name.n), out, e);
}

static struct str decoded(struct env_builder *b, bool is_secret, const json_t *value)
{
    AUTO_BUF bytes = { 0 };

    if (!is_secret)
        return arena_str(b->a, json_to_str(value));
    if (!base64_decode(json_to_str(value), &bytes))
        return STR("");
    return arena_str(b->a, buf_str(&bytes));
}

/* False in *found when the reference is optional and its object or key is absent. */
static errc key_value(struct env_builder *b, const struct key_ref *ref, bool is_secret, struct str *out, bool *found, struct err *e)
{
    AUTO_JSON object = NULL;
    errc rc = look_up(b, is_secret ? "secrets" : "configmaps", ref->name, &object, e);

    *found = false;
    if (rc == ERR_NOT_FOUND && ref->optional)
        return ERR_OK;
    if (rc)
        return rc;
    AUTO_MEM char *key = xstrndup(ref->key.p, ref->key.n);
    const json_t *value = json_object_get(json_object_get(object, "data"), key);
    if (!value && !ref->optional)
        return err_set(e, ERR_NOT_FOUND, "couldn't find key %s in %s %.*s/%.*s", key, is_secret ? "Secret" : "ConfigMap",
                       STR_ARG(b->in->pod->meta.namespace), STR_ARG(ref->name));
    if (value) {
        *out = decoded(b, is_secret, value);
        *found = true;
    }
    return ERR_OK;
}

static errc add_variable(struct env_builder *b, const struct env_var *v, struct err *e)
{
    struct str value = v->value.p ? v->value : STR("");
    bool found = true;

    if (!v->from)
        value = variables_expand(b->a, value, b->items, b->n);
    else if (v->from->field) {
        value = field_value(b->in, v->from->field->field_path);
        if (!value.p)
            return err_set(e, ERR_INVALID, "env %.*s: unsupported fieldPath: %.*s", STR_ARG(v->name), STR_ARG(v->from->field->field_path));
    } else if (v->from->secret || v->from->config_map)
        TRY(key_value(b, v->from->secret ? v->from->secret : v->from->config_map, v->from->secret != NULL, &value, &found, e));
    else
        return err_set(e, ERR_UNBUILT, "env %.*s: this node knows fieldRef, configMapKeyRef and secretKeyRef only", STR_ARG(v->name));
    if (found)
        env_put(b, v->name, value);
    return ERR_OK;
}

static errc add_whole_object(struct env_builder *b, const struct env_from *f, struct err *e)
{
    const struct key_ref *ref = f->secret ? f->secret : f->config_map;
    AUTO_JSON object = NULL;
    const char *key;
    json_t *value;

    if (!ref)
        return ERR_OK;
    errc rc = look_up(b, f->secret ? "secrets" : "configmaps", ref->name, &object, e);
    if (rc == ERR_NOT_FOUND && ref->optional)
        return ERR_OK;
    if (rc)
        return rc;
    json_object_foreach(json_object_get(object, "data"), key, value)
        env_put(b, str_of(arena_printf(b->a, "%.*s%s", STR_ARG(f->prefix), key)), decoded(b, f->secret != NULL, value));
    return ERR_OK;
}

static errc build_env(struct env_builder *b, const struct container *c, struct err *e)
{
    const char *path = getenv("PATH");

    env_put(b, STR("PATH"), str_of(path ? path : "/usr/local/bin:/usr/bin:/bin"));
    env_put(b, STR("HOME"), str_of(b->in->folder));
    env_put(b, STR("HOSTNAME"), b->in->pod->meta.name);
    env_put(b, STR("KAITO_TERMINATION_LOG"), str_of(termination_file(b->in, b->a, c)));
    for (const char *const *x = b->in->extra_env; x && *x; x++) {
        struct str name, value;
        if (str_cut(str_of(*x), '=', &name, &value))
            env_put(b, name, value);
    }
    for (size_t i = 0; i < c->n_env_from; i++)
        TRY(add_whole_object(b, &c->env_from[i], e));
    for (size_t i = 0; i < c->n_env; i++)
        TRY(add_variable(b, &c->env[i], e));
    return ERR_OK;
}

/* ---- paths and arguments ---- */

static errc build_paths(const struct plan_input *in, struct arena *a, const struct container *c, struct path_map **out, size_t *n, struct err *e)
{
    struct path_map *maps = arena_calloc(a, c->n_mounts + 1, sizeof *maps);

    for (size_t i = 0; i < c->n_mounts; i++) {
        const struct volume_mount *m = &c->mounts[i];
        const char *folder = pod_volume_path(in, a, m->name);
        if (!folder)
            return err_set(e, ERR_INVALID, "volumeMount \"%.*s\" names no volume of the pod", STR_ARG(m->name));
        struct str from = m->mount_path;
        while (from.n > 1 && from.p[from.n - 1] == '/')
            from.n--;
        maps[i] = (struct path_map){ from, str_of(m->sub_path.n ? arena_printf(a, "%s/%.*s", folder, STR_ARG(m->sub_path)) : folder) };
    }
    maps[c->n_mounts] = (struct path_map){ c->termination_path.n ? c->termination_path : STR("/dev/termination-log"),
                                           str_of(termination_file(in, a, c)) };
    *out = maps;
    *n = c->n_mounts + 1;
    return ERR_OK;
}

/* What a container says of its own volumes is told with the paths that its pod has for them: they are the same in the next pod. */
static void build_told(const struct plan_input *in, struct arena *a, const struct path_map *maps, size_t n, struct container_plan *out)
{
    struct str own = str_of(arena_printf(a, "%s/volumes/", in->folder));

    out->told = arena_calloc(a, n, sizeof *out->told);
    for (size_t i = 0; i < n; i++)
        if (str_has_prefix(maps[i].to, own))
            out->told[out->n_told++] = (struct path_map){ .from = maps[i].to, .to = maps[i].from };
}

static bool is_runtime_program(struct str word)
{
    struct str folder, file;

    if (!str_rcut(word, '/', &folder, &file))
        file = word;
    return str_is(file, "kaito-runtime") || str_is(file, "kaito");
}

/* The image's entrypoint is kaito-runtime; a command that begins with it means the same program. */
static void build_argv(const struct plan_input *in, struct arena *a, const struct container *c, struct container_plan *out,
                       const struct path_map *maps, size_t n_maps)
{
    bool named = c->n_command > 0;
    size_t n = 0;

    out->argv = arena_calloc(a, 1 + c->n_command + c->n_args, sizeof *out->argv);
    if (named && !is_runtime_program(c->command[0])) {
        out->blocked_reason = STR("CreateContainerError");
        out->blocked_message = str_of(arena_printf(a, "exec: \"%.*s\": not in the runtime image, which holds kaito-runtime only",
                                                   STR_ARG(c->command[0])));
        return;
    }
    out->argv[n++] = str_of(arena_strdup(a, in->runtime_path));
    for (size_t i = 1; i < c->n_command; i++)
        out->argv[n++] = paths_replace(a, variables_expand(a, c->command[i], out->env, out->n_env), maps, n_maps);
    for (size_t i = 0; i < c->n_args; i++)
        out->argv[n++] = paths_replace(a, variables_expand(a, c->args[i], out->env, out->n_env), maps, n_maps);
    out->n_argv = n;
}

/* ---- probes ---- */

static bool port_number(const struct container *c, const struct int_or_str *port, int64_t *out)
{
    if (!port->is_str) {
        *out = port->i;
        return port->i > 0;
    }
    for (size_t i = 0; i < c->n_ports; i++)
        if (str_eq(c->ports[i].name, port->s)) {
            *out = c->ports[i].port;
            return true;
        }
    return str_to_i64(port->s, out);
}

static errc build_probe(const struct plan_input *in, struct arena *a, const struct container *c, const struct probe *p,
                        struct probe_plan **out, struct err *e)
{
    int64_t port;

    if (!p)
        return ERR_OK;
    struct probe_plan *plan = arena_new_of(a, struct probe_plan);
    *plan = (struct probe_plan){ .initial_delay_s = p->initial_delay_s, .period_s = p->period_s, .timeout_s = p->timeout_s,
                                 .success_threshold = p->success_threshold, .failure_threshold = p->failure_threshold };
    if (!p->http && !p->tcp)
        return err_set(e, ERR_UNBUILT, "container %.*s: this node runs httpGet and tcpSocket probes only", STR_ARG(c->name));
    if (!port_number(c, p->http ? &p->http->port : &p->tcp->port, &port))
        return err_set(e, ERR_INVALID, "container %.*s: the probe's port is none of the container's", STR_ARG(c->name));
    if (p->tcp) {
        plan->tcp_host = p->tcp->host.n ? p->tcp->host : str_of(in->pod_ip);
        plan->tcp_port = port;
    } else {
        const struct http_action *h = p->http;
        struct str host = h->host.n ? h->host : str_of(in->pod_ip);
        plan->http_url = str_of(arena_printf(a, "%s://%.*s:%d%s%.*s", str_ieq(h->scheme, STR("https")) ? "https" : "http", STR_ARG(host),
                                             (int)port, h->path.n && h->path.p[0] == '/' ? "" : "/", STR_ARG(h->path)));
    }
    *out = plan;
    return ERR_OK;
}

static errc build_container(const struct plan_input *in, struct arena *a, const struct container *c, struct container_plan *out, struct err *e)
{
    struct env_builder env = { .in = in, .a = a };
    struct path_map *maps = NULL;
    size_t n_maps = 0;

    out->name = c->name;
    if (!str_is(c->image, in->runtime_image)) {
        out->blocked_reason = STR("ErrImagePull");
        out->blocked_message = str_of(arena_printf(a, "image \"%.*s\": this node runs only the runtime image \"%s\" (as processes of kaito-runtime); "
                                                   "other images need a node with a container runtime", STR_ARG(c->image), in->runtime_image));
        return ERR_OK;
    }
    TRY(build_env(&env, c, e));
    TRY(build_paths(in, a, c, &maps, &n_maps, e));
    for (size_t i = 0; i < env.n; i++)
        env.items[i] = paths_replace(a, env.items[i], maps, n_maps);
    out->env = env.items;
    out->n_env = env.n;
    out->cwd = c->working_dir.n ? paths_replace(a, c->working_dir, maps, n_maps) : (struct str){ 0 };
    out->termination_file = str_of(termination_file(in, a, c));
    out->termination_from_log = str_is(c->termination_policy, "FallbackToLogsOnError");
    build_told(in, a, maps, n_maps, out);
    build_argv(in, a, c, out, maps, n_maps);
    TRY(build_probe(in, a, c, c->startup, &out->startup, e));
    TRY(build_probe(in, a, c, c->readiness, &out->readiness, e));
    return build_probe(in, a, c, c->liveness, &out->liveness, e);
}

errc pod_plan_make(const struct plan_input *in, struct arena *a, struct pod_plan *out, struct err *e)
{
    const struct pod *p = in->pod;

    *out = (struct pod_plan){
        .namespace_ = p->meta.namespace, .name = p->meta.name, .uid = p->meta.uid, .pod_ip = str_of(arena_strdup(a, in->pod_ip)),
        .restart_policy = p->spec.restart_policy.n ? p->spec.restart_policy : STR("Always"),
        .grace_s = p->spec.grace_s.set ? p->spec.grace_s.v : DEFAULT_GRACE_S,
        .n_init = p->spec.n_init, .n_containers = p->spec.n_containers,
    };
    out->init = arena_calloc(a, out->n_init, sizeof *out->init);
    out->containers = arena_calloc(a, out->n_containers, sizeof *out->containers);
    for (size_t i = 0; i < out->n_init; i++)
        TRY(build_container(in, a, &p->spec.init[i], &out->init[i], e));
    for (size_t i = 0; i < out->n_containers; i++)
        TRY(build_container(in, a, &p->spec.containers[i], &out->containers[i], e));
    return ERR_OK;
}
