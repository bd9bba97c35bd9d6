/* The block allocator: users, sharing by key, and who goes first when memory is short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "engine/kv_cache.h"

static struct kv_block *take(struct kv_cache *c)
{
    struct kv_block *b = NULL;
    struct err e;

    assert_int_equal(kv_cache_take(c, &b, &e), ERR_OK);
    return b;
}

static struct kv_key key_of(uint64_t parent, uint64_t variant, int32_t first)
{
    int32_t ids[KV_BLOCK_TOKENS] = { first };

    return kv_key_of(parent, variant, ids);
}

static void a_block_is_zero_and_counted(void **state)
{
    struct kv_cache *c = kv_cache_new(64, 2);
    const char zero[64] = { 0 };
    struct err e;

    (void)state;
    struct kv_block *a = take(c), *b = take(c), *none = NULL;
    assert_int_equal(kv_cache_stats(c).used, 2);
    assert_int_equal(kv_cache_take(c, &none, &e), ERR_TOO_LARGE);
    memset(a->data, 1, 64);
    kv_cache_ref(a);
    kv_cache_unref(c, a);
    assert_int_equal(kv_cache_stats(c).used, 2);
    kv_cache_unref(c, a);
    assert_int_equal(kv_cache_available(c), 1);
    a = take(c);
    assert_memory_equal(a->data, zero, 64);
    kv_cache_unref(c, a);
    kv_cache_unref(c, b);
    assert_int_equal(kv_cache_stats(c).used, 0);
    kv_cache_free(c);
}

static void a_published_block_is_found_until_its_memory_is_wanted(void **state)
{
    struct kv_cache *c = kv_cache_new(64, 3);
    struct kv_key ka = key_of(0, 0, 1), kb = key_of(ka.hash, 0, 2);

    (void)state;
    struct kv_block *a = take(c), *b = take(c);
    kv_cache_publish(c, a, &ka);
    kv_cache_publish(c, b, &kb);
    kv_cache_unref(c, b);
    kv_cache_unref(c, a);
    assert_int_equal(kv_cache_stats(c).used, 0);
    assert_int_equal(kv_cache_stats(c).unused, 2);
    assert_ptr_equal(kv_cache_find(c, &kb), b);          /* in use again: b is the newer now */
    kv_cache_unref(c, b);
    struct kv_block *x = take(c), *y = take(c);
    assert_ptr_equal(y, a);                             /* x was fresh; then the one unused for longest */
    assert_null(kv_cache_find(c, &ka));
    assert_ptr_equal(kv_cache_find(c, &kb), b);
    assert_int_equal(kv_cache_stats(c).evictions, 1);
    struct kv_block *all[] = { x, y, b };
    for (size_t i = 0; i < 3; i++)
        kv_cache_unref(c, all[i]);
    kv_cache_forget(c);
    assert_null(kv_cache_find(c, &kb));
    kv_cache_free(c);
}

static void a_key_is_all_that_changes_the_bits(void **state)
{
    struct kv_cache *c = kv_cache_new(64, SIZE_MAX);
    struct kv_key k = key_of(0, 7, 1), other_parent = key_of(1, 7, 1), other_variant = key_of(0, 8, 1), other_ids = key_of(0, 7, 2), forged = k;

    (void)state;
    struct kv_block *a = take(c), *twin = take(c);
    kv_cache_publish(c, a, &k);
    kv_cache_publish(c, twin, &k);
    assert_false(twin->published);
    forged.ids[3] = 9;                                  /* the same hash: the tokens decide */
    assert_null(kv_cache_find(c, &other_parent));
    assert_null(kv_cache_find(c, &other_variant));
    assert_null(kv_cache_find(c, &other_ids));
    assert_null(kv_cache_find(c, &forged));
    kv_cache_unref(c, a);
    kv_cache_unref(c, twin);
    kv_cache_free(c);
}

static void thousands_of_blocks_keep_their_order(void **state)
{
    enum { N = 3000 };
    struct kv_cache *c = kv_cache_new(64, N);
    struct kv_block *b[N];

    (void)state;
    for (int32_t i = 0; i < N; i++) {
        struct kv_key k = key_of(0, 0, i);
        kv_cache_publish(c, b[i] = take(c), &k);
    }
    for (int32_t i = 0; i < N; i++)
        kv_cache_unref(c, b[i]);
    for (int32_t i = 0; i < N; i++)
        assert_ptr_equal(take(c), b[i]);
    for (int32_t i = 0; i < N; i++)
        kv_cache_unref(c, b[i]);
    kv_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_zero_and_counted),
        cmocka_unit_test(a_published_block_is_found_until_its_memory_is_wanted),
        cmocka_unit_test(a_key_is_all_that_changes_the_bits),
        cmocka_unit_test(thousands_of_blocks_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
