/*
 * What the keys are before the document speaks, and what several of them say together. A new rule is a function in config_check.
 * Each says in one line which key is wrong, its value, and what to use instead.
 */
#include "tune/config_priv.h"

#include <math.h>

#include "tune/match.h"

void config_defaults(struct tune_config *c)
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
    config_schedule_defaults(&c->train.schedule_args);
    c->train.optim = "adamw_torch";
    c->train.beta1 = 0.9;
    c->train.beta2 = 0.999;
    c->train.epsilon = 1e-8;
    c->train.max_grad_norm = 1;
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

/* float16 is a name of many configurations made for GPUs; what is computed in it there is computed in bfloat16. */
static void note_half(struct reader *r, const struct tune_config *c)
{
    const char *name = c->quant.compute_dtype;

    r->section = &config_sections[SECTION_QUANT];
    if (c->quant.in_4bit && (streq(name, "float16") || streq(name, "half")))
        config_note(r, "bnb_4bit_compute_dtype", name, "products are computed in bfloat16; float32 is more exact");
}

static errc check_training(struct reader *r, struct err *e)
{
    struct tune_config *c = r->c;

    TRY(config_check_schedule(c, e));
    r->section = &config_sections[SECTION_TRAIN];
    TRY(config_check_optimiser(r, e));
    TRY(check_interval(r, "TrainingArguments.logging_strategy", c->train.log_strategy_name, &c->train.log_every, e));
    TRY(check_interval(r, "TrainingArguments.save_strategy", c->train.save_strategy_name, &c->train.save_every, e));
    TRY(check_every(r, "logging_steps", c->train.log_every, c->train.logging_steps, "logging_strategy", e));
    TRY(check_every(r, "save_steps", c->train.save_every, c->train.save_steps, "save_strategy", e));
    if (c->train.fp16)
        return wrong(r, "TrainingArguments.fp16", "true", "needs a GPU, in transformers too; use bf16: true (its default), or bf16: false for f32", e);
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
    if (c->lora.layers_pattern.n && !c->lora.n_layers)
        return wrong(r, "LoraConfig.layers_pattern", c->lora.layers_pattern.v[0], "goes with layers_to_transform, which is missing; add it, or remove the pattern", e);
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
    bool eval = text.p ? config_text_in(text, "true|yes|t|y|1") : c->train.packing;
    enum tune_packing how = TUNE_PACK_NONE;

    if (text.p && !eval && !config_text_in(text, "false|no|f|n|0"))
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

    if (!str_set(given) || config_text_in(str_of(given), "parquet|arrow|json|jsonl|csv"))
        return ERR_OK;
    return wrong(r, "DatasetConfig.dataset_extension", given, "is none of parquet, arrow, json, jsonl, csv", e);
}

errc config_check(struct reader *r, struct err *e)
{
    struct tune_config *c = r->c;

    TRY(check_training(r, e));
    if (c->model.torch_dtype)
        TRY(check_dtype(r, "ModelConfig.torch_dtype", c->model.torch_dtype, e));
    TRY(check_dtype(r, "QuantizationConfig.bnb_4bit_compute_dtype", c->quant.compute_dtype, e));
    note_half(r, c);
    if (c->quant.in_4bit && c->quant.in_8bit)
        return wrong(r, "QuantizationConfig.load_in_8bit", "true", "and load_in_4bit true exclude each other; set one to false", e);
    if (c->quant.in_4bit && !streq(c->quant.quant_type, "nf4") && !streq(c->quant.quant_type, "fp4"))
        return wrong(r, "QuantizationConfig.bnb_4bit_quant_type", c->quant.quant_type, "is neither nf4 nor fp4", e);
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
