/*
 * delete and deletecollection: preconditions, grace periods, what happens to dependents, finalizers.
 */
#include "apiserver/admission.h"
#include "apiserver/list.h"

#define FINALIZER_ORPHAN "orphan"
#define FINALIZER_FOREGROUND "foregroundDeletion"
#define RETRIES 100

struct delete_opts {
    const char *uid, *rv, *policy;
    bool has_orphan, orphan, has_grace;
    bool asked;                 /* by a client: webhooks have a say */
    int64_t grace;
};

static errc options_body(struct req *r, struct delete_opts *o)
{
    json_t *body = NULL;
    const char *type = http_header_get(&r->x->headers, "Content-Type");
    bool yaml = type && str_has_prefix(str_of(type), STR("application/yaml"));

    if (!str_trim(r->x->body).n)
        return ERR_OK;
    if (type && str_has_prefix(str_of(type), STR("application/vnd.kubernetes.protobuf")))
        return ERR_OK;          /* kubectl sends JSON here; the defaults are right for an empty protobuf */
    if (yaml ? yaml_parse(r->x->body, &body, &r->e) : json_parse(r->x->body, &body, &r->e))
        return fail_bad_request(r, "couldn't get version/kind; json parse error: %s", arena_strdup(r->a, r->e.text));
    json_arena_own(r->a, body);
    const json_t *orphan = json_object_get(body, "orphanDependents"), *grace = json_object_get(body, "gracePeriodSeconds");
    o->policy = json_cstr(body, "propagationPolicy");
    o->uid = json_str_at(body, "preconditions", "uid", NULL);
    o->rv = json_str_at(body, "preconditions", "resourceVersion", NULL);
    o->has_orphan = json_is_boolean(orphan);
    o->orphan = json_is_true(orphan);
    o->has_grace = json_is_integer(grace);
    o->grace = json_integer_value(grace);
    const json_t *dry = json_object_get(body, "dryRun");
    r->dry_run = r->dry_run || json_array_size(dry) > 0;
    return ERR_OK;
}

static errc options_read(struct req *r, struct delete_opts *o)
{
    static const char *const policies[] = { "Foreground", "Background", "Orphan", "nil", NULL };
    const char *grace = req_query(r, "gracePeriodSeconds"), *policy = req_query(r, "propagationPolicy"), *orphan = req_query(r, "orphanDependents");
    AUTO_FIELD_ERRORS l = { 0 };
    bool known = false;

    TRY(options_write(r, "DeleteOptions"));
    TRY(options_body(r, o));
    if (str_set(policy))
        o->policy = policy;
    if (str_set(grace))
        o->has_grace = str_to_i64(str_of(grace), &o->grace);
    if (str_set(orphan)) {
        o->has_orphan = true;
        o->orphan = streq(orphan, "true") || streq(orphan, "1");
    }
    AUTO_JSON given = o->policy ? json_string(o->policy) : NULL;
    for (size_t i = 0; i < 3; i++)
        known = known || streq(policies[i], o->policy);
    if (str_set(o->policy) && o->has_orphan)
        field_error_add_json(&l, FIELD_INVALID_VALUE, "propagationPolicy", given, "orphanDependents and deletionPropagation cannot be both set");
    else if (str_set(o->policy) && !known)
        field_error_unsupported(&l, "propagationPolicy", given, policies);
    return l.n ? fail_invalid(r, "meta.k8s.io", "DeleteOptions", "", &l) : ERR_OK;
}

static errc check_preconditions(struct req *r, const struct resource *res, const char *name, const struct found *cur, const struct delete_opts *o)
{
    const char *uid = json_str_at(cur->obj, "metadata", "uid", NULL);
    AUTO_BUF why = { 0 };
    int64_t rv = 0;

    if (str_set(o->uid) && !streq(o->uid, uid))
        buf_addf(&why, "the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then "
                 "recreated", o->uid, uid);
    else if (str_set(o->rv) && (!str_to_i64(str_of(o->rv), &rv) || rv != cur->rv))
        buf_addf(&why, "the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%lld). The object might have "
                 "been modified", o->rv, (long long)cur->rv);
    if (!why.n)
        return ERR_OK;
    json_t *d = json_object();
    json_put_str(d, "name", name);
    if (str_set(res->group))
        json_put_str(d, "group", res->group);
    json_put_str(d, "kind", res->kind);
    return fail(r, ERR_CONFLICT, 409, "Conflict", d, "Operation cannot be fulfilled on %s%s%s \"%s\": %s", res->kind,
                str_set(res->group) ? "." : "", res->group, name, buf_cstr(&why));
}

/* ---- finalizers ---- */

static bool has_finalizer(const json_t *meta, const char *name)
{
    size_t i;
    json_t *f;

    json_array_foreach(json_object_get(meta, "finalizers"), i, f)
        if (streq(json_string_value(f), name))
            return true;
    return false;
}

static void set_finalizer(json_t *meta, const char *name, bool wanted)
{
    size_t i;
    json_t *f, *list = json_object_get(meta, "finalizers");

    if (has_finalizer(meta, name) == wanted)
        return;
    json_t *fresh = json_array();
    json_array_foreach(list, i, f)
        if (!streq(json_string_value(f), name))
            json_push(fresh, json_incref(f));
    if (wanted)
        json_push(fresh, json_string(name));
    if (json_array_size(fresh))
        json_put(meta, "finalizers", fresh);
    else {
        json_decref(fresh);
        (void)json_object_del(meta, "finalizers");
    }
}

static void plan_dependents(const struct resource *res, json_t *meta, const struct delete_opts *o)
{
    bool orphan = has_finalizer(meta, FINALIZER_ORPHAN), foreground = has_finalizer(meta, FINALIZER_FOREGROUND);

    if (str_set(o->policy)) {
        orphan = streq(o->policy, "Orphan");
        foreground = streq(o->policy, "Foreground");
    } else if (o->has_orphan) {
        orphan = o->orphan;
        foreground = false;
    } else if (!orphan && !foreground) {
        orphan = (res->strategy->flags & STRAT_ORPHANS) != 0;
    }
    set_finalizer(meta, FINALIZER_ORPHAN, orphan);
    set_finalizer(meta, FINALIZER_FOREGROUND, foreground);
}

/* ---- grace ---- */

static int64_t pod_grace(const json_t *obj, const struct delete_opts *o)
{
    const char *phase = json_str_at(obj, "status", "phase", NULL);
    int64_t grace = o->has_grace ? o->grace : json_int(json_at(obj, "spec", NULL), "terminationGracePeriodSeconds", 30);

    if (!str_set(json_str_at(obj, "spec", "nodeName", NULL)) || streq(phase, "Succeeded") || streq(phase, "Failed"))
        return 0;
    return grace < 0 ? 1 : grace;
}

static void mark_deleted(struct req *r, json_t *meta, int64_t grace, bool write_grace, bool count)
{
    char when[TIME_TEXT_MAX];

    if (count && !json_object_get(meta, "deletionTimestamp") && json_int(meta, "generation", 0) > 0)
        json_put_int(meta, "generation", json_int(meta, "generation", 0) + 1);
    if (!json_object_get(meta, "deletionTimestamp") || grace > 0) {
        time_rfc3339(r->now_ms + grace * 1000, when);
        json_put_str(meta, "deletionTimestamp", when);
    }
    if (write_grace)
        json_put_int(meta, "deletionGracePeriodSeconds", grace);
}

/* ---- one object ---- */

struct deletion { json_t *shown; bool removed; };

static bool is_definition(const struct resource *res)
{
    return streq(res->plural, "customresourcedefinitions") && streq(res->group, "apiextensions.k8s.io");
}

static bool is_namespace(const struct resource *res)
{
    return streq(res->plural, "namespaces") && !str_set(res->group);
}

/* Marks or removes one version; ERR_CONFLICT and ERR_NOT_FOUND without failure: somebody was faster. */
static errc delete_version(struct req *r, const struct resource *res, const char *ns, const char *name, const struct found *cur,
                           const struct delete_opts *o, struct deletion *out)
{
    json_t *obj = json_deep_copy(cur->obj), *meta = json_sub(obj, "metadata");
    const json_t *was = json_object_get(cur->obj, "metadata");
    bool graceful = res->strategy->flags & STRAT_GRACEFUL, marked = json_object_get(was, "deletionTimestamp") != NULL;
    int64_t grace = graceful ? pod_grace(obj, o) : 0;

    json_arena_own(r->a, obj);
    out->shown = obj;
    plan_dependents(res, meta, o);
    if (graceful && marked && grace >= json_int(was, "deletionGracePeriodSeconds", 0) && json_int(was, "deletionGracePeriodSeconds", 0) > 0)
        return ERR_OK;          /* it is on its way already, not later than asked */
    if (is_definition(res) && !marked) {
        set_finalizer(meta, DEFINITION_FINALIZER, true);        /* its objects go first */
        mark_terminating(r, obj);
    }
    bool held = json_array_size(json_object_get(meta, "finalizers")) > 0;
    if (is_namespace(res)) {
        held = held || json_array_size(json_at(obj, "spec", "finalizers", NULL)) > 0;
        if (held)
            json_put_str(json_sub(obj, "status"), "phase", "Terminating");
    }
    if (held || grace > 0 || graceful)
        mark_deleted(r, meta, grace, !is_namespace(res) && !is_definition(res), !is_definition(res));
    if (held || grace > 0)
        return json_equal(obj, cur->obj) ? ERR_OK : object_store(r, res, ns, name, cur->rv, obj);
    out->removed = true;
    return object_remove(r, res, ns, name, cur->rv, obj);
}

static errc admit(struct req *r, const struct resource *res, const char *ns, const char *name, const struct found *cur)
{
    struct admission a = { .r = r, .res = res, .operation = "DELETE", .sub = "", .ns = ns, .name = name, .old = cur->obj };

    TRY(admission_mutate(&a));
    return admission_validate(&a);
}

static errc delete_one(struct req *r, const struct resource *res, const char *ns, const char *name, const struct delete_opts *o,
                       struct deletion *out)
{
    for (int i = 0; i < RETRIES; i++) {
        struct found cur = { 0 };
        *out = (struct deletion){ 0 };
        TRY(object_load(r, res, ns, name, &cur));
        TRY(check_preconditions(r, res, name, &cur, o));
        if (o->asked)
            TRY(admit(r, res, ns, name, &cur));
        errc rc = delete_version(r, res, ns, name, &cur, o, out);
        if (rc != ERR_CONFLICT && rc != ERR_NOT_FOUND)
            return rc;
    }
    return fail_conflict(r, res, name, "the object has been modified; please apply your changes to the latest version and try again");
}

errc object_delete(struct req *r, const struct resource *res, const char *ns, const char *name)
{
    struct delete_opts o = { .policy = "Background" };
    struct deletion d;

    return delete_one(r, res, ns, name, &o, &d);
}

errc serve_delete(struct req *r)
{
    static const char *const kept[] = { "default", "kube-system", "kube-public" };
    struct delete_opts o = { .asked = true };
    struct deletion d = { 0 };

    TRY(options_read(r, &o));
    for (size_t i = 0; i < ARRAY_LEN(kept) && is_namespace(r->res); i++)
        if (streq(r->name, kept[i]))
            return fail_forbidden(r, r->res, r->name, "this namespace may not be deleted");
    TRY(delete_one(r, r->res, r->ns, r->name, &o, &d));
    if ((r->res->strategy->flags & STRAT_ORPHANS) && !str_set(o.policy) && !o.has_orphan)
        req_warn(r, "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
                 "propagationPolicy=Orphan to suppress this warning");
    AUTO_JSON shown = json_deep_copy(d.shown);
    if (streq(r->res->plural, "customresourcedefinitions") && !r->dry_run)
        finish_definition(r, r->name);
    if (!d.removed || (r->res->strategy->flags & STRAT_DELETE_SHOWS))
        reply_object(r, 200, shown);
    else
        reply_success(r, r->res, r->name, json_str_at(shown, "metadata", "uid", NULL));
    return ERR_OK;
}

errc serve_deletecollection(struct req *r)
{
    struct delete_opts o = { .asked = true };
    struct lister l = { .want_names = true };
    struct store_list q;
    int64_t rv = 0;

    TRY(options_read(r, &o));
    r->form = FORM_OBJECT;
    errc rc = list_collect(r, &l, &q, &rv);
    for (size_t i = 0; !rc && i < l.n_met; i++) {
        struct deletion d;
        rc = delete_one(r, r->res, l.met[i].ns, l.met[i].name, &o, &d);
        if (rc == ERR_NOT_FOUND) {
            rc = ERR_OK;
            r->failure = NULL;
        }
    }
    if (!rc)
        list_reply(r, &l, &q, rv);
    list_done(&l);
    return rc;
}
