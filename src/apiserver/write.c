/*
 * create, update and the four patches.
 */
#include "apiserver/patch.h"
#include "apiserver/priv.h"
#include "apiserver/ssa.h"
#include "api/k8s/k8s.h"

static bool is_definition(const struct resource *res)
{
    return streq(res->plural, "customresourcedefinitions") && streq(res->group, "apiextensions.k8s.io");
}

/* A definition is served as soon as its write is answered. */
static void after_write(struct req *r, const json_t *obj)
{
    if (is_definition(r->res) && !r->dry_run)
        finish_definition(r, json_str_at(obj, "metadata", "name", NULL));
}

errc serve_create(struct req *r)
{
    json_t *obj = NULL;

    TRY(options_write(r, "CreateOptions"));
    if (r->res->strategy->flags & STRAT_EPHEMERAL) {
        json_t *answer = NULL;
        TRY(body_decode(r, r->res->type, r->res->kind, r->res->gv, &obj));
        if (json_object_get(obj, "spec"))
            TRY(object_manage(r, r->res->type, r->res->gv, obj, ""));
        TRY(r->res->strategy->review(r, obj, &answer));
        json_arena_own(r->a, answer);
        reply_json(r, 201, answer);
        return ERR_OK;
    }
    TRY(body_decode(r, r->res->type, r->res->kind, r->res->gv, &obj));
    TRY(object_create(r, r->res, obj, false));
    AUTO_JSON shown = json_deep_copy(obj);
    after_write(r, obj);
    reply_object(r, 201, shown);
    return ERR_OK;
}

/* ---- update ---- */

static errc make_given(struct req *r, void *self, const json_t *cur, json_t **out)
{
    (void)cur;
    *out = json_deep_copy(self);        /* a second try begins with the client's object again */
    json_arena_own(r->a, *out);
    return ERR_OK;
}

static errc check_url(struct req *r, const json_t *obj)
{
    const char *name = json_str_at(obj, "metadata", "name", NULL), *ns = json_str_at(obj, "metadata", "namespace", NULL);

    if (!str_set(name))
        return ERR_OK;
    if (!streq(name, r->name))
        return fail_bad_request(r, "the name of the object (%s) does not match the name on the URL (%s)", name, r->name);
    if (str_set(ns) && !streq(ns, r->ns))
        return fail_bad_request(r, "the namespace of the provided object does not match the namespace sent on the request");
    return ERR_OK;
}

errc serve_update(struct req *r)
{
    json_t *given = NULL, *obj = NULL;
    bool created = false;

    TRY(options_write(r, "UpdateOptions"));
    TRY(body_decode(r, r->res->type, r->res->kind, r->res->gv, &given));
    TRY(check_url(r, given));
    json_put_str(json_sub(given, "metadata"), "name", r->name);
    if (r->res->namespaced)
        json_put_str(json_sub(given, "metadata"), "namespace", r->ns);
    struct change c = { .make = make_given, .self = given, .sub = r->sub, .needs_version = true, .managed = streq(r->sub, "finalize"),
                        .upsert = !str_set(r->sub) && (r->res->strategy->flags & STRAT_UPSERT) };
    TRY(object_change(r, r->res, r->ns, r->name, &c, &obj, &created));
    AUTO_JSON shown = json_deep_copy(obj);
    after_write(r, obj);
    reply_object(r, created ? 201 : 200, shown);
    return ERR_OK;
}

/* ---- patch ---- */

enum patch_kind { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY };

struct patching { enum patch_kind kind; json_t *body; bool force; };

static errc rejected(struct req *r)
{
    json_t *d = json_object();

    return fail(r, ERR_INVALID, 422, "Invalid", d, "the server rejected our request due to an error in our request");
}

/* The patched tree becomes an object of the kind again: types, unknown fields, the name that may not change. */
static errc settle(struct req *r, json_t *obj, const json_t *cur)
{
    struct path_list unknown = { 0 };
    const struct type *t = r->res->type;
    const char *name = json_str_at(obj, "metadata", "name", NULL), *uid = json_str_at(obj, "metadata", "uid", NULL);

    if (t)
        schema_prune(t, obj, &unknown);
    if (t && schema_coerce(t, obj, &r->e)) {
        AUTO_FIELD_ERRORS l = { 0 };
        field_error_add(&l, FIELD_INVALID_VALUE, "patch", "\"\"", "%s", r->e.text);
        path_list_done(&unknown);
        return fail_invalid(r, "", "", "", &l);
    }
    errc rc = unknown_fields(r, r->res->kind, r->res->gv, &unknown, NULL, true);
    path_list_done(&unknown);
    if (rc)
        return rc;
    if (cur && str_set(name) && !streq(name, r->name))
        return fail_bad_request(r, "the name of the object (%s) does not match the name on the URL (%s)", name, r->name);
    if (cur && str_set(uid) && !streq(uid, json_str_at(cur, "metadata", "uid", NULL))) {
        AUTO_FIELD_ERRORS l = { 0 };
        field_error_add_json(&l, FIELD_INVALID_VALUE, "metadata.uid", json_at(obj, "metadata", "uid", NULL), "field is immutable");
        return fail_invalid(r, r->res->group, r->res->kind, r->name, &l);
    }
    return ERR_OK;
}

errc fail_apply_conflict(struct req *r, const struct ssa_conflicts *conflicts)
{
    AUTO_BUF text = { 0 };
    json_t *d = json_object();

    ssa_conflicts_text(conflicts, &text);
    json_put(d, "causes", ssa_conflicts_causes(conflicts));
    return fail(r, ERR_CONFLICT, 409, "Conflict", d, "%s", buf_cstr(&text));
}

static errc make_applied(struct req *r, struct patching *p, const json_t *cur, json_t **out)
{
    struct ssa_conflicts conflicts = { 0 };
    struct ssa_opts o = { .manager = r->manager, .api_version = r->res->gv, .subresource = r->sub, .time = r->now, .force = p->force };

    if (!r->res->type)
        return fail(r, ERR_UNSUPPORTED, 415, "UnsupportedMediaType", NULL, "%s has no schema to apply to", r->res->qualified);
    const char *uid = json_str_at(p->body, "metadata", "uid", NULL);
    if (!cur && str_set(uid))
        return fail_conflict(r, r->res, r->name, "uid mismatch: the provided object specified uid %s, and no existing object was found", uid);
    errc rc = ssa_apply(r->res->type, cur, p->body, &o, &conflicts, out, &r->e);
    if (rc == ERR_CONFLICT)
        rc = fail_apply_conflict(r, &conflicts);
    else if (rc == ERR_BAD_REQUEST)
        rc = fail_bad_request(r, "%s", arena_strdup(r->a, r->e.text));
    else if (rc)
        rc = fail_internal(r, "%s", arena_strdup(r->a, r->e.text));
    ssa_conflicts_done(&conflicts);
    if (!rc && !cur) {
        json_put_str(json_sub(*out, "metadata"), "name", r->name);
        if (r->res->namespaced)
            json_put_str(json_sub(*out, "metadata"), "namespace", r->ns);
    }
    return rc;
}

static errc make_patched(struct req *r, void *self, const json_t *cur, json_t **out)
{
    struct patching *p = self;
    errc rc;

    if (p->kind == PATCH_APPLY)
        rc = make_applied(r, p, cur, out);
    else if (p->kind == PATCH_JSON)
        rc = patch_json(cur, p->body, out, &r->e);
    else if (p->kind == PATCH_MERGE || !r->res->type)
        rc = patch_merge(cur, p->body, out, &r->e);
    else
        rc = patch_strategic(r->res->type, cur, p->body, out, &r->e);
    if (rc && r->failure)
        return rc;
    if (rc == ERR_INVALID && p->kind == PATCH_STRATEGIC) {
        AUTO_FIELD_ERRORS l = { 0 };
        field_error_add(&l, FIELD_INVALID_VALUE, "patch", "\"\"", "%s", r->e.text);
        return fail_invalid(r, "", "", "", &l);
    }
    if (rc == ERR_INVALID)
        return rejected(r);
    if (rc == ERR_INTERNAL)
        return fail_internal(r, "%s", arena_strdup(r->a, r->e.text));
    if (rc == ERR_BAD_REQUEST)
        return fail_bad_request(r, "%s", arena_strdup(r->a, r->e.text));
    if (rc)
        return rc;
    json_arena_own(r->a, *out);
    return settle(r, *out, cur);
}

static errc unsupported_patch(struct req *r, bool known)
{
    if (!known)
        return fail(r, ERR_UNSUPPORTED, 415, "UnsupportedMediaType", json_object(), "415: Unsupported Media Type");
    return fail(r, ERR_UNSUPPORTED, 415, "UnsupportedMediaType", NULL,
                "the body of the request was in an unknown format - accepted media types include: %s",
                r->res->custom ? "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
                               : "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
                                 "application/apply-patch+yaml");
}

static errc patch_kind_of(struct req *r, enum patch_kind *out)
{
    static const char *const names[] = {
        [PATCH_JSON] = "application/json-patch+json", [PATCH_MERGE] = "application/merge-patch+json",
        [PATCH_STRATEGIC] = "application/strategic-merge-patch+json", [PATCH_APPLY] = "application/apply-patch+yaml",
    };
    const char *header = http_header_get(&r->x->headers, "Content-Type");
    struct str type, rest;

    str_cut(str_of(header ? header : ""), ';', &type, &rest);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!str_is(str_trim(type), names[i]))
            continue;
        if (i == PATCH_STRATEGIC && r->res->custom)
            return unsupported_patch(r, true);
        *out = (enum patch_kind)i;
        return ERR_OK;
    }
    return unsupported_patch(r, false);
}

static errc patch_body(struct req *r, struct patching *p)
{
    struct str body = r->x->body;
    errc rc = p->kind == PATCH_APPLY ? yaml_parse(body, &p->body, &r->e) : json_parse(body, &p->body, &r->e);

    if (rc && p->kind == PATCH_APPLY)
        return fail_bad_request(r, "error decoding YAML: %s", arena_strdup(r->a, r->e.text));
    if (rc)
        return fail_bad_request(r, "error decoding patch: %s", go_json_error(r, body));
    json_arena_own(r->a, p->body);
    return ERR_OK;
}

/* An apply body is an object of the kind: it must say so and be well typed before anything is merged. */
static errc check_applied(struct req *r, struct patching *p)
{
    AUTO_FIELD_ERRORS l = { 0 };

    if (!req_query(r, "fieldManager"))
        field_error_add(&l, FIELD_REQUIRED_VALUE, "fieldManager", NULL, "is required for apply patch");
    if (l.n)
        return fail_invalid(r, "meta.k8s.io", "PatchOptions", "", &l);
    const char *v = json_cstr(p->body, "apiVersion"), *k = json_cstr(p->body, "kind"), *slash = v ? strrchr(v, '/') : NULL;
    if (streq(v, r->res->gv) && streq(k, r->res->kind))
        return ERR_OK;
    return fail_bad_request(r, "invalid object type: %.*s/%s, Kind=%s", slash ? (int)(slash - v) : 0, v ? v : "", slash ? slash + 1 : v ? v : "",
                            k ? k : "");
}

static errc check_patch_options(struct req *r, const struct patching *p)
{
    AUTO_FIELD_ERRORS l = { 0 };

    TRY(options_write(r, "PatchOptions"));
    if (req_query(r, "force") && p->kind != PATCH_APPLY) {
        field_error_add(&l, FIELD_FORBIDDEN_VALUE, "force", NULL, "may not be specified for non-apply patch");
        return fail_invalid(r, "meta.k8s.io", "PatchOptions", "", &l);
    }
    return ERR_OK;
}

errc serve_patch(struct req *r)
{
    struct patching p = { 0 };
    json_t *obj = NULL;
    bool created = false;

    TRY(patch_kind_of(r, &p.kind));
    TRY(check_patch_options(r, &p));
    TRY(patch_body(r, &p));
    p.force = req_flag(r, "force");
    if (p.kind == PATCH_APPLY) {
        TRY(check_applied(r, &p));
    }
    struct change c = { .make = make_patched, .self = &p, .sub = r->sub, .upsert = p.kind == PATCH_APPLY && !str_set(r->sub),
                        .managed = p.kind == PATCH_APPLY };
    TRY(object_change(r, r->res, r->ns, r->name, &c, &obj, &created));
    AUTO_JSON shown = json_deep_copy(obj);
    after_write(r, obj);
    reply_object(r, created ? 201 : 200, shown);
    return ERR_OK;
}
