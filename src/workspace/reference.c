#include "workspace/reference.h"

#include "api/kaito/workspace.h"
#include "workspace/keys.h"
#include "workspace/reasons.h"
#include "workspace/validate/rules.h"

/* ---- walking the table --------------------------------------------------------------------------------------------------- */

static const struct field *inner(const struct field *f)
{
    return f->kind == FIELD_LIST || f->kind == FIELD_MAP ? f->item : f;
}

static void path_of(const char *above, const struct field *f, struct buf *out)
{
    bool of_objects = inner(f) != f && inner(f)->kind == FIELD_OBJECT;

    buf_addf(out, "%s%s%s%s", above, *above ? "." : "", f->json, !of_objects ? "" : f->kind == FIELD_LIST ? "[]" : "{}");
}

static bool is_of_every_object(const struct field *f)
{
    return streq(f->json, "apiVersion") || streq(f->json, "kind") || streq(f->json, "metadata");
}

typedef void on_field(void *self, const char *path, const struct field *f);

static void walk(const struct type *t, const char *above, on_field *each, void *self)
{
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct field *f = &t->fields[i];
        AUTO_BUF path = { 0 };

        if (!*above && is_of_every_object(f))
            continue;
        path_of(above, f, &path);
        each(self, buf_cstr(&path), f);
        if (inner(f)->kind == FIELD_OBJECT && inner(f)->type)
            walk(inner(f)->type, buf_cstr(&path), each, self);
    }
}

struct search { const char *path; const struct field *found; };

static void compare(void *self, const char *path, const struct field *f)
{
    struct search *s = self;

    if (streq(s->path, path))
        s->found = f;
}

static const struct field *field_at(const struct type *t, const char *path)
{
    struct search s = { path, NULL };

    walk(t, "", compare, &s);
    return s.found;
}

bool workspace_has_field(const char *path)
{
    return str_has_prefix(str_of(path), STR("metadata.")) || field_at(&workspace_v1beta1, path);
}

/* ---- one field --------------------------------------------------------------------------------------------------------------- */

static const char *const kind_names[] = {
    [FIELD_ANY] = "any", [FIELD_STR] = "string", [FIELD_INT] = "integer", [FIELD_NUM] = "number", [FIELD_BOOL] = "boolean", [FIELD_OBJECT] = "object",
    [FIELD_TIME] = "time", [FIELD_MICROTIME] = "time", [FIELD_QUANTITY] = "quantity", [FIELD_INT_OR_STR] = "integer or string", [FIELD_BYTES] = "base64",
};

static void add_type(const struct field *f, struct buf *out)
{
    if (f->kind == FIELD_LIST)
        buf_addf(out, "list of %s", kind_names[inner(f)->kind]);
    else if (f->kind == FIELD_MAP)
        buf_addf(out, "map of %s", kind_names[inner(f)->kind]);
    else
        buf_adds(out, f->flags & FIELD_INT32 ? "int32" : kind_names[f->kind]);
}

static const char *default_of(const struct field *f)
{
    return f && f->rules ? f->rules->def : NULL;
}

static void add_default(const struct field *f, const struct field *older, struct buf *out)
{
    const char *now = default_of(f), *then = default_of(older);

    if (now)
        buf_addf(out, "`%s`", now);
    else if (then)
        buf_addf(out, "v1alpha1: `%s`", then);
}

static void add_enum(const struct field_rules *r, struct buf *out)
{
    const struct field_rules *has = r->enums ? r : r->logic && r->logic->n_all > 0 ? r->logic->all_of[0].rules : NULL;

    for (size_t i = 0; has && has->enums && has->enums[i]; i++)
        buf_addf(out, "%s`%s`", i ? ", " : " One of ", has->enums[i]);
    if (has && has->enums)
        buf_addc(out, '.');
}

static void add_bounds(const struct field_rules *r, struct buf *out)
{
    if (r->has_min)
        buf_addf(out, " At least %g.", r->min);
    if (r->has_max)
        buf_addf(out, " At most %g.", r->max);
    if (r->max_len)
        buf_addf(out, " %u to %u characters.", r->min_len, r->max_len);
}

/* In a cell of Markdown a bar would end it. */
static void add_cell(const char *text, struct buf *out)
{
    for (; text && *text; text++) {
        if (*text == '|')
            buf_addc(out, '\\');
        buf_addc(out, *text);
    }
}

static void add_rules_of(const char *path, struct buf *out)
{
    for (size_t i = 0; i < n_ws_rules; i++)
        if (streq(ws_rules[i].field, path)) {
            buf_addf(out, "<br>*%s*: ", ws_rules[i].when);
            add_cell(ws_rules[i].text, out);
        }
}

static void add_field(void *self, const char *path, const struct field *f)
{
    struct buf *out = self;
    const struct field *older = field_at(&workspace_v1alpha1, path);

    buf_addf(out, "| `%s` | ", path);
    add_type(f, out);
    buf_addf(out, " | %s | ", f->flags & FIELD_REQUIRED ? "yes" : "");
    add_default(f, older, out);
    buf_addf(out, " | %s | ", older ? "both" : "v1beta1");
    if (f->rules) {
        add_cell(f->rules->doc, out);
        add_enum(f->rules, out);
        add_bounds(f->rules, out);
    }
    add_rules_of(path, out);
    buf_adds(out, " |\n");
}

/* ---- the page ------------------------------------------------------------------------------------------------------------------ */

static const char head[] =
    "# API reference: Workspace\n"
    "\n"
    "Made by `tools/write-api-reference` from the tables in `src/`; do not edit. A test fails when it is not current.\n"
    "\n"
    "Group `kaito.sh`, kind `Workspace`, short names `wk` and `wks`, namespaced. Versions `v1alpha1` and `v1beta1` are both served; `v1beta1` is stored, and\n"
    "the API server changes nothing but `apiVersion` between them: what v1alpha1 does not have, its readers do not see. There is no `spec`: `resource`,\n"
    "`inference` and `tuning` stand at the top.\n"
    "\n"
    "## Fields\n"
    "\n"
    "*Must*: where the part above it is given. *create* and *update* name the rules of the webhook, which the manager asks again where no webhook did.\n"
    "\n"
    "| field | type | must | default | in | meaning and rules |\n"
    "| --- | --- | --- | --- | --- | --- |\n";

static void add_name_rules(struct buf *out)
{
    buf_adds(out, "\n## Rules of metadata\n\n| field | when | rule |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < n_ws_rules; i++)
        if (str_has_prefix(str_of(ws_rules[i].field), STR("metadata.")))
            buf_addf(out, "| `%s` | %s | %s |\n", ws_rules[i].field, ws_rules[i].when, ws_rules[i].text);
}

static void add_refusals(struct buf *out)
{
    buf_adds(out, "\n## What a refusal says\n\nUpstream's words; a part of each.\n\n| the refusal holds | field | when |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < n_ws_rules; i++)
        buf_addf(out, "| `%s` | `%s` | %s |\n", ws_rules[i].says, ws_rules[i].field, ws_rules[i].when);
}

static void add_reasons(const char *type, struct buf *out)
{
    for (size_t i = 0; i < n_ws_reasons; i++) {
        const struct reason_row *r = &ws_reasons[i];
        AUTO_BUF next = { 0 };

        if (!streq(r->type, type))
            continue;
        reason_next(r, "NAMESPACE", "WORKSPACE", &next);
        buf_addf(out, "| %s%s%s | `%s` | ", *type ? "`" : "", *type ? type : "of a pod", *type ? "`" : "", r->reason);
        add_cell(r->meaning, out);
        buf_addf(out, " | ");
        add_cell(buf_cstr(&next), out);
        buf_adds(out, " |\n");
    }
}

static void add_conditions(struct buf *out)
{
    buf_adds(out, "\n## Conditions\n\n| type | True when |\n| --- | --- |\n");
    for (size_t i = 0; i < n_ws_conditions; i++)
        buf_addf(out, "| `%s` | %s |\n", ws_conditions[i].type, ws_conditions[i].meaning);
    buf_adds(out, "\nReasons. A reason of `NodeClaimReady` and `ResourceReady` that is not listed was copied from the NodeClaim. Those of a pod stand under\n"
                  "`InferenceReady`, or under `JobStarted` while a Job runs.\n\n| condition | reason | meaning | next |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < n_ws_conditions; i++)
        add_reasons(ws_conditions[i].type, out);
    add_reasons("", out);
}

static void add_keys(enum key_sort sort, const char *title, struct buf *out)
{
    buf_addf(out, "\n## %s\n\n| key | on | written by | meaning |\n| --- | --- | --- | --- |\n", title);
    for (size_t i = 0; i < n_ws_keys; i++)
        if (ws_keys[i].sort == sort)
            buf_addf(out, "| `%s` | %s | %s | %s |\n", ws_keys[i].key, ws_keys[i].on, ws_keys[i].by, ws_keys[i].meaning);
}

static const struct { const char *key, *of, *meaning; } config_keys[] = {
    { "inference_config.yaml", "`inference.config`", "`vllm:` a map from vLLM's option names to plain values; `max-model-len` also decides how many nodes are estimated." },
    { "training_config.yaml", "`tuning.config`", "`training_config:` with the sections ModelConfig, QuantizationConfig, LoraConfig, TrainingArguments, DatasetConfig and DataCollator; "
                                                 "their keys are in [tuning.md](tuning.md)." },
    { "HF_TOKEN", "`presetOptions.modelAccessSecret`", "A Secret's key: the token of the Hugging Face hub." },
    { ".dockerconfigjson", "`tuning.output.imagePushSecret`", "A Secret's key, as `kubectl create secret docker-registry` makes it." },
};

static void add_configs(struct buf *out)
{
    buf_adds(out, "\n## ConfigMaps and Secrets\n\n| key | named by | holds |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < ARRAY_LEN(config_keys); i++)
        buf_addf(out, "| `%s` | %s | %s |\n", config_keys[i].key, config_keys[i].of, config_keys[i].meaning);
}

void workspace_reference(struct buf *out)
{
    buf_adds(out, head);
    walk(&workspace_v1beta1, "", add_field, out);
    add_name_rules(out);
    add_refusals(out);
    add_conditions(out);
    add_keys(KEY_ANNOTATION, "Annotations", out);
    add_keys(KEY_LABEL, "Labels", out);
    add_keys(KEY_FINALIZER, "Finalizers", out);
    add_configs(out);
}
