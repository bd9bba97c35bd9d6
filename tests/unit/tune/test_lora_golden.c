/*
 * Forward, backward and AdamW against PEFT: 12 steps on three batches, LoRA on bf16 weights computed in f32 and QLoRA on NF4 weights.
 * Tolerances: losses 1e-4 relative, gradients 1e-3 of their norm, trained adapter 1e-3 (f32); bf16 as noted at its row.
 */
#include "helpers.h"

#include <math.h>
#include <unistd.h>

#include "tune/optimiser.h"
#include "tune/backprop.h"

struct truth {
    const char *model, *folder, *gradients;
    bool clipped;
    enum gemm_math math;
    double loss_tolerance, grad_tolerance, adapter_tolerance;
    const char *targets;        /* NULL: every linear layer */
    const char *movement;       /* how far the peer itself moves, {losses: [per step]}: the bound where that is beyond the tolerance, on CPUs with bf16 products; NULL: none */
};

struct rig {
    struct model *model;
    struct tune_config config;
    struct lora_set loras;
    struct backprop *pass;
    struct optimiser adam;
};

/* In the repository, else beside it. */
static char *find(const char *path)
{
    char *p = golden(path);

    if (access(p, R_OK) == 0)
        return p;
    free(p);
    return shared_golden(path);
}

static void rig_open(struct rig *r, const struct truth *t, const struct backprop_opts *o)
{
    AUTO_MEM char *dir = find(t->model), *init_path = xasprintf("%s/init", t->folder), *init = find(init_path);

    *r = (struct rig){ 0 };
    OK(model_load(dir, &(struct model_opts){ .threads = 1 }, &r->model, E));
    AUTO_MEM char *yaml = xasprintf("training_config:\n  LoraConfig: {r: 8, lora_alpha: 16, target_modules: %s}\n", t->targets ? t->targets : "null");
    OK(tune_config_parse(str_of(yaml), "test", &r->config, E));
    OK(lora_set_init(&r->loras, r->model, &r->config, NULL, E));
    OK(lora_set_load(&r->loras, init, r->model, E));
    OK(backprop_new(r->model, &r->loras, o, &r->pass, E));
    r->adam = (struct optimiser){ .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01 };
    OK(optimiser_init(&r->adam, r->loras.total, E));
}

static void rig_close(struct rig *r)
{
    optimiser_done(&r->adam);
    backprop_free(r->pass);
    lora_set_done(&r->loras);
    tune_config_done(&r->config);
    model_free(r->model);
}

static struct backprop_row row_of(const json_t *batch, int32_t ids[256])
{
    size_t n = json_array_size(batch);

    assert_true(n <= 256);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(batch, i));
    return (struct backprop_row){ .ids = ids, .labels = ids, .n = n, .rope_length = n };
}

/* Builds with sanitizers have few heights of tiles (src/tensor/meson.build) and sum in yet another order. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEW_TILES true
#else
#define FEW_TILES false
#endif

static void close_to(double got, double want, double tolerance, const char *what, size_t step)
{
    if (!(fabs(got - want) <= tolerance * fabs(want)))
        fail_msg("step %zu: %s %.9g instead of %.9g", step, what, got, want);
}

static void run_truth(const struct truth *t, enum tune_memory memory)
{
    AUTO_MEM char *expected_path = xasprintf("%s/expected.json", t->folder);
    AUTO_MEM char *expected = find(expected_path);
    AUTO_JSON j = NULL;
    OK(json_parse_file(expected, 16 << 20, &j, E));
    const json_t *batches = json_object_get(j, "batches"), *losses = json_object_get(j, "losses");
    const json_t *norms = json_object_get(j, "grad_norms_before_clip");
    AUTO_JSON movement = t->movement ? golden_json(t->movement) : NULL;
    struct rig r;
    int32_t ids[256];

    rig_open(&r, t, &(struct backprop_opts){ .threads = 2, .math = t->math, .memory = memory, .checkpointing_allowed = true, .longest_row = 64 });
    assert_int_equal(backprop_checkpointing(r.pass), memory == TUNE_MEMORY_LOW);
    for (size_t step = 0; step < json_array_size(losses); step++) {
        struct backprop_row row = row_of(json_array_get(batches, step % json_array_size(batches)), ids);
        double loss, labels = (double)backprop_row_labels(&row);
        memset(r.loras.g, 0, r.loras.total * sizeof(float));
        OK(backprop_run(r.pass, &row, 1, step, 0, (float)(1 / labels), true, &loss, E));
        double norm = gradient_norm(r.loras.g, r.loras.total);
        bool other_order = FEW_TILES || compute_bf16_is_fast(backprop_compute(r.pass));
        double moved = other_order ? json_number_value(json_array_get(json_object_get(movement, "losses"), step)) : 0;
        close_to(loss / labels, json_number_value(json_array_get(losses, step)), fmax(t->loss_tolerance, moved), "loss", step);
        close_to(norm, json_number_value(json_array_get(norms, step)), t->grad_tolerance, "gradient norm", step);
        AUTO_MEM char *grads_path = xasprintf("%s/%s", t->folder, t->gradients), *grads = find(grads_path);
        double before = step ? 0 : distance_to_file(&r.loras, r.loras.g, grads, ".default.weight");
        gradient_clip(r.loras.g, r.loras.total, norm, 1);
        double d = step || !t->clipped ? before : distance_to_file(&r.loras, r.loras.g, grads, ".default.weight");
        if (!(d < t->grad_tolerance))
            fail_msg("step %zu: gradient is %.3g away", step, d);
        optimiser_update(backprop_compute(r.pass), &r.adam, r.loras.w, r.loras.g, r.loras.decayed, 5e-3 * (1 - (double)step / 12));
    }
    AUTO_MEM char *trained_path = xasprintf("%s/trained/adapter_model.safetensors", t->folder), *trained = find(trained_path);
    double d = distance_to_file(&r.loras, r.loras.w, trained, ".weight");
    if (!(d < t->adapter_tolerance))
        fail_msg("trained adapter is %.3g away", d);
    rig_close(&r);
}

static const struct truth lora = { "models/phi3", "lora/phi3", "clipped_grads_step0.safetensors", true, GEMM_F32, 1e-4, 1e-3, 1e-3 };
static const struct truth qlora = { "qlora/float32-single/base", "qlora/float32-single", "grads_step0.safetensors", false, GEMM_F32,
                                    1e-4, 1e-3, 1e-3 };
/*
 * bfloat16 products: a product's rounding is 2^-9, and sums of other orders (AVX2, AVX512_BF16, AMX, the peer's own) round otherwise. Twelve
 * updates carry that on: at some steps PEFT moves from its own record by more than the tolerance (tests/peers/bf16_movement.py).
 */
static const struct truth qlora_bf16 = { "qlora/bfloat16-double/base", "qlora/bfloat16-double", "grads_step0.safetensors", false, GEMM_BF16,
                                         2e-3, 1e-2, 3e-2, .movement = "../tune/bf16_movement.json" };

static void lora_phi3(void **state)
{
    (void)state;
    run_truth(&lora, TUNE_MEMORY_FAST);
}

static void lora_phi3_checkpointing(void **state)
{
    (void)state;
    run_truth(&lora, TUNE_MEMORY_LOW);
}

static void qlora_float32(void **state)
{
    (void)state;
    run_truth(&qlora, TUNE_MEMORY_FAST);
    run_truth(&qlora, TUNE_MEMORY_LOW);
}

static void qlora_bfloat16(void **state)
{
    (void)state;
    run_truth(&qlora_bf16, TUNE_MEMORY_FAST);
}

static void lora_other_families(void **state)
{
    (void)state;
    static const struct { const char *name, *targets; } rows[] = {
        { "llama3", NULL }, { "mistral", "[q_proj, k_proj, v_proj, o_proj]" }, { "qwen2", "[q_proj, v_proj]" }, { "falcon7b", "[query_key_value]" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *model = xasprintf("models/%s", rows[i].name), *folder = xasprintf("lora/%s", rows[i].name);
        AUTO_MEM char *init = xasprintf("%s/init", folder), *there = find(init);
        struct truth t = lora;
        if (!there) {
            free(TAKE(model));          /* skip() jumps over their ends */
            free(TAKE(folder));
            free(TAKE(init));
            print_message("skipped: no ../shared\n");
            skip();
        }
        t.model = model;
        t.folder = folder;
        t.targets = rows[i].targets;
        run_truth(&t, i % 2 ? TUNE_MEMORY_LOW : TUNE_MEMORY_FAST);
    }
}

/* Rows side by side give what rows one by one give, and recomputed layers the same bits. */
static void side_by_side_and_recomputed(void **state)
{
    (void)state;
    AUTO_JSON j = golden_json("lora/phi3/expected.json");
    const json_t *batches = json_object_get(j, "batches");
    int32_t ids[3][256];
    struct backprop_row rows[3];
    float *kept[3] = { 0 };

    for (size_t i = 0; i < 3; i++)
        rows[i] = row_of(json_array_get(batches, i), ids[i]);
    for (int mode = 0; mode < 3; mode++) {
        struct rig r;
        double loss, total = 0;
        rig_open(&r, &lora, &(struct backprop_opts){ .threads = 1 + (mode == 2), .memory = mode == 2 ? TUNE_MEMORY_LOW : TUNE_MEMORY_FAST,
                                                 .checkpointing_allowed = true, .longest_row = 256, .dropout = 0.1F, .seed = 3 });
        for (size_t i = 0, tokens = 0; i < 3; tokens += rows[i].n, i += mode == 0 ? 1 : 3) {
            OK(backprop_run(r.pass, rows + i, mode == 0 ? 1 : 3, 5, tokens, 0.01F, true, &loss, E));
            total += loss;
        }
        kept[mode] = xmemdup(r.loras.g, r.loras.total * sizeof(float));
        assert_true(isfinite(total));
        if (mode == 1)
            assert_true(distance(kept[1], kept[0], r.loras.total) < 1e-5);
        if (mode == 2)
            assert_memory_equal(kept[2], kept[1], r.loras.total * sizeof(float));
        rig_close(&r);
    }
    for (int i = 0; i < 3; i++)
        free(kept[i]);
}

/* Gradients of one step of the bf16 truth; *loss as well. */
static float *gradient_with(const struct backprop_opts *more, const struct backprop_row *row, const char *keeps, double *loss)
{
    struct backprop_opts o = *more;
    struct rig r;

    o.threads = 2;
    o.math = GEMM_BF16;
    o.memory = TUNE_MEMORY_LOW;
    o.longest_row = 64;
    rig_open(&r, &qlora_bf16, &o);
    assert_string_equal(backprop_keeps(r.pass), keeps);
    OK(backprop_run(r.pass, row, 1, 0, 0, 0.01F, true, loss, E));
    float *g = xmemdup(r.loras.g, r.loras.total * sizeof(float));
    rig_close(&r);
    return g;
}

static size_t gradient_size(void)
{
    struct rig r;

    rig_open(&r, &qlora_bf16, &(struct backprop_opts){ .math = GEMM_BF16, .longest_row = 64 });
    size_t n = r.loras.total;
    rig_close(&r);
    return n;
}

/* Wide activations kept in bf16, all or some of them: the same loss, and gradients as near as bf16 products are. */
static void kept_in_halves(void **state)
{
    static const struct { struct backprop_opts o; const char *keeps; } rows[] = {
        { { .checkpointing_allowed = true, .acts_limit = 1 }, "checkpointing" },
        { { .acts_limit = 1 }, "activations in bf16" },
        { { .checkpointing_allowed = true }, "checkpointing, with queries, keys and values in bf16" },
    };
    (void)state;
    AUTO_JSON j = golden_json("qlora/bfloat16-double/expected.json");
    int32_t ids[256];
    struct backprop_row row = row_of(json_array_get(json_object_get(j, "batches"), 0), ids);
    size_t n = gradient_size();
    double plain_loss, loss;
    AUTO_MEM float *plain = gradient_with(&rows[0].o, &row, rows[0].keeps, &plain_loss);

    for (size_t i = 1; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM float *rounded = gradient_with(&rows[i].o, &row, rows[i].keeps, &loss);
        double d = distance(rounded, plain, n);

        assert_true(loss == plain_loss);
        if (!(d > 0 && d < qlora_bf16.grad_tolerance))
            fail_msg("%s: the gradient is %.3g away", rows[i].keeps, d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lora_phi3), cmocka_unit_test(lora_phi3_checkpointing), cmocka_unit_test(qlora_float32),
                                        cmocka_unit_test(qlora_bfloat16), cmocka_unit_test(kept_in_halves),
                                        cmocka_unit_test(lora_other_families), cmocka_unit_test(side_by_side_and_recomputed) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
