/*
 * The Workspace manager on an API (test_api.h), for the tests that let it run: two clients, so that what the manager asks can be told from
 * what the test does. What cannot be started fails the test.
 */
#ifndef TESTS_WORKSPACE_TEST_MANAGER_H
#define TESTS_WORKSPACE_TEST_MANAGER_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/yaml.h"
#include "kube/kube.h"
#include "workspace/workspace.h"
#include "../test_api.h"

#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)
#define NODES KUBE_GVR("", "v1", "nodes")
#define WORKSPACES KUBE_GVR("kaito.sh", "v1beta1", "workspaces")
#define CLAIMS KUBE_GVR("karpenter.sh", "v1", "nodeclaims")
#define SETS KUBE_GVR("apps", "v1", "statefulsets")

struct test_manager {
    struct test_api api;
    struct kube_client *user;           /* the test's */
    struct kube_client *client;         /* the manager's */
    struct cancel *cancel;
    struct workspace_manager *manager;  /* NULL: not started */
};

/* The API and the clients; no manager yet. */
static inline void test_manager_open(struct test_manager *t)
{
    AUTO_FREE(kube_config) config = NULL;
    struct err e;

    *t = (struct test_manager){ 0 };
    OK(test_api_start(&t->api, &e));
    OK(kube_config_load(t->api.kubeconfig, NULL, &config, &e));
    t->cancel = cancel_new();
    OK(kube_client_new(config, NULL, NULL, &t->user, &e));
    OK(kube_client_new(config, NULL, t->cancel, &t->client, &e));
}

static inline errc test_manager_start(struct test_manager *t, const struct workspace_manager_opts *o, struct err *e)
{
    return workspace_manager_start(t->client, o, t->cancel, &t->manager, e);
}

static inline void test_manager_wait_ready(struct test_manager *t, int64_t wait_ms)
{
    for (int64_t until = clock_mono_ms() + wait_ms; !workspace_manager_ready(t->manager) && clock_mono_ms() < until; poll(NULL, 0, 5))
        ;
    assert_true(workspace_manager_ready(t->manager));
}

static inline void test_manager_close(struct test_manager *t)
{
    cancel_now(t->cancel);
    workspace_manager_join(t->manager);
    kube_client_free(t->client);
    kube_client_free(t->user);
    test_api_stop(&t->api);
    cancel_free(t->cancel);
}

/* How many events of a resource the manager has heard. */
static inline uint64_t test_manager_events(struct test_manager *t, const char *resource)
{
    AUTO_JSON state = workspace_manager_state(t->manager);
    const json_t *cache;
    size_t i;

    json_array_foreach(json_object_get(state, "caches"), i, cache)
        if (streq(json_cstr(cache, "resource"), resource))
            return (uint64_t)json_int(cache, "events", 0);
    return 0;
}

static inline json_t *test_yaml(const char *text)
{
    json_t *j = NULL;
    struct err e;

    OK(yaml_parse(str_of(text), &j, &e));
    return j;
}

#endif
