/*
 * Validation of custom types, worded as kube-apiserver words it (k8s.io/kube-openapi/pkg/validation and
 * apiextensions-apiserver/pkg/apiserver/validation).
 */
#include "schema/priv.h"

#include <math.h>

#include "base/mem.h"
#include "schema/cel.h"

struct checker {
    struct field_errors *out;
    bool rules;                 /* the pass over x-kubernetes-validations, once all else is right */
};

static void check_value(const struct checker *c, const struct field *f, const json_t *v, const json_t *old, const struct path *at);

static char *place(const struct path *at)
{
    struct buf b = { 0 };

    path_add_dotted(at, &b);
    return buf_take(&b);
}

/* Kubernetes writes lists with brackets and map entries with dots. */
static const char *type_word(const json_t *v)
{
    return json_is_integer(v) ? "integer" : json_is_boolean(v) ? "boolean" : json_type_word(v);
}

static bool is_integral(const json_t *v)
{
    return json_is_integer(v) || (json_is_real(v) && json_real_value(v) == floor(json_real_value(v)));
}

static bool right_type(const struct field *f, const json_t *v)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_ANY: return true;
    case FIELD_STR: case FIELD_TIME: case FIELD_MICROTIME: case FIELD_BYTES: return json_is_string(v);
    case FIELD_INT: return is_integral(v);
    case FIELD_NUM: return json_is_number(v);
    case FIELD_BOOL: return json_is_boolean(v);
    case FIELD_QUANTITY: case FIELD_INT_OR_STR: return json_is_string(v) || json_is_integer(v);
    case FIELD_LIST: return json_is_array(v);
    case FIELD_OBJECT: case FIELD_MAP: return json_is_object(v);
    }
    return true;
}

static const char *wanted_type(const struct field *f)
{
    static const char *const words[] = {
        [FIELD_ANY] = "any", [FIELD_STR] = "string", [FIELD_INT] = "integer", [FIELD_NUM] = "number", [FIELD_BOOL] = "boolean",
        [FIELD_OBJECT] = "object", [FIELD_LIST] = "array", [FIELD_MAP] = "object", [FIELD_TIME] = "string",
        [FIELD_MICROTIME] = "string", [FIELD_QUANTITY] = "integer,string", [FIELD_INT_OR_STR] = "integer,string", [FIELD_BYTES] = "string",
    };

    return words[f->kind];
}

static void wrong_type(const struct checker *c, const json_t *v, const struct path *at, const char *wanted)
{
    AUTO_MEM char *p = place(at);
    AUTO_MEM char *found = xasprintf("\"%s\"", type_word(v));

    field_error_add(c->out, FIELD_TYPE_INVALID_VALUE, p, found, "%s in body must be of type %s: %s", p, wanted, found);
}

static size_t rune_count(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += (s.p[i] & 0xC0) != 0x80;
    return n;
}

/* Length and pattern stop at the first that fails, as upstream's validator does; the format is looked at all the same. */
static void check_string(const struct checker *c, const struct field_rules *r, const json_t *v, const char *p)
{
    struct str s = json_to_str(v);

    if (r->max_len && rune_count(s) > r->max_len)
        field_error_add_json(c->out, FIELD_TOO_LONG_VALUE, p, v, "may not be more than %u bytes", r->max_len);
    else if (r->min_len && rune_count(s) < r->min_len)
        field_error_add_json(c->out, FIELD_INVALID_VALUE, p, v, "%s in body should be at least %u chars long", p, r->min_len);
    else if (r->pattern && !regex_matches(r->pattern, s))
        field_error_add_json(c->out, FIELD_INVALID_VALUE, p, v, "%s in body should match '%s'", p, r->pattern);
    if (r->format && !format_holds(r->format, v)) {
        AUTO_MEM char *text = json_text(v);
        field_error_add(c->out, FIELD_TYPE_INVALID_VALUE, p, text, "%s in body must be of type %s: %s", p, r->format, text);
    }
}

static void check_number(const struct checker *c, const struct field_rules *r, const json_t *v, const char *p)
{
    double x = json_number_value(v);

    if (r->has_min && (r->above_min ? x <= r->min : x < r->min))
        field_error_add_json(c->out, FIELD_INVALID_VALUE, p, v, "%s in body should be greater than %s%.17g", p,
                             r->above_min ? "" : "or equal to ", r->min);
    if (r->has_max && (r->below_max ? x >= r->max : x > r->max))
        field_error_add_json(c->out, FIELD_INVALID_VALUE, p, v, "%s in body should be less than %s%.17g", p,
                             r->below_max ? "" : "or equal to ", r->max);
    if (r->multiple_of != 0 && fabs(x / r->multiple_of - round(x / r->multiple_of)) > 1e-9)
        field_error_add_json(c->out, FIELD_INVALID_VALUE, p, v, "%s in body should be a multiple of %.17g", p, r->multiple_of);
}

static void check_count(const struct checker *c, const struct field_rules *r, size_t n, const char *what, const char *p)
{
    AUTO_MEM char *text = xasprintf("%zu", n);

    if (r->min_len && n < r->min_len)
        field_error_add(c->out, FIELD_INVALID_VALUE, p, text, "%s in body should have at least %u %s", p, r->min_len, what);
    if (r->max_len && n > r->max_len)
        field_error_add(c->out, FIELD_TOO_MANY_VALUE, p, text, "must have at most %u items", r->max_len);
}

static bool in_enum(const struct field_rules *r, const json_t *v)
{
    const json_t *allowed;
    size_t i;

    for (i = 0; r->enums && r->enums[i]; i++)
        if (streq(r->enums[i], json_string_value(v)))
            return true;
    json_array_foreach(r->enum_json, i, allowed)
        if (json_equal(allowed, v))
            return true;
    return !r->enums && !r->enum_json;
}

static void check_enum(const struct checker *c, const struct field_rules *r, const json_t *v, const char *p)
{
    AUTO_BUF list = { 0 };
    const json_t *allowed;
    size_t i;

    if (in_enum(r, v))
        return;
    for (i = 0; r->enums && r->enums[i]; i++)
        buf_addf(&list, "%s\"%s\"", i ? ", " : "", r->enums[i]);
    json_array_foreach(r->enum_json, i, allowed) {
        AUTO_MEM char *text = json_text(allowed);
        buf_addf(&list, json_is_string(allowed) ? "%s%s" : "%s\"%s\"", i ? ", " : "", text);
    }
    field_error_add_json(c->out, FIELD_NOT_SUPPORTED_VALUE, p, v, "supported values: %s", buf_cstr(&list));
}

/* The key of a list item: the item itself for sets, the values of the keys (with their defaults) for maps. New reference. */
static json_t *item_key(const struct field *list, const json_t *item)
{
    if (!(list->flags & FIELD_LIST_MAP) || !json_is_object(item))
        return json_deep_copy(item);
    struct str keys = str_of(list->rules->keys), key;
    json_t *out = json_object();
    while (str_next(&keys, ',', &key)) {
        json_t *v = json_object_getn(item, key.p, key.n);
        if (v)
            json_object_setn(out, key.p, key.n, v);
    }
    return out;
}

static void check_duplicates(const struct checker *c, const struct field *f, const json_t *v, const struct path *at)
{
    AUTO_JSON seen = json_array();
    const json_t *item, *other;
    size_t i, k;

    json_array_foreach(v, i, item) {
        json_t *key = item_key(f, item);
        json_array_foreach(seen, k, other)
            if (json_equal(other, key)) {
                AUTO_MEM char *p = place(PATH_INDEX(at, i));
                field_error_add_json(c->out, FIELD_DUPLICATE_VALUE, p, key, "%s", "");
                break;
            }
        json_push(seen, key);
    }
}

static size_t try_alternatives(const struct field *alternatives, size_t n, const json_t *v, const struct path *at,
                               struct field_errors *first)
{
    size_t valid = 0;

    for (size_t i = 0; i < n; i++) {
        AUTO_FIELD_ERRORS errors = { 0 };
        struct checker c = { &errors, false };
        check_value(&c, &alternatives[i], v, NULL, at);
        valid += errors.n == 0;
        if (errors.n && !first->n) {
            *first = errors;
            errors = (struct field_errors){ 0 };
        }
    }
    return valid;
}

static void logic_failed(const struct checker *c, const struct path *at, const char *text, struct field_errors *why)
{
    AUTO_MEM char *p = place(at);

    field_error_add(c->out, FIELD_INVALID_VALUE, "<nil>", "\"\"", "\"%s\" %s", p, text);
    for (size_t i = 0; why && i < why->n; i++) {
        vec_grow(c->out->items, c->out->n, c->out->cap);
        c->out->items[c->out->n++] = why->items[i];
        why->items[i] = (struct field_error){ 0 };
    }
}

static void check_logic(const struct checker *c, const struct field_logic *l, const json_t *v, const struct path *at)
{
    AUTO_FIELD_ERRORS any = { 0 };
    AUTO_FIELD_ERRORS one = { 0 };
    AUTO_FIELD_ERRORS all = { 0 };
    AUTO_FIELD_ERRORS none = { 0 };

    if (l->n_any && !try_alternatives(l->any_of, l->n_any, v, at, &any))
        logic_failed(c, at, "must validate at least one schema (anyOf)", &any);
    if (l->n_one) {
        size_t valid = try_alternatives(l->one_of, l->n_one, v, at, &one);
        if (valid != 1)
            logic_failed(c, at, valid ? "must validate one and only one schema (oneOf). Found 2 valid alternatives"
                                      : "must validate one and only one schema (oneOf). Found none valid", valid ? NULL : &one);
    }
    size_t good = try_alternatives(l->all_of, l->n_all, v, at, &all);

    if (good != l->n_all)
        logic_failed(c, at, good ? "must validate all the schemas (allOf)" : "must validate all the schemas (allOf). None validated", &all);
    if (l->not_ && try_alternatives(l->not_, 1, v, at, &none))
        logic_failed(c, at, "must not validate the schema (not)", NULL);
}

static void check_object(const struct checker *c, const struct type *t, const json_t *v, const json_t *old, const struct path *at)
{
    if (t->flags & TYPE_BUILTIN)
        return;                         /* ObjectMeta: its rules are code */
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct field *f = &t->fields[i];
        const json_t *value = json_object_get(v, f->json);
        const struct path *here = PATH_FIELD(at, f->json);
        if (value) {
            check_value(c, f, value, json_object_get(old, f->json), here);
        } else if (f->flags & FIELD_REQUIRED && !c->rules) {
            AUTO_MEM char *p = place(here);
            field_error_add(c->out, FIELD_REQUIRED_VALUE, p, NULL, "%s", "");
        }
    }
}

/* The old item with the same key, for transition rules; only lists with identity have one. */
static const json_t *old_item(const struct field *f, const json_t *old, const json_t *item)
{
    const json_t *candidate;
    size_t i;

    if (!(f->flags & FIELD_LIST_MAP))
        return NULL;
    AUTO_JSON key = item_key(f, item);
    json_array_foreach(old, i, candidate) {
        AUTO_JSON other = item_key(f, candidate);
        if (json_equal(key, other))
            return candidate;
    }
    return NULL;
}

static void check_children(const struct checker *c, const struct field *f, const json_t *v, const json_t *old, const struct path *at)
{
    const json_t *item;
    json_t *value, *object = (json_t *)(uintptr_t)v;
    const char *key;
    size_t i;

    if (f->kind == FIELD_OBJECT) {
        check_object(c, f->type, v, old, at);
    } else if (f->kind == FIELD_LIST) {
        if (f->flags & (FIELD_LIST_SET | FIELD_LIST_MAP | FIELD_UNIQUE) && !c->rules)
            check_duplicates(c, f, v, at);
        if (f->item)
            json_array_foreach(v, i, item)
                check_value(c, f->item, item, old_item(f, old, item), PATH_INDEX(at, i));
    } else if (f->kind == FIELD_MAP && f->item) {
        json_object_foreach(object, key, value)
            check_value(c, f->item, value, json_object_get(old, key), PATH_KEY(at, key));
    }
}

static const struct { const char *word; enum field_reason reason; } cel_reasons[] = {
    { "FieldValueForbidden", FIELD_FORBIDDEN_VALUE }, { "FieldValueRequired", FIELD_REQUIRED_VALUE }, { "FieldValueDuplicate", FIELD_DUPLICATE_VALUE },
};

/* messageExpression, or message, or the rule itself. */
static char *cel_message(const json_t *rule, const json_t *self, const json_t *old, struct arena *a)
{
    const char *expression = json_cstr(rule, "messageExpression"), *message = json_cstr(rule, "message");
    const struct cel *c;
    AUTO_JSON text = NULL;
    struct err e;

    if (expression && !cel_parse(str_of(expression), a, &c, &e) && !cel_eval(c, self, old, &text, &e) && json_string_length(text))
        return arena_strdup(a, json_string_value(text));
    if (str_set(message))
        return arena_strdup(a, message);
    return arena_printf(a, "failed rule: %s", json_cstr(rule, "rule"));
}

static void cel_failed(const struct checker *c, const json_t *rule, const json_t *self, const char *message, const struct path *at)
{
    enum field_reason reason = FIELD_INVALID_VALUE;
    AUTO_MEM char *p = place(at);
    AUTO_MEM char *where = xasprintf("%s%s", p, json_cstr(rule, "fieldPath") ? json_cstr(rule, "fieldPath") : "");
    AUTO_MEM char *value = xasprintf("\"%s\"", type_word(self));
    const char *shown = *p ? where : *where ? where + 1 : "<nil>";

    for (size_t i = 0; i < ARRAY_LEN(cel_reasons); i++)
        if (streq(cel_reasons[i].word, json_cstr(rule, "reason")))
            reason = cel_reasons[i].reason;
    field_error_add(c->out, reason, shown, value, "%s", message);
}

/*
 * A rule with oldSelf is about a change: without an old value it does not apply. One that we cannot read (a function that is not
 * built) is passed over: better a missed check than a refused object.
 */
static void check_cel(const struct checker *c, const json_t *rules, const json_t *self, const json_t *old, const struct path *at)
{
    const json_t *rule;
    size_t i;

    json_array_foreach(rules, i, rule) {
        AUTO_FREE(arena) a = arena_new();
        AUTO_JSON result = NULL;
        const char *text = json_cstr(rule, "rule");
        const struct cel *cel;
        struct err e;
        if (!text || cel_parse(str_of(text), a, &cel, &e))
            continue;
        if (!old && cel_mentions(cel, "oldSelf"))
            continue;
        if (cel_eval(cel, self, old, &result, &e))
            cel_failed(c, rule, self, arena_printf(a, "rule evaluation error: %s", e.text), at);
        else if (!json_is_true(result))
            cel_failed(c, rule, self, cel_message(rule, self, old, a), at);
    }
}

static void check_rules(const struct checker *c, const struct field *f, const json_t *v, const json_t *old, const struct path *at)
{
    const struct field_rules *r = f->rules;
    AUTO_MEM char *p = place(at);

    if (r->enums || r->enum_json)
        check_enum(c, r, v, p);
    if (json_is_string(v))
        check_string(c, r, v, p);
    else if (json_is_number(v))
        check_number(c, r, v, p);
    else if (json_is_array(v))
        check_count(c, r, json_array_size(v), "items", p);
    else if (json_is_object(v))
        check_count(c, r, json_object_size(v), "properties", p);
    if (r->logic)
        check_logic(c, r->logic, v, at);
}

/* The second pass, over an object that is otherwise valid: only its rules. */
static void check_rules_only(const struct checker *c, const struct field *f, const json_t *v, const json_t *old, const struct path *at)
{
    if (f->rules && f->rules->cel)
        check_cel(c, f->rules->cel, v, old, at);
}

static void check_value(const struct checker *c, const struct field *f, const json_t *v, const json_t *old, const struct path *at)
{
    bool fits = right_type(f, v);

    if (json_is_null(v) && f->flags & FIELD_NULLABLE)
        return;
    if (c->rules) {
        check_rules_only(c, f, v, old, at);
        check_children(c, f, v, old, at);
        return;
    }
    if (!fits && !(f->flags & FIELD_UNTYPED)) {
        wrong_type(c, v, at, wanted_type(f));
        if (f->rules && f->rules->logic)
            check_logic(c, f->rules->logic, v, at);
        return;
    }
    if (f->flags & FIELD_IMMUTABLE && old && !json_equal(v, old)) {
        AUTO_MEM char *p = place(at);
        field_error_add_json(c->out, FIELD_INVALID_VALUE, p, v, "field is immutable");
    }
    if (fits)
        check_children(c, f, v, old, at);
    if (f->rules)
        check_rules(c, f, v, old, at);
}

void validate_field(const struct field *f, const json_t *value, struct field_errors *out)
{
    check_value(&(struct checker){ out, false }, f, value, NULL, NULL);
}

/* After these a rule could meet values it does not expect. */
static bool blocks_rules(enum field_reason r)
{
    return r == FIELD_REQUIRED_VALUE || r == FIELD_NOT_SUPPORTED_VALUE || r == FIELD_TOO_LONG_VALUE || r == FIELD_TOO_MANY_VALUE
           || r == FIELD_TYPE_INVALID_VALUE;
}

void schema_validate(const struct type *t, const json_t *j, const json_t *old, struct field_errors *out)
{
    struct field root = { .kind = FIELD_OBJECT, .type = t, .rules = t->rules };
    struct checker c = { out, false };
    size_t before = out->n;

    if (t->flags & TYPE_BUILTIN)
        return;
    check_value(&c, &root, j, old, NULL);
    if (!(t->flags & TYPE_HAS_CEL))
        return;
    for (size_t i = before; i < out->n; i++)
        if (blocks_rules(out->items[i].reason)) {
            field_error_add(out, FIELD_INVALID_VALUE, "<nil>", "\"null\"", "some validation rules were not checked because the object was "
                            "invalid; correct the existing errors to complete validation");
            return;
        }
    check_value(&(struct checker){ out, true }, &root, j, old, NULL);
}
