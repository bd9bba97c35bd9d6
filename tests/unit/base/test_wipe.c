/* Secrets in memory: pages of their own that no core image has, nothing of them in what is freed or in the environment. tests/e2e/test_azure_secrets.sh
 * looks at a whole process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/wipe.h"

/* The flags of the mapping that holds p, as /proc says. */
static char *flags_of(const void *p)
{
    AUTO_BUF text = { 0 };
    struct str rest, line, flags = { 0 };
    bool here = false;

    assert_int_equal(file_read("/proc/self/smaps", 16 << 20, &text, NULL), ERR_OK);
    for (rest = buf_str(&text); str_cut(rest, '\n', &line, &rest) && !flags.p;) {
        char *end;
        unsigned long from = strtoul(line.p, &end, 16);

        if (*end == '-' && end > line.p)
            here = from <= (unsigned long)p && (unsigned long)p < strtoul(end + 1, NULL, 16);
        else if (here && str_has_prefix(line, STR("VmFlags:")))
            flags = line;
    }
    return xstrndup(flags.p, flags.n);
}

static void a_kept_secret_is_in_no_core_image(void **state)
{
    char *kept = secret_keep("planted"), *other = secret_keep("");
    AUTO_MEM char *flags = flags_of(kept), *of_heap = NULL, *plain = xstrdup("planted");

    assert_string_equal(kept, "planted");
    assert_string_equal(other, "");
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " dc"));          /* no child gets it */
    of_heap = flags_of(plain);
    assert_null(strstr(of_heap, " dd"));
    secret_drop(kept);
    secret_drop(other);
    assert_null(secret_keep(NULL));
    secret_drop(NULL);
}

/* The kernel's secret pages are in no core image by themselves; where there are none (no file can be opened here) ours must be told to be. */
static void plain_pages_are_left_out_too(void **state)
{
    struct rlimit had, none;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
    none = (struct rlimit){ 0, had.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    char *kept = secret_keep("planted");

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &had), 0);
    AUTO_MEM char *flags = flags_of(kept);
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " dc"));
    secret_drop(kept);
}

static void a_secret_of_several_pages_is_kept_whole(void **state)
{
    AUTO_MEM char *text = xmalloc(10001);

    memset(text, 'x', 10000);
    text[10000] = '\0';
    char *kept = secret_keep(text);

    assert_string_equal(kept, text);
    secret_drop(kept);
}

static void a_variable_becomes_empty(void **state)
{
    setenv("KAITO_TEST_SECRET", "planted", 1);
    const char *value = getenv("KAITO_TEST_SECRET");

    wipe_env("KAITO_TEST_SECRET");
    assert_memory_equal(value, "\0\0\0\0\0\0\0", 8);
    wipe_env("KAITO_TEST_NOT_SET");
}

static void what_moves_stays_whole(void **state)
{
    char *p = wiping_realloc(NULL, 10);

    memcpy(p, "123456789", 10);
    p = wiping_realloc(p, 5000);
    assert_string_equal(p, "123456789");
    p = wiping_realloc(p, 10);
    assert_string_equal(p, "123456789");
    wiping_free(p);
    wiping_free(NULL);
}

enum { FREED = 100 };

/* Where the allocator gives the same place again, as glibc does at once, nothing of it is left. */
static void expect_wiped(uintptr_t was)
{
    volatile char *again = malloc(FREED);

    for (size_t i = 0; (uintptr_t)again == was && i < FREED; i++)
        assert_int_not_equal(again[i], 'x');
    free((char *)(uintptr_t)again);
}

static void what_is_freed_holds_nothing(void **state)
{
    char *p = wiping_realloc(NULL, FREED);
    uintptr_t was = (uintptr_t)p;

    memset(p, 'x', FREED);
    wiping_free(p);
    expect_wiped(was);
    p = wiping_realloc(NULL, FREED);
    was = (uintptr_t)p;
    memset(p, 'x', FREED);
    p = wiping_realloc(p, 50 * FREED);          /* moves */
    assert_true((uintptr_t)p != was);
    expect_wiped(was);
    wiping_free(p);
}

/* Both walls: the kernel's own, and the limit, which to a pipe counts only as 1. */
static void nothing_is_dumped(void **state)
{
    struct rlimit r;

    wipe_process();
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &r), 0);
    assert_true(r.rlim_max <= 1);
    assert_true(r.rlim_cur <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_secret_is_in_no_core_image), cmocka_unit_test(plain_pages_are_left_out_too), cmocka_unit_test(a_secret_of_several_pages_is_kept_whole), cmocka_unit_test(a_variable_becomes_empty),
        cmocka_unit_test(what_moves_stays_whole), cmocka_unit_test(what_is_freed_holds_nothing), cmocka_unit_test(nothing_is_dumped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
