/*
 * How many requests of each class may still go to ARM: token buckets that know ARM's documented limits, lower themselves when its
 * answers say less is left, and close for all after a 429. Thread-safe; its lock is a leaf.
 */
#ifndef PROVISIONER_AZURE_BUDGET_H
#define PROVISIONER_AZURE_BUDGET_H

#include "base/thread.h"
#include "base/str.h"
#include "http/http.h"

enum budget_class { BUDGET_READ, BUDGET_WRITE, BUDGET_DELETE, BUDGET_POLL, BUDGET_CLASSES };
const char *budget_class_name(enum budget_class c);

struct budget;
struct budget *budget_new(double scale);        /* of what is documented; 1 but for simulators and subscriptions with higher limits */
void budget_free(struct budget *b);
DEFINE_AUTO_FREE(budget)

/* 0: go, it is counted. Else come back after so many ms; callers that come at once get turns one after another. */
int64_t budget_take(struct budget *b, enum budget_class c, int64_t now_ms);
/* 429: nobody sends before so long; 0: ARM did not say, it doubles with each refusal in a row. Returns the time that holds. */
int64_t budget_hold(struct budget *b, enum budget_class c, int64_t retry_ms, int64_t now_ms);
/*
 * The 429 that a class took in last, by ARM's x-ms-request-id; "" when there was none, or its id is no plain word. Noted after budget_hold and asked for
 * before budget_take, so that a request which names it had its turn after it.
 */
#define BUDGET_ID_MAX 64
void budget_note_refusal(struct budget *b, enum budget_class c, const char *id);
void budget_last_refusal(struct budget *b, enum budget_class c, char out[BUDGET_ID_MAX]);
/* An answer that is no refusal, with ARM's x-ms-ratelimit-remaining-* of it. */
void budget_answered(struct budget *b, enum budget_class c, const struct http_pairs *headers, int64_t now_ms);
double budget_left(struct budget *b, enum budget_class c, int64_t now_ms);

#endif
