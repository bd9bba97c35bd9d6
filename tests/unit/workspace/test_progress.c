/* What the status says of a running tuning process is read from its /metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/mem.h"
#include "workspace/manager.h"

static void assert_line(const char *metrics, const char *want, int64_t want_left)
{
    AUTO_BUF line = { 0 };
    int64_t left = -1;
    bool known = tuning_progress_line(str_of(metrics), &line, &left);

    assert_int_equal(known, want != NULL);
    if (want)
        assert_string_equal(buf_cstr(&line), want);
    assert_int_equal(left, want_left);
}

static void lines_say_what_is_known(void **state)
{
    (void)state;
    assert_line("", NULL, -1);
    assert_line("kaito_tuning_step 0\nkaito_tuning_steps_total 0\n", NULL, -1);
    assert_line("# HELP x\nkaito_tuning_step 0\nkaito_tuning_steps_total 80\n", "step 0 of 80", -1);
    assert_line("kaito_tuning_step 12\nkaito_tuning_steps_total 80\nkaito_tuning_loss 1.23456\nkaito_tuning_seconds_left 90.4\n",
                "step 12 of 80, loss 1.235, about 90 s left", 90);
    assert_line("kaito_tuning_step 12\nkaito_tuning_steps_total 80\nkaito_tuning_loss 1.2\nkaito_tuning_eval_loss 1.5\nkaito_tuning_seconds_left 9000\n",
                "step 12 of 80, loss 1.200, evaluation loss 1.500, about 2 h 30 min left", 9000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lines_say_what_is_known) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
