/* Reads the document by the table of config_keys.c, sets defaults, and checks what several keys say together. */
#include "tune/config_priv.h"

#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "tune/match.h"

#define CONFIG_BYTES_MAX (1u << 20)

static const struct { const char *name; enum tune_schedule value; } schedules[] = {
    { "linear", TUNE_SCHEDULE_LINEAR }, { "cosine", TUNE_SCHEDULE_COSINE }, { "constant", TUNE_SCHEDULE_CONSTANT },
    { "constant_with_warmup", TUNE_SCHEDULE_CONSTANT_WARMUP }, { "polynomial", TUNE_SCHEDULE_POLYNOMIAL },
    { "inverse_sqrt", TUNE_SCHEDULE_INVERSE_SQRT },
};

#define ORDINARY_MEMORY "states stay in ordinary memory"

static const struct { const char *name; const char *note; bool eight_bit; } optimisers[] = {
    { "adamw_torch", NULL, false }, { "adamw_torch_fused", NULL, false }, { "adamw_hf", NULL, false }, { "adamw_apex_fused", NULL, false },
    { "paged_adamw", "the same arithmetic as adamw_torch; " ORDINARY_MEMORY, false },
    { "paged_adamw_32bit", "the same arithmetic as adamw_torch; " ORDINARY_MEMORY, false },
    { "adamw_bnb_8bit", NULL, true }, { "adamw_8bit", NULL, true },
    { "paged_adamw_8bit", "the same arithmetic as adamw_bnb_8bit; " ORDINARY_MEMORY, true },
};

struct reader {
    const struct section *section;
    struct tune_config *c;
};

/* --- values, as the argument parser upstream reads them ---------------------------------------------------------------- */

static bool text_in(struct str text, const char *choices)
{
    struct str rest = str_of(choices), piece;

    while (str_next(&rest, '|', &piece))
        if (str_ieq(text, piece))
            return true;
    return false;
}

/* What str() would print, near enough to compare and to show; lists and maps are JSON. Malloc'd. */
static char *value_text(const json_t *v)
{
    if (json_is_string(v))
        return xstrdup(json_string_value(v));
    return json_text(v);
}

static bool to_bool(const json_t *v, bool *out)
{
    if (json_is_boolean(v)) {
        *out = json_is_true(v);
        return true;
    }
    AUTO_MEM char *text = value_text(v);
    bool yes = text_in(str_of(text), "true|yes|t|y|1"), no = text_in(str_of(text), "false|no|f|n|0");

    *out = yes;
    return yes || no;
}

static bool to_number(const json_t *v, double *out)
{
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    return json_is_string(v) && str_to_f64(json_to_str(v), out);
}

static bool is_null(const json_t *v)
{
    return json_is_null(v) || (json_is_string(v) && text_in(json_to_str(v), "None|null"));
}

static bool is_inert(const json_t *v, const struct key *k)
{
    double number;

    if (is_null(v) || ((json_is_array(v) || json_is_object(v)) && !json_array_size(v) && !json_object_size(v)))
        return true;
    if (to_number(v, &number) && number == 0 && streq(k->inert, "0"))
        return true;
    AUTO_MEM char *text = value_text(v);
    return !*text || text_in(str_of(text), k->inert);
}

static errc bad(const struct reader *r, const struct key *k, const json_t *v, const char *want, struct err *e)
{
    AUTO_MEM char *text = value_text(v);

    return err_set(e, ERR_INVALID, "%s.%s: \"%.120s\" %s", r->section->name, k->name, text, want);
}

static void note(struct reader *r, const char *key, const char *text, const char *say)
{
    tune_config_note(r->c, "%s.%s: \"%.120s\": %s", r->section->name, key, text, say);
}

static errc store_number(const struct reader *r, const struct key *k, const json_t *v, struct err *e)
{
    char *at = (char *)r->c + k->off;
    double x;

    if (!to_number(v, &x) || (k->kind == INT && x != floor(x)))
        return bad(r, k, v, k->kind == INT ? "is no whole number" : "is no number", e);
    if (k->min < k->max && (x < k->min || x > k->max)) {
        AUTO_MEM char *want = xasprintf("is outside %.10g to %.10g", k->min, k->max);
        return bad(r, k, v, want, e);
    }
    if (k->kind == INT)
        *(int64_t *)(void *)at = (int64_t)x;
    else
        *(double *)(void *)at = x;
    return ERR_OK;
}

/* A list of strings; one string is a list of one, as for a typed list on a command line. */
static errc store_list(const struct reader *r, const struct key *k, const json_t *v, struct err *e)
{
    struct tune_names *out = (struct tune_names *)(void *)((char *)r->c + k->off);
    size_t n = json_is_array(v) ? json_array_size(v) : 1;

    free(out->v);
    *out = (struct tune_names){ .v = xcalloc(n, sizeof *out->v) };
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(item) || !json_string_length(item))
            return bad(r, k, v, "is no list of names", e);
        out->v[out->n++] = json_string_value(item);
    }
    return ERR_OK;
}

static errc store_layers(const struct reader *r, const struct key *k, const json_t *v, struct err *e)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;

    free(r->c->lora.layers);
    r->c->lora.layers = xcalloc(n, sizeof(int64_t));
    r->c->lora.n_layers = n;
    for (size_t i = 0; i < n; i++) {
        double x;
        if (!to_number(json_is_array(v) ? json_array_get(v, i) : v, &x) || x < 0 || x != floor(x))
            return bad(r, k, v, "is no list of layer numbers", e);
        r->c->lora.layers[i] = (int64_t)x;
    }
    return ERR_OK;
}

static errc store_pattern(const struct reader *r, const struct key *k, const json_t *v, struct err *e)
{
    struct tune_pattern *out = (struct tune_pattern *)(void *)((char *)r->c + k->off);
    const char *name;
    json_t *item;

    if (!json_is_object(v))
        return bad(r, k, v, "is no map from module names to numbers", e);
    free(out->names);
    free(out->values);
    *out = (struct tune_pattern){ .names = xcalloc(json_object_size(v) + 1, sizeof *out->names),
                                  .values = xcalloc(json_object_size(v) + 1, sizeof *out->values) };
    json_object_foreach((json_t *)(uintptr_t)v, name, item) {
        double x;
        if (!to_number(item, &x) || x < k->min || x > k->max || (k->min == 1 && x != floor(x)))
            return bad(r, k, v, "has a value that is no number in range", e);
        out->names[out->n] = name;
        out->values[out->n++] = x;
    }
    return ERR_OK;
}

static errc store(const struct reader *r, const struct key *k, json_t *v, struct err *e)
{
    char *at = (char *)r->c + k->off;
    bool b;

    if (is_null(v))
        return ERR_OK;
    switch (k->kind) {
    case BOOL:
        if (!to_bool(v, &b))
            return bad(r, k, v, "is neither true nor false", e);
        *(bool *)(void *)at = b;
        return ERR_OK;
    case INT: case NUM:
        return store_number(r, k, v, e);
    case LIST:
        return store_list(r, k, v, e);
    case INTS:
        return store_layers(r, k, v, e);
    case PATTERN:
        return store_pattern(r, k, v, e);
    default:
        break;
    }
    if (json_is_boolean(v))     /* `save_strategy: no` without quotes arrives as false */
        *(const char **)(void *)at = json_is_true(v) ? "yes" : "no";
    else if (json_is_string(v))
        *(const char **)(void *)at = json_string_value(v);
    else
        return bad(r, k, v, "is no text", e);
    return ERR_OK;
}

static errc take(struct reader *r, const struct key *k, json_t *v, struct err *e)
{
    if (k->rule == USE)
        return store(r, k, v, e);
    if (k->rule == QUIET || is_inert(v, k))
        return ERR_OK;
    AUTO_MEM char *text = value_text(v);
    if (k->rule == REFUSE)
        return err_set(e, ERR_INVALID, "%s.%s: \"%.120s\": %s", r->section->name, k->name, text, k->say);
    note(r, k->name, text, k->say);
    return ERR_OK;
}

/* Nested maps are joined by "_", as upstream flattens them. */
static errc take_map(struct reader *r, const char *prefix, json_t *map, int depth, struct err *e)
{
    const char *name;
    json_t *value;

    json_object_foreach(map, name, value) {
        AUTO_MEM char *full = *prefix ? xasprintf("%s_%s", prefix, name) : xstrdup(name);
        const struct key *k = NULL;
        for (size_t i = 0; i < r->section->n && !k; i++)
            if (streq(r->section->keys[i].name, full))
                k = &r->section->keys[i];
        if (k)
            TRY(take(r, k, value, e));
        else if (json_is_object(value) && depth < 4)
            TRY(take_map(r, full, value, depth + 1, e));
        else
            return err_set(e, ERR_INVALID, "%s.%s: no such key; remove it or correct its name", r->section->name, full);
    }
    return ERR_OK;
}

static errc take_section(struct reader *r, const char *name, json_t *map, struct err *e)
{
    r->section = NULL;
    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (streq(name, config_sections[i].name))
            r->section = &config_sections[i];
    if (!r->section)
        return err_set(e, ERR_INVALID, "Unrecognized section: %s; known are ModelConfig, QuantizationConfig, LoraConfig, "
                       "TrainingArguments, DataCollator, DatasetConfig", name);
    if (json_is_null(map))
        return ERR_OK;
    if (!json_is_object(map))
        return err_set(e, ERR_INVALID, "%s: must be a map of keys", name);
    return take_map(r, "", map, 0, e);
}

/* --- defaults, and what several keys say together ------------------------------------------------------------------------ */

static void set_defaults(struct tune_config *c)
{
    c->model.path = "/workspace/tfs/weights";
    c->quant.quant_type = "fp4";
    c->quant.compute_dtype = "float32";
    c->lora.r = 8;
    c->lora.alpha = 8;
    c->lora.init_weights = true;
    c->lora.bias = "none";
    c->train.batch_size = 8;
    c->train.accumulation = 1;
    c->train.epochs = 3;
    c->train.max_steps = -1;
    c->train.learning_rate = 2e-5;
    c->train.schedule_name = "linear";
    c->train.optim = "adamw_torch";
    c->train.beta1 = 0.9;
    c->train.beta2 = 0.999;
    c->train.epsilon = 1e-8;
    c->train.max_grad_norm = 1;
    c->train.poly_power = 1;
    c->train.poly_lr_end = 1e-7;
    c->train.cosine_cycles = 0.5;
    c->train.seed = 42;
    c->train.data_seed = -1;
    c->train.bf16 = true;
    c->train.gradient_checkpointing = true;
    c->train.logging_steps = 10;
    c->train.log_strategy_name = "steps";
    c->train.save_strategy_name = "steps";
    c->train.save_steps = 500;
    c->train.max_length = 1024;
    c->train.truncation_mode = "keep_start";
    c->train.packing_strategy = "bfd";
    c->train.eval_strategy_name = "no";
    c->train.eval_batch_size = 8;
    c->data.shuffle = true;
    c->data.shuffle_seed = 42;
    c->data.train_share = 0.8;
}

static errc wrong(const struct reader *r, const char *key, const char *value, const char *want, struct err *e)
{
    return err_set(e, ERR_INVALID, "%s: \"%.120s\" %s", key, value, want);
}

static errc check_interval(const struct reader *r, const char *key, const char *name, enum tune_interval *out, struct err *e)
{
    if (streq(name, "steps"))
        *out = TUNE_EVERY_STEPS;
    else if (streq(name, "epoch"))
        *out = TUNE_EVERY_EPOCH;
    else if (streq(name, "no"))
        *out = TUNE_NEVER;
    else
        return wrong(r, key, name, "is none of steps, epoch, no", e);
    return ERR_OK;
}

/* Every step of 0 would be none, or each: the Trainer asks for a number, too. */
static errc check_every(const struct reader *r, const char *key, enum tune_interval every, double steps, const char *strategy, struct err *e)
{
    if (every != TUNE_EVERY_STEPS || steps > 0)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "TrainingArguments.%s: 0 is no distance between steps; set it above 0, or %s to \"no\"", key, strategy);
}

static errc check_dtype(const struct reader *r, const char *key, const char *name, struct err *e)
{
    static const char *const known[] = { "float32", "float", "bfloat16", "float16", "half" };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (streq(name, known[i]))
            return ERR_OK;
    return wrong(r, key, name, "is an invalid torch dtype; use bfloat16 or float32", e);
}

static errc check_training(struct reader *r, struct err *e)
{
    struct tune_config *c = r->c;
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(schedules); i++)
        if (streq(c->train.schedule_name, schedules[i].name)) {
            c->train.schedule = schedules[i].value;
            known = true;
        }
    if (!known)
        return wrong(r, "TrainingArguments.lr_scheduler_type", c->train.schedule_name,
                     "is not built; use linear, cosine, constant, constant_with_warmup, polynomial or inverse_sqrt", e);
    known = false;
    r->section = &config_sections[SECTION_TRAIN];
    for (size_t i = 0; i < ARRAY_LEN(optimisers); i++)
        if (streq(c->train.optim, optimisers[i].name)) {
            known = true;
            c->train.eight_bit_states = optimisers[i].eight_bit;
            if (optimisers[i].note)
                note(r, "optim", c->train.optim, optimisers[i].note);
        }
    if (!known)
        return wrong(r, "TrainingArguments.optim", c->train.optim, "is not built; use adamw_torch or adamw_bnb_8bit", e);
    TRY(check_interval(r, "TrainingArguments.logging_strategy", c->train.log_strategy_name, &c->train.log_every, e));
    TRY(check_interval(r, "TrainingArguments.save_strategy", c->train.save_strategy_name, &c->train.save_every, e));
    TRY(check_every(r, "logging_steps", c->train.log_every, c->train.logging_steps, "logging_strategy", e));
    TRY(check_every(r, "save_steps", c->train.save_every, c->train.save_steps, "save_strategy", e));
    if (c->train.fp16)
        return wrong(r, "TrainingArguments.fp16", "true", "is not built; use bf16: true", e);
    c->train.keep_end = streq(c->train.truncation_mode, "keep_end") || streq(c->train.truncation_mode, "left");
    if (!c->train.keep_end && !streq(c->train.truncation_mode, "keep_start") && !streq(c->train.truncation_mode, "right"))
        return wrong(r, "TrainingArguments.truncation_mode", c->train.truncation_mode, "is neither keep_start nor keep_end", e);
    if (c->train.template_path && c->model.chat_template)
        return wrong(r, "TrainingArguments.chat_template_path", c->train.template_path, "and ModelConfig.chat_template exclude each other; keep one", e);
    if (c->train.epochs == 0 && c->train.max_steps <= 0)
        return wrong(r, "TrainingArguments.num_train_epochs", "0", "trains nothing; set it above 0, or max_steps", e);
    if (c->train.max_steps == 0)
        return wrong(r, "TrainingArguments.max_steps", "0", "trains nothing; set it above 0, or -1 for num_train_epochs", e);
    return ERR_OK;
}

static errc check_pattern(const struct tune_pattern *p, const char *key, struct err *e)
{
    for (size_t i = 0; i < p->n; i++)
        if (match_is_expression(p->names[i]))
            TRY(match_check(p->names[i], key, e));
    return ERR_OK;
}

static errc check_lora(struct reader *r, struct err *e)
{
    const struct tune_config *c = r->c;
    const struct tune_names *targets = &c->lora.target_modules;

    if (!streq(c->lora.bias, "none") && !streq(c->lora.bias, "all") && !streq(c->lora.bias, "lora_only"))
        return wrong(r, "LoraConfig.bias", c->lora.bias, "is none of none, all, lora_only", e);
    for (size_t i = 0; i < targets->n; i++)
        if (match_is_expression(targets->v[i])) {
            if (targets->n > 1)
                return wrong(r, "LoraConfig.target_modules", targets->v[i], "is an expression: give it alone, as a text", e);
            if (c->lora.n_layers)
                return wrong(r, "LoraConfig.layers_to_transform", "", "cannot go with an expression; name the layers in the expression", e);
            TRY(match_check(targets->v[i], "LoraConfig.target_modules", e));
        }
    TRY(check_pattern(&c->lora.rank_pattern, "LoraConfig.rank_pattern", e));
    return check_pattern(&c->lora.alpha_pattern, "LoraConfig.alpha_pattern", e);
}

static errc check_packing(const struct reader *r, struct err *e)
{
    static const struct { const char *name; enum tune_packing value; } strategies[] = {
        { "bfd", TUNE_PACK_BFD }, { "bfd_split", TUNE_PACK_BFD_SPLIT }, { "wrapped", TUNE_PACK_WRAPPED },
    };
    struct tune_config *c = r->c;
    struct str text = str_of(c->train.eval_packing_text);
    bool eval = text.p ? text_in(text, "true|yes|t|y|1") : c->train.packing;
    enum tune_packing how = TUNE_PACK_NONE;

    if (text.p && !eval && !text_in(text, "false|no|f|n|0"))
        return wrong(r, "TrainingArguments.eval_packing", c->train.eval_packing_text, "is neither true nor false", e);
    for (size_t i = 0; i < ARRAY_LEN(strategies); i++)
        if (streq(c->train.packing_strategy, strategies[i].name))
            how = strategies[i].value;
    if (how == TUNE_PACK_NONE)
        return wrong(r, "TrainingArguments.packing_strategy", c->train.packing_strategy, "is none of bfd, bfd_split, wrapped", e);
    if (c->train.keep_end && (c->train.packing || eval) && how != TUNE_PACK_BFD)
        return wrong(r, "TrainingArguments.packing_strategy", c->train.packing_strategy, "keeps every token; truncation_mode keep_end goes with bfd", e);
    c->train.pack_train = c->train.packing ? how : TUNE_PACK_NONE;
    c->train.pack_eval = eval ? how : TUNE_PACK_NONE;
    return ERR_OK;
}

static errc check_evaluation(const struct reader *r, struct err *e)
{
    struct tune_config *c = r->c;

    TRY(check_interval(r, "TrainingArguments.eval_strategy", c->train.eval_strategy_name, &c->train.eval_every, e));
    if (c->train.eval_every != TUNE_NEVER && c->data.train_share >= 1)
        return wrong(r, "TrainingArguments.eval_strategy", c->train.eval_strategy_name,
                     "needs rows to evaluate on; set DatasetConfig.train_test_split below 1, for example 0.9", e);
    return ERR_OK;
}

/* As the Trainer asks: what is kept must have been evaluated. */
static errc check_best(const struct reader *r, struct err *e)
{
    struct tune_config *c = r->c;
    const char *metric = c->train.best_metric;
    double apart = c->train.eval_steps > 0 ? c->train.eval_steps : c->train.logging_steps, saves = c->train.save_steps / apart;

    if (metric && !streq(metric, "loss") && !streq(metric, "eval_loss"))
        return wrong(r, "TrainingArguments.metric_for_best_model", metric, "is not computed; use eval_loss", e);
    if (!c->train.load_best)
        return ERR_OK;
    if (c->train.eval_every == TUNE_NEVER || c->train.eval_every != c->train.save_every)
        return wrong(r, "TrainingArguments.load_best_model_at_end", "true", "needs eval_strategy and save_strategy to be the same, steps or epoch", e);
    if (c->train.eval_every == TUNE_EVERY_STEPS && fabs(saves - round(saves)) > 1e-9 * saves)
        return err_set(e, ERR_INVALID, "TrainingArguments.save_steps: %g is no multiple of eval_steps %g, which load_best_model_at_end needs",
                       c->train.save_steps, apart);
    return ERR_OK;
}

static errc check_sampling(const struct reader *r, struct err *e)
{
    const char *how = r->c->train.sampling;

    if (!how || streq(how, "random"))
        return ERR_OK;
    r->c->train.by_length = streq(how, "group_by_length");
    return r->c->train.by_length ? ERR_OK
        : wrong(r, "TrainingArguments.train_sampling_strategy", how, "is neither random nor group_by_length; for file order set DatasetConfig.shuffle_dataset to false", e);
}

/* What upstream hands to its loader, without a dot; webdataset holds no text that could be trained on. */
static errc check_extension(const struct reader *r, struct err *e)
{
    const char *given = r->c->data.extension;

    if (!str_set(given) || text_in(str_of(given), "parquet|arrow|json|jsonl|csv"))
        return ERR_OK;
    return wrong(r, "DatasetConfig.dataset_extension", given, "is none of parquet, arrow, json, jsonl, csv", e);
}

static errc check_together(struct reader *r, struct err *e)
{
    struct tune_config *c = r->c;

    TRY(check_training(r, e));
    if (c->model.torch_dtype)
        TRY(check_dtype(r, "ModelConfig.torch_dtype", c->model.torch_dtype, e));
    TRY(check_dtype(r, "QuantizationConfig.bnb_4bit_compute_dtype", c->quant.compute_dtype, e));
    if (c->quant.in_4bit && c->quant.in_8bit)
        return wrong(r, "QuantizationConfig.load_in_8bit", "true", "and load_in_4bit true exclude each other; set one to false", e);
    if (c->quant.in_4bit && !streq(c->quant.quant_type, "nf4"))
        return wrong(r, "QuantizationConfig.bnb_4bit_quant_type", c->quant.quant_type,
                     "is not built (it is the default when the key is absent); set it to nf4", e);
    TRY(check_lora(r, e));
    if (c->lora.task_type && !streq(c->lora.task_type, "CAUSAL_LM"))
        return wrong(r, "LoraConfig.task_type", c->lora.task_type, "is not a decoder's task; use CAUSAL_LM", e);
    if (c->data.train_share <= 0)
        return wrong(r, "DatasetConfig.train_test_split", "0", ": Train/Test split needs to be between 0 and 1", e);
    TRY(check_packing(r, e));
    TRY(check_evaluation(r, e));
    TRY(check_best(r, e));
    TRY(check_sampling(r, e));
    TRY(check_extension(r, e));
    c->lora.target_given = c->lora.target_modules.n > 0;
    c->lora.all_linear = c->lora.target_modules.n == 1 && streq(c->lora.target_modules.v[0], "all-linear");
    return ERR_OK;
}

static errc read_document(struct reader *r, struct err *e)
{
    json_t *root = r->c->doc, *value;
    const char *name;

    if (json_is_object(root) && json_object_get(root, "training_config"))
        root = json_object_get(root, "training_config");
    else if (!json_is_null(root))
        return err_set(e, ERR_INVALID, "no map \"training_config\" at the top; see the lora-params-template");
    if (!json_is_object(root) && !json_is_null(root))
        return err_set(e, ERR_INVALID, "training_config: must be a map of sections");
    json_object_foreach(root, name, value)
        TRY(take_section(r, name, value, e));
    return check_together(r, e);
}

/* A ConfigMap, as it lies in a manifest, holds the document as a text. */
static errc unwrap_config_map(json_t **doc, struct err *e)
{
    const json_t *text = json_at(*doc, "data", "training_config.yaml", NULL);
    json_t *inner = NULL;

    if (!streq(json_cstr(*doc, "kind"), "ConfigMap") || !json_is_string(text))
        return ERR_OK;
    if (yaml_parse(json_to_str(text), &inner, e))
        return err_wrap(e, "data.training_config.yaml");
    json_decref(*doc);
    *doc = inner;
    return ERR_OK;
}

/* Keys and values are quoted in messages and may hold anything; a message is one line. */
static void flatten(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

errc tune_config_parse(struct str yaml, const char *name, struct tune_config *out, struct err *e)
{
    struct reader r = { .c = out };
    struct err why;

    *out = (struct tune_config){ 0 };
    set_defaults(out);
    errc rc = yaml_parse(yaml, &out->doc, &why);
    if (rc == ERR_OK)
        rc = unwrap_config_map(&out->doc, &why);
    if (rc == ERR_OK)
        rc = read_document(&r, &why);
    if (rc == ERR_OK)
        return ERR_OK;
    flatten(why.text);
    return err_set(e, ERR_INVALID, "%s: %s", name, why.text);
}

errc tune_config_read(const char *path, struct tune_config *out, struct err *e)
{
    AUTO_BUF text = { 0 };

    *out = (struct tune_config){ 0 };
    TRY(file_read(path, CONFIG_BYTES_MAX, &text, e));
    return tune_config_parse(buf_str(&text), path, out, e);
}

void tune_config_note(struct tune_config *c, const char *fmt, ...)
{
    AUTO_BUF line = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&line, fmt, ap);
    va_end(ap);
    vec_grow(c->notes.v, c->notes.n, c->notes_cap);
    c->notes.v[c->notes.n++] = buf_take(&line);
}

void tune_config_done(struct tune_config *c)
{
    for (size_t i = 0; i < c->notes.n; i++)
        free((char *)(uintptr_t)c->notes.v[i]);
    free(c->notes.v);
    free(c->lora.target_modules.v);
    free(c->lora.layers_pattern.v);
    free(c->lora.modules_to_save.v);
    free(c->lora.layers);
    free(c->lora.rank_pattern.names);
    free(c->lora.rank_pattern.values);
    free(c->lora.alpha_pattern.names);
    free(c->lora.alpha_pattern.values);
    json_decref(c->doc);
    *c = (struct tune_config){ 0 };
}
