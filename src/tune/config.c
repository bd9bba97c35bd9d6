/*
 * The table of every key upstream's parser knows, and its interpreter. A new key is a row; a key that gets built changes its rule.
 * Sources: transformers TrainingArguments, TRL SFTConfig, PEFT LoraConfig, bitsandbytes configuration, KAITO v0.12's data classes.
 */
#include "tune/config.h"

#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"

#define CONFIG_BYTES_MAX (1u << 20)

enum kind { BOOL, INT, NUM, STRING, LIST, INTS, PATTERN, ANY };

enum rule {
    USE,        /* stored */
    QUIET,      /* a machine or bookkeeping setting with no meaning here */
    NOTED,      /* accepted, with a note when it is not the inert value */
    REFUSE,     /* an error unless it is the inert value */
};

struct key {
    const char *name;
    enum kind kind;
    enum rule rule;
    size_t off;                 /* of struct tune_config, for USE */
    const char *inert;          /* NOTED, REFUSE: the values that mean nothing, separated by | (null always is one) */
    const char *say;            /* why, or what to use instead */
    double min, max;            /* USE of numbers, when min < max */
};

#define AT(member) offsetof(struct tune_config, member)
#define U(name, kind, member, ...)      { name, kind, USE, AT(member), NULL, NULL, ##__VA_ARGS__ }
#define Q(name)                         { name, ANY, QUIET, 0, NULL, NULL }
#define N(name, inert, say)             { name, ANY, NOTED, 0, inert, say }
#define R(name, inert, say)             { name, ANY, REFUSE, 0, inert, say }

#define ONE_MACHINE "training runs on this machine's CPU"
#define NO_HUB      "nothing is sent to a hub; the adapter is in the output folder"
#define NO_EVAL     "evaluation during training is not built; leave eval_strategy at \"no\""

static const struct key model_keys[] = {
    U("pretrained_model_name_or_path", STRING, model.path),
    U("revision", STRING, model.revision),
    U("torch_dtype", STRING, model.torch_dtype),
    U("chat_template", STRING, model.chat_template),
    Q("cache_dir"), Q("force_download"), Q("local_files_only"), Q("output_loading_info"), Q("device_map"), Q("resume_download"),
    Q("proxies"), Q("attn_implementation"),
    N("trust_remote_code", "false", "code that comes with a model is never run; its architecture is built in"),
    R("state_dict", "", "weights are read from the model folder; remove it"),
    R("from_tf", "false", "only safetensors files are read; remove it"),
    R("load_in_4bit", "false", "set it under QuantizationConfig"),
    R("load_in_8bit", "false", "set it under QuantizationConfig"),
};

static const struct key quant_keys[] = {
    R("quant_method", "bitsandbytes", "the only method is bitsandbytes"),
    U("load_in_4bit", BOOL, quant.in_4bit),
    U("load_in_8bit", BOOL, quant.in_8bit),
    U("bnb_4bit_quant_type", STRING, quant.quant_type),
    U("bnb_4bit_compute_dtype", STRING, quant.compute_dtype),
    U("bnb_4bit_use_double_quant", BOOL, quant.double_quant),
    R("llm_int8_skip_modules", "lm_head|[\"lm_head\"]", "the head is skipped already, choosing others is not built; remove it"),
    Q("llm_int8_threshold"),
    R("llm_int8_has_fp16_weight", "false", "8-bit training is not built; use load_in_4bit: true"),
    R("llm_int8_enable_fp32_cpu_offload", "false", "the whole model is on the CPU already; remove it"),
};

static const struct key lora_keys[] = {
    U("r", INT, lora.r, 1, 65536),
    U("lora_alpha", NUM, lora.alpha, 0, 1e9),
    U("lora_dropout", NUM, lora.dropout, 0, 0.999999),
    U("target_modules", LIST, lora.target_modules),
    U("use_rslora", BOOL, lora.rslora),
    U("init_lora_weights", BOOL, lora.init_weights),
    U("layers_to_transform", INTS, lora.layers),
    U("layers_pattern", LIST, lora.layers_pattern),
    U("rank_pattern", PATTERN, lora.rank_pattern, 1, 65536),
    U("alpha_pattern", PATTERN, lora.alpha_pattern, 0, 1e9),
    U("task_type", STRING, lora.task_type),
    U("base_model_name_or_path", STRING, lora.base_model),
    U("revision", STRING, lora.revision),
    U("bias", STRING, lora.bias),
    Q("inference_mode"), Q("auto_mapping"), Q("megatron_core"), Q("peft_type"),
    N("fan_in_fan_out", "false", "linear layers are never transposed; taken as false, as PEFT does"),
    R("use_dora", "false", "DoRA is not built; remove it, or set use_rslora: true"),
    R("modules_to_save", "", "training whole modules is not built; name linear layers in target_modules"),
    R("layer_replication", "", "not built; remove it"),
    R("megatron_config", "", "not built; remove it"),
    R("loftq_config", "", "not built; remove it"),
    R("exclude_modules", "", "not built; list the modules you want in target_modules"),
    R("target_parameters", "", "not built; use target_modules"),
    R("trainable_token_indices", "", "not built; remove it"),
    R("lora_bias", "false", "not built; remove it"),
};

static const struct key train_keys[] = {
    U("output_dir", STRING, train.output_dir),
    U("per_device_train_batch_size", INT, train.batch_size, 1, 65536),
    U("gradient_accumulation_steps", INT, train.accumulation, 1, 65536),
    U("num_train_epochs", NUM, train.epochs, 0, 1e6),
    U("max_steps", INT, train.max_steps, -1, 1e12),
    U("learning_rate", NUM, train.learning_rate, 0, 1e3),
    U("weight_decay", NUM, train.weight_decay, 0, 1e3),
    U("adam_beta1", NUM, train.beta1, 0, 0.9999999999),
    U("adam_beta2", NUM, train.beta2, 0, 0.9999999999),
    U("adam_epsilon", NUM, train.epsilon, 0, 1),
    U("max_grad_norm", NUM, train.max_grad_norm, 0, 1e30),
    U("lr_scheduler_type", STRING, train.schedule_name),
    U("warmup_steps", NUM, train.warmup_steps, 0, 1e12),
    U("warmup_ratio", NUM, train.warmup_ratio, 0, 1),
    U("lr_scheduler_kwargs_power", NUM, train.poly_power, 0, 100),
    U("lr_scheduler_kwargs_lr_end", NUM, train.poly_lr_end, 0, 1e3),
    U("lr_scheduler_kwargs_num_cycles", NUM, train.cosine_cycles, 0, 1e6),
    U("optim", STRING, train.optim),
    U("seed", INT, train.seed, 0, 4294967295.0),
    U("data_seed", INT, train.data_seed, 0, 4294967295.0),
    U("bf16", BOOL, train.bf16),
    U("fp16", BOOL, train.fp16),
    U("gradient_checkpointing", BOOL, train.gradient_checkpointing),
    U("logging_steps", NUM, train.logging_steps, 0, 1e12),
    U("logging_strategy", STRING, train.log_strategy_name),
    U("logging_first_step", BOOL, train.logging_first_step),
    U("save_strategy", STRING, train.save_strategy_name),
    U("save_steps", NUM, train.save_steps, 0, 1e12),
    U("save_total_limit", INT, train.save_total_limit, 1, 1e9),
    U("dataloader_drop_last", BOOL, train.drop_last),
    U("max_length", INT, train.max_length, 1, 1 << 24),
    U("max_seq_length", INT, train.max_length, 1, 1 << 24),
    U("truncation_mode", STRING, train.truncation_mode),
    U("completion_only_loss", BOOL, train.completion_only_loss),

    R("assistant_only_loss", "false", "not built for every turn; completion_only_loss: true learns the last assistant turn"),
    R("packing", "false", "rows are computed side by side without padding already; leave it false"),
    R("packing_strategy", "bfd", "rows are computed side by side without padding already; remove it"),
    R("eval_packing", "false", NO_EVAL),
    R("loss_type", "nll|chunked_nll", "the loss is the cross-entropy of the next token; remove it"),
    R("label_smoothing_factor", "0", "label smoothing is not built; set it to 0"),
    R("neftune_noise_alpha", "0", "NEFTune is not built; remove it"),
    R("group_by_length", "false", "the order is shuffled; rows cost no padding here, leave it false"),
    R("train_sampling_strategy", "random", "the order is shuffled; remove it"),
    R("eval_strategy", "no|false", NO_EVAL),
    R("evaluation_strategy", "no|false", NO_EVAL),
    R("do_eval", "false", NO_EVAL),
    R("do_predict", "false", NO_EVAL),
    R("eval_on_start", "false", NO_EVAL),
    R("load_best_model_at_end", "false", NO_EVAL),
    R("metric_for_best_model", "", NO_EVAL),
    R("optim_args", "", "set adam_beta1, adam_beta2, adam_epsilon, weight_decay"),
    R("optim_target_modules", "", "not built; remove it"),
    R("adafactor", "false", "the optimiser is AdamW; remove it"),
    R("auto_find_batch_size", "false", "not built; set per_device_train_batch_size"),
    R("half_precision_backend", "auto", "set bf16"),
    R("push_to_hub", "false", NO_HUB),
    R("deepspeed", "", ONE_MACHINE "; remove it"),
    R("fsdp", "", ONE_MACHINE "; remove it"),
    R("eos_token", "", "it comes from the tokenizer's files; remove it"),
    R("pad_token", "", "it comes from the tokenizer's files; remove it"),
    R("chat_template_path", "", "use ModelConfig.chat_template"),
    R("dataset_text_field", "text", "upstream overwrites it; use DatasetConfig.response_column"),
    R("dataset_kwargs", "", "not built; remove it"),
    R("model_init_kwargs", "", "use ModelConfig"),
    R("resume_from_checkpoint", "false|true", "training goes on from the checkpoint in the output folder by itself; remove it"),
    R("ignore_data_skip", "false", "a resumed run keeps its place in the data; remove it"),
    R("past_index", "-1", "not built; remove it"),
    R("pad_to_multiple_of", "", "rows are computed without padding; remove it"),
    R("lr_scheduler_kwargs_min_lr", "", "not built; remove it"),
    R("lr_scheduler_kwargs_min_lr_rate", "", "not built; remove it"),

    N("report_to", "none|None|[]", "history.jsonl in the output folder and /metrics hold the same series"),
    N("tf32", "false", ONE_MACHINE),
    N("use_liger_kernel", "false", ONE_MACHINE),
    N("torch_compile", "false", ONE_MACHINE),
    N("use_mps_device", "false", ONE_MACHINE),
    N("activation_offloading", "false", ONE_MACHINE),
    N("shuffle_dataset", "false", "rows are shuffled by DatasetConfig.shuffle_dataset"),
    N("ddp_find_unused_parameters", "false", ONE_MACHINE),
    N("padding_free", "false", "rows are always computed without padding; the result is the same"),
    N("save_only_model", "false", "checkpoints always hold what a resumed run needs"),

    Q("overwrite_output_dir"), Q("do_train"), Q("prediction_loss_only"), Q("per_device_eval_batch_size"), Q("per_gpu_train_batch_size"),
    Q("per_gpu_eval_batch_size"), Q("eval_accumulation_steps"), Q("eval_delay"), Q("eval_steps"), Q("torch_empty_cache_steps"),
    Q("log_level"), Q("log_level_replica"), Q("log_on_each_node"), Q("logging_dir"), Q("logging_nan_inf_filter"), Q("save_safetensors"),
    Q("save_on_each_node"), Q("restore_callback_states_from_checkpoint"), Q("no_cuda"), Q("use_cpu"), Q("jit_mode_eval"), Q("use_ipex"),
    Q("fp16_opt_level"), Q("fp16_backend"), Q("bf16_full_eval"), Q("fp16_full_eval"), Q("local_rank"), Q("ddp_backend"),
    Q("ddp_bucket_cap_mb"), Q("ddp_broadcast_buffers"), Q("ddp_timeout"), Q("tpu_num_cores"), Q("tpu_metrics_debug"), Q("debug"),
    Q("dataloader_num_workers"), Q("dataloader_prefetch_factor"), Q("dataloader_pin_memory"), Q("dataloader_persistent_workers"),
    Q("run_name"), Q("project"), Q("trackio_space_id"), Q("disable_tqdm"), Q("remove_unused_columns"), Q("label_names"),
    Q("greater_is_better"), Q("fsdp_min_num_params"), Q("fsdp_config"), Q("fsdp_transformer_layer_cls_to_wrap"), Q("accelerator_config"),
    Q("parallelism_config"), Q("length_column_name"), Q("skip_memory_metrics"), Q("use_legacy_prediction_loop"), Q("hub_model_id"),
    Q("hub_strategy"), Q("hub_token"), Q("hub_private_repo"), Q("hub_always_push"), Q("hub_revision"), Q("push_to_hub_model_id"),
    Q("push_to_hub_organization"), Q("push_to_hub_token"), Q("gradient_checkpointing_kwargs"), Q("gradient_checkpointing_kwargs_use_reentrant"),
    Q("include_inputs_for_metrics"), Q("include_for_metrics"), Q("eval_do_concat_batches"), Q("mp_parameters"), Q("full_determinism"),
    Q("torchdynamo"), Q("ray_scope"), Q("torch_compile_backend"), Q("torch_compile_mode"), Q("dispatch_batches"), Q("split_batches"),
    Q("include_tokens_per_second"), Q("include_num_input_tokens_seen"), Q("batch_eval_metrics"), Q("liger_kernel_config"),
    Q("eval_use_gather_object"), Q("average_tokens_across_devices"), Q("use_cache"), Q("dataset_num_proc"), Q("dataset_batch_size"),
    Q("num_of_sequences"), Q("chars_per_token"), Q("enable_jit_checkpoint"),
};

static const struct key collator_keys[] = {
    /* Upstream turns masked-language modelling off itself: these tokenizers have no mask token. */
    Q("mlm"), Q("mlm_probability"), Q("pad_to_multiple_of"), Q("tf_experimental_compile"), Q("return_tensors"), Q("mask_replace_prob"),
    Q("random_replace_prob"), Q("seed"),
};

static const struct key data_keys[] = {
    U("dataset_path", STRING, data.path),
    U("dataset_extension", STRING, data.extension),
    U("shuffle_dataset", BOOL, data.shuffle),
    U("shuffle_seed", INT, data.shuffle_seed, 0, 4294967295.0),
    U("messages_column", STRING, data.messages_column),
    U("response_column", STRING, data.response_column),
    U("train_test_split", NUM, data.train_share, 0, 1),
    N("context_column", "", "unused, upstream too; columns are found by name"),
};

static const struct section { const char *name; const struct key *keys; size_t n; } sections[] = {
    { "ModelConfig", model_keys, ARRAY_LEN(model_keys) },
    { "QuantizationConfig", quant_keys, ARRAY_LEN(quant_keys) },
    { "LoraConfig", lora_keys, ARRAY_LEN(lora_keys) },
    { "TrainingArguments", train_keys, ARRAY_LEN(train_keys) },
    { "DataCollator", collator_keys, ARRAY_LEN(collator_keys) },
    { "DatasetConfig", data_keys, ARRAY_LEN(data_keys) },
};

static const struct { const char *name; enum tune_schedule value; } schedules[] = {
    { "linear", TUNE_SCHEDULE_LINEAR }, { "cosine", TUNE_SCHEDULE_COSINE }, { "constant", TUNE_SCHEDULE_CONSTANT },
    { "constant_with_warmup", TUNE_SCHEDULE_CONSTANT_WARMUP }, { "polynomial", TUNE_SCHEDULE_POLYNOMIAL },
    { "inverse_sqrt", TUNE_SCHEDULE_INVERSE_SQRT },
};

static const struct { const char *name; const char *note; } optimisers[] = {
    { "adamw_torch", NULL }, { "adamw_torch_fused", NULL }, { "adamw_hf", NULL }, { "adamw_apex_fused", NULL },
    { "paged_adamw", "the same arithmetic as adamw_torch; states stay in ordinary memory" },
    { "paged_adamw_32bit", "the same arithmetic as adamw_torch; states stay in ordinary memory" },
};

struct reader {
    const struct section *section;
    struct tune_config *c;
    size_t notes_cap;
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
    struct tune_names *n = &r->c->notes;
    char *line = xasprintf("%s.%s: \"%.120s\": %s", r->section->name, key, text, say);

    vec_grow(n->v, n->n, r->notes_cap);
    n->v[n->n++] = line;
}

static errc store_number(const struct reader *r, const struct key *k, const json_t *v, struct err *e)
{
    char *at = (char *)r->c + k->off;
    double x;

    if (!to_number(v, &x) || (k->kind == INT && x != floor(x)))
        return bad(r, k, v, k->kind == INT ? "is no whole number" : "is no number", e);
    if (k->min < k->max && (x < k->min || x > k->max)) {
        AUTO_MEM char *want = xasprintf("is outside %g to %g", k->min, k->max);
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
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        if (streq(name, sections[i].name))
            r->section = &sections[i];
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
    c->data.shuffle = true;
    c->data.shuffle_seed = 42;
    c->data.train_share = 0.8;
    c->data.response_column = "text";
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
    r->section = &sections[3];
    for (size_t i = 0; i < ARRAY_LEN(optimisers); i++)
        if (streq(c->train.optim, optimisers[i].name)) {
            known = true;
            if (optimisers[i].note)
                note(r, "optim", c->train.optim, optimisers[i].note);
        }
    if (!known)
        return wrong(r, "TrainingArguments.optim", c->train.optim, "is not built; use adamw_torch", e);
    TRY(check_interval(r, "TrainingArguments.logging_strategy", c->train.log_strategy_name, &c->train.log_every, e));
    TRY(check_interval(r, "TrainingArguments.save_strategy", c->train.save_strategy_name, &c->train.save_every, e));
    if (c->train.fp16)
        return wrong(r, "TrainingArguments.fp16", "true", "is not built; use bf16: true", e);
    if (!streq(c->train.truncation_mode, "keep_start") && !streq(c->train.truncation_mode, "right"))
        return wrong(r, "TrainingArguments.truncation_mode", c->train.truncation_mode, "is not built; the first tokens are kept (keep_start)", e);
    if (c->train.epochs == 0 && c->train.max_steps <= 0)
        return wrong(r, "TrainingArguments.num_train_epochs", "0", "trains nothing; set it above 0, or max_steps", e);
    if (c->train.max_steps == 0)
        return wrong(r, "TrainingArguments.max_steps", "0", "trains nothing; set it above 0, or -1 for num_train_epochs", e);
    return ERR_OK;
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
    if (c->quant.in_8bit)
        return wrong(r, "QuantizationConfig.load_in_8bit", "true", "is not built; use load_in_4bit: true", e);
    if (c->quant.in_4bit && !streq(c->quant.quant_type, "nf4"))
        return wrong(r, "QuantizationConfig.bnb_4bit_quant_type", c->quant.quant_type,
                     "is not built (it is the default when the key is absent); set it to nf4", e);
    if (!streq(c->lora.bias, "none"))
        return wrong(r, "LoraConfig.bias", c->lora.bias, "is not built; set it to none", e);
    if (c->lora.task_type && !streq(c->lora.task_type, "CAUSAL_LM"))
        return wrong(r, "LoraConfig.task_type", c->lora.task_type, "is not a decoder's task; use CAUSAL_LM", e);
    if (c->data.train_share <= 0)
        return wrong(r, "DatasetConfig.train_test_split", "0", ": Train/Test split needs to be between 0 and 1", e);
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

void tune_config_done(struct tune_config *c)
{
    for (size_t i = 0; i < c->notes.n; i++)
        free((char *)(uintptr_t)c->notes.v[i]);
    free(c->notes.v);
    free(c->lora.target_modules.v);
    free(c->lora.layers_pattern.v);
    free(c->lora.layers);
    free(c->lora.rank_pattern.names);
    free(c->lora.rank_pattern.values);
    free(c->lora.alpha_pattern.names);
    free(c->lora.alpha_pattern.values);
    json_decref(c->doc);
    *c = (struct tune_config){ 0 };
}
