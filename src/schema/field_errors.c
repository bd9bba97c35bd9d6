#include "schema/field_errors.h"

#include "base/mem.h"

static const struct { const char *cause, *text; } reasons[] = {
#define X(name, cause, text) { cause, text },
    FIELD_REASONS(X)
#undef X
};

void field_errors_done(struct field_errors *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].path);
        free(l->items[i].message);
    }
    free(l->items);
    *l = (struct field_errors){ 0 };
}

static void push(struct field_errors *l, enum field_reason reason, const char *path, struct buf *message)
{
    vec_grow(l->items, l->n, l->cap);
    l->items[l->n++] = (struct field_error){ .reason = reason, .path = xstrdup(path), .message = buf_take(message) };
}

/* Go's ErrorBody: required, forbidden, too long and internal errors do not print the value. */
static bool prints_value(enum field_reason r)
{
    return r != FIELD_REQUIRED_VALUE && r != FIELD_FORBIDDEN_VALUE && r != FIELD_TOO_LONG_VALUE
           && r != FIELD_INTERNAL_VALUE;
}

static void vadd(struct field_errors *l, enum field_reason reason, const char *path, const char *value, const char *fmt, va_list ap)
{
    struct buf b = { 0 };
    AUTO_BUF detail = { 0 };

    buf_adds(&b, reasons[reason].text);
    if (value && prints_value(reason))
        buf_addf(&b, ": %s", value);
    buf_vaddf(&detail, fmt, ap);
    if (detail.n)
        buf_addf(&b, ": %s", buf_cstr(&detail));
    push(l, reason, path, &b);
}

void field_error_add(struct field_errors *l, enum field_reason reason, const char *path, const char *value, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vadd(l, reason, path, value, fmt, ap);
    va_end(ap);
}

static void add_go_value(const json_t *j, struct buf *out)
{
    if (json_is_real(j))
        buf_addf(out, "%.17g", json_real_value(j));
    else
        json_write(j, out);
}

void field_error_add_json(struct field_errors *l, enum field_reason reason, const char *path, const json_t *value, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    add_go_value(value, &text);
    va_start(ap, fmt);
    vadd(l, reason, path, buf_cstr(&text), fmt, ap);
    va_end(ap);
}

void field_error_unsupported(struct field_errors *l, const char *path, const json_t *value, const char *const *values)
{
    AUTO_BUF list = { 0 };

    for (size_t i = 0; values[i]; i++)
        buf_addf(&list, "%s\"%s\"", i ? ", " : "", values[i]);
    field_error_add_json(l, FIELD_NOT_SUPPORTED_VALUE, path, value, "supported values: %s", buf_cstr(&list));
}

void field_errors_text(const struct field_errors *l, struct buf *out)
{
    if (l->n > 1)
        buf_addc(out, '[');
    for (size_t i = 0; i < l->n; i++)
        buf_addf(out, "%s%s: %s", i ? ", " : "", l->items[i].path, l->items[i].message);
    if (l->n > 1)
        buf_addc(out, ']');
}

json_t *field_errors_causes(const struct field_errors *l)
{
    json_t *causes = json_array();

    for (size_t i = 0; i < l->n; i++) {
        json_t *c = json_object();
        json_put_str(c, "reason", reasons[l->items[i].reason].cause);
        json_put_str(c, "message", l->items[i].message);
        json_put_str(c, "field", l->items[i].path);
        json_push(causes, c);
    }
    return causes;
}
