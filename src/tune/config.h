/*
 * What a tuning run shall do: upstream's training_config.yaml (six sections under `training_config`) in one plain struct.
 *
 * One table names every key of those sections. Each is honoured, has no meaning here and is accepted (a machine setting of another
 * engine), or is refused by name with what to use instead. Nothing that would change the result is dropped in silence.
 * Defaults are those of upstream v0.12 (TRL's SFTConfig, PEFT's LoraConfig, bitsandbytes' BitsAndBytesConfig).
 * Scalars are read as upstream's argument parser reads them: "yes", "True" and 1 are true, "2e-4" is a number, null is the default.
 */
#ifndef TUNE_CONFIG_H
#define TUNE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum tune_schedule {
    TUNE_SCHEDULE_LINEAR, TUNE_SCHEDULE_COSINE, TUNE_SCHEDULE_CONSTANT, TUNE_SCHEDULE_CONSTANT_WARMUP,
    TUNE_SCHEDULE_POLYNOMIAL, TUNE_SCHEDULE_INVERSE_SQRT, TUNE_SCHEDULE_COSINE_RESTARTS, TUNE_SCHEDULE_COSINE_MIN_LR,
    TUNE_SCHEDULE_COSINE_WARMUP_MIN_LR, TUNE_SCHEDULE_WARMUP_STABLE_DECAY,
};

enum tune_ramp { TUNE_RAMP_LINEAR, TUNE_RAMP_COSINE, TUNE_RAMP_ROOT };

/* lr_scheduler_kwargs. While the document is read NAN and NULL are what was not given; afterwards get_scheduler's defaults stand there. */
struct tune_schedule_args {
    double power, lr_end, num_cycles;
    double timescale, num_stable_steps;         /* NAN: as the warm-up and the steps of the run say */
    double min_lr, min_lr_rate, warmup_lr_rate; /* min_lr is taken into min_lr_rate; warmup_lr_rate NAN: one warm-up step's share */
    double num_decay_steps, min_lr_ratio;
    const char *warmup_type, *decay_type;
    enum tune_ramp warmup, decay;
};

enum tune_optimiser { TUNE_ADAMW, TUNE_SGD, TUNE_RMSPROP, TUNE_ADAGRAD, TUNE_LION, TUNE_ADAFACTOR };

/* Of those that look at optim_args. */
struct tune_optimiser_args { double momentum, dampening, alpha, eps, lr_decay; bool nesterov; };

enum tune_packing { TUNE_PACK_NONE, TUNE_PACK_BFD, TUNE_PACK_BFD_SPLIT, TUNE_PACK_WRAPPED };

enum tune_interval { TUNE_EVERY_STEPS, TUNE_EVERY_EPOCH, TUNE_NEVER };

/* A list of strings, or a map from module pattern to number; borrowed from the document. */
struct tune_names { const char **v; size_t n; };
struct tune_pattern { const char **names; double *values; size_t n; };

struct tune_config {
    struct {
        const char *path, *revision, *torch_dtype, *chat_template;
    } model;
    struct {
        bool in_4bit, in_8bit, double_quant;
        const char *quant_type, *compute_dtype;
    } quant;
    struct {
        int64_t r;
        double alpha, dropout;
        struct tune_names target_modules;       /* empty: every linear layer but the head */
        bool target_given, all_linear;
        bool rslora, dora, init_weights;
        struct tune_names layers_pattern, modules_to_save;
        int64_t *layers;                        /* layers_to_transform */
        size_t n_layers;
        struct tune_pattern rank_pattern, alpha_pattern;
        const char *task_type, *base_model, *revision, *bias;
    } lora;
    struct {
        const char *output_dir, *optim, *optim_args;
        int64_t batch_size, accumulation, max_steps, seed, data_seed, max_length, save_total_limit;
        double epochs, learning_rate, weight_decay, beta1, beta2, epsilon, max_grad_norm;
        const char *schedule_name, *log_strategy_name, *save_strategy_name, *truncation_mode;
        enum tune_schedule schedule;
        enum tune_interval log_every, save_every;
        double warmup_steps, warmup_ratio;      /* warmup_steps below 1 is a ratio, as in transformers 5 */
        struct tune_schedule_args schedule_args;
        double smoothing, neftune_alpha;        /* 0: none */
        bool eight_bit_states;
        enum tune_optimiser rule;               /* by optim */
        struct tune_optimiser_args optimiser_args;      /* by optim_args */
        double logging_steps, save_steps;       /* below 1: a share of all steps */
        bool bf16, fp16, gradient_checkpointing, logging_first_step, drop_last;
        bool keep_end;                          /* truncation_mode */
        bool by_length;                         /* group_by_length */
        bool load_best, greater_is_better;      /* load_best_model_at_end, by eval_loss */
        const char *best_metric, *sampling;     /* metric_for_best_model, train_sampling_strategy; NULL: not given */
        const char *text_field, *template_path;
        bool packing, assistant_only_loss, completion_only_loss;
        const char *packing_strategy, *eval_packing_text, *eval_strategy_name;
        enum tune_packing pack_train, pack_eval;        /* by the three above */
        enum tune_interval eval_every;
        double eval_steps, eval_delay;          /* steps: 0 means logging_steps, below 1 a share of all steps */
        int64_t eval_batch_size;
        bool eval_on_start;
    } train;
    struct {
        const char *path, *extension, *messages_column;
        bool shuffle;
        int64_t shuffle_seed;
        double train_share;
    } data;

    struct tune_names notes;                    /* one line each: accepted keys that change nothing here, and why; and what inputs add */
    size_t notes_cap;
    json_t *doc;                                /* owns the strings */
};

/*
 * Reads training_config.yaml, or a ConfigMap that holds it. name is what errors call it. ERR_INVALID: "training_config.TrainingArguments.foo: ..." names
 * the key, the value and the fix. Empty text, or a missing section, means its defaults. Release with tune_config_done, also after an error.
 */
errc tune_config_parse(struct str yaml, const char *name, struct tune_config *out, struct err *e);
/* The same of a file. */
errc tune_config_read(const char *path, struct tune_config *out, struct err *e);
void tune_config_done(struct tune_config *c);
/* Adds a line to notes. */
void tune_config_note(struct tune_config *c, const char *fmt, ...) PRINTF(2, 3);

#endif
