/* What a user can get wrong ends in one line that names the file, key or row, before the output folder is touched by an adapter. */
#include "helpers.h"

#include <unistd.h>

#include "tune/backprop.h"
#include "tune/merge.h"
#include "tune/tune.h"

#define CONFIG(sections) "training_config:\n  DatasetConfig: {train_test_split: 1}\n  TrainingArguments: {max_steps: 1, bf16: false}\n" sections
#define ROWS "{\"input_ids\": [5, 6, 7, 8]}\n{\"input_ids\": [9, 8, 7]}\n"

struct bad { const char *config, *rows, *method, *expect; };

static const struct bad table[] = {
    { CONFIG("  Foo: {}\n"), ROWS, NULL, "Unrecognized section: Foo" },
    { CONFIG("  LoraConfig: {target_modules: [q_proj]}\n"), ROWS, NULL, "it has qkv_proj, o_proj, gate_up_proj, down_proj, lm_head, embed_tokens" },
    { CONFIG("  LoraConfig: {r: 65}\n"), ROWS, NULL, "config.yaml: LoraConfig.r: 65 is larger than" },
    { CONFIG("  LoraConfig: {layers_to_transform: [9]}\n"), ROWS, NULL, "config.yaml: LoraConfig.layers_to_transform: names no layer of this model; it has layers 0 to 1" },
    { CONFIG("  LoraConfig: {modules_to_save: [foo]}\n"), ROWS, NULL, "config.yaml: LoraConfig.modules_to_save: \"foo\" matches no module" },
    { CONFIG(""), ROWS, "qlora", "config.yaml: QuantizationConfig.load_in_4bit: must be true for method qlora" },
    { CONFIG(""), ROWS, "full", "neither lora nor qlora" },
    { CONFIG(""), "", NULL, "empty" },
    { CONFIG(""), "{\"foo\": 1}\n", NULL, "no usable columns" },
    { "training_config:\n  TrainingArguments: {dataset_text_field: body}\n", "{\"text\": \"a\"}\n", NULL, "TrainingArguments.dataset_text_field names none of them" },
    { CONFIG("  LoraConfig: {rank_pattern: {o_proj: 65}}\n"), ROWS, NULL, "config.yaml: LoraConfig.rank_pattern: 65 is larger than" },
    { CONFIG(""), "{\"input_ids\": [5]}\n", NULL, "no token to learn from" },
    { CONFIG(""), "{\"input_ids\": [5, 6], \"labels\": [-100, -100]}\n", NULL, "no token to learn from" },
    { CONFIG(""), "{\"input_ids\": [5, 640]}\n", NULL, "not a token id of this model" },
    { CONFIG("  ModelConfig: {chat_template: /nonexistent}\n"), ROWS, NULL, "config.yaml: ModelConfig.chat_template" },
    { CONFIG("  LoraConfig: {target_modules: [qkv_proj], modules_to_save: [qkv_proj]}\n"), ROWS, NULL, "modules_to_save names all that 'qkv_proj' matches" },
    { CONFIG(""), "{\"input_ids\": [5, 6, 7], \"labels\": \"x\"}\n", NULL, "row 0: column labels: expected a list of token ids" },
    { CONFIG(""), "{\"text\": 5}\n", NULL, "found text (a number)" },
    { CONFIG(""), "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"q\"}]}]}\n", NULL, "row 0: content is a list of parts" },
    { CONFIG(""), "{\"text\": \"<|endoftext|>\"}\n", NULL, "row 0: nothing but special tokens" },
    { CONFIG(""), "[{\"input_ids\": [5, 6, 7]}] and more", NULL, "something follows the end of the JSON array" },
};

static void each_is_named(void **state)
{
    (void)state;
    AUTO_MEM char *model = golden("models/phi3");

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char *dir = temp_dir();
        AUTO_MEM char *rows = path_join(dir, "rows.jsonl"), *config = path_join(dir, "config.yaml"), *out = path_join(dir, "out");
        AUTO_MEM char *sentinel = path_join(out, TUNE_SENTINEL);
        struct tune_result result;
        struct err e = { 0 };
        write_text(dir, "rows.jsonl", table[i].rows);
        write_text(dir, "config.yaml", table[i].config);
        errc rc = tune_run(&(struct tune_opts){ .model_dir = model, .config_path = config, .data_path = rows, .output_dir = out, .threads = 1,
                                                .method = table[i].method }, &result, &e);
        if (rc == ERR_OK || !strstr(e.text, table[i].expect) || strchr(e.text, '\n'))
            fail_msg("row %zu gave %s: %s", i, err_name(rc), e.text);
        assert_int_not_equal(access(sentinel, F_OK), 0);
        rm_dir(dir);
    }
}

/* A copy of the phi3 model whose safetensors file is `weights`. */
static void write_model(const char *dir, struct str weights)
{
    static const char *const files[] = { "config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json" };
    AUTO_MEM char *model = golden("models/phi3"), *path = path_join(dir, "model.safetensors");

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO_MEM char *from = path_join(model, files[i]);
        AUTO_BUF text = { 0 };
        OK(file_read(from, 1 << 20, &text, E));
        write_text(dir, files[i], buf_cstr(&text));
    }
    OK(file_write_atomic(path, weights, 0644, E));
}

static void broken_models(void **state)
{
    (void)state;
    AUTO_MEM char *from = golden("models/phi3/model.safetensors");
    AUTO_BUF weights = { 0 };
    struct tune_result result;
    struct err e;

    OK(file_read(from, 1 << 20, &weights, E));
    for (int i = 0; i < 2; i++) {
        char *dir = temp_dir();
        AUTO_MEM char *rows = path_join(dir, "rows.jsonl"), *config = path_join(dir, "config.yaml"), *out = path_join(dir, "out");
        write_text(dir, "rows.jsonl", ROWS);
        write_text(dir, "config.yaml", CONFIG(""));
        if (i == 0)
            memcpy(weights.p + weights.n / 4 * 2, "\xc0\x7f", 2);        /* a bf16 NaN in some linear layer */
        else
            buf_truncate(&weights, weights.n / 2);
        write_model(dir, buf_str(&weights));
        errc rc = tune_run(&(struct tune_opts){ .model_dir = dir, .config_path = config, .data_path = rows, .output_dir = out, .threads = 1 },
                           &result, &e);
        if (rc == ERR_OK || !strstr(e.text, i == 0 ? "is not a finite number" : "cut short"))
            fail_msg("model %d gave %s: %s", i, err_name(rc), e.text);
        rm_dir(dir);
    }
}

/* Each would write over what it reads. */
static void folders_are_apart(void **state)
{
    (void)state;
    char *dir = temp_dir();
    AUTO_MEM char *rows = path_join(dir, "rows.jsonl"), *config = path_join(dir, "config.yaml"), *out = path_join(dir, "out"), *same = path_join(dir, "./.");
    AUTO_BUF weights = { 0 };
    AUTO_MEM char *from = golden("models/phi3/model.safetensors");
    const struct { const char *output, *merged, *expect; } cases[] = {
        { same, NULL, "--output: " }, { out, dir, "is the folder of --model; give another one" }, { out, out, "is the folder of --output; give another one" },
    };

    OK(file_read(from, 1 << 20, &weights, E));
    write_model(dir, buf_str(&weights));
    write_text(dir, "rows.jsonl", ROWS);
    write_text(dir, "config.yaml", CONFIG(""));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tune_result result;
        struct err e = { 0 };
        assert_int_equal(tune_run(&(struct tune_opts){ .model_dir = dir, .config_path = config, .data_path = rows, .output_dir = cases[i].output,
                                                       .merged_dir = cases[i].merged, .threads = 1 }, &result, &e), ERR_BAD_REQUEST);
        if (!strstr(e.text, cases[i].expect))
            fail_msg("case %zu: %s", i, e.text);
    }
    rm_dir(dir);
}

struct told { const char *config, *rows, *line; };

static void keep_lines(void *self, enum tune_tell kind, const char *line)
{
    if (kind <= TUNE_TELL_WARNING)
        buf_addf(self, "%s\n", line);
}

/* What goes on, but hardly as meant, is said. */
static void odd_settings_are_told(void **state)
{
    static const struct told all[] = {
        { "training_config:\n  DatasetConfig: {train_test_split: 1}\n  TrainingArguments: {max_steps: 2, bf16: false, warmup_steps: 50}\n", ROWS,
          "the warm-up of 50 steps does not end within the 2 steps of this run" },
        { CONFIG("  LoraConfig: {lora_alpha: 0}\n"), ROWS, "LoraConfig.lora_alpha: 0: the adapter of " },
        { CONFIG(""), "{\"conversations\": [{\"from\": \"human\", \"value\": \"q\"}, {\"from\": \"robot\", \"value\": \"r\"}, {\"from\": \"gpt\", \"value\": \"a\"}]}\n",
          "role \"robot\" (1 messages are of such roles) is none of system, user, assistant, tool" },
    };
    AUTO_MEM char *model = golden("models/phi3");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char *dir = temp_dir();
        AUTO_MEM char *rows = path_join(dir, "rows.jsonl"), *config = path_join(dir, "config.yaml"), *out = path_join(dir, "out");
        AUTO_BUF told = { 0 };
        struct tune_result result;
        write_text(dir, "rows.jsonl", all[i].rows);
        write_text(dir, "config.yaml", all[i].config);
        OK(tune_run(&(struct tune_opts){ .model_dir = model, .config_path = config, .data_path = rows, .output_dir = out, .threads = 1,
                                         .tell = keep_lines, .tell_self = &told }, &result, E));
        if (!strstr(buf_cstr(&told), all[i].line))
            fail_msg("case %zu told \"%s\"", i, buf_cstr(&told));
        rm_dir(dir);
    }
}

static void keep_warnings(void *self, enum tune_tell kind, const char *line)
{
    if (kind == TUNE_TELL_WARNING)
        buf_addf(self, "%s\n", line);
}

/* A Phi-3 has neither routers nor hidden_dropout: said on the way and in the card. */
static void what_the_base_asks_in_vain_is_told(void **state)
{
    (void)state;
    char *dir = temp_dir();
    AUTO_MEM char *from = golden("models/phi3/model.safetensors"), *config_from = golden("models/phi3/config.json");
    AUTO_MEM char *rows = path_join(dir, "rows.jsonl"), *config = path_join(dir, "config.yaml"), *out = path_join(dir, "out"), *card = path_join(out, "README.md");
    AUTO_BUF weights = { 0 }, told = { 0 }, text = { 0 }, changed = { 0 };
    AUTO_JSON base = NULL;
    struct tune_result result;

    OK(file_read(from, 1 << 20, &weights, E));
    write_model(dir, buf_str(&weights));
    OK(json_parse_file(config_from, 1 << 20, &base, E));
    json_put(base, "resid_pdrop", json_real(0.1));
    json_put(base, "attention_dropout", json_real(0.1));
    json_put(base, "embd_pdrop", json_real(0.1));        /* transformers' Phi-3 does not read it either */
    json_put(base, "hidden_dropout", json_real(0.1));
    json_put(base, "output_router_logits", json_true());
    json_write(base, &changed);
    write_text(dir, "config.json", buf_cstr(&changed));
    write_text(dir, "rows.jsonl", ROWS);
    write_text(dir, "config.yaml", CONFIG(""));
    OK(tune_run(&(struct tune_opts){ .model_dir = dir, .config_path = config, .data_path = rows, .output_dir = out, .threads = 1, .tell = keep_warnings,
                                     .tell_self = &told }, &result, E));
    OK(file_read(card, 1 << 20, &text, E));
    assert_non_null(strstr(buf_cstr(&told), "config.json: hidden_dropout 0.1 has no effect"));
    assert_null(strstr(buf_cstr(&told), "attention_dropout"));  /* done, not told */
    assert_non_null(strstr(buf_cstr(&told), "config.json: output_router_logits true has no effect"));
    assert_null(strstr(buf_cstr(&told), "embd_pdrop"));
    assert_null(strstr(buf_cstr(&told), "resid_pdrop"));        /* done, not told */
    assert_non_null(strstr(buf_cstr(&text), "config.json: hidden_dropout 0.1 has no effect"));
    rm_dir(dir);
}

static void names_that_match_nothing_are_told(void **state)
{
    (void)state;
    AUTO_MEM char *dir = golden("models/phi3");
    struct model *m = NULL;
    struct tune_config c;
    struct lora_set s;

    OK(model_load(dir, &(struct model_opts){ .threads = 1 }, &m, E));
    OK(tune_config_parse(STR(""), "test", &c, E));
    OK(lora_set_init(&s, m, &c, "k_proj,q_proj,v_proj,o_proj,gate_proj,down_proj,up_proj", E));      /* upstream's list for phi-3 */
    assert_int_equal(s.n, 2 * m->config.layers);
    assert_int_equal(s.warnings.n, 5);
    assert_non_null(strstr(s.warnings.v[0], "\"k_proj\" matches no module"));
    lora_set_done(&s);
    OK(lora_set_init(&s, m, &c, NULL, E));
    assert_int_equal(s.n, 4 * m->config.layers);
    lora_set_done(&s);
    tune_config_done(&c);
    OK(tune_config_parse(STR("training_config:\n  LoraConfig: {rank_pattern: {foo: 2, o_proj: 3}, alpha_pattern: {bar: 2}, layers_to_transform: [0, 9]}\n"), "test", &c, E));
    OK(lora_set_init(&s, m, &c, NULL, E));
    assert_int_equal(s.warnings.n, 3);
    assert_string_equal(s.warnings.v[0], "LoraConfig.rank_pattern: \"foo\" matches no module that is adapted");
    assert_non_null(strstr(s.warnings.v[1], "alpha_pattern: \"bar\""));
    assert_non_null(strstr(s.warnings.v[2], "the model has no layer 9; it has 0 to 1"));
    lora_set_done(&s);
    tune_config_done(&c);
    model_free(m);
}

static void adapting_one_of_tied_matrices_is_told(void **state)
{
    (void)state;
    AUTO_MEM char *dir = golden("models/gemma2");
    struct model *m = NULL;
    struct tune_config c;
    struct lora_set s;
    struct err e;

    OK(model_load(dir, &(struct model_opts){ .threads = 1 }, &m, E));
    OK(tune_config_parse(STR("training_config:\n  LoraConfig: {target_modules: [o_proj, lm_head]}\n"), "test", &c, E));
    OK(lora_set_init(&s, m, &c, NULL, E));
    assert_int_equal(s.n, m->config.layers + 1);
    assert_int_equal(s.warnings.n, 1);
    assert_non_null(strstr(s.warnings.v[0], "the adapter changes the head alone and cannot be merged"));
    assert_int_equal(merge_supports(&s, m, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "lm_head.weight is trained apart"));
    lora_set_done(&s);
    tune_config_done(&c);
    model_free(m);
}

static void matching_is_by_tail(void **state)
{
    (void)state;
    const char *v[] = { "proj", "self_attn.o_proj" };
    struct tune_names names = { v, 2 };

    assert_null(lora_match("model.layers.0.mlp.down_proj", &names));
    assert_string_equal(lora_match("model.layers.0.self_attn.o_proj", &names), "self_attn.o_proj");
    assert_string_equal(lora_match("proj", &names), "proj");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_is_named), cmocka_unit_test(broken_models), cmocka_unit_test(folders_are_apart),
                                        cmocka_unit_test(odd_settings_are_told), cmocka_unit_test(what_the_base_asks_in_vain_is_told),
                                        cmocka_unit_test(names_that_match_nothing_are_told), cmocka_unit_test(adapting_one_of_tied_matrices_is_told),
                                        cmocka_unit_test(matching_is_by_tail) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
