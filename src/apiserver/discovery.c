/*
 * /api, /apis, groups and versions, in the plain and the aggregated form; and the OpenAPI v3 index with its documents.
 */
#include "apiserver/priv.h"
#include "base/hash.h"
#include "base/mem.h"
#include "schema/openapi.h"

static int name_cmp(const void *a, const void *b)
{
    const struct resource *const *x = a, *const *y = b;

    return strcmp((*x)->plural, (*y)->plural);
}

/* The rows of one group and version (NULL: any), sorted by name; n of them in the arena. */
static const struct resource **rows_of(struct req *r, const char *group, const char *version, size_t *out_n)
{
    const struct resource **v = arena_calloc(r->a, r->registry->n + 1, sizeof *v);
    size_t n = 0;

    for (size_t i = 0; i < r->registry->n; i++) {
        const struct resource *x = &r->registry->rows[i];
        if (streq(x->group, group) && (!version || streq(x->version, version)))
            v[n++] = x;
    }
    qsort(v, n, sizeof *v, name_cmp);
    *out_n = n;
    return v;
}

/* Group names in order of appearance (without the core group); versions of a group likewise. */
static size_t groups_of(struct req *r, const char **out)
{
    size_t n = 0;

    for (size_t i = 0; i < r->registry->n; i++) {
        const char *g = r->registry->rows[i].group;
        bool seen = !str_set(g);
        for (size_t k = 0; k < n && !seen; k++)
            seen = streq(out[k], g);
        if (!seen)
            out[n++] = g;
    }
    return n;
}

/* v1 before v1beta2 before v1beta1 before v1alpha1: what clients prefer. */
static int version_rank(const char *v, int64_t *major, int64_t *minor)
{
    int64_t a = 0, b = 0;
    char word[16] = "";

    if (sscanf(v, "v%ld%15[a-z]%ld", &a, word, &b) < 1)
        return -1;
    *major = a;
    *minor = b;
    return !*word ? 3 : streq(word, "beta") ? 2 : streq(word, "alpha") ? 1 : 0;
}

static int version_cmp(const void *x, const void *y)
{
    const char *a = *(const char *const *)x, *b = *(const char *const *)y;
    int64_t ma = 0, mb = 0, na = 0, nb = 0;
    int ra = version_rank(a, &ma, &na), rb = version_rank(b, &mb, &nb);

    if (ra != rb)
        return rb - ra;
    if (ma != mb)
        return ma < mb ? 1 : -1;
    return na != nb ? (na < nb ? 1 : -1) : strcmp(a, b);
}

static size_t versions_of(struct req *r, const char *group, const char **out)
{
    size_t n = 0;

    for (size_t i = 0; i < r->registry->n; i++) {
        bool seen = !streq(r->registry->rows[i].group, group);
        for (size_t k = 0; k < n && !seen; k++)
            seen = streq(out[k], r->registry->rows[i].version);
        if (!seen)
            out[n++] = r->registry->rows[i].version;
    }
    qsort(out, n, sizeof *out, version_cmp);
    return n;
}

static json_t *verbs_json(unsigned verbs, bool custom)
{
    static const enum verb custom_order[] = { VERB_DELETE, VERB_DELETECOLLECTION, VERB_GET, VERB_LIST, VERB_PATCH, VERB_CREATE, VERB_UPDATE,
                                              VERB_WATCH };
    json_t *v = json_array();

    for (int i = 0; i < VERB_COUNT_; i++) {
        enum verb verb = custom ? custom_order[i] : (enum verb)i;
        if (verbs & (1u << verb))
            json_push(v, json_string(verb_name(verb)));
    }
    return v;
}

static void put_names(json_t *o, const char *key, const char *const *names)
{
    if (!names || !*names)
        return;
    json_t *v = json_array();
    for (; *names; names++)
        json_push(v, json_string(*names));
    json_put(o, key, v);
}

static void put_hash(json_t *o, const struct resource *x)
{
    AUTO_BUF text = { 0 }, b64 = { 0 };
    uint8_t digest[SHA256_SIZE];
    const char *group = x->group, *version = x->version;

    if (streq(x->key, "events")) {      /* stored as the core kind */
        group = "";
        version = "v1";
    }
    buf_addf(&text, "%s/%s/%s", group, version, x->kind);
    sha256(text.p, text.n, digest);
    base64_add(&b64, digest, 8);
    json_put_str(o, "storageVersionHash", buf_cstr(&b64));
}

/* ---- plain ---- */

static json_t *resource_json(const struct resource *x)
{
    json_t *o = json_object();

    json_put_str(o, "name", x->plural);
    json_put_str(o, "singularName", x->singular);
    json_put_bool(o, "namespaced", x->namespaced);
    json_put_str(o, "kind", x->kind);
    json_put(o, "verbs", verbs_json(x->verbs, x->custom != NULL));
    put_names(o, "shortNames", x->short_names);
    put_names(o, "categories", x->categories);
    if (x->verbs & V(GET))
        put_hash(o, x);
    return o;
}

static json_t *sub_json(const struct resource *x, const struct subresource *sub)
{
    json_t *o = json_object();

    json_put(o, "name", json_strf("%s/%s", x->plural, sub->name));
    json_put_str(o, "singularName", "");
    json_put_bool(o, "namespaced", x->namespaced);
    if (str_set(sub->group)) {
        json_put_str(o, "group", sub->group);
        json_put_str(o, "version", sub->version);
    }
    json_put_str(o, "kind", sub->kind);
    json_put(o, "verbs", verbs_json(sub->verbs, false));
    return o;
}

static json_t *resource_list(struct req *r, const char *group, const char *version)
{
    size_t n;
    const struct resource **rows = rows_of(r, group, version, &n);
    json_t *o = json_object(), *list = json_array();

    json_put_str(o, "kind", "APIResourceList");
    if (str_set(group))
        json_put_str(o, "apiVersion", "v1");
    json_put_str(o, "groupVersion", n ? rows[0]->gv : version);
    for (size_t i = 0; i < n; i++) {
        json_push(list, resource_json(rows[i]));
        for (size_t k = 0; k < rows[i]->n_subs; k++)
            json_push(list, sub_json(rows[i], &rows[i]->subs[k]));
    }
    json_put(o, "resources", list);
    return o;
}

static json_t *group_json(struct req *r, const char *group, bool alone)
{
    const char **versions = arena_calloc(r->a, r->registry->n + 1, sizeof *versions);
    size_t n = versions_of(r, group, versions);
    json_t *o = json_object(), *list = json_array();

    if (alone) {
        json_put_str(o, "kind", "APIGroup");
        json_put_str(o, "apiVersion", "v1");
    }
    json_put_str(o, "name", group);
    for (size_t i = 0; i < n; i++) {
        json_t *v = json_object();
        json_put(v, "groupVersion", json_strf("%s/%s", group, versions[i]));
        json_put_str(v, "version", versions[i]);
        json_push(list, v);
    }
    json_put(o, "versions", list);
    json_put(o, "preferredVersion", json_deep_copy(json_array_get(list, 0)));
    return o;
}

static json_t *group_list(struct req *r)
{
    const char **groups = arena_calloc(r->a, r->registry->n + 1, sizeof *groups);
    size_t n = groups_of(r, groups);
    json_t *o = json_object(), *list = json_array();

    json_put_str(o, "kind", "APIGroupList");
    json_put_str(o, "apiVersion", "v1");
    for (size_t i = 0; i < n; i++)
        json_push(list, group_json(r, groups[i], false));
    json_put(o, "groups", list);
    return o;
}

static json_t *core_versions(struct req *r)
{
    json_t *o = json_object(), *v = json_array(), *cidrs = json_array(), *one = json_object();

    json_put_str(o, "kind", "APIVersions");
    json_push(v, json_string("v1"));
    json_put(o, "versions", v);
    json_put_str(one, "clientCIDR", "0.0.0.0/0");
    json_put(one, "serverAddress", json_strf("%s:%u", r->s->o.bind_address, r->s->port));
    json_push(cidrs, one);
    json_put(o, "serverAddressByClientCIDRs", cidrs);
    return o;
}

/* ---- aggregated ---- */

static json_t *kind_json(const char *group, const char *version, const char *kind)
{
    json_t *o = json_object();

    json_put_str(o, "group", group);
    json_put_str(o, "version", version);
    json_put_str(o, "kind", kind);
    return o;
}

static json_t *aggregated_resource(const struct resource *x)
{
    json_t *o = json_object(), *subs = json_array();
    bool custom = x->custom != NULL;

    json_put_str(o, "resource", x->plural);
    json_put(o, "responseKind", kind_json(custom ? x->group : "", custom ? x->version : "", x->kind));
    json_put_str(o, "scope", x->namespaced ? "Namespaced" : "Cluster");
    json_put_str(o, "singularResource", x->singular);
    json_put(o, "verbs", verbs_json(x->verbs, custom));
    put_names(o, "shortNames", x->short_names);
    put_names(o, "categories", x->categories);
    for (size_t i = 0; i < x->n_subs; i++) {
        const struct subresource *sub = &x->subs[i];
        json_t *s = json_object();
        bool own = custom && !str_set(sub->group);
        json_put_str(s, "subresource", sub->name);
        json_put(s, "responseKind", kind_json(own ? x->group : sub->group, own ? x->version : sub->version, sub->kind));
        json_put(s, "verbs", verbs_json(sub->verbs, false));
        json_push(subs, s);
    }
    if (json_array_size(subs))
        json_put(o, "subresources", subs);
    else
        json_decref(subs);
    return o;
}

static json_t *aggregated_group(struct req *r, const char *group)
{
    const char **versions = arena_calloc(r->a, r->registry->n + 1, sizeof *versions);
    size_t n = versions_of(r, group, versions);
    json_t *o = json_object(), *meta = json_object(), *list = json_array();

    if (str_set(group))
        json_put_str(meta, "name", group);
    json_put(meta, "creationTimestamp", json_null());
    json_put(o, "metadata", meta);
    for (size_t i = 0; i < n; i++) {
        json_t *v = json_object(), *resources = json_array();
        size_t count;
        const struct resource **rows = rows_of(r, group, versions[i], &count);
        for (size_t k = 0; k < count; k++)
            json_push(resources, aggregated_resource(rows[k]));
        json_put_str(v, "version", versions[i]);
        json_put(v, "resources", resources);
        json_put_str(v, "freshness", "Current");
        json_push(list, v);
    }
    json_put(o, "versions", list);
    return o;
}

static void reply_aggregated(struct req *r, bool core, const char *version)
{
    AUTO_JSON o = json_object();
    AUTO_BUF text = { 0 };
    json_t *items = json_array();

    json_put_str(o, "kind", "APIGroupDiscoveryList");
    json_put(o, "apiVersion", json_strf("apidiscovery.k8s.io/%s", version));
    json_put(o, "metadata", json_object());
    if (core) {
        json_push(items, aggregated_group(r, ""));
    } else {
        const char **groups = arena_calloc(r->a, r->registry->n + 1, sizeof *groups);
        size_t n = groups_of(r, groups);
        for (size_t i = 0; i < n; i++)
            json_push(items, aggregated_group(r, groups[i]));
    }
    json_put(o, "items", items);
    json_write(o, &text);
    buf_addc(&text, '\n');
    http_reply_take(r->x, 200, arena_printf(r->a, "application/json;g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList", version), &text);
    r->replied = true;
}

/* The first of the accepted forms that is ours: "v2", "v2beta1", or NULL for the plain one. */
const char *aggregated_form(const struct http_exchange *x)
{
    const char *accept = http_header_get(&x->headers, "Accept");
    struct str rest = str_of(accept ? accept : ""), media;
    size_t at;

    while (str_next(&rest, ',', &media)) {
        if (!str_find(media, STR("as=APIGroupDiscoveryList"), &at)) {
            if (str_find(media, STR("protobuf"), &at))
                continue;
            return NULL;
        }
        if (str_find(media, STR("protobuf"), &at))
            continue;
        if (str_find(media, STR("v=v2beta1"), &at))
            return "v2beta1";
        if (str_find(media, STR("v=v2"), &at))
            return "v2";
    }
    return NULL;
}

errc serve_discovery(struct req *r, const char *const *seg, size_t n, bool *handled)
{
    AUTO_JSON body = NULL;
    bool core = n > 0 && streq(seg[0], "api");

    if (n == 0 || !(core || streq(seg[0], "apis")) || n > (core ? 2 : 3))
        return ERR_OK;
    if (!streq(r->x->method, "GET") && !streq(r->x->method, "HEAD"))
        return fail_no_method(r);
    const char *form = aggregated_form(r->x);
    *handled = true;
    if (n == 1 && form) {
        reply_aggregated(r, core, form);
        return ERR_OK;
    }
    const char *group = core || n == 1 ? "" : seg[1], *version = core ? (n > 1 ? seg[1] : NULL) : n > 2 ? seg[2] : NULL;
    if (n > 1 && !core && !registry_has_group(r->registry, group, NULL)) {
        *handled = false;
        return ERR_OK;
    }
    if (version && !registry_has_group(r->registry, group, version))
        return fail_no_resource(r);
    body = n == 1 ? (core ? core_versions(r) : group_list(r)) : version ? resource_list(r, group, version) : group_json(r, group, true);
    reply_json(r, 200, body);
    return ERR_OK;
}

/* ---- OpenAPI ---- */

/* Changes with what is served: kubectl caches documents under it. */
static const char *document_hash(struct req *r, const char *group, const char *version)
{
    size_t n;
    const struct resource **rows = rows_of(r, group, version, &n);
    AUTO_BUF text = { 0 };
    char *hex = arena_alloc(r->a, SHA256_HEX);

    buf_addf(&text, "%s %s/%s", KAITO_VERSION, group, version);
    for (size_t i = 0; i < n; i++)
        buf_addf(&text, " %s %p", rows[i]->plural, rows[i]->custom ? (const void *)rows[i]->type : NULL);
    sha256_hex(text.p, text.n, hex);
    return hex;
}

static errc openapi_index(struct req *r)
{
    AUTO_JSON o = json_object();
    json_t *paths = json_object();
    AUTO_BUF text = { 0 };

    for (size_t i = 0; i < r->registry->n; i++) {
        const struct resource *x = &r->registry->rows[i];
        const char *path = arena_printf(r->a, "%s%s", str_set(x->group) ? "apis/" : "api/", x->gv);
        if (json_object_get(paths, path))
            continue;
        json_t *one = json_object();
        json_put(one, "serverRelativeURL", json_strf("/openapi/v3/%s?hash=%s", path, document_hash(r, x->group, x->version)));
        json_put(paths, path, one);
    }
    json_put(o, "paths", paths);
    json_write(o, &text);
    http_reply_take(r->x, 200, "text/plain; charset=utf-8", &text);
    r->replied = true;
    return ERR_OK;
}

errc serve_openapi(struct req *r, const char *const *seg, size_t n)
{
    bool core = n > 0 && streq(seg[0], "api");

    if (n == 0)
        return openapi_index(r);
    if (n != (core ? 2u : 3u) || (!core && !streq(seg[0], "apis"))) {
        http_reply(r->x, 404, "text/plain; charset=utf-8", STR("404 page not found\n"));
        r->replied = true;
        return ERR_OK;
    }
    const char *group = core ? "" : seg[1], *version = seg[n - 1];
    size_t count, kept = 0;
    const struct resource **rows = rows_of(r, group, version, &count);
    struct openapi_resource *docs = arena_calloc(r->a, count + 1, sizeof *docs);
    for (size_t i = 0; i < count; i++)
        if (rows[i]->type)
            docs[kept++] = (struct openapi_resource){ rows[i]->type, rows[i]->plural, rows[i]->namespaced,
                                                      resource_sub(rows[i], "status") != NULL, resource_sub(rows[i], "scale") != NULL };
    if (!count) {
        http_reply(r->x, 404, "text/plain; charset=utf-8", STR("404 page not found\n"));
        r->replied = true;
        return ERR_OK;
    }
    AUTO_JSON doc = openapi_v3(group, version, docs, kept);
    reply_json(r, 200, doc);
    return ERR_OK;
}
