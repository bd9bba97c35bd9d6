/*
 * What became of each pool and its Node, and when: the cloud's side of the truth, by the simulator's clock and by the machine's, so that a
 * test can lay it beside what the claims said at the same moment (`GET /control/history`).
 */
#include "sim.h"

#include "base/clock.h"

enum { HISTORY_MAX = 1000000 };

void sim_history(struct sim *s, const struct sim_pool *p, const char *state, const struct sim_error *why)
{
    if (json_array_size(s->history) >= HISTORY_MAX)
        return;
    json_t *row = json_pack("{s:I,s:I,s:s,s:s,s:b,s:i,s:b,s:b}", "wall", (json_int_t)clock_wall_ms(), "at", (json_int_t)sim_now(s), "pool", p->name,
                            "state", state ? state : p->state, "machine", p->has_machine, "node", (int)p->node_done, "lost", p->node_lost,
                            "foreign", p->foreign);

    if (why)
        json_put_str(row, "error", why->inner_code ? why->inner_code : why->code);
    json_push(s->history, row);
}
