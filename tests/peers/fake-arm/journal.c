/*
 * Every request in order, and what was wrong with the way it was asked. A violation is a defect of the client: what ARM would punish or
 * merely suffer. Kept in memory up to a limit, and on disk whole.
 */
#include "sim.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

enum { JOURNAL_MAX = 200000, VIOLATIONS_MAX = 1000 };

static void add(json_t *list, size_t max, json_t *row)
{
    if (json_array_size(list) < max)
        json_push(list, row);
    else
        json_decref(row);
}

/* Signatures and tokens stay out. A look at an operation says whose it is, and how far. */
static json_t *row_of(const struct sim *s, const struct sim_request *q)
{
    const struct sim_operation *o = map_get(s->operations, str_of(q->operation));
    json_t *row = json_pack("{s:I,s:I,s:s,s:s,s:s,s:s,s:I}", "wall", (json_int_t)clock_wall_ms(), "at", (json_int_t)q->now, "call", sim_call_name(q->call), "method", q->x->method,
                            "path", q->x->path, "apiVersion", q->api_version ? q->api_version : "", "client", (json_int_t)q->client);

    if (o) {
        json_put_str(row, "pool", o->pool);
        json_put_str(row, "operation", o->lost ? "lost" : o->status);
    }
    return row;
}

void sim_journal(struct sim *s, const struct sim_request *q, const struct sim_answer *a)
{
    json_t *row = row_of(s, q);
    struct err e;

    json_put_int(row, "status", a->cut ? 0 : a->status);
    json_put_str(row, "code", a->code);
    if (a->cut)
        json_put_bool(row, "cut", true);
    if (a->stall_ms)
        json_put_int(row, "stallMs", a->stall_ms);
    if (s->journal_fd >= 0) {
        AUTO_BUF line = { 0 };

        json_write(row, &line);
        buf_addc(&line, '\n');
        if (fd_write_all(s->journal_fd, line.p, line.n, &e))
            s->journal_fd = -1;
    }
    add(s->journal, JOURNAL_MAX, row);
}

void sim_violation(struct sim *s, const struct sim_request *q, const char *rule, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    json_t *row = row_of(s, q);
    json_put_str(row, "rule", rule);
    json_put_str(row, "what", buf_cstr(&text));
    add(s->violations, VIOLATIONS_MAX, row);
}

static bool accepts_json(const char *accept)
{
    size_t at;

    return accept && (str_find(str_of(accept), STR("application/json"), &at) || str_find(str_of(accept), STR("*/*"), &at));
}

/* A nextLink or an operation may name any host: a token goes to ARM only. */
static bool is_for_us(const struct sim *s, const char *host)
{
    struct str scheme, ours;

    return s->set.next_link != 2 || !host || !str_cut(str_of(s->base_url), '/', &scheme, &ours) || str_is(str_from(ours, 1), host);
}

/* Headers that ARM's rules ask of each request; faults come later, where their state is known. */
void sim_check_manners(struct sim *s, const struct sim_request *q)
{
    const struct http_pairs *h = &q->x->headers;
    const char *type = http_header_get(h, "Content-Type");

    if (!str_set(http_header_get(h, "User-Agent")))
        sim_violation(s, q, "user-agent", "no User-Agent");
    if (!str_has_prefix(str_of(http_header_get(h, "Authorization")), STR("Bearer ")))
        sim_violation(s, q, "authorization", "no bearer token");
    if (!is_for_us(s, http_header_get(h, "Host")))
        sim_violation(s, q, "host", "a token was sent to %s", http_header_get(h, "Host"));
    if (q->call == CALL_PUT && !str_has_prefix(str_of(type), STR("application/json")))
        sim_violation(s, q, "content-type", "PUT with Content-Type %s", type ? type : "(none)");
    if (q->call != CALL_DELETE && !accepts_json(http_header_get(h, "Accept")))
        sim_violation(s, q, "accept", "Accept is %s, not application/json", http_header_get(h, "Accept") ? http_header_get(h, "Accept") : "(none)");
    if (!str_set(q->api_version))
        sim_violation(s, q, "api-version", "no api-version in the query");
    if (q->x->headers.n && http_header_get(h, "Content-Encoding"))
        sim_violation(s, q, "content-encoding", "ARM takes bodies as they are");
}
