/* adapter_config.json has peft 0.11.1's 24 keys in order; values and names go out and come back; progress speaks Prometheus. */
#include "helpers.h"

#include <math.h>
#include <unistd.h>

#include "engine/source.h"
#include "tune/merge.h"
#include "tune/peft.h"
#include "tune/progress.h"

static const char *const keys[] = {
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "fan_in_fan_out", "inference_mode", "init_lora_weights",
    "layer_replication", "layers_pattern", "layers_to_transform", "loftq_config", "lora_alpha", "lora_dropout", "megatron_config",
    "megatron_core", "modules_to_save", "peft_type", "r", "rank_pattern", "revision", "target_modules", "task_type", "use_dora", "use_rslora",
};

struct made { struct model *m; struct tune_config c; struct lora_set s; };

static void make(struct made *x, const char *yaml)
{
    AUTO_MEM char *dir = golden("models/phi3");

    OK(model_load(dir, &(struct model_opts){ .threads = 1 }, &x->m, E));
    OK(tune_config_parse(str_of(yaml), "test", &x->c, E));
    OK(lora_set_init(&x->s, x->m, &x->c, NULL, E));
    lora_set_fill(&x->s, 1, false);
}

static void unmake(struct made *x)
{
    lora_set_done(&x->s);
    tune_config_done(&x->c);
    model_free(x->m);
}

static void config_has_24_sorted_keys(void **state)
{
    (void)state;
    struct made x;
    const char *key;
    json_t *value;
    size_t i = 0;

    make(&x, "training_config:\n  LoraConfig: {r: 4, lora_alpha: 32, lora_dropout: 0.05, target_modules: [q_proj, o_proj], use_rslora: true}\n");
    AUTO_JSON j = NULL;
    peft_config(&x.s, &x.c, &j);
    json_object_foreach(j, key, value)
        assert_string_equal(key, keys[i++]);
    assert_int_equal(i, ARRAY_LEN(keys));
    AUTO_MEM char *targets = json_text(json_object_get(j, "target_modules"));
    assert_string_equal(targets, "[\"o_proj\"]");
    assert_int_equal(json_int(j, "lora_alpha", 0), 32);
    assert_true(json_num(j, "lora_dropout", 0) == 0.05);
    assert_true(x.s.params[0].scale == 16);     /* 32 / sqrt(4) */
    unmake(&x);
}

static void goes_out_and_comes_back(void **state)
{
    (void)state;
    struct made x, y;
    char *dir = temp_dir();
    static const char yaml[] = "training_config:\n  LoraConfig: {r: 4, rank_pattern: {o_proj: 2}, alpha_pattern: {o_proj: 3}}\n";

    make(&x, yaml);
    make(&y, yaml);
    OK(peft_write(dir, &x.s, &x.c, E));
    lora_set_fill(&y.s, 2, true);
    assert_true(distance(y.s.w, x.s.w, x.s.total) > 0.1);
    OK(lora_set_load(&y.s, dir, y.m, E));
    assert_memory_equal(y.s.w, x.s.w, x.s.total * sizeof(float));
    unmake(&x);
    unmake(&y);
    make(&y, "training_config:\n  LoraConfig: {r: 8}\n");
    struct err e;
    assert_int_equal(lora_set_load(&y.s, dir, y.m, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "LoraConfig.r"));
    unmake(&y);
    rm_dir(dir);
}

/* An adapter's file with one more tensor. */
static void write_beside(const char *dir, const struct lora_set *s, const char *name, const float *values, const struct weight *w)
{
    AUTO_MEM char *path = path_join(dir, "adapter_model.safetensors");
    struct safetensors_item items[65];
    size_t n;
    struct lora_tensor *all = lora_tensors(s, &n);

    assert_true(n < ARRAY_LEN(items));
    for (size_t i = 0; i < n; i++)
        items[i] = (struct safetensors_item){ all[i].name, { .dtype = DTYPE_F32, .ndim = 2, .len = lora_tensor_len(&all[i]),
                                              .shape = { all[i].rows, all[i].cols }, .data = s->w + all[i].at } };
    items[n] = (struct safetensors_item){ name, { .dtype = DTYPE_F32, .ndim = 2, .len = w->out * w->in, .shape = { w->out, w->in }, .data = values } };
    OK(safetensors_write(path, items, n + 1, E));
    lora_tensors_free(all, n);
}

/* PEFT saves the frozen matrices beside an adapter of the embedding or the head; the base's own are passed over, others are not. */
static void copies_of_the_base_are_passed_over(void **state)
{
    (void)state;
    static const char *const names[] = { "base_model.model.model.embed_tokens.base_layer.weight", "base_model.model.model.embed_tokens.weight" };
    struct made x;
    struct err e;
    char *dir = temp_dir();

    make(&x, "training_config:\n  LoraConfig: {r: 4, target_modules: [embed_tokens, o_proj]}\n");
    OK(peft_write(dir, &x.s, &x.c, E));
    AUTO_MEM float *values = xcalloc(x.m->embed.out * x.m->embed.in, sizeof *values);
    weight_rows_f32(&x.m->embed, values, 0, x.m->embed.out);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        write_beside(dir, &x.s, names[i], values, &x.m->embed);
        OK(lora_set_load(&x.s, dir, x.m, E));
    }
    values[7] += 1;
    write_beside(dir, &x.s, names[0], values, &x.m->embed);
    assert_int_equal(lora_set_load(&x.s, dir, x.m, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "is nothing that LoraConfig trains"));
    unmake(&x);
    rm_dir(dir);
}

/* The merged weight is W + scale B A, rounded to bf16 once; other tensors and files are the base's bytes. */
static void merged_weights_are_the_sum(void **state)
{
    (void)state;
    struct made x;
    char *dir = temp_dir();
    AUTO_MEM char *model = golden("models/phi3"), *weights = path_join(dir, "model.safetensors");
    AUTO_FREE(safetensors) merged = NULL;
    const struct tensor *base, *t;

    make(&x, "training_config:\n  LoraConfig: {r: 4, lora_alpha: 8, target_modules: [down_proj]}\n");
    OK(merge_supports(&x.s, x.m, E));
    OK(merge_write(model, dir, &x.s, E));
    OK(safetensors_open(weights, &merged, E));
    const struct safetensors *before = source_safetensors(x.m->source);
    assert_int_equal(safetensors_count(merged), safetensors_count(before));
    const struct lora_param *p = &x.s.params[1];
    AUTO_MEM char *name = xasprintf("%s.weight", p->linear->path);
    size_t changed = 0, in = p->linear->w.in;
    for (size_t i = 0; i < safetensors_count(merged); i++) {
        t = safetensors_at(merged, i);
        OK(safetensors_need(before, safetensors_name(merged, i), &base, E));
        changed += memcmp(t->data, base->data, t->len * dtype_size(t->dtype)) != 0;
    }
    assert_int_equal(changed, x.s.n);
    OK(safetensors_need(merged, name, &t, E));
    OK(safetensors_need(before, name, &base, E));
    for (size_t i = 0; i < t->len; i++) {
        float sum = bf16_to_f32(((const uint16_t *)base->data)[i]);
        for (size_t k = 0; k < p->r; k++)
            sum += p->scale * x.s.w[p->b_at + i / in * p->r + k] * x.s.w[p->a_at + k * in + i % in];
        assert_true(fabsf(bf16_to_f32(((const uint16_t *)t->data)[i]) - sum) <= fabsf(sum) / 256 + 1e-30f);
    }
    unmake(&x);
    rm_dir(dir);
}

/* config.json is what tells a whole folder: it is gone before anything is replaced, and comes after the weights. */
static void a_merge_that_fails_leaves_no_whole_folder(void **state)
{
    (void)state;
    struct made x;
    char *dir = temp_dir();
    AUTO_MEM char *model = golden("models/phi3"), *config = path_join(dir, MERGE_LAST), *weights = path_join(dir, "model.safetensors");
    struct err e;

    make(&x, "training_config:\n  LoraConfig: {r: 4, target_modules: [down_proj]}\n");
    OK(merge_write(model, dir, &x.s, E));
    assert_true(file_exists(config));
    assert_int_equal(unlink(weights), 0);
    OK(dir_make(weights, 0755, E));
    assert_int_not_equal(merge_write(model, dir, &x.s, &e), ERR_OK);
    assert_false(file_exists(config));
    unmake(&x);
    rm_dir(dir);
}

static void metrics_text(void **state)
{
    (void)state;
    struct progress_view v = { .phase = TUNE_PHASE_TRAINING, .step = 3, .steps = 10, .loss = 0.5, .has_loss = true, .seconds_left = 130 };
    AUTO_BUF text = { 0 }, line = { 0 };

    progress_metrics(&v, &text);
    assert_non_null(strstr(text.p, "# TYPE kaito_tuning_step gauge\nkaito_tuning_step 3\n"));
    assert_non_null(strstr(text.p, "kaito_tuning_steps_total 10\n"));
    assert_non_null(strstr(text.p, "kaito_tuning_phase{phase=\"training\"} 1\n"));
    progress_line(&v, &line);
    assert_non_null(strstr(line.p, "step 3/10"));
    assert_non_null(strstr(line.p, "2 min left"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(config_has_24_sorted_keys), cmocka_unit_test(goes_out_and_comes_back), cmocka_unit_test(copies_of_the_base_are_passed_over), cmocka_unit_test(merged_weights_are_the_sum),
                                        cmocka_unit_test(a_merge_that_fails_leaves_no_whole_folder),
                                        cmocka_unit_test(metrics_text) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
