#ifndef LOCAL_PRIV_H
#define LOCAL_PRIV_H

#include "local/local.h"
#include "schema/schema.h"

struct state_owner { int64_t pid, start_ticks; };

errc state_write_owner(const char *state_dir, struct err *e);
bool state_find_owner(const char *state_dir, struct state_owner *out);
uint16_t state_last_port(const char *state_dir);        /* 0: none */
errc state_write_port(const char *state_dir, uint16_t port, struct err *e);

#endif
