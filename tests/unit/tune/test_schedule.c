/* Plans and learning rates against transformers' Trainer, and each schedule's formula at a few points. */
#include "helpers.h"

#include <math.h>

#include "tune/schedule.h"

static const char *const cases[] = { "constant-batch3-padded", "cosine-warmup-accum2-decay", "epochs1.5-batch2-accum2",
                                     "epochs2-of-7-rows-accum2", "linear-warmup-accum2", "masked-accum2" };

static void config_of(const json_t *args, struct tune_config *c)
{
    OK(tune_config_parse(STR(""), "test", c, E));
    c->train.learning_rate = json_num(args, "learning_rate", 0);
    c->train.batch_size = json_int(args, "per_device_train_batch_size", 8);
    c->train.accumulation = json_int(args, "gradient_accumulation_steps", 1);
    c->train.epochs = json_num(args, "num_train_epochs", 3);
    c->train.max_steps = json_int(args, "max_steps", -1);
    c->train.warmup_steps = json_num(args, "warmup_steps", 0);
    c->train.warmup_ratio = json_num(args, "warmup_ratio", 0);
    const char *name = json_cstr(args, "lr_scheduler_type");
    c->train.schedule = streq(name, "linear") ? TUNE_SCHEDULE_LINEAR : streq(name, "cosine") ? TUNE_SCHEDULE_COSINE : TUNE_SCHEDULE_CONSTANT;
}

static void equals_the_trainer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_MEM char *path = xasprintf("trainer/%s/expected.json", cases[i]);
        AUTO_JSON j = golden_json(path);
        struct tune_config c;
        struct tune_plan p;
        config_of(json_object_get(j, "args"), &c);
        OK(tune_plan_make(&c, json_array_size(json_object_get(j, "rows")), &p, E));
        assert_int_equal(p.steps, json_int(j, "max_steps", 0));
        const json_t *log = json_object_get(j, "log");
        for (size_t s = 0; s < json_array_size(log); s++) {
            const json_t *line = json_array_get(log, s);
            uint64_t epoch = s / p.steps_per_epoch, micro = (s % p.steps_per_epoch + 1) * (uint64_t)c.train.accumulation;
            micro = micro < p.micro_batches ? micro : p.micro_batches;
            assert_true(fabs(tune_learning_rate(&c, &p, s) - json_num(line, "learning_rate", -1)) < 1e-12);
            assert_true(fabs(tune_epoch_shown(&p, epoch, micro) - json_num(line, "epoch", -1)) < 1e-12);
        }
        tune_config_done(&c);
    }
}

static void other_schedules(void **state)
{
    (void)state;
    struct tune_config c;
    struct tune_plan p = { .rows = 1, .micro_batches = 1, .steps_per_epoch = 1, .steps = 100, .warmup = 10 };

    OK(tune_config_parse(STR(""), "test", &c, E));
    c.train.learning_rate = 2;
    c.train.schedule = TUNE_SCHEDULE_CONSTANT_WARMUP;
    assert_true(fabs(tune_learning_rate(&c, &p, 5) - 1) < 1e-12);
    assert_true(fabs(tune_learning_rate(&c, &p, 50) - 2) < 1e-12);
    c.train.schedule = TUNE_SCHEDULE_INVERSE_SQRT;
    assert_true(fabs(tune_learning_rate(&c, &p, 40) - 2 / sqrt(4)) < 1e-12);
    c.train.schedule = TUNE_SCHEDULE_POLYNOMIAL;
    c.train.schedule_args.power = 2;
    c.train.schedule_args.lr_end = 0;
    assert_true(fabs(tune_learning_rate(&c, &p, 55) - 2 * 0.25) < 1e-12);
    tune_config_done(&c);
}

/* Every step of every schedule that get_scheduler was asked for. */
static void equals_get_scheduler(void **state)
{
    (void)state;
    AUTO_JSON j = golden_json("../tune/expected.json");
    const json_t *all = json_object_get(j, "schedules");

    assert_true(json_array_size(all) >= 20);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *want = json_array_get(all, i), *rates = json_object_get(want, "rates");
        AUTO_MEM char *kwargs = json_text(json_object_get(want, "kwargs"));
        AUTO_MEM char *yaml = xasprintf("training_config:\n  TrainingArguments: {learning_rate: 0.005, max_steps: %zu, lr_scheduler_type: %s, "
                                        "warmup_steps: %lld, lr_scheduler_kwargs: %s}\n", json_array_size(rates), json_cstr(want, "name"),
                                        (long long)json_int(want, "warmup", 0), kwargs);
        struct tune_config c;
        struct tune_plan p;
        OK(tune_config_parse(str_of(yaml), "test", &c, E));
        OK(tune_plan_make(&c, 1, &p, E));
        for (size_t s = 0; s < json_array_size(rates); s++) {
            double rate = json_number_value(json_array_get(rates, s));
            if (!(fabs(tune_learning_rate(&c, &p, s) - rate) <= 1e-12))
                fail_msg("%s, step %zu: %.15g instead of %.15g", yaml, s, tune_learning_rate(&c, &p, s), rate);
        }
        tune_config_done(&c);
    }
}

static void too_few_rows_to_drop_last(void **state)
{
    (void)state;
    struct tune_config c;
    struct tune_plan p;
    struct err e;

    OK(tune_config_parse(STR(""), "test", &c, E));
    c.train.drop_last = true;
    assert_int_equal(tune_plan_make(&c, 7, &p, &e), ERR_INVALID);
    assert_int_equal(tune_plan_make(&c, 17, &p, &e), ERR_OK);
    assert_int_equal(p.micro_batches, 2);
    tune_config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_the_trainer), cmocka_unit_test(other_schedules), cmocka_unit_test(equals_get_scheduler),
                                        cmocka_unit_test(too_few_rows_to_drop_last) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
