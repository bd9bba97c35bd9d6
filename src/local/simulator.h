/*
 * `kaito up --cloud fake-azure`: the simulator of ARM (kaito-fake-arm) as a child, whose machines this machine's node agent keeps and runs.
 * Its pools live in STATE/fake-azure.json, so a rehearsal outlives its processes; it ends with us.
 */
#ifndef LOCAL_SIMULATOR_H
#define LOCAL_SIMULATOR_H

#include <sys/types.h>

#include "provisioner/cloud.h"
#include "base/thread.h"

struct simulator_opts {
    const char *state_dir;
    int agent_port;
    const char *program;                /* NULL: kaito-fake-arm beside this executable, else on PATH */
    const char *settings;               /* JSON of its settings; NULL: its own */
};
struct simulator { pid_t pid; char *url; };     /* all zero: none */

errc simulator_start(const struct simulator_opts *o, struct simulator *out, struct err *e);
/* A cloud/azure that speaks with it. */
errc simulator_cloud(const struct simulator *s, struct cancel *cancel, struct cloud **out, struct err *e);
void simulator_stop(struct simulator *s);

#endif
