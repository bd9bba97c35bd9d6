/*
 * Wire format: a message is a row of (number << 3 | wire type) and a value; proto2 as gogo writes it for Kubernetes. The numbers are
 * in the field tables. Times, quantities, int-or-strings and raw JSON are small messages of their own:
 * k8s.io/apimachinery pkg/apis/meta/v1, pkg/api/resource, pkg/util/intstr, pkg/runtime (generated.proto).
 */
#include "apiserver/protobuf.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#define DEPTH_MAX 64            /* of nested messages */

enum wire { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32 = 5 };

struct cursor { const uint8_t *p, *end; };
struct item {                   /* one field on the wire */
    uint64_t number;
    enum wire wire;
    uint64_t value;             /* varint, fixed32, fixed64 */
    struct str bytes;
};
struct decoder { struct err *err; int depth; };

static errc broken(const struct decoder *d, const char *what)
{
    return err_set(d->err, ERR_BAD_REQUEST, "malformed protobuf body: %s", what);
}

static struct cursor cursor_of(struct str s)
{
    const uint8_t *p = (const uint8_t *)(s.p ? s.p : "");

    return (struct cursor){ p, p + s.n };
}

static bool read_varint(struct cursor *c, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && c->p < c->end; shift += 7) {
        uint8_t b = *c->p++;
        *out |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80))
            return true;
    }
    return false;
}

static bool read_fixed(struct cursor *c, size_t n, uint64_t *out)
{
    if ((size_t)(c->end - c->p) < n)
        return false;
    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out |= (uint64_t)c->p[i] << (8 * i);
    c->p += n;
    return true;
}

static bool read_bytes(struct cursor *c, struct str *out)
{
    uint64_t n;

    if (!read_varint(c, &n) || n > (uint64_t)(c->end - c->p))
        return false;
    *out = str_n((const char *)c->p, (size_t)n);
    c->p += n;
    return true;
}

/* *more false at the end. */
static errc next_item(const struct decoder *d, struct cursor *c, struct item *out, bool *more)
{
    uint64_t tag;

    *out = (struct item){ 0 };
    *more = c->p < c->end;
    if (!*more)
        return ERR_OK;
    if (!read_varint(c, &tag) || tag >> 3 == 0)
        return broken(d, "bad field tag");
    *out = (struct item){ .number = tag >> 3, .wire = (enum wire)(tag & 7) };
    switch (out->wire) {
    case WIRE_VARINT:
        return read_varint(c, &out->value) ? ERR_OK : broken(d, "a number is cut short");
    case WIRE_FIXED64:
        return read_fixed(c, 8, &out->value) ? ERR_OK : broken(d, "a fixed64 is cut short");
    case WIRE_FIXED32:
        return read_fixed(c, 4, &out->value) ? ERR_OK : broken(d, "a fixed32 is cut short");
    case WIRE_BYTES:
        return read_bytes(c, &out->bytes) ? ERR_OK : broken(d, "a length is beyond the end");
    }
    return broken(d, "unknown wire type");
}

/* The small messages: the first four fields, by number. */
struct small { uint64_t numbers[4]; struct str texts[4]; };

static errc read_small(const struct decoder *d, struct str bytes, struct small *out)
{
    struct cursor c = cursor_of(bytes);
    struct item i = { 0 };
    bool more;

    *out = (struct small){ 0 };
    for (;;) {
        TRY(next_item(d, &c, &i, &more));
        if (!more)
            return ERR_OK;
        if (i.number >= ARRAY_LEN(out->numbers))
            continue;
        out->numbers[i.number] = i.value;
        out->texts[i.number] = i.bytes;
    }
}

static json_t *time_json(const struct small *s, bool micro)
{
    char text[TIME_TEXT_MAX];
    int64_t seconds = (int64_t)s->numbers[1], nanos = (int64_t)s->numbers[2];

    if ((!seconds && !nanos) || seconds > 253402300799 || seconds < -62135596800 || nanos < 0 || nanos > 999999999)
        return json_null();
    if (micro)
        time_rfc3339_micro(seconds * 1000000 + nanos / 1000, text);
    else
        time_rfc3339(seconds * 1000, text);
    return json_string(text);
}

static json_t *bytes_json(struct str bytes)
{
    AUTO_BUF b = { 0 };

    base64_add(&b, bytes.p ? bytes.p : "", bytes.n);
    return json_strn(buf_str(&b));
}

static json_t *double_json(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof v);
    return v == v && v - v == 0 ? json_real(v) : json_null();
}

static errc read_message(struct decoder *d, const struct type *t, struct str bytes, json_t *out);
static errc read_value(struct decoder *d, const struct field *f, const struct item *i, json_t **out);

static errc read_raw(const struct decoder *d, struct str bytes, json_t **out)
{
    struct small s;
    struct err e;

    TRY(read_small(d, bytes, &s));
    if (!s.texts[1].n) {
        *out = json_null();
        return ERR_OK;
    }
    if (json_parse(s.texts[1], out, &e))
        return broken(d, "a raw value is no JSON");
    return ERR_OK;
}

/* A repeated field that is itself a value (of a map): a message around it. */
static errc read_wrapped_list(struct decoder *d, const struct field *f, struct str bytes, json_t **out)
{
    struct cursor c = cursor_of(bytes);
    AUTO_JSON list = json_array();
    struct item i;
    bool more;

    for (;;) {
        TRY(next_item(d, &c, &i, &more));
        if (!more)
            break;
        json_t *v = NULL;
        if (i.number == 1)
            TRY(read_value(d, f->item, &i, &v));
        if (v)
            json_push(list, v);
    }
    *out = TAKE(list);
    return ERR_OK;
}

static errc read_object(struct decoder *d, const struct field *f, struct str bytes, json_t **out)
{
    AUTO_JSON object = json_object();

    TRY(read_message(d, f->type, bytes, object));
    *out = TAKE(object);
    return ERR_OK;
}

/* Kinds that are a message or text on the wire. */
static errc read_bytes_value(struct decoder *d, const struct field *f, struct str bytes, json_t **out)
{
    struct small s;

    switch ((enum field_kind)f->kind) {
    case FIELD_STR:
        *out = json_strn(bytes);
        return ERR_OK;
    case FIELD_BYTES:
        *out = bytes_json(bytes);
        return ERR_OK;
    case FIELD_TIME: case FIELD_MICROTIME:
        TRY(read_small(d, bytes, &s));
        *out = time_json(&s, f->kind == FIELD_MICROTIME);
        return ERR_OK;
    case FIELD_QUANTITY:
        TRY(read_small(d, bytes, &s));
        *out = json_strn(s.texts[1]);
        return ERR_OK;
    case FIELD_INT_OR_STR:
        TRY(read_small(d, bytes, &s));
        *out = s.numbers[1] ? json_strn(s.texts[3]) : json_integer((int32_t)s.numbers[2]);
        return ERR_OK;
    case FIELD_ANY:
        return read_raw(d, bytes, out);
    case FIELD_OBJECT:
        return read_object(d, f, bytes, out);
    case FIELD_LIST:
        return read_wrapped_list(d, f, bytes, out);
    default:
        return broken(d, "a field has the wrong wire type");
    }
}

static errc read_value(struct decoder *d, const struct field *f, const struct item *i, json_t **out)
{
    if (i->wire == WIRE_BYTES)
        return read_bytes_value(d, f, i->bytes, out);
    if (f->kind == FIELD_NUM && i->wire == WIRE_FIXED64)
        *out = double_json(i->value);
    else if (f->kind == FIELD_INT && i->wire == WIRE_VARINT)
        *out = json_integer(f->flags & FIELD_INT32 ? (int32_t)i->value : (int64_t)i->value);
    else if (f->kind == FIELD_BOOL && i->wire == WIRE_VARINT)
        *out = json_boolean(i->value);
    else
        return broken(d, "a field has the wrong wire type");
    return ERR_OK;
}

static errc add_map_entry(struct decoder *d, const struct field *f, const struct item *i, json_t *map)
{
    struct cursor c = cursor_of(i->bytes);
    AUTO_JSON value = NULL;
    AUTO_MEM char *key = xstrdup("");
    struct item part;
    bool more;

    if (i->wire != WIRE_BYTES)
        return broken(d, "a field has the wrong wire type");
    for (;;) {
        TRY(next_item(d, &c, &part, &more));
        if (!more)
            break;
        if (part.number == 1 && part.wire == WIRE_BYTES) {
            AUTO_JSON text = json_strn(part.bytes);
            free(key);
            key = xstrdup(json_string_value(text));
        } else if (part.number == 2) {
            json_decref(value);
            value = NULL;
            TRY(read_value(d, f->item, &part, &value));
        }
    }
    json_put(map, key, value ? TAKE(value) : f->item->kind == FIELD_STR ? json_string("") : json_null());
    return ERR_OK;
}

static errc add_packed(struct decoder *d, struct str bytes, json_t *list)
{
    struct cursor c = cursor_of(bytes);
    uint64_t v;

    while (c.p < c.end) {
        if (!read_varint(&c, &v))
            return broken(d, "a packed number is cut short");
        json_push(list, json_integer((int64_t)v));
    }
    return ERR_OK;
}

static errc add_field(struct decoder *d, const struct field *f, const struct item *i, json_t *out)
{
    json_t *v = NULL;

    if (f->flags & FIELD_INLINE)
        return i->wire == WIRE_BYTES ? read_message(d, f->type, i->bytes, out) : broken(d, "a field has the wrong wire type");
    if (f->kind == FIELD_MAP) {
        json_t *map = json_object_get(out, f->json);
        if (!map)
            json_put(out, f->json, map = json_object());
        return add_map_entry(d, f, i, map);
    }
    if (f->kind == FIELD_LIST) {
        json_t *list = json_object_get(out, f->json);
        if (!list)
            json_put(out, f->json, list = json_array());
        if (f->item->kind == FIELD_INT && i->wire == WIRE_BYTES)
            return add_packed(d, i->bytes, list);
        TRY(read_value(d, f->item, i, &v));
        json_push(list, v);
        return ERR_OK;
    }
    TRY(read_value(d, f, i, &v));
    json_put(out, f->json, v);
    return ERR_OK;
}

static const struct field *field_numbered(const struct type *t, uint64_t number)
{
    for (size_t i = 0; i < t->n_fields; i++)
        if (t->fields[i].proto == number)
            return &t->fields[i];
    return NULL;
}

static errc read_message(struct decoder *d, const struct type *t, struct str bytes, json_t *out)
{
    struct cursor c = cursor_of(bytes);
    struct item i;
    bool more;

    if (++d->depth > DEPTH_MAX)
        return broken(d, "nested too deeply");
    for (;;) {
        TRY(next_item(d, &c, &i, &more));
        if (!more)
            break;
        const struct field *f = field_numbered(t, i.number);
        if (f)                          /* unknown numbers are skipped, as protobuf does */
            TRY(add_field(d, f, &i, out));
    }
    d->depth--;
    return ERR_OK;
}

bool protobuf_is(struct str body) { return body.n >= 4 && memcmp(body.p, "k8s", 4) == 0; }

/* runtime.Unknown: typeMeta = 1 {apiVersion = 1, kind = 2}, raw = 2, contentEncoding = 3, contentType = 4 */
errc protobuf_decode(struct str body, protobuf_find_type *find, void *self, json_t **out, struct err *e)
{
    struct decoder d = { .err = e };
    struct small envelope, meta;

    if (!protobuf_is(body))
        return broken(&d, "the body does not start with k8s\\0");
    TRY(read_small(&d, str_from(body, 4), &envelope));
    TRY(read_small(&d, envelope.texts[1], &meta));
    if (!str_utf8_valid(meta.texts[1]) || !str_utf8_valid(meta.texts[2]))
        return broken(&d, "apiVersion and kind must be text");
    AUTO_MEM char *version = xstrndup(meta.texts[1].p ? meta.texts[1].p : "", meta.texts[1].n);
    AUTO_MEM char *kind = xstrndup(meta.texts[2].p ? meta.texts[2].p : "", meta.texts[2].n);
    if (envelope.texts[3].n)
        return broken(&d, "the object is encoded; send it plain");
    const struct type *t = find(self, version, kind);
    if (!t)
        return err_set(e, ERR_BAD_REQUEST, "no kind \"%s\" is registered for version \"%s\"", kind, version);
    if (streq(t->group, "apiextensions.k8s.io"))        /* schemas have shapes of their own on the wire */
        return err_set(e, ERR_UNSUPPORTED, "custom resource definitions are taken as JSON or YAML only");
    AUTO_JSON object = json_object();
    json_put_str(object, "apiVersion", version);
    json_put_str(object, "kind", kind);
    TRY(read_message(&d, t, envelope.texts[2], object));
    *out = TAKE(object);
    return ERR_OK;
}
