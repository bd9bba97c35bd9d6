/*
 * Which Workspaces speak of an object, so that its change wakes them and no others: by the ConfigMaps and Secrets they name, and by a
 * label that their nodes must have. A cluster has thousands of each, most of them nobody's concern. Thread-safe; the queue's lock is
 * taken under its own.
 */
#ifndef WORKSPACE_MENTIONS_H
#define WORKSPACE_MENTIONS_H

#include "base/json.h"
#include "kube/workq.h"

struct mentions;
/* Parameter ConfigMaps are looked for in the release namespace too; the text must outlive it. */
struct mentions *mentions_new(const char *release_namespace);
void mentions_free(struct mentions *m);                 /* NULL is fine */

/* A Workspace came (old NULL), changed or went (now NULL): as an informer tells it. */
void mentions_change(struct mentions *m, const json_t *old, const json_t *now);

void mentions_of_config(struct mentions *m, const json_t *config, struct workq *q);
void mentions_of_secret(struct mentions *m, const json_t *secret, struct workq *q);
/* One label has to fit; whoever is woken looks at the others. */
void mentions_of_node(struct mentions *m, const json_t *node, struct workq *q);

#endif
