/*
 * What Go's decoder and encoder make of the JSON of a built-in kind: wrong types are refused in its words, and what is left is
 * what a round trip through the Go struct leaves. Texts: sigs.k8s.io/json (a fork of encoding/json), metav1.Time, resource.Quantity.
 */
#include "schema/priv.h"

#include "base/hash.h"
#include "base/mem.h"

struct coercer {
    struct err *err;
    const char *struct_name;            /* innermost Go struct, for the message; NULL: none yet */
};

static errc coerce_object(struct coercer *c, const struct type *t, const json_t *in, const struct path *at, json_t **out);
static errc coerce_value(struct coercer *c, const struct field *f, json_t *in, const struct path *at, json_t **out);

static void add_go_type(const struct field *f, struct buf *out)
{
    static const char *const names[] = {
        [FIELD_ANY] = "interface {}", [FIELD_STR] = "string", [FIELD_INT] = "int64", [FIELD_NUM] = "float64", [FIELD_BOOL] = "bool",
        [FIELD_TIME] = "v1.Time", [FIELD_MICROTIME] = "v1.MicroTime", [FIELD_QUANTITY] = "resource.Quantity",
        [FIELD_INT_OR_STR] = "intstr.IntOrString", [FIELD_BYTES] = "[]uint8",
    };

    if (f->rules && f->rules->go_type)
        buf_adds(out, f->rules->go_type);
    else if (f->kind == FIELD_OBJECT)
        type_go_name(f->type, out);
    else if (f->kind == FIELD_LIST || f->kind == FIELD_MAP) {
        buf_adds(out, f->kind == FIELD_LIST ? "[]" : "map[string]");
        add_go_type(f->item, out);
    } else
        buf_adds(out, f->kind == FIELD_INT && f->flags & FIELD_INT32 ? "int32" : names[f->kind]);
}

/* Go names fields only: list positions and map keys are not part of the path. */
static void add_field_names(const struct path *at, struct buf *out)
{
    if (!at)
        return;
    add_field_names(at->up, out);
    if (at->name)
        buf_addf(out, "%s%s", out->n ? "." : "", at->name);
}

static errc cannot_be(struct coercer *c, const struct path *at, const char *what, const char *type)
{
    AUTO_BUF path = { 0 };

    add_field_names(at, &path);
    if (!c->struct_name || !path.n)
        return err_set(c->err, ERR_BAD_REQUEST, "json: cannot unmarshal %s into Go value of type %s", what, type);
    return err_set(c->err, ERR_BAD_REQUEST, "json: cannot unmarshal %s into Go struct field %s.%s of type %s", what, c->struct_name,
                   buf_cstr(&path), type);
}

static errc cannot(struct coercer *c, const struct field *f, const struct path *at, const char *what)
{
    AUTO_BUF type = { 0 };

    add_go_type(f, &type);
    return cannot_be(c, at, what, buf_cstr(&type));
}

static errc coerce_int(struct coercer *c, const struct field *f, const json_t *in, const struct path *at, json_t **out)
{
    AUTO_MEM char *text = json_text(in);
    AUTO_MEM char *what = xasprintf("number %s", text);

    if (!json_is_number(in))
        return cannot(c, f, at, json_type_word(in));
    if (json_is_real(in))
        return cannot(c, f, at, what);
    if (f->flags & FIELD_INT32 && json_integer_value(in) != (int32_t)json_integer_value(in))
        return cannot(c, f, at, what);
    *out = json_integer(json_integer_value(in));
    return ERR_OK;
}

static errc coerce_time(struct coercer *c, const struct field *f, const json_t *in, const struct path *at, json_t **out)
{
    char text[TIME_TEXT_MAX];
    bool micro = f->kind == FIELD_MICROTIME;

    if (!json_is_string(in))
        return cannot_be(c, at, json_type_word(in), "string");
    if (!time_normal(json_to_str(in), micro, text))
        return err_set(c->err, ERR_BAD_REQUEST, "parsing time \"%s\" as \"%s\": cannot parse \"%s\" as \"2006\"",
                       json_string_value(in), micro ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00",
                       json_string_value(in));
    *out = json_string(text);
    return ERR_OK;
}

static errc coerce_quantity(struct coercer *c, const json_t *in, json_t **out)
{
    AUTO_BUF canonical = { 0 };
    AUTO_MEM char *text = json_is_string(in) ? xstrdup(json_string_value(in)) : json_text(in);

    if (!quantity_canonical(str_of(text), &canonical))
        return err_set(c->err, ERR_BAD_REQUEST,
                       "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    *out = json_strn(buf_str(&canonical));
    return ERR_OK;
}

/* Go's CorruptInputError names the first byte that cannot be. */
static size_t base64_bad_at(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool ok = (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '+' || ch == '/' || ch == '\n' || ch == '\r';
        if (!ok && !(ch == '=' && s.n % 4 == 0 && i + 2 >= s.n))
            return i;
    }
    return s.n & ~(size_t)3;
}

static errc coerce_bytes(struct coercer *c, const struct field *f, json_t *in, const struct path *at, json_t **out)
{
    AUTO_BUF bytes = { 0 };
    struct str s = json_to_str(in);

    if (!json_is_string(in))
        return cannot(c, f, at, json_type_word(in));
    if (s.n % 4 || !base64_decode(s, &bytes))
        return err_set(c->err, ERR_BAD_REQUEST, "illegal base64 data at input byte %zu", base64_bad_at(s));
    *out = json_incref(in);
    return ERR_OK;
}

static errc coerce_list(struct coercer *c, const struct field *f, const json_t *in, const struct path *at, json_t **out)
{
    AUTO_JSON list = json_array();
    json_t *value;
    size_t i;

    if (!json_is_array(in))
        return cannot(c, f, at, json_type_word(in));
    json_array_foreach(in, i, value) {
        json_t *item = NULL;
        TRY(coerce_value(c, f->item, value, PATH_INDEX(at, i), &item));
        json_push(list, item ? item : json_null());
    }
    *out = TAKE(list);
    return ERR_OK;
}

static errc coerce_map(struct coercer *c, const struct field *f, json_t *in, const struct path *at, json_t **out)
{
    AUTO_JSON map = json_object();
    const char *key;
    json_t *value;

    if (!json_is_object(in))
        return cannot(c, f, at, json_type_word(in));
    json_object_foreach(in, key, value) {
        json_t *item = NULL;
        TRY(coerce_value(c, f->item, value, PATH_KEY(at, key), &item));
        json_put(map, key, item ? item : json_null());
    }
    *out = TAKE(map);
    return ERR_OK;
}

static errc coerce_scalar(struct coercer *c, const struct field *f, json_t *in, const struct path *at, json_t **out)
{
    bool right = f->kind == FIELD_STR ? json_is_string(in) : f->kind == FIELD_BOOL ? json_is_boolean(in) : json_is_number(in);

    if (!right)
        return cannot(c, f, at, json_type_word(in));
    *out = json_incref(in);
    return ERR_OK;
}

/* The zero value that Go would put into a list or map for null. */
static json_t *zero_item(const struct field *f)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_STR: return json_string("");
    case FIELD_INT: case FIELD_NUM: return json_integer(0);
    case FIELD_BOOL: return json_false();
    case FIELD_QUANTITY: return json_string("0");
    default: return json_null();
    }
}

static errc coerce_value(struct coercer *c, const struct field *f, json_t *in, const struct path *at, json_t **out)
{
    if (json_is_null(in) && f->kind != FIELD_OBJECT) {
        *out = zero_item(f);
        return ERR_OK;
    }
    switch ((enum field_kind)f->kind) {
    case FIELD_ANY:
        *out = json_incref(in);
        return ERR_OK;
    case FIELD_INT:
        return coerce_int(c, f, in, at, out);
    case FIELD_STR: case FIELD_NUM: case FIELD_BOOL:
        return coerce_scalar(c, f, in, at, out);
    case FIELD_TIME: case FIELD_MICROTIME:
        return coerce_time(c, f, in, at, out);
    case FIELD_QUANTITY:
        return coerce_quantity(c, in, out);
    case FIELD_INT_OR_STR:
        if (!json_is_string(in) && !json_is_integer(in))
            return cannot_be(c, at, json_type_word(in), "int32");
        *out = json_incref(in);
        return ERR_OK;
    case FIELD_BYTES:
        return coerce_bytes(c, f, in, at, out);
    case FIELD_LIST:
        return coerce_list(c, f, in, at, out);
    case FIELD_MAP:
        return coerce_map(c, f, in, at, out);
    case FIELD_OBJECT:
        if (json_is_null(in)) {
            AUTO_JSON none = json_object();
            return coerce_object(c, f->type, none, at, out);
        }
        if (!json_is_object(in))
            return cannot(c, f, at, json_type_word(in));
        return coerce_object(c, f->type, in, at, out);
    }
    return ERR_OK;
}

static bool is_zero(const struct field *f, const json_t *v)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_STR: case FIELD_BYTES: return json_string_length(v) == 0;
    case FIELD_INT: return json_is_integer(v) && json_integer_value(v) == 0;
    case FIELD_NUM: return json_number_value(v) == 0;
    case FIELD_BOOL: return json_is_false(v);
    case FIELD_LIST: return json_array_size(v) == 0;
    case FIELD_MAP: return json_object_size(v) == 0;
    default: return false;
    }
}

/* What Go writes for a field that was not given; NULL: nothing. */
static errc absent_value(struct coercer *c, const struct field *f, const struct path *at, json_t **out)
{
    if (f->flags & FIELD_GO_VALUE) {
        if (f->kind == FIELD_OBJECT) {
            AUTO_JSON none = json_object();
            return coerce_object(c, f->type, none, at, out);
        }
        *out = f->kind == FIELD_QUANTITY ? json_string("0") : f->kind == FIELD_INT_OR_STR ? json_integer(0) : json_null();
    } else if (f->flags & FIELD_KEEP_EMPTY) {
        *out = f->flags & FIELD_POINTER ? json_null() : zero_item(f);
    }
    return ERR_OK;
}

static errc coerce_field(struct coercer *c, const struct field *f, const json_t *in, const struct path *at, json_t *out)
{
    json_t *given = json_object_get(in, f->json);
    AUTO_JSON v = NULL;

    if (given && !json_is_null(given)) {
        TRY(coerce_value(c, f, given, at, &v));
        if (v && !(f->flags & (FIELD_KEEP_EMPTY | FIELD_GO_VALUE | FIELD_POINTER)) && is_zero(f, v))
            return ERR_OK;
    } else {
        TRY(absent_value(c, f, at, &v));
    }
    if (v)
        json_put(out, f->json, TAKE(v));
    return ERR_OK;
}

static errc coerce_fields(struct coercer *c, const struct type *t, const json_t *in, const struct path *at, json_t *out)
{
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct field *f = &t->fields[i];
        if (f->flags & FIELD_INLINE)
            TRY(coerce_fields(c, f->type, in, at, out));
        else
            TRY(coerce_field(c, f, in, PATH_FIELD(at, f->json), out));
    }
    return ERR_OK;
}

static errc coerce_object(struct coercer *c, const struct type *t, const json_t *in, const struct path *at, json_t **out)
{
    const char *outer = c->struct_name;
    AUTO_JSON object = json_object();

    if (!t->n_fields) {                 /* an empty Go struct */
        *out = TAKE(object);
        return ERR_OK;
    }
    c->struct_name = type_bare_name(t);
    errc rc = coerce_fields(c, t, in, at, object);
    if (rc)
        return rc;
    c->struct_name = outer;
    *out = TAKE(object);
    return ERR_OK;
}

/* Replaces the members of j by those of from, keeping j's identity. */
static void become(json_t *j, json_t *from)
{
    json_object_clear(j);
    json_object_update(j, from);
}

errc schema_coerce(const struct type *t, json_t *j, struct err *e)
{
    struct coercer c = { .err = e, .struct_name = NULL };
    AUTO_JSON out = NULL;

    if (!json_is_object(j))
        return err_set(e, ERR_BAD_REQUEST, "json: cannot unmarshal %s into Go value of type %s", json_type_word(j), t->name);
    if (t->flags & TYPE_BUILTIN) {
        TRY(coerce_object(&c, t, j, NULL, &out));
        become(j, out);
        return ERR_OK;
    }
    const struct field *meta = type_field(t, "metadata");
    if (!meta || !meta->type || !(meta->type->flags & TYPE_BUILTIN) || !json_object_get(j, "metadata"))
        return ERR_OK;
    c.struct_name = type_bare_name(t);
    TRY(coerce_value(&c, meta, json_object_get(j, "metadata"), PATH_FIELD(NULL, "metadata"), &out));
    json_put(j, "metadata", TAKE(out));
    return ERR_OK;
}
