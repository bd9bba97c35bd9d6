/*
 * What the files of apiserver/ share: one request on its way through, the resources that are served, and the failures.
 * A request belongs to one thread; everything it makes lives in its arena (r->a) unless said otherwise.
 */
#ifndef APISERVER_PRIV_H
#define APISERVER_PRIV_H

#include "apiserver/apiserver.h"
#include "apiserver/store.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/map.h"
#include "base/thread.h"
#include "base/yaml.h"
#include "http/server.h"
#include "schema/names.h"
#include "schema/schema.h"

#define LOG_NAME "apiserver"

struct req;
struct auth;
struct selector;

/* ---- what is served (registry.c, builtin.c, crd.c) ------------------------------------------------------------- */

enum verb {
    VERB_CREATE, VERB_DELETE, VERB_DELETECOLLECTION, VERB_GET, VERB_LIST, VERB_PATCH, VERB_UPDATE, VERB_WATCH, VERB_COUNT_
};
#define V(x) (1u << VERB_##x)
#define VERBS_ALL (V(CREATE) | V(DELETE) | V(DELETECOLLECTION) | V(GET) | V(LIST) | V(PATCH) | V(UPDATE) | V(WATCH))
#define VERBS_STATUS (V(GET) | V(PATCH) | V(UPDATE))
const char *verb_name(enum verb v);


enum strategy_flags {
    STRAT_STATUS        = 1 << 0,       /* status is written through /status only */
    STRAT_GENERATION    = 1 << 1,       /* metadata.generation counts changes of what is not metadata or status */
    STRAT_UPSERT        = 1 << 2,       /* PUT creates */
    STRAT_DELETE_SHOWS  = 1 << 3,       /* DELETE answers with the object */
    STRAT_GRACEFUL      = 1 << 4,       /* pods: a grace period passes before removal */
    STRAT_ORPHANS       = 1 << 5,       /* jobs: children are kept unless asked otherwise */
    STRAT_NEEDS_VERSION = 1 << 6,       /* PUT must name the resourceVersion */
    STRAT_STATUS_META   = 1 << 7,       /* a status write may change labels and annotations too */
    STRAT_EPHEMERAL     = 1 << 8,       /* a review: answered, never stored */
    STRAT_PICTURED      = 1 << 9,       /* part of the registry, which a write makes anew */
};

struct field_label { const char *label, *path, *absent; };      /* a path of object keys; absent: value when there is none */

/* The behaviour of a kind that its field table does not tell. Everything may be zero. */
struct strategy {
    unsigned flags;
    enum name_rule name_rule;
    const struct field_label *labels;           /* ends with a NULL label */
    const char *unknown_label;                  /* "field label not supported: %s"; NULL: the general text */
    void (*fill)(struct req *r, json_t *obj, const json_t *old);                /* defaults in code: the client's manager owns them */
    void (*prepare)(struct req *r, json_t *obj, const json_t *old);             /* old NULL: create */
    errc (*admit)(struct req *r, json_t *obj, const json_t *old);               /* may refuse with a failure */
    void (*validate)(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out);
    void (*validate_status)(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out);
    errc (*allocate)(struct req *r, json_t *obj, const json_t *old);            /* of a new, valid object: what must be unique */
    void (*removed)(struct req *r, const json_t *old);                          /* after it went */
    void (*settle)(struct req *r, const json_t *kept, const json_t *dropped);   /* gives back what only the dropped version holds */
    errc (*review)(struct req *r, json_t *obj, json_t **out);                   /* STRAT_EPHEMERAL: the answer */
};

struct subresource { const char *name, *group, *version, *kind; unsigned verbs; };

/* One cell of a table: fills a JSON value from an object. */
struct column {
    const char *name, *type, *format, *description;
    int priority;
    json_t *(*cell)(const json_t *obj, int64_t now_ms);
    const char *path;                           /* custom resources: JSONPath */
};
struct columns { const struct column *items; size_t n; };

/* A custom resource version as its definition tells. */
struct custom {
    const char *definition;                     /* name of the definition */
    const char *list_kind;
    bool status, scale;
    const char *scale_spec, *scale_status, *scale_selector;
    bool deprecated;
    const char *warning;
    const struct field_label *labels;
    const struct type *storage;                 /* of the stored version: what it lacks is not kept */
    int64_t since_rv;                           /* of the definition: older watches cannot be resumed */
};

struct resource {
    const char *group, *version, *plural, *singular, *kind;
    bool namespaced;
    unsigned verbs;                             /* of a table row: 0 is all */
    const char *const *short_names, *const *categories;         /* NULL-terminated or NULL */
    const struct subresource *subs;
    size_t n_subs;
    const char *key;                            /* in the store: "pods", "apps/statefulsets" */
    const char *qualified;                      /* in messages: "pods", "statefulsets.apps" */
    const char *gv;                             /* "v1", "apps/v1" */
    const struct type *type;                    /* NULL: kept as it is */
    const struct strategy *strategy;            /* never NULL */
    const struct columns *columns;              /* NULL: name and age */
    const struct custom *custom;                /* NULL: built in */
    bool alias;                                 /* another version of the same objects */
};

/* An immutable picture of everything served; counted. */
struct registry {
    int refs;                                   /* atomic */
    int64_t rv;                                 /* of the definitions that it shows; the webhooks are as new or newer */
    struct resource *rows;
    size_t n, cap;
    struct admission_hook *hooks;               /* admission.h: the configured webhooks, mutating ones first */
    size_t n_hooks, cap_hooks;
    struct arena *arena;                        /* owns what rows and hooks point to, unless static */
};
struct registry *registry_ref(struct registry *g);
void registry_free(struct registry *g);         /* drops one reference */
struct registry *registry_now(struct apiserver *s);             /* a reference */
/* Builds the picture from the built-in table and the stored definitions and publishes it, unless a newer one was meanwhile. */
errc registry_rebuild(struct apiserver *s, struct err *e);
bool registry_has_group(const struct registry *g, const char *group, const char *version /* NULL: any */);
const struct resource *registry_find(const struct registry *g, const char *group, const char *version, const char *plural);
const struct subresource *resource_sub(const struct resource *res, const char *name);
void registry_add_builtin(struct registry *g);
errc registry_add_custom(struct registry *g, const json_t *definition, struct err *e);
struct resource *registry_add(struct registry *g, const struct resource *row);      /* fills key, qualified, gv */

/* ---- the server ------------------------------------------------------------------------------------------------ */

struct apiserver {
    struct apiserver_opts o;                    /* texts are ours */
    struct store *store;
    struct http_server *http;
    struct auth *auth;
    struct allocator *allocator;                /* addresses and node ports of services */
    struct cancel *stop;
    struct thread keeper;                       /* expires events, compacts */
    struct mutex registry_mu;                   /* a leaf; guards registry */
    struct registry *registry;
    int lock_fd;
    bool ready;                                 /* atomic; for /readyz */
    char *ca_pem, *token;
    uint16_t port;
    struct http_client *nodes;                  /* to the nodes' log endpoints */
};

/* ---- one request ----------------------------------------------------------------------------------------------- */

struct user {
    const char *name, *uid;
    const char **groups;
    size_t n_groups;
    bool master;                                /* system:masters */
    const char *credential_id, *pod_name, *pod_uid, *node_name;         /* of a service account's token */
};

enum field_validation { VALIDATE_WARN, VALIDATE_IGNORE, VALIDATE_STRICT };
enum form { FORM_OBJECT, FORM_TABLE, FORM_PARTIAL, FORM_PARTIAL_LIST };

struct req {
    struct apiserver *s;
    struct http_exchange *x;
    struct arena *a;
    struct user user;
    struct registry *registry;
    const struct resource *res;                 /* NULL: not a resource */
    const char *group, *version, *plural, *ns, *name, *sub;     /* from the path; ns, name, sub "" when absent */
    bool is_resource;
    bool collection;                            /* no name in the path */
    bool old_watch;                             /* /watch/ in the path */
    enum verb verb;
    struct err e;
    json_t *failure;                            /* the Status of a failure; the arena's */
    json_t *warnings;                           /* strings; the arena's; NULL none */
    bool replied;

    bool dry_run;
    const char *manager;                        /* fieldManager or the first part of User-Agent */
    enum field_validation validation;
    enum form form;
    const char *form_version;                   /* "v1", "v1beta1" of tables and metadata */
    bool yaml;
    const char *include_object;                 /* tables: None, Metadata, Object */
    int64_t now_ms;
    char now[TIME_TEXT_MAX];
};

const char *req_query(const struct req *r, const char *name);   /* NULL when absent */
bool req_flag(const struct req *r, const char *name);           /* anything but absent, "", 0 and false */
void req_warn(struct req *r, const char *fmt, ...) PRINTF(2, 3);

void reply_json(struct req *r, int status, const json_t *body);
/* object without kind and apiVersion, as stored: pasted behind them */
void reply_stored(struct req *r, int status, struct str text);
/* An object as the client asked for it: itself, a table row or metadata only. Takes nothing. */
void reply_object(struct req *r, int status, const json_t *obj);
void reply_success(struct req *r, const struct resource *res, const char *name, const char *uid);

/* ---- failures: each sets r->failure and returns its code ------------------------------------------------------------ */

errc fail(struct req *r, errc code, int http, const char *reason, json_t *details /* taken, may be NULL */, const char *fmt, ...)
    PRINTF(6, 7);
errc fail_bad_request(struct req *r, const char *fmt, ...) PRINTF(2, 3);
errc fail_not_found(struct req *r, const struct resource *res, const char *name);
errc fail_no_resource(struct req *r);           /* the server could not find the requested resource */
errc fail_no_method(struct req *r);
errc fail_exists(struct req *r, const struct resource *res, const char *name);
errc fail_conflict(struct req *r, const struct resource *res, const char *name, const char *fmt, ...) PRINTF(4, 5);
errc fail_forbidden(struct req *r, const struct resource *res, const char *name, const char *fmt, ...) PRINTF(4, 5);
errc fail_invalid(struct req *r, const char *group, const char *kind, const char *name, const struct field_errors *l);
errc fail_internal(struct req *r, const char *fmt, ...) PRINTF(2, 3);
struct ssa_conflicts;
errc fail_apply_conflict(struct req *r, const struct ssa_conflicts *conflicts);
errc fail_from(struct req *r);                  /* from r->e, for what has no better words */
void reply_failure(struct req *r, errc rc);
json_t *details_of(const struct resource *res, const char *name);

/* ---- handlers ------------------------------------------------------------------------------------------------------ */

void front_handle(void *self, struct http_exchange *x);
errc serve_get(struct req *r);
errc serve_list(struct req *r);
errc serve_watch(struct req *r);
errc serve_create(struct req *r);
errc serve_update(struct req *r);
errc serve_patch(struct req *r);
errc serve_delete(struct req *r);
errc serve_deletecollection(struct req *r);
errc serve_subresource(struct req *r);
errc serve_eviction(struct req *r);                             /* eviction.c */
void reply_created(struct req *r);                              /* a Status that says Success */
errc scale_of(struct req *r, const json_t *obj, json_t **out);         /* the Scale of an object of r->res */
errc serve_discovery(struct req *r, const char *const *seg, size_t n, bool *handled);
const char *aggregated_form(const struct http_exchange *x);     /* of discovery, by the Accept header; NULL: plain */
errc serve_openapi(struct req *r, const char *const *seg, size_t n);
errc serve_logs(struct req *r);

/* Options in the query; the failure's kind is ListOptions, CreateOptions ... */
errc options_write(struct req *r, const char *kind);

/* ---- objects (object.c) --------------------------------------------------------------------------------------------- */

struct found { json_t *obj; int64_t rv; struct str text; };     /* obj is the arena's, with kind and apiVersion; text as stored */
errc object_load(struct req *r, const struct resource *res, const char *ns, const char *name, struct found *out);
json_t *object_parse(struct req *r, const struct resource *res, struct str text);      /* of stored text; the arena's */
void object_head(json_t *obj, const struct resource *res);     /* sets kind and apiVersion */
/* Decodes the body into an object of the resource (sub: of its subresource's kind), reports unknown fields, checks names. */
errc body_decode(struct req *r, const struct type *type, const char *kind, const char *gv, json_t **out);
const char *go_json_error(struct req *r, struct str text);      /* what Go's decoder says about malformed text */
errc unknown_fields(struct req *r, const char *kind, const char *gv, const struct path_list *unknown, const struct path_list *twice, bool patch);
/* Stores a new or changed object (NULL expect: create) unless dry run; obj gets its resourceVersion. */
errc object_store(struct req *r, const struct resource *res, const char *ns, const char *name, int64_t expect_rv, json_t *obj);
errc object_remove(struct req *r, const struct resource *res, const char *ns, const char *name, int64_t expect_rv, json_t *obj);
/* Everything after decoding; obj is changed. managed: managedFields are made already. */
errc object_create(struct req *r, const struct resource *res, json_t *obj, bool managed);
errc object_manage(struct req *r, const struct type *t, const char *gv, json_t *obj, const char *sub);     /* of what is never stored */

struct change {                                 /* one way to make the new object from the present one */
    errc (*make)(struct req *r, void *self, const json_t *cur /* NULL: absent */, json_t **out);
    void *self;
    const char *sub;                            /* "" or status ... */
    bool upsert;
    bool needs_version;
    bool managed;                               /* managedFields are made already, or stay */
};
errc object_change(struct req *r, const struct resource *res, const char *ns, const char *name, const struct change *c,
                   json_t **out, bool *out_created);
errc object_delete(struct req *r, const struct resource *res, const char *ns, const char *name);   /* in the background */
#define DEFINITION_FINALIZER "customresourcecleanup.apiextensions.k8s.io"
void mark_terminating(struct req *r, json_t *definition);
void finish_definition(struct req *r, const char *name);       /* crd.c: conditions, registry */

/* metadata (names.c) */
void validate_meta(struct req *r, const struct resource *res, const json_t *obj, const json_t *old, struct field_errors *out);

/* ---- selectors (selector.c) ------------------------------------------------------------------------------------------ */

errc selector_labels(struct req *r, const char *text, struct selector **out);
errc selector_fields(struct req *r, const struct resource *res, const char *text, struct selector **out);
bool selector_matches(const struct selector *labels, const struct selector *fields, const struct resource *res, const json_t *obj);
/* The value that metadata.name (or .namespace) must equal, if the selector says so; NULL otherwise. */
const char *selector_exact(const struct selector *fields, const char *label);
errc selector_parse_labels(struct arena *a, const char *text, struct selector **out, struct err *e);
/* Of a LabelSelector ({matchLabels, matchExpressions}); NULL and {} choose everything (*out NULL). */
errc selector_of_object(struct arena *a, const json_t *label_selector, struct selector **out, struct err *e);

/* ---- tables (table.c, columns.c) -------------------------------------------------------------------------------------- */

json_t *table_of(struct req *r, const struct resource *res, json_t *const *objs, size_t n, bool with_columns);      /* new reference */
json_t *partial_of(struct req *r, const json_t *obj);          /* PartialObjectMetadata; new reference */
extern const struct columns columns_default;

/* ---- who asks (auth.c, rbac.c) -------------------------------------------------------------------------------------- */

errc auth_open(struct apiserver *s, struct err *e);
void auth_close(struct auth *a);
errc auth_request(struct req *r);              /* fills r->user; 401 */
struct access { const char *verb, *group, *resource, *sub, *ns, *name, *path; };
bool rbac_allows(struct req *r, const struct user *u, const struct access *a, const char **out_reason);
errc authorize(struct req *r, const struct access *a);
json_t *user_json(const struct user *u);        /* UserInfo; new reference */
errc serve_token(struct req *r);

/* ---- services (allocator.c) --------------------------------------------------------------------------------------------- */

struct allocator *allocator_new(const char *cidr, struct err *e);
void allocator_free(struct allocator *al);
errc allocator_load(struct allocator *al, struct store *store, struct err *e);         /* what stored services hold */
const char *allocator_first(const struct allocator *al);       /* of the `kubernetes` service */
errc allocator_service(struct req *r, json_t *service, const json_t *old);              /* fills addresses and node ports, or refuses */
void allocator_release(struct req *r, const json_t *service);
void allocator_settle(struct req *r, const json_t *kept, const json_t *dropped);

#endif
