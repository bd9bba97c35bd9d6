/* The simulator as a whole: its clock, its dice, its life. */
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/tls.h"

int64_t sim_now(const struct sim *s)
{
    return s->base_wall + (clock_mono_ms() - s->base_mono) * s->speed_percent / 100;
}

/* splitmix64's mixing of seed, word and turn. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

double sim_draw(struct sim *s, const char *what)
{
    int64_t *turn = map_get(s->turns, str_of(what));

    if (!turn) {
        turn = xzalloc(sizeof *turn);
        map_put(s->turns, str_of(what), turn);
    }
    uint64_t x = mix(mix(s->seed ^ hash_bytes(what, strlen(what))) + (uint64_t)(*turn)++);

    return (double)(x >> 11) / (double)(1ull << 53);
}

void sim_settle(struct sim *s)
{
    sim_operations_settle(s, sim_now(s));
    if (s->keep_path)
        sim_keep(s);
}

static errc certificate(const struct sim_opts *o, struct tls_pair *out, struct err *e)
{
    static const char *const names[] = { "127.0.0.1", "localhost" };
    AUTO(tls_pair_done) struct tls_pair ca = { 0 };

    if (o->cert_pem) {
        *out = (struct tls_pair){ xstrdup(o->cert_pem), xstrdup(o->key_pem) };
        return ERR_OK;
    }
    TRY(tls_make_ca("kaito-fake-arm", 365, &ca, e));
    TRY(tls_make_cert(&ca, "kaito-fake-arm", NULL, names, ARRAY_LEN(names), 365, out, e));
    AUTO_BUF chain = { 0 };

    buf_addf(&chain, "%s%s", out->cert_pem, ca.cert_pem);
    free(out->cert_pem);
    out->cert_pem = buf_take(&chain);
    return ERR_OK;
}

static errc listen_on(struct sim *s, const struct sim_opts *o, struct err *e)
{
    AUTO(tls_pair_done) struct tls_pair pair = { 0 };
    struct http_server_opts h = { .port = o->port, .handler = sim_handle, .self = s, .idle_timeout_ms = 600000 };

    if (o->tls) {
        TRY(certificate(o, &pair, e));
        h.cert_pem = pair.cert_pem;
        h.key_pem = pair.key_pem;
        s->cert_pem = xstrdup(pair.cert_pem);
    }
    TRY(http_server_start(&h, &s->server, e));
    s->base_url = o->host_url ? xstrdup(o->host_url) : xasprintf("%s://127.0.0.1:%u", o->tls ? "https" : "http", http_server_port(s->server));
    return ERR_OK;
}

static void release(struct sim *s)
{
    struct map *maps[] = { s->pools, s->ghosts, s->operations, s->tokens, s->quota, s->buckets, s->holds, s->put_bodies, s->turns };

    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        map_free(maps[i]);
    sim_faults_done(&s->faults);
    json_decref(s->journal);
    json_decref(s->violations);
    json_decref(s->history);
    if (s->journal_fd >= 0)
        close(s->journal_fd);
    mutex_done(&s->mu);
    free(s->running);
    free(s->past);
    free(s->base_url);
    free(s->cert_pem);
    free(s->keep_path);
    free(s->kept);
    free(s);
}

errc sim_start(const struct sim_opts *o, struct sim **out, struct err *e)
{
    struct sim *s = xmalloc(sizeof *s);

    *s = (struct sim){
        .who = o->who, .set = sim_settings_default, .base_wall = clock_wall_ms(), .base_mono = clock_mono_ms(), .speed_percent = 100, .seed = o->seed,
        .pools = map_new(sim_pool_free), .ghosts = map_new(sim_pool_free), .operations = map_new(sim_operation_free), .tokens = map_new(free),
        .quota = map_new(free), .buckets = map_new(free), .holds = map_new(sim_hold_free), .put_bodies = map_new(free), .turns = map_new(free),
        .journal = json_array(), .violations = json_array(), .history = json_array(), .journal_fd = -1,
    };
    mutex_init(&s->mu);
    if (o->journal_path)
        s->journal_fd = open(o->journal_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    errc rc = o->journal_path && s->journal_fd < 0 ? err_sys(e, errno, "open %s", o->journal_path) : listen_on(s, o, e);

    if (rc)
        release(s);
    else
        *out = s;
    return rc;
}

void sim_stop(struct sim *s)
{
    if (!s)
        return;
    kubelets_stop(s->kubelets);
    http_server_stop(s->server, 100);
    release(s);
}

uint16_t sim_port(const struct sim *s)
{
    return http_server_port(s->server);
}
