#include "provisioner/azure/budget.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define HOLD_FIRST_MS 10000
#define HOLD_MAX_MS   300000

struct budget_limit { double burst, per_s; };

struct bucket {
    struct budget_limit limit;
    double tokens;
    int64_t filled_ms;                  /* 0: never looked at */
    int64_t turn_ms;                    /* the last turn given to a caller that had to wait */
    int64_t hold_ms, hold_wait_ms;      /* closed until; the wait of a 429 without a time, 0 after a good answer */
    char refusal[BUDGET_ID_MAX];
};

struct budget {
    struct mutex mu;                    /* a leaf; guards the rest */
    struct bucket buckets[BUDGET_CLASSES];
};

/*
 * Dossier 3.8: AKS's own limits where they are lower than ARM's per-principal buckets. "All other calls" of AKS, 60 and one a second,
 * are shared out between looks and deletions, so that neither starves the other.
 */
static const struct { const char *name, *header; struct budget_limit limit; } classes[BUDGET_CLASSES] = {
    [BUDGET_READ] = { "read", "reads", { 20, 0.4 } }, [BUDGET_WRITE] = { "write", "writes", { 200, 10 } },
    [BUDGET_DELETE] = { "delete", "deletes", { 40, 0.6 } }, [BUDGET_POLL] = { "poll", "reads", { 200, 2 } },
};

const char *budget_class_name(enum budget_class c)
{
    return classes[c].name;
}

struct budget *budget_new(double scale)
{
    struct budget *b = xzalloc(sizeof *b);

    mutex_init(&b->mu);
    for (size_t i = 0; i < BUDGET_CLASSES; i++) {
        b->buckets[i].limit = (struct budget_limit){ classes[i].limit.burst * scale, classes[i].limit.per_s * scale };
        b->buckets[i].tokens = b->buckets[i].limit.burst;
    }
    return b;
}

void budget_free(struct budget *b)
{
    if (b)
        mutex_done(&b->mu);
    free(b);
}

static struct bucket *filled_locked(struct budget *b, enum budget_class c, int64_t now_ms)
{
    struct bucket *k = &b->buckets[c];

    mutex_assert_held(&b->mu);
    if (k->filled_ms && now_ms > k->filled_ms)
        k->tokens = fmin(k->limit.burst, k->tokens + (double)(now_ms - k->filled_ms) / 1000 * k->limit.per_s);
    k->filled_ms = now_ms;
    return k;
}

int64_t budget_take(struct budget *b, enum budget_class c, int64_t now_ms)
{
    LOCK_SCOPE(&b->mu);
    struct bucket *k = filled_locked(b, c, now_ms);
    int64_t gap = (int64_t)ceil(1000 / k->limit.per_s), ready = now_ms + (int64_t)ceil((1 - k->tokens) * (double)gap);

    if (k->hold_ms <= now_ms && k->tokens >= 1) {
        k->tokens--;
        return 0;
    }
    if (ready < k->hold_ms)
        ready = k->hold_ms;
    k->turn_ms = k->turn_ms < ready ? ready : k->turn_ms + gap;
    return k->turn_ms > now_ms ? k->turn_ms - now_ms : 1;
}

int64_t budget_hold(struct budget *b, enum budget_class c, int64_t retry_ms, int64_t now_ms)
{
    LOCK_SCOPE(&b->mu);
    struct bucket *k = filled_locked(b, c, now_ms);

    if (retry_ms <= 0) {
        k->hold_wait_ms = k->hold_wait_ms ? k->hold_wait_ms * 2 : HOLD_FIRST_MS;
        if (k->hold_wait_ms > HOLD_MAX_MS)
            k->hold_wait_ms = HOLD_MAX_MS;
        retry_ms = k->hold_wait_ms;
    }
    if (k->hold_ms < now_ms + retry_ms)
        k->hold_ms = now_ms + retry_ms;
    return k->hold_ms - now_ms;
}

void budget_note_refusal(struct budget *b, enum budget_class c, const char *id)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    bool good = strlen(id) < BUDGET_ID_MAX && strspn(id, plain) == strlen(id);
    LOCK_SCOPE(&b->mu);

    snprintf(b->buckets[c].refusal, BUDGET_ID_MAX, "%s", good ? id : "");
}

void budget_last_refusal(struct budget *b, enum budget_class c, char out[BUDGET_ID_MAX])
{
    LOCK_SCOPE(&b->mu);

    memcpy(out, b->buckets[c].refusal, BUDGET_ID_MAX);
}

/* The smallest of the class's remaining counts; -1: there is none. */
static int64_t remaining(const struct http_pairs *headers, const char *kind)
{
    static const char prefix[] = "x-ms-ratelimit-remaining-";
    int64_t least = -1, n;

    for (size_t i = 0; i < headers->n; i++) {
        struct str name = str_of(headers->items[i].name);

        if (name.n < sizeof prefix || strncasecmp(name.p, prefix, sizeof prefix - 1) || name.n <= strlen(kind) ||
            strcasecmp(name.p + name.n - strlen(kind), kind) || !str_to_i64(str_trim(str_of(headers->items[i].value)), &n) || n < 0)
            continue;
        least = least < 0 || n < least ? n : least;
    }
    return least;
}

void budget_answered(struct budget *b, enum budget_class c, const struct http_pairs *headers, int64_t now_ms)
{
    int64_t left = remaining(headers, classes[c].header);
    LOCK_SCOPE(&b->mu);
    struct bucket *k = filled_locked(b, c, now_ms);

    k->hold_wait_ms = 0;
    if (left >= 0 && (double)left < k->tokens)
        k->tokens = (double)left;
}

double budget_left(struct budget *b, enum budget_class c, int64_t now_ms)
{
    LOCK_SCOPE(&b->mu);
    return filled_locked(b, c, now_ms)->tokens;
}
