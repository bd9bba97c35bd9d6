/* node: from a Pod to a plan, from states to a status; pure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "node/priv.h"

static void variables_and_paths_are_replaced(void **state)
{
    (void)state;
    AUTO_FREE(arena) a = arena_new();
    const struct str env[] = { STR("A=1"), STR("POD_IP=127.64.0.1"), STR("A=2") };
    const struct path_map maps[] = { { STR("/mnt"), STR("/h/all") }, { STR("/mnt/data"), STR("/h/data") } };

    assert_true(str_is(variables_expand(a, STR("--host=$(POD_IP) $(A) $$(A) $(B) $x $("), env, 3), "--host=127.64.0.1 2 $(A) $(B) $x $("));
    assert_true(str_is(paths_replace(a, STR("--data=/mnt/data/x,/mnt/other"), maps, 2), "--data=/h/data/x,/h/all/other"));
    assert_true(str_is(paths_replace(a, STR("/mnt/database /x/mnt/data /mnt"), maps, 2), "/h/all/database /x/mnt/data /h/all"));
}

static errc lookup(void *self, const char *resource, const char *ns, const char *name, json_t **out, struct err *e)
{
    (void)self;
    if (streq(resource, "configmaps") && streq(name, "settings"))
        *out = json_pack("{s:s,s:{s:s,s:s}}", "kind", "ConfigMap", "data", "a.yaml", "k: v\n", "LEVEL", "info");
    else if (streq(resource, "secrets") && streq(name, "token"))
        *out = json_pack("{s:s,s:{s:s}}", "kind", "Secret", "data", "HF_TOKEN", "c2VjcmV0");
    else
        return err_set(e, ERR_NOT_FOUND, "%s \"%s\" not found", resource, name);
    assert_string_equal(ns, "ml");
    return ERR_OK;
}

static const char pod_text[] =
    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ml\",\"uid\":\"u\",\"labels\":{\"app\":\"x\"}},\"spec\":{\"nodeName\":\"n1\","
    "\"volumes\":[{\"name\":\"cfg\",\"configMap\":{\"name\":\"settings\"}},{\"name\":\"tmp\",\"emptyDir\":{}},"
    "{\"name\":\"sec\",\"secret\":{\"secretName\":\"token\",\"items\":[{\"key\":\"HF_TOKEN\",\"path\":\"a/b\"}]}}],"
    "\"containers\":[{\"name\":\"main\",\"image\":\"rt:1\",\"command\":[\"kaito-runtime\",\"serve\"],"
    "\"args\":[\"--host=$(POD_IP)\",\"--config\",\"/mnt/config/a.yaml\",\"--log=/dev/termination-log\"],"
    "\"env\":[{\"name\":\"POD_IP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}},"
    "{\"name\":\"APP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels['app']\"}}},"
    "{\"name\":\"T\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"token\",\"key\":\"HF_TOKEN\"}}},"
    "{\"name\":\"O\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"absent\",\"key\":\"x\",\"optional\":true}}}],"
    "\"envFrom\":[{\"prefix\":\"S_\",\"configMapRef\":{\"name\":\"settings\"}}],"
    "\"ports\":[{\"name\":\"web\",\"containerPort\":5000}],"
    "\"readinessProbe\":{\"httpGet\":{\"path\":\"/health\",\"port\":\"web\"},\"periodSeconds\":2},"
    "\"volumeMounts\":[{\"name\":\"cfg\",\"mountPath\":\"/mnt/config/\"},{\"name\":\"tmp\",\"mountPath\":\"/tmp/x\"}]},"
    "{\"name\":\"foreign\",\"image\":\"nginx\"},{\"name\":\"odd\",\"image\":\"rt:1\",\"command\":[\"/bin/sh\"]}]}}";

static bool has_env(const struct container_plan *c, const char *pair)
{
    for (size_t i = 0; i < c->n_env; i++)
        if (str_is(c->env[i], pair))
            return true;
    return false;
}

static void a_pod_becomes_a_plan(void **state)
{
    (void)state;
    AUTO_FREE(arena) a = arena_new();
    char folder[] = "/tmp/kaito-test-XXXXXX";
    json_t *j;
    struct pod pod;
    struct pod_plan plan;
    struct err e;
    const struct lookup look = { lookup, NULL };

    assert_non_null(mkdtemp(folder));
    assert_int_equal(json_parse(str_of(pod_text), &j, &e), ERR_OK);
    assert_int_equal(schema_decode(&pod_type, j, a, &pod, &e), ERR_OK);
    json_decref(j);
    struct plan_input in = { .pod = &pod, .pod_ip = "127.64.0.7", .host_ip = "127.0.0.1", .folder = folder, .claims_dir = "/c",
                             .runtime_image = "rt:1", .runtime_path = "/opt/kaito-runtime", .lookup = &look };
    assert_int_equal(pod_volumes_make(&in, a, &e), ERR_OK);
    assert_int_equal(pod_plan_make(&in, a, &plan, &e), ERR_OK);
    const struct container_plan *c = &plan.containers[0];
    assert_true(str_is(c->argv[0], "/opt/kaito-runtime") && str_is(c->argv[1], "serve") && str_is(c->argv[2], "--host=127.64.0.7"));
    assert_true(str_is(c->argv[4], arena_printf(a, "%s/volumes/cfg/a.yaml", folder)));
    assert_true(str_is(c->argv[5], arena_printf(a, "--log=%s/containers/main/termination-log", folder)));
    assert_int_equal(c->n_told, 2);
    assert_true(str_is(paths_replace(a, str_of(arena_printf(a, "read %s/volumes/cfg/a.yaml: no", folder)), c->told, c->n_told), "read /mnt/config/a.yaml: no"));
    assert_true(has_env(c, "APP=x") && has_env(c, "T=secret") && has_env(c, "S_LEVEL=info") && has_env(c, "POD_IP=127.64.0.7"));
    assert_true(str_is(c->readiness->http_url, "http://127.64.0.7:5000/health"));
    assert_int_equal(c->readiness->period_s, 2);
    assert_int_equal(c->readiness->failure_threshold, 3);
    assert_true(str_is(plan.containers[1].blocked_reason, "ErrImagePull"));
    assert_true(str_is(plan.containers[2].blocked_reason, "CreateContainerError"));
    AUTO_BUF secret = { 0 };
    assert_int_equal(file_read(arena_printf(a, "%s/volumes/sec/a/b", folder), 100, &secret, &e), ERR_OK);
    assert_string_equal(secret.p, "secret");
    pod.spec.volumes[0].config_map->name = STR("absent");
    assert_int_equal(pod_volumes_make(&in, a, &e), ERR_NOT_FOUND);
    assert_string_equal(e.text, "MountVolume.SetUp failed for volume \"cfg\": configmaps \"absent\" not found");
    assert_int_equal(dir_remove(folder, &e), ERR_OK);
}

static const char *phase(struct pod_state *st)
{
    static char text[32];
    AUTO_JSON pod = json_pack("{s:{s:s},s:{s:[{s:s,s:s}]}}", "metadata", "uid", "u", "spec", "containers", "name", "main", "image", "rt:1");
    const struct status_input in = { .pod = pod, .state = st, .pod_ip = "127.64.0.7", .host_ip = "127.0.0.1", .now_ms = 1000 };
    AUTO_JSON status = pod_status_render(&in);

    snprintf(text, sizeof text, "%s/%s", json_cstr(status, "phase"),
             streq(json_cstr(json_array_get(json_object_get(status, "conditions"), 2), "status"), "True") ? "ready" : "unready");
    return text;
}

static void states_become_phases(void **state)
{
    (void)state;
    struct state_running run = { 1 };
    struct state_terminated good = { .exit_code = 0 }, bad = { .exit_code = 1 };
    struct container_status init = { .name = STR("init") }, main = { .name = STR("main") };
    struct pod_state st = { .init = &init, .containers = &main, .n_init = 1, .n_containers = 1 };

    assert_string_equal(phase(NULL), "Pending/unready");
    init.state.running = &run;
    assert_string_equal(phase(&st), "Pending/unready");
    init.state = (struct container_state){ .terminated = &good };
    assert_string_equal(phase(&st), "Pending/unready");
    main.state.running = &run;
    assert_string_equal(phase(&st), "Running/unready");
    main.ready = true;
    assert_string_equal(phase(&st), "Running/ready");
    main.ready = false;
    main.state = (struct container_state){ .terminated = &bad };
    st.finished = true;
    assert_string_equal(phase(&st), "Failed/unready");
    main.state.terminated = &good;
    assert_string_equal(phase(&st), "Succeeded/unready");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_and_paths_are_replaced), cmocka_unit_test(a_pod_becomes_a_plan), cmocka_unit_test(states_become_phases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
