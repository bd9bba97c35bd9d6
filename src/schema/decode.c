/* Struct mode, reading: JSON tree to C struct. */
#include "schema/priv.h"

#include "base/mem.h"

struct reader {
    struct arena *arena;
    struct err *err;
    bool as_is;                 /* no defaults: copying */
};

static errc read_object(const struct reader *r, const struct type *t, const json_t *j, const struct path *at, void *out);

static errc mismatch(const struct reader *r, const struct path *at, const char *wanted, const json_t *found)
{
    AUTO_MEM char *path = path_text(at);

    return err_set(r->err, ERR_INVALID, "%s: expected %s, found %s", *path ? path : "object", wanted, json_type_word(found));
}

static struct str copy_str(const struct reader *r, const json_t *j) { return arena_str(r->arena, json_to_str(j)); }

static errc read_time(const struct reader *r, const json_t *j, const struct path *at, int64_t *out)
{
    if (!json_is_string(j) || !time_parse(json_to_str(j), out))
        return mismatch(r, at, "an RFC 3339 time", j);
    return ERR_OK;
}

static errc read_int(const struct reader *r, const struct field *f, const json_t *j, const struct path *at, int64_t *out)
{
    if (f->kind == FIELD_TIME || f->kind == FIELD_MICROTIME)
        return read_time(r, j, at, out);
    if (json_is_real(j) && json_real_value(j) == (double)(int64_t)json_real_value(j))
        *out = (int64_t)json_real_value(j);
    else if (json_is_integer(j))
        *out = json_integer_value(j);
    else
        return mismatch(r, at, "an integer", j);
    return ERR_OK;
}

static errc read_bool(const struct reader *r, const json_t *j, const struct path *at, bool *out)
{
    if (!json_is_boolean(j))
        return mismatch(r, at, "true or false", j);
    *out = json_is_true(j);
    return ERR_OK;
}

static errc read_num(const struct reader *r, const json_t *j, const struct path *at, double *out)
{
    if (!json_is_number(j))
        return mismatch(r, at, "a number", j);
    *out = json_number_value(j);
    return ERR_OK;
}

/* Quantities may be written as numbers; they are kept as text. */
static errc read_str(const struct reader *r, const struct field *f, const json_t *j, const struct path *at, struct str *out)
{
    __int128 ignored;

    if (f->kind == FIELD_QUANTITY && json_is_number(j)) {
        AUTO_MEM char *text = json_text(j);
        *out = arena_str(r->arena, str_of(text));
        return ERR_OK;
    }
    if (!json_is_string(j))
        return mismatch(r, at, "a string", j);
    if (f->kind == FIELD_QUANTITY && !quantity_parse(json_to_str(j), &ignored))
        return mismatch(r, at, "a quantity such as 500m or 2Gi", j);
    *out = copy_str(r, j);
    return ERR_OK;
}

static errc read_int_or_str(const struct reader *r, const json_t *j, const struct path *at, struct int_or_str *out)
{
    if (json_is_integer(j))
        *out = (struct int_or_str){ .set = true, .i = json_integer_value(j) };
    else if (json_is_string(j))
        *out = (struct int_or_str){ .set = true, .is_str = true, .s = copy_str(r, j) };
    else
        return mismatch(r, at, "an integer or a string", j);
    return ERR_OK;
}

/* The values are texts, or quantities, which may be written as numbers. */
static errc read_str_map(const struct reader *r, const struct field *f, json_t *j, const struct path *at, struct str_map *out)
{
    const char *key;
    json_t *value;

    if (!json_is_object(j))
        return mismatch(r, at, "an object", j);
    out->items = arena_calloc(r->arena, json_object_size(j), sizeof *out->items);
    json_object_foreach(j, key, value) {
        TRY(read_str(r, f->item, value, PATH_KEY(at, key), &out->items[out->n].value));
        out->items[out->n++].key = arena_str(r->arena, str_of(key));
    }
    return ERR_OK;
}

static size_t item_size(const struct field *item)
{
    static const size_t sizes[] = {
        [REP_ANY] = sizeof(json_t *), [REP_STR] = sizeof(struct str), [REP_INT] = sizeof(int64_t), [REP_NUM] = sizeof(double),
        [REP_BOOL] = sizeof(bool), [REP_INT_OR_STR] = sizeof(struct int_or_str), [REP_STR_MAP] = sizeof(struct str_map),
        [REP_LIST] = 0,
    };

    return item->rep == REP_OBJ ? item->type->size : sizes[item->rep];
}

static errc read_value(const struct reader *r, const struct field *f, json_t *j, const struct path *at, char *out);

static errc read_list(const struct reader *r, const struct field *f, json_t *j, const struct path *at, char *base)
{
    size_t size = item_size(f->item), i;
    json_t *value;

    if (!json_is_array(j))
        return mismatch(r, at, "a list", j);
    char *items = arena_calloc(r->arena, json_array_size(j) ? json_array_size(j) : 1, size);
    json_array_foreach(j, i, value)
        TRY(read_value(r, f->item, value, PATH_INDEX(at, i), items + i * size));
    memcpy(base + f->off, &items, sizeof items);
    *(size_t *)(void *)(base + f->off_n) = json_array_size(j);
    return ERR_OK;
}

static errc read_ptr(const struct reader *r, const struct field *f, const json_t *j, const struct path *at, char *out)
{
    void *sub = arena_alloc(r->arena, f->type->size);

    TRY(read_object(r, f->type, j, at, sub));
    memcpy(out, &sub, sizeof sub);
    return ERR_OK;
}

#define AS(type) ((type *)(void *)out)

/* `out` is where the value lies; for lists it is the base of the struct. */
static errc read_value(const struct reader *r, const struct field *f, json_t *j, const struct path *at, char *out)
{
    switch ((enum field_rep)f->rep) {
    case REP_NONE:
        return ERR_OK;
    case REP_ANY:
        *AS(json_t *) = json_incref(j);
        json_arena_own(r->arena, j);
        return ERR_OK;
    case REP_STR:
        return read_str(r, f, j, at, AS(struct str));
    case REP_INT:
        return read_int(r, f, j, at, AS(int64_t));
    case REP_NUM:
        return read_num(r, j, at, AS(double));
    case REP_BOOL:
        return read_bool(r, j, at, AS(bool));
    case REP_OPT_INT:
        AS(struct opt_int)->set = true;
        return read_int(r, f, j, at, &AS(struct opt_int)->v);
    case REP_OPT_BOOL:
        AS(struct opt_bool)->set = true;
        return read_bool(r, j, at, &AS(struct opt_bool)->v);
    case REP_OPT_NUM:
        AS(struct opt_num)->set = true;
        return read_num(r, j, at, &AS(struct opt_num)->v);
    case REP_INT_OR_STR:
        return read_int_or_str(r, j, at, AS(struct int_or_str));
    case REP_OBJ:
        return read_object(r, f->type, j, at, out);
    case REP_PTR:
        return read_ptr(r, f, j, at, out);
    case REP_LIST:
        return read_list(r, f, j, at, out);
    case REP_STR_MAP:
        return read_str_map(r, f, j, at, AS(struct str_map));
    }
    return ERR_OK;
}

/* New reference: the given value, or the default; NULL when there is neither. */
static json_t *given_or_default(const struct reader *r, const struct field *f, const json_t *object)
{
    json_t *j = json_object_get(object, f->json);

    if (j && !json_is_null(j))
        return json_incref(j);
    if (r->as_is)
        return NULL;
    if (f->rules && f->rules->def_json)
        return json_deep_copy(f->rules->def_json);
    if (f->rules && f->rules->def)
        return json_loads(f->rules->def, JSON_DECODE_ANY, NULL);
    return NULL;
}

static errc read_object(const struct reader *r, const struct type *t, const json_t *j, const struct path *at, void *out)
{
    if (!json_is_object(j))
        return mismatch(r, at, "an object", j);
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct field *f = &t->fields[i];
        char *member = (char *)out + (f->rep == REP_LIST ? 0 : f->off);
        if (f->flags & FIELD_INLINE) {
            TRY(read_object(r, f->type, j, at, member));
            continue;
        }
        AUTO_JSON value = given_or_default(r, f, j);
        if (value)
            TRY(read_value(r, f, value, PATH_FIELD(at, f->json), member));
    }
    return ERR_OK;
}

errc schema_decode(const struct type *t, const json_t *j, struct arena *a, void *out_struct, struct err *e)
{
    struct reader r = { a, e, false };

    memset(out_struct, 0, t->size);
    return read_object(&r, t, j, NULL, out_struct);
}

void schema_copy(const struct type *t, const void *from, struct arena *a, void *to)
{
    AUTO_JSON j = schema_encode(t, from);
    struct err e;
    struct reader r = { a, &e, true };

    memset(to, 0, t->size);
    if (read_object(&r, t, j, NULL, to))        /* cannot fail: we wrote it */
        abort();
}

bool schema_equal(const struct type *t, const void *a, const void *b)
{
    AUTO_JSON ja = schema_encode(t, a);
    AUTO_JSON jb = schema_encode(t, b);

    return json_equal(ja, jb);
}
