#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "recording.h"

#include "base/mem.h"

json_t *recording_open(const char *name)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/apiserver/%s.json", getenv("KAITO_SOURCE") ? getenv("KAITO_SOURCE") : ".", name);
    json_t *j = NULL;
    struct err e;

    if (json_parse_file(path, 16u << 20, &j, &e))
        fail_msg("%s", e.text);
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
