/* Connections that became something else (WebSocket): each runs on a thread of its own until the server stops. */
#include <fcntl.h>

#include "base/mem.h"
#include "http/priv.h"

struct upgrade_thread {
    struct upgrade_thread *next;
    struct http_server *server;
    struct thread thread;
    struct http_upgrade what;
    struct gone *stop;
    struct MHD_UpgradeResponseHandle *handle;
    int fd;
    struct buf early;
    atomic_bool ended;
};

static void upgrade_thread_run(void *arg)
{
    struct upgrade_thread *t = arg;
    t->what.run(t->what.self, t->fd, buf_str(&t->early), t->stop->token);
    if (t->what.free)
        t->what.free(t->what.self);
    MHD_upgrade_action(t->handle, MHD_UPGRADE_ACTION_CLOSE);
    t->ended = true;
}

static void upgrade_thread_free(struct upgrade_thread *t)
{
    thread_join(&t->thread);
    gone_unref(t->stop);
    buf_done(&t->early);
    free(t);
}

/* Takes those that have ended (or all) out of the list. */
static struct upgrade_thread *take_upgrades(struct http_server *s, bool all)
{
    struct upgrade_thread *taken = NULL, **at = &s->upgrades;
    LOCK_SCOPE(&s->mu);
    while (*at) {
        struct upgrade_thread *t = *at;
        if (!all && !t->ended) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        t->next = taken;
        taken = t;
    }
    return taken;
}

static void free_upgrades(struct upgrade_thread *t, bool cancel)
{
    while (t) {
        struct upgrade_thread *next = t->next;
        if (cancel)
            cancel_now(t->stop->token);
        upgrade_thread_free(t);
        t = next;
    }
}

void upgrades_join(struct http_server *s)
{
    free_upgrades(take_upgrades(s, true), true);
}

/* Runs on the connection's thread, which must go on to carry the bytes when there is TLS. */
static void upgrade_begin(void *cls, struct MHD_Connection *con, void *req, const char *extra, size_t extra_n, MHD_socket fd,
                          struct MHD_UpgradeResponseHandle *handle)
{
    struct upgrade_thread *t = cls;
    struct request *r = req;
    struct http_connection *c = r->x.conn;
    struct http_server *s = t->server;
    r->upgrade = NULL;
    t->stop = connection_gone(c);
    t->handle = handle;
    t->fd = fd;
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    buf_add(&t->early, extra, extra_n);
    connection_phase(c, PHASE_UPGRADED);
    free_upgrades(take_upgrades(s, false), false);
    thread_start(&t->thread, "upgraded", upgrade_thread_run, t);
    LOCK_SCOPE(&s->mu);
    t->next = s->upgrades;
    s->upgrades = t;
}

void upgrade_drop(struct upgrade_thread *t)
{
    if (!t)
        return;
    if (t->what.free)
        t->what.free(t->what.self);
    free(t);
}

struct MHD_Response *upgrade_response(struct http_server *s, const struct http_upgrade *u, struct upgrade_thread **out)
{
    struct upgrade_thread *t = xzalloc(sizeof *t);
    t->server = s;
    t->what = *u;
    *out = t;
    return MHD_create_response_for_upgrade(upgrade_begin, t);
}
