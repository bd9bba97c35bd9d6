/*
 * The API a test talks to: the cluster that KAITO_TEST_KUBECONFIG names (make test-real sets it to a real kube-apiserver), else our
 * own server in a temporary folder.
 */
#ifndef TESTS_TEST_API_H
#define TESTS_TEST_API_H

#include <stdlib.h>

#include "apiserver/apiserver.h"
#include "base/file.h"
#include "base/mem.h"

struct test_api {
    char dir[64];
    char *kubeconfig;                   /* path */
    struct apiserver *server;           /* NULL: not ours */
};

static inline errc test_api_start(struct test_api *t, struct err *e)
{
    const char *path = getenv("KAITO_TEST_KUBECONFIG");
    *t = (struct test_api){ .dir = "/tmp/kaito-test-api-XXXXXX" };
    if (path) {
        t->kubeconfig = xstrdup(path);
        return ERR_OK;
    }
    if (!mkdtemp(t->dir))
        return err_sys(e, errno, "make %s", t->dir);
    t->kubeconfig = path_join(t->dir, "kubeconfig");
    return apiserver_start(&(struct apiserver_opts){ .state_dir = t->dir }, &t->server, e);
}

static inline void test_api_stop(struct test_api *t)
{
    struct err ignored;
    apiserver_stop(t->server);
    if (t->server)
        (void)dir_remove(t->dir, &ignored);
    free(t->kubeconfig);
}

#endif
