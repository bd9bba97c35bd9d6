/* training_config.yaml: upstream's templates, upstream's leniency, and every refusal by name. */
#include "helpers.h"

#include "tune/config.h"

static void refused(const char *yaml, const char *expect)
{
    struct tune_config c;
    struct err e = { 0 };
    errc rc = tune_config_parse(str_of(yaml), "f.yaml", &c, &e);

    if (rc != ERR_INVALID || !strstr(e.text, expect))
        fail_msg("%s gave %s: %s", yaml, err_name(rc), e.text);
    tune_config_done(&c);
}

#define TRAINING(line) "training_config:\n  TrainingArguments:\n    " line "\n"
#define LORA(line) "training_config:\n  LoraConfig:\n    " line "\n"
#define QUANT(line) "training_config:\n  QuantizationConfig:\n    " line "\n"

static void qlora_template(void **state)
{
    (void)state;
    static const char yaml[] =
        "training_config:\n  ModelConfig:\n    torch_dtype: \"bfloat16\"\n    local_files_only: true\n    device_map: \"auto\"\n"
        "  QuantizationConfig:\n    load_in_4bit: true\n    bnb_4bit_quant_type: \"nf4\"\n    bnb_4bit_compute_dtype: \"bfloat16\"\n"
        "    bnb_4bit_use_double_quant: true\n  LoraConfig:\n    r: 8\n    lora_alpha: 8\n    lora_dropout: 0.0\n"
        "  TrainingArguments:\n    output_dir: \"/mnt/results\"\n    ddp_find_unused_parameters: false\n    save_strategy: \"no\"\n"
        "    per_device_train_batch_size: 1\n  DataCollator:\n    mlm: true\n  DatasetConfig:\n    shuffle_dataset: true\n"
        "    train_test_split: 1\n";
    struct tune_config c;

    OK(tune_config_parse(str_of(yaml), "f.yaml", &c, E));
    assert_true(c.quant.in_4bit && c.quant.double_quant);
    assert_string_equal(c.quant.compute_dtype, "bfloat16");
    assert_int_equal(c.lora.r, 8);
    assert_int_equal(c.train.batch_size, 1);
    assert_int_equal(c.train.save_every, TUNE_NEVER);
    assert_true(c.data.train_share == 1);
    assert_int_equal(c.notes.n, 0);
    tune_config_done(&c);
}

static void defaults_of_era_b(void **state)
{
    (void)state;
    struct tune_config c;

    OK(tune_config_parse(STR(""), "f.yaml", &c, E));
    assert_true(c.train.learning_rate == 2e-5 && c.train.bf16 && c.train.gradient_checkpointing && c.train.logging_steps == 10);
    assert_int_equal(c.train.max_length, 1024);
    assert_int_equal(c.train.batch_size, 8);
    assert_true(c.data.train_share == 0.8);
    tune_config_done(&c);
}

static void scalars_as_upstream_reads_them(void **state)
{
    (void)state;
    struct tune_config c;

    OK(tune_config_parse(str_of(TRAINING("learning_rate: \"2e-4\"\n    bf16: \"no\"\n    max_steps: 7\n    seed: null\n    save_strategy: no\n"
                                         "    lr_scheduler_type: polynomial\n    lr_scheduler_kwargs: {power: 2}\n    report_to: wandb\n    num_train_epochs: 1.5")), "f.yaml", &c, E));
    assert_true(c.train.learning_rate == 2e-4 && !c.train.bf16 && c.train.schedule_args.power == 2 && c.train.epochs == 1.5);
    assert_int_equal(c.train.seed, 42);
    assert_int_equal(c.train.save_every, TUNE_NEVER);
    assert_int_equal(c.notes.n, 1);
    assert_non_null(strstr(c.notes.v[0], "report_to"));
    tune_config_done(&c);
    OK(tune_config_parse(str_of(LORA("target_modules: [qkv_proj, o_proj]\n    rank_pattern: {o_proj: 4}\n    layers_to_transform: [0, 2]")),
                         "f.yaml", &c, E));
    assert_int_equal(c.lora.target_modules.n, 2);
    assert_int_equal(c.lora.n_layers, 2);
    assert_true(c.lora.rank_pattern.values[0] == 4);
    tune_config_done(&c);
}

/* As the manifests of upstream's examples have it. */
static void a_config_map_is_read(void **state)
{
    (void)state;
    struct tune_config c;

    OK(tune_config_parse(STR("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  training_config.yaml: |\n    training_config:\n      LoraConfig: {r: 3}\n"),
                         "f.yaml", &c, E));
    assert_int_equal(c.lora.r, 3);
    tune_config_done(&c);
    OK(tune_config_parse(STR("kind: Workspace\ntuning: {config: x}\n---\nkind: ConfigMap\ndata:\n  training_config.yaml: |\n    training_config: {LoraConfig: {r: 5}}\n"), "f.yaml", &c, E));
    assert_int_equal(c.lora.r, 5);
    tune_config_done(&c);
    refused("training_config: {}\n---\ntraining_config: {LoraConfig: {r: 5}}\n", "two of its documents hold a training_config");
    refused("kind: Workspace\n---\nkind: Service\n", "none of its 2 documents holds a training_config");
}

static void choices_of_the_trainer(void **state)
{
    (void)state;
    struct tune_config c;

    OK(tune_config_parse(str_of(TRAINING("load_best_model_at_end: true\n    eval_strategy: steps\n    eval_steps: 2\n    save_steps: 6\n    metric_for_best_model: loss\n"
                                         "    greater_is_better: false\n    group_by_length: true")), "f.yaml", &c, E));
    assert_true(c.train.load_best && c.train.by_length && !c.train.greater_is_better);
    tune_config_done(&c);
    OK(tune_config_parse(str_of(TRAINING("train_sampling_strategy: group_by_length")), "f.yaml", &c, E));
    assert_true(c.train.by_length);
    tune_config_done(&c);
}

static void refusals(void **state)
{
    (void)state;
    refused("x: 1\n", "training_config");
    refused("training_config: [1]\n", "map of sections");
    refused("training_config:\n  Foo: {}\n", "Unrecognized section: Foo");
    refused("training_config:\n  LoraConfig: 3\n", "LoraConfig: must be a map");
    refused(TRAINING("learning_rat: 1"), "TrainingArguments.learning_rat: no such key");
    refused(TRAINING("learning_rate: fast"), "is no number");
    refused(TRAINING("max_steps: 1.5"), "no whole number");
    refused(TRAINING("max_steps: 0"), "trains nothing");
    refused(TRAINING("per_device_train_batch_size: 0"), "is outside");
    refused(TRAINING("bf16: maybe"), "neither true nor false");
    refused(TRAINING("fp16: true"), "use bf16");
    refused(TRAINING("optim: galore_adamw"), "use adamw_torch");
    refused(TRAINING("optim: sgd\n    optim_args: momentum=0.9,alpha=2"), "alpha is no setting of optim sgd");
    refused(TRAINING("optim: sgd\n    optim_args: momentum=fast"), "momentum is no number");
    refused(TRAINING("optim: sgd\n    optim_args: weight_decay=0.1"), "set TrainingArguments.weight_decay");
    refused(TRAINING("optim: sgd\n    optim_args: nesterov=true"), "needs a momentum");
    refused(TRAINING("optim_args: beta1=0.9"), "is no setting of optim adamw_torch");
    refused(TRAINING("lr_scheduler_type: reduce_lr_on_plateau"), "is not built");
    refused(TRAINING("lr_scheduler_kwargs: {power: 2}"), "power is no setting of lr_scheduler_type linear");
    refused(TRAINING("lr_scheduler_type: cosine\n    lr_scheduler_kwargs: {decay_type: cosine}"), "decay_type is no setting of lr_scheduler_type cosine");
    refused(TRAINING("lr_scheduler_type: cosine_with_min_lr"), "min_lr or min_lr_rate is missing");
    refused(TRAINING("lr_scheduler_type: cosine_with_min_lr\n    lr_scheduler_kwargs: {min_lr: 1.0e-6, min_lr_rate: 0.1}"), "two words");
    refused(TRAINING("lr_scheduler_type: warmup_stable_decay"), "num_decay_steps is missing");
    refused(TRAINING("lr_scheduler_type: warmup_stable_decay\n    lr_scheduler_kwargs: {num_decay_steps: 2, decay_type: sine}"), "none of linear, cosine, 1-sqrt");
    refused(TRAINING("lr_scheduler_type: polynomial\n    lr_scheduler_kwargs: {lr_end: 0.1}"), "must be below learning_rate");
    refused(TRAINING("label_smoothing_factor: 1.1"), "is outside");
    refused(TRAINING("neftune_noise_alpha: -1"), "is outside");
    refused(LORA("bias: some"), "none, all, lora_only");
    refused(LORA("target_modules: \".*[qk\""), "is no regular expression");
    refused(LORA("target_modules: [\".*q_proj\", o_proj]"), "give it alone");
    refused(LORA("target_modules: \".*q_proj\"\n    layers_to_transform: [0]"), "name the layers in the expression");
    refused(LORA("rank_pattern: {\"(q_proj\": 2}"), "is no regular expression");
    refused(QUANT("load_in_4bit: true\n    bnb_4bit_quant_type: af4"), "bnb_4bit_quant_type: \"af4\" is neither nf4 nor fp4");
    refused(QUANT("load_in_4bit: true\n    load_in_8bit: true"), "exclude each other");
    refused(LORA("r: 0"), "is outside");
    refused(LORA("target_modules: []"), "names nothing; remove the key");
    refused(LORA("layers_pattern: layers"), "goes with layers_to_transform, which is missing");
    refused(LORA("use_dora: perhaps"), "neither true nor false");
    refused(LORA("modules_to_save: [3]"), "is no list of names");
    refused(TRAINING("eval_strategy: steps") "  DatasetConfig: {train_test_split: 1}\n", "needs rows to evaluate on; set DatasetConfig.train_test_split below 1");
    refused(TRAINING("eval_strategy: sometimes"), "is none of steps, epoch, no");
    refused(TRAINING("load_best_model_at_end: true"), "needs eval_strategy and save_strategy to be the same");
    refused(TRAINING("load_best_model_at_end: true\n    eval_strategy: epoch"), "needs eval_strategy and save_strategy to be the same");
    refused(TRAINING("load_best_model_at_end: true\n    eval_strategy: steps\n    eval_steps: 4\n    save_steps: 6"), "6 is no multiple of eval_steps 4");
    refused(TRAINING("logging_steps: 0"), "logging_steps: 0 is no distance between steps; set it above 0, or logging_strategy");
    refused(TRAINING("save_steps: 0"), "save_steps: 0 is no distance");
    refused(TRAINING("max_length: 0"), "is outside 1 to 16777216");
    refused("training_config:\n  DatasetConfig: {dataset_extension: xml}\n", "is none of parquet, arrow, json, jsonl, csv");
    refused("kind: ConfigMap\ndata:\n  training_config.yaml: |\n    training_config:\n      LoraConfig: {r: 0}\n", "LoraConfig.r");
    refused("kind: ConfigMap\ndata:\n  training_config.yaml: \"a: [\"\n", "data.training_config.yaml: ");
    refused("kind: ConfigMap\ndata:\n  other.yaml: x\n", "no map \"training_config\" at the top");
    refused("kind: ConfigMap\ndata:\n  other.yaml: x\n", "the ConfigMap has no text data.\"training_config.yaml\"");
    refused(TRAINING("metric_for_best_model: accuracy"), "use eval_loss");
    refused(TRAINING("train_sampling_strategy: sequential"), "set DatasetConfig.shuffle_dataset to false");
    refused(TRAINING("truncation_mode: middle"), "is neither keep_start nor keep_end");
    refused(TRAINING("truncation_mode: keep_end\n    packing: true\n    packing_strategy: wrapped"), "goes with bfd");
    refused("training_config:\n  ModelConfig: {chat_template: a}\n  TrainingArguments: {chat_template_path: b}\n", "exclude each other");
    refused(TRAINING("packing_strategy: ffd"), "is none of bfd, bfd_split, wrapped");
    refused(TRAINING("eval_packing: maybe"), "is neither true nor false");
    refused(LORA("layer_replication: [[0, 4]]"), "layer_replication");
    refused(LORA("target_modules: [1]"), "list of names");
    refused("training_config:\n  ModelConfig: {torch_dtype: int4}\n", "invalid torch dtype");
    refused("training_config:\n  DatasetConfig: {train_test_split: 0}\n", "between 0 and 1");
    refused("training_config:\n  DatasetConfig: {train_test_split: 2}\n", "is outside");
    refused("a: [\n", "f.yaml");
    refused("training_config:\n\tLoraConfig: {r: 8}\n", "f.yaml: yaml: line 2, column 1: a tab cannot indent; use spaces");
}

static void a_wrong_name_is_met_with_the_right_one(void **state)
{
    (void)state;
    refused(TRAINING("learning_rat: 1"), "TrainingArguments.learning_rat: no such key; did you mean learning_rate?");
    refused(TRAINING("Learning-Rate: 1"), "did you mean learning_rate?");
    refused(TRAINING("num_train_epcohs: 1"), "did you mean num_train_epochs?");
    refused(TRAINING("batch_size: 1"), "did you mean per_device_train_batch_size?");
    refused(TRAINING("lora_alpha: 1"), "TrainingArguments.lora_alpha: no such key there; move it to LoraConfig");
    refused(LORA("rank: 8"), "did you mean r?");
    refused(LORA("something_else: 8"), "LoraConfig.something_else: no such key; remove it or correct its name");
    refused(QUANT("load_in_4_bit: true"), "did you mean load_in_4bit?");
    refused(QUANT("bnb_4bit_quant_storage: uint8"), "remove it");
    refused("training_config:\n  LoRAConfig: {r: 8}\n", "Unrecognized section: LoRAConfig; LoraConfig may be meant; known are ModelConfig");
    refused("training_config:\n  Foo: {r: 8}\n", "Unrecognized section: Foo; known are ModelConfig");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(qlora_template), cmocka_unit_test(defaults_of_era_b),
                                        cmocka_unit_test(scalars_as_upstream_reads_them), cmocka_unit_test(choices_of_the_trainer),
                                        cmocka_unit_test(a_config_map_is_read), cmocka_unit_test(refusals),
                                        cmocka_unit_test(a_wrong_name_is_met_with_the_right_one) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
