#include "tune/checkpoint.h"

#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#define STATE_FILE      ".tune-state.safetensors"
#define ASIDE_FILE      ".tune-state.other-run.safetensors"
#define STATE_VERSION   2
#define DIGEST          "digest"        /* of the other tensors, in hexadecimal */
#define ITEMS_MAX       (3 + OPTIMISER_PARTS)
#define SAMPLED_SAMPLES 4096    /* whose beginnings stand for how rows were packed */
#define SAMPLED_BYTES   4096    /* bytes of each weight that stand for the model */

/* --- fingerprint ------------------------------------------------------------------------------------------------------------ */

static void put_digest(json_t *out, const char *name, const struct buf *b)
{
    char hex[SHA256_HEX];

    sha256_hex(b->p, b->n, hex);
    json_put_str(out, name, hex);
}

static void describe_schedule(const struct tune_schedule_args *a, struct buf *out)
{
    buf_addf(out, "%.17g %.17g %.17g %.17g %.17g %.17g ", a->power, a->lr_end, a->num_cycles, a->timescale, a->min_lr_rate, a->warmup_lr_rate);
    buf_addf(out, "%.17g %.17g %.17g %d %d ", a->num_decay_steps, a->num_stable_steps, a->min_lr_ratio, a->warmup, a->decay);
}

static void describe_optimiser(const struct tune_config *c, struct buf *out)
{
    const struct tune_optimiser_args *a = &c->train.optimiser_args;

    buf_addf(out, "%d %.17g %.17g %.17g %.17g %.17g %d ", c->train.rule, a->momentum, a->dampening, a->alpha, a->eps, a->lr_decay, a->nesterov);
}

static void describe_settings(const struct tune_config *c, uint64_t steps, const char *given_values, struct buf *out)
{
    buf_addf(out, "%lld %lld %llu %lld %lld %d %g ", (long long)c->train.batch_size, (long long)c->train.accumulation,
             (unsigned long long)steps, (long long)c->train.seed, (long long)c->train.data_seed, c->data.shuffle, c->data.train_share);
    buf_addf(out, "%.17g %.17g %.17g %.17g %.17g %.17g ", c->train.learning_rate, c->train.weight_decay, c->train.beta1, c->train.beta2,
             c->train.epsilon, c->train.max_grad_norm);
    buf_addf(out, "%d %.17g %.17g ", c->train.schedule, c->train.warmup_steps, c->train.warmup_ratio);
    describe_schedule(&c->train.schedule_args, out);
    buf_addf(out, "%.17g %.17g %d ", c->train.smoothing, c->train.neftune_alpha, c->train.eight_bit_states);
    describe_optimiser(c, out);
    buf_addf(out, "%d %d %d %d %s %.17g %lld %s", c->train.bf16, c->quant.in_4bit, c->quant.in_8bit, c->quant.double_quant, c->quant.compute_dtype,
             c->lora.dropout, (long long)c->data.shuffle_seed, given_values);
    buf_addf(out, " %d %.17g %.17g %lld %d", c->train.eval_every, c->train.eval_steps, c->train.eval_delay, (long long)c->train.eval_batch_size,
             c->train.eval_on_start);
    if (c->quant.in_4bit && streq(c->quant.quant_type, "fp4"))
        buf_adds(out, " fp4");
    if (c->quant.in_4bit && c->model.torch_dtype)
        buf_addf(out, " from %s", c->model.torch_dtype);
    if (c->train.by_length)
        buf_adds(out, " by length");
    if (c->train.drop_last)
        buf_adds(out, " without the rest");
    if (!c->lora.init_weights)
        buf_adds(out, " from random values");
    if (c->train.load_best)
        buf_addf(out, " best %d %d %.17g", c->train.greater_is_better, c->train.save_every, c->train.save_steps);
}

static void describe_modules(const struct lora_set *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++)
        buf_addf(out, "%s %zu %.9g %d\n", s->params[i].linear->path, s->params[i].r, (double)s->params[i].scale, s->params[i].dora);
    for (size_t i = 0; i < s->n_own; i++)
        buf_addf(out, "%s\n", s->own[i].name);
}

static void describe_data(const struct trainer *t, struct buf *out)
{
    const struct samples *s = t->samples;

    buf_addf(out, "%zu %u %s\n", s->n, samples_first(s, s->n), examples_digest(s->x));
    for (size_t i = 0; i < s->n; i += s->n / SAMPLED_SAMPLES + 1)
        buf_addf(out, "%u ", samples_first(s, i));
}

static void describe_weight(const struct weight *w, struct buf *out)
{
    size_t bytes = weight_bytes(w);
    const void *p = w->kind == WEIGHT_NF4 ? w->nf4.packed : w->data;

    buf_addf(out, "%zu %zu %d\n", w->out, w->in, w->kind);
    buf_add(out, p, bytes / 2 < SAMPLED_BYTES ? bytes / 2 : SAMPLED_BYTES);
}

/* What config.json asks of training alone. */
static void describe_base(const struct base_config *b, struct buf *out)
{
    const struct dropouts *d = &b->drops;

    buf_addf(out, "%.9g %.9g %.9g %.9g %.9g %.17g\n", (double)d->embed, (double)d->probabilities, (double)d->attn_block, (double)d->mlp_block, (double)d->jitter,
             b->balance);
}

errc checkpoint_fingerprint(const struct trainer *t, const struct model *m, const struct base_config *base, const char *init_adapter, json_t **out, struct err *e)
{
    AUTO_BUF model = { 0 }, data = { 0 }, modules = { 0 }, settings = { 0 };
    char values[SHA256_HEX] = "";
    json_t *j = json_object();

    (void)e;
    buf_addf(&model, "%s %d %zu\n", m->config.model_type, m->config.dtype, m->config.layers);
    for (size_t i = 0; i < m->n_linears; i++)
        describe_weight(&m->linears[i].w, &model);
    describe_base(base, &model);
    describe_data(t, &data);
    describe_modules(t->loras, &modules);
    if (init_adapter)
        sha256_hex(t->loras->w, t->loras->total * sizeof *t->loras->w, values);
    describe_settings(t->config, t->plan.steps, values, &settings);
    put_digest(j, "model", &model);
    put_digest(j, "data set", &data);
    put_digest(j, "adapter modules", &modules);
    put_digest(j, "training settings", &settings);
    *out = j;
    return ERR_OK;
}

static errc compare(const char *path, const json_t *mine, const json_t *theirs, struct err *e)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)mine, name, value)
        if (!json_equal(value, json_object_get(theirs, name)))
            return err_set(e, ERR_CONFLICT, "%s: belongs to another run: its %s differ", path, name);
    return ERR_OK;
}

/* --- writing -------------------------------------------------------------------------------------------------------------------- */

static struct tensor view(enum dtype dtype, const void *data, size_t n)
{
    return (struct tensor){ .dtype = dtype, .ndim = 1, .shape = { n }, .len = n, .data = data };
}

static json_t *state_json(const struct trainer *t, const struct run_totals *r, const json_t *fingerprint)
{
    return json_pack("{s:i, s:I, s:f, s:I, s:f, s:f, s:f, s:I, s:I, s:f, s:I, s:f, s:O}", "version", STATE_VERSION, "step", (json_int_t)t->optimiser.step,
                     "loss_sum", r->loss_sum, "loss_steps", (json_int_t)r->loss_steps, "all_loss_sum", r->all_loss_sum,
                     "first_loss", r->first_loss, "last_loss", r->last_loss, "tokens", (json_int_t)r->tokens, "history_bytes", (json_int_t)r->history_bytes,
                     "seconds", r->seconds, "best_step", (json_int_t)r->best_step, "best_loss", r->best_loss, "fingerprint", fingerprint);
}

/* Of all that the items hold, in their order: a damaged file must not become a slightly different adapter. */
static void digest_items(const struct safetensors_item *items, size_t n, char hex[SHA256_HEX])
{
    AUTO_FREE(sha256_stream) s = sha256_stream_new();

    for (size_t i = 0; i < n; i++)
        sha256_stream_add(s, items[i].tensor.data, items[i].tensor.len * dtype_size(items[i].tensor.dtype));
    sha256_stream_hex(s, hex);
}

errc checkpoint_write(const char *output_dir, const struct trainer *t, const struct run_totals *totals, const json_t *fingerprint,
                      struct err *e)
{
    AUTO_MEM char *path = path_join(output_dir, STATE_FILE);
    AUTO_JSON state = state_json(t, totals, fingerprint);
    AUTO_MEM char *text = json_text(state);
    size_t n = t->loras->total;
    char hex[SHA256_HEX];
    struct safetensors_item items[ITEMS_MAX] = {
        { "lora", view(DTYPE_F32, t->loras->w, n) },
        { "state", view(DTYPE_U8, text, strlen(text)) },
    };
    struct optimiser_part parts[OPTIMISER_PARTS];
    size_t n_parts = optimiser_parts(&t->optimiser, parts);

    for (size_t i = 0; i < n_parts; i++)
        items[2 + i] = (struct safetensors_item){ parts[i].name, view(parts[i].dtype, parts[i].data, parts[i].n) };
    digest_items(items, 2 + n_parts, hex);
    items[2 + n_parts] = (struct safetensors_item){ DIGEST, view(DTYPE_U8, hex, SHA256_HEX - 1) };
    return safetensors_write(path, items, 3 + n_parts, e);
}

/* --- reading -------------------------------------------------------------------------------------------------------------------- */

static errc need(const struct safetensors *s, const char *name, enum dtype dtype, size_t n, const struct tensor **out, struct err *e)
{
    TRY(safetensors_need(s, name, out, e));
    if ((*out)->dtype != dtype || (*out)->len != n)
        return err_set(e, ERR_CORRUPT, "%s: %s has %zu elements instead of %zu", safetensors_path(s), name, (*out)->len, n);
    return ERR_OK;
}

static errc read_state(const struct safetensors *s, const struct tensor *t, json_t **out, struct err *e)
{
    if (t->dtype != DTYPE_U8)
        return err_set(e, ERR_CORRUPT, "%s: state is not bytes", safetensors_path(s));
    TRY(json_parse(str_n(t->data, t->len), out, e));
    if (json_int(*out, "version", 0) != STATE_VERSION)
        return err_set(e, ERR_CONFLICT, "%s: was written by another version", safetensors_path(s));
    return ERR_OK;
}

/* What checkpoint_write wrote: LoRA values, the state, AdamW's arrays. */
static errc find_items(const struct safetensors *s, const struct trainer *t, struct safetensors_item items[ITEMS_MAX], size_t *out_n, struct err *e)
{
    struct optimiser_part parts[OPTIMISER_PARTS];
    size_t n_parts = optimiser_parts(&t->optimiser, parts);
    const struct tensor *found;

    TRY(need(s, "lora", DTYPE_F32, t->loras->total, &found, e));
    items[0] = (struct safetensors_item){ "lora", *found };
    TRY(safetensors_need(s, "state", &found, e));
    items[1] = (struct safetensors_item){ "state", *found };
    for (size_t i = 0; i < n_parts; i++) {
        TRY(need(s, parts[i].name, parts[i].dtype, parts[i].n, &found, e));
        items[2 + i] = (struct safetensors_item){ parts[i].name, *found };
    }
    *out_n = 2 + n_parts;
    return ERR_OK;
}

static errc check_digest(const struct safetensors *s, const struct safetensors_item *items, size_t n, struct err *e)
{
    const struct tensor *written;
    char hex[SHA256_HEX];

    TRY(need(s, DIGEST, DTYPE_U8, SHA256_HEX - 1, &written, e));
    digest_items(items, n, hex);
    return memcmp(hex, written->data, SHA256_HEX - 1) ? err_set(e, ERR_CORRUPT, "%s: is damaged: it does not hold what was written", safetensors_path(s)) : ERR_OK;
}

static void restore(struct trainer *t, struct run_totals *totals, const struct safetensors_item *items, const json_t *state)
{
    struct optimiser_part parts[OPTIMISER_PARTS];
    size_t n_parts = optimiser_parts(&t->optimiser, parts);

    memcpy(t->loras->w, items[0].tensor.data, t->loras->total * sizeof(float));
    for (size_t i = 0; i < n_parts; i++)
        memcpy(parts[i].data, items[2 + i].tensor.data, parts[i].n * dtype_size(parts[i].dtype));
    t->optimiser.step = (uint64_t)json_int(state, "step", 0);
    *totals = (struct run_totals){
        .loss_sum = json_num(state, "loss_sum", 0), .loss_steps = (uint64_t)json_int(state, "loss_steps", 0),
        .all_loss_sum = json_num(state, "all_loss_sum", 0), .first_loss = json_num(state, "first_loss", 0),
        .last_loss = json_num(state, "last_loss", 0),
        .tokens = (uint64_t)json_int(state, "tokens", 0), .history_bytes = (uint64_t)json_int(state, "history_bytes", 0),
        .seconds = json_num(state, "seconds", 0), .best_step = (uint64_t)json_int(state, "best_step", 0), .best_loss = json_num(state, "best_loss", 0),
    };
}

errc checkpoint_read(const char *output_dir, struct trainer *t, struct run_totals *totals, const json_t *fingerprint, struct err *e)
{
    AUTO_MEM char *path = path_join(output_dir, STATE_FILE);
    AUTO_FREE(safetensors) s = NULL;
    AUTO_JSON state = NULL;
    struct safetensors_item items[ITEMS_MAX];
    const struct tensor *text;
    size_t n;

    if (!file_exists(path))
        return err_set(e, ERR_NOT_FOUND, "%s: no checkpoint", path);
    TRY(safetensors_open(path, &s, e));
    TRY(safetensors_need(s, "state", &text, e));
    TRY(read_state(s, text, &state, e));
    TRY(compare(path, fingerprint, json_object_get(state, "fingerprint"), e));
    TRY(find_items(s, t, items, &n, e));
    TRY(check_digest(s, items, n, e));
    restore(t, totals, items, state);
    return ERR_OK;
}

errc checkpoint_set_aside(const char *output_dir, struct err *e)
{
    AUTO_MEM char *path = path_join(output_dir, STATE_FILE);
    AUTO_MEM char *aside = path_join(output_dir, ASIDE_FILE);

    if (rename(path, aside) && errno != ENOENT)
        return err_sys(e, errno, "move %s aside", path);
    return ERR_OK;
}

errc checkpoint_remove(const char *output_dir, struct err *e)
{
    AUTO_MEM char *path = path_join(output_dir, STATE_FILE);

    if (unlink(path) && errno != ENOENT)
        return err_sys(e, errno, "remove %s", path);
    return ERR_OK;
}
