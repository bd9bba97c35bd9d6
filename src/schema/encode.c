/* Struct mode, writing: C struct to JSON tree. */
#include "schema/priv.h"

static json_t *write_object(const struct type *t, const char *s);

static json_t *write_time(const struct field *f, int64_t us)
{
    char text[TIME_TEXT_MAX];

    if (f->kind == FIELD_MICROTIME)
        time_rfc3339_micro(us, text);
    else
        time_rfc3339(us / 1000, text);
    return json_string(text);
}

static json_t *write_int(const struct field *f, int64_t v)
{
    if (f->kind == FIELD_TIME || f->kind == FIELD_MICROTIME)
        return v ? write_time(f, v) : NULL;
    return json_integer(v);
}

static json_t *write_str_map(const struct str_map *m)
{
    json_t *j = json_object();

    for (size_t i = 0; i < m->n; i++) {
        json_t *value = json_strn(m->items[i].value);
        if (json_object_setn_new_nocheck(j, m->items[i].key.p, m->items[i].key.n, value))
            abort();
    }
    return j;
}

static size_t item_stride(const struct field *item)
{
    switch ((enum field_rep)item->rep) {
    case REP_OBJ: return item->type->size;
    case REP_STR: return sizeof(struct str);
    case REP_INT_OR_STR: return sizeof(struct int_or_str);
    case REP_STR_MAP: return sizeof(struct str_map);
    case REP_BOOL: return sizeof(bool);
    default: return 8;
    }
}

static json_t *write_value(const struct field *f, const char *p, bool *empty);

static json_t *write_list(const struct field *f, const char *base)
{
    const char *items;
    size_t n = *(const size_t *)(const void *)(base + f->off_n);
    json_t *j = json_array();
    bool ignored;

    memcpy(&items, base + f->off, sizeof items);
    for (size_t i = 0; i < n; i++) {
        json_t *v = write_value(f->item, items + i * item_stride(f->item), &ignored);
        json_push(j, v ? v : json_null());
    }
    return j;
}

static bool all_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

#define AS(type) (*(const type *)(const void *)p)

/* NULL: absent. *empty: zero, "", {} or []: left out unless the field says otherwise. `p` is the struct's base for lists. */
static json_t *write_value(const struct field *f, const char *p, bool *empty)
{
    json_t *j = NULL;
    const char *sub;

    *empty = false;
    switch ((enum field_rep)f->rep) {
    case REP_NONE:
        return NULL;
    case REP_ANY:
        memcpy(&j, p, sizeof j);
        return json_incref(j);
    case REP_STR:
        *empty = !AS(struct str).n;
        return AS(struct str).p || (f->flags & (FIELD_REQUIRED | FIELD_KEEP_EMPTY)) ? json_strn(AS(struct str)) : NULL;
    case REP_INT:
        *empty = !AS(int64_t);
        return write_int(f, AS(int64_t));
    case REP_NUM:
        *empty = AS(double) == 0;
        return json_real(AS(double));
    case REP_BOOL:
        *empty = !AS(bool);
        return json_boolean(AS(bool));
    case REP_OPT_INT:
        return AS(struct opt_int).set ? write_int(f, AS(struct opt_int).v) : NULL;
    case REP_OPT_BOOL:
        return AS(struct opt_bool).set ? json_boolean(AS(struct opt_bool).v) : NULL;
    case REP_OPT_NUM:
        return AS(struct opt_num).set ? json_real(AS(struct opt_num).v) : NULL;
    case REP_INT_OR_STR:
        if (!AS(struct int_or_str).set)
            return NULL;
        return AS(struct int_or_str).is_str ? json_strn(AS(struct int_or_str).s) : json_integer(AS(struct int_or_str).i);
    case REP_OBJ:
        *empty = all_zero(p, f->type->size);
        return write_object(f->type, p);
    case REP_PTR:
        memcpy(&sub, p, sizeof sub);
        return sub ? write_object(f->type, sub) : NULL;
    case REP_LIST:
        j = write_list(f, p);
        *empty = !json_array_size(j);
        return j;
    case REP_STR_MAP:
        j = write_str_map(&AS(struct str_map));
        *empty = !json_object_size(j);
        return j;
    }
    return j;
}

static json_t *write_object(const struct type *t, const char *s)
{
    json_t *j = json_object();

    for (size_t i = 0; i < t->n_fields; i++) {
        const struct field *f = &t->fields[i];
        bool empty;
        json_t *v = write_value(f, s + (f->rep == REP_LIST ? 0 : f->off), &empty);
        if (f->flags & FIELD_INLINE) {
            json_object_update_new(j, v);
        } else if (v && empty && !(f->flags & (FIELD_REQUIRED | FIELD_KEEP_EMPTY))) {
            json_decref(v);
        } else if (v) {
            json_put(j, f->json, v);
        }
    }
    return j;
}

json_t *schema_encode(const struct type *t, const void *s) { return write_object(t, s); }
