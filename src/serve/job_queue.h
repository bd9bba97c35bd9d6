/*
 * Jobs that wait for the batch, as plain data: the scheduler guards it. Who goes next: a job that waited STARVED_US goes before
 * all others, then the lower priority, then the earlier arrival. A preempted job keeps its time of arrival.
 */
#ifndef SERVE_JOB_QUEUE_H
#define SERVE_JOB_QUEUE_H

#include "serve/scheduler.h"

#define STARVED_US ((int64_t)30 * 1000 * 1000)

struct job_queue { struct job *first, *last; size_t n; };      /* in the order they were put */

void job_queue_put(struct job_queue *q, struct job *j);
struct job *job_queue_next(const struct job_queue *q, int64_t now_us);          /* stays in the queue; NULL: empty */
void job_queue_remove(struct job_queue *q, struct job *j);

#endif
