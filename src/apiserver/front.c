/*
 * The way in: who asks, for what, may they, and who answers.
 */
#include "apiserver/priv.h"
#include "base/log.h"

#define BODY_MAX 3145728

const char *req_query(const struct req *r, const char *name)
{
    return http_pairs_get(&r->x->query, name);
}

bool req_flag(const struct req *r, const char *name)
{
    const char *v = req_query(r, name);

    return v && !streq(v, "0") && !streq(v, "false") && !streq(v, "False") && !streq(v, "f");
}

void req_warn(struct req *r, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    if (!r->warnings) {
        r->warnings = json_array();
        json_arena_own(r->a, r->warnings);
    }
    json_push(r->warnings, json_strn(buf_str(&text)));
}

/* Warning: 299 - "text", quotes and backslashes escaped. */
static void send_warnings(struct req *r)
{
    size_t i;
    json_t *w;

    json_array_foreach(r->warnings, i, w) {
        AUTO_BUF b = { 0 };
        buf_adds(&b, "299 - \"");
        for (const char *p = json_string_value(w); *p; p++) {
            if (*p == '"' || *p == '\\')
                buf_addc(&b, '\\');
            buf_addc(&b, *p == '\n' || *p == '\r' ? ' ' : *p);
        }
        buf_addc(&b, '"');
        http_reply_header(r->x, "Warning", buf_cstr(&b));
    }
}

static void reply_text(struct req *r, int status, struct buf *text)
{
    send_warnings(r);
    http_reply_take(r->x, status, "application/json", text);
    r->replied = true;
}

void reply_json(struct req *r, int status, const json_t *body)
{
    AUTO_BUF text = { 0 };

    if (r->yaml) {
        yaml_write(body, &text);
        send_warnings(r);
        http_reply_take(r->x, status, "application/yaml", &text);
        r->replied = true;
        return;
    }
    json_write(body, &text);
    buf_addc(&text, '\n');
    reply_text(r, status, &text);
}

void reply_stored(struct req *r, int status, struct str stored)
{
    AUTO_BUF text = { 0 };

    if (r->form != FORM_OBJECT || r->yaml) {
        reply_object(r, status, object_parse(r, r->res, stored));
        return;
    }
    buf_addf(&text, "{\"kind\":\"%s\",\"apiVersion\":\"%s\"%s", r->res->kind, r->res->gv, stored.n > 2 ? "," : "");
    buf_addstr(&text, str_from(stored, 1));
    buf_addc(&text, '\n');
    reply_text(r, status, &text);
}

void reply_object(struct req *r, int status, const json_t *obj)
{
    AUTO_JSON shaped = NULL;
    json_t *one = json_incref((json_t *)(uintptr_t)obj);

    if (r->form == FORM_TABLE)
        shaped = table_of(r, r->res, &one, 1, true);
    else if (r->form == FORM_PARTIAL)
        shaped = partial_of(r, obj);
    reply_json(r, status, shaped ? shaped : obj);
    json_decref(one);
}

void reply_success(struct req *r, const struct resource *res, const char *name, const char *uid)
{
    AUTO_JSON st = json_object();
    json_t *d = details_of(res, name);

    json_put_str(st, "kind", "Status");
    json_put_str(st, "apiVersion", "v1");
    json_put(st, "metadata", json_object());
    json_put_str(st, "status", "Success");
    json_put_str(d, "uid", uid);
    json_put(st, "details", d);
    reply_json(r, 200, st);
}

/* ---- the path ---- */

#define SEGMENTS_MAX 32

static size_t split_path(struct req *r, const char *path, const char **seg)
{
    struct str rest = str_of(path), piece;
    size_t n = 0;

    while (str_next(&rest, '/', &piece))
        if (piece.n && n < SEGMENTS_MAX)
            seg[n++] = arena_strndup(r->a, piece.p, piece.n);
    return n;
}

static enum verb verb_of(const struct req *r)
{
    const char *m = r->x->method;

    if (streq(m, "GET") || streq(m, "HEAD"))
        return r->old_watch ? VERB_WATCH : !r->collection ? VERB_GET : req_flag(r, "watch") ? VERB_WATCH : VERB_LIST;
    if (streq(m, "POST"))
        return VERB_CREATE;
    if (streq(m, "PUT"))
        return VERB_UPDATE;
    if (streq(m, "PATCH"))
        return VERB_PATCH;
    return r->collection ? VERB_DELETECOLLECTION : VERB_DELETE;
}

/* /api/v1/... and /apis/GROUP/VERSION/...: [namespaces/NS/]RESOURCE[/NAME[/SUB...]] */
static void parse_resource(struct req *r, const char *const *seg, size_t n)
{
    size_t at = 0;

    if (streq(seg[0], "api") && n >= 3) {
        r->group = "";
        r->version = seg[1];
        at = 2;
    } else if (streq(seg[0], "apis") && n >= 4) {
        r->group = seg[1];
        r->version = seg[2];
        at = 3;
    } else {
        return;
    }
    r->is_resource = true;
    if (streq(seg[at], "watch") && at + 1 < n) {        /* the old form of ?watch=true */
        r->old_watch = true;
        at++;
    }
    if (streq(seg[at], "namespaces") && n > at + 1) {
        bool itself = n == at + 2 || (n == at + 3 && (streq(seg[at + 2], "status") || streq(seg[at + 2], "finalize")));
        r->ns = seg[at + 1];
        if (!itself)
            at += 2;
    }
    r->plural = seg[at++];
    if (at < n)
        r->name = seg[at++];
    if (streq(r->plural, "namespaces") && str_set(r->name))
        r->ns = "";
    AUTO_BUF sub = { 0 };
    for (size_t i = at; i < n; i++)
        buf_addf(&sub, "%s%s", i > at ? "/" : "", seg[i]);
    r->sub = arena_strdup(r->a, buf_cstr(&sub));
    r->collection = !str_set(r->name);
}

/* ---- what the answer looks like ---- */

static const char *param(struct arena *a, struct str params, const char *name)
{
    struct str one, key, value;

    while (str_next(&params, ';', &one))
        if (str_cut(str_trim(one), '=', &key, &value) && str_is(key, name))
            return arena_strndup(a, value.p, value.n);
    return NULL;
}

static bool accept_one(struct req *r, struct str media, bool *unknown_form)
{
    static const struct { const char *as; enum form form; } forms[] = {
        { "Table", FORM_TABLE }, { "PartialObjectMetadata", FORM_PARTIAL }, { "PartialObjectMetadataList", FORM_PARTIAL_LIST },
    };
    struct str type, params;
    const char *as, *v;

    str_cut(media, ';', &type, &params);
    type = str_trim(type);
    bool yaml = str_is(type, "application/yaml");
    if (!yaml && !str_is(type, "application/json") && !str_is(type, "*/*") && !str_is(type, "application/*"))
        return false;
    as = param(r->a, params, "as");
    r->form = FORM_OBJECT;
    if (as && !streq(as, "APIGroupDiscoveryList")) {
        v = param(r->a, params, "v");
        const char *g = param(r->a, params, "g");
        size_t i = 0;
        while (i < ARRAY_LEN(forms) && !streq(forms[i].as, as))
            i++;
        *unknown_form = true;
        if (i == ARRAY_LEN(forms) || !streq(g, "meta.k8s.io") || !(streq(v, "v1") || streq(v, "v1beta1")))
            return false;
        r->form = forms[i].form;
        r->form_version = v;
    }
    r->yaml = yaml;
    return true;
}

/* Takes the first form that we have; sets *unknown_form when only transformations failed. */
static bool accept_choose(struct req *r, bool *unknown_form)
{
    const char *accept = http_header_get(&r->x->headers, "Accept");
    struct str rest = str_of(str_set(accept) ? accept : "*/*"), media;

    while (str_next(&rest, ',', &media))
        if (accept_one(r, str_trim(media), unknown_form))
            return true;
    r->form = FORM_OBJECT;
    r->yaml = false;
    return false;
}

#define MEDIA "application/json, application/yaml, application/vnd.kubernetes.protobuf"

static errc accept_request(struct req *r)
{
    bool unknown_form = false;

    if (accept_choose(r, &unknown_form))
        return ERR_OK;
    if (unknown_form)
        return fail(r, ERR_NOT_ACCEPTABLE, 406, "NotAcceptable", NULL, "only the following media types are accepted: " MEDIA);
    return fail(r, ERR_NOT_ACCEPTABLE, 406, "NotAcceptable", json_object(),
                "406: Not Acceptable\n\nAvailable representations: " MEDIA
                ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch");
}

/* ---- options of writes ---- */

static errc option_errors(struct req *r, const char *kind, const struct field_errors *l)
{
    return l->n ? fail_invalid(r, "meta.k8s.io", kind, "", l) : ERR_OK;
}

errc options_write(struct req *r, const char *kind)
{
    static const char *const validations[] = { "", "Ignore", "Strict", "Warn", NULL };
    AUTO_FIELD_ERRORS l = { 0 };
    const char *dry = req_query(r, "dryRun"), *manager = req_query(r, "fieldManager"), *validation = req_query(r, "fieldValidation");

    if (manager && strlen(manager) > 128)
        field_error_add(&l, FIELD_TOO_LONG_VALUE, "fieldManager", NULL, "may not be more than 128 bytes");
    if (str_set(dry) && !streq(dry, "All"))
        field_error_add(&l, FIELD_NOT_SUPPORTED_VALUE, "dryRun", arena_printf(r->a, "[]string{\"%s\"}", dry), "supported values: \"All\"");
    if (streq(validation, "Strict"))
        r->validation = VALIDATE_STRICT;
    else if (streq(validation, "Ignore"))
        r->validation = VALIDATE_IGNORE;
    else if (str_set(validation) && !streq(validation, "Warn")) {
        AUTO_JSON v = json_string(validation);
        field_error_unsupported(&l, "fieldValidation", v, validations);
    }
    r->dry_run = str_set(dry);
    if (str_set(manager))
        r->manager = manager;
    return option_errors(r, kind, &l);
}

static const char *manager_of_agent(struct req *r)
{
    const char *agent = http_header_get(&r->x->headers, "User-Agent");
    struct str head, rest;

    str_cut(str_of(str_set(agent) ? agent : "unknown"), '/', &head, &rest);
    return arena_strndup(r->a, head.p, head.n < 128 ? head.n : 128);
}

/* ---- dispatch ---- */

static errc not_found_text(struct req *r)
{
    http_reply(r->x, 404, "text/plain; charset=utf-8", STR("404 page not found\n"));
    r->replied = true;
    return ERR_OK;
}

typedef errc verb_fn(struct req *r);

static errc dispatch_verb(struct req *r)
{
    static verb_fn *const table[VERB_COUNT_] = {
        [VERB_CREATE] = serve_create, [VERB_DELETE] = serve_delete, [VERB_DELETECOLLECTION] = serve_deletecollection,
        [VERB_GET] = serve_get, [VERB_LIST] = serve_list, [VERB_PATCH] = serve_patch, [VERB_UPDATE] = serve_update,
        [VERB_WATCH] = serve_watch,
    };
    if (r->verb == VERB_CREATE && !r->collection)
        return fail_no_method(r);
    if ((r->verb == VERB_UPDATE || r->verb == VERB_PATCH) && r->collection)
        return fail_no_method(r);
    if (r->res->namespaced && !str_set(r->ns) && r->verb != VERB_LIST && r->verb != VERB_WATCH)
        return fail_no_method(r);
    if (!(r->res->verbs & (1u << r->verb)))
        return fail_no_method(r);
    return table[r->verb](r);
}

/* Only definitions made it: then nothing but what they serve is known. */
static bool group_is_custom(const struct registry *g, const char *group)
{
    for (size_t i = 0; i < g->n; i++)
        if (streq(g->rows[i].group, group) && !g->rows[i].custom)
            return false;
    return true;
}

static errc dispatch_resource(struct req *r)
{
    if (!registry_has_group(r->registry, r->group, NULL))
        return not_found_text(r);
    r->res = registry_find(r->registry, r->group, r->version, r->plural);
    if (!r->res && group_is_custom(r->registry, r->group))
        return not_found_text(r);
    if (!r->res || (!r->res->namespaced && str_set(r->ns)) || (r->res->namespaced && !str_set(r->ns) && !r->collection))
        return fail_no_resource(r);
    if (str_set(r->sub))
        return resource_sub(r->res, r->sub) ? serve_subresource(r) : fail_no_resource(r);
    TRY(accept_request(r));
    return dispatch_verb(r);
}

static errc health(struct req *r, const char *const *seg, size_t n)
{
    bool verbose = req_query(r, "verbose") != NULL;

    if (n > 1 && !streq(seg[1], "ping") && !streq(seg[1], "etcd"))
        return not_found_text(r);
    if (!streq(r->x->method, "GET") && !streq(r->x->method, "HEAD"))
        return fail_no_method(r);
    r->replied = true;
    http_reply_header(r->x, "X-Content-Type-Options", "nosniff");
    if (streq(seg[0], "readyz") && n == 1 && !__atomic_load_n(&r->s->ready, __ATOMIC_ACQUIRE))
        http_replyf(r->x, 500, "[+]ping ok\n[+]etcd ok\n[-]start failed: not all parts run yet\nreadyz check failed\n");
    else if (verbose && n == 1)
        http_replyf(r->x, 200, "[+]ping ok\n[+]etcd ok\n%s check passed\n", seg[0]);
    else
        http_reply(r->x, 200, "text/plain; charset=utf-8", STR("ok"));
    return ERR_OK;
}

static errc version(struct req *r)
{
    AUTO_JSON v = json_object();

    if (!streq(r->x->method, "GET"))
        return fail_no_method(r);
    json_put_str(v, "major", "1");
    json_put_str(v, "minor", "32");
    json_put_str(v, "gitVersion", "v1.32.3");
    json_put_str(v, "gitCommit", "kaito-" KAITO_VERSION);
    json_put_str(v, "gitTreeState", "clean");
    json_put_str(v, "buildDate", "1970-01-01T00:00:00Z");
    json_put_str(v, "goVersion", "none");
    json_put_str(v, "compiler", "gcc");
    json_put_str(v, "platform", "linux/amd64");
    reply_json(r, 200, v);
    return ERR_OK;
}

/*
 * Where a kubectl before 1.27 asks once /openapi/v2 was not found. It prints the plain text of a 406, and only of that: the one
 * chance to say what to do, instead of "the server could not find the requested resource".
 */
static errc no_openapi_v2(struct req *r)
{
    http_reply(r->x, 406, "text/plain; charset=utf-8",
               STR("this server describes its kinds as OpenAPI v3 only, which kubectl before 1.27 cannot read: "
                   "add --validate=false to apply and create, or take a newer kubectl"));
    r->replied = true;
    return ERR_OK;
}

static errc dispatch(struct req *r, const char *const *seg, size_t n)
{
    static const char *const public_paths[] = { "healthz", "livez", "readyz" };
    bool handled = false;

    if (r->is_resource)
        return dispatch_resource(r);
    for (size_t i = 0; n > 0 && i < ARRAY_LEN(public_paths); i++)
        if (streq(seg[0], public_paths[i]))
            return health(r, seg, n);
    if (n == 1 && streq(seg[0], "version"))
        return version(r);
    if (n >= 2 && streq(seg[0], "openapi") && streq(seg[1], "v3"))
        return serve_openapi(r, seg + 2, n - 2);
    if (n == 1 && streq(seg[0], "swagger-2.0.0.pb-v1"))
        return no_openapi_v2(r);
    TRY(serve_discovery(r, seg, n, &handled));
    return handled || r->replied ? ERR_OK : not_found_text(r);
}

static errc check_access(struct req *r, const char *const *seg, size_t n)
{
    static const char *const methods[] = { "get", "post", "put", "patch", "delete", "head", "options" };
    struct access a = { 0 };

    (void)seg;
    (void)n;
    if (r->is_resource) {
        r->verb = verb_of(r);
        a = (struct access){ verb_name(r->verb), r->group, r->plural, r->sub, r->ns, r->name, NULL };
        return authorize(r, &a);
    }
    a.path = r->x->path;
    a.verb = "get";
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_ieq(str_of(methods[i]), str_of(r->x->method)))
            a.verb = methods[i];
    return authorize(r, &a);
}

static errc handle(struct req *r)
{
    const char *seg[SEGMENTS_MAX];
    size_t n = split_path(r, r->x->path, seg);

    if (n > 0)
        parse_resource(r, seg, n);
    TRY(auth_request(r));
    TRY(check_access(r, seg, n));
    if (r->x->body.n > BODY_MAX)
        return fail(r, ERR_TOO_LARGE, 413, "RequestEntityTooLarge", NULL, "Request entity too large: limit is %d", BODY_MAX);
    return dispatch(r, seg, n);
}

void front_handle(void *self, struct http_exchange *x)
{
    struct apiserver *s = self;
    struct req r = { .s = s, .x = x, .a = x->arena, .group = "", .version = "", .plural = "", .ns = "", .name = "", .sub = "",
                     .collection = true };

    r.registry = registry_now(s);
    r.now_ms = clock_wall_ms();
    time_rfc3339(r.now_ms, r.now);
    r.manager = manager_of_agent(&r);
    bool shared = (streq(x->path, "/api") || streq(x->path, "/apis")) && aggregated_form(x);
    http_reply_header(x, "Cache-Control", shared ? "public" : "no-cache, private");
    errc rc = handle(&r);
    if (rc)
        reply_failure(&r, rc);
    registry_free(r.registry);
}
