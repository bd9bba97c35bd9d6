/*
 * Every key that upstream's parser knows. A new key is a row; a key that gets built changes its rule.
 * Sources: transformers TrainingArguments, TRL SFTConfig, PEFT LoraConfig, bitsandbytes configuration, KAITO v0.12's data classes.
 */
#include "tune/config_priv.h"

#define AT(member) offsetof(struct tune_config, member)
#define U(name, kind, member, ...)      { name, kind, USE, AT(member), NULL, NULL, ##__VA_ARGS__ }
#define Q(name)                         { name, ANY, QUIET, 0, NULL, NULL }
#define N(name, inert, say)             { name, ANY, NOTED, 0, inert, say }
#define R(name, inert, say)             { name, ANY, REFUSE, 0, inert, say }

#define ONE_MACHINE "training runs on this machine's CPU"
#define NO_HUB      "nothing is sent to a hub; the adapter is in the output folder"
#define NO_BEST     "choosing the best checkpoint is not built; eval_loss is in history.jsonl, checkpoints are kept by save_strategy"

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
    U("use_dora", BOOL, lora.dora),
    U("modules_to_save", LIST, lora.modules_to_save),
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
    U("lr_scheduler_kwargs_timescale", NUM, train.timescale, 1, 1e12),
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
    U("assistant_only_loss", BOOL, train.assistant_only_loss),
    U("chat_template_path", STRING, train.template_path),
    U("dataset_text_field", STRING, train.text_field),
    U("packing", BOOL, train.packing),
    U("packing_strategy", STRING, train.packing_strategy),
    U("eval_packing", STRING, train.eval_packing_text),
    U("eval_strategy", STRING, train.eval_strategy_name),
    U("evaluation_strategy", STRING, train.eval_strategy_name),
    U("eval_steps", NUM, train.eval_steps, 0, 1e12),
    U("eval_delay", NUM, train.eval_delay, 0, 1e12),
    U("eval_on_start", BOOL, train.eval_on_start),
    U("per_device_eval_batch_size", INT, train.eval_batch_size, 1, 65536),

    R("loss_type", "nll|chunked_nll", "the loss is the cross-entropy of the next token; remove it"),
    U("label_smoothing_factor", NUM, train.smoothing, 0, 1),
    U("neftune_noise_alpha", NUM, train.neftune_alpha, 0, 1e6),
    R("group_by_length", "false", "the order is shuffled; rows cost no padding here, leave it false"),
    R("train_sampling_strategy", "random", "the order is shuffled; remove it"),
    R("do_predict", "false", "there is no test set; remove it"),
    R("load_best_model_at_end", "false", NO_BEST),
    R("metric_for_best_model", "", NO_BEST),
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
    R("dataset_kwargs", "", "not built; remove it"),
    R("model_init_kwargs", "", "use ModelConfig"),
    R("resume_from_checkpoint", "false|true", "training goes on from the checkpoint in the output folder by itself; remove it"),
    R("ignore_data_skip", "false", "a resumed run keeps its place in the data; remove it"),
    R("past_index", "-1", "not built; remove it"),
    R("lr_scheduler_kwargs_min_lr", "", "not built; remove it"),
    R("lr_scheduler_kwargs_min_lr_rate", "", "not built; remove it"),

    N("report_to", "none|None|[]", "history.jsonl in the output folder and /metrics hold the same series"),
    N("pad_to_multiple_of", "0", "rows are computed without padding; the result is the same"),
    N("tf32", "false", ONE_MACHINE),
    N("use_liger_kernel", "false", ONE_MACHINE),
    N("torch_compile", "false", ONE_MACHINE),
    N("use_mps_device", "false", ONE_MACHINE),
    N("activation_offloading", "false", ONE_MACHINE),
    N("shuffle_dataset", "false", "rows are shuffled by DatasetConfig.shuffle_dataset"),
    N("ddp_find_unused_parameters", "false", ONE_MACHINE),
    N("padding_free", "false", "rows are always computed without padding; the result is the same"),
    N("save_only_model", "false", "checkpoints always hold what a resumed run needs"),

    Q("overwrite_output_dir"), Q("do_train"), Q("do_eval"), Q("prediction_loss_only"), Q("per_gpu_train_batch_size"),
    Q("per_gpu_eval_batch_size"), Q("eval_accumulation_steps"), Q("torch_empty_cache_steps"),
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
    U("train_test_split", NUM, data.train_share, 0, 1),
    N("response_column", "text", "unused, upstream too; columns are found by name"),
    N("context_column", "", "unused, upstream too; columns are found by name"),
};

const struct section config_sections[SECTION_COUNT] = {
    [SECTION_MODEL] = { "ModelConfig", model_keys, ARRAY_LEN(model_keys) },
    [SECTION_QUANT] = { "QuantizationConfig", quant_keys, ARRAY_LEN(quant_keys) },
    [SECTION_LORA] = { "LoraConfig", lora_keys, ARRAY_LEN(lora_keys) },
    [SECTION_TRAIN] = { "TrainingArguments", train_keys, ARRAY_LEN(train_keys) },
    [SECTION_COLLATOR] = { "DataCollator", collator_keys, ARRAY_LEN(collator_keys) },
    [SECTION_DATA] = { "DatasetConfig", data_keys, ARRAY_LEN(data_keys) },
};
