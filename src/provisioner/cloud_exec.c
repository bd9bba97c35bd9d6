#include "provisioner/cloud_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/process.h"
#include "kube/meta.h"

#define API             "cloud.kaito.sh/v1"
#define TIMEOUT_MS      60000
#define REPLY_MAX       (16u << 20)
#define LOOK_MS         10000           /* when the program does not say when to ask again */

struct exec {
    struct cloud cloud;
    char *command, *node_label;
    int64_t timeout_ms;
};

/* ---- one call ---- */

/* The whole request in a file in memory: a program that reads late or never cannot block us. */
static errc request_file(const json_t *request, int *out, struct err *e)
{
    AUTO_BUF text = { 0 };
    AUTO_FD fd = memfd_create("request", MFD_CLOEXEC);
    size_t done = 0;

    if (fd < 0)
        return err_sys(e, errno, "make a file in memory");
    json_write(request, &text);
    buf_addc(&text, '\n');
    while (done < text.n) {
        ssize_t n = write(fd, text.p + done, text.n - done);

        if (n < 0 && errno != EINTR)
            return err_sys(e, errno, "write the request");
        done += n > 0 ? (size_t)n : 0;
    }
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_sys(e, errno, "rewind the request");
    *out = fd;
    fd = -1;
    return ERR_OK;
}

static errc read_reply(const struct exec *x, int fd, int64_t deadline_ms, struct buf *out, struct err *e)
{
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = deadline_ms - clock_mono_ms();
        char piece[4096];

        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return err_set(e, ERR_TIMEOUT, "%s: no answer within %lld s", x->command, (long long)(x->timeout_ms / 1000));
        ssize_t n = read(fd, piece, sizeof piece);

        if (n < 0 && errno != EINTR)
            return err_sys(e, errno, "read the answer of %s", x->command);
        if (n == 0)
            return ERR_OK;
        if (n > 0)
            buf_add(out, piece, (size_t)n);
        if (out->n > REPLY_MAX)
            return err_set(e, ERR_TOO_LARGE, "%s: the answer is longer than %u MiB", x->command, REPLY_MAX >> 20);
    }
}

/* Its whole session ends with it, so that nothing goes on making machines behind our back. */
static errc end_program(const struct exec *x, pid_t pid, errc so_far, int64_t deadline_ms, struct err *e)
{
    int64_t left = deadline_ms - clock_mono_ms();
    int status = 0;
    errc rc = so_far ? so_far : process_wait(pid, left > 0 ? left : 0, &status, e);

    if (rc) {
        kill(-pid, SIGKILL);
        (void)process_wait(pid, -1, &status, NULL);
        return rc == ERR_TIMEOUT && !so_far ? err_set(e, ERR_TIMEOUT, "%s: did not end within %lld s", x->command, (long long)(x->timeout_ms / 1000)) : rc;
    }
    if (WIFSIGNALED(status))
        return err_set(e, ERR_UNAVAILABLE, "%s: ended by signal %d", x->command, WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return err_set(e, ERR_UNAVAILABLE, "%s: ended with status %d; its stderr is in the log", x->command, WEXITSTATUS(status));
    return ERR_OK;
}

static errc run_program(const struct exec *x, const json_t *request, struct buf *out, struct err *e)
{
    const char *const argv[] = { x->command, NULL };
    int64_t deadline = clock_mono_ms() + x->timeout_ms;
    int ends[2], in_fd = -1;
    pid_t pid;

    TRY(request_file(request, &in_fd, e));
    AUTO_FD in = in_fd;

    if (pipe2(ends, O_CLOEXEC))
        return err_sys(e, errno, "pipe");
    AUTO_FD from = ends[0];
    errc rc = process_start(&(struct process_opts){ .argv = argv, .stdin_fd = in, .stdout_fd = ends[1], .stderr_fd = -1, .new_session = true }, &pid, e);

    close(ends[1]);
    if (rc)
        return err_wrap(e, "start %s", x->command);
    return end_program(x, pid, read_reply(x, from, deadline, out, e), deadline, e);
}

/* ---- what it says ---- */

static enum cloud_fault fault_of(const char *reason)
{
    for (enum cloud_fault f = 0; f < FAULT_COUNT; f++)
        if (streq(cloud_fault_row(f)->reason, reason))
            return f;
    return FAULT_OTHER;
}

static const errc codes[FAULT_COUNT] = { [FAULT_OTHER] = ERR_INTERNAL, [FAULT_TRANSIENT] = ERR_UNAVAILABLE, [FAULT_THROTTLED] = ERR_THROTTLED,
    [FAULT_BUSY] = ERR_CONFLICT, [FAULT_QUOTA] = ERR_FORBIDDEN, [FAULT_CAPACITY] = ERR_UNAVAILABLE, [FAULT_TYPE] = ERR_INVALID, [FAULT_SPEC] = ERR_INVALID,
    [FAULT_AUTH] = ERR_UNAUTHORIZED, [FAULT_POLICY] = ERR_FORBIDDEN, [FAULT_CLUSTER_GONE] = ERR_UNAVAILABLE, [FAULT_NOT_OURS] = ERR_EXISTS,
    [FAULT_PROVISIONING] = ERR_UNAVAILABLE };

/* {"error": {"reason", "message", "retrySeconds"}} */
static errc said_error(const struct exec *x, const json_t *error, struct cloud_failure *why, struct err *e)
{
    const char *message = json_cstr(error, "message");

    why->fault = fault_of(json_cstr(error, "reason"));
    why->retry_ms = json_int(error, "retrySeconds", 0) * 1000;
    return err_set(e, codes[why->fault], "%s", str_set(message) ? message : x->command);
}

/* *out (yours) is the answer. why may be NULL: the caller has no use for it. */
static errc call(const struct exec *x, const char *verb, json_t *request /* taken */, json_t **out, struct cloud_failure *why, struct err *e)
{
    AUTO_JSON q = request ? request : json_object();
    struct cloud_failure ignored = { 0 };
    AUTO_JSON reply = NULL;
    AUTO_BUF text = { 0 };

    why = why ? why : &ignored;
    why->fault = FAULT_TRANSIENT;
    json_put_str(q, "apiVersion", API);
    json_put_str(q, "verb", verb);
    TRY(run_program(x, q, &text, e));
    if (json_parse(buf_str(&text), &reply, e))
        return err_wrap(e, "%s: the answer to %s", x->command, verb);
    why->fault = FAULT_OTHER;
    if (!json_is_object(reply))
        return err_set(e, ERR_CORRUPT, "%s: the answer to %s is no object", x->command, verb);
    if (json_object_get(reply, "error"))
        return said_error(x, json_object_get(reply, "error"), why, e);
    *out = TAKE(reply);
    return ERR_OK;
}

static errc wrong(const struct exec *x, const char *verb, const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "%s: the answer to %s: %s", x->command, verb, what);
}

static bool state_of(const char *text, enum cloud_state *out)
{
    static const char *const names[] = { [CLOUD_RUNNING] = "running", [CLOUD_PENDING] = "pending", [CLOUD_DELETING] = "deleting", [CLOUD_BROKEN] = "broken" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (streq(names[i], text)) {
            *out = (enum cloud_state)i;
            return true;
        }
    return false;
}

static errc read_machine(const struct exec *x, const char *verb, const json_t *m, struct cloud_instance *out, struct err *e)
{
    const json_t *labels = json_object_get(m, "labels");

    *out = (struct cloud_instance){ 0 };
    if (!json_cstr(m, "claim"))
        return wrong(x, verb, "a machine without \"claim\"", e);
    if (!state_of(json_cstr(m, "state"), &out->state))
        return wrong(x, verb, "a machine whose \"state\" is none of running, pending, deleting, broken", e);
    out->claim = xstrdup(json_cstr(m, "claim"));
    out->provider_id = xstrdup(json_cstr(m, "providerID"));
    out->image_id = xstrdup(json_cstr(m, "imageID"));
    out->instance_type = xstrdup(json_cstr(m, "instanceType"));
    out->operation = xstrdup(json_cstr(m, "operation"));
    out->labels = json_is_object(labels) ? json_clone(labels) : NULL;
    out->created_ms = kube_time_ms(json_cstr(m, "createdAt"));
    out->look_ms = json_int(m, "lookSeconds", LOOK_MS / 1000) * 1000;
    return ERR_OK;
}

/* ---- the table ---- */

static errc exec_create(void *self, const struct node_claim *claim, struct cloud_instance *out, struct cloud_failure *why, struct err *e)
{
    struct str type = node_claim_requirement(claim, INSTANCE_TYPE_LABEL);
    const char *operation = str_map_get(&claim->meta.annotations, CLOUD_OPERATION_ANNOTATION).p;
    json_t *q = json_pack("{s:o}", "claim", schema_encode(&node_claim_type, claim));
    AUTO_JSON reply = NULL;

    if (type.n > 0)
        json_put(q, "instanceType", json_strn(type));
    json_put_str(q, "operation", operation);
    TRY(call(self, "create", q, &reply, why, e));
    return read_machine(self, "create", json_object_get(reply, "machine"), out, e);
}

static json_t *by_name(const char *claim_name)
{
    return json_pack("{s:s}", "claimName", claim_name);
}

static errc exec_get(void *self, const char *claim_name, struct cloud_instance *out, struct err *e)
{
    AUTO_JSON reply = NULL;

    TRY(call(self, "get", by_name(claim_name), &reply, NULL, e));
    const json_t *m = json_object_get(reply, "machine");

    if (!m)
        return wrong(self, "get", "no \"machine\"; null says that there is none", e);
    if (json_is_null(m))
        return err_set(e, ERR_NOT_FOUND, "machine %s not found", claim_name);
    return read_machine(self, "get", m, out, e);
}

static errc exec_list(void *self, struct cloud_instances *out, struct err *e)
{
    AUTO_JSON reply = NULL;
    const json_t *list, *m;
    size_t i;

    TRY(call(self, "list", NULL, &reply, NULL, e));
    list = json_object_get(reply, "machines");
    if (!json_is_array(list))
        return wrong(self, "list", "\"machines\" is no array", e);
    json_array_foreach(list, i, m)
        TRY(read_machine(self, "list", m, cloud_instances_add(out), e));
    return ERR_OK;
}

static errc exec_delete(void *self, const char *claim_name, int64_t *out_look_ms, struct err *e)
{
    AUTO_JSON reply = NULL;

    TRY(call(self, "delete", by_name(claim_name), &reply, NULL, e));
    const json_t *gone = json_object_get(reply, "gone");

    if (!json_is_boolean(gone))
        return wrong(self, "delete", "\"gone\" is neither true nor false", e);
    int64_t look_ms = json_int(reply, "lookSeconds", LOOK_MS / 1000) * 1000;

    *out_look_ms = json_is_true(gone) ? 0 : look_ms > 0 ? look_ms : LOOK_MS;
    return ERR_OK;
}

static errc exec_types(void *self, json_t **out, struct err *e)
{
    AUTO_JSON reply = NULL;

    TRY(call(self, "types", NULL, &reply, NULL, e));
    if (!json_is_array(json_object_get(reply, "types")))
        return wrong(self, "types", "\"types\" is no array", e);
    *out = json_incref(json_object_get(reply, "types"));
    return ERR_OK;
}

static void exec_free(void *self)
{
    struct exec *x = self;

    free(x->command);
    free(x->node_label);
    free(x);
}

struct cloud *cloud_exec_new(const struct cloud_exec_opts *o)
{
    struct exec *x = xmalloc(sizeof *x);

    *x = (struct exec){ .command = xstrdup(o->command), .node_label = xstrdup(o->node_label), .timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS };
    x->cloud = (struct cloud){ .name = "exec", .node_label = x->node_label, .self = x, .create = exec_create, .get = exec_get, .list = exec_list,
                               .delete = exec_delete, .types = exec_types, .free = exec_free };
    return &x->cloud;
}
