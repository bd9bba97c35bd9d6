#ifndef LOCAL_PRIV_H
#define LOCAL_PRIV_H

#include "local/local.h"
#include "schema/schema.h"

struct state_owner { int64_t pid, start_ticks; };

errc state_write_owner(const char *state_dir, struct err *e);
bool state_find_owner(const char *state_dir, struct state_owner *out);
uint16_t state_port(const char *state_dir, const char *name);   /* of the last time; 0: none */
errc state_write_port(const char *state_dir, const char *name, uint16_t port, struct err *e);

struct kube_client;
struct webhook;
struct workspace_manager;
/* Starts it, and writes its configuration. */
errc hook_start(struct kube_client *client, struct workspace_manager *manager, const char *state_dir, const char *ns, struct cancel *cancel,
                struct webhook **out, struct err *e);
/* Returns when the API server asks the manager about every Workspace. */
errc hook_wait(struct webhook *w, struct workspace_manager *manager, struct cancel *cancel, struct err *e);

#endif
