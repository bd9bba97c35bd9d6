/* Absent fields that have a default. A default is filled in before its own children get theirs, as structural schemas do. */
#include "schema/priv.h"

static void default_value(const struct field *f, json_t *j);

static json_t *default_of(const struct field *f)
{
    if (!f->rules)
        return NULL;
    if (f->rules->def_json)
        return json_deep_copy(f->rules->def_json);
    return f->rules->def ? json_loads(f->rules->def, JSON_DECODE_ANY, NULL) : NULL;
}

static void default_object(const struct type *t, json_t *j)
{
    if (!json_is_object(j))
        return;
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct field *f = &t->fields[i];
        if (f->flags & FIELD_INLINE) {
            default_object(f->type, j);
            continue;
        }
        json_t *value = json_object_get(j, f->json);
        if (!value || (json_is_null(value) && !(f->flags & FIELD_NULLABLE))) {
            json_t *def = default_of(f);
            if (def)
                json_put(j, f->json, def);
        }
        value = json_object_get(j, f->json);
        /* of a custom kind, as the API server: what null cannot mean is as if it were not there */
        if (json_is_null(value) && !(f->flags & FIELD_NULLABLE) && !(t->flags & TYPE_BUILTIN))
            json_object_del(j, f->json);
        else if (value)
            default_value(f, value);
    }
}

static void default_value(const struct field *f, json_t *j)
{
    json_t *value;
    size_t i;
    const char *key;

    if (f->kind == FIELD_OBJECT) {
        default_object(f->type, j);
    } else if (f->kind == FIELD_LIST && f->item) {
        json_array_foreach(j, i, value)
            default_value(f->item, value);
    } else if (f->kind == FIELD_MAP && f->item) {
        json_object_foreach(j, key, value)
            default_value(f->item, value);
    }
}

void schema_default(const struct type *t, json_t *j) { default_object(t, j); }
