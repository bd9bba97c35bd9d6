/*
 * optim, and which optim_args go with it. Another name for a rule is a row here.
 * Source: transformers' trainer_optimizer.py; defaults of the arguments are those of torch's classes.
 */
#include "tune/config_priv.h"

#include "base/mem.h"

#define ORDINARY_MEMORY "states stay in ordinary memory"
#define LIKE_ADAMW "the same arithmetic as adamw_torch; " ORDINARY_MEMORY
#define LIKE_BNB "the same arithmetic as adamw_bnb_8bit; " ORDINARY_MEMORY

#define SGD_ARGS "momentum|dampening|weight_decay|nesterov"
#define RMSPROP_ARGS "momentum|alpha|eps|weight_decay"
#define ADAGRAD_ARGS "lr_decay|weight_decay|eps"

static const struct row { const char *name; enum tune_optimiser rule; bool eight_bit; const char *args, *note; } rows[] = {
    { "adamw_torch", TUNE_ADAMW, false, NULL, NULL },
    { "adamw_torch_fused", TUNE_ADAMW, false, NULL, NULL },
    { "adamw_hf", TUNE_ADAMW, false, NULL, NULL },
    { "adamw_apex_fused", TUNE_ADAMW, false, NULL, NULL },
    { "paged_adamw", TUNE_ADAMW, false, NULL, LIKE_ADAMW },
    { "paged_adamw_32bit", TUNE_ADAMW, false, NULL, LIKE_ADAMW },
    { "adamw_bnb_8bit", TUNE_ADAMW, true, NULL, NULL },
    { "adamw_8bit", TUNE_ADAMW, true, NULL, NULL },
    { "paged_adamw_8bit", TUNE_ADAMW, true, NULL, LIKE_BNB },
    { "adafactor", TUNE_ADAFACTOR, false, NULL, NULL },
    { "sgd", TUNE_SGD, false, SGD_ARGS, NULL },
    { "adagrad", TUNE_ADAGRAD, false, ADAGRAD_ARGS, NULL },
    { "rmsprop", TUNE_RMSPROP, false, RMSPROP_ARGS, NULL },
    { "lion_32bit", TUNE_LION, false, NULL, NULL },
    { "paged_lion_32bit", TUNE_LION, false, NULL, "the same arithmetic as lion_32bit; " ORDINARY_MEMORY },
    { "lion_8bit", TUNE_LION, true, NULL, NULL },
    { "paged_lion_8bit", TUNE_LION, true, NULL, "the same arithmetic as lion_8bit; " ORDINARY_MEMORY },
};

#define AT(member) offsetof(struct tune_optimiser_args, member)

/* weight_decay is not among them: groups of parameters have TrainingArguments.weight_decay, in transformers too. */
static const struct { const char *name; size_t off; } numbers[] = {
    { "momentum", AT(momentum) }, { "dampening", AT(dampening) }, { "alpha", AT(alpha) }, { "eps", AT(eps) }, { "lr_decay", AT(lr_decay) },
};

static errc bad_arg(const char *name, const char *say, const char *detail, struct err *e)
{
    return err_set(e, ERR_INVALID, "TrainingArguments.optim_args: %.60s %s%s", name, say, detail);
}

/* One "name=value". */
static errc read_arg(const struct row *row, struct str arg, struct tune_optimiser_args *out, struct err *e)
{
    struct str rest = arg, name;

    (void)str_next(&rest, '=', &name);
    AUTO_MEM char *key = xasprintf("%.*s", STR_ARG(name));
    if (!row->args || !config_text_in(name, row->args))
        return bad_arg(key, "is no setting of optim ", row->name, e);
    if (streq(key, "weight_decay"))
        return bad_arg(key, "has no effect", "; set TrainingArguments.weight_decay", e);
    if (streq(key, "nesterov")) {
        out->nesterov = config_text_in(rest, "true|1|yes");
        return ERR_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (streq(key, numbers[i].name)) {
            double *at = (double *)(void *)((char *)out + numbers[i].off);
            return str_to_f64(rest, at) && *at >= 0 ? ERR_OK : bad_arg(key, "is no number from 0 on", "", e);
        }
    return ERR_OK;
}

static errc read_args(const struct row *row, const char *text, struct tune_optimiser_args *out, struct err *e)
{
    struct str rest = str_of(text), arg;

    *out = (struct tune_optimiser_args){ .alpha = 0.99, .eps = row->rule == TUNE_ADAGRAD ? 1e-10 : 1e-8 };
    while (str_set(text) && str_next(&rest, ',', &arg))
        TRY(read_arg(row, str_trim(arg), out, e));
    if (out->nesterov && (out->momentum <= 0 || out->dampening != 0))
        return bad_arg("nesterov", "needs a momentum above 0 and no dampening", "", e);
    return ERR_OK;
}

errc config_check_optimiser(struct reader *r, struct err *e)
{
    struct tune_config *c = r->c;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(c->train.optim, rows[i].name)) {
            c->train.rule = rows[i].rule;
            c->train.eight_bit_states = rows[i].eight_bit;
            if (rows[i].note)
                config_note(r, "optim", c->train.optim, rows[i].note);
            return read_args(&rows[i], c->train.optim_args, &c->train.optimiser_args, e);
        }
    return err_set(e, ERR_INVALID, "TrainingArguments.optim: \"%.120s\" is not built; use adamw_torch or adamw_bnb_8bit (adafactor, sgd, adagrad, rmsprop, lion_32bit "
                   "and lion_8bit are built, too)", c->train.optim);
}
