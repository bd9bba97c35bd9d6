/* The running manager on our API server and a hub on loopback: admission and reconciles of models outside the catalogue. */
#include "test_manager.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "http/server.h"
#include "kube/meta.h"
#include "webhook/admission.h"
#include "../patience.h"

#define WAIT_MS patience_ms(7000)

struct world {
    struct test_manager t;
    struct http_server *hub;
    char *endpoint;
    atomic_int requests;
};

static void on_request(void *self, struct http_exchange *x)
{
    struct world *w = self;
    const char *token = http_header_get(&x->headers, "Authorization");

    atomic_fetch_add(&w->requests, 1);
    if (strstr(x->path, "/down"))
        http_replyf(x, 503, "not now");
    else if (strstr(x->path, "/gone"))
        http_replyf(x, 404, "{}");
    else if (strstr(x->path, "/gated") && (!token || strcmp(token, "Bearer tok") != 0))
        http_replyf(x, 401, "{}");
    else if (strstr(x->path, "/tree/"))
        http_replyf(x, 200, "[{\"path\":\"model.safetensors\",\"size\":161061273600}]");
    else
        http_replyf(x, 200, "{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":32,\"num_attention_heads\":32,\"num_key_value_heads\":8,\"hidden_size\":4096}");
}

static int start(void **state)
{
    struct world *w = xzalloc(sizeof *w);
    struct http_server_opts hub = { .handler = on_request, .self = w };
    struct err e;

    *state = w;
    test_manager_open(&w->t);
    OK(http_server_start(&hub, &w->hub, &e));
    w->endpoint = xasprintf("http://127.0.0.1:%u", http_server_port(w->hub));
    const struct workspace_manager_opts o = { .install_crds = true, .ask_hub = true, .settings = { .hf_endpoint = w->endpoint } };
    OK(test_manager_start(&w->t, &o, &e));
    test_manager_wait_ready(&w->t, WAIT_MS);
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;

    test_manager_close(&w->t);
    http_server_stop(w->hub, 100);
    free(w->endpoint);
    free(w);
    return 0;
}

static json_t *workspace(const char *name, const char *model, const char *secret)
{
    json_t *options = json_object();

    json_put_str(options, "modelAccessSecret", secret);
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:i, s:s, s:{s:{s:s}}}, s:{s:{s:s, s:o}}}", "apiVersion", "kaito.sh/v1beta1", "kind", "Workspace",
                     "metadata", "name", name, "namespace", "default", "resource", "count", 1, "instanceType", "Standard_NC24ads_A100_v4",
                     "labelSelector", "matchLabels", "a", "b", "inference", "preset", "name", model, "presetOptions", options);
}

static errc admit(struct world *w, const char *model, struct buf *why)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON object = workspace("w", model, NULL);
    const struct admission_request q = { .operation = "CREATE", .subresource = "", .version = "v1beta1", .kind = "Workspace", .object = object, .arena = a };

    buf_clear(why);
    return workspace_admit(w->t.manager, &q, why);
}

static void admission_refuses_what_the_hub_refuses(void **state)
{
    struct world *w = *state;
    AUTO_BUF why = { 0 };

    assert_int_equal(admit(w, "o/good", &why), ERR_OK);
    assert_int_equal(admit(w, "o/gone", &why), ERR_INVALID);
    assert_string_equal(buf_cstr(&why), "validation failed: invalid value: failed to get model preset: error listing files: failed to fetch "
                                        "https://huggingface.co/api/models/o/gone/tree/main?recursive=true: status 404: inference.preset");
    assert_int_equal(admit(w, "o/gated", &why), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&why), "authentication required for accessing"));
}

static int64_t took_to_admit_down(void *self)
{
    AUTO_BUF why = { 0 };
    int64_t began = clock_mono_ms();

    assert_int_equal(admit(self, "o/down", &why), ERR_OK);
    return clock_mono_ms() - began;
}

/* It is told at once, not after the seconds that admission may wait for the hub. */
static void admission_admits_what_nobody_could_learn(void **state)
{
    assert_true(once_below_ms(took_to_admit_down, *state, 3000));
}

static int64_t target_of(struct world *w, const char *name, json_t **out)
{
    struct err e;

    json_decref(*out);
    *out = NULL;
    OK(kube_get(w->t.user, WORKSPACES, "default", name, out, &e));
    return json_int(json_object_get(*out, "status"), "targetNodeCount", 0);
}

static void create(struct world *w, const char *name, const char *model, const char *secret)
{
    AUTO_JSON object = workspace(name, model, secret);
    struct err e;

    OK(kube_create(w->t.user, WORKSPACES, NULL, object, NULL, &e));
}

/* Polls: the answer wakes the reconciler, which writes it. */
static void wait_target(struct world *w, const char *name, int64_t want)
{
    AUTO_JSON ws = NULL;
    int64_t until = clock_mono_ms() + WAIT_MS;

    while (target_of(w, name, &ws) != want && clock_mono_ms() < until)
        cancel_wait_ms(w->t.cancel, 20);
    if (target_of(w, name, &ws) != want)
        fail_msg("targetNodeCount of %s is not %lld", name, (long long)want);
}

/* 150 GiB on GPUs of 80: three nodes. */
static void a_token_comes_from_the_secret_of_the_workspace(void **state)
{
    struct world *w = *state;
    AUTO_JSON secret = kube_object("v1", "Secret", "default", "hf");
    struct err e;

    json_put(secret, "stringData", json_pack("{s:s}", "HF_TOKEN", "tok"));
    OK(kube_create(w->t.user, KUBE_GVR("", "v1", "secrets"), NULL, secret, NULL, &e));
    create(w, "gated", "o/gated", "hf");
    wait_target(w, "gated", 3);
}

static void a_silent_hub_is_told_and_holds_up_nobody(void **state)
{
    struct world *w = *state;
    AUTO_JSON ws = NULL;
    const json_t *c = NULL;
    int64_t until = clock_mono_ms() + WAIT_MS;

    create(w, "down", "o/down", NULL);
    create(w, "other", "phi-4", NULL);
    wait_target(w, "other", 1);
    do {
        assert_int_equal(target_of(w, "down", &ws), 0);
        c = kube_condition(ws, "ResourceReady");
        cancel_wait_ms(w->t.cancel, 20);
    } while (!c && clock_mono_ms() < until);
    assert_string_equal(json_cstr(c, "reason"), "NodeEstimateFailed");
    assert_non_null(strstr(json_cstr(c, "message"), "failed to get model by name: error listing files: failed to fetch "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admission_refuses_what_the_hub_refuses), cmocka_unit_test(admission_admits_what_nobody_could_learn),
        cmocka_unit_test(a_token_comes_from_the_secret_of_the_workspace), cmocka_unit_test(a_silent_hub_is_told_and_holds_up_nobody),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
