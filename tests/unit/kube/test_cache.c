/* The cache of an informer: what it finds by labels and fields, beside looking through everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/meta.h"
#include "kube/priv.h"

#define OBJECTS 12
#define KEYS 10                         /* more than the cache has indexes for */
#define VALUES 3
#define STEPS 3000

static unsigned next(unsigned *seed, unsigned n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 16) % n;
}

static json_t *labels_of(unsigned *seed, size_t n)
{
    json_t *labels = json_object();

    for (size_t i = 0; i < n; i++) {
        AUTO_MEM char *key = xasprintf("key-%u", next(seed, KEYS));

        json_put(labels, key, json_strf("%u", next(seed, VALUES)));
    }
    return labels;
}

static json_t *object_of(unsigned *seed, const char *name, unsigned version)
{
    json_t *o = kube_object("v1", "Thing", next(seed, 2) ? "a" : "b", name);

    json_put(json_object_get(o, "metadata"), "labels", labels_of(seed, 4));
    json_put(json_object_get(o, "metadata"), "resourceVersion", json_strf("%u", version));
    if (next(seed, 4) > 0)
        json_put(json_sub(o, "spec"), "providerID", json_strf("azure:///%s/%u", next(seed, 2) ? "Groups" : "groups", next(seed, VALUES)));
    return o;
}

static bool has_all(const json_t *object, const json_t *labels)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)labels, key, v)
        if (!streq(kube_label(object, key), json_string_value(v)))
            return false;
    return true;
}

static bool is_in(const json_t *list, const json_t *object)
{
    const json_t *o;
    size_t i;

    json_array_foreach(list, i, o)
        if (json_equal(o, object))
            return true;
    return false;
}

/* Everything that has the labels, and nothing else. */
static void expect_list(struct objcache *c, const char *ns, const json_t *labels)
{
    AUTO_JSON all = objcache_list(c, &(struct objcache_filter){ .ns = ns });
    AUTO_JSON found = objcache_list(c, &(struct objcache_filter){ .ns = ns, .labels = labels });
    const json_t *o;
    size_t i, n = 0;

    json_array_foreach(all, i, o)
        if (has_all(o, labels)) {
            assert_true(is_in(found, o));
            n++;
        }
    assert_int_equal(json_array_size(found), n);
}

static void change(struct objcache *c, unsigned *seed, unsigned step)
{
    AUTO_MEM char *name = xasprintf("o%u", next(seed, OBJECTS));
    AUTO_JSON object = object_of(seed, name, step);
    AUTO_MEM char *id = objcache_id(kube_namespace(object), name);
    AUTO_JSON old = NULL;

    if (next(seed, 4) == 0)
        old = objcache_take(c, id);
    else
        assert_true(objcache_put(c, object, &old));
}

static void labels_find_what_a_look_at_all_finds(void **state)
{
    for (int compact = 0; compact < 2; compact++) {
        struct objcache *c = objcache_new(compact);
        unsigned seed = 7;

        for (unsigned step = 1; step <= STEPS; step++) {
            AUTO_JSON labels = labels_of(&seed, 1 + next(&seed, 2));

            change(c, &seed, step);
            expect_list(c, next(&seed, 2) ? "a" : NULL, labels);
        }
        objcache_free(c);
    }
}

/* Everything that has this providerID, whatever its case, and nothing else. */
static void expect_field(struct objcache *c, const char *id)
{
    AUTO_JSON all = objcache_list(c, &(struct objcache_filter){ 0 });
    AUTO_JSON found = objcache_list(c, &(struct objcache_filter){ .field = ".spec.providerID", .value = id });
    const json_t *o;
    size_t i, n = 0;

    json_array_foreach(all, i, o)
        if (str_ieq(str_of(json_str_at(o, "spec", "providerID", NULL)), str_of(id))) {
            assert_true(is_in(found, o));
            n++;
        }
    assert_int_equal(json_array_size(found), n);
}

static void fields_find_what_a_look_at_all_finds(void **state)
{
    for (int compact = 0; compact < 2; compact++) {
        struct objcache *c = objcache_new(compact);
        unsigned seed = 3;

        for (unsigned step = 1; step <= STEPS; step++) {
            AUTO_MEM char *id = xasprintf("azure:///GROUPS/%u", next(&seed, VALUES + 1));

            change(c, &seed, step);
            expect_field(c, id);
        }
        AUTO_JSON without = objcache_list(c, &(struct objcache_filter){ .field = ".spec.providerID" });

        assert_int_equal(json_array_size(without), 0);
        objcache_free(c);
    }
}

static void without_labels_nothing_is_asked_for(void **state)
{
    struct objcache *c = objcache_new(true);
    AUTO_JSON none = json_object();
    unsigned seed = 1;

    for (unsigned step = 1; step < 20; step++)
        change(c, &seed, step);
    AUTO_JSON found = objcache_list(c, &(struct objcache_filter){ .labels = none });

    assert_true(objcache_len(c) > 0);
    assert_int_equal(json_array_size(found), 0);
    objcache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_find_what_a_look_at_all_finds),
        cmocka_unit_test(fields_find_what_a_look_at_all_finds),
        cmocka_unit_test(without_labels_nothing_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
