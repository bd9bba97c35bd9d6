/*
 * A container's last words: Kubernetes shows what it finds in the termination message file as the container's
 * status.state.terminated.message, from where controllers take the cause of a failure or the digest of a push.
 */
#ifndef CLI_TERMINATION_H
#define CLI_TERMINATION_H

#include "base/err.h"

#define TERMINATION_LOG     "/dev/termination-log"      /* Kubernetes' default; written only where it exists */
#define TERMINATION_ENV     "KAITO_TERMINATION_LOG"

/* path NULL or "": TERMINATION_LOG. A file that cannot be written is no error: the message is in the log too. */
void termination_say(const char *path, const char *text);

/* Prints as command_fail does, says the same in the termination message, and gives the exit status. */
int termination_fail(const char *name, const char *path, const struct err *e);

#endif
