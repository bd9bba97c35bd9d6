/* Leader election over a Lease. */
#include "kube/lease.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "kube/priv.h"

static const struct kube_gvr leases_gvr = { "coordination.k8s.io", "v1", "leases" };

struct leader {
    struct kube_client *client;
    char *ns, *name, *identity;
    int64_t lease_ms, renew_ms, retry_ms;
    struct thread thread;
    struct cancel *stop, *lost;
    atomic_bool held;
    atomic_llong renewed_ms;            /* when our last renewal was asked for; monotonic */

    char *seen_version;                 /* of the lease, and when we saw it first: our clock alone decides that it expired */
    int64_t seen_ms;
    int64_t left_ms;                    /* how long the last try found it held by another; 0: it was not */
};

struct leader *leader_new(struct kube_client *c, const struct leader_opts *o)
{
    struct leader *l = xzalloc(sizeof *l);
    char host[256] = "localhost", uuid[37];
    (void)gethostname(host, sizeof host - 1);
    random_uuid(uuid);
    l->client = c;
    l->ns = xstrdup(o->ns);
    l->name = xstrdup(o->name);
    l->identity = o->identity ? xstrdup(o->identity) : xasprintf("%s_%s", host, uuid);
    l->lease_ms = o->lease_ms ? o->lease_ms : 15000;
    l->renew_ms = o->renew_ms ? o->renew_ms : 10000;
    l->retry_ms = o->retry_ms ? o->retry_ms : 2000;
    l->stop = cancel_new();
    return l;
}

static void put_spec(struct leader *l, json_t *lease, bool taking, const char *holder, int64_t lease_ms)
{
    char now[TIME_TEXT_MAX];
    time_rfc3339_micro(clock_wall_us(), now);
    json_t *spec = json_sub(lease, "spec");
    json_put_str(spec, "holderIdentity", holder);
    json_put_int(spec, "leaseDurationSeconds", lease_ms < 1000 ? 1 : lease_ms / 1000);
    json_put_str(spec, "renewTime", now);
    if (taking) {
        bool was_made = json_object_get(spec, "acquireTime") != NULL;
        json_put_str(spec, "acquireTime", now);
        json_put_int(spec, "leaseTransitions", json_int(spec, "leaseTransitions", 0) + (was_made ? 1 : 0));
    }
}

static errc lease_create(struct leader *l, struct err *e)
{
    AUTO_JSON lease = kube_object("coordination.k8s.io/v1", "Lease", l->ns, l->name);
    put_spec(l, lease, true, l->identity, l->lease_ms);
    return kube_create(l->client, &leases_gvr, NULL, lease, NULL, e);
}

/* How long somebody else still holds it, by when we saw the last renewal; 0: nobody does. */
static int64_t held_by_other_ms(struct leader *l, const json_t *lease)
{
    const char *holder = json_str_at(lease, "spec", "holderIdentity", NULL), *version = kube_resource_version(lease);
    if (!streq(l->seen_version, version)) {
        free(l->seen_version);
        l->seen_version = xstrdup(version);
        l->seen_ms = clock_mono_ms();
    }
    if (!str_set(holder) || streq(holder, l->identity))
        return 0;
    int64_t duration = json_int(json_object_get(lease, "spec"), "leaseDurationSeconds", 0) * 1000;
    int64_t left = l->seen_ms + (duration ? duration : l->lease_ms) - clock_mono_ms();
    return left > 0 ? left : 0;
}

/* CONFLICT: another one leads, or was faster. */
static errc lease_try(struct leader *l, struct err *e)
{
    AUTO_JSON lease = NULL;
    errc rc = kube_get(l->client, &leases_gvr, l->ns, l->name, &lease, e);
    if (rc == ERR_NOT_FOUND)
        return lease_create(l, e);
    if (rc)
        return rc;
    l->left_ms = held_by_other_ms(l, lease);
    if (l->left_ms > 0)
        return err_set(e, ERR_CONFLICT, "lease %s/%s: is held by %s", l->ns, l->name, json_str_at(lease, "spec", "holderIdentity", NULL));
    bool taking = !streq(json_str_at(lease, "spec", "holderIdentity", NULL), l->identity);
    put_spec(l, lease, taking, l->identity, l->lease_ms);
    return kube_update(l->client, &leases_gvr, NULL, lease, NULL, e);
}

/* Twice as often as it is renewed, and when it runs out: nobody waits longer for a dead leader than its lease lasts. */
static int64_t next_try_ms(const struct leader *l)
{
    int64_t ms = l->retry_ms / 2 + (int64_t)(random_u64() % (uint64_t)(l->retry_ms / 10 + 1));
    return l->left_ms > 0 && l->left_ms < ms ? l->left_ms : ms;
}

errc leader_acquire(struct leader *l, struct cancel *stop, struct err *e)
{
    for (;;) {
        struct err why = { 0 };
        int64_t asked = clock_mono_ms();
        l->left_ms = 0;
        errc rc = lease_try(l, &why);
        if (!rc) {
            l->renewed_ms = asked;
            l->held = true;
            log_info("leader", "leading", KV("namespace", l->ns), KV("name", l->name), KV("identity", l->identity));
            return ERR_OK;
        }
        log_debug("leader", "not leading", KV("name", l->name), KV("err", why.text));
        if (rc == ERR_CANCELLED || cancel_wait_ms(stop, next_try_ms(l)))
            return err_set(e, ERR_CANCELLED, "lease %s/%s: stopped waiting", l->ns, l->name);
    }
}

static void renew_run(void *arg)
{
    struct leader *l = arg;
    while (!cancel_wait_ms(l->stop, l->retry_ms)) {
        struct err e = { 0 };
        int64_t asked = clock_mono_ms();
        errc rc = lease_try(l, &e);
        if (!rc) {
            l->renewed_ms = asked;
            continue;
        }
        if (clock_mono_ms() - l->renewed_ms < l->renew_ms && rc != ERR_CANCELLED)
            continue;
        log_warn("leader", "leadership lost", KV("name", l->name), KV("err", e.text));
        l->held = false;
        cancel_now(l->lost);
        return;
    }
}

void leader_hold(struct leader *l, struct cancel *lost)
{
    l->lost = lost;
    thread_start(&l->thread, "leader", renew_run, l);
}

bool leader_is(const struct leader *l) { return l->held && clock_mono_ms() - l->renewed_ms < l->lease_ms; }

static errc lease_release(struct leader *l, struct err *e)
{
    AUTO_JSON lease = NULL;
    TRY(kube_get(l->client, &leases_gvr, l->ns, l->name, &lease, e));
    if (!streq(json_str_at(lease, "spec", "holderIdentity", NULL), l->identity))
        return ERR_OK;
    put_spec(l, lease, false, "", 1000);
    return kube_update(l->client, &leases_gvr, NULL, lease, NULL, e);
}

void leader_free(struct leader *l)
{
    struct err e = { 0 };
    if (!l)
        return;
    cancel_now(l->stop);
    thread_join(&l->thread);
    if (l->held && lease_release(l, &e))
        log_debug("leader", "lease not released; it expires", KV("name", l->name), KV("err", e.text));
    cancel_free(l->stop);
    free(l->seen_version);
    free(l->ns);
    free(l->name);
    free(l->identity);
    free(l);
}
