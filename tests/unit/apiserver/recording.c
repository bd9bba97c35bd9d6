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
    json_t *j = NULL;
    struct err e;

    if (file_read(path, 16u << 20, &text, &e))
        fail_msg("%s", e.text);
    /* The recorder put {{time}} where a clock spoke; null in its place keeps the objects decodable. */
    for (char *at = text.p; (at = strstr(at, "\"{{time")); at++) {
        char *end = strchr(at + 1, '"');
        assert_non_null(end);
        memset(at, ' ', (size_t)(end + 1 - at));
        memcpy(at, "null", 4);
    }
    if (json_parse(buf_str(&text), &j, &e))
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
