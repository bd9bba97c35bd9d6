/* The three things a run is made from, opened and checked against each other: configuration, model with tokenizer, data set. */
#ifndef TUNE_INPUTS_H
#define TUNE_INPUTS_H

#include "dataset/dataset.h"
#include "engine/model.h"
#include "tokenizer/tokenizer.h"
#include "tune/base_config.h"
#include "tune/samples.h"
#include "tune/tune.h"

struct inputs {
    struct tune_config config;
    struct model *model;
    struct tokenizer *tokenizer;
    struct template *chat_template;     /* ModelConfig.chat_template; NULL: the model's */
    struct base_config base;            /* what config.json asks of training */
    char *data_path;                    /* of the file that was taken; of several, the first */
    struct examples *examples;
    struct samples train, held;         /* what training draws from (not empty), and what evaluation reads */
};

/*
 * In this order: cheap checks first, the configuration, then the model's files, then the rows. Release with inputs_done, also after an error.
 * INVALID and BAD_REQUEST name the key or option, NOT_FOUND and CORRUPT the file, UNSUPPORTED what is not built. scratch_dir holds what
 * does not fit in memory.
 */
errc inputs_read_config(struct inputs *in, const struct tune_opts *o, struct err *e);
errc inputs_load_tokenizer(struct inputs *in, const struct tune_opts *o, struct err *e);
errc inputs_load_model(struct inputs *in, const struct tune_opts *o, struct err *e);
errc inputs_load_data(struct inputs *in, const struct tune_opts *o, const char *scratch_dir, struct err *e);
void inputs_done(struct inputs *in);

/* The first tensor of the base model that holds a NaN or an infinity, NULL when none does. Reads every weight: asked only after a failure. */
const char *inputs_broken_tensor(const struct inputs *in);

/* How base products are computed: bf16 factors as the configuration asks, else f32. */
enum gemm_math inputs_math(const struct tune_config *c);

#endif
