/* What is remembered between reconciles, in memory only: a restart forgets it and asks once more. */
#include "base/clock.h"
#include "base/mem.h"
#include "provisioner/priv.h"

#define BRIEFLY_MS 1000

/* How long the cloud is left alone about a claim; every event of the claim or its Node would ask it otherwise. */
void hold(struct provisioner *p, const char *claim, int64_t ms)
{
    LOCK_SCOPE(&p->mu);
    if (ms > 0) {
        int64_t *until = xmalloc(sizeof *until);

        *until = clock_mono_ms() + ms;
        map_put(p->holds, str_of(claim), until);
    } else {
        map_del(p->holds, str_of(claim));
    }
}

int64_t hold_left_ms(struct provisioner *p, const char *claim)
{
    LOCK_SCOPE(&p->mu);
    const int64_t *until = map_get(p->holds, str_of(claim));
    int64_t left = until ? *until - clock_mono_ms() : 0;

    return left > 0 ? left : 0;
}

void hold_briefly(struct provisioner *p, const char *claim)
{
    if (hold_left_ms(p, claim) > BRIEFLY_MS)
        hold(p, claim, BRIEFLY_MS);
}

void notice(struct provisioner *p, const char *key)
{
    LOCK_SCOPE(&p->mu);

    if (map_get(p->noticed, str_of(key)))
        return;
    map_put(p->noticed, str_of(key), xstrdup(key));
    map_del(p->holds, str_of(key));
}

bool forget_notice(struct provisioner *p, const char *key)
{
    LOCK_SCOPE(&p->mu);
    bool had = map_get(p->noticed, str_of(key)) != NULL;

    map_del(p->noticed, str_of(key));
    return had;
}

int64_t failing_for_ms(struct provisioner *p, const char *key, int64_t now_ms)
{
    LOCK_SCOPE(&p->mu);
    const int64_t *had = map_get(p->failing, str_of(key));

    if (had)
        return now_ms - *had;
    map_put(p->failing, str_of(key), xmemdup(&now_ms, sizeof now_ms));
    return 0;
}

void no_longer_failing(struct provisioner *p, const char *key)
{
    LOCK_SCOPE(&p->mu);
    map_del(p->failing, str_of(key));
}

char *end_key(const char *claim)
{
    return xasprintf("end of %s", claim);
}

void forget_claim(struct provisioner *p, const char *claim)
{
    AUTO_MEM char *key = end_key(claim);
    LOCK_SCOPE(&p->mu);

    map_del(p->holds, str_of(claim));
    map_del(p->holds, str_of(key));
    map_del(p->failing, str_of(claim));
    map_del(p->failing, str_of(key));
    map_del(p->noticed, str_of(claim));
    map_del(p->noticed, str_of(key));
    map_del(p->types, str_of(claim));
    map_del(p->lost, str_of(claim));
}

void lose_claim(struct provisioner *p, const char *claim)
{
    LOCK_SCOPE(&p->mu);

    map_put(p->lost, str_of(claim), xstrdup(claim));
}

bool claim_is_lost(struct provisioner *p, const char *claim)
{
    LOCK_SCOPE(&p->mu);

    return map_get(p->lost, str_of(claim));
}

int64_t sooner_ms(int64_t a, int64_t b)
{
    return a > 0 && b > 0 ? (a < b ? a : b) : a > 0 ? a : b > 0 ? b : 0;
}
