/*
 * Field ownership: managedFields in and out, the bookkeeping of updates, server-side apply. Rules: k8s.io/apimachinery
 * pkg/util/managedfields and structured-merge-diff's Updater; checked against shared/golden/apiserver/server_side_apply.json.
 */
#include "apiserver/ssa_priv.h"

#include "base/clock.h"
#include "base/mem.h"

#define BEFORE_FIRST_APPLY "before-first-apply"

/* One entry of managedFields: the entry without its fields, and the fields as a set. */
struct owner { json_t *entry, *set; };
struct owners { struct owner *items; size_t n, cap; };

static void owners_done(struct owners *o)
{
    for (size_t i = 0; i < o->n; i++) {
        json_decref(o->items[i].entry);
        json_decref(o->items[i].set);
    }
    free(o->items);
    *o = (struct owners){ 0 };
}

static void owner_drop(struct owners *o, size_t i)
{
    json_decref(o->items[i].entry);
    json_decref(o->items[i].set);
    o->items[i] = o->items[--o->n];
}

/* Takes set. */
static void owner_set(struct owner *o, json_t *set)
{
    json_decref(o->set);
    o->set = set;
}

static const char *or_empty(const char *s) { return s ? s : ""; }

/* An applier is the same whatever version it applies in; an updater is not. */
static bool is_owner(const json_t *entry, const char *manager, const char *operation, const char *api_version, const char *subresource)
{
    return streq(json_cstr(entry, "manager"), manager) && streq(json_cstr(entry, "operation"), operation)
           && streq(or_empty(json_cstr(entry, "subresource")), subresource)
           && (streq(operation, "Apply") || streq(or_empty(json_cstr(entry, "apiVersion")), api_version));
}

static struct owner *find_owner(const struct owners *all, const char *manager, const char *operation, const struct ssa_opts *o)
{
    for (size_t i = 0; i < all->n; i++)
        if (is_owner(all->items[i].entry, manager, operation, o->api_version, or_empty(o->subresource)))
            return &all->items[i];
    return NULL;
}

static struct owner *add_owner(struct owners *all, const char *manager, const char *operation, const char *api_version, const char *subresource)
{
    json_t *entry = json_object();

    json_put_str(entry, "manager", manager);
    json_put_str(entry, "operation", operation);
    json_put_str(entry, "apiVersion", api_version);
    if (str_set(subresource))
        json_put_str(entry, "subresource", subresource);
    vec_grow(all->items, all->n, all->cap);
    all->items[all->n] = (struct owner){ entry, json_object() };
    return &all->items[all->n++];
}

/* ---- managedFields, in and out ------------------------------------------------------------------------------------ */

static const json_t *managed_fields(const json_t *object) { return json_at(object, "metadata", "managedFields", NULL); }

/* False when an entry cannot be read: then the field is as good as absent. */
static bool decode_owners(const json_t *list, struct owners *out)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry) {
        const char *type = json_cstr(entry, "fieldsType"), *operation = json_cstr(entry, "operation");
        json_t *set = set_decode(json_object_get(entry, "fieldsV1"));
        if (!set || !streq(type, "FieldsV1") || (!streq(operation, "Apply") && !streq(operation, "Update"))) {
            json_decref(set);
            owners_done(out);
            return false;
        }
        json_t *copy = json_copy((json_t *)(uintptr_t)entry);
        json_object_del(copy, "fieldsV1");
        json_object_del(copy, "fieldsType");
        vec_grow(out->items, out->n, out->cap);
        out->items[out->n++] = (struct owner){ copy, set };
    }
    return true;
}

static int64_t entry_seconds(const json_t *entry)
{
    int64_t us = 0;

    return time_parse(json_to_str(json_object_get(entry, "time")), &us) ? us / 1000000 : 0;
}

/* Appliers first, then by time, manager, version, subresource. */
static int by_age(const void *a, const void *b)
{
    static const char *const keys[] = { "manager", "apiVersion", "subresource" };
    const struct owner *x = a, *y = b;
    int c = strcmp(json_cstr(x->entry, "operation"), json_cstr(y->entry, "operation"));
    int64_t tx = entry_seconds(x->entry), ty = entry_seconds(y->entry);

    if (c || tx != ty)
        return c ? c : tx < ty ? -1 : 1;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if ((c = strcmp(or_empty(json_cstr(x->entry, keys[i])), or_empty(json_cstr(y->entry, keys[i])))))
            return c;
    return 0;
}

/* What the server itself writes belongs to nobody. */
static const char *const stripped[] = {
    "apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace", "metadata.creationTimestamp", "metadata.selfLink",
    "metadata.uid", "metadata.clusterName", "metadata.generation", "metadata.managedFields", "metadata.resourceVersion", NULL,
};

static void encode_owners(struct owners *all, json_t *object)
{
    AUTO_JSON strip = set_of_paths(stripped);
    json_t *list = json_array();

    if (all->n)
        qsort(all->items, all->n, sizeof *all->items, by_age);
    for (size_t i = 0; i < all->n; i++) {
        AUTO_JSON left = set_minus(all->items[i].set, strip);
        if (set_empty(left))
            continue;
        json_t *entry = json_copy(all->items[i].entry);
        json_put_str(entry, "fieldsType", "FieldsV1");
        json_put(entry, "fieldsV1", set_encode(left));
        json_push(list, entry);
    }
    json_t *meta = json_sub(object, "metadata");
    if (json_array_size(list))
        json_put(meta, "managedFields", json_incref(list));
    else
        json_object_del(meta, "managedFields");
    json_decref(list);
}

/* ---- the two trees without what nobody owns ----------------------------------------------------------------------- */

/* Shares what is below metadata: nobody changes it. */
static json_t *without_managed_fields(const json_t *object)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)object), *meta = json_object_get(object, "metadata");

    if (json_is_object(meta)) {
        json_put(copy, "metadata", json_copy(meta));
        json_object_del(json_object_get(copy, "metadata"), "managedFields");
    }
    return copy;
}

/* What a create starts from: for a built-in kind the Go struct without values. */
static json_t *nothing(const struct type *t, const json_t *like)
{
    json_t *empty = json_object();
    struct err e;

    json_put_str(empty, "apiVersion", json_cstr(like, "apiVersion"));
    json_put_str(empty, "kind", json_cstr(like, "kind"));
    if (t->flags & TYPE_BUILTIN && schema_coerce(t, empty, &e))
        abort();        /* an empty object has nothing to refuse */
    return empty;
}

static const char *const *reset_fields(const struct type *t, const struct ssa_opts *o)
{
    static const char *const status[] = { "status", NULL }, *const spec[] = { "spec", NULL };
    static const char *const custom[] = { "metadata", "spec", NULL }, *const none[] = { NULL };

    if (o->reset)
        return o->reset;
    if (!str_set(o->subresource))
        return type_field(t, "status") ? status : none;
    if (!streq(o->subresource, "status"))
        return none;
    return t->flags & TYPE_BUILTIN ? spec : custom;
}

static void drop_reset(json_t *set, const char *const *reset)
{
    for (size_t i = 0; reset[i]; i++)
        set_drop_below(set, reset[i]);
}

static void compare_for(const struct type *t, const json_t *lhs, const json_t *rhs, const char *const *reset, struct comparison *out)
{
    AUTO_JSON l = without_managed_fields(lhs);
    AUTO_JSON r = without_managed_fields(rhs);

    typed_compare(t, l, r, out);
    drop_reset(out->added, reset);
    drop_reset(out->removed, reset);
    drop_reset(out->modified, reset);
}

/* ---- conflicts ---------------------------------------------------------------------------------------------------- */

void ssa_conflicts_done(struct ssa_conflicts *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->items[i].manager);
        free(c->items[i].field);
    }
    free(c->items);
    *c = (struct ssa_conflicts){ 0 };
}

static char *manager_text(const json_t *entry)
{
    struct buf b = { 0 };
    const char *subresource = json_cstr(entry, "subresource");

    buf_addf(&b, "\"%s\"", json_cstr(entry, "manager"));
    if (str_set(subresource))
        buf_addf(&b, " with subresource \"%s\"", subresource);
    if (streq(json_cstr(entry, "operation"), "Update"))
        buf_addf(&b, " using %s", or_empty(json_cstr(entry, "apiVersion")));
    return buf_take(&b);
}

struct collector { struct ssa_conflicts *out; const char *manager; };

static void collect(void *self, const char *path)
{
    struct collector *c = self;

    vec_grow(c->out->items, c->out->n, c->out->cap);
    c->out->items[c->out->n++] = (struct ssa_conflict){ xstrdup(c->manager), xstrdup(path) };
}

static void add_conflicts(const struct owner *o, const json_t *set, struct ssa_conflicts *out)
{
    AUTO_MEM char *manager = manager_text(o->entry);
    struct collector c = { out, manager };

    set_each(set, collect, &c);
}

/* By manager; the fields of one stay in their order. */
static void sort_by_manager(struct ssa_conflicts *c)
{
    for (size_t i = 1; i < c->n; i++) {
        struct ssa_conflict moving = c->items[i];
        size_t k = i;
        for (; k > 0 && strcmp(c->items[k - 1].manager, moving.manager) > 0; k--)
            c->items[k] = c->items[k - 1];
        c->items[k] = moving;
    }
}

void ssa_conflicts_text(const struct ssa_conflicts *c, struct buf *out)
{
    if (c->n == 1) {
        buf_addf(out, "Apply failed with 1 conflict: conflict with %s: %s", c->items[0].manager, c->items[0].field);
        return;
    }
    buf_addf(out, "Apply failed with %zu conflicts: ", c->n);
    for (size_t i = 0; i < c->n; i++) {
        if (i == 0 || !streq(c->items[i].manager, c->items[i - 1].manager))
            buf_addf(out, "%sconflicts with %s:", i ? "\n" : "", c->items[i].manager);
        buf_addf(out, "\n- %s", c->items[i].field);
    }
}

json_t *ssa_conflicts_causes(const struct ssa_conflicts *c)
{
    json_t *causes = json_array();

    for (size_t i = 0; i < c->n; i++) {
        json_t *cause = json_object();
        json_put_str(cause, "reason", "FieldManagerConflict");
        json_put(cause, "message", json_strf("conflict with %s", c->items[i].manager));
        json_put_str(cause, "field", c->items[i].field);
        json_push(causes, cause);
    }
    return causes;
}

/* ---- what a change does to the other owners ----------------------------------------------------------------------- */

static json_t *changed(const struct comparison *c) { return set_union(c->modified, c->added); }

/* Whom the change takes fields from; nobody is touched yet. */
static void find_conflicts(const struct owners *all, const struct owner *self, const struct comparison *c, struct ssa_conflicts *out)
{
    AUTO_JSON touched = changed(c);

    for (size_t i = 0; i < all->n; i++) {
        AUTO_JSON common = set_both(all->items[i].set, touched);
        if (&all->items[i] != self && !set_empty(common))
            add_conflicts(&all->items[i], common, out);
    }
    sort_by_manager(out);
}

static void take_from_others(struct owners *all, const json_t *self_entry, const struct comparison *c)
{
    AUTO_JSON touched = changed(c);

    for (size_t i = all->n; i-- > 0;) {
        if (all->items[i].entry == self_entry)
            continue;
        AUTO_JSON kept = set_minus(all->items[i].set, touched);
        owner_set(&all->items[i], set_minus(kept, c->removed));
        if (set_empty(all->items[i].set))
            owner_drop(all, i);
    }
}

/* ---- update ------------------------------------------------------------------------------------------------------- */

/* [{}]: a client's way to say "forget them all". */
static bool is_reset(const json_t *list)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry) {
        const char *key;
        json_t *v, *from = (json_t *)(uintptr_t)entry;
        json_object_foreach(from, key, v)
            if (!json_is_null(v) && !(json_is_string(v) && !json_string_length(v)))
                return false;
    }
    return json_array_size(list) > 0;
}

static void load_owners(const json_t *live, const json_t *new_object, const struct ssa_opts *o, struct owners *out)
{
    if (!str_set(o->subresource)) {
        if (is_reset(managed_fields(new_object)))
            return;
        if (decode_owners(managed_fields(new_object), out) && out->n)
            return;
    }
    (void)decode_owners(managed_fields(live), out);     /* live's unreadable fields count as none */
}

static void record_update(struct owners *all, const struct type *t, const json_t *live, const json_t *new_object, const char *manager,
                          const struct ssa_opts *o)
{
    struct comparison c;

    compare_for(t, live, new_object, reset_fields(t, o), &c);
    take_from_others(all, NULL, &c);
    json_t *touched = changed(&c);
    if (!set_empty(touched)) {
        struct owner *self = find_owner(all, manager, "Update", o);
        if (!self)
            self = add_owner(all, manager, "Update", o->api_version, o->subresource);
        owner_set(self, set_union(self->set, touched));
        json_put_str(self->entry, "time", o->time);
    }
    json_decref(touched);
    comparison_done(&c);
}

static bool same_but_for_time(const json_t *a, const json_t *b)
{
    AUTO_JSON x = json_copy((json_t *)(uintptr_t)a);
    AUTO_JSON y = json_copy((json_t *)(uintptr_t)b);

    json_object_del(x, "time");
    json_object_del(y, "time");
    return json_equal(x, y);
}

static bool same_owners(const json_t *a, const json_t *b)
{
    size_t n = json_array_size(a);

    if (json_array_size(b) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!same_but_for_time(json_array_get(a, i), json_array_get(b, i)))
            return false;
    return true;
}

static bool same_object(const json_t *live, const json_t *new_object)
{
    AUTO_JSON l = without_managed_fields(live);
    AUTO_JSON n = without_managed_fields(new_object);

    json_object_del(json_object_get(l, "metadata"), "resourceVersion");
    json_object_del(json_object_get(n, "metadata"), "resourceVersion");
    return json_equal(l, n);
}

static void keep_live_fields(const json_t *live, json_t *new_object)
{
    json_t *fields = (json_t *)(uintptr_t)managed_fields(live);

    if (fields && same_owners(fields, managed_fields(new_object)) && same_object(live, new_object))
        json_put(json_sub(new_object, "metadata"), "managedFields", json_deep_copy(fields));
}

errc ssa_update(const struct type *t, const json_t *live, json_t *new_object, const struct ssa_opts *o, struct err *e)
{
    AUTO(owners_done) struct owners all = { 0 };
    AUTO_JSON empty = nothing(t, new_object);

    if (!json_is_object(new_object))
        return err_set(e, ERR_BAD_REQUEST, "expected an object");
    load_owners(live, new_object, o, &all);
    if (!live || all.n)                 /* an object that nobody tracks stays so until somebody applies */
        record_update(&all, t, live ? live : empty, new_object, o->manager, o);
    encode_owners(&all, new_object);
    if (live)
        keep_live_fields(live, new_object);
    return ERR_OK;
}

/* ---- apply -------------------------------------------------------------------------------------------------------- */

static errc typed_config(const struct type *t, const json_t *config, json_t **out, struct err *e)
{
    struct str version = str_of(or_empty(json_cstr(config, "apiVersion")));
    const char *namespace = json_str_at(config, "metadata", "namespace", NULL);

    errc rc = typed_set(t, config, out, e);
    if (!rc)
        return ERR_OK;
    bool grouped = memchr(version.p, '/', version.n) != NULL;
    return err_wrap(e, "failed to create typed patch object (%s/%s; %s%.*s, Kind=%s)", or_empty(namespace),
                    or_empty(json_str_at(config, "metadata", "name", NULL)), grouped ? "" : "/", STR_ARG(version), or_empty(json_cstr(config, "kind")));
}

/* Takes out of merged what the manager applied last time, nobody owns now, and config no longer has. */
static void prune_abandoned(const struct type *t, json_t *merged, const json_t *last, const struct owners *all)
{
    AUTO_JSON owned = json_object();
    AUTO_JSON last_named = set_with_named(last, t);

    if (set_empty(last))
        return;
    for (size_t i = 0; i < all->n; i++) {
        json_t *more = set_union(owned, all->items[i].set);
        json_decref(owned);
        owned = more;
    }
    AUTO_JSON owned_named = set_with_named(owned, t);
    AUTO_JSON abandoned = set_minus(last_named, owned_named);
    typed_remove(t, merged, abandoned);
}

static bool comparison_empty(const struct comparison *c) { return set_empty(c->added) && set_empty(c->removed) && set_empty(c->modified); }

/* An object that was never tracked: all it has belongs to somebody before us. */
static void adopt_untracked(struct owners *all, const struct type *t, const json_t *live, const struct ssa_opts *o)
{
    struct ssa_opts update = { .manager = BEFORE_FIRST_APPLY, .api_version = o->api_version, .subresource = "", .time = o->time, .reset = o->reset };
    AUTO_JSON empty = nothing(t, live);

    record_update(all, t, empty, live, BEFORE_FIRST_APPLY, &update);
}

static errc settle(const struct type *t, const json_t *live, const json_t *merged, struct owners *all, struct owner *self,
                   const struct ssa_opts *o, struct ssa_conflicts *conflicts, struct err *e)
{
    struct comparison c;
    json_t *entry = self->entry;

    compare_for(t, live, merged, reset_fields(t, o), &c);
    if (!o->force)
        find_conflicts(all, self, &c, conflicts);
    if (!conflicts->n) {
        bool same = comparison_empty(&c);
        if (!same)
            json_put_str(entry, "time", o->time);
        take_from_others(all, entry, &c);
    }
    comparison_done(&c);
    if (!conflicts->n)
        return ERR_OK;
    AUTO_BUF text = { 0 };
    ssa_conflicts_text(conflicts, &text);
    return err_set(e, ERR_CONFLICT, "%s", buf_cstr(&text));
}

errc ssa_apply(const struct type *t, const json_t *live, const json_t *config, const struct ssa_opts *o, struct ssa_conflicts *conflicts,
               json_t **out, struct err *e)
{
    AUTO(owners_done) struct owners all = { 0 };
    AUTO_JSON set = NULL;
    AUTO_JSON empty = nothing(t, config);

    if (managed_fields(config) && !json_is_null(managed_fields(config)))
        return err_set(e, ERR_BAD_REQUEST, "metadata.managedFields must be nil");
    TRY(typed_config(t, config, &set, e));
    drop_reset(set, reset_fields(t, o));
    if (live)
        (void)decode_owners(managed_fields(live), &all);
    if (live && !all.n)
        adopt_untracked(&all, t, live, o);

    struct owner *self = find_owner(&all, o->manager, "Apply", o);
    if (!self)
        self = add_owner(&all, o->manager, "Apply", o->api_version, o->subresource);
    AUTO_JSON last = self->set;
    self->set = json_incref(set);
    json_put_str(self->entry, "apiVersion", o->api_version);

    AUTO_JSON base = without_managed_fields(live ? live : empty);
    AUTO_JSON merged = typed_merge(t, base, config);
    prune_abandoned(t, merged, last, &all);
    TRY(settle(t, live ? live : empty, merged, &all, self, o, conflicts, e));
    encode_owners(&all, merged);
    *out = TAKE(merged);
    return ERR_OK;
}
