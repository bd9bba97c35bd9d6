/* Why pods do not run: waiting reason, exit code, last words, eviction, scheduling, probe, as one reason and message. Pure. */
#ifndef WORKSPACE_CAUSE_H
#define WORKSPACE_CAUSE_H

#include "base/json.h"

/* reason NULL: nothing wrong seen; the message then tells what is waited for, or is empty. */
struct cause { const char *reason; char message[640]; };
/* Of the pods that a controller of this kind owns: of all that a StatefulSet runs side by side, of the newest attempt of others. */
void cause_of_pods(const json_t *pods, const char *owner_kind, struct cause *out);
/* A message as upstream cuts it: after 256 bytes, with "..."; here between characters. */
void message_cut(const char *text, char *out, size_t size);
/* What a container that ended well said, in the newest pod of the Job: "pushed REF@sha256:..."; NULL: nothing. Borrowed. */
const char *job_container_said(const json_t *pods, const char *container);

#endif
