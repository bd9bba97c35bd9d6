/* The manager as it runs in a cluster: the program itself, behind a world's proxy, so that a signal can end it and a clock be wrong. */
#ifndef TESTS_FAULT_PROGRAM_H
#define TESTS_FAULT_PROGRAM_H

#include "../unit/child.h"
#include "world.h"

struct program {
    struct child child;
    char *kubeconfig;                   /* path, in the world's folder */
};

/*
 * With these options (NULL-terminated, NULL: none) beside those of a manager that the world's own would be. skew_s: what its wall clock is
 * ahead of everybody else's. Fails the test when it cannot be started.
 */
void program_start(struct program *p, struct world *w, int64_t skew_s, const char *const *options);
void program_stop(struct program *p);           /* SIGTERM, and until it has ended; NULL-safe after either */
void program_kill(struct program *p);           /* SIGKILL */

#endif
