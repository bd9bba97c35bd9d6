/*
 * A simulator of Azure Resource Manager as far as AKS agent pools need it: it validates what it is sent, keeps what it promised, and
 * fails on request. Contract: reference dossier, provisioner, 8.3. Everything happens under one lock (struct sim's mu) and by one
 * clock that tests own; answers are made under the lock and sent, stalled or cut outside it.
 */
#ifndef FAKE_ARM_SIM_H
#define FAKE_ARM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/map.h"
#include "base/thread.h"
#include "http/server.h"

struct sim_identity {                   /* whom ARM knows; texts of the caller, copied by none */
    const char *tenant, *client_id, *subscription, *group, *cluster, *location;
    const char *client_secret;          /* NULL: no secret is accepted */
    const char *certificate_pem;        /* signs assertions, which then must be right; NULL: none is known */
    const char *assertion_file;         /* the federated token that is right now; NULL: any that looks like one */
};

/* What a rehearsal may tune while it runs (`PUT /control/settings`); times are of the simulator's clock. */
struct sim_settings {
    int64_t create_ms, delete_ms, update_ms;    /* how long operations take, before the spread */
    int64_t spread_percent;                     /* each differs by up to so much, by the seed */
    int64_t retry_after_s;                      /* on operation answers; -1: no header, as AKS */
    int64_t retry_after_date;                   /* every Retry-After is a date instead of seconds */
    int64_t list_lag_ms, get_lag_ms;            /* LIST and GET are so far behind */
    int64_t page_size, empty_first_page;
    int64_t next_link;                          /* of the last page: 0 none, 1 goes in a circle, 2 leads to another host */
    int64_t max_pools, max_operations;          /* 0 operations: no limit */
    int64_t token_ms;                           /* life of an access token */
    int64_t join_ms, ready_ms, gpu_ms;          /* Node after the operation's end (may be negative), Ready after that, GPU after that */
    int64_t throttle, throttle_scale;           /* buckets on; their sizes and rates times so much */
    int64_t delete_while_creating;              /* 0: 409, else the create is cancelled */
    int64_t delete_absent_status;               /* 204 or 404 */
    int64_t delete_location_only;               /* DELETE answers with Location alone */
    int64_t quota_cores;                        /* of each family that has no limit of its own; 0: none */
    int64_t min_poll_ms;                        /* where no Retry-After was said */
};

enum sim_call { CALL_GET = 1, CALL_LIST, CALL_PUT, CALL_DELETE, CALL_OPERATION, CALL_CLUSTER, CALL_TOKEN, CALL_COUNT };
const char *sim_call_name(enum sim_call c);

/* What goes back to the client: filled under the lock, sent without it. */
struct sim_answer {
    int status;
    struct buf body;
    const char *content_type;
    const char *code;                   /* of a refusal, the innermost; NULL: none */
    struct http_pairs headers;
    int64_t stall_ms;                   /* real time; -1: until the client leaves */
    bool cut;                           /* the connection ends instead of the answer */
};

/* What a client asks, once its path was understood. */
struct sim_request {
    struct http_exchange *x;
    enum sim_call call;
    char pool[64];                      /* as in the path, "" for LIST */
    char operation[40];
    bool result_path;                   /* operationresults: the Location form */
    const char *api_version;
    int64_t client;                     /* which access token, 0: none */
    bool lose_reply;                    /* a fault said so */
    int64_t now;
    int64_t number;                     /* its x-ms-request-id: they grow */
};

enum op_kind { OP_CREATE, OP_UPDATE, OP_DELETE };
struct sim_operation {
    char id[37], name[37];              /* in the URL, and what the answer calls it: not the same */
    enum op_kind kind;
    char pool[64];
    int64_t start, end;                 /* end INT64_MAX: never */
    const char *status;                 /* InProgress, Succeeded, Failed, Canceled */
    const struct sim_error *fails;      /* it will fail with this; NULL: it will not */
    bool lost;                          /* polls give 404 */
    char *query;                        /* must be echoed */
    int64_t told_client, not_before;    /* the last poller and when it may come again */
};

enum node_stage { NODE_NONE, NODE_JOINED, NODE_READY, NODE_GPU, NODE_LOST };
struct sim_pool {
    char name[64];
    json_t *properties;                 /* as the service shows them */
    char *etag;
    const char *state;
    bool foreign;                       /* somebody else's: writes to it are violations */
    int64_t created;                    /* a ghost's: until when LIST shows it */
    bool lags;                          /* LIST does not show it at once */
    struct sim_operation *op;           /* the running one, borrowed; NULL: none */
    bool has_machine;
    int64_t join_at, ready_at, gpu_at;  /* INT64_MAX: never */
    enum node_stage node_done;          /* what the Kubernetes API was told */
    bool node_lost, node_late_id, node_twice;
    unsigned number;                    /* of its scale set */
};
struct sim_past {                       /* of every pool that ever was */
    char name[64];
    int64_t created, ended;             /* 0: lives */
    bool succeeded, joined, broken;     /* broken: a fault took its health away */
    const char *how;                    /* ended: "deleted"; NULL: lives */
};

struct sim_error {                      /* a row of the catalogue */
    const char *name;
    int status;
    const char *code, *message;
    const char *inner_code, *inner_message;
    const char *retry_after;            /* header; NULL: none */
    enum { SHAPE_ARM, SHAPE_FLAT, SHAPE_TEXT_IN_TEXT, SHAPE_HTML, SHAPE_EMPTY } shape;
};
const struct sim_error *sim_error_named(const char *name);
extern const struct sim_error sim_errors[];
extern const size_t sim_errors_n;

struct sim_fault;
struct sim_faults {
    struct sim_fault *items;
    size_t n, cap;
    int64_t next_id;
    double rate, call_rate;             /* of the seeded schedule: how many of all operations and Nodes, and of all calls, fare badly; 0: none */
};

struct sim_bucket { double tokens; int64_t at; };

struct sim {
    struct sim_identity who;
    char *cert_pem;                     /* ours and its authority; NULL: no TLS */
    char *base_url;                     /* of tokens, operations and nextLinks */
    struct http_server *server;
    struct kubelets *kubelets;

    struct mutex mu;                    /* guards all below */
    struct sim_settings set;
    int64_t base_wall, base_mono, speed_percent;    /* the clock */
    uint64_t seed;
    struct map *turns;                  /* what was drawn for -> int64_t: how often */
    struct map *pools;                  /* name -> sim_pool */
    struct map *ghosts;                 /* name -> sim_pool that is gone and LIST still shows */
    struct map *operations;             /* id -> sim_operation, finished ones too */
    struct sim_operation **running;     /* borrowed */
    size_t n_running, cap_running;
    struct map *tokens;                 /* text -> sim_token */
    struct map *quota;                  /* family -> int64_t limit */
    struct map *buckets;                /* text -> sim_bucket */
    struct map *holds;                  /* "client/class" -> struct hold: a 429 was given, nothing may come before */
    struct map *put_bodies;             /* pool -> the body of its PUT */
    struct sim_past *past;
    size_t n_past, cap_past;
    struct sim_faults faults;
    json_t *journal, *violations, *history;
    unsigned next_pool_number;
    int64_t next_client, requests;
    int journal_fd;                     /* -1: none */
    char *keep_path, *kept;             /* where the pools are kept, and what was written last; NULL: nowhere */
};

/* sim.c */
struct sim_opts {
    struct sim_identity who;
    bool tls;
    const char *cert_pem, *key_pem;     /* TLS of one's own making when NULL */
    uint16_t port;
    const char *host_url;               /* how clients name us; NULL: http(s)://127.0.0.1:PORT */
    uint64_t seed;
    const char *journal_path;           /* JSON lines; NULL: memory only */
};
errc sim_start(const struct sim_opts *o, struct sim **out, struct err *e);
void sim_stop(struct sim *s);
uint16_t sim_port(const struct sim *s);
int64_t sim_now(const struct sim *s);           /* ms; caller holds the lock */
double sim_draw(struct sim *s, const char *what);       /* 0..1, the same for the same seed, word and turn */
void sim_settle(struct sim *s);                 /* what is due by now happens */

/* settings.c */
extern const struct sim_settings sim_settings_default;
errc sim_settings_read(struct sim_settings *s, const json_t *j, struct err *e);
json_t *sim_settings_json(const struct sim_settings *s);

/* answer.c */
void sim_answer_json(struct sim_answer *a, int status, json_t *body);   /* takes body */
void sim_answer_error(struct sim_answer *a, int status, const char *code, const char *fmt, ...) PRINTF(4, 5);
void sim_answer_row(struct sim_answer *a, const struct sim_error *row);         /* its Retry-After is the caller's */
void sim_answer_retry_after(const struct sim *s, struct sim_answer *a, int64_t seconds);
void sim_answer_header(struct sim_answer *a, const char *name, const char *fmt, ...) PRINTF(3, 4);
json_t *sim_error_json(const struct sim_error *row);    /* {code, message, details} */

/* keep.c */
errc sim_keep_read(struct sim *s, const char *path, struct err *e);     /* the pools of the last time, and from now on */
void sim_keep(struct sim *s);                   /* writes them when they changed */

/* routes.c */
void sim_handle(void *self, struct http_exchange *x);

/* tokens.c */
struct sim_token { int64_t client, expires; };
bool sim_token_route(struct sim *s, struct http_exchange *x, struct sim_answer *a);     /* false: not its path */
bool sim_authorize(struct sim *s, struct sim_request *q, struct sim_answer *a);         /* false: answered with 401 */
void sim_tokens_expire(struct sim *s);

/* certificate.c: what is wrong with an assertion, in Entra's words; NULL: nothing. The identity has a certificate. */
const char *sim_certificate_refuses(const struct sim *s, struct str assertion);

/* pool_check.c */
struct vm_size { char family[64]; int cores, gpus; };
bool sim_vm_size(struct str name, struct vm_size *out);
bool sim_pool_name_ok(struct str name);
/* False: answered. */
bool sim_pool_check(const struct sim *s, const json_t *properties, struct sim_answer *a);
bool sim_pool_same_fixed(const json_t *had, const json_t *want, struct sim_answer *a);
int sim_quota_used(const struct sim *s, const char *family);
bool sim_quota_check(struct sim *s, const json_t *properties, struct sim_answer *a);

/* pools.c */
void sim_pool_free(void *pool);
struct sim_pool *sim_pool(const struct sim *s, const char *name);
void sim_pool_touch(struct sim_pool *p);                /* another etag */
struct sim_pool *sim_pool_add(struct sim *s, const char *name, json_t *properties);     /* takes properties; no operation */
json_t *sim_pool_json(const struct sim *s, const struct sim_pool *p, const char *api_version);
struct sim_past *sim_past_last(struct sim *s, const char *name);
void sim_pool_get(struct sim *s, struct sim_request *q, struct sim_answer *a);
void sim_pool_list(struct sim *s, struct sim_request *q, struct sim_answer *a);
void sim_pool_put(struct sim *s, struct sim_request *q, struct sim_answer *a);
void sim_pool_delete(struct sim *s, struct sim_request *q, struct sim_answer *a);

/* operations.c */
void sim_operation_free(void *op);
struct sim_operation *sim_operation_start(struct sim *s, enum op_kind kind, struct sim_pool *p, const char *api_version);
void sim_operation_headers(struct sim *s, const struct sim_operation *o, bool async, bool location, struct sim_answer *a);
void sim_operation_poll(struct sim *s, struct sim_request *q, struct sim_answer *a);
void sim_operation_cancel(struct sim *s, struct sim_operation *o);
void sim_operations_settle(struct sim *s, int64_t now);

/* throttle.c: false when answered with 429; adds the headers of what is left. */
bool sim_throttle(struct sim *s, struct sim_request *q, struct sim_answer *a);
void sim_hold_free(void *hold);
void sim_hold(struct sim *s, const struct sim_request *q, int64_t ms);  /* the client was told to wait */
void sim_check_hold(struct sim *s, const struct sim_request *q);        /* and did it? */

/* faults.c */
void sim_faults_done(struct sim_faults *f);
errc sim_fault_add(struct sim *s, const json_t *rule, int64_t *out_id, struct err *e);
json_t *sim_faults_json(const struct sim *s);
void sim_faults_clear(struct sim *s);
/* Before the request is applied: true when the answer is made (or cut) already. */
bool sim_fault_before(struct sim *s, struct sim_request *q, struct sim_answer *a);
/* After it: a reply that is lost or late. */
void sim_fault_after(struct sim *s, struct sim_request *q, struct sim_answer *a);
void sim_fault_operation(struct sim *s, struct sim_operation *o);       /* how it will end */
void sim_fault_node(struct sim *s, struct sim_pool *p);                 /* how its Node will fare */

/* journal.c */
void sim_journal(struct sim *s, const struct sim_request *q, const struct sim_answer *a);
void sim_violation(struct sim *s, const struct sim_request *q, const char *rule, const char *fmt, ...) PRINTF(4, 5);
void sim_check_manners(struct sim *s, const struct sim_request *q);

/* history.c: the pool is as it is now; state NULL: its own; why NULL: nothing failed */
void sim_history(struct sim *s, const struct sim_pool *p, const char *state, const struct sim_error *why);

/* control.c: false when the path is none of its own. Takes the lock itself. */
bool sim_control(struct sim *s, struct http_exchange *x);

/* kubelets.c */
struct kube_client;
struct kubelet_opts {
    const char *kubeconfig;
    bool gpus;                          /* Nodes show nvidia.com/gpu */
    int64_t agent_port;                 /* not 0: this machine's node agent keeps the Nodes and runs their pods */
    int64_t heartbeat_ms;               /* 0: no leases */
};
errc kubelets_start(struct sim *s, const struct kubelet_opts *o, struct err *e);
void kubelets_stop(struct kubelets *k);
void sim_node_name(const struct sim_pool *p, char out[64]);
void sim_provider_id(const struct sim *s, const struct sim_pool *p, struct buf *out);

#endif
