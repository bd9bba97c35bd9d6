/* The order of waiting jobs. */
#include "serve/job_queue.h"

void job_queue_put(struct job_queue *q, struct job *j)
{
    j->next = NULL;
    if (q->last)
        q->last->next = j;
    else
        q->first = j;
    q->last = j;
    q->n++;
}

static bool before(const struct job *a, const struct job *b, int64_t now_us)
{
    bool a_starved = now_us - a->queued_us > STARVED_US, b_starved = now_us - b->queued_us > STARVED_US;

    if (a_starved != b_starved)
        return a_starved;
    if (!a_starved && a->priority != b->priority)
        return a->priority < b->priority;
    return a->queued_us < b->queued_us;
}

struct job *job_queue_next(const struct job_queue *q, int64_t now_us)
{
    struct job *best = q->first;

    for (struct job *j = q->first; j; j = j->next)
        if (before(j, best, now_us))
            best = j;
    return best;
}

void job_queue_remove(struct job_queue *q, struct job *j)
{
    struct job **link = &q->first, *previous = NULL;

    while (*link != j) {
        previous = *link;
        link = &previous->next;
    }
    *link = j->next;
    if (q->last == j)
        q->last = previous;
    j->next = NULL;
    q->n--;
}
