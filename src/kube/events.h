/*
 * Events (core/v1) as client-go's recorder writes them. recorder_event never blocks and never fails: a thread writes, equal events
 * become one with a count, a queue that is full or an object that talks too much (burst 25, then one in 5 minutes) loses events.
 * A new event is a line of the log as well (client-go's structured logging does the same): they are the story that a person reads there.
 */
#ifndef KUBE_EVENTS_H
#define KUBE_EVENTS_H

#include "kube/kube.h"

#define EVENT_NORMAL "Normal"
#define EVENT_WARNING "Warning"

/* The client should have no cancel token of its own, or the last events are lost when everything stops. */
struct recorder;
/* component is source.component and reportingComponent; host (may be NULL) is source.host. */
struct recorder *recorder_new(struct kube_client *c, const char *component, const char *host);
void recorder_free(struct recorder *r);         /* writes what is queued (at most 2 s), joins */
DEFINE_AUTO_FREE(recorder)

void recorder_event(struct recorder *r, const json_t *obj, const char *type, const char *reason, const char *fmt, ...) PRINTF(5, 6);
/* In the name of another component than the recorder's own. */
void recorder_event_from(struct recorder *r, const char *component, const json_t *obj, const char *type, const char *reason, const char *fmt, ...) PRINTF(6, 7);
/* field_path as "spec.containers{main}"; NULL: none */
void recorder_event_at(struct recorder *r, const json_t *obj, const char *field_path, const char *type, const char *reason, const char *text);

#endif
