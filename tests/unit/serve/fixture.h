/* A real server on the stand-in model, and a real client of it. */
#ifndef TESTS_SERVE_FIXTURE_H
#define TESTS_SERVE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/json.h"
#include "http/client.h"
#include "serve/serve.h"

struct fixture { struct server *server; struct http_client *client; char *base; };

struct fixture fixture_start(const struct server_opts *more);   /* model_dir absent: the stand-in; served as "phi-3" */
void fixture_stop(struct fixture *f);
int fixture_set_up(void **state);       /* of a group: four sequences at a time */
int fixture_tear_down(void **state);

int ask(const struct fixture *f, const char *method, const char *path, struct str body, struct buf *out);      /* the status */
json_t *ask_json(const struct fixture *f, const char *path, const char *body, int want);       /* body NULL: a GET; fails unless `want` */
void assert_body(const struct fixture *f, const char *method, const char *path, const char *body, int status, const char *want);
json_t *choice_at(const json_t *reply, size_t i);               /* lent */
size_t open_descriptors(void);          /* of this process, the one that counts them included */

#endif
