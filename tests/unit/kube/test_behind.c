/* Which cached objects are behind our own writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "kube/behind.h"

static void a_copy_is_behind_until_the_cache_has_caught_up(void **state)
{
    struct behind *b = behind_new();

    assert_false(behind_is(b, KEY("ns", "a"), "7"));
    behind_note(b, KEY("ns", "a"), "7");
    behind_note(b, KEY("ns", "a"), "17");       /* finalizer, then status: the cache may show either */
    assert_true(behind_is(b, KEY("ns", "a"), "7"));
    assert_true(behind_is(b, KEY("ns", "a"), "17"));
    assert_false(behind_is(b, KEY("ns", "b"), "7"));
    assert_false(behind_is(b, KEY("ns", "a"), "1"));    /* no part of another one */
    assert_false(behind_is(b, KEY("ns", "a"), "7"));    /* caught up: forgotten */
    behind_note(b, KEY("ns", "a"), "18");
    behind_forget(b, KEY("ns", "a"));                   /* gone, and made again with whatever version */
    assert_false(behind_is(b, KEY("ns", "a"), "18"));
    behind_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_copy_is_behind_until_the_cache_has_caught_up) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
