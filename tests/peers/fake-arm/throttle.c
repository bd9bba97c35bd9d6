/*
 * Token buckets of ARM (per principal) and of AKS (per subscription, per pool for PUT); source: reference dossier, provisioner, 3.8.
 * A request that comes while its client was told to wait is a violation: when it says itself (x-kaito-after-refusal, the x-ms-request-id of a 429) that the
 * client had taken the 429 in before this request had its turn, or when it comes so late that nobody can have sent it before the 429 arrived.
 */
#include "sim.h"

#include "base/mem.h"

struct bucket_row { const char *name; double size, per_second; const char *left_header; };

static const struct bucket_row reads = { "reads", 250, 25, "x-ms-ratelimit-remaining-subscription-reads" };
static const struct bucket_row writes = { "writes", 200, 10, "x-ms-ratelimit-remaining-subscription-writes" };
static const struct bucket_row deletes = { "deletes", 200, 10, "x-ms-ratelimit-remaining-subscription-deletes" };
static const struct bucket_row aks_put = { "aks-put", 20, 1.0 / 60, NULL };
static const struct bucket_row aks_operation = { "aks-operation", 200, 2, NULL };
static const struct bucket_row aks_other = { "aks-other", 60, 1, NULL };

static const struct { const struct bucket_row *arm, *aks; } of_call[CALL_COUNT] = {
    [CALL_GET] = { &reads, &aks_other }, [CALL_LIST] = { &reads, &aks_other }, [CALL_PUT] = { &writes, &aks_put },
    [CALL_DELETE] = { &deletes, &aks_other }, [CALL_OPERATION] = { &reads, &aks_operation }, [CALL_CLUSTER] = { &reads, &aks_other },
};

static struct sim_bucket *bucket(struct sim *s, const struct bucket_row *r, const char *pool, int64_t now)
{
    AUTO_MEM char *key = xasprintf("%s/%s", r->name, r == &aks_put ? pool : "");
    double scale = (double)s->set.throttle_scale;
    struct sim_bucket *b = map_get(s->buckets, str_of(key));

    if (!b) {
        b = xmalloc(sizeof *b);
        *b = (struct sim_bucket){ r->size * scale, now };
        map_put(s->buckets, str_of(key), b);
    }
    b->tokens += (double)(now - b->at) / 1000 * r->per_second * scale;
    b->tokens = b->tokens > r->size * scale ? r->size * scale : b->tokens;
    b->at = now;
    return b;
}

/* How long a request may be on its way: one that does not say what its client knew (two busy cores took 420 ms), and one that says (1.5 s with two runs beside). */
enum { IN_FLIGHT_MS = 500, IN_FLIGHT_TOLD_MS = 5000 };
struct refusal { int64_t number, until; };
struct hold { int64_t told, until; struct refusal *items; size_t n, cap; };

void sim_hold_free(void *hold)
{
    struct hold *h = hold;

    free(h->items);
    free(h);
}

static struct hold *hold_of(struct sim *s, const struct sim_request *q)
{
    AUTO_MEM char *key = xasprintf("%lld/%s/%s", (long long)q->client, sim_call_name(q->call), q->call == CALL_PUT ? q->pool : "");
    struct hold *h = map_get(s->holds, str_of(key));

    if (!h) {
        h = xzalloc(sizeof *h);
        map_put(s->holds, str_of(key), h);
    }
    return h;
}

void sim_hold(struct sim *s, const struct sim_request *q, int64_t ms)
{
    struct hold *h = hold_of(s, q);

    if (h->until <= q->now) {           /* the earlier ones are over */
        h->told = q->now;
        h->n = 0;
    }
    h->until = q->now + ms;
    vec_grow(h->items, h->n, h->cap);
    h->items[h->n++] = (struct refusal){ q->number, h->until };
}

/* The end of the waits that this request's client knew of when it was sent; 0: it names none. */
static int64_t known_until(const struct hold *h, const struct sim_request *q)
{
    const char *text = http_header_get(&q->x->headers, "x-kaito-after-refusal");
    int64_t number = text ? (int64_t)strtoull(text, NULL, 16) : 0, until = 0;

    for (size_t i = 0; i < h->n; i++)
        if (h->items[i].number <= number && h->items[i].until > until)
            until = h->items[i].until;
    return until;
}

void sim_check_hold(struct sim *s, const struct sim_request *q)
{
    const struct hold *h = hold_of(s, q);
    int64_t left = h->until - q->now, known = known_until(h, q) - q->now;
    int64_t on_its_way = http_header_get(&q->x->headers, "x-kaito-after-refusal") ? IN_FLIGHT_TOLD_MS : IN_FLIGHT_MS;

    if (known > 0)
        sim_violation(s, q, "throttle", "came %lld ms before the end of the wait that a 429 asked for, of which it says that it knew", (long long)known);
    else if (left > 0 && q->now > h->told + on_its_way)
        sim_violation(s, q, "throttle", "came %lld ms before the end of the wait that a 429 asked for", (long long)left);
}

bool sim_throttle(struct sim *s, struct sim_request *q, struct sim_answer *a)
{
    if (!s->set.throttle || !of_call[q->call].arm)
        return true;
    const struct bucket_row *rows[] = { of_call[q->call].arm, of_call[q->call].aks };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sim_bucket *b = bucket(s, rows[i], q->pool, q->now);

        if (b->tokens < 1) {
            int64_t wait_s = (int64_t)((1 - b->tokens) / (rows[i]->per_second * (double)s->set.throttle_scale)) + 1;

            sim_hold(s, q, wait_s * 1000);
            sim_answer_retry_after(s, a, wait_s);
            sim_answer_error(a, 429, "TooManyRequests", "The request is being throttled as the limit has been reached for %s. Retry again in %lld seconds.",
                             rows[i]->name, (long long)wait_s);
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sim_bucket *b = bucket(s, rows[i], q->pool, q->now);

        b->tokens -= 1;
        if (rows[i]->left_header)
            sim_answer_header(a, rows[i]->left_header, "%lld", (long long)b->tokens);
    }
    return true;
}
