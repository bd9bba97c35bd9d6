/*
 * One fine-tuning run: model folder + configuration + data set -> LoRA adapter in PEFT's format.
 *
 * The output folder receives, in this order: history.jsonl while training (a line per logged step), checkpoint-<step>/ as save_strategy
 * asks, adapter_model.safetensors, adapter_config.json, README.md, and last fine_tuning_completed.txt, the contract with whoever
 * pushes the adapter. Killed at any moment, the same call goes on from its last checkpoint and ends with the same adapter bytes;
 * once completed, it returns at once. A changed configuration, model or data set starts anew.
 *
 * Errors name file, key or row and the fix; the last good checkpoint stays.
 */
#ifndef TUNE_TUNE_H
#define TUNE_TUNE_H

#include "base/thread.h"
#include "tune/backprop.h"
#include "tune/progress.h"

#define TUNE_SENTINEL "fine_tuning_completed.txt"

enum tune_tell {
    TUNE_TELL_NOTE,             /* worth knowing, changes nothing */
    TUNE_TELL_WARNING,
    TUNE_TELL_EVENT,            /* a phase begins or ends */
    TUNE_TELL_STEP,             /* a logged step, at most one a second */
    TUNE_TELL_LIVE,             /* the line to show in place, many times a second */
};

struct tune_opts {
    const char *model_dir, *config_path, *data_path;
    const char *const *more_data;       /* files read after data_path, in this order */
    size_t n_more_data;
    const char *output_dir;             /* NULL: TrainingArguments.output_dir */
    const char *method;                 /* "lora", "qlora": must agree with QuantizationConfig; NULL: as it says */
    const char *merged_dir;             /* also write the model with the adapter merged into its weights there; NULL: do not */
    const char *init_adapter;           /* start from this PEFT folder's values */
    const char *default_targets;        /* comma list when LoraConfig names no modules; NULL: every linear layer */
    int threads;                        /* 0: one per CPU */
    enum tune_memory memory;
    int64_t checkpoint_ms;              /* at least so often; 0: as often as costs about 2 % of the time */
    uint64_t checkpoint_steps;          /* and after so many steps; 0: by time alone */
    const char *scratch_dir;            /* for the tokenised data set; NULL: the output folder */
    struct progress *progress;          /* may be NULL */
    struct cancel *cancel;              /* may be NULL: checkpoints and returns ERR_CANCELLED */
    void (*tell)(void *self, enum tune_tell kind, const char *line);    /* may be NULL; on the caller's thread */
    void *tell_self;
};

struct tune_result {
    bool was_complete;          /* nothing to do: the output folder holds this run's adapter */
    uint64_t steps, resumed_from, tokens;
    double first_loss, mean_loss, last_loss;    /* of single steps; mean over the run */
    double seconds;
    bool has_eval;
    double eval_loss;           /* of the last evaluation */
};

errc tune_run(const struct tune_opts *o, struct tune_result *out, struct err *e);

#endif
