/*
 * get and list: text pasted from the store where nothing has to be looked at, parsed only for selectors, tables and metadata.
 */
#include "apiserver/list.h"
#include "base/hash.h"
#include "base/mem.h"

#define FUTURE_WAIT_MS 3000

/* A version that is not there yet: wait a little, then a 504 that asks to retry. */
static errc wait_version(struct req *r, int64_t rv)
{
    if (rv <= 0 || !store_wait_rv(r->s->store, rv, FUTURE_WAIT_MS, &r->e))
        return ERR_OK;
    json_t *d = json_object(), *causes = json_array(), *cause = json_object();
    json_put_str(cause, "reason", "ResourceVersionTooLarge");
    json_put_str(cause, "message", "Too large resource version");
    json_push(causes, cause);
    json_put(d, "causes", causes);
    json_put_int(d, "retryAfterSeconds", 1);
    return fail(r, ERR_TIMEOUT, 504, "Timeout", d, "%s", arena_strdup(r->a, r->e.text));
}

static errc version_param(struct req *r, int64_t *out)
{
    const char *text = req_query(r, "resourceVersion");
    uint64_t v = 0;

    *out = 0;
    if (!str_set(text))
        return ERR_OK;
    if (!str_to_u64(str_of(text), &v))
        return fail_internal(r, "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax", text, text);
    *out = v > INT64_MAX ? INT64_MAX : (int64_t)v;
    return ERR_OK;
}

errc serve_get(struct req *r)
{
    char *text = NULL;
    int64_t rv = 0;
    struct store_key k = { r->res->key, r->ns, r->name };

    if (r->form == FORM_PARTIAL_LIST)
        return fail(r, ERR_NOT_ACCEPTABLE, 406, "NotAcceptable", NULL,
                    "you requested PartialObjectMetadataList, but the requested object is not a list (*core.%s)", r->res->kind);
    TRY(version_param(r, &rv));
    TRY(wait_version(r, rv));
    errc rc = store_get(r->s->store, &k, &text, NULL, &r->e);
    if (rc == ERR_NOT_FOUND)
        return fail_not_found(r, r->res, r->name);
    if (rc)
        return rc;
    struct str stored = arena_str(r->a, str_of(text));
    free(text);
    if (r->res->custom && r->res->type)         /* defaults and pruning of this version apply when it is read */
        reply_object(r, 200, object_parse(r, r->res, stored));
    else
        reply_stored(r, 200, stored);
    return ERR_OK;
}

/* ---- list ---- */

static void note_name(struct lister *l, const struct store_row *row)
{
    struct arena *a = l->r->a;

    vec_grow(l->met, l->n_met, l->cap_met);
    l->met[l->n_met++] = (struct store_row){ .ns = arena_strdup(a, row->ns), .name = arena_strdup(a, row->name), .rv = row->rv };
}

/* The object as an item of the list's text. What is stored of a custom one has no head; obj is it, where its version is not the stored one. */
static void write_item(struct lister *l, const struct store_row *row, const json_t *obj)
{
    const struct resource *res = l->r->res;

    if (l->items.n)
        buf_addc(&l->items, ',');
    if (!res->custom)
        buf_addstr(&l->items, row->text);
    else if (obj)
        json_write(obj, &l->items);
    else
        buf_addf(&l->items, "{\"apiVersion\":\"%s\",\"kind\":\"%s\",%.*s", res->gv, res->kind, (int)row->text.n - 1, row->text.p + 1);
}

static bool add_row(void *arg, const struct store_row *row)
{
    struct lister *l = arg;
    struct req *r = l->r;
    bool parse = l->labels || l->fields || r->form != FORM_OBJECT || (r->res->custom && r->res->type);
    json_t *obj = parse ? object_parse(r, r->res, row->text) : NULL;

    if (parse && (!obj || !selector_matches(l->labels, l->fields, r->res, obj)))
        return true;
    if (l->limit > 0 && l->kept == l->limit) {
        l->more = true;
        return false;
    }
    l->kept++;
    if (l->want_names)
        note_name(l, row);
    if (l->limit > 0 && l->kept == l->limit) {
        l->last_ns = arena_strdup(r->a, row->ns);
        l->last_name = arena_strdup(r->a, row->name);
    }
    if (r->form == FORM_OBJECT) {
        write_item(l, row, obj);
    } else {
        vec_grow(l->objs, l->n_objs, l->cap_objs);
        l->objs[l->n_objs++] = obj;
    }
    return true;
}

/* continue: base64url of {"v":"meta.k8s.io/v1","rv":N,"start":"ns/name\u0000"}, as upstream's. */
static const char *continue_text(struct req *r, const struct lister *l, int64_t rv)
{
    AUTO_BUF json = { 0 }, out = { 0 };

    buf_addf(&json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%lld,\"start\":\"%s%s%s\\u0000\"}", (long long)rv,
             str_set(r->ns) ? "" : l->last_ns, str_set(r->ns) || !str_set(l->last_ns) ? "" : "/", l->last_name);
    base64url_add(&out, json.p, json.n);
    return arena_strdup(r->a, buf_cstr(&out));
}

static errc continue_parse(struct req *r, const char *text, struct store_list *q)
{
    AUTO_BUF raw = { 0 };
    AUTO_JSON j = NULL;

    if (!base64_decode(str_of(text), &raw))
        return fail_bad_request(r, "invalid continue token: continue key is not valid: illegal base64 data at input byte 0");
    /* the start key ends in a NUL, which a C string cannot hold */
    char *nul = strstr((char *)(uintptr_t)buf_cstr(&raw), "\\u0000");
    if (nul)
        memmove(nul, nul + 6, strlen(nul + 6) + 1);
    if (json_parse(str_of(buf_cstr(&raw)), &j, &r->e)) {
        unsigned c = raw.n ? (unsigned char)raw.p[0] : 0;
        return fail_bad_request(r, "invalid continue token: continue key is not valid: invalid character '%s' looking for beginning of value",
                                c < 0x80 ? arena_printf(r->a, "%c", (int)c) : arena_printf(r->a, "\\u%04x", c));
    }
    const char *start = json_cstr(j, "start");
    q->at_rv = json_int(j, "rv", 0);
    if (!start)
        return fail_bad_request(r, "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)");
    struct str ns, name;
    if (str_cut(str_of(start), '/', &ns, &name)) {
        q->after_ns = arena_strndup(r->a, ns.p, ns.n);
        q->after_name = arena_strndup(r->a, name.p, name.n);
    } else {
        q->after_ns = q->ns ? q->ns : "";
        q->after_name = arena_strdup(r->a, start);
    }
    return ERR_OK;
}

static errc list_options_check(struct req *r)
{
    static const char *const matches[] = { "Exact", "NotOlderThan", "", NULL };
    AUTO_FIELD_ERRORS l = { 0 };
    const char *match = req_query(r, "resourceVersionMatch"), *rv = req_query(r, "resourceVersion");

    if (str_set(match)) {
        if (str_set(req_query(r, "continue")))
            field_error_add(&l, FIELD_FORBIDDEN_VALUE, "resourceVersionMatch", NULL, "resourceVersionMatch is forbidden with a continue token");
        else if (!str_set(rv))
            field_error_add(&l, FIELD_FORBIDDEN_VALUE, "resourceVersionMatch", NULL,
                            "resourceVersionMatch is forbidden unless resourceVersion is provided");
        else if (!streq(match, "Exact") && !streq(match, "NotOlderThan")) {
            AUTO_JSON v = json_string(match);
            field_error_unsupported(&l, "resourceVersionMatch", v, matches);
        } else if (streq(match, "Exact") && streq(rv, "0"))
            field_error_add(&l, FIELD_FORBIDDEN_VALUE, "resourceVersionMatch", NULL,
                            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
    if (req_query(r, "sendInitialEvents"))
        field_error_add(&l, FIELD_FORBIDDEN_VALUE, "sendInitialEvents", NULL, "sendInitialEvents is forbidden for list");
    return l.n ? fail_invalid(r, "meta.k8s.io", "ListOptions", "", &l) : ERR_OK;
}

static errc list_options(struct req *r, struct lister *l, struct store_list *q)
{
    const char *limit = req_query(r, "limit"), *cont = req_query(r, "continue"), *match = req_query(r, "resourceVersionMatch");
    int64_t rv = 0;

    if (str_set(limit) && !str_to_i64(str_of(limit), &l->limit))
        return fail_bad_request(r, "strconv.ParseInt: parsing \"%s\": invalid syntax", limit);
    TRY(list_options_check(r));
    struct selector *labels, *fields;
    TRY(selector_labels(r, req_query(r, "labelSelector"), &labels));
    TRY(selector_fields(r, r->res, req_query(r, "fieldSelector"), &fields));
    l->labels = labels;
    l->fields = fields;
    *q = (struct store_list){ .resource = r->res->key, .ns = str_set(r->ns) ? r->ns : NULL, .name = selector_exact(fields, "metadata.name") };
    const char *ns = selector_exact(fields, "metadata.namespace");
    if (str_set(ns) && !q->ns && r->res->namespaced)
        q->ns = ns;
    TRY(version_param(r, &rv));
    if (str_set(cont)) {
        if (str_set(req_query(r, "resourceVersion")) && rv != 0)
            return fail_bad_request(r, "specifying resource version is not allowed when using continue");
        TRY(continue_parse(r, cont, q));
    }
    if (streq(req_query(r, "resourceVersion"), "0") && !str_set(cont))
        l->limit = 0;
    TRY(wait_version(r, rv));
    if (rv && (streq(match, "Exact") || (!str_set(match) && l->limit > 0)))
        q->at_rv = rv;
    return ERR_OK;
}

static errc gone(struct req *r)
{
    return fail(r, ERR_GONE, 410, "Expired", json_object(), "The provided continue parameter is too old to display a consistent list result. "
                "You can start a new list without the continue parameter.");
}

static void list_meta(struct req *r, const struct lister *l, const struct store_list *q, int64_t rv, json_t *meta)
{
    int64_t total = 0;

    json_put(meta, "resourceVersion", json_strf("%lld", (long long)rv));
    if (r->res->custom && r->form == FORM_OBJECT)
        json_put_str(meta, "continue", "");         /* written without omitempty there */
    if (!l->more)
        return;
    json_put_str(meta, "continue", continue_text(r, l, rv));
    if (l->labels || l->fields)
        return;
    struct store_list behind = *q;
    behind.after_ns = l->last_ns;
    behind.after_name = l->last_name;
    if (!store_count(r->s->store, &behind, &total, &r->e) && total > 0)
        json_put_int(meta, "remainingItemCount", total);
}

static const char *list_kind(const struct req *r)
{
    if (r->res->custom)
        return r->res->custom->list_kind;
    return arena_printf(r->a, "%sList", r->res->kind);
}

static void reply_shaped_list(struct req *r, struct lister *l, json_t *meta)
{
    AUTO_JSON body = NULL;

    if (r->form == FORM_TABLE) {
        body = table_of(r, r->res, l->objs, l->n_objs, true);
    } else {
        json_t *items = json_array();
        for (size_t i = 0; i < l->n_objs; i++)
            json_push(items, partial_of(r, l->objs[i]));
        body = json_object();
        json_put_str(body, "kind", "PartialObjectMetadataList");
        json_put(body, "apiVersion", json_strf("meta.k8s.io/%s", r->form_version));
        json_put(body, "items", items);
    }
    json_put(body, "metadata", json_incref(meta));
    reply_json(r, 200, body);
}

void list_reply(struct req *r, struct lister *l, const struct store_list *q, int64_t rv)
{
    AUTO_JSON meta = json_object();
    AUTO_BUF text = { 0 };

    list_meta(r, l, q, rv, meta);
    if (r->form != FORM_OBJECT) {
        reply_shaped_list(r, l, meta);
        return;
    }
    buf_addf(&text, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":", list_kind(r), r->res->gv);
    json_write(meta, &text);
    buf_adds(&text, ",\"items\":[");
    buf_addstr(&text, buf_str(&l->items));
    buf_adds(&text, "]}\n");
    if (r->yaml) {
        AUTO_JSON body = NULL;
        if (!json_parse(buf_str(&text), &body, &r->e))
            reply_json(r, 200, body);
        return;
    }
    http_reply_take(r->x, 200, "application/json", &text);
    r->replied = true;
}

static errc check_table_options(struct req *r)
{
    const char *include = req_query(r, "includeObject");

    if (r->form != FORM_TABLE)
        return ERR_OK;
    if (str_set(include) && !streq(include, "None") && !streq(include, "Metadata") && !streq(include, "Object"))
        return fail_bad_request(r, "Unable to convert to Table as requested: includeObject: Invalid value: \"%s\": must be 'Metadata', 'Object', "
                                "'None', or empty", include);
    r->include_object = str_set(include) ? include : "Metadata";
    return ERR_OK;
}

void list_done(struct lister *l)
{
    buf_done(&l->items);
    free(l->objs);
    free(l->met);
}

errc list_collect(struct req *r, struct lister *l, struct store_list *q, int64_t *out_rv)
{
    l->r = r;
    TRY(check_table_options(r));
    TRY(list_options(r, l, q));
    errc rc = store_list(r->s->store, q, add_row, l, out_rv, &r->e);
    return rc == ERR_GONE ? gone(r) : rc;
}

errc serve_list(struct req *r)
{
    struct lister l = { 0 };
    struct store_list q;
    int64_t rv = 0;

    if (r->form == FORM_PARTIAL)
        return fail(r, ERR_NOT_ACCEPTABLE, 406, "NotAcceptable", NULL,
                    "you requested PartialObjectMetadata, but the requested object is a list (*core.%sList)", r->res->kind);
    errc rc = list_collect(r, &l, &q, &rv);
    if (!rc)
        list_reply(r, &l, &q, rv);
    list_done(&l);
    return rc;
}
