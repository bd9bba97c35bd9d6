/* Reading a body by its table, and describing the table. */
#include "serve/params.h"

#include <math.h>

#include "base/mem.h"

#define SHOWN_MAX 80            /* bytes of a value that an error repeats */

errc param_refuse(struct err *e, const char *name, const json_t *v, const char *why)
{
    AUTO_MEM char *text = json_is_real(v) ? xasprintf("%.15g", json_real_value(v)) : json_text(v);
    struct str shown = str_of(text ? text : "?");
    bool cut = shown.n > SHOWN_MAX;

    if (cut) {
        shown.n = SHOWN_MAX;
        while (shown.n && ((unsigned char)shown.p[shown.n] & 0xc0) == 0x80)     /* not inside a code point */
            shown.n--;
    }
    return err_set(e, ERR_BAD_REQUEST, "%s: %.*s%s %s", name, (int)shown.n, shown.p, cut ? "..." : "", why);
}

static const struct { const char *why, *schema; } kinds[] = {
    [PARAM_BOOL] = { "is neither true nor false", "boolean" }, [PARAM_INT] = { "is not a whole number", "integer" },
    [PARAM_NUM] = { "is not a number", "number" },             [PARAM_TEXT] = { "is not a string", "string" },
    [PARAM_LIST] = { "is not a list", "array" },               [PARAM_OBJECT] = { "is not an object", "object" },
    [PARAM_JSON] = { "", NULL },                               [PARAM_IGNORED] = { "", NULL },
    [PARAM_UNBUILT] = { "", NULL },
};

static bool whole(const json_t *v)
{
    return json_is_integer(v) || (json_is_real(v) && json_real_value(v) == floor(json_real_value(v)) && fabs(json_real_value(v)) <= PARAM_MAX);
}

static bool fits(enum param_kind kind, const json_t *v)
{
    switch (kind) {
    case PARAM_BOOL:
        return json_is_boolean(v);
    case PARAM_INT:
        return whole(v);
    case PARAM_NUM:
        return json_is_number(v);
    case PARAM_TEXT:
        return json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v);
    case PARAM_LIST:
        return json_is_array(v);
    case PARAM_OBJECT:
        return json_is_object(v);
    case PARAM_JSON:
    case PARAM_IGNORED:
    case PARAM_UNBUILT:
        return true;
    }
    return false;
}

static bool says_nothing(const json_t *v)
{
    return json_is_false(v) || (json_is_number(v) && json_number_value(v) == 0) || (json_is_string(v) && !json_string_length(v)) ||
           (json_is_array(v) && !json_array_size(v)) || (json_is_object(v) && !json_object_size(v));
}

static errc check_range(const struct param_row *r, const json_t *v, struct err *e)
{
    double x = json_number_value(v);
    bool open = r->flags & PARAM_ABOVE_MIN;
    char why[96];

    if (r->min >= r->max || (x <= r->max && (open ? x > r->min : x >= r->min)))
        return ERR_OK;
    if (r->max >= PARAM_MAX)
        snprintf(why, sizeof why, "is not %s %.12g", open ? "above" : "at least", r->min);
    else
        snprintf(why, sizeof why, "is not in %c%.12g, %.12g]", open ? '(' : '[', r->min, r->max);
    return param_refuse(e, r->name, v, why);
}

static void store(const struct param_row *r, json_t *v, void *at)
{
    switch (r->kind) {
    case PARAM_BOOL:
        *(bool *)at = json_is_true(v);
        break;
    case PARAM_INT:
        *(int64_t *)at = json_is_integer(v) ? json_integer_value(v) : (int64_t)json_real_value(v);
        break;
    case PARAM_NUM:
        *(double *)at = json_number_value(v);
        break;
    case PARAM_TEXT:
        *(const char **)at = json_string_value(v);
        break;
    case PARAM_LIST:
    case PARAM_OBJECT:
    case PARAM_JSON:
        *(json_t **)at = v;
        break;
    case PARAM_IGNORED:
    case PARAM_UNBUILT:
        break;
    }
}

static errc read_row(const struct param_row *r, json_t *v, void *out, struct err *e)
{
    if (r->kind == PARAM_UNBUILT)
        return says_nothing(v) ? ERR_OK : param_refuse(e, r->name, v, "is not supported by this server; leave the field out");
    if (!fits(r->kind, v))
        return param_refuse(e, r->name, v, kinds[r->kind].why);
    if (r->kind == PARAM_INT || r->kind == PARAM_NUM)
        TRY(check_range(r, v, e));
    store(r, v, (char *)out + r->off);
    return ERR_OK;
}

errc params_read(const struct param_table *t, unsigned on, const json_t *in, const json_t *model, void *out, struct err *e)
{
    if (!json_is_object(in))
        return err_set(e, ERR_BAD_REQUEST, "the body must be a JSON object");
    for (size_t i = 0; i < t->n; i++) {
        const struct param_row *r = &t->rows[i];
        json_t *v = json_object_get(in, r->name);

        if (!(r->on & on))
            continue;
        if ((!v || json_is_null(v)) && r->flags & PARAM_MODEL_DEFAULT)
            v = json_object_get(model, r->name);
        if (v && !json_is_null(v))
            TRY(read_row(r, v, out, e));
        else if (r->flags & PARAM_REQUIRED)
            return err_set(e, ERR_BAD_REQUEST, "%s: is missing", r->name);
    }
    return ERR_OK;
}

static json_t *default_of(const struct param_row *r, const void *at)
{
    switch (r->kind) {
    case PARAM_BOOL:
        return json_boolean(*(const bool *)at);
    case PARAM_INT:
        return r->min < r->max && (double)*(const int64_t *)at < r->min ? json_null() : json_integer(*(const int64_t *)at);
    case PARAM_NUM:
        return json_real(*(const double *)at);
    default:
        return json_null();
    }
}

static json_t *row_schema(const struct param_row *r, const void *defaults)
{
    json_t *s = json_object();

    json_put_str(s, "type", kinds[r->kind].schema);
    json_put_str(s, "description", r->doc);
    if (r->min < r->max) {
        json_put(s, r->flags & PARAM_ABOVE_MIN ? "exclusiveMinimum" : "minimum", json_real(r->min));
        if (r->max < PARAM_MAX)
            json_put(s, "maximum", json_real(r->max));
    }
    if (!(r->flags & PARAM_REQUIRED) && defaults)
        json_put(s, "default", default_of(r, (const char *)defaults + r->off));
    return s;
}

json_t *params_schema(const struct param_table *t, unsigned on, const void *defaults)
{
    json_t *schema = json_pack("{s:s, s:{}}", "type", "object", "properties"), *required = json_array();

    for (size_t i = 0; i < t->n; i++) {
        const struct param_row *r = &t->rows[i];
        if (!(r->on & on) || r->kind == PARAM_UNBUILT)
            continue;
        json_put(json_object_get(schema, "properties"), r->name, row_schema(r, defaults));
        if (r->flags & PARAM_REQUIRED)
            json_push(required, json_string(r->name));
    }
    json_put(schema, "required", required);
    return schema;
}
