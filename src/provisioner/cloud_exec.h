/*
 * cloud/exec: any cloud as a program. Each call starts it once, with a JSON object on its stdin and a JSON object expected on its stdout;
 * docs/cloud-exec.md has the words, examples/cloud-exec a program. What is special to a cloud stays in that program: no code here knows one.
 */
#ifndef PROVISIONER_CLOUD_EXEC_H
#define PROVISIONER_CLOUD_EXEC_H

#include "provisioner/cloud.h"

struct cloud_exec_opts {
    const char *command;                /* a path, or a name of $PATH; copied */
    int64_t timeout_ms;                 /* of one call; 0: 60 s. After it the program and its children are killed */
    const char *node_label;             /* a Node's label that names its claim; NULL: none; copied */
};
struct cloud *cloud_exec_new(const struct cloud_exec_opts *o);  /* free with cloud_free */

#endif
