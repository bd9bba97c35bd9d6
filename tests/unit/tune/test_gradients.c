/*
 * Every gradient against finite differences: for each tensor the derivative along a random direction, on every family that can
 * be tuned and with dropout, windows, grouped heads, biases, q/k norms and post-norms. The loss is f32, so the step is large and the
 * central difference is taken at two widths (Richardson) to cancel the third-order term. Every token goes through all
 * experts here: a loss that jumps when a choice changes has no slope to compare (the choice itself is held to PEFT in test_agreement).
 */
#include "helpers.h"

#include <math.h>

#include "tune/backprop.h"
#include "tune/random.h"

#define TOLERANCE 5e-3

/* lora: more keys of LoraConfig. lengths_move: DoRA, whose gradients of A and B take the lengths of rows as constants; only the others have slopes. */
struct case_row { const char *lora; float dropout; struct dropouts base; enum tune_memory memory; bool lengths_move; };

static double loss_of(struct backprop *p, const struct backprop_row *rows, size_t n, bool backward)
{
    double loss = 0;

    OK(backprop_run(p, rows, n, 1, 0, 1, backward, &loss, E));
    return loss;
}

static void move(float *w, const float *from, const float *direction, size_t n, double by)
{
    for (size_t i = 0; i < n; i++)
        w[i] = (float)((double)from[i] + by * (double)direction[i]);
}

static double slope(struct backprop *p, const struct backprop_row *rows, float *w, const float *direction, size_t n, double h)
{
    float *from = xmemdup(w, n * sizeof *w);

    move(w, from, direction, n, h);
    double up = loss_of(p, rows, 2, false);
    move(w, from, direction, n, -h);
    double down = loss_of(p, rows, 2, false);
    memcpy(w, from, n * sizeof *w);
    free(from);
    return (up - down) / (2 * h);
}

static void check_tensor(struct backprop *p, const struct backprop_row *rows, struct lora_set *s, size_t at, size_t n, const char *name)
{
    float *direction = xmalloc(n * sizeof *direction);
    double size = 0, want = 0, norm = 0, g = 0;

    for (size_t i = 0; i < n; i++) {
        direction[i] = 2 * random_unit(random_mix(at + i)) - 1;
        size += (double)direction[i] * (double)direction[i];
    }
    for (size_t i = 0; i < n; i++)
        direction[i] = (float)((double)direction[i] / sqrt(size));
    for (size_t i = 0; i < n; i++) {
        want += (double)s->g[at + i] * (double)direction[i];
        norm += (double)s->g[at + i] * (double)s->g[at + i];
    }
    g = (4 * slope(p, rows, s->w + at, direction, n, 5e-3) - slope(p, rows, s->w + at, direction, n, 1e-2)) / 3;
    /* relative to what a random direction sees of the gradient, so that an accidental near-zero slope is not a failure */
    double scale = fmax(fabs(want), sqrt(norm / (double)n));
    if (!(fabs(g - want) <= TOLERANCE * scale + 2e-3))
        fail_msg("%s: slope %.6g, gradient %.6g (norm %.3g)", name, g, want, sqrt(norm));
    free(direction);
}

static void check_model(const char *dir, const struct case_row *row)
{
    struct model *m = NULL;
    struct tune_config c;
    struct lora_set s;
    struct backprop *p = NULL;
    int32_t ids[40], labels[40];

    OK(model_load(dir, &(struct model_opts){ .threads = 1 }, &m, E));
    m->config.experts_used = m->config.experts;
    AUTO_MEM char *yaml = xasprintf("training_config:\n  LoraConfig: {r: 4, lora_alpha: 8, init_lora_weights: false%s}\n", row->lora ? row->lora : "");
    OK(tune_config_parse(str_of(yaml), "test", &c, E));
    OK(lora_set_init(&s, m, &c, NULL, E));
    lora_set_fill(&s, 7, false);
    OK(backprop_new(m, &s, &(struct backprop_opts){ .threads = 2, .memory = row->memory, .checkpointing_allowed = true, .longest_row = 40,
                                           .dropout = row->dropout, .base = row->base, .seed = 9 }, &p, E));
    for (size_t i = 0; i < 40; i++) {
        ids[i] = (int32_t)(random_mix(i) % m->config.vocab);
        labels[i] = i % 5 == 3 ? -100 : ids[i];
    }
    struct backprop_row rows[2] = { { ids, labels, 29, 29 }, { ids + 29, labels + 29, 11, 11 } };
    (void)loss_of(p, rows, 2, true);
    size_t n;
    struct lora_tensor *tensors = lora_tensors(&s, &n);
    for (size_t i = 0; i < n; i++)
        if (!row->lengths_move || !(strstr(tensors[i].name, ".lora_A.") || strstr(tensors[i].name, ".lora_B.")))
            check_tensor(p, rows, &s, tensors[i].at, lora_tensor_len(&tensors[i]), tensors[i].name);
    lora_tensors_free(tensors, n);
    backprop_free(p);
    lora_set_done(&s);
    tune_config_done(&c);
    model_free(m);
}

static void phi3(void **state)
{
    (void)state;
    AUTO_MEM char *dir = golden("models/phi3");

    check_model(dir, &(struct case_row){ .memory = TUNE_MEMORY_FAST });
    check_model(dir, &(struct case_row){ .memory = TUNE_MEMORY_LOW, .dropout = 0.2F });
}

static void other_families(void **state)
{
    (void)state;
    static const char *const models[] = {
        "hf/models/phi3-swa", "hf/models/phi3-longrope", "hf/models/phi4-mini", "hf/models/llama2", "hf/models/llama3", "hf/models/llama-linear",
        "hf/models/mistral", "hf/models/qwen2", "hf/models/qwen2-yarn", "hf/models/qwen3", "hf/models/olmo2", "hf/models/gemma2",
        "hf/models/gemma3", "hf/models/phi2", "hf/models/falcon7b", "hf/models/falcon40b", "hf/models/mixtral",
        "families/phi-normed-queries", "families/falcon-alibi", "families/falcon-alibi-6-heads", "families/falcon-11b-one-norm",
        "families/falcon-sequential", "families/mixtral-three-of-five-odd-sizes", "families/olmo2-biases-odd-sizes",
        "families/qwen3-biases-tied",
    };

    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        AUTO_MEM char *path = xasprintf("../%s", models[i]), *dir = golden(path);

        check_model(dir, &(struct case_row){ .memory = i % 2 ? TUNE_MEMORY_LOW : TUNE_MEMORY_FAST, .dropout = i % 3 ? 0 : 0.1F });
    }
}

/* The base's own dropouts and its routers' jitter, with the masks held: blocks one after the other and side by side, windows, soft caps, one mask for two blocks. */
static void dropouts_of_the_base(void **state)
{
    (void)state;
    static const struct { const char *model; struct case_row row; } rows[] = {
        { "hf/models/phi3", { .memory = TUNE_MEMORY_FAST, .base = { .attn_block = 0.2F, .mlp_block = 0.3F } } },
        { "hf/models/phi2", { .memory = TUNE_MEMORY_LOW, .base = { .attn_block = 0.2F, .mlp_block = 0.2F }, .dropout = 0.1F } },
        { "hf/models/phi2", { .memory = TUNE_MEMORY_FAST, .base.embed = 0.2F, .lora = ", target_modules: [embed_tokens, fc1]" } },
        { "hf/models/phi3-swa", { .memory = TUNE_MEMORY_LOW, .base.probabilities = 0.3F } },
        { "hf/models/gemma2", { .memory = TUNE_MEMORY_FAST, .base.probabilities = 0.3F } },
        { "families/falcon-alibi-6-heads", { .memory = TUNE_MEMORY_LOW, .base = { 0, 0.2F, 0.2F, 0.2F, .one_mask = true } } },
        { "families/falcon-sequential", { .memory = TUNE_MEMORY_FAST, .base = { .attn_block = 0.2F, .mlp_block = 0.3F } } },
        { "hf/models/falcon40b", { .memory = TUNE_MEMORY_FAST, .base = { .attn_block = 0.2F, .mlp_block = 0.2F, .one_mask = true } } },
        { "hf/models/mixtral", { .memory = TUNE_MEMORY_LOW, .base = { .probabilities = 0.1F, .jitter = 0.3F } } },
        { "hf/models/mixtral", { .memory = TUNE_MEMORY_FAST, .base.jitter = 0.3F, .lora = ", target_modules: [q_proj, gate, w2]" } },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *path = xasprintf("../%s", rows[i].model), *dir = golden(path);

        check_model(dir, &rows[i].row);
    }
}

/* What is trained beside A and B: magnitudes, biases, norms, whole matrices, embedding and head. */
static void other_tensors(void **state)
{
    (void)state;
    static const struct { const char *model; struct case_row row; } rows[] = {
        { "phi3", { .lora = ", use_dora: true", .lengths_move = true } },
        { "qwen2", { .lora = ", use_dora: true, bias: all, modules_to_save: [norm]", .dropout = 0.2F, .memory = TUNE_MEMORY_LOW, .lengths_move = true } },
        { "phi2", { .lora = ", bias: all, target_modules: [fc1]" } },
        { "qwen2", { .lora = ", bias: lora_only, target_modules: [q_proj]", .memory = TUNE_MEMORY_LOW } },
        { "phi2", { .lora = ", target_modules: [fc1], modules_to_save: [lm_head, layernorm, 0.mlp.fc2]", .memory = TUNE_MEMORY_LOW } },
        { "gemma3", { .lora = ", target_modules: [o_proj], modules_to_save: [embed_tokens, lm_head, norm, k_norm, layernorm]" } },
        { "falcon40b", { .lora = ", target_modules: [query_key_value], modules_to_save: [ln_mlp, ln_attn, word_embeddings]" } },
        { "phi3", { .lora = ", target_modules: [embed_tokens, lm_head, qkv_proj]", .dropout = 0.2F } },
        { "gemma3", { .lora = ", target_modules: [embed_tokens, lm_head]", .memory = TUNE_MEMORY_LOW } },
        { "phi2", { .lora = ", target_modules: [lm_head], bias: lora_only, use_dora: true", .lengths_move = true, .dropout = 0.1F } },
        { "mixtral", { .lora = ", target_modules: [q_proj], modules_to_save: [gate, 1.w2]" } },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *path = xasprintf("models/%s", rows[i].model), *dir = golden(path);

        check_model(dir, &rows[i].row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(phi3), cmocka_unit_test(other_families), cmocka_unit_test(dropouts_of_the_base), cmocka_unit_test(other_tensors) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
