/* Trees to values. Values are JSON; integers and doubles compare as numbers. */
#include "schema/cel_priv.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "schema/priv.h"

#define STEPS_MAX 1000000

struct scope { const char *name; json_t *value; const struct scope *up; };
struct machine { struct err *err; size_t steps; };

static errc eval(struct machine *m, const struct cel *c, const struct scope *s, json_t **out);

errc cel_fail(struct err *e, const char *what, const char *name)
{
    return err_set(e, ERR_INVALID, "%s%s%s", what, name ? ": " : "", name ? name : "");
}

static bool number_equal(const json_t *a, const json_t *b)
{
    return json_is_integer(a) && json_is_integer(b) ? json_integer_value(a) == json_integer_value(b)
                                                    : json_number_value(a) == json_number_value(b);
}

bool cel_equal(const json_t *a, const json_t *b)
{
    return json_is_number(a) && json_is_number(b) ? number_equal(a, b) : json_equal(a, b);
}

static errc eval_name(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    for (; s; s = s->up)
        if (streq(s->name, c->name)) {
            if (!s->value)
                break;
            *out = json_incref(s->value);
            return ERR_OK;
        }
    return cel_fail(m->err, "undeclared reference", c->name);
}

static errc eval_field(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    AUTO_JSON object = NULL;

    TRY(eval(m, c->kids[0], s, &object));
    json_t *v = json_object_get(object, c->name);
    if (c->op == CEL_HAS) {
        if (!json_is_object(object))
            return cel_fail(m->err, "no such overload", "has");
        *out = json_boolean(v && !json_is_null(v));
        return ERR_OK;
    }
    if (!v)
        return cel_fail(m->err, "no such key", c->name);
    *out = json_incref(v);
    return ERR_OK;
}

static errc eval_index(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    AUTO_JSON object = NULL;
    AUTO_JSON key = NULL;
    json_t *v = NULL;

    TRY(eval(m, c->kids[0], s, &object));
    TRY(eval(m, c->kids[1], s, &key));
    if (json_is_array(object) && json_is_number(key)) {
        double i = json_number_value(key);
        v = i >= 0 && i < (double)json_array_size(object) && i == floor(i) ? json_array_get(object, (size_t)i) : NULL;
    } else if (json_is_object(object) && json_is_string(key)) {
        v = json_object_get(object, json_string_value(key));
    }
    if (!v)
        return cel_fail(m->err, json_is_array(object) ? "index out of bounds" : "no such key", json_string_value(key));
    *out = json_incref(v);
    return ERR_OK;
}

/* false && error is false, whichever side it is on; so with ||. */
static errc eval_logic(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    bool deciding = c->op == CEL_OR;
    struct err first = { 0 };
    errc failed = ERR_OK;

    for (size_t i = 0; i < 2; i++) {
        AUTO_JSON v = NULL;
        errc rc = eval(m, c->kids[i], s, &v);
        if (!rc && !json_is_boolean(v))
            rc = cel_fail(m->err, "no such overload", deciding ? "||" : "&&");
        if (!rc && json_is_true(v) == deciding) {
            *out = json_boolean(deciding);
            return ERR_OK;
        }
        if (rc && !failed) {
            failed = rc;
            first = *m->err;
        }
    }
    if (failed) {
        *m->err = first;
        return failed;
    }
    *out = json_boolean(!deciding);
    return ERR_OK;
}

static errc eval_if(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    AUTO_JSON v = NULL;

    TRY(eval(m, c->kids[0], s, &v));
    if (!json_is_boolean(v))
        return cel_fail(m->err, "no such overload", "?:");
    return eval(m, c->kids[json_is_true(v) ? 1 : 2], s, out);
}

errc cel_compare(enum cel_op op, const json_t *a, const json_t *b, json_t **out, struct err *e)
{
    double d;

    if (json_is_number(a) && json_is_number(b))
        d = json_is_integer(a) && json_is_integer(b) ? (json_integer_value(a) > json_integer_value(b)) - (json_integer_value(a) < json_integer_value(b))
                                                     : json_number_value(a) - json_number_value(b);
    else if (json_is_string(a) && json_is_string(b))
        d = str_cmp(json_to_str(a), json_to_str(b));
    else if (json_is_boolean(a) && json_is_boolean(b))
        d = json_is_true(a) - json_is_true(b);
    else
        return cel_fail(e, "no such overload", "comparison");
    *out = json_boolean(op == CEL_LT ? d < 0 : op == CEL_LE ? d <= 0 : op == CEL_GT ? d > 0 : d >= 0);
    return ERR_OK;
}

static errc contained(const json_t *a, const json_t *b, json_t **out, struct err *e)
{
    const json_t *item;
    size_t i;
    bool found = false;

    if (json_is_object(b) && json_is_string(a)) {
        found = json_object_get(b, json_string_value(a)) != NULL;
    } else if (json_is_array(b)) {
        json_array_foreach(b, i, item)
            found |= cel_equal(item, a);
    } else {
        return cel_fail(e, "no such overload", "in");
    }
    *out = json_boolean(found);
    return ERR_OK;
}

static errc integer_math(enum cel_op op, int64_t a, int64_t b, json_t **out, struct err *e)
{
    int64_t v = 0;
    bool overflow = false;

    if ((op == CEL_DIV || op == CEL_MOD) && (b == 0 || (a == INT64_MIN && b == -1)))
        return cel_fail(e, b ? "return error for overflow" : op == CEL_DIV ? "division by zero" : "modulus by zero", NULL);
    switch (op) {
    case CEL_ADD: overflow = __builtin_add_overflow(a, b, &v); break;
    case CEL_SUB: overflow = __builtin_sub_overflow(a, b, &v); break;
    case CEL_MUL: overflow = __builtin_mul_overflow(a, b, &v); break;
    case CEL_DIV: v = a / b; break;
    default: v = a % b;
    }
    if (overflow)
        return cel_fail(e, "return error for overflow", NULL);
    *out = json_integer(v);
    return ERR_OK;
}

static errc real_math(enum cel_op op, double a, double b, json_t **out, struct err *e)
{
    double v = op == CEL_ADD ? a + b : op == CEL_SUB ? a - b : op == CEL_MUL ? a * b : b != 0 ? a / b : 0;

    if (op == CEL_MOD || !isfinite(v))
        return cel_fail(e, "no such overload", "arithmetic");
    *out = json_real(v);
    return ERR_OK;
}

errc cel_math(enum cel_op op, json_t *a, json_t *b, json_t **out, struct err *e)
{
    if (json_is_integer(a) && json_is_integer(b))
        return integer_math(op, json_integer_value(a), json_integer_value(b), out, e);
    if (json_is_number(a) && json_is_number(b))
        return real_math(op, json_number_value(a), json_number_value(b), out, e);
    if (op != CEL_ADD || json_typeof(a) != json_typeof(b) || !(json_is_string(a) || json_is_array(a)))
        return cel_fail(e, "no such overload", "arithmetic");
    if (json_is_string(a)) {
        if (json_string_length(a) + json_string_length(b) > (1u << 20))
            return cel_fail(e, "a string grows too long", NULL);
        *out = json_strf("%s%s", json_string_value(a), json_string_value(b));
        return ERR_OK;
    }
    *out = json_copy(a);
    json_array_extend(*out, b);
    return ERR_OK;
}

static errc eval_binary(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    AUTO_JSON a = NULL;
    AUTO_JSON b = NULL;

    TRY(eval(m, c->kids[0], s, &a));
    TRY(eval(m, c->kids[1], s, &b));
    switch (c->op) {
    case CEL_EQ: case CEL_NE:
        *out = json_boolean(cel_equal(a, b) == (c->op == CEL_EQ));
        return ERR_OK;
    case CEL_LT: case CEL_LE: case CEL_GT: case CEL_GE:
        return cel_compare(c->op, a, b, out, m->err);
    case CEL_IN:
        return contained(a, b, out, m->err);
    default:
        return cel_math(c->op, a, b, out, m->err);
    }
}

static errc eval_unary(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    AUTO_JSON v = NULL;

    TRY(eval(m, c->kids[0], s, &v));
    if (c->op == CEL_NOT && json_is_boolean(v))
        *out = json_boolean(json_is_false(v));
    else if (c->op == CEL_NEGATE && json_is_integer(v) && json_integer_value(v) != INT64_MIN)
        *out = json_integer(-json_integer_value(v));
    else if (c->op == CEL_NEGATE && json_is_real(v))
        *out = json_real(-json_real_value(v));
    else
        return cel_fail(m->err, "no such overload", c->op == CEL_NOT ? "!" : "-");
    return ERR_OK;
}

static errc eval_literal(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    AUTO_JSON made = c->op == CEL_LIST ? json_array() : json_object();

    for (size_t i = 0; i < c->n; i += c->op == CEL_LIST ? 1 : 2) {
        AUTO_JSON key = NULL;
        json_t *v = NULL;
        TRY(eval(m, c->kids[i], s, &key));
        if (c->op == CEL_LIST) {
            json_push(made, TAKE(key));
            continue;
        }
        if (!json_is_string(key))
            return cel_fail(m->err, "unsupported key type", NULL);
        TRY(eval(m, c->kids[i + 1], s, &v));
        json_put(made, json_string_value(key), v);
    }
    *out = TAKE(made);
    return ERR_OK;
}

/* ---- macros ------------------------------------------------------------------------------------------------------- */

/* What a macro walks over: the items, or the keys. New reference. */
static json_t *range_of(json_t *v)
{
    const char *key;
    json_t *ignored, *keys;

    if (json_is_array(v))
        return json_incref(v);
    if (!json_is_object(v))
        return NULL;
    keys = json_array();
    json_object_foreach(v, key, ignored)
        json_push(keys, json_string(key));
    return keys;
}

struct tally { size_t yes; json_t *list; errc failed; struct err first; };

static errc step(struct machine *m, const struct cel *c, const struct scope *s, json_t *item, struct tally *t)
{
    AUTO_JSON v = NULL;
    errc rc = eval(m, c->kids[1], s, &v);
    bool maps = c->call == MACRO_MAP && c->n == 2;

    if (!rc && !maps && !json_is_boolean(v))
        rc = cel_fail(m->err, "no such overload", "a macro's condition");
    if (rc && (c->call == MACRO_ALL || c->call == MACRO_EXISTS)) {
        if (!t->failed)
            t->first = *m->err;
        t->failed = rc;
        return ERR_OK;
    }
    TRY(rc);
    t->yes += json_is_true(v);
    if (maps) {
        json_push(t->list, TAKE(v));
    } else if (c->call == MACRO_FILTER && json_is_true(v)) {
        json_push(t->list, json_incref(item));
    } else if (c->call == MACRO_MAP && json_is_true(v)) {
        json_t *mapped = NULL;
        TRY(eval(m, c->kids[2], s, &mapped));
        json_push(t->list, mapped);
    }
    return ERR_OK;
}

static errc eval_macro(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    AUTO_JSON target = NULL;
    AUTO_JSON list = json_array();
    struct tally t = { .list = list };
    json_t *item;
    size_t i;

    TRY(eval(m, c->kids[0], s, &target));
    AUTO_JSON range = range_of(target);
    if (!range)
        return cel_fail(m->err, "no such overload", "a macro's range");
    json_array_foreach(range, i, item) {
        struct scope inner = { c->name, item, s };
        TRY(step(m, c, &inner, item, &t));
    }
    size_t n = json_array_size(range);
    bool all = c->call == MACRO_ALL;
    if ((all || c->call == MACRO_EXISTS) && t.failed) {
        bool decided = all ? false : t.yes > 0;
        if (!decided) {
            *m->err = t.first;
            return t.failed;
        }
    }
    if (c->call == MACRO_MAP || c->call == MACRO_FILTER)
        *out = TAKE(list);
    else
        *out = json_boolean(all ? t.yes == n : c->call == MACRO_EXISTS ? t.yes > 0 : t.yes == 1);
    return ERR_OK;
}

static errc eval_call(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    AUTO_JSON first = NULL;
    AUTO_JSON second = NULL;

    TRY(eval(m, c->kids[0], s, &first));
    if (c->n > 1)
        TRY(eval(m, c->kids[1], s, &second));
    return cel_call(c->call, (json_t *const[]){ first, second }, out, m->err);
}

static errc eval(struct machine *m, const struct cel *c, const struct scope *s, json_t **out)
{
    if (++m->steps > STEPS_MAX)
        return cel_fail(m->err, "the rule takes too many steps", NULL);
    switch (c->op) {
    case CEL_VALUE:
        *out = json_incref((json_t *)(uintptr_t)c->value);
        return ERR_OK;
    case CEL_NAME: return eval_name(m, c, s, out);
    case CEL_FIELD: case CEL_HAS: return eval_field(m, c, s, out);
    case CEL_INDEX: return eval_index(m, c, s, out);
    case CEL_CALL: return eval_call(m, c, s, out);
    case CEL_MACRO: return eval_macro(m, c, s, out);
    case CEL_LIST: case CEL_MAP: return eval_literal(m, c, s, out);
    case CEL_NOT: case CEL_NEGATE: return eval_unary(m, c, s, out);
    case CEL_AND: case CEL_OR: return eval_logic(m, c, s, out);
    case CEL_IF: return eval_if(m, c, s, out);
    default: return eval_binary(m, c, s, out);
    }
}

errc cel_eval_with(const struct cel *c, const struct cel_variable *vars, size_t n, json_t **out, struct err *e)
{
    struct scope scopes[CEL_VARIABLES_MAX];
    struct err local;
    struct machine m = { e ? e : &local, 0 };

    assert(n > 0 && n <= ARRAY_LEN(scopes));
    for (size_t i = 0; i < n; i++)
        scopes[i] = (struct scope){ vars[i].name, vars[i].value, i ? &scopes[i - 1] : NULL };
    return eval(&m, c, &scopes[n - 1], out);
}

errc cel_eval(const struct cel *c, const json_t *self, const json_t *old_self, json_t **out, struct err *e)
{
    const struct cel_variable vars[] = { { "self", (json_t *)(uintptr_t)self }, { "oldSelf", (json_t *)(uintptr_t)old_self } };

    return cel_eval_with(c, vars, ARRAY_LEN(vars), out, e);
}
