/*
 * docs/api-reference.md is current (tools/write-api-reference rewrites it), and what its tables say is true: each rule is broken once and
 * refused in the words told, every reason that the planners write has a row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "workspace/priv.h"
#include "workspace/reasons.h"
#include "workspace/reference.h"
#include "workspace/review.h"
#include "workspace/validate/rules.h"

static void the_page_is_current(void **state)
{
    AUTO_MEM char *path = xasprintf("%s/docs/api-reference.md", getenv("KAITO_SOURCE"));
    AUTO_BUF text = { 0 }, have = { 0 };
    struct err e;
    (void)state;

    workspace_reference(&text);
    if (streq(getenv("KAITO_GOLDEN"), "write"))
        assert_int_equal(file_write_atomic(path, buf_str(&text), 0644, &e), ERR_OK);
    if (file_read(path, 1 << 20, &have, &e))
        fail_msg("%s; run tools/write-api-reference", e.text);
    if (!str_eq(buf_str(&have), buf_str(&text)))
        fail_msg("%s is not current; run tools/write-api-reference", path);
}

/* ---- rules ------------------------------------------------------------------------------------------------------------------- */

#define INFERENCE "{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: w, namespace: default, annotations: {}}, " \
                  "resource: {count: 1, instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {a: b}}}, " \
                  "inference: {preset: {name: phi-4}, adapters: [{source: {name: x, image: 'r.io/x:1'}}]}}"
#define TUNING    "{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: w, namespace: default, annotations: {}}, " \
                  "resource: {count: 1, instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {a: b}}}, " \
                  "tuning: {preset: {name: phi-4}, method: lora, input: {name: d, urls: ['https://example.com/d.parquet']}, " \
                  "output: {image: 'r.io/x:1', imagePushSecret: s}}}"
#define TEN       "{source: {name: a0, image: i}}, {source: {name: a1, image: i}}, {source: {name: a2, image: i}}, {source: {name: a3, image: i}}, " \
                  "{source: {name: a4, image: i}}, {source: {name: a5, image: i}}, {source: {name: a6, image: i}}, {source: {name: a7, image: i}}, " \
                  "{source: {name: a8, image: i}}, {source: {name: a9, image: i}}"

/* A merge patch that breaks the rule of the same `says`; null takes a field away. */
static const struct { const char *says, *base, *patch; } breaks[] = {
    { "must not contain dots", INFERENCE, "{metadata: {name: a.b}}" },
    { "unsupported node image family", INFERENCE, "{metadata: {annotations: {kaito.sh/node-image-family: windows}}}" },
    { "is not a valid performance mode", INFERENCE, "{metadata: {annotations: {kaito.sh/performance-mode: fast}}}" },
    { "must be \"true\" or \"false\"", INFERENCE, "{metadata: {annotations: {kaito.sh/use-local-weights: 'yes'}}}" },
    { "Either Inference or Tuning must be specified, not neither", INFERENCE, "{inference: null}" },
    { "Inference field cannot be toggled once set", INFERENCE, "{inference: null}" },
    { "Preset and Template cannot be set at the same time", INFERENCE, "{inference: {template: {}}}" },
    { "field is immutable: inference.preset", INFERENCE, "{inference: {preset: {name: phi-4-mini-instruct}}}" },
    { "Unsupported inference preset name", INFERENCE, "{inference: {preset: {name: phi-33}}}" },
    { "field cannot be unset/set if it was set/unset: inference.template", INFERENCE, "{inference: {template: {}}}" },
    { "specified in 'config' not found in namespace", INFERENCE, "{inference: {config: nowhere}}" },
    { "maximum of 10 allowed", INFERENCE, "{inference: {adapters: [" TEN ", {source: {name: b, image: i}}]}}" },
    { "Either Image or Volume must be specified for adapter source", INFERENCE, "{inference: {adapters: [{source: {name: x}}]}}" },
    { "vLLM does not support adapter strength", INFERENCE, "{inference: {adapters: [{source: {name: x, image: i}, strength: '0.5'}]}}" },
    { "must be between 0 and 1", INFERENCE, "{inference: {adapters: [{source: {name: x, image: i}, strength: '2'}]}}" },
    { "Tuning does not currently support multinode configurations", TUNING, "{resource: {count: 2}}" },
    { "field is immutable: resource.count", INFERENCE, "{resource: {count: 2}}" },
    { "Unsupported instance type", INFERENCE, "{resource: {instanceType: Basic_A1}}" },
    { "instanceType cannot be changed once set", INFERENCE, "{resource: {instanceType: Standard_NC48ads_A100_v4}}" },
    { "matchLabels must contain at least one non-reserved label", INFERENCE, "{resource: {labelSelector: {matchLabels: {a: null, kaito.sh/workspace: w}}}}" },
    { "field is immutable: resource.labelSelector", INFERENCE, "{resource: {labelSelector: {matchLabels: {a: c}}}}" },
    { "GPU partitioning is only supported with BYO nodes", INFERENCE, "{resource: {partition: {mode: mig, profile: 1g.10gb}}}" },
    { "field is immutable: resource.partition", INFERENCE, "{resource: {partition: {mode: mig, profile: 1g.10gb}}}" },
    { "Tuning field cannot be toggled once set", TUNING, "{tuning: null}" },
    { "Unsupported tuning preset name", TUNING, "{tuning: {preset: {name: phi-33}}}" },
    { "Preset cannot be changed", TUNING, "{tuning: {preset: {name: phi-4-mini-instruct}}}" },
    { "invalid value: full: tuning.Method", TUNING, "{tuning: {method: full}}" },
    { "Method cannot be changed", TUNING, "{tuning: {method: qlora}}" },
    { "Exactly one of URLs, Volume, or Image must be specified", TUNING, "{tuning: {input: {urls: null}}}" },
    { "tuning.Input.URLs", TUNING, "{tuning: {input: {urls: ['http://127.0.0.1/d']}}}" },
    { "During tuning Name field cannot be changed once set", TUNING, "{tuning: {input: {name: e}}}" },
    { "Must specify imagePushSecret with destination image", TUNING, "{tuning: {output: {imagePushSecret: null}}}" },
};

static void merge(json_t *into, const json_t *patch)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)patch, key, v)
        if (json_is_null(v))
            json_object_del(into, key);
        else if (json_is_object(v) && json_is_object(json_object_get(into, key)) && json_object_size(v) > 0)
            merge(json_object_get(into, key), v);
        else
            json_put(into, key, json_incref(v));
}

static json_t *parsed(const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (yaml_parse(str_of(text), &j, &e))
        fail_msg("%s: %s", text, e.text);
    return j;
}

/* The templates of the release namespace are there, nothing else. */
static json_t *templates(void *self, const char *kind, const char *ns, const char *name)
{
    return streq(kind, "ConfigMap") && streq(ns, "kaito-workspace") ? render_tuning_template(ns, name) : NULL;
}
static json_t *no_nodes(void *self, const json_t *labels) { return json_array(); }

static bool is_refused(enum ws_operation op, const json_t *object, const json_t *old, struct buf *why)
{
    struct workspace_settings s = { 0 };
    const struct ws_cluster cluster = { templates, no_nodes, NULL, NULL };

    workspace_settings_default(&s);
    buf_clear(why);
    return workspace_review(op, object, op == WS_UPDATE ? old : NULL, &s, &cluster, why) != ERR_OK;
}

static void check_rule(const struct ws_rule *r, const char *base, const char *patch)
{
    AUTO_JSON before = parsed(base);
    AUTO_JSON after = parsed(base);
    AUTO_JSON change = parsed(patch);
    AUTO_BUF why = { 0 };
    const enum ws_operation op = strcmp(r->when, "update") == 0 ? WS_UPDATE : WS_CREATE;

    if (is_refused(WS_CREATE, before, NULL, &why))
        fail_msg("the base is refused: %s", buf_cstr(&why));
    merge(after, change);
    if (!is_refused(op, after, before, &why) || !strstr(buf_cstr(&why), r->says))
        fail_msg("%s of %s: wanted \"%s\", got \"%s\"", r->when, r->field, r->says, buf_cstr(&why));
}

static void each_rule_is_enforced(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_ws_rules; i++) {
        bool found = false;

        for (size_t k = 0; k < ARRAY_LEN(breaks); k++)
            if (streq(breaks[k].says, ws_rules[i].says)) {
                check_rule(&ws_rules[i], breaks[k].base, breaks[k].patch);
                found = true;
            }
        if (!found)
            fail_msg("no example breaks the rule \"%s\"", ws_rules[i].says);
        if (!workspace_has_field(ws_rules[i].field))
            fail_msg("there is no field %s", ws_rules[i].field);
    }
}

/* ---- reasons ------------------------------------------------------------------------------------------------------------------ */

static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z')))
            return false;
    return s.n > 4;
}

/* The next quoted text of a line; false: no more. */
static bool next_quoted(struct str *line, struct str *out)
{
    size_t at, end;

    if (!str_find(*line, STR("\""), &at) || !str_find(str_from(*line, at + 1), STR("\""), &end))
        return false;
    *out = str_n(line->p + at + 1, end);
    *line = str_from(*line, at + end + 2);
    return true;
}

static size_t check_call(struct str line, const char *call, const char *file)
{
    struct str type, word;
    size_t at, n = 0;

    if (!str_find(line, str_of(call), &at))
        return 0;
    line = str_from(line, at + strlen(call));
    if (!next_quoted(&line, &type))
        return 0;
    AUTO_MEM char *type_name = xstrndup(type.p, type.n);
    struct str rest = line;

    while (next_quoted(&rest, &word) && is_word(word)) {
        AUTO_MEM char *reason = xstrndup(word.p, word.n);

        if (!reason_find(type_name, reason))
            fail_msg("%s: the reason %s of %s has no row in src/workspace/reasons.c", file, reason, type_name);
        n++;
    }
    return n;
}

static size_t check_cause(struct str line, const char *file)
{
    struct str word;
    size_t at;

    if (!str_find(line, STR("set(out, "), &at))
        return 0;
    line = str_from(line, at);
    if (!next_quoted(&line, &word))
        return 0;
    AUTO_MEM char *reason = xstrndup(word.p, word.n);

    if (!reason_find("InferenceReady", reason))
        fail_msg("%s: the reason %s has no row in src/workspace/reasons.c", file, reason);
    return 1;
}

static void each_reason_has_a_row(void **state)
{
    static const char *const files[] = { "plan.c", "plan_serving.c", "plan_streaming.c", "plan_tuning.c", "cause.c" };
    size_t n = 0;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO_MEM char *path = xasprintf("%s/src/workspace/%s", getenv("KAITO_SOURCE"), files[i]);
        AUTO_BUF text = { 0 };
        struct str rest, line;

        assert_int_equal(file_read(path, 1 << 20, &text, NULL), ERR_OK);
        for (rest = buf_str(&text); str_next(&rest, '\n', &line);)
            n += check_call(line, "status_set(", path) + check_call(line, "status_fail(", path) + check_call(line, "plan_fails(p, ", path) + check_cause(line, path);
    }
    assert_true(n > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_current),
        cmocka_unit_test(each_rule_is_enforced),
        cmocka_unit_test(each_reason_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
