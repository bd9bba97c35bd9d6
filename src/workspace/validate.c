#include "workspace/validate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>

#include "base/mem.h"
#include "workspace/priv.h"
#include "workspace/tuning_config.h"

/* ---- knative's field errors: equal messages are one line with all their paths ---------------------------------- */

struct problem { char *message; char **paths; size_t n_paths; };
struct problems { struct problem *items; size_t n; };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_message(const void *a, const void *b)
{
    return strcmp(((const struct problem *)a)->message, ((const struct problem *)b)->message);
}

static struct problem *problem_of(struct problems *l, const char *message)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->items[i].message, message))
            return &l->items[i];
    l->items = xrealloc(l->items, (l->n + 1) * sizeof *l->items);
    l->items[l->n] = (struct problem){ .message = xstrdup(message) };
    return &l->items[l->n++];
}

/* path NULL: the message stands alone. */
static void add(struct problems *l, const char *path, const char *fmt, ...) PRINTF(3, 4);
static void add(struct problems *l, const char *path, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    struct problem *p = problem_of(l, buf_cstr(&text));

    for (size_t i = 0; i < p->n_paths; i++)
        if (!path || streq(p->paths[i], path))
            return;
    if (!path)
        return;
    p->paths = xrealloc(p->paths, (p->n_paths + 1) * sizeof *p->paths);
    p->paths[p->n_paths++] = xstrdup(path);
}

static void problems_render(struct problems *l, struct buf *out)
{
    if (l->n > 0)
        qsort(l->items, l->n, sizeof *l->items, by_message);
    for (size_t i = 0; i < l->n; i++) {
        struct problem *p = &l->items[i];

        if (p->n_paths > 0)
            qsort(p->paths, p->n_paths, sizeof *p->paths, by_text);
        buf_addf(out, "%s%s: ", i ? "\n" : "", p->message);
        for (size_t k = 0; k < p->n_paths; k++)
            buf_addf(out, "%s%s", k ? ", " : "", p->paths[k]);
    }
}

static void problems_done(struct problems *l)
{
    for (size_t i = 0; i < l->n; i++) {
        for (size_t k = 0; k < l->items[i].n_paths; k++)
            free(l->items[i].paths[k]);
        free(l->items[i].paths);
        free(l->items[i].message);
    }
    free(l->items);
}

/* ---- pieces ------------------------------------------------------------------------------------------------------- */

struct check {
    const struct workspace *ws, *old;
    const struct ws_validate_env *env;
    struct problems *out;
};

#define MISSING "missing field(s)"

static bool is_vllm(const struct workspace *ws)
{
    struct str r = ws_annotation(ws, RUNTIME_ANNOTATION);

    return !str_is(r, "transformers") && !str_is(r, "native");
}

/* C1: what the API server's own subdomain rule lets through. */
static void check_name(struct check *c)
{
    struct str name = c->ws->meta.name;

    if (name.n > 63)
        add(c->out, "name", "invalid value: must be no more than 63 characters");
    else if (memchr(name.p ? name.p : "", '.', name.n))
        add(c->out, "name", "invalid value: must not contain dots");
}

static void check_annotations(struct check *c)
{
    struct str family = ws_annotation(c->ws, "kaito.sh/node-image-family"), mode = ws_annotation(c->ws, "kaito.sh/performance-mode");
    struct str local = ws_annotation(c->ws, "kaito.sh/use-local-weights"), trimmed = str_trim(family);

    if (family.p && !str_ieq(trimmed, STR("azurelinux")) && !str_ieq(trimmed, STR("ubuntu")))
        add(c->out, "spec.metadata.annotations[\"kaito.sh/node-image-family\"]",
            "invalid value: unsupported node image family \"%.*s\", supported values are azurelinux, ubuntu", STR_ARG(family));
    if (mode.p && !str_is(mode, "balanced") && !str_is(mode, "interactivity") && !str_is(mode, "throughput"))
        add(c->out, "metadata.annotations[kaito.sh/performance-mode]",
            "invalid value: \"%.*s\" is not a valid performance mode; choose one of: balanced, interactivity, throughput", STR_ARG(mode));
    if (local.p && !str_is(local, "true") && !str_is(local, "false"))
        add(c->out, "metadata.annotations[kaito.sh/use-local-weights]", "invalid value: \"%.*s\" must be \"true\" or \"false\"", STR_ARG(local));
}

/* Kubernetes' conversion of a selector to a map: matchLabels and In with one value. */
static bool selector_is_map(const struct label_selector *s, struct buf *why)
{
    for (size_t i = 0; s && i < s->n_match_expressions; i++) {
        const struct selector_requirement *x = &s->match_expressions[i];

        if (str_is(x->op, "In") && x->n_values == 1)
            continue;
        if (str_is(x->op, "In"))
            buf_addf(why, "operator \"In\" without a single value cannot be converted into the old label selector format");
        else
            buf_addf(why, "operator \"%.*s\" cannot be converted into the old label selector format", STR_ARG(x->op));
        return false;
    }
    return true;
}

static void check_instance_type(struct check *c)
{
    struct str type = ws_instance_type(c->ws);
    const struct workspace_settings *s = c->env->settings;
    AUTO_BUF names = { 0 };

    if (s->byo && type.n > 0)
        add(c->out, "spec.resource.instanceType", "invalid value: instanceType must be empty when node auto-provisioning is disabled (BYO scenario)");
    if (!s->byo && type.n == 0) {
        add(c->out, "spec.instanceType is required when node auto-provisioning is enabled", MISSING);
        add(c->out, "spec.resource.instanceType", MISSING);
    }
    if (s->byo || (c->ws->tuning && type.n == 0) || sku_find(s->cloud, type) || sku_admitted_by_prefix(s->cloud, type))
        return;
    sku_names(s->cloud, &names);
    if (c->ws->inference)
        add(c->out, "resource.instanceType", "invalid value: Unsupported instance type %.*s. Supported SKUs: [%s]", STR_ARG(type), buf_cstr(&names));
}

static void check_resource_with_inference(struct check *c)
{
    const struct ws_resource *r = c->ws->resource;
    const struct label_selector *sel = r ? r->label_selector : NULL;
    struct str preset = ws_preset_name(c->ws);
    AUTO_BUF why = { 0 };
    size_t reserved = 0;

    if (preset.n > 0 && preset_check(preset) != PRESET_VALID) {
        if (preset_check(preset) == PRESET_DEPRECATED)
            add(c->out, "resource.presetName", "Model %.*s is deprecated and no longer supported", STR_ARG(preset));
        return;
    }
    if (!selector_is_map(sel, &why))
        add(c->out, "resource.labelSelector", "invalid value: %s", buf_cstr(&why));
    for (size_t i = 0; sel && i < sel->match_labels.n; i++)
        reserved += label_is_reserved(sel->match_labels.items[i].key);
    if (reserved > 0 && reserved == sel->match_labels.n)
        add(c->out, "resource.labelSelector.matchLabels", "invalid value: matchLabels must contain at least one non-reserved label");
    if (r && r->partition && !c->env->settings->byo)
        add(c->out, "resource.partition", "GPU partitioning is only supported with BYO nodes (disableNodeAutoProvisioning=true)");
}

static void check_duplicate_adapters(struct check *c)
{
    const struct ws_inference *inf = c->ws->inference;

    for (size_t i = 0; i < inf->n_adapters; i++)
        for (size_t k = 0; k < i; k++)
            if (inf->adapters[i].source && inf->adapters[k].source && str_eq(inf->adapters[i].source->name, inf->adapters[k].source->name)) {
                add(c->out, NULL, "Duplicate adapter source name found: %.*s", STR_ARG(inf->adapters[i].source->name));
                return;
            }
}

static void check_inference(struct check *c)
{
    const struct ws_inference *inf = c->ws->inference;

    if (!inf->preset && !inf->pod_template)
        add(c->out, "inference.Preset or Template must be specified", MISSING);
    if (inf->preset && inf->pod_template)
        add(c->out, NULL, "Preset and Template cannot be set at the same time");
    if (inf->pod_template && !json_is_object(json_object_get(inf->pod_template, "spec")))
        add(c->out, "inference.template", "invalid value: must be a pod template with a spec");
    if (inf->preset && preset_check(inf->preset->name) != PRESET_VALID) {
        add(c->out, "inference.presetName", "invalid value: Unsupported inference preset name %.*s", STR_ARG(inf->preset->name));
        return;
    }
    for (size_t i = 0; is_vllm(c->ws) && inf->preset && i < inf->n_adapters; i++)
        if (inf->adapters[i].strength.n > 0) {
            add(c->out, NULL, "Runtime validation: vLLM does not support adapter strength");
            break;
        }
    for (size_t i = 0; i < inf->n_adapters; i++)
        if (!inf->adapters[i].source)
            add(c->out, "inference.Source", MISSING);
    if (inf->n_adapters > 10)
        add(c->out, NULL, "Number of Adapters exceeds the maximum limit, maximum of 10 allowed");
    check_duplicate_adapters(c);
}

/* ---- tuning ------------------------------------------------------------------------------------------------------- */

static bool host_is_local(struct str host)
{
    static const char *const names[] = { "localhost", "metadata.google.internal", "metadata.google", "instance-data.ec2.internal" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_ieq(host, str_of(names[i])))
            return true;
    return host.n > 10 && str_ieq(str_from(host, host.n - 10), STR(".localhost"));
}

static bool ipv4_is_private(const uint8_t b[4])
{
    return b[0] == 127 || b[0] == 10 || (b[0] == 172 && b[1] >= 16 && b[1] < 32) || (b[0] == 192 && b[1] == 168) ||
           (b[0] == 169 && b[1] == 254) || (b[0] >= 224 && b[0] < 240);
}

static bool address_is_private(struct str host)
{
    char text[64];
    struct in_addr a4;
    struct in6_addr a6;
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };

    if (host.n >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", STR_ARG(host));
    if (inet_pton(AF_INET, text, &a4) == 1)
        return ipv4_is_private((const uint8_t *)&a4);
    if (inet_pton(AF_INET6, text, &a6) != 1)
        return false;
    const uint8_t *b = a6.s6_addr;

    if (memcmp(b, mapped, sizeof mapped) == 0)
        return ipv4_is_private(b + 12);
    return IN6_IS_ADDR_LOOPBACK(&a6) || (b[0] & 0xFE) == 0xFC || (b[0] == 0xFE && (b[1] & 0xC0) == 0x80) || b[0] == 0xFF;
}

static bool percent_escapes_are_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '%' && (i + 2 >= s.n || !isxdigit((unsigned char)s.p[i + 1]) || !isxdigit((unsigned char)s.p[i + 2])))
            return false;
    return true;
}

/* NULL: fine. Upstream's list of refused hosts, no less and no more (dossier T42). */
static const char *url_problem(struct str url, bool allow_private)
{
    struct str rest, authority, path, host, port;
    size_t at;

    if (!str_find(url, STR("://"), &at) || at == 0 || !percent_escapes_are_valid(url))
        return "invalid data source URL";
    struct str scheme = str_n(url.p, at);

    rest = str_from(url, at + 3);
    authority = rest;
    for (size_t i = 0; i < rest.n; i++)
        if (strchr("/?#", rest.p[i])) {
            authority = str_n(rest.p, i);
            break;
        }
    if (str_rcut(authority, '@', &path, &host))
        authority = host;
    host = authority;
    if (authority.n > 0 && authority.p[0] == '[') {
        if (!str_cut(str_from(authority, 1), ']', &host, &rest))
            return "invalid data source URL";
    } else {
        str_cut(authority, ':', &host, &port);
    }
    if (host.n == 0)
        return "invalid data source URL";
    if (!str_ieq(scheme, STR("http")) && !str_ieq(scheme, STR("https")))
        return "data source URL must use HTTP or HTTPS";
    if (allow_private)
        return NULL;
    if (host_is_local(host))
        return "data source URL must not target a local or metadata endpoint";
    return address_is_private(host) ? "data source URL must not target a loopback, private, or link-local address" : NULL;
}

static bool is_registry_host(struct str first)
{
    for (size_t i = 0; i < first.n; i++)
        if (first.p[i] == '.' || first.p[i] == ':' || isupper((unsigned char)first.p[i]))
            return true;
    return str_is(first, "localhost");
}

/* The docker reference grammar, as far as a user's mistake goes. */
static bool image_is_bad(struct str ref, struct buf *why)
{
    struct str rest = ref, first, tail, name, digest;

    for (size_t i = 0; i < ref.n; i++)
        if ((unsigned char)ref.p[i] < 0x21 || strchr("\\\"'<>?&=|;$!*(){}", ref.p[i])) {
            buf_adds(why, "invalid reference format");
            return true;
        }
    /* upper case is for registry hosts and tags only; a first part with a dot, a port or upper case is a host */
    if (str_cut(rest, '/', &first, &tail) && is_registry_host(first))
        rest = tail;
    name = rest;
    if (str_cut(rest, '@', &name, &digest) && (!str_has_prefix(digest, STR("sha256:")) || digest.n != 7 + 64)) {
        buf_adds(why, "invalid reference format");
        return true;
    }
    str_cut(name, ':', &name, &tail);
    for (size_t i = 0; i < name.n; i++)
        if (isupper((unsigned char)name.p[i])) {
            buf_addf(why, "invalid reference format: repository name (%.*s) must be lowercase", STR_ARG(name));
            return true;
        }
    if (name.n == 0 || name.p[0] == '/' || name.p[name.n - 1] == '/' || rest.p[rest.n - 1] == ':') {
        buf_adds(why, "invalid reference format");
        return true;
    }
    return false;
}

static void check_images(struct check *c)
{
    const struct ws_tuning *t = c->ws->tuning;
    AUTO_BUF in = { 0 }, out = { 0 };

    if (t->input && t->input->image.n > 0 && image_is_bad(t->input->image, &in))
        add(c->out, "tuning.Input.Image", "invalid value: Unable to parse input image reference: %s", buf_cstr(&in));
    if (t->output && t->output->image.n > 0 && image_is_bad(t->output->image, &out))
        add(c->out, "tuning.Output.Image", "invalid value: Unable to parse output image reference: %s", buf_cstr(&out));
}

static void check_input(struct check *c)
{
    const struct ws_source *in = c->ws->tuning->input;

    if (!in) {
        add(c->out, "tuning.Input", MISSING);
        return;
    }
    for (size_t i = 0; i < in->n_urls; i++) {
        const char *problem = url_problem(in->urls[i], c->env->settings->allow_private_urls);

        if (problem)
            add(c->out, "tuning.Input.URLs", "invalid value: %s", problem);
    }
    if (in->volume && !json_is_object(in->volume))
        add(c->out, "tuning.Input.Volume", "invalid value: must be a volume source");
    if ((in->n_urls > 0) + (in->volume != NULL) + (in->image.n > 0) != 1) {
        add(c->out, "tuning.Input.URLs", "Exactly one of URLs, Volume, or Image must be specified");
        add(c->out, "tuning.Input.Volume", "Exactly one of URLs, Volume, or Image must be specified");
        add(c->out, "tuning.Input.Image", "Exactly one of URLs, Volume, or Image must be specified");
    }
}

static void check_output(struct check *c)
{
    const struct ws_destination *o = c->ws->tuning->output;

    if (!o) {
        add(c->out, "tuning.Output", MISSING);
        return;
    }
    if (o->image.n > 0 && o->image_push_secret.n == 0)
        add(c->out, "tuning.Output.Must specify imagePushSecret with destination image", MISSING);
    if (o->volume && !json_is_object(o->volume))
        add(c->out, "tuning.Output.Volume", "invalid value: must be a volume source");
    if ((o->volume != NULL) + (o->image.n > 0) != 1)
        add(c->out, "tuning.Output.Exactly one of Volume or Image must be specified", MISSING);
}

static void sort_lines(struct str text, struct buf *out)
{
    char *lines[64];
    size_t n = 0;
    struct str line;

    while (n < ARRAY_LEN(lines) && str_next(&text, '\n', &line))
        if (line.n > 0)
            lines[n++] = xstrndup(line.p, line.n);
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 0; i < n; i++) {
        buf_addf(out, "%s%s", i ? "\n" : "", lines[i]);
        free(lines[i]);
    }
}

static void check_tuning_config(struct check *c)
{
    const struct ws_tuning *t = c->ws->tuning;
    const char *template_name = ws_template_name(c->ws);
    const json_t *config = template_name && c->env->tuning_template ? c->env->tuning_template : c->env->tuning_config;
    struct str ns = t->config.n == 0 ? str_of(c->env->settings->release_namespace) : c->ws->meta.namespace;
    AUTO_BUF problems = { 0 }, sorted = { 0 };

    if (!config && c->env->config_may_come)
        return;
    if (!config)
        buf_addf(&problems, "ConfigMap '%.*s' specified in 'config' not found in namespace '%.*s': config\n", STR_ARG(t->config), STR_ARG(ns));
    else
        tuning_config_problems(config, t->method, ns, &problems);
    sort_lines(buf_str(&problems), &sorted);
    if (sorted.n > 0)
        add(c->out, "tuning.Config", "Failed to evaluate validateConfigMap: %s", buf_cstr(&sorted));
}

static void check_tuning(struct check *c)
{
    const struct ws_tuning *t = c->ws->tuning;
    const struct ws_resource *r = c->ws->resource;
    bool method_ok = str_ieq(t->method, STR("lora")) || str_ieq(t->method, STR("qlora"));

    if (r && r->count.set && r->count.v > 1)
        add(c->out, "resource.count", "invalid value: Tuning does not currently support multinode configurations. Please set the node count to 1. "
                                      "Future support with DeepSpeed will allow this.");
    if (r && r->partition)
        add(c->out, "resource.partition", "invalid value: GPU partitioning is not supported for tuning workloads");
    if (!method_ok)
        add(c->out, "tuning.Method", "invalid value: %.*s", STR_ARG(t->method));
    check_tuning_config(c);
    check_images(c);
    check_input(c);
    check_output(c);
    if (!t->preset)
        add(c->out, "tuning.Preset", MISSING);
    else if (preset_check(t->preset->name) != PRESET_VALID)
        add(c->out, "tuning.presetName", "invalid value: Unsupported tuning preset name %.*s", STR_ARG(t->preset->name));
}

/* ---- create and update -------------------------------------------------------------------------------------------- */

static void check_create(struct check *c)
{
    const struct workspace *ws = c->ws;

    check_name(c);
    if (!ws->inference && !ws->tuning)
        add(c->out, "spec", "Either Inference or Tuning must be specified, not neither");
    if (ws->inference && ws->tuning)
        add(c->out, "spec", "Either Inference or Tuning must be specified, but not both");
    check_instance_type(c);
    check_annotations(c);
    if (ws->inference) {
        check_resource_with_inference(c);
        check_inference(c);
    }
    if (ws->tuning)
        check_tuning(c);
}

static bool resource_field_changed(const struct ws_resource *a, const struct ws_resource *b, bool partition)
{
    if (!a || !b)
        return false;
    struct ws_resource x = { 0 }, y = { 0 };

    x.partition = partition ? a->partition : NULL;
    y.partition = partition ? b->partition : NULL;
    x.label_selector = partition ? NULL : a->label_selector;
    y.label_selector = partition ? NULL : b->label_selector;
    return !schema_equal(&ws_resource_type, &x, &y);
}

static void check_update_type(struct check *c)
{
    struct str was = ws_instance_type(c->old), is = ws_instance_type(c->ws);

    if (c->env->settings->byo) {
        if (was.n == 0 && is.n > 0)
            add(c->out, "resource.instanceType", "invalid value: instanceType must be empty when node auto-provisioning is disabled (BYO scenario)");
        else if (was.n > 0 && is.n > 0 && !str_eq(was, is))
            add(c->out, "resource.instanceType", "invalid value: instanceType cannot be changed once set");
    } else if (is.n == 0) {
        add(c->out, "resource.instanceType", MISSING);
        add(c->out, "resource.instanceType is required when node auto-provisioning is enabled", MISSING);
    } else if (was.n > 0 && !str_eq(was, is)) {
        add(c->out, "resource.instanceType", "instanceType cannot be changed once set when node auto-provisioning is enabled");
    }
}

static bool preset_changed(const struct ws_preset *a, const struct ws_preset *b)
{
    struct ws_inference x = { .preset = a ? &(struct ws_preset){ a->name, a->access_mode, a->options } : NULL };
    struct ws_inference y = { .preset = b ? &(struct ws_preset){ b->name, b->access_mode, b->options } : NULL };

    return !schema_equal(&ws_inference_type, &x, &y);
}

static void check_update(struct check *c)
{
    const struct workspace *ws = c->ws, *old = c->old;
    AUTO_BUF why = { 0 };

    check_name(c);
    if (!ws->inference != !old->inference)
        add(c->out, "spec.inference", "Inference field cannot be toggled once set");
    if (!ws->tuning != !old->tuning)
        add(c->out, "spec.tuning", "Tuning field cannot be toggled once set");
    if (ws->resource && old->resource && ws->resource->count.set && old->resource->count.set && ws->resource->count.v != old->resource->count.v)
        add(c->out, "resource.count", "field is immutable");
    if (resource_field_changed(old->resource, ws->resource, true))
        add(c->out, "resource.partition", "field is immutable");
    check_update_type(c);
    if (ws->resource && !selector_is_map(ws->resource->label_selector, &why))
        add(c->out, "resource.labelSelector", "Only allow matchLabels or 'IN' matchExpression");
    else if (resource_field_changed(old->resource, ws->resource, false))
        add(c->out, "resource.labelSelector", "field is immutable");
    if (ws->inference && old->inference) {
        if (preset_changed(old->inference->preset, ws->inference->preset))
            add(c->out, "inference.preset", "field is immutable");
        if (!ws->inference->pod_template != !old->inference->pod_template)
            add(c->out, "inference.template", "field cannot be unset/set if it was set/unset");
        check_duplicate_adapters(c);
    }
    if (ws->tuning && old->tuning) {
        check_images(c);
        if (preset_changed(old->tuning->preset, ws->tuning->preset))
            add(c->out, "tuning.Preset", "Preset cannot be changed");
        if (!str_ieq(ws->tuning->method, old->tuning->method))
            add(c->out, "tuning.Method", "Method cannot be changed");
        if (ws->tuning->input && old->tuning->input && !str_eq(ws->tuning->input->name, old->tuning->input->name))
            add(c->out, "tuning.Input.Name", "invalid value: During tuning Name field cannot be changed once set");
    }
}

errc workspace_validate(enum ws_operation op, const struct workspace *old, const struct workspace *new_,
                        const struct ws_validate_env *env, struct buf *errors)
{
    struct problems list = { 0 };
    struct check c = { .ws = new_, .old = old, .env = env, .out = &list };
    bool bad;

    if (op == WS_CREATE)
        check_create(&c);
    else
        check_update(&c);
    bad = list.n > 0;
    problems_render(&list, errors);
    problems_done(&list);
    return bad ? ERR_INVALID : ERR_OK;
}
