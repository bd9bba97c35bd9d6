/* The two small servers beside a controller: /healthz and /readyz on one address, /metrics on another. */
#ifndef CLI_PROBES_H
#define CLI_PROBES_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

struct probes_opts {
    const char *health_address, *metrics_address;       /* HOST:PORT, [IPv6]:PORT, :PORT for all addresses, "0": none */
    bool (*ready)(void *self);
    void (*metrics)(void *self, struct buf *out);       /* Prometheus text; those of the process are added */
    json_t *(*state)(void *self);       /* what /debug/state beside /metrics shows; NULL: there is none */
    void *self;
};
struct probes;
errc probes_start(const struct probes_opts *o, struct probes **out, struct err *e);
void probes_stop(struct probes *p);     /* NULL is fine */

#endif
