#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "recording.h"

#include "base/file.h"
#include "base/mem.h"

json_t *recording_open(const char *name)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/apiserver/%s.json", getenv("KAITO_SOURCE") ? getenv("KAITO_SOURCE") : ".", name);
    AUTO_BUF text = { 0 };
    AUTO_BUF plain = { 0 };
    json_t *j = NULL;
    struct err e;

    if (file_read(path, 16u << 20, &text, &e))
        fail_msg("%s", e.text);
    /* The recorder put {{time}} where a clock spoke. */
    struct str rest = buf_str(&text);
    for (size_t at; str_find(rest, STR("\"{{time"), &at);) {
        buf_add(&plain, rest.p, at);
        buf_adds(&plain, "\"2024-01-01T00:00:00Z\"");
        rest = str_from(rest, at + 1);
        assert_true(str_find(rest, STR("\""), &at));
        rest = str_from(rest, at + 1);
    }
    buf_addstr(&plain, rest);
    if (json_parse(buf_str(&plain), &j, &e))
        fail_msg("%s: %s", path, e.text);
    return j;
}

char *recording_object_path(const char *path, const char **subresource)
{
    static const char *const subresources[] = { "/status", "/scale" };
    struct str head, rest;

    (void)str_cut(str_of(path), '?', &head, &rest);
    *subresource = "";
    for (size_t i = 0; i < ARRAY_LEN(subresources); i++)
        if (str_has_suffix(head, str_of(subresources[i]))) {
            head.n -= strlen(subresources[i]);
            *subresource = subresources[i] + 1;
        }
    return xstrndup(head.p, head.n);
}

void recording_strip(json_t *object, bool managed_fields)
{
    static const char *const made_up[] = { "resourceVersion", "uid", "generation", "creationTimestamp" };
    json_t *meta = json_object_get(object, "metadata");

    for (size_t i = 0; i < ARRAY_LEN(made_up); i++)
        json_object_del(meta, made_up[i]);
    if (!managed_fields)
        json_object_del(meta, "managedFields");
}
