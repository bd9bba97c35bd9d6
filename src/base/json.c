#include "base/json.h"

#include <math.h>
#include <stdarg.h>

#include "base/file.h"
#include "base/mem.h"

errc json_parse(struct str text, json_t **out, struct err *e)
{
    json_error_t je;
    json_t *j = json_loadb(text.n ? text.p : "", text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);

    if (!j && json_error_code(&je) == json_error_numeric_overflow)     /* beyond int64: as Go does, a real number */
        j = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &je);
    if (!j)
        return err_set(e, ERR_BAD_REQUEST, "line %d, column %d: %s", je.line, je.column, je.text);
    *out = j;
    return ERR_OK;
}

errc json_parse_file(const char *path, size_t max_bytes, json_t **out, struct err *e)
{
    AUTO_BUF b = { 0 };

    TRY(file_read(path, max_bytes, &b, e));
    if (json_parse(buf_str(&b), out, e))
        return err_wrap(e, "%s", path);
    return ERR_OK;
}

static int add_chunk(const char *p, size_t n, void *buf)
{
    buf_add(buf, p, n);
    return 0;
}

static void write_flags(const json_t *j, size_t flags, struct buf *out)
{
    (void)json_dump_callback(j, add_chunk, out, flags | JSON_ENCODE_ANY);      /* fails on cycles only: we make none */
}

void json_write(const json_t *j, struct buf *out) { write_flags(j, JSON_COMPACT, out); }
void json_write_sorted(const json_t *j, struct buf *out) { write_flags(j, JSON_COMPACT | JSON_SORT_KEYS, out); }
void json_write_pretty(const json_t *j, int indent, struct buf *out) { write_flags(j, JSON_INDENT((size_t)indent), out); }

char *json_text(const json_t *j)
{
    struct buf b = { 0 };

    json_write(j, &b);
    return buf_take(&b);
}

static json_t *walk(const json_t *j, va_list ap)
{
    const char *key;

    while (j && (key = va_arg(ap, const char *)))
        j = json_object_get(j, key);
    return (json_t *)(uintptr_t)j;
}

json_t *json_at(const json_t *j, ...)
{
    va_list ap;

    va_start(ap, j);
    json_t *at = walk(j, ap);
    va_end(ap);
    return at;
}

const char *json_str_at(const json_t *j, ...)
{
    va_list ap;

    va_start(ap, j);
    const char *s = json_string_value(walk(j, ap));
    va_end(ap);
    return s;
}

int64_t json_int(const json_t *j, const char *key, int64_t fallback)
{
    const json_t *v = json_object_get(j, key);

    return json_is_integer(v) ? json_integer_value(v) : fallback;
}

double json_num(const json_t *j, const char *key, double fallback)
{
    const json_t *v = json_object_get(j, key);

    return json_is_number(v) ? json_number_value(v) : fallback;
}

bool json_flag(const json_t *j, const char *key, bool fallback)
{
    const json_t *v = json_object_get(j, key);

    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

const char *json_cstr(const json_t *j, const char *key) { return json_string_value(json_object_get(j, key)); }

struct str json_to_str(const json_t *string)
{
    if (!json_is_string(string))
        return (struct str){ 0 };
    return str_n(json_string_value(string), json_string_length(string));
}

void json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new_nocheck(object, key, value))
        abort();        /* not an object, or NULL: a bug in a renderer */
}

void json_put_str(json_t *object, const char *key, const char *value)
{
    if (value)
        json_put(object, key, json_strn(str_of(value)));
}

void json_put_int(json_t *object, const char *key, int64_t value) { json_put(object, key, json_integer(value)); }
void json_put_bool(json_t *object, const char *key, bool value) { json_put(object, key, json_boolean(value)); }

json_t *json_sub(json_t *object, const char *key)
{
    json_t *sub = json_object_get(object, key);

    if (!json_is_object(sub)) {
        sub = json_object();
        json_put(object, key, sub);
    }
    return sub;
}

void json_push(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value))
        abort();
}

/* Each byte that starts no well-formed sequence becomes U+FFFD. */
static void add_repaired(struct buf *b, struct str s)
{
    while (s.n) {
        size_t n = s.n < 4 ? s.n : 4;
        while (n && !str_utf8_valid(str_n(s.p, n)))
            n--;
        if (n)
            buf_add(b, s.p, n);
        else
            buf_adds(b, "\xEF\xBF\xBD");
        s = str_from(s, n ? n : 1);
    }
}

json_t *json_float(double v) { return isfinite(v) ? json_real(v) : json_null(); }

json_t *json_strn(struct str s)
{
    if (str_utf8_valid(s))
        return json_stringn_nocheck(s.p ? s.p : "", s.n);
    AUTO_BUF b = { 0 };
    add_repaired(&b, s);
    return json_stringn_nocheck(buf_cstr(&b), b.n);
}

json_t *json_strf(const char *fmt, ...)
{
    AUTO_BUF b = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    return json_strn(buf_str(&b));
}

json_t *json_clone(const json_t *j) { return json_deep_copy(j); }

static void decref(void *j) { json_decref(j); }
void json_arena_own(struct arena *a, json_t *j) { arena_defer(a, decref, j); }
